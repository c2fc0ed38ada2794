"""The registry on the hub: huggingface_hub's own client against a stand-in for the server, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import yaml
from hub_stand_in import Hub, hub_stand_in
from huggingface_hub import HfApi
from promote_samples import NOW, WAIVER, a_key, a_root, put, some_figures

from regress.errors import Refused
from regress.promote.history import Move
from regress.promote.hub import HubRegistry
from regress.promote.registry import ADAPTER
from regress.promote.reviewing import review
from regress.promote.rolling_back import roll_back
from regress.promote.verifying import find_record, stated, verify_files, verify_record
from regress.schema import Verdict

NAME = "desk/support"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)  # only to this machine's own port
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # large files over plain HTTP
    with hub_stand_in() as served:
        yield served


def opened(hub: Hub, folder: Path) -> HubRegistry:
    return HubRegistry(NAME, folder / "promotion.lock", HfApi(endpoint=hub.url, token="hf_none"))


def in_production(hub: Hub, folder: Path, scratch: str) -> bytes:
    """The weights at the head of main, fetched and verified."""
    registry = opened(hub, folder)
    digest = registry.line().production
    assert digest is not None
    version = registry.version(digest, folder / scratch)
    verify_files(verify_record(registry.record(digest), a_root(a_key(folder)), now=NOW), version / ADAPTER)
    found = hub.at(NAME, "main")
    assert found is not None
    data = (version / ADAPTER / "adapter_model.safetensors").read_bytes()
    assert found[1]["adapter/adapter_model.safetensors"] == data
    return data


@pytest.mark.parametrize("large", [5, 10**9], ids=["as large files", "as small ones"])
def test_promote_promote_back_and_on(hub: Hub, tmp_path: Path, large: int) -> None:
    key, hub.large = a_key(tmp_path), large
    registry = opened(hub, tmp_path)
    assert registry.line().production is None
    first, second = put(registry, key, b"number one"), put(opened(hub, tmp_path), key, b"number two")
    assert in_production(hub, tmp_path, "a") == b"number two"
    roll_back(opened(hub, tmp_path), a_root(key), now=NOW, to=None, why="slower")
    assert in_production(hub, tmp_path, "b") == b"number one"
    third = put(opened(hub, tmp_path), key, b"number three")
    assert in_production(hub, tmp_path, "c") == b"number three"
    reviewed = review(opened(hub, tmp_path), a_root(key), now=NOW)
    assert [entry.event.move for entry in reviewed.entries] == [Move.PROMOTE, Move.PROMOTE, Move.ROLLBACK, Move.PROMOTE]
    assert all(entry.complaint is None for entry in reviewed.entries)
    assert {tag for tag in hub.refs[NAME] if tag != "main"} == {f"regress-{d[7:23]}" for d in (first, second, third)}
    copy = Path(shutil.copytree(tmp_path / "c" / "fetched" / ADAPTER, tmp_path / "copy"))
    assert stated(find_record(copy, opened(hub, tmp_path))).digest == third


def test_the_card_says_what_the_record_says(hub: Hub, tmp_path: Path) -> None:
    failed = some_figures(suite="json", verdict=Verdict.FAIL, candidate_pass=40)
    put(opened(hub, tmp_path), a_key(tmp_path), b"weights", suites=(some_figures(), failed), waivers=(WAIVER,))
    found = hub.at(NAME, "main")
    assert found is not None
    _, head, body = found[1]["README.md"].decode().split("---\n", 2)
    results = yaml.safe_load(head)["model-index"][0]["results"]
    assert [result["metrics"][0]["value"] for result in results] == [0.89, 0.4]
    assert "| json | adapter | 90 of 100 | 40 of 100 | FAIL, waived |" in body
    assert "Waived: json, until 2026-12-31." in body


def test_files_of_the_adapter_before_are_taken_away(hub: Hub, tmp_path: Path) -> None:
    put(opened(hub, tmp_path), a_key(tmp_path), b"one")
    oid, files = hub.at(NAME, "main") or ("", {})
    hub.commits[NAME][oid] = files | {"adapter/leftover.json": b"{}"}
    put(opened(hub, tmp_path), a_key(tmp_path), b"two")
    assert "adapter/leftover.json" not in (hub.at(NAME, "main") or ("", {}))[1]
    in_production(hub, tmp_path, "a")


@pytest.mark.parametrize("part", ["/repos/create", "/preupload/", "/commit/"])
def test_a_failure_before_the_commit_changes_nothing(hub: Hub, tmp_path: Path, part: str) -> None:
    put(opened(hub, tmp_path), a_key(tmp_path), b"one")
    before = dict(hub.refs[NAME])
    hub.fail = {part}
    with pytest.raises(Refused, match="does not answer"):
        put(opened(hub, tmp_path), a_key(tmp_path), b"two")
    assert hub.refs[NAME] == before
    hub.fail = set()
    assert in_production(hub, tmp_path, "a") == b"one"


def test_a_failure_after_the_commit_is_mended_by_whoever_comes_next(hub: Hub, tmp_path: Path) -> None:
    """The tag is missing then; production moved, and can still be gone back to."""
    key = a_key(tmp_path)
    put(opened(hub, tmp_path), key, b"one")
    hub.refs[NAME] = {ref: oid for ref, oid in hub.refs[NAME].items() if ref == "main"}
    assert in_production(hub, tmp_path, "a") == b"one"
    put(opened(hub, tmp_path), key, b"two")
    roll_back(opened(hub, tmp_path), a_root(key), now=NOW, to=None, why="")
    assert in_production(hub, tmp_path, "b") == b"one"


def test_of_two_at_once_the_hub_takes_one(hub: Hub, tmp_path: Path) -> None:
    key = a_key(tmp_path)
    put(opened(hub, tmp_path), key, b"one")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    late = opened(hub, elsewhere)
    line = late.line()
    put(opened(hub, tmp_path), key, b"two")
    version = late.version(line.standing[0], tmp_path / "x")
    with pytest.raises(Refused, match="run again"):
        late.point(version, line.promoted(line.standing[0], NOW))
    assert in_production(hub, tmp_path, "a") == b"two"


@pytest.mark.parametrize("what", ["history.jsonl", "promotion.json", "adapter/adapter_config.json"])
def test_what_somebody_committed_by_hand_is_refused(hub: Hub, tmp_path: Path, what: str) -> None:
    for content in (b"one", b"two"):
        put(opened(hub, tmp_path), a_key(tmp_path), content)
    _, files = hub.at(NAME, "main") or ("", {})
    hub.refs[NAME] = {"main": hub.refs[NAME]["main"]}
    hub.commit(NAME, files | {what: files[what].replace(b"o", b"0", 1).replace(b"LORA", b"L0RA")})
    with pytest.raises(Refused):
        in_production(hub, tmp_path, "a")


def test_offline_it_is_a_refusal(tmp_path: Path) -> None:
    """As every test process is, by HF_HUB_OFFLINE=1: nothing is asked of anybody."""
    code = (
        "from pathlib import Path\nfrom regress.errors import Refused\nfrom regress.promote.hub import HubRegistry\n"
        f"try:\n    HubRegistry('a/b', Path({str(tmp_path / 'lock')!r})).line()\nexcept Refused as e:\n    print(e)\n"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "does not answer as it should" in done.stdout
