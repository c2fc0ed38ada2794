"""Files changed at random: whatever they hold is compared or refused, and no score of lm-eval changes unseen."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_samples import LmEval, inspect_log, samples_of, write_archive, write_log

STRANGE: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    10**300,
    float("nan"),
    "",
    "x",
    "attachment://1",
    [],
    [[]],
    {},
    {"a": 1},
)
ROUNDS = [60, pytest.param(3000, marks=pytest.mark.slow)]
Diff = Callable[..., tuple[int, str, Any]]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, key) for key in keys] + [place for key in keys for place in places(value[key])]


def mutated(value: Any, rng: random.Random) -> Any:
    """One place removed, or given another kind of value, or a value of another place."""
    container, key = rng.choice(places(value))
    if rng.random() < 0.25:
        del container[key]
    elif rng.random() < 0.2:
        other, name = rng.choice(places(value))
        container[key] = json.loads(json.dumps(other[name]))
    else:
        container[key] = rng.choice(STRANGE)
    return value


def holds(found: tuple[int, str, Any]) -> list[int] | None:
    """The counts, or None where it was refused."""
    code, said, data = found
    assert code in (0, 5), said
    assert (data is None) is (code == 5)
    return None if data is None else [data["tasks"][0][key] for key in ("n", "lost", "gained")]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_lm_eval_files(rounds: int, tmp_path: Path, diff: Diff) -> None:
    rng = random.Random(rounds)
    a, b = (LmEval([1, 0, 1, 0.5], model=name, groups={"g": ["capitals"]}).write(tmp_path / name) for name in "ab")
    results, samples = next(b.rglob("results_*")), samples_of(b)
    texts = results.read_text(), samples.read_text()
    for _ in range(rounds):
        results.write_text(texts[0])
        samples.write_text(texts[1])
        if rng.random() < 0.5:
            results.write_text(json.dumps(mutated(json.loads(texts[0]), rng)))
        else:
            rows = mutated([json.loads(line) for line in texts[1].splitlines()], rng)
            samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert holds(diff(*rng.sample([a, b], 2), "--json")) in (None, [4, 0, 0])
        if rng.random() < 0.2:
            results.unlink()
            holds(diff(samples_of(a), samples, "--json"))


def is_archivable(samples: Any) -> bool:
    return isinstance(samples, list) and all(isinstance(s, dict) and {"id", "epoch"} <= s.keys() for s in samples)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("archive", [False, True])
def test_inspect_logs(rounds: int, archive: bool, tmp_path: Path, diff: Diff) -> None:
    rng = random.Random(rounds)
    made = inspect_log(["C", "I", "P", "C", "C", "N"], epochs=2)
    a, b = write_log(tmp_path / "a.json", made), tmp_path / ("b.eval" if archive else "b.json")
    for _ in range(rounds):
        log = mutated(json.loads(json.dumps(made)), rng)
        if not archive:
            write_log(b, log)
        elif is_archivable(log.get("samples")):
            b.unlink(missing_ok=True)
            write_archive(b, log)
        else:
            continue
        holds(diff(*rng.sample([a, b], 2), "--json"))
