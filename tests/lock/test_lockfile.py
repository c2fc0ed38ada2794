"""The lock on disk: written once, verified at every use, amended only by appending."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

import pytest
from lock_samples import NOW, a_project, edit, forge, locked, opened, verified

from regress.errors import LockError, Refused
from regress.hashing.canonical import digest_promise
from regress.hashing.files import digest_file
from regress.lock.lockfile import HISTORY_LABEL, amend, create, read_history, read_lock, write_training_record
from regress.store.chain import ChainWriter


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path)


def no_float(text: str) -> NoReturn:
    raise AssertionError(f"{text} is a float")


def test_the_lock_holds_what_was_promised_and_planned(project: Path) -> None:
    lock = create(*opened(project), now=NOW, training_data="sha256:" + "d" * 64)
    body = json.loads((project / "baselines" / "lock.json").read_text(), parse_float=no_float)
    digest = body.pop("digest")
    assert digest == lock.digest == digest_promise(body)
    assert (body["format"], body["created"], body["previous"]) == (1, "2026-11-23T04:05:06Z", None)
    assert body["tool"].startswith("regress-harness ")
    assert body["training_data"] == "sha256:" + "d" * 64
    promised = body["promise"]
    assert promised["variants"] == ["base", "adapter", "merged"] == list(lock.variants)
    assert promised["policy"] == {
        "alpha": "0.05",
        "power": "0.8",
        "zero_tolerance": [],
        "require_training_record": False,
    }
    assert sorted(promised["base"]) == ["digest", "template", "tokenizer"]
    sums = promised["suites"]["sums"]
    assert (sums["margin"], sums["role"], sums["scorer"]) == ("0.1", "protect", "exact_match@1")
    assert sums["generation"] == {"max_new_tokens": 16, "stop": ["END"]}
    assert sorted(sums["items"]) == ["q1", "q2", "q3", "q4", "q5"]
    assert "generation" not in promised["suites"]["queues"]
    plan = body["plan"]["sums"]
    assert plan["n"] == 5
    assert plan["files"]["sums.jsonl"] == digest_file(project / "suites" / "sums.jsonl").digest
    assert [outlook["flip_rate"] for outlook in plan["outlooks"]] == ["0.02", "0.05", "0.1"]


def test_what_is_written_is_what_is_read(project: Path) -> None:
    lock = locked(project)
    assert read_lock(project / "baselines") == lock
    verified(lock, project)
    (entry,) = read_history(project / "baselines")
    assert entry == {
        "lock": lock.digest,
        "previous": None,
        "created": "2026-11-23T04:05:06Z",
        "why": "first lock",
        "changes": [],
    }


def test_the_time_is_written_in_utc(project: Path) -> None:
    lock = create(*opened(project), now=NOW.astimezone(timezone(timedelta(hours=9))))
    assert lock.created == "2026-11-23T04:05:06Z"


def test_two_people_make_the_same_lock(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = a_project(tmp_path_factory.mktemp("elsewhere") / "deep" / "er")
    assert locked(project).digest == locked(other).digest


# --- before there is a lock -------------------------------------------------------------------------------------------


def test_without_a_lock_one_is_told_to_make_it(project: Path) -> None:
    with pytest.raises(LockError, match=r"no lock at .*lock\.json\. Define the suites, then run `regress lock`"):
        read_lock(project / "baselines")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("suites/sums.yaml", "role: protect", "role: inform", "no suite has the role protect"),
        (
            "regress.yaml",
            "0.8}",
            "0.8, zero_tolerance: [probes]}",
            "names 'probes', which is no suite. Suites: queues, s",
        ),
    ],
)
def test_a_project_that_protects_nothing_is_not_locked(
    project: Path, name: str, old: str, new: str, message: str
) -> None:
    edit(project / name, old, new)
    with pytest.raises(LockError, match=message):
        locked(project)
    assert not (project / "baselines").exists()


def test_a_lock_is_created_once(project: Path) -> None:
    locked(project)
    before = (project / "baselines" / "lock.json").read_bytes()
    with pytest.raises(LockError, match=r"lock\.json exists\. Restore it, or `regress lock --amend"):
        locked(project)
    assert (project / "baselines" / "lock.json").read_bytes() == before
    assert len(read_history(project / "baselines")) == 1


def test_deleting_the_lock_does_not_make_room_for_another(project: Path) -> None:
    """Locking anew after training would look like a first lock."""
    locked(project)
    (project / "baselines" / "lock.json").unlink()
    edit(project / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.5")
    with pytest.raises(LockError, match=r"history\.jsonl knows 1 lock, but lock\.json is gone\. Restore it"):
        locked(project)
    assert len(read_history(project / "baselines")) == 1


# --- edits ------------------------------------------------------------------------------------------------------------


def test_no_edit_of_a_byte_passes_unseen(project: Path) -> None:
    """A changed byte is refused, unless it is white space between tokens: then what is read is the same lock."""
    lock = locked(project)
    path = project / "baselines" / "lock.json"
    original = path.read_bytes()
    silent = 0
    for place in range(0, len(original), 5):
        flipped = bytearray(original)
        flipped[place] ^= 1 << (place % 7)
        path.write_bytes(flipped)
        try:
            assert read_lock(project / "baselines") == lock, place
            silent += 1
            assert chr(original[place]).isspace(), place
        except Refused:
            pass
    assert silent < len(original) / 5 / 10
    path.write_bytes(original)
    assert read_lock(project / "baselines") == lock


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        (lambda text: text.replace('"margin": "0.1"', '"margin": "0.9"'), "was edited"),
        (lambda text: text.replace('"n": 5', '"n": 5.0'), "is the float 5.0"),
        (lambda text: text.replace('"n": 5', '"n": 6'), "was edited"),
        (lambda text: text.replace('"format": 1', '"format": 1, "extra": 2'), "was edited"),
        (lambda text: text.replace('"format": 1', '"format": 1, "format": 1'), "not a JSON object with each key once"),
        (lambda text: text.replace('"digest": "sha256:', '"digest": "sha257:', 1), "was edited"),
        (lambda text: text[:-10], "cannot be read"),
        (lambda _: "", "cannot be read"),
        (lambda _: "[]", "is not a JSON object"),
        (lambda _: "{}", "was edited"),
        (lambda _: "\ufeff{}", "cannot be read"),
    ],
)
def test_an_edited_lock_is_refused(project: Path, edited: Callable[[str], str], message: str) -> None:
    locked(project)
    path = project / "baselines" / "lock.json"
    path.write_text(edited(path.read_text()))
    with pytest.raises(Refused, match=message):
        read_lock(project / "baselines")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"policy": {}}, "holds no policy, so it would let everything pass"),
        ({"policy": None}, "holds no policy"),
        ({"suites": {}}, "protects no suite"),
        ({"suites": None}, "protects no suite"),
        ({"suites": {"sums": {"role": "inform", "items": {"q1": "d"}}}}, "protects no suite"),
        ({"suites": {"sums": {"role": "protect", "items": {}}}}, "protects no suite"),
        ({"suites": {"sums": {"role": "protect"}}}, "protects no suite"),
        ({"suites": {"sums": "protect"}}, "protects no suite"),
        ({"suites": [1]}, "protects no suite"),
        ({"variants": None}, "names no variants or no base"),
        ({"base": None}, "names no variants or no base"),
        ({"item_order_seed": 1}, "is not the last lock of history.jsonl"),
    ],
)
def test_a_forged_lock_is_refused_though_its_digest_fits(project: Path, changes: dict[str, Any], message: str) -> None:
    locked(project)
    forge(project / "baselines" / "lock.json", **changes)
    with pytest.raises(LockError, match=message):
        read_lock(project / "baselines")


def test_another_format_is_not_guessed_at(project: Path) -> None:
    locked(project)
    path = project / "baselines" / "lock.json"
    body = json.loads(path.read_text()) | {"format": 2}
    del body["digest"]
    path.write_text(json.dumps({**body, "digest": digest_promise(body)}))
    with pytest.raises(LockError, match="has format 2; this version reads format 1"):
        read_lock(project / "baselines")


# --- amendments -------------------------------------------------------------------------------------------------------


def amended(project: Path, margin: str = "0.2", **arguments: Any) -> Any:
    edit(project / "suites" / "sums.yaml", "margin: 0.10", f"margin: {margin}")
    return amend(*opened(project), now=NOW + timedelta(days=1), **({"why": " a wider margin "} | arguments))


def test_an_amendment_keeps_the_old_lock_and_says_why(project: Path) -> None:
    old = locked(project)
    raw = (project / "baselines" / "lock.json").read_bytes()
    new = amended(project)
    assert read_lock(project / "baselines") == new
    assert (new.previous, new.digest != old.digest, new.created) == (old.digest, True, "2026-11-24T04:05:06Z")
    (kept,) = (project / "baselines" / "amended").iterdir()
    assert kept.name == f"lock-{old.digest[7:19]}.json"
    assert kept.read_bytes() == raw
    first, second = read_history(project / "baselines")
    assert first["lock"] == old.digest
    assert second == {
        "lock": new.digest,
        "previous": old.digest,
        "created": "2026-11-24T04:05:06Z",
        "why": "a wider margin",
        "changes": ["suite sums: margin is 0.2, locked 0.1"],
    }
    verified(new, project)


@pytest.mark.parametrize("why", ["", "  \n"])
def test_an_amendment_needs_its_reason(project: Path, why: str) -> None:
    old = locked(project)
    with pytest.raises(LockError, match=r'an amendment needs its reason: --why "'):
        amended(project, why=why)
    assert read_lock(project / "baselines") == old


def test_nothing_changed_is_nothing_to_amend(project: Path) -> None:
    old = locked(project)
    with pytest.raises(LockError, match="nothing differs from the lock"):
        amended(project, margin="0.100")
    assert read_lock(project / "baselines") == old


def test_training_data_may_be_added_and_stays(project: Path) -> None:
    locked(project)
    data = "sha256:" + "d" * 64
    with_data = amend(*opened(project), now=NOW, why="the data", training_data=data)
    assert with_data.training_data == data
    with pytest.raises(LockError, match="nothing differs"):
        amend(*opened(project), now=NOW, why="again", training_data=data)
    assert amended(project).training_data == data


def test_an_amendment_cannot_stop_protecting(project: Path) -> None:
    old = locked(project)
    edit(project / "suites" / "sums.yaml", "role: protect", "role: inform")
    with pytest.raises(LockError, match="no suite has the role protect"):
        amend(*opened(project), now=NOW, why="it is in the way")
    assert read_lock(project / "baselines") == old


def test_there_is_nothing_to_amend_before_the_first_lock(project: Path) -> None:
    with pytest.raises(LockError, match="no lock at"):
        amend(*opened(project), now=NOW, why="early")


# --- the history ------------------------------------------------------------------------------------------------------


def drop_line(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


def rewritten(path: Path, *entries: dict[str, object]) -> None:
    """A new chain, whole in itself."""
    path.unlink()
    with ChainWriter.open(path, HISTORY_LABEL) as history:
        for entry in entries:
            history.append(entry)


HISTORY_EDITS: list[tuple[str, Callable[[Path], object], str]] = [
    ("deleted", lambda path: path.unlink(), "is not the last lock of history.jsonl"),
    ("emptied", lambda path: path.write_bytes(b""), "is not the last lock"),
    ("its first line dropped", lambda path: drop_line(path, 0), "history.jsonl:1: the line is not what was written"),
    ("its last line dropped", lambda path: drop_line(path, 1), "is not the last lock"),
    ("torn", lambda path: path.write_bytes(path.read_bytes()[:-3]), "the last line is torn"),
    (
        "a reason edited",
        lambda path: path.write_bytes(path.read_bytes().replace(b"a wider margin", b"a finer margin")),
        "history.jsonl:2: the line is not what was written",
    ),
    ("replaced by another project's", lambda path: rewritten(path, {"lock": "sha256:0"}), "is not the last lock"),
    (
        "rewritten without what came before",
        lambda path: rewritten(path, read_history(path.parent)[-1]),
        "is not the last lock",
    ),
    (
        "rewritten as if the lock were the first",
        lambda path: rewritten(path, dict(read_history(path.parent)[-1]) | {"previous": None}),
        "is not the last lock",
    ),
    (
        "rewritten with another before it",
        lambda path: rewritten(path, {"lock": "sha256:0", "previous": None}, read_history(path.parent)[-1]),
        "is not the last lock",
    ),
]


@pytest.mark.parametrize(
    ("tampered", "message"), [row[1:] for row in HISTORY_EDITS], ids=[row[0] for row in HISTORY_EDITS]
)
def test_a_history_that_was_touched_is_refused(project: Path, tampered: Callable[[Path], object], message: str) -> None:
    locked(project)
    lock = amended(project)
    assert read_lock(project / "baselines") == lock
    tampered(project / "baselines" / "history.jsonl")
    with pytest.raises(Refused, match=message):
        read_lock(project / "baselines")


def test_the_old_lock_does_not_come_back(project: Path) -> None:
    locked(project)
    old = (project / "baselines" / "lock.json").read_bytes()
    amended(project)
    (project / "baselines" / "lock.json").write_bytes(old)
    with pytest.raises(LockError, match="is not the last lock"):
        read_lock(project / "baselines")


def test_the_training_record_names_lock_base_and_data(project: Path, tmp_path: Path) -> None:
    lock = locked(project)
    write_training_record(lock, tmp_path, data="sha256:data", started=NOW)
    record = json.loads((tmp_path / "regress_training.json").read_text())
    assert (record["lock"], record["base"]) == (lock.digest, lock.promise["base"]["digest"])
    assert (record["data"], record["started"]) == ("sha256:data", "2026-11-23T04:05:06Z")
