"""write_atomic: the old bytes or the new ones, durable before the name changes."""

import errno
import os
from pathlib import Path

import pytest

from regress.errors import StoreError
from regress.store.atomic import make_folder, read_regular, write_atomic


class Calls:
    """Records what is asked of the operating system, in order; fails at the one named `failing`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failing: str | None = None) -> None:
        self.log: list[str] = []
        self.failing = failing
        self._write, self._fsync, self._replace = os.write, os.fsync, os.replace
        monkeypatch.setattr(os, "write", self.write)
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "replace", self.replace)

    def note(self, what: str) -> None:
        self.log.append(what)
        if what == self.failing:
            raise OSError(errno.EIO, what)

    def write(self, descriptor: int, data: memoryview) -> int:
        self.note("write")
        return self._write(descriptor, data[:7])

    def fsync(self, descriptor: int) -> None:
        self.note("sync folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "sync file")  # noqa: PTH112
        self._fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self.note("replace")
        self._replace(source, target)


def test_bytes_are_durable_before_the_name_and_the_name_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    write_atomic(tmp_path / "seal.json", b"0123456789")
    assert calls.log == ["write", "write", "sync file", "replace", "sync folder"]
    assert (tmp_path / "seal.json").read_bytes() == b"0123456789"


@pytest.mark.parametrize("failing", ["write", "sync file", "replace"])
def test_a_failure_changes_nothing_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    write_atomic(tmp_path / "file", b"old")
    Calls(monkeypatch, failing)
    with pytest.raises(OSError, match=failing):
        write_atomic(tmp_path / "file", b"new")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    write_atomic(tmp_path / "file", b"ours")
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert not (tmp_path / "file").is_symlink()


def test_new_folders_are_durable_in_their_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    make_folder(tmp_path / "runs" / "one")
    make_folder(tmp_path / "runs" / "one")
    assert calls.log == ["sync folder"] * 2
    assert (tmp_path / "runs" / "one").is_dir()


def test_reading_has_a_budget(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_regular(tmp_path / "file", 5) == b"12345"
    with pytest.raises(StoreError, match="5 bytes, more than the 4"):
        read_regular(tmp_path / "file", 4)
