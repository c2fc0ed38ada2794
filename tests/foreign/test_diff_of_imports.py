"""`regress diff` on results of other harnesses: exit codes, kinds, and where it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_samples import TASK, LmEval, inspect_log, samples_of, write_log

from regress.foreign.recognise import IS, READ
from regress.foreign.records import Kind

Diff = Callable[..., tuple[int, str, Any]]


def sides(tmp_path: Path, tasks: dict[str, tuple[int, int, int]]) -> tuple[Path, Path]:
    """(items, lost, gained) by task; half of the rest is right on both sides."""
    found = []
    for model, side in (("org/base", 0), ("org/tuned", 1)):
        made: LmEval | None = None
        for name, (n, lost, gained) in tasks.items():
            rest = n - lost - gained
            values = [1 - side] * lost + [side] * gained + [i % 2 for i in range(rest)]
            one = LmEval(values, model=model, task=name)
            made = one if made is None else made.add(one, name)
        assert made is not None
        found.append(made.write(tmp_path / str(side)))
    return found[0], found[1]


@pytest.mark.parametrize(
    ("tasks", "code", "verdicts"),
    [
        ({"a": (500, 0, 0), "b": (500, 0, 0)}, 0, ["PASS", "PASS"]),
        ({"a": (500, 0, 0), "b": (500, 60, 5)}, 3, ["PASS", "FAIL"]),
        ({"a": (500, 0, 0), "b": (40, 1, 1)}, 4, ["PASS", "UNDECIDED"]),
        ({"a": (500, 0, 60)}, 0, ["PASS"]),
        ({"a": (40, 1, 1), "b": (500, 60, 5)}, 3, ["UNDECIDED", "FAIL"]),
    ],
)
def test_exit_codes(
    tasks: dict[str, tuple[int, int, int]], code: int, verdicts: list[str], tmp_path: Path, diff: Diff
) -> None:
    a, b = sides(tmp_path, tasks)
    assert diff(a, b)[0] == 0
    found, _, data = diff(a, b, "--fail-on-loss", "--json")
    assert found == data["exit_code"] == code
    assert [task["verdict"] for task in data["tasks"]] == verdicts


def test_a_loss_that_one_of_many_tasks_shows_by_chance_fails_nothing(tmp_path: Path, diff: Diff) -> None:
    """Beyond the margin by itself at alpha, and not after Holm's correction over twelve tasks."""
    tasks = {f"t{number}": (500, 0, 0) for number in range(11)} | {"z": (500, 28, 6)}
    code, said, data = diff(*sides(tmp_path, tasks), "--fail-on-loss", "--json")
    worst = data["tasks"][-1]
    assert worst["verdict"] == "FAIL"
    assert worst["p_fail"] <= 0.05 < worst["p_fail_holm"]
    assert code == 4
    assert "not after Holm's correction over 12 comparisons" in said


def test_the_margin_is_what_was_said(tmp_path: Path, diff: Diff) -> None:
    a, b = sides(tmp_path, {"a": (500, 20, 5)})
    assert diff(a, b, "--fail-on-loss", "--margin", "0.1")[0] == 0
    code, said, data = diff(a, b, "--fail-on-loss", "--margin", "0.005", "--json")
    assert (code, data["margin"]) == (3, 0.005)
    assert "the margin is 0.5 points; alpha is 0.05" in said


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: folder / "nothing", "does not exist"),
        (lambda folder: folder, "is neither a run of regress (manifest.json) nor lm-eval results"),
        (lambda folder: write_log(folder / "log.json", inspect_log(["C"])), "only the same kind can be compared"),
        (lambda folder: LmEval([1]).write(folder) and folder.parent / "0", "what should it be compared with?"),
    ],
)
def test_what_cannot_be_carried_out(make: Callable[[Path], Path], expected: str, tmp_path: Path, diff: Diff) -> None:
    a, _ = sides(tmp_path, {"a": (10, 0, 0)})
    other = tmp_path / "other"
    other.mkdir()
    code, said, _ = diff(a, make(other))
    assert (code, expected in said) == (2, True), said


def test_options_of_imports_are_none_of_a_runs(tmp_path: Path, diff: Diff) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text("{}")
    for option in (["--margin", "0.1"], ["--metric", "acc"], ["--filter", "x"], ["--fail-on-loss"]):
        code, said, _ = diff(run, run, *option)
        assert (code, "runs have a lock" in said) == (2, True)


def test_one_item_is_too_few_for_a_graded_score(tmp_path: Path, diff: Diff) -> None:
    a, b = (LmEval([0.5], model=name).write(tmp_path / name) for name in "ab")
    code, said, _ = diff(a, b)
    assert (code, "cannot be graded" in said) == (5, True)


def test_every_kind_is_recognised_and_read() -> None:
    assert list(IS) == list(READ) == list(Kind)


def test_neither_the_harnesses_nor_a_model_library_is_imported(tmp_path: Path) -> None:
    a, b = sides(tmp_path, {"a": (50, 2, 0)})
    code = (
        "import sys\nfrom regress.cli import main\nassert main(['diff', *sys.argv[1:]]) == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(samples_of(a)), str(samples_of(b))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & {"torch", "transformers", "lm_eval", "inspect_ai", "datasets", "scipy"} == set()


def test_examples_show_what_was_lost(tmp_path: Path, diff: Diff) -> None:
    _, said, _ = diff(*sides(tmp_path, {TASK: (20, 2, 0)}))
    assert "lost, for example capitals · 0 Question: What is the capital of land 0?" in said
