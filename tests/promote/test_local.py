"""The registry in a folder: what somebody changed by hand is named, and nothing of it moves production."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from promote_samples import NOW, a_key, a_registry, a_root, put

from regress.errors import Refused
from regress.promote.history import HISTORY_LABEL, Move
from regress.promote.local import HISTORY, PRODUCTION, VERSIONS, LocalRegistry
from regress.promote.registry import ADAPTER, RECORD
from regress.promote.reviewing import review
from regress.promote.rolling_back import roll_back
from regress.promote.times import stamp
from regress.store.chain import ChainWriter


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    """Three promotions."""
    made = a_registry(tmp_path)
    for content in (b"one", b"two", b"three"):
        put(made, a_key(tmp_path), content)
    return made


def weights(registry: LocalRegistry) -> bytes:
    return (registry.folder / PRODUCTION / ADAPTER / "adapter_model.safetensors").read_bytes()


def test_versions_can_be_read_by_all_and_changed_by_none(registry: LocalRegistry) -> None:
    version = (registry.folder / PRODUCTION).resolve()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (version / ADAPTER).iterdir()} == {0o444}
    assert stat.S_IMODE((version / ADAPTER).stat().st_mode) == stat.S_IMODE(version.stat().st_mode) == 0o755


def test_back_and_back_again_and_no_further(registry: LocalRegistry, tmp_path: Path) -> None:
    root = a_root(a_key(tmp_path))
    done = roll_back(registry, root, now=NOW, to=None, why="the desk complains")
    assert weights(registry) == b"two"
    assert done.before is not None
    assert registry.line().events[-1].why == "the desk complains"
    roll_back(registry, root, now=NOW, to=None, why="")
    assert weights(registry) == b"one"
    with pytest.raises(Refused, match="only one promotion stands"):
        roll_back(registry, root, now=NOW, to=None, why="")
    put(registry, a_key(tmp_path), b"four")
    roll_back(registry, root, now=NOW, to=None, why="")
    assert weights(registry) == b"one"  # what was gone back from is not what was before


def test_back_to_one_that_is_named(registry: LocalRegistry, tmp_path: Path) -> None:
    root, first = a_root(a_key(tmp_path)), registry.line().standing[0]
    with pytest.raises(Refused, match="names 0 earlier promotions"):
        roll_back(registry, root, now=NOW, to="xyz", why="")
    roll_back(registry, root, now=NOW, to=first[7:19], why="")
    assert weights(registry) == b"one"


def _edit(name: str) -> Callable[[Path], None]:
    def damage(version: Path) -> None:
        path = version / name
        path.chmod(0o644)
        path.write_bytes(b"x" + path.read_bytes()[1:])

    return damage


EARLIER: dict[str, Callable[[Path], None]] = {
    "its adapter changed": _edit(f"{ADAPTER}/adapter_config.json"),
    "its record changed": _edit(RECORD),
    "its adapter is gone": lambda version: shutil.rmtree(version / ADAPTER),
    "it is gone": shutil.rmtree,
    "its adapter has a file more": lambda version: (version / ADAPTER / "x").touch(),
}


@pytest.mark.parametrize("case", EARLIER)
def test_nobody_goes_back_to_what_does_not_verify(registry: LocalRegistry, tmp_path: Path, case: str) -> None:
    before = registry.line().standing[-2]
    EARLIER[case](registry.version(before, tmp_path))
    with pytest.raises(Refused):
        roll_back(registry, a_root(a_key(tmp_path)), now=NOW, to=None, why="")
    assert weights(registry) == b"three"
    assert len(registry.line().events) == 3


def test_nobody_goes_back_to_what_is_no_longer_believed(registry: LocalRegistry, tmp_path: Path) -> None:
    root = a_root(a_key(tmp_path)).without_record(registry.line().standing[-2], reason="harmful", now=NOW)
    with pytest.raises(Refused, match="harmful"):
        roll_back(registry, root, now=NOW, to=None, why="")
    assert weights(registry) == b"three"
    roll_back(registry, root, now=NOW, to=registry.line().standing[0][7:17], why="")
    assert weights(registry) == b"one"


def names_in(registry: LocalRegistry) -> set[str]:
    return {path.name for path in registry.folder.iterdir()} - {VERSIONS}  # made anew where it is gone


def cut_history(registry: LocalRegistry) -> None:
    path = registry.folder / HISTORY
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def change_history(registry: LocalRegistry) -> None:
    path = registry.folder / HISTORY
    path.write_bytes(path.read_bytes().replace(b'"why":""', b'"why":"x"', 1))


def drop_the_first_line(registry: LocalRegistry) -> None:
    path = registry.folder / HISTORY
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def folder_in_place_of_the_link(registry: LocalRegistry) -> None:
    (registry.folder / PRODUCTION).unlink()
    (registry.folder / PRODUCTION).mkdir()


def link_to(target: str) -> Callable[[LocalRegistry], None]:
    def damage(registry: LocalRegistry) -> None:
        first = registry.line().standing[0][7:23]
        (registry.folder / PRODUCTION).unlink()
        (registry.folder / PRODUCTION).symlink_to(target.format(first=first))

    return damage


def other_record_in_production(registry: LocalRegistry) -> None:
    _edit(RECORD)((registry.folder / PRODUCTION).resolve())


REGISTRIES: dict[str, tuple[Callable[[LocalRegistry], None], str]] = {
    "production moved by hand": (link_to("versions/{first}"), "changed by hand"),
    "production leads out": (link_to("../elsewhere"), "no version of this registry"),
    "production leads to nothing": (link_to("versions/0123456789abcdef"), "no promotion record"),
    "production is gone": (lambda registry: (registry.folder / PRODUCTION).unlink(), "changed by hand"),
    "production is a folder": (folder_in_place_of_the_link, "not the link"),
    "production's record changed": (other_record_in_production, "somebody changed it"),
    "the history is gone": (lambda registry: (registry.folder / HISTORY).unlink(), "ends at nowhere"),
    "the history was changed": (change_history, "not what was written"),
    "the history lost its first line": (drop_the_first_line, "not what was written"),
    "the versions are gone": (lambda registry: shutil.rmtree(registry.folder / VERSIONS), "no promotion record"),
}


@pytest.mark.parametrize("case", REGISTRIES)
def test_a_registry_that_was_changed_by_hand_is_refused(registry: LocalRegistry, tmp_path: Path, case: str) -> None:
    damage, reason = REGISTRIES[case]
    damage(registry)
    before = names_in(registry)
    for move in (
        lambda: put(registry, a_key(tmp_path), b"four"),
        lambda: roll_back(registry, a_root(a_key(tmp_path)), now=NOW, to=None, why=""),
        lambda: review(registry, a_root(a_key(tmp_path)), now=NOW),
    ):
        with pytest.raises(Refused, match=reason):
            move()
    assert names_in(registry) == before


def test_a_cut_history_looks_like_an_interruption_and_the_signed_records_tell(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    """Whoever cuts the log's end and moves the link back leaves a chain that holds: that is a rollback nobody noted."""
    first, second, _ = registry.line().standing
    cut_history(registry)
    with pytest.raises(Refused, match="changed by hand"):
        registry.line()
    (registry.folder / PRODUCTION).unlink()
    (registry.folder / PRODUCTION).symlink_to(f"{VERSIONS}/{second[7:23]}")
    assert registry.line().standing == (first, second)


def test_a_rewritten_history_is_seen_by_what_the_records_say(registry: LocalRegistry, tmp_path: Path) -> None:
    """The chain is no secret, so it can be written anew; what each record replaced was signed."""
    first, _, third = registry.line().standing
    (registry.folder / HISTORY).unlink()
    with ChainWriter.open(registry.folder / HISTORY, HISTORY_LABEL) as log:
        for record, previous in ((first, None), (third, first)):
            log.append({"move": Move.PROMOTE, "record": record, "previous": previous, "time": stamp(NOW), "why": ""})
    assert registry.line().standing == (first, third)
    with pytest.raises(Refused, match="history was rewritten"):
        review(registry, a_root(a_key(tmp_path)), now=NOW)


def test_a_torn_last_line_never_counted(registry: LocalRegistry, tmp_path: Path) -> None:
    with (registry.folder / HISTORY).open("ab") as log:
        log.write(b"0123")
    assert len(registry.line().events) == 3
    put(registry, a_key(tmp_path), b"four")
    assert len(registry.line().events) == 4


def test_history_says_today_what_would_not_be_deployed(registry: LocalRegistry, tmp_path: Path) -> None:
    root = a_root(a_key(tmp_path)).without_record(registry.line().standing[0], reason="harmful", now=NOW)
    entries = review(registry, root, now=NOW).entries
    assert [entry.complaint is None for entry in entries] == [False, True, True]
    assert "harmful" in str(entries[0].complaint)


def test_the_same_record_again_takes_the_place_of_one_that_was_never_pointed_to(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    """Killed before the alias moved and started again within the second: the same bytes, so the same name."""
    copy = Path(shutil.copytree(registry.folder, tmp_path / "copy", symlinks=True))
    digest = put(registry, a_key(tmp_path), b"four")
    other = LocalRegistry(copy)
    shutil.copytree(registry.version(digest, tmp_path), other.version(digest, tmp_path))
    assert put(other, a_key(tmp_path), b"four") == digest
    assert weights(other) == b"four"
