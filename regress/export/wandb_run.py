"""A decision as a run of Weights & Biases: configuration, summary, a table of suites, the reports as an artifact."""

from __future__ import annotations

from pathlib import Path

from regress.errors import ExportError
from regress.export.rows import VERDICT_COLUMNS, verdict_rows
from regress.export.tracked import tracked
from regress.run.judge import Judgement
from regress.store.atomic import make_folder

try:
    import wandb
except ImportError as absent:
    raise ExportError("wandb is not installed: pip install 'regress-harness[wandb]'.") from absent


def log_to_wandb(judgement: Judgement, *, project: str, name: str, folder: Path, offline: bool) -> str:
    """A finished run of the project; returns where it is: an address, or offline the folder to `wandb sync`.

    Raises ExportError where W&B does not take it, as without a login.
    """
    told = tracked(judgement)
    make_folder(folder)
    rows = [[row[column] for column in VERDICT_COLUMNS] for row in verdict_rows(judgement.decision.suites)]
    try:
        with wandb.init(
            project=project,
            name=name,
            dir=folder,
            job_type="regress",
            notes=told.title,
            config=dict(told.parameters),
            mode="offline" if offline else None,
            settings=wandb.Settings(console="off", silent=True, disable_git=True, save_code=False),
        ) as run:
            run.summary.update(dict(told.metrics))
            run.log({"suites": wandb.Table(columns=list(VERDICT_COLUMNS), data=rows)})
            artifact = wandb.Artifact(f"regress-{run.id}", type="regress-verdict")
            for file, text in told.files.items():
                with artifact.new_file(file, encoding="utf-8") as opened:
                    opened.write(text)
            run.log_artifact(artifact)
            place: str = str(Path(run.dir).parent) if offline else run.url
    except (wandb.Error, OSError) as reason:
        raise ExportError(f"Weights & Biases does not take the decision: {reason}") from reason
    finally:
        wandb.teardown()  # its service may hold the last records back until it ends
    return place
