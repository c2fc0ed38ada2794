"""Before a deployment: exactly the promoted bytes, by a key that is believed today, or one reason why not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from promote_samples import NOW, WAIVER, a_key, a_registry, a_root, a_trust_file, a_version, put

from regress.errors import PromotionError, Refused
from regress.promote import verify_adapter
from regress.promote.registry import ADAPTER, RECORD
from regress.promote.trust import TrustRoot
from regress.promote.verifying import find_record, refuse_unless_production, stated

Damage = Callable[[Path], None]


def link(adapter: Path) -> None:
    """The same bytes, but somewhere else, where they can be exchanged."""
    (adapter / "README.md").rename(adapter.parent / "elsewhere")
    (adapter / "README.md").symlink_to(adapter.parent / "elsewhere")


def fifo(adapter: Path) -> None:
    """Opening it would wait for ever."""
    (adapter / "README.md").unlink()
    os.mkfifo(adapter / "README.md")


def grown(adapter: Path) -> None:
    with (adapter / "adapter_model.safetensors").open("ab") as file:
        file.write(b"\0")


def add(name: str, content: bytes = b"x") -> Damage:
    def damage(adapter: Path) -> None:
        (adapter / name).write_bytes(content)

    return damage


def folder_for_a_file(adapter: Path) -> None:
    (adapter / "README.md").unlink()
    (adapter / "README.md").mkdir()


DAMAGE: dict[str, tuple[Damage, str]] = {
    "a changed byte": (add("adapter_model.safetensors", b"weightz"), "is sha256:"),
    "a longer file": (grown, "8 bytes"),
    "a missing file": (lambda adapter: (adapter / "README.md").unlink(), "'README.md' was promoted, but is missing"),
    "a file too many": (add("x.py"), "'x.py' lies in it, but was not promoted"),
    "a hidden file": (add(".x"), "'.x' lies in it"),
    "a subfolder": (lambda adapter: (adapter / "more").mkdir(), "'more' lies in it"),
    "a link": (link, "never links"),
    "a pipe": (fifo, "not a regular file"),
    "a folder for a file": (folder_for_a_file, "regular"),
    "no folder": (shutil.rmtree, "cannot open the folder"),
}


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return a_version(tmp_path / "version", a_key(tmp_path))


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    return a_trust_file(tmp_path, a_root(a_key(tmp_path)))


def test_what_was_promoted_verifies_and_says_what_was_promised(version: Path, trust: Path) -> None:
    record = verify_adapter(version / ADAPTER, trust=trust, now=NOW)
    assert sorted(record.files.files) == ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert (record.lock[:9], record.facts.attempt, record.made) == ("sha256:11", 1, NOW)


@pytest.mark.parametrize("copied", [False, True], ids=["in place", "copied"])
@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_adapter_is_refused(version: Path, trust: Path, tmp_path: Path, case: str, copied: bool) -> None:
    damage, reason = DAMAGE[case]
    damage(version / ADAPTER)
    with pytest.raises(Refused, match=reason):
        verify_adapter(version / ADAPTER, trust=trust, now=NOW, copy_to=tmp_path / "copy" if copied else None)
    assert not (tmp_path / "copy").exists()


def test_the_copy_is_what_was_promoted_and_nothing_is_overwritten(version: Path, trust: Path, tmp_path: Path) -> None:
    verify_adapter(version / ADAPTER, trust=trust, now=NOW, copy_to=tmp_path / "copy")
    verify_adapter(tmp_path / "copy", trust=trust, now=NOW, record=version / RECORD)
    with pytest.raises(PromotionError, match="copy"):
        verify_adapter(version / ADAPTER, trust=trust, now=NOW, copy_to=tmp_path / "copy")
    assert len(list((tmp_path / "copy").iterdir())) == 3


ROOTS: dict[str, tuple[Callable[[TrustRoot, Path], TrustRoot], str]] = {
    "an unknown key": (lambda _, folder: a_root(a_key(folder, "other.pem")), "is not in the trust root"),
    "no keys": (lambda _, folder: a_root(), "is not in the trust root, which knows 0"),
    "a revoked key": (lambda root, _: root.without_key("key 0", reason="stolen", now=NOW), "revoked on .*: stolen"),
    "a revoked promotion": (
        lambda root, folder: root.without_record(
            stated((folder / "version" / RECORD).read_bytes()).digest, reason="harmful", now=NOW
        ),
        "this promotion was revoked on 2026-11-23: harmful",
    ),
}


@pytest.mark.parametrize("case", ROOTS)
def test_whose_word_is_no_longer_believed(version: Path, tmp_path: Path, case: str) -> None:
    change, reason = ROOTS[case]
    trust = a_trust_file(tmp_path, change(a_root(a_key(tmp_path)), tmp_path))
    with pytest.raises(PromotionError, match=reason):
        verify_adapter(version / ADAPTER, trust=trust, now=NOW)


def test_a_key_is_believed_until_its_last_day_is_over(version: Path, tmp_path: Path) -> None:
    root = TrustRoot().with_key(a_key(tmp_path).public, name="release", expires="2026-11-24", now=NOW)
    trust = a_trust_file(tmp_path, root)
    last = NOW.replace(day=24, hour=23, minute=59, second=59)
    verify_adapter(version / ADAPTER, trust=trust, now=last)
    with pytest.raises(PromotionError, match="expired after 2026-11-24"):
        verify_adapter(version / ADAPTER, trust=trust, now=last + timedelta(seconds=1))


def test_two_keys_while_one_takes_over_from_the_other(version: Path, tmp_path: Path) -> None:
    old, new = a_key(tmp_path), a_key(tmp_path, "new.pem")
    both = a_trust_file(tmp_path, a_root(old, new))
    by_new = a_version(tmp_path / "by_new", new)
    for folder in (version, by_new):
        verify_adapter(folder / ADAPTER, trust=both, now=NOW)
    after = a_trust_file(tmp_path, a_root(old, new).without_key(old.id, reason="rotated", now=NOW))
    verify_adapter(by_new / ADAPTER, trust=after, now=NOW)
    with pytest.raises(PromotionError, match="rotated"):
        verify_adapter(version / ADAPTER, trust=after, now=NOW)


@pytest.mark.parametrize(
    ("days", "age", "holds"), [(None, 9999, True), (30, 30, True), (30, 30.1, False), (0, 0, True), (0, 0.1, False)]
)
def test_how_old_a_promotion_may_be(version: Path, trust: Path, days: int | None, age: float, holds: bool) -> None:
    limit = None if days is None else timedelta(days=days)
    now = NOW + timedelta(days=age)
    if holds:
        verify_adapter(version / ADAPTER, trust=trust, now=now, max_age=limit)
    else:
        with pytest.raises(PromotionError, match="days old"):
            verify_adapter(version / ADAPTER, trust=trust, now=now, max_age=limit)


def test_a_record_from_the_future_is_refused(version: Path, trust: Path) -> None:
    verify_adapter(version / ADAPTER, trust=trust, now=NOW - timedelta(minutes=9))
    with pytest.raises(PromotionError, match="still to come"):
        verify_adapter(version / ADAPTER, trust=trust, now=NOW - timedelta(minutes=11))


def test_a_waiver_holds_until_its_last_day_is_over(tmp_path: Path, trust: Path) -> None:
    version = a_version(tmp_path / "waived", a_key(tmp_path), waivers=(WAIVER,))
    new_year = NOW.replace(year=2027, month=1, day=1, hour=0, minute=0)
    verify_adapter(version / ADAPTER, trust=trust, now=new_year - timedelta(seconds=1))
    with pytest.raises(PromotionError, match="waiver for json by Mara expired after 2026-12-31"):
        verify_adapter(version / ADAPTER, trust=trust, now=new_year)


@pytest.mark.parametrize("what", ["missing", "a folder", "a link", "huge"])
def test_a_record_that_is_no_file_is_refused(version: Path, trust: Path, what: str) -> None:
    path = version / RECORD
    data = path.read_bytes()
    path.unlink()
    match what:
        case "a folder":
            path.mkdir()
        case "a link":
            (version.parent / "there").write_bytes(data)
            path.symlink_to(version.parent / "there")
        case "huge":
            with path.open("wb") as file:
                file.truncate(2**25)
    with pytest.raises(PromotionError, match=RECORD):
        verify_adapter(version / ADAPTER, trust=trust, now=NOW)


def test_an_old_record_shows_nothing_of_other_bytes(tmp_path: Path, trust: Path) -> None:
    """The replay: yesterday's record, well signed, beside today's adapter."""
    old = a_version(tmp_path / "old", a_key(tmp_path), b"yesterday")
    new = a_version(tmp_path / "new", a_key(tmp_path), b"today")
    with pytest.raises(PromotionError, match="is not what was promoted"):
        verify_adapter(new / ADAPTER, trust=trust, now=NOW, record=old / RECORD)


def test_the_registry_finds_the_record_of_a_copy_by_its_bytes(tmp_path: Path) -> None:
    registry, key = a_registry(tmp_path), a_key(tmp_path)
    first, second = put(registry, key, b"one"), put(registry, key, b"two")
    for digest in (first, second):
        copy = shutil.copytree(registry.version(digest, tmp_path) / ADAPTER, tmp_path / digest[7:15])
        found = stated(find_record(Path(copy), registry))
        assert found.digest == digest
        if digest == second:
            refuse_unless_production(found, registry)
        else:
            with pytest.raises(PromotionError, match="but in production"):
                refuse_unless_production(found, registry)
    (tmp_path / second[7:15] / "adapter_model.safetensors").chmod(0o644)
    (tmp_path / second[7:15] / "adapter_model.safetensors").write_bytes(b"three")
    with pytest.raises(PromotionError, match=r"'adapter_model\.safetensors' is"):
        find_record(tmp_path / second[7:15], registry)
