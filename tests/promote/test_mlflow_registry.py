"""The MLflow registry against a real store of MLflow's: a database file, and artifacts in a folder."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import pytest
from promote_samples import NOW, a_key, a_root, put

from regress.errors import Refused
from regress.promote.history import Move
from regress.promote.registry import ADAPTER
from regress.promote.reviewing import review
from regress.promote.rolling_back import roll_back
from regress.promote.verifying import find_record, stated, verify_files, verify_record

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (the extra of that name)")
pytest.importorskip("sqlalchemy", reason="MLflow's local database needs sqlalchemy and alembic")

from regress.promote.mlflow_registry import EVENT_TAG, PRODUCTION, MlflowRegistry  # noqa: E402

NAME = "support-desk"


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow creates its tables for seconds: once for all tests here."""
    folder = tmp_path_factory.mktemp("mlflow")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'store.db'}")
    client.search_registered_models()
    client.search_experiments()
    return folder


@pytest.fixture
def registry(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowRegistry:
    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts unless told otherwise
    shutil.copy(empty_store / "store.db", tmp_path / "store.db")
    return open_again(tmp_path)


def open_again(folder: Path) -> MlflowRegistry:
    return MlflowRegistry(NAME, f"sqlite:///{folder / 'store.db'}", folder / "promotion.lock")


def in_production(folder: Path, scratch: str) -> bytes:
    """The weights that MLflow's own alias leads to, verified."""
    registry = open_again(folder)
    digest = registry.line().production
    assert digest is not None
    alias = registry._client.get_model_version_by_alias(NAME, PRODUCTION)
    assert alias.tags["regress.record"] == digest
    version = registry.version(digest, folder / scratch)
    record = verify_record(registry.record(digest), a_root(a_key(folder)), now=NOW)
    verify_files(record, version / ADAPTER)
    return (version / ADAPTER / "adapter_model.safetensors").read_bytes()


def test_promote_promote_back_and_on(registry: MlflowRegistry, tmp_path: Path) -> None:
    key = a_key(tmp_path)
    assert put(registry, key, b"one") != put(registry, key, b"two")
    assert in_production(tmp_path, "a") == b"two"
    roll_back(open_again(tmp_path), a_root(key), now=NOW, to=None, why="slower")
    assert in_production(tmp_path, "b") == b"one"
    put(open_again(tmp_path), key, b"three")
    assert in_production(tmp_path, "c") == b"three"
    reviewed = review(open_again(tmp_path), a_root(key), now=NOW)
    assert [entry.event.move for entry in reviewed.entries] == [Move.PROMOTE, Move.PROMOTE, Move.ROLLBACK, Move.PROMOTE]
    assert all(entry.complaint is None for entry in reviewed.entries)
    assert reviewed.line.production is not None
    version = registry.version(reviewed.line.production, tmp_path / "d")
    copy = Path(shutil.copytree(version / ADAPTER, tmp_path / "copy"))
    assert stated(find_record(copy, open_again(tmp_path))).digest == reviewed.line.production


def test_a_death_before_the_alias_moved_leaves_the_old_one_and_is_noted(
    registry: MlflowRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = a_key(tmp_path)
    put(registry, key, b"one")
    for step in ("create_run", "log_artifacts", "create_model_version", "set_registered_model_alias"):
        broken = open_again(tmp_path)

        def die(*_: object, **__: object) -> None:
            raise OSError("the server is gone")

        monkeypatch.setattr(broken._client, step, die)
        with pytest.raises(Refused, match="the server is gone"):
            put(broken, key, b"two")
        assert in_production(tmp_path, step) == b"one"
    put(open_again(tmp_path), key, b"three")
    assert in_production(tmp_path, "after") == b"three"
    moves = [event.move for event in open_again(tmp_path).line().events]
    assert moves == [Move.PROMOTE, Move.PROMOTE, Move.INTERRUPTED, Move.PROMOTE]


def test_another_machine_in_between_is_seen(registry: MlflowRegistry, tmp_path: Path) -> None:
    """Its lock file lies elsewhere, so only the history tells."""
    key = a_key(tmp_path)
    put(registry, key, b"one")
    ours, theirs = open_again(tmp_path), open_again(tmp_path)
    theirs._lock = tmp_path / "other-machine.lock"
    before = ours.line()
    put(theirs, key, b"theirs")
    with pytest.raises(Refused, match="came in between"):
        ours.point(tmp_path, before.promoted("sha256:" + "0" * 64, NOW))
    assert in_production(tmp_path, "a") == b"theirs"
    with theirs.writing(), pytest.raises(Refused, match="under way"), theirs.writing():
        pass


@pytest.mark.parametrize("what", ["alias", "line", "missing line", "version"])
def test_what_somebody_changed_in_mlflow_is_refused(registry: MlflowRegistry, tmp_path: Path, what: str) -> None:
    key = a_key(tmp_path)
    put(registry, key, b"one")
    put(registry, key, b"two")
    client = registry._client
    match what:
        case "alias":
            client.set_registered_model_alias(NAME, PRODUCTION, "1")
            client.delete_registered_model_alias(NAME, PRODUCTION)
        case "line":
            line = client.get_registered_model(NAME).tags[f"{EVENT_TAG}000001"]
            client.set_registered_model_tag(NAME, f"{EVENT_TAG}000001", line.replace('"why":""', '"why":"x"'))
        case "missing line":
            client.delete_registered_model_tag(NAME, f"{EVENT_TAG}000001")
        case "version":
            client.delete_model_version(NAME, "2")
    with pytest.raises(Refused):
        put(open_again(tmp_path), key, b"four")


def test_a_server_that_is_not_there_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        nowhere = MlflowRegistry(NAME, f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path / "x.lock")
        with pytest.raises(Refused, match="does not answer"):
            nowhere.line()
