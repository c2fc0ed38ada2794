"""A decision as a run of MLflow's tracking: parameters as tags, numbers as metrics, the reports as artifacts."""

from __future__ import annotations

from regress.errors import ExportError
from regress.export.tracked import tracked
from regress.run.judge import Judgement

try:
    import mlflow
    from mlflow.exceptions import MlflowException
except ImportError as absent:
    raise ExportError("MLflow's client is not installed: pip install 'regress-harness[mlflow]'.") from absent


def log_to_mlflow(judgement: Judgement, *, experiment: str, uri: str | None, name: str) -> str:
    """A finished run in the experiment, which is made where there is none; returns the run's id.

    `uri` is the tracking server or database; None is what MLflow is configured for. Raises ExportError.
    """
    told = tracked(judgement)
    try:
        client = mlflow.MlflowClient(tracking_uri=uri)
        found = client.get_experiment_by_name(experiment)
        place = client.create_experiment(experiment) if found is None else found.experiment_id
        tags = {**told.parameters, "mlflow.note.content": told.title}
        run: str = client.create_run(place, run_name=name, tags=tags).info.run_id
        for key, value in told.metrics.items():
            client.log_metric(run, key, value)
        for file, text in told.files.items():
            client.log_text(run, text, file)
        client.set_terminated(run)
    except (MlflowException, OSError) as reason:
        first = str(reason).strip().splitlines() or [type(reason).__name__]
        raise ExportError(f"MLflow does not take the decision: {first[0][:300]}") from reason
    return run
