"""`regress export ADAPTER --to FORMAT`: what was decided, and the runs it rests on, for other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import put_json, say
from regress.cli.options import HERE, AdapterArgument, JsonOption, ProjectOption
from regress.errors import ExportError, UsageError
from regress.schema import Exit, Ruling
from regress.suite import Project, read_project

if TYPE_CHECKING:
    from regress.run.judge import Judgement


class Format(StrEnum):
    """Where to."""

    CARD = "card"
    LM_EVAL = "lm-eval"
    MLFLOW = "mlflow"
    PARQUET = "parquet"
    WANDB = "wandb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for; `output` and `name` are settled."""

    project: Project
    adapter: Path
    judgement: Judgement
    output: Path
    name: str
    uri: str | None
    offline: bool


def export(
    adapter: AdapterArgument,
    to: Annotated[Format, typer.Option("--to", help="What is written.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            help="File (card) or folder (others) to write to. A card that is there keeps its text and metadata.",
            show_default="under reports/",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="card: the model's name; mlflow: the experiment; wandb: the project.",
            show_default="adapter or regress",
        ),
    ] = None,
    uri: Annotated[
        str | None, typer.Option(help="mlflow: tracking server or database.", show_default="as MLflow is configured")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="wandb: write locally, for `wandb sync`.")] = False,
    project: ProjectOption = HERE,
    json: JsonOption = False,
) -> int:
    """Export a decision from stored runs: a model card, lm-eval's files, Parquet, an MLflow or a W&B run.

    The evidence is verified and judged again first, as gate does; no model is loaded. Exit code 0 when it is written,
    whatever the decision says; where nothing is concluded, nothing is exported.
    """
    write, takes = FORMATS[to]
    given = {"output": output is not None, "name": name is not None, "uri": uri is not None, "offline": offline}
    if odd := [option for option, is_given in given.items() if is_given and option not in takes]:
        raise UsageError(f"--{odd[0]} says nothing to --to {to}; that takes {', '.join(f'--{one}' for one in takes)}.")
    if output is not None and output.resolve().is_relative_to(adapter.resolve()):
        raise UsageError(f"{output} lies in the adapter's folder, whose bytes were judged: choose another place.")
    from regress.run.stored import judge_stored

    opened = read_project(project)
    judgement = judge_stored(opened, adapter)
    if judgement.decision.ruling is Ruling.REFUSED:
        raise ExportError(f"nothing is concluded, so nothing is exported: {'; '.join(judgement.decision.reasons)}.")
    order = Order(
        project=opened,
        adapter=adapter,
        judgement=judgement,
        output=output or opened.reports / ("model-card.md" if to is Format.CARD else to.value),
        name=name or (adapter.resolve().name if to is Format.CARD else "regress"),
        uri=uri,
        offline=offline,
    )
    written = write(order)
    for place in written:
        say(f"{judgement.decision.ruling.value}: {place}")
    if json:
        put_json({"decision": judgement.decision.ruling.value, "format": to.value, "written": written})
    return Exit.PROMOTE


def _card(order: Order) -> list[str]:
    from regress.export.model_card import write_card

    return [str(write_card(order.judgement, order.project, order.output, order.name))]


def _lm_eval(order: Order) -> list[str]:
    from regress.export.lm_eval_samples import write_lm_eval

    return list(map(str, write_lm_eval(order.judgement, order.output, datetime.now(UTC))))


def _parquet(order: Order) -> list[str]:
    from regress.export.parquet import write_parquet

    return list(map(str, write_parquet(order.judgement, order.output)))


def _mlflow(order: Order) -> list[str]:
    from regress.export.mlflow_run import log_to_mlflow

    run = log_to_mlflow(order.judgement, experiment=order.name, uri=order.uri, name=order.adapter.resolve().name)
    return [f"MLflow experiment {order.name}, run {run}"]


def _wandb(order: Order) -> list[str]:
    from regress.export.wandb_run import log_to_wandb

    name, folder = order.adapter.resolve().name, order.output
    return [log_to_wandb(order.judgement, project=order.name, name=name, folder=folder, offline=order.offline)]


FORMATS: dict[Format, tuple[Callable[[Order], list[str]], tuple[str, ...]]] = {
    Format.CARD: (_card, ("output", "name")),
    Format.LM_EVAL: (_lm_eval, ("output",)),
    Format.MLFLOW: (_mlflow, ("name", "uri")),
    Format.PARQUET: (_parquet, ("output",)),
    Format.WANDB: (_wandb, ("output", "name", "offline")),
}
