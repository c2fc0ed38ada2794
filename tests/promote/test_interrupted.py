"""Promotions and rollbacks killed, or failed by the disk, at every file operation; and many of them at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from interrupted_writer import DIED, DONE, REFUSED, How, every_interruption
from promote_samples import NOW, a_key, a_root, put

from regress.errors import Refused
from regress.promote.history import Move
from regress.promote.keys import load_key
from regress.promote.local import LocalRegistry
from regress.promote.registry import ADAPTER
from regress.promote.rolling_back import roll_back
from regress.promote.verifying import verify_files, verify_record


def production_of(folder: Path, keys: Path) -> bytes:
    """The weights in production, after everything about them was verified."""
    registry = LocalRegistry(folder)
    digest = registry.line().production
    assert digest is not None
    record = verify_record(registry.record(digest), a_root(a_key(keys)), now=NOW)
    verify_files(record, folder / "production" / ADAPTER)
    return (folder / "production" / ADAPTER / "adapter_model.safetensors").read_bytes()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Two promotions; the second is in production."""
    for content in (b"first", b"second"):
        put(LocalRegistry(tmp_path / "template"), a_key(tmp_path), content)
    return tmp_path / "template"


@pytest.mark.parametrize("how", How)
@pytest.mark.parametrize(("move", "new"), [("promote", b"third"), ("rollback", b"first")])
def test_production_is_the_old_or_the_new_one_wherever_it_breaks(
    template: Path, tmp_path: Path, how: How, move: str, new: bytes
) -> None:
    def work(folder: Path) -> int:
        try:
            if move == "promote":
                put(LocalRegistry(folder), load_key(tmp_path / "key.pem"), new)
            else:
                roll_back(LocalRegistry(folder), a_root(load_key(tmp_path / "key.pem")), now=NOW, to=None, why="")
        except Refused:
            return REFUSED
        return DONE

    seen: list[bytes] = []

    def check(folder: Path, status: int) -> None:
        assert status in (DONE, DIED if how is How.KILL else REFUSED)
        found = production_of(folder, tmp_path)
        assert found in ((new,) if status == DONE else (b"second", new))
        seen.append(found)
        put(LocalRegistry(folder), a_key(tmp_path), b"next")  # whoever comes next finds a registry that works
        assert production_of(folder, tmp_path) == b"next"
        events = LocalRegistry(folder).line().events
        assert events[-1].previous is not None
        noted = [event.move for event in events].count(Move.INTERRUPTED)
        assert noted <= (found == b"second")
        assert not list(folder.glob(".unfinished-*"))

    operations = every_interruption(work, template, tmp_path, how, check)
    assert operations >= 10
    assert seen.count(b"second") > operations / 2
    assert seen[-1] == new  # nothing interrupted the last one


def test_many_at_once_leave_one_line(template: Path, tmp_path: Path) -> None:
    """Each is carried out whole or refused whole, and the history holds exactly those that were."""
    key, children, rounds, at_once = a_key(tmp_path), [], 5, 8
    start_reading, start_writing = os.pipe()
    for number in range(at_once):
        if (child := os.fork()) == 0:
            os.read(start_reading, 1)
            done = 0
            for turn in range(rounds):
                try:
                    put(LocalRegistry(template), key, f"{number}.{turn}".encode())
                    done += 1
                except Refused as refusal:
                    if "under way" not in str(refusal):
                        os._exit(99)
                except BaseException:  # noqa: BLE001  a forked child must not return into pytest
                    os._exit(98)
            os._exit(done)
        children.append(child)
    os.write(start_writing, b"x" * at_once)
    promoted = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert max(promoted) <= rounds
    line = LocalRegistry(template).line()
    assert [event.move for event in line.events] == [Move.PROMOTE] * (2 + sum(promoted))
    assert sum(promoted) >= 1
    assert len(line.standing) == len(set(line.standing)) == 2 + sum(promoted)
    production_of(template, tmp_path)
