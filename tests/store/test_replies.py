"""Replies are reused by content: never another variant's, never from a damaged run, never an error."""

from pathlib import Path

import pytest
from store_samples import a_manifest, an_outcome, store

from regress.schema import Outcome
from regress.store.replies import REUSE_FIELDS, ReplyCache
from regress.store.runs import LOG

OUTCOMES = [an_outcome(number) for number in range(6)]


def test_an_amended_lock_asks_nothing_twice(tmp_path: Path) -> None:
    store(tmp_path / "a", OUTCOMES[:4], seal=True)
    store(tmp_path / "b", OUTCOMES[4:], seal=False)
    amended = a_manifest(lock="sha256:new", settings="sha256:new", template="sha256:new")
    cache = ReplyCache.build(tmp_path.iterdir(), amended)
    assert dict(cache) == {outcome.request_digest: outcome.reply for outcome in OUTCOMES}
    assert dict(cache.skipped) == {}
    assert len(cache) == 6


@pytest.mark.parametrize("name", REUSE_FIELDS)
def test_who_answered_and_how_must_agree(tmp_path: Path, name: str) -> None:
    store(tmp_path / "a", OUTCOMES, seal=True)
    cache = ReplyCache.build([tmp_path / "a"], a_manifest(**{name: "another"}))
    assert (len(cache), len(cache.skipped)) == (0, 0)


def test_an_error_is_never_reused(tmp_path: Path) -> None:
    store(tmp_path / "a", [an_outcome(0, Outcome.ERROR), an_outcome(1, Outcome.NO_ANSWER)], seal=False)
    assert list(ReplyCache.build([tmp_path / "a"], a_manifest())) == [an_outcome(1).request_digest]


def test_a_damaged_run_gives_nothing_and_is_named(tmp_path: Path) -> None:
    for name in ("good", "flipped", "sealed"):
        store(tmp_path / name, OUTCOMES[:3] if name == "good" else OUTCOMES, seal=name == "sealed")
    for name in ("flipped", "sealed"):
        data = (tmp_path / name / LOG).read_bytes()
        (tmp_path / name / LOG).write_bytes(data.replace(b"answer 4", b"answer 5") if name == "flipped" else data[:-1])
    (tmp_path / "empty").mkdir()
    (tmp_path / "a file").touch()
    cache = ReplyCache.build(tmp_path.iterdir(), a_manifest())
    assert len(cache) == 3
    assert set(cache.skipped) == {"flipped", "sealed", "empty", "a file"}
    assert ":5: the line is not what was written" in cache.skipped["flipped"]


def test_a_torn_last_line_of_an_unsealed_run_is_left_out(tmp_path: Path) -> None:
    store(tmp_path / "a", OUTCOMES, seal=False)
    (tmp_path / "a" / LOG).write_bytes((tmp_path / "a" / LOG).read_bytes()[:-1])
    assert len(ReplyCache.build([tmp_path / "a"], a_manifest())) == 5
