"""lm-eval's files: what is read, and everything that is refused, with what is said."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_samples import DATE, TASK, LmEval, samples_of, sha

from regress.foreign import lm_eval_results
from regress.foreign.records import Wanted

VALUES = [1, 0, 1, 1, 0, 1, 0, 1]
Diff = Callable[..., tuple[int, str, Any]]


def pair(
    tmp_path: Path, change: Callable[[LmEval], None] = lambda _: None, *, sealed: bool = True
) -> tuple[Path, Path]:
    """A, and B with a change made before it was written (`sealed`) or afterwards."""
    a, b = LmEval(VALUES), LmEval([1, 0, 0, 1, 1, 1, 0, 1], model="org/tuned")
    b.seal()
    change(b)
    return a.write(tmp_path / "a"), b.write(tmp_path / "b", sealed=sealed)


def rename(old: str, new: str) -> Callable[[LmEval], None]:
    def change(b: LmEval) -> None:
        for row in b.rows[TASK]:
            row[new] = row.pop(old)

    return change


def reworded(b: LmEval) -> None:
    """Other questions under the same ids, hashed consistently: the gate of another toolkit lets these pass."""
    for row in b.rows[TASK]:
        for sent in row["arguments"].values():
            sent["arg_0"] = sent["arg_0"].replace("capital", "river")
        row["prompt_hash"] = sha(row["arguments"]["gen_args_0"]["arg_0"])


def other_choice(b: LmEval) -> None:
    """Not in lm-eval's own hashes: the second choice's text."""
    b.rows[TASK][3]["arguments"]["gen_args_1"]["arg_1"] = " Oslo"


def other_target(b: LmEval) -> None:
    b.rows[TASK][2] |= {"target": "1", "target_hash": sha("1")}


def other_document(b: LmEval) -> None:
    b.rows[TASK][2]["doc"]["gold"] = 7


def of_result(key: str, value: Any) -> Callable[[LmEval], None]:
    return lambda b: b.results.update({key: value})


def of_config(key: str, value: Any) -> Callable[[LmEval], None]:
    return lambda b: b.results["config"].update({key: value})


def of_task(key: str, value: Any) -> Callable[[LmEval], None]:
    return lambda b: b.results["configs"][TASK].update({key: value})


def of_row(key: str, value: Any, number: int = 2) -> Callable[[LmEval], None]:
    return lambda b: b.rows[TASK][number].update({key: value})


INCOMPARABLE = {
    "chat template": (
        of_result("chat_template", "<x>"),
        'chat_template is null in A and "<x>" in B',
        "--apply_chat_template",
    ),
    "system prompt": (
        of_result("system_instruction", "Hi"),
        'system_instruction is null in A and "Hi" in B',
        "of the other",
    ),
    "limit": (of_config("limit", 8), "limit is null in A and 8 in B", "--limit"),
    "generation": (
        of_config("gen_kwargs", {"temperature": 1}),
        'gen_kwargs is null in A and {"temperature": 1}',
        "--gen_kwargs",
    ),
    "task's own generation": (
        of_task("generation_kwargs", {"until": ["."]}),
        "generation_kwargs is null in A",
        "--gen_kwargs",
    ),
    "version": (
        lambda b: b.results["versions"].update({TASK: 2.0}),
        "task version is 1.0 in A and 2.0 in B",
        "lm-eval of",
    ),
    "shots": (lambda b: b.results["n-shot"].update({TASK: 5}), "num_fewshot is 0 in A and 5 in B", "--num_fewshot"),
    "filters": (of_task("filter_list", [{"name": "x"}]), "filter_list is null in A", "Run one of them again"),
    "metrics": (of_task("metric_list", [{"metric": "acc"}]), "metric_list is", "Run one of them again"),
    "scoring code": (of_task("process_results", "def f(): return 1"), "process_results is null in A", "Run one"),
    "repeats": (of_task("repeats", 4), "repeats is 1 in A and 4 in B", "Run one"),
    "other prompts under the same ids": (
        reworded,
        '8 of 8 items are others in B (item "0": another prompt',
        "worked examples",
    ),
    "another choice": (other_choice, '1 of 8 items are others in B (item "3": another prompt', "Run one"),
    "another target": (other_target, '1 of 8 items are others in B (item "2": another target', "Run one"),
    "another document": (other_document, '1 of 8 items are others in B (item "2": another document', "Run one"),
    "fewer documents": (lambda b: b.rows[TASK].__delitem__(slice(5, 8)), "number of samples is", "--limit"),
    "another document's id": (
        of_row("doc_id", 99),
        '8 items in A and of 8 in B: "2" only in A, "99" only in B',
        "Run one",
    ),
    "a second task": (lambda b: b.add(LmEval(VALUES, task="x"), "x") and None, '"x" only in B', "Run what is missing"),
}


@pytest.mark.parametrize("case", INCOMPARABLE)
def test_what_was_asked_or_scored_otherwise_is_not_compared(case: str, tmp_path: Path, diff: Diff) -> None:
    change, expected, mend = INCOMPARABLE[case]
    code, said, data = diff(*pair(tmp_path, change), "--json")
    assert (code, data) == (5, None)
    assert said.startswith("REFUSED A and B are not comparable: ")
    assert expected in said
    assert mend in said


def scores(value: Any) -> tuple[Callable[[LmEval], None], str]:
    return of_row("acc", value), "only scores from 0 to 1 can be compared item by item; choose another with --metric."


DAMAGED = {
    "a value above 1": scores(999),
    "a negative value": scores(-0.1),
    "not a number": scores(float("nan")),
    "infinite": scores(float("inf")),
    "a text": scores("1"),
    "null": scores(None),
    "a pair": scores([1, 2]),
    "a score edited to pass": (of_row("acc", 1), "the mean acc is 0.750000, and 0.625 in the results"),
    "a row left out": (lambda b: b.rows[TASK].__delitem__(7), '7 documents, and 8 in the results'),
    "a document twice": (lambda b: b.rows[TASK].append(b.rows[TASK][0]), 'document "0" stands here for the second'),
    "rows exchanged": (lambda b: b.rows[TASK].reverse(), "the task's hash is"),
    "an edited prompt": (
        lambda b: b.rows[TASK][0]["arguments"]["gen_args_0"].update(arg_0="?"),
        "the prompt is not the one that prompt_hash was made of",
    ),
    "an edited target": (of_row("target", "0", 1), "the target is not the one that target_hash was made of"),
    "no metric in a row": (lambda b: b.rows[TASK][2].pop("acc"), 'document "2" has no "acc"'),
    "no document": (lambda b: b.rows[TASK][2].pop("doc"), "a document, its target and what was sent"),
    "no requests": (of_row("arguments", {}), "a document, its target and what was sent"),
    "requests of another kind": (of_row("arguments", "x"), '"arguments" is "x"'),
    "no id": (of_row("doc_id", None), '"doc_id" is missing'),
    "an id that is no id": (of_row("doc_id", [1]), '"doc_id" is [1]'),
    "no hash": (of_row("doc_hash", None), '"doc_hash" is missing'),
    "no configs": (lambda b: b.results.pop("configs"), '"configs" is missing'),
    "configs of another kind": (of_result("configs", [TASK]), '"configs" is ["capitals"]'),
    "no results": (of_result("results", {}), '"capitals" is missing'),
    "no hash of the task": (of_result("task_hashes", {}), "null in the results"),
    "no count": (of_result("n-samples", {TASK: 8}), "8 documents, and null in the results"),
    "a mean that is none": (lambda b: b.results["results"][TASK].update({"acc,none": "high"}), '"high" in the results'),
    "samples that are not there": (lambda b: b.describe("x"), '1 of 2 tasks have no samples file (first: "x")'),
    "no task": (of_result("configs", {}), "no task: run lm-eval with --log_samples"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_what_was_edited_or_is_no_score_is_refused(case: str, tmp_path: Path, diff: Diff) -> None:
    change, expected = DAMAGED[case]
    code, said, _ = diff(*pair(tmp_path, lambda b: change(b) and None, sealed=False))
    assert (code, said[:7]) == (5, "REFUSED")
    assert expected in said


def cut(text: str) -> str:
    return text[:-20]


TEXTS = {
    "cut": (cut, ":8: the file ends within this line"),
    "no JSON": (lambda text: text + "hello\n", ":9: is not JSON that can be trusted"),
    "an array": (lambda text: text + "[1]\n", ":9: is not a JSON object"),
    "an empty line": (lambda text: "\n" + text, ":1: is not JSON"),
    "a key twice": (
        lambda text: text.replace('"acc": 1,', '"acc": 0, "acc": 1,', 1),
        ':1: the key "/acc" occurs twice',
    ),
    "a huge number": (lambda text: text.replace('"acc": 1,', '"acc": 1e999,', 1), ":1: is not JSON"),
    "a huge integer": (lambda text: text.replace('"acc": 1,', f'"acc": {"9" * 5000},', 1), ":1: is not JSON"),
    "half a character": (lambda text: text.replace("Rome", "\\ud800", 1), ":1: is not JSON"),
    "deep": (lambda text: text.replace('"Rome"', "[" * 5000 + "]" * 5000, 1), ":1: is not JSON"),
    "empty": (lambda text: "", "0 documents, and 8"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_broken_line_is_named(case: str, tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    change, expected = TEXTS[case]
    file = samples_of(b)
    file.write_text(change(file.read_text()))
    code, said, _ = diff(a, b)
    assert code == 5
    assert (expected if case == "empty" else f"{file}{expected}") in said


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def link(file: Path) -> None:
    file.rename(file.with_name("moved"))
    file.symlink_to("moved")


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def control_character(file: Path) -> None:
    (file.parent / "samples_\x1b[2J.jsonl").touch()


FILES = {
    "a FIFO": (fifo, "is not a regular file"),
    "a link": (link, "links are not followed"),
    "a folder": (folder, "is not a regular file"),
    "a name that a terminal obeys": (control_character, "holds a file whose name is"),
    "gone": (lambda file: file.unlink(), "1 of 1 tasks have no samples file"),
    "no results": (lambda file: next(file.parent.glob("results_*")).unlink(), "holds samples and no results_DATE.json"),
    "two results": (
        lambda file: (file.parent / f"again_{DATE}.json").write_text("{}"),
        f"holds 2 results of {DATE}",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_only_plain_files_are_read(case: str, tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    change, expected = FILES[case]
    change(samples_of(b))
    code, said, _ = diff(a, b)
    assert (code, said[:7]) == (5, "REFUSED")
    assert expected in said


# --- what is read -----------------------------------------------------------------------------------------------------


def test_counts_and_what_it_ran_on(tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path, of_config("model_dtype", "torch.float32"))
    code, said, data = diff(a, b, "--json")
    assert code == 0
    (task,) = data["tasks"]
    assert (task["n"], task["a_pass"], task["b_pass"], task["lost_items"], task["gained_items"]) == (
        8,
        5,
        5,
        ["2"],
        ["4"],
    )
    assert data["locked"] is False
    assert data["differs"]["model_dtype"] == ['"torch.bfloat16"', '"torch.float32"']
    assert data["differs"]["model_name"] == ['"org/base"', '"org/tuned"']
    assert "Nothing was locked before, so this is a comparison and no decision." in said
    assert 'model_dtype: "torch.bfloat16" in A, "torch.float32" in B' in said
    assert "the margin is 2 points, as nobody said (--margin); alpha is 0.05" in said
    assert "PROMOTE" not in said and "REJECT" not in said


def test_every_way_to_name_the_same_results(tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    found = []
    for name in ("folder", "model", "results", "samples"):
        sides = [
            {
                "folder": side,
                "model": samples_of(side).parent,
                "results": next(samples_of(side).parent.glob("results_*")),
                "samples": samples_of(side),
            }[name]
            for side in (a, b)
        ]
        found.append(diff(*sides, "--json")[2]["tasks"])
    assert found == [found[0]] * 4


def test_results_beside_an_output_path_with_a_name(tmp_path: Path) -> None:
    """`--output_path out/mine.json` writes mine_DATE.json and its samples beside it."""
    out = LmEval(VALUES).write(tmp_path / "a")
    place = samples_of(out).parent
    (place / f"results_{DATE}.json").rename(place / f"mine_{DATE}.json")
    assert len(lm_eval_results.read(place, Wanted()).tasks[TASK].items) == 8


def test_the_newest_of_several_dates_is_taken_and_said(tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    LmEval([0] * 8, model="org/tuned").write(b, date="2026-11-23T08-10-41")  # without microseconds: before those with
    LmEval([0] * 3, model="org/tuned").write(b, date="2025-01-01T00-00-00.000001")
    code, said, data = diff(a, b, "--json")
    assert (code, data["tasks"][0]["b_pass"]) == (0, 5)
    assert f"3 evaluations, the newest is taken ({DATE})" in said


def test_a_folder_with_several_models_wants_one_named(tmp_path: Path, diff: Diff) -> None:
    out = LmEval(VALUES).write(tmp_path / "out")
    LmEval(VALUES, model="org/tuned").write(out)
    code, said, _ = diff(out, out / "org__tuned")
    assert (code, "results of 2 models" in said, '"org__tuned"' in said) == (5, True, True)
    assert diff(out / "org__base", out / "org__tuned")[0] == 0


def test_samples_without_results_are_compared_and_it_is_said(tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    files = [samples_of(side) for side in (a, b)]
    for file in files:
        next(file.parent.glob("results_*")).unlink()
    code, said, data = diff(*files, "--json")
    assert (code, data["tasks"][0]["lost_items"]) == (0, ["2"])
    assert (
        "no results file beside it, so task version, shots, limit, template and filters are known by what was sent"
        in said
    )


def test_another_metric_and_another_filter(tmp_path: Path, diff: Diff) -> None:
    def two_filters(value: int) -> LmEval:
        made = LmEval(VALUES, model=f"org/{value}")
        made.rows[TASK] += [LmEval.row(number, value, "flexible") for number in range(8)]
        return made

    a, b = two_filters(1).write(tmp_path / "a"), two_filters(0).write(tmp_path / "b")
    assert diff(a, b, "--json")[2]["tasks"][0]["lost"] == 0
    _, _, data = diff(a, b, "--json", "--filter", "flexible", "--metric", f"{TASK}=acc_norm")
    assert (data["tasks"][0]["metric"], data["tasks"][0]["lost"]) == ("acc_norm, filter flexible", 8)


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["--metric", "f1"], 5, 'has no score "f1" with filter "any", but "acc (filter none)", "acc_norm (filter'),
        (["--filter", "x"], 5, 'with filter "x"'),
        (["--metric", "words"], 5, 'less is better in "words"'),
        (["--metric", "other=acc"], 2, "--metric names task 'other'; there are 'capitals'"),
        (["--metric", "acc", "--metric", "acc_norm"], 2, "give NAME once"),
        (["--metric", "=acc"], 2, "give NAME once"),
        (["--margin", "2"], 2, "it must lie between 0 and 1"),
        (["--margin", "nan"], 2, "it must lie between 0 and 1"),
    ],
)  # fmt: skip
def test_options_that_name_nothing(arguments: list[str], code: int, expected: str, tmp_path: Path, diff: Diff) -> None:
    found, said, _ = diff(*pair(tmp_path), *arguments)
    assert (found, expected in said) == (code, True), said


def test_addresses_in_written_functions_are_no_difference(tmp_path: Path, diff: Diff) -> None:
    a, b = LmEval(VALUES), LmEval(VALUES, model="org/tuned")
    for side, address in ((a, "0x7f01"), (b, "0x7f02")):
        side.results["configs"][TASK]["process_results"] = f"<function score at {address}>"
    assert diff(a.write(tmp_path / "a"), b.write(tmp_path / "b"))[0] == 0


def test_documents_may_hold_what_is_no_json_number(tmp_path: Path, diff: Diff) -> None:
    """Python writes NaN for an empty cell of a data set; it is part of the question, not of the score."""
    a, b = LmEval(VALUES), LmEval(VALUES, model="org/tuned")
    for side in (a, b):
        side.rows[TASK][0]["doc"]["note"] = float("nan")
    assert diff(a.write(tmp_path / "a"), b.write(tmp_path / "b"))[0] == 0


def test_documents_that_ask_the_same_form_one_cluster(tmp_path: Path, diff: Diff) -> None:
    """Repeating one easy document a hundred times makes no sample of a hundred."""
    sides = []
    for name in ("a", "b"):
        made = LmEval([1] * 120, model=name)
        first = made.rows[TASK][0]
        made.rows[TASK][100:] = [{**first, "doc_id": number} for number in range(100, 120)]
        sides.append(made.write(tmp_path / name))
    code, said, _ = diff(*sides)
    assert code == 0
    assert "capitals: 120 items ask 100 different things; equal ones form a cluster" in said


def grouped(values: dict[str, list[int]], model: str) -> LmEval:
    names = list(values)
    made = LmEval(values[names[0]], model=model, task=names[0], groups={"mmlu": ["stem", names[2]], "stem": names[:2]})
    for name in names[1:]:
        made.add(LmEval(values[name], task=name), name)
    return made


def test_tasks_that_lm_eval_pools_are_one_with_slices(tmp_path: Path, diff: Diff) -> None:
    a = grouped({"algebra": [1, 1], "biology": [1, 1, 0], "law": [1] * 4}, "org/base").write(tmp_path / "a")
    b = grouped({"algebra": [1, 0], "biology": [1, 1, 1], "law": [1] * 4}, "org/tuned").write(tmp_path / "b")
    code, said, data = diff(a, b, "--json")
    (task,) = data["tasks"]
    assert (code, task["task"], task["n"]) == (0, "mmlu", 9)
    assert task["lost_items"] == ["algebra/1"] and task["gained_items"] == ["biology/2"]
    assert task["slices"]["biology"] == {"n": 3, "lost": 0, "gained": 1}
    assert "mmlu: 3 tasks counted as one, each a slice, as lm-eval does" in said


def test_a_group_that_names_itself_ends(tmp_path: Path) -> None:
    made = LmEval(VALUES, groups={"loop": ["loop", "pool"], "pool": ["loop", TASK]})
    assert lm_eval_results.read(made.write(tmp_path / "a"), Wanted()).groups == {}


def test_messages_hold_nothing_that_a_terminal_or_a_runner_obeys(tmp_path: Path, diff: Diff) -> None:
    _, said, _ = diff(*pair(tmp_path, of_result("chat_template", "\x1b[2J\n::error::x ##[error]y")))
    assert "\x1b" not in said and "::error" not in said and "##[" not in said
    assert json.dumps("\x1b[2J\n")[1:-1] in said
