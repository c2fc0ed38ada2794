"""Whatever could change an answer or a figure breaks the lock and is named; whatever could not, does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lock_samples import a_project, edit, locked, opened, verified, write_weights

from regress.errors import LockError
from regress.lock.lockfile import read_lock, verify
from regress.scorers import SCORERS

Change = Callable[[Path], None]


def edited(name: str, old: str, new: str) -> Change:
    return lambda folder: edit(folder / name, old, new)


def appended(name: str, text: str) -> Change:
    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(text)

    return change


def without_suite(folder: Path) -> None:
    (folder / "suites" / "queues.yaml").unlink()


def with_a_third_suite(folder: Path) -> None:
    text = (folder / "suites" / "sums.yaml").read_text()
    (folder / "suites" / "more.yaml").write_text(text.replace("name: sums", "name: more"))


def with_other_weights(folder: Path) -> None:
    write_weights(folder / "model", 0.5000001)


def with_a_second_shard(folder: Path) -> None:
    (folder / "model" / "extra.safetensors").write_bytes((folder / "model" / "model.safetensors").read_bytes())


SUMS, ITEMS, QUEUES = "suites/sums.yaml", "suites/sums.jsonl", "suites/queues.yaml"
NEW_ITEM = json.dumps({"id": "q9", "prompt": "9 + 9 =", "target": "18"}) + "\n"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (edited(ITEMS, "3 + 3 =", "3 + 3 is"), "suite sums: 1 item changed (first: q3)"),
        (edited(ITEMS, '"target": "6"', '"target": "7"'), "suite sums: 1 item changed (first: q3)"),
        (edited(ITEMS, '"id": "q3"', '"id": "q33"'), "suite sums: 1 item missing (first: q3)"),
        (edited(ITEMS, '"id": "q3"', '"id": "q33"'), "suite sums: 1 item added (first: q33)"),
        (edited(ITEMS, '"id": "q3", ', '"id": "q3", "slice": "odd", '), "suite sums: 1 item changed (first: q3)"),
        (appended(ITEMS, NEW_ITEM), "suite sums: 1 item added (first: q9)"),
        (edited(ITEMS, '{"id": "q1", "prompt": "1 + 1 =", "target": "2"}\n', ""), "1 item missing (first: q1)"),
        (
            edited(SUMS, "ignore_case: true", "ignore_case: false"),
            "sums: scorer_options.ignore_case is False, locked T",
        ),
        (edited(SUMS, "ignore_case: true", "ignore_punctuation: true"), "sums: scorer_options.ignore_punctuation is T"),
        (
            edited(SUMS, "{name: exact_match, ignore_case: true}", "contains"),
            "scorer is contains@1, locked exact_match@1",
        ),
        (edited(SUMS, "margin: 0.10", "margin: 0.11"), "suite sums: margin is 0.11, locked 0.1"),
        (edited(SUMS, "role: protect", "role: inform"), "suite sums: role is inform, locked protect"),
        (edited(SUMS, "category: capability", "category: safety"), "sums: category is safety, locked capability"),
        (edited(SUMS, "version: 1", "version: 2"), "suite sums: version is 2, locked 1"),
        (edited(SUMS, "max_new_tokens: 16", "max_new_tokens: 17"), "sums: generation.max_new_tokens is 17, locked 16"),
        (edited(SUMS, '["END"]', '["END", "STOP"]'), "sums: generation.stop is [END, STOP], locked [END]"),
        (edited(SUMS, "ask: generate", "ask: generate\nprompt: raw"), "suite sums: prompt is raw, locked chat"),
        (edited(QUEUES, "min_gain: 0.05\n", ""), "suite queues: min_gain is unset, locked 0.05"),
        (edited(QUEUES, "min_gain: 0.05", "min_gain: 0.04"), "suite queues: min_gain is 0.04, locked 0.05"),
        (edited("regress.yaml", "alpha: 0.05", "alpha: 0.1"), "policy.alpha is 0.1, locked 0.05"),
        (edited("regress.yaml", "power: 0.8", "power: 0.9"), "policy.power is 0.9, locked 0.8"),
        (edited("regress.yaml", "0.8}", "0.8, zero_tolerance: [sums]}"), "policy.zero_tolerance is [sums], locked []"),
        (
            edited("regress.yaml", "0.8}", "0.8, require_training_record: true}"),
            "policy.require_training_record is True, locked False",
        ),
        (
            edited("regress.yaml", "0.8}", "0.8, waivable_safety: true}"),
            "policy.waivable_safety is True, locked unset",
        ),
        (
            appended("regress.yaml", "variants: [base, adapter]\n"),
            "variants is [base, adapter], locked [base, adapter, m",
        ),
        (appended("regress.yaml", "engine: {dtype: bf16}\n"), "engine.dtype is bf16, locked auto"),
        (with_other_weights, "base.digest is sha256:"),
        (with_a_second_shard, "base.digest is sha256:"),
        (edited("model/config.json", "llama", "gemma"), "base.digest is sha256:"),
        (edited("model/tokenizer.json", "1.0", "1.1"), "base.tokenizer is sha256:"),
        (edited("model/chat_template.jinja", "{{ m", "User: {{ m"), "base.template is sha256:"),
        (lambda folder: (folder / "model" / "chat_template.jinja").unlink(), "base.template is unset, locked sha256:"),
        (without_suite, "suite queues is gone"),
        (with_a_third_suite, "suite more is new"),
    ],
)
def test_a_change_is_refused_and_named(tmp_path: Path, change: Change, named: str) -> None:
    lock = locked(a_project(tmp_path))
    verified(lock, tmp_path)
    change(tmp_path)
    with pytest.raises(LockError) as caught:
        verified(lock, tmp_path)
    assert str(caught.value).startswith("the project is not the locked one: ")
    assert named in str(caught.value)
    assert "Restore it, or `regress lock --amend --why" in str(caught.value)


def test_a_new_scorer_version_is_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = locked(a_project(tmp_path))
    monkeypatch.setitem(SCORERS, "exact_match", replace(SCORERS["exact_match"], version=2))
    with pytest.raises(LockError, match="suite sums: scorer is exact_match@2, locked exact_match@1"):
        verified(lock, tmp_path)


def reversed_items(folder: Path) -> None:
    path = folder / "suites" / "sums.jsonl"
    path.write_text("\n\n".join(reversed(path.read_text().splitlines())))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (edited(SUMS, "margin: 0.10", "margin: 0.1"), "one number, spelled twice"),
        (edited(SUMS, "margin: 0.10", "margin: 1e-1"), "and thrice"),
        (edited("regress.yaml", "alpha: 0.05", "alpha: 0.050"), "the same alpha"),
        (edited(SUMS, "ignore_case: true", "strip: true, ignore_case: true"), "a default, written out"),
        (edited("regress.yaml", "0.8}", "0.8, waivable_safety: false}"), "as in locks from before it was known"),
        (edited(SUMS, "name: sums\n", "# about sums\nname: sums  # yes\n"), "a comment"),
        (appended("regress.yaml", "variants: [base, adapter, merged]\n"), "the default variants, written out"),
        (appended("regress.yaml", "engine: {device: cpu}\n"), "where it runs is the manifest's to say"),
        (reversed_items, "items are locked by id"),
        (edited(ITEMS, '{"id": "q3", "prompt"', '{   "id":"q3",\t"prompt"'), "white space in a line"),
        (lambda folder: (folder / "model" / "README.md").write_text("hello"), "no part of the model"),
    ],
)
def test_what_promises_the_same_is_no_change(tmp_path: Path, change: Callable[[Path], object], why: str) -> None:
    lock = locked(a_project(tmp_path))
    change(tmp_path)
    verified(lock, tmp_path)
    assert read_lock(tmp_path / "baselines") == lock, why


def test_many_changes_are_counted(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    for change in (without_suite, with_a_third_suite, with_other_weights):
        change(tmp_path)
    edit(tmp_path / SUMS, "version: 1", "version: 2")
    edit(tmp_path / SUMS, "margin: 0.10", "margin: 0.2")
    edit(tmp_path / SUMS, "max_new_tokens: 16", "max_new_tokens: 4")
    edit(tmp_path / "regress.yaml", "power: 0.8", "power: 0.9")
    with pytest.raises(LockError, match=r"; and 2 more\. Restore it"):
        verified(lock, tmp_path)


def test_commands_without_the_model_take_the_base_as_locked(tmp_path: Path) -> None:
    lock = locked(a_project(tmp_path))
    with_other_weights(tmp_path)
    loaded, _ = opened(tmp_path)
    verify(lock, loaded, None)
    edit(tmp_path / SUMS, "version: 1", "version: 2")
    with pytest.raises(LockError, match="version is 2, locked 1"):
        verify(lock, opened(tmp_path)[0], None)
