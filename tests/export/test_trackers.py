"""Decisions in MLflow's database and in W&B's offline files, read back by their own clients."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from regress.errors import ExportError
from regress.export.tracked import tracked
from regress.run.judge import Judgement


def test_numbers_are_finite_and_named_as_trackers_take_them(careless: Judgement) -> None:
    told = tracked(careless)
    assert all(math.isfinite(value) for value in told.metrics.values())
    assert told.metrics["colours/adapter/delta"] == -0.5
    assert told.metrics["promoted"] == 0.0
    assert "colours/adapter/min_gain" not in told.metrics
    assert told.parameters["regress.decision"] == "REJECT"
    assert json.loads(told.files["verdict.json"])["decision"] == "REJECT"


def test_mlflow_holds_the_decision(careless: Judgement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed (the extra of that name)")
    pytest.importorskip("sqlalchemy", reason="MLflow's local database needs sqlalchemy and alembic")
    from regress.export.mlflow_run import log_to_mlflow

    monkeypatch.chdir(tmp_path)  # where MLflow puts artifacts unless told otherwise
    uri = f"sqlite:///{tmp_path / 'store.db'}"
    ids = [log_to_mlflow(careless, experiment="desk", uri=uri, name="careless") for _ in range(2)]
    client = mlflow.MlflowClient(tracking_uri=uri)
    runs = client.search_runs([client.get_experiment_by_name("desk").experiment_id])
    assert {run.info.run_id for run in runs} == set(ids)
    assert {(run.info.status, run.info.run_name) for run in runs} == {("FINISHED", "careless")}
    assert runs[0].data.metrics == tracked(careless).metrics
    assert runs[0].data.tags["regress.lock"] == careless.decision.lock
    assert sorted(file.path for file in client.list_artifacts(ids[0])) == ["summary.md", "verdict.json"]


def test_a_tracking_server_that_is_none_is_refused(careless: Judgement, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed (the extra of that name)")
    from regress.export.mlflow_run import log_to_mlflow

    with pytest.raises(ExportError, match="MLflow does not take the decision"):
        log_to_mlflow(careless, experiment="desk", uri="nonsense://there", name="careless")


def test_wandb_offline_holds_the_decision(careless: Judgement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed (the extra of that name)")
    from regress.export.wandb_run import log_to_wandb

    for name in ("CACHE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / name))
    place = Path(log_to_wandb(careless, project="desk", name="careless", folder=tmp_path / "out", offline=True))
    assert place.is_relative_to(tmp_path / "out")
    (log,) = place.glob("run-*.wandb")
    written = log.read_bytes()
    for expected in (b"regress.decision", b"colours/adapter/delta", careless.decision.lock or "", "regress-verdict"):
        assert (expected if isinstance(expected, bytes) else expected.encode()) in written
