"""Hashing what others wrote: only regular files, each read once, and a private copy nobody can exchange."""

import hashlib
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from regress.errors import AdapterError, Refused
from regress.hashing import files
from regress.hashing.files import FileSet, digest_bytes, digest_file, digest_files, private_copy, verify_copy

ALLOWED = {"adapter_config.json", "adapter_model.safetensors"}.__contains__
BUDGET = 10_000


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(b'{"r": 8}')
    (folder / "adapter_model.safetensors").write_bytes(bytes(range(256)) * 8)
    return folder


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def copy(adapter: Path, budget: int = BUDGET) -> FileSet:
    return private_copy(adapter, adapter.parent / "copy", allowed=ALLOWED, max_bytes=budget, refuse=AdapterError)


def refused(adapter: Path, match: str, budget: int = BUDGET) -> None:
    with pytest.raises(AdapterError, match=match):
        copy(adapter, budget)
    assert not (adapter.parent / "copy").exists()


def test_digests_are_plain_sha256(adapter: Path) -> None:
    data = (adapter / "adapter_model.safetensors").read_bytes()
    entry = digest_file(adapter / "adapter_model.safetensors")
    assert entry.digest == digest_bytes(data) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert entry.size == 2048


def test_a_file_larger_than_a_chunk(tmp_path: Path) -> None:
    data = os.urandom(2 * 2**20 + 17)
    (tmp_path / "big").write_bytes(data)
    assert digest_file(tmp_path / "big").digest == digest_bytes(data)
    (tmp_path / "empty").touch()
    assert digest_file(tmp_path / "empty").digest == digest_bytes(b"")


def test_a_set_depends_on_names_and_contents_only(adapter: Path) -> None:
    both = ["adapter_model.safetensors", "adapter_config.json"]
    one, two = digest_files(adapter, both), digest_files(adapter, reversed(both))
    assert one == two
    assert list(one.files) == sorted(both)
    assert one.size == 2056
    (adapter / "adapter_config.json").rename(adapter / "other.json")
    assert digest_files(adapter, ["other.json", "adapter_model.safetensors"]).digest != one.digest


def test_the_copy_holds_the_same_bytes_and_only_we_can_read_it(adapter: Path) -> None:
    found = copy(adapter)
    destination = adapter.parent / "copy"
    assert found == digest_files(adapter, names(adapter)) == digest_files(destination, names(destination))
    assert stat.S_IMODE(destination.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in destination.iterdir()} == {0o600}
    verify_copy(found, destination)


def replace_by_symlink(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to(file.parent.parent / "elsewhere")


def replace_by_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def replace_by_socket(file: Path) -> None:
    file.unlink()
    here = Path.cwd()
    os.chdir(file.parent)  # a socket's path has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(file.name)
    finally:
        os.chdir(here)


def replace_by_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("replace", [replace_by_symlink, replace_by_fifo, replace_by_socket, replace_by_folder])
def test_anything_but_a_regular_file_is_refused(adapter: Path, replace: Callable[[Path], None]) -> None:
    file = adapter / "adapter_model.safetensors"
    replace(file)
    refused(adapter, "regular file")
    with pytest.raises(Refused, match="regular file"):
        digest_file(file)


def test_a_device_is_refused() -> None:
    with pytest.raises(Refused, match="not a regular file"):
        digest_file(Path("/dev/zero"))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling.py", ".hidden", "adapter_config.json\n"])
def test_unexpected_names_are_refused(adapter: Path, name: str) -> None:
    (adapter / name).touch()
    refused(adapter, "has no place there")


def test_subfolders_are_refused(adapter: Path) -> None:
    (adapter / "checkpoint-1").mkdir()
    refused(adapter, "'checkpoint-1'")


@pytest.mark.parametrize(("budget", "fits"), [(2056, True), (2055, False), (8, False), (0, False)])
def test_the_budget_counts_all_files(adapter: Path, budget: int, fits: bool) -> None:
    if fits:
        assert copy(adapter, budget).size == budget
    else:
        refused(adapter, "more than", budget)


def test_a_sparse_giant_is_refused_before_it_is_read(adapter: Path) -> None:
    os.truncate(adapter / "adapter_model.safetensors", 2**40)
    refused(adapter, "more than")


def test_an_empty_or_missing_folder_is_refused(adapter: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, match in [(tmp_path / "empty", "is empty"), (tmp_path / "none", "cannot open the folder")]:
        with pytest.raises(AdapterError, match=match):
            private_copy(folder, tmp_path / "copy", allowed=ALLOWED, max_bytes=BUDGET, refuse=AdapterError)


def test_a_destination_that_exists_is_refused_and_kept(adapter: Path) -> None:
    (adapter.parent / "copy").mkdir()
    (adapter.parent / "copy" / "mine").touch()
    with pytest.raises(AdapterError, match="cannot make the private folder"):
        copy(adapter)
    assert (adapter.parent / "copy" / "mine").exists()


@pytest.mark.parametrize("change", ["grow", "shrink", "touch"])
def test_a_file_that_changes_while_it_is_copied_is_refused(
    adapter: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    file = adapter / "adapter_model.safetensors"
    real = os.readv

    def readv(descriptor: int, buffers: list[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == file.stat().st_ino:
            if change == "touch":
                os.utime(file, ns=(1, 1))
            else:
                os.truncate(file, 1000 if change == "shrink" else 4000)
        return real(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    refused(adapter, "changed while it was read")


def test_a_file_that_never_ends_is_not_followed(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = adapter / "adapter_model.safetensors"
    reads: list[int] = []
    real = os.readv

    def readv(descriptor: int, buffers: list[memoryview]) -> int:
        if os.fstat(descriptor).st_ino == file.stat().st_ino and len(reads) < 50:
            with file.open("ab") as more:
                more.write(bytes(4096))
            reads.append(descriptor)
        return real(descriptor, buffers)

    monkeypatch.setattr(os, "readv", readv)
    refused(adapter, "changed while it was read")
    assert len(reads) == 1


def test_a_file_exchanged_after_the_copy_changes_nothing(adapter: Path) -> None:
    found = copy(adapter)
    (adapter / "adapter_model.safetensors").write_bytes(b"evil")
    verify_copy(found, adapter.parent / "copy")


def test_swapping_during_the_copy_never_mixes_digest_and_bytes(adapter: Path) -> None:
    """Whatever a racing writer does, the digest names the bytes that were copied."""
    good, evil = adapter.parent / "good", adapter.parent / "evil"
    good.write_bytes(b"g" * 3000)
    evil.write_bytes(b"e" * 3000)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for source in (good, evil):
                link = adapter.parent / "link"
                link.unlink(missing_ok=True)
                os.link(source, link)
                link.replace(adapter / "adapter_model.safetensors")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for round_ in range(100):
            destination = adapter.parent / f"copy{round_}"
            try:
                found = private_copy(adapter, destination, allowed=ALLOWED, max_bytes=BUDGET)
            except Refused:
                continue
            verify_copy(found, destination)
            assert set((destination / "adapter_model.safetensors").read_bytes()) <= {*b"g"} | {*range(256)}
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / "more").touch(), "'more' was added"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "'adapter_config.json' is missing"),
        (lambda folder: (folder / "adapter_config.json").write_bytes(b'{"r": 9}'), "changed since it was hashed"),
        (lambda folder: replace_by_symlink(folder / "adapter_config.json"), "regular files"),
    ],
)
def test_a_changed_copy_is_refused(adapter: Path, damage: Callable[[Path], object], match: str) -> None:
    found = copy(adapter)
    damage(adapter.parent / "copy")
    with pytest.raises(AdapterError, match=match):
        verify_copy(found, adapter.parent / "copy", refuse=AdapterError)


def test_a_full_disk_is_a_refusal_that_leaves_nothing(adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_copy", full)
    refused(adapter, "No space left")


@pytest.mark.parametrize("name", ["../secret", "a/b", "", ".", "..", "nul\0"])
def test_names_that_lead_elsewhere_are_refused(adapter: Path, name: str) -> None:
    with pytest.raises(Refused, match="not the name of a file"):
        digest_files(adapter, [name])
