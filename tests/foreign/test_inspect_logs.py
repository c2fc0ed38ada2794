"""Inspect's logs: what is read, and everything that is refused, with what is said."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from foreign_samples import TASK, inspect_log, write_archive, write_log

from regress.foreign import inspect_files

VALUES = ["C", "I", "C", "C", "I", "C"]
Log = dict[str, Any]
Diff = Callable[..., tuple[int, str, Any]]


def pair(tmp_path: Path, change: Callable[[Log], Any] = lambda _: None) -> tuple[Path, Path]:
    a, b = inspect_log(VALUES), inspect_log(["C", "I", "I", "C", "C", "C"], model="vllm/tuned")
    change(b)
    return write_log(tmp_path / "a.json", a), write_log(tmp_path / "b.json", b)


def of(*path: str | int, value: Any) -> Callable[[Log], None]:
    def change(log: Log) -> None:
        place: Any = log
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def without(*path: str | int) -> Callable[[Log], None]:
    def change(log: Log) -> None:
        place: Any = log
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return change


def fewer(log: Log) -> None:
    """A sample that was never asked, and is not missed by the log's own counts."""
    log["samples"].pop()
    log["results"] |= {"total_samples": 5, "completed_samples": 5}


SPEC, STEP = ("eval",), ("plan", "steps", 0, "params")
INCOMPARABLE = {
    "task": (of(*SPEC, "task", value="x"), '"capitals" only in A, "x" only in B'),
    "version": (of(*SPEC, "task_version", value=2), "task_version is 1 in A and 2 in B"),
    "arguments": (of(*SPEC, "task_args", value={"hard": True}), 'task_args is {} in A and {"hard": true} in B'),
    "limit": (of(*SPEC, "config", "limit", value=6), "limit is null in A and 6 in B"),
    "message limit": (of(*SPEC, "config", "message_limit", value=9), "message_limit is null in A and 9 in B"),
    "data set": (of(*SPEC, "dataset", "name", value="x"), 'dataset is {"name": "caps", "samples": 6} in A'),
    "grader": (of(*SPEC, "model_roles", value={"grader": {"model": "x"}}), "model_roles is null in A"),
    "generation": (of(*SPEC, "model_generate_config", "max_tokens", value=5), "generation settings is {"),
    "solver": (of(*STEP, "temperature", value=1.0), "solver steps is"),
    "scorer's options": (of(*SPEC, "scorers", 0, "options", value={"ignore_case": False}), "scorer options is"),
    "input": (of("samples", 0, "input", 0, "content", value="?"), '1 of 6 items are others in B (item "land-0": '),
    "choices": (of("samples", 0, "choices", value=["a"]), 'item "land-0": another choices'),
    "target": (of("samples", 0, "target", value="Lima"), 'item "land-0": another target'),
    "id": (of("samples", 0, "id", value="x"), '"land-0" only in A, "x" only in B'),
    "missing sample": (fewer, 'asked of 6 items in A and of 5 in B: "land-5" only in A'),
    "repeats": (lambda log: log.update(inspect_log(VALUES * 2, epochs=2)), "epochs is 1 in A and 2 in B"),
}  # fmt: skip


@pytest.mark.parametrize("case", INCOMPARABLE)
def test_what_was_asked_or_scored_otherwise_is_not_compared(case: str, tmp_path: Path, diff: Diff) -> None:
    change, expected = INCOMPARABLE[case]
    code, said, data = diff(*pair(tmp_path, change), "--json")
    assert (code, data) == (5, None)
    assert said.startswith("REFUSED A and B are not comparable: ")
    assert expected in said
    assert "Run " in said


def scored(value: Any) -> Callable[[Log], None]:
    return of("samples", 2, "scores", "match", "value", value=value)


NO_SCORE = "only scores from 0 to 1 can be compared item by item"
DAMAGED = {
    "a failed evaluation": (of("status", value="error"), 'ended with status "error"; `inspect eval-retry`'),
    "a cancelled one": (of("status", value="cancelled"), 'ended with status "cancelled"'),
    "an invalidated one": (of("invalidated", value=True), "was invalidated by its owner"),
    "another version": (of("version", value=3), "is of log version 3, and 2 is read; `inspect log convert"),
    "no log": (lambda log: (log.clear(), log.update(a=1)), 'has no "eval": it is no Inspect log'),
    "no samples": (without("samples"), "holds no samples: it was made with --no-log-samples"),
    "no results": (of("results", value=None), '"results" is missing'),
    "samples that did not end": (of("results", "completed_samples", value=5), "completed 5 of 6 samples"),
    "samples left out": (lambda log: log["samples"].pop(), "holds 5 samples, and 6 in its results"),
    "no scores": (of("results", "scores", value=[]), "was not scored; `inspect score`"),
    "an error": (of("samples", 2, "error", value={"message": "x"}), 'sample "land-2" ended in an error'),
    "an invalidated sample": (of("samples", 2, "invalidation", value={"author": "x"}), '"land-2" was invalidated'),
    "an unscored sample": (of("samples", 2, "scores", value=None), 'sample "land-2" has no score of "match"'),
    "another scorer's score": (of("samples", 2, "scores", value={"f1": {"value": 1}}), 'has no score of "match"'),
    "not a number": (scored(float("nan")), NO_SCORE),
    "a value above 1": (scored(7), NO_SCORE),
    "an unknown letter": (scored("X"), NO_SCORE),
    "a list": (scored([1]), NO_SCORE),
    "several values": (scored({"em": 1, "f1": 0.5}), '{"em": 1, "f1": 0.5}; choose one with --metric match/KEY'),
    "a sample twice": (of("samples", 2, "id", value="land-1"), 'sample "land-1" was answered in epochs [1, 1]'),
    "a repeat that is not there": (of("samples", 2, "epoch", value=2), 'answered in epochs [2], and 1 were asked'),
    "endless repeats": (of("eval", "config", "epochs", value=10**300), "were asked for"),
    "repeats of another kind": (of("eval", "config", "epochs", value=True), '"epochs" is true'),
    "no input": (without("samples", 2, "input"), "sample 3 has no input or no target"),
    "no id": (of("samples", 2, "id", value=None), '"id" is missing'),
    "a sample that is none": (of("samples", 2, value="x"), "sample 3 has no input"),
    "no spec": (of("eval", value=[]), '"eval" is []'),
    "no config": (without("eval", "config"), '"config" is missing'),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGED)
def test_what_did_not_end_or_is_no_score_is_refused(case: str, tmp_path: Path, diff: Diff) -> None:
    change, expected = DAMAGED[case]
    code, said, _ = diff(*pair(tmp_path, change))
    assert (code, said[:7]) == (5, "REFUSED")
    assert expected in said


# --- what is read -----------------------------------------------------------------------------------------------------


def test_samples_are_joined_by_id(tmp_path: Path, diff: Diff) -> None:
    def shuffled(log: Log) -> None:
        log["samples"].reverse()
        log["eval"]["packages"] = {"inspect_ai": "0.3.300"}

    code, said, data = diff(*pair(tmp_path, shuffled), "--json")
    (task,) = data["tasks"]
    assert (code, task["task"], task["metric"], task["n"]) == (0, TASK, "match", 6)
    assert (task["lost_items"], task["gained_items"]) == (["land-2"], ["land-4"])
    assert 'packages: {"inspect_ai": "0.3.285"} in A, {"inspect_ai": "0.3.300"} in B' in said


def test_repeats_are_one_item_with_their_mean(tmp_path: Path, diff: Diff) -> None:
    a = write_log(tmp_path / "a.json", inspect_log(["C", "C", "I", "C", "C", "P"], epochs=2))
    b = write_log(tmp_path / "b.json", inspect_log(["C", "C", "I", "I", "C", "N"], epochs=2, model="vllm/tuned"))
    code, said, data = diff(a, b, "--json")
    (task,) = data["tasks"]
    assert (code, task["n"]) == (0, 3)
    assert task["delta"] == pytest.approx((-0.5 + 0 - 0.25) / 3)
    assert "graded scores, so their mean is tested" in said


def test_a_wording_that_changes_between_repeats_is_refused(tmp_path: Path, diff: Diff) -> None:
    log = inspect_log(VALUES, epochs=2)
    log["samples"][5]["input"][0]["content"] = "?"
    code, said, _ = diff(
        write_log(tmp_path / "a.json", log), write_log(tmp_path / "b.json", inspect_log(VALUES, epochs=2))
    )
    assert (code, 'sample "land-2" was asked in several wordings' in said) == (5, True)


def test_one_of_several_values(tmp_path: Path, diff: Diff) -> None:
    def detailed(log: Log) -> None:
        log["results"]["scores"] = [{"name": name, "scorer": "match"} for name in ("f1", "em")]
        for sample in log["samples"]:
            sample["scores"]["match"]["value"] = {"f1": 0.5, "em": True}

    a, b = inspect_log(VALUES), inspect_log(VALUES, model="vllm/tuned")
    detailed(a)
    detailed(b)
    sides = write_log(tmp_path / "a.json", a), write_log(tmp_path / "b.json", b)
    assert diff(*sides, "--json")[2]["tasks"][0]["metric"] == "match/f1"
    assert diff(*sides, "--json", "--metric", "match/em")[2]["tasks"][0]["a_pass"] == 6
    assert "has no scorer" in diff(*sides, "--metric", "x")[1]
    assert diff(*sides, "--filter", "x")[0] == 2


def test_long_inputs_that_a_log_keeps_apart_are_compared(tmp_path: Path, diff: Diff) -> None:
    def kept_apart(log: Log, text: str) -> Log:
        log["samples"][0] |= {"input": "attachment://1", "attachments": {"1": text}}
        return log

    a = write_log(tmp_path / "a.json", kept_apart(inspect_log(VALUES), "long"))
    same = write_log(tmp_path / "same.json", kept_apart(inspect_log(VALUES), "long"))
    other = write_log(tmp_path / "other.json", kept_apart(inspect_log(VALUES), "another"))
    assert diff(a, same)[0] == 0
    assert diff(a, other)[0] == 5


def test_the_newest_log_of_each_task_in_a_folder(tmp_path: Path, diff: Diff) -> None:
    a = write_log(tmp_path / "a.json", inspect_log(VALUES))
    logs = tmp_path / "logs"
    for day, values in (("21", ["I"] * 6), ("22", VALUES)):
        write_log(logs / f"2026-11-{day}T08-14-58-00-00_{TASK}_FzoNekURPT6pKDYfsaU6Xn.json", inspect_log(values))
    code, said, data = diff(a, logs, "--json")
    assert (code, data["tasks"][0]["b_pass"]) == (0, 4)
    assert "2 logs of 1 tasks, the newest of each is taken" in said
    other = inspect_log(VALUES, model="x") | {}
    other["eval"]["task"] = "rivers"
    write_log(logs / "2026-11-22T08-14-58-00-00_rivers_FzoNekURPT6pKDYfsaU6Xn.json", other)
    assert "holds logs of several models" in diff(a, logs)[1]


# --- .eval archives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_says_what_its_json_says(method: int, tmp_path: Path, diff: Diff) -> None:
    a, b = pair(tmp_path)
    archives = [write_archive(side.with_suffix(".eval"), json.loads(side.read_text()), method) for side in (a, b)]
    assert diff(*archives, "--json")[2]["tasks"] == diff(a, b, "--json")[2]["tasks"]


def unfinished(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_journal/start.json", "{}")


def twice(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("header.json", "{}")


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("samples/bomb_epoch_1.json", b" " * (inspect_files.MAX_MEMBER_BYTES + 1))


def other_method(path: Path) -> None:
    """As newer versions write it: the method's number in both headers is that of Zstandard."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.find(signature)
        while at >= 0:
            struct.pack_into("<H", data, at + offset, 93)
            at = data.find(signature, at + 4)
    path.write_bytes(data)


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.find(b"samples/land-0_epoch_1.json") + 60
    data[at : at + 20] = bytes(20)
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    path.write_bytes(data)


ARCHIVES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no archive": (lambda path: path.write_text("{}"), "is no .eval log"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-30]), "is no .eval log"),
    "unfinished": (unfinished, "has no header.json: the evaluation did not end"),
    "a member twice": (twice, "some perhaps twice"),
    "a bomb": (bomb, "unpacks to more than"),
    "another compression": (other_method, "`inspect log convert FILE --to json --output-dir FOLDER` makes a log"),
    "damaged": (damaged, "is damaged"),
    "encrypted": (encrypted, "is damaged"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_that_cannot_be_trusted_is_refused(case: str, tmp_path: Path, diff: Diff) -> None:
    change, expected = ARCHIVES[case]
    a, b = (write_archive(tmp_path / f"{name}.eval", inspect_log(VALUES)) for name in "ab")
    change(b)
    code, said, _ = diff(a, b)
    assert (code, said[:7]) == (5, "REFUSED")
    assert expected in said


def test_an_archive_that_unpacks_to_too_much_in_all(
    tmp_path: Path, diff: Diff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_files, "MAX_UNPACKED_BYTES", 1000)
    a, b = (write_archive(tmp_path / f"{name}.eval", inspect_log(VALUES)) for name in "ab")
    assert "unpacks to more than 1,000 bytes" in diff(a, b)[1]
