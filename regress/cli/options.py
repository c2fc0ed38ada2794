"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ProjectOption = Annotated[
    Path, typer.Option("--project", "-C", help="Project folder: the one that holds regress.yaml.", show_default="here")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, only the result.")]
ServingOption = Annotated[
    bool,
    typer.Option(
        "--serving",
        help="Also ask a few prompts one at a time, base and candidate in turn: time to first token, tokens a second, "
        "latency, memory, and what the draft model would propose.",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=64,
        help="Processes that answer, one a GPU. The replies do not depend on it.",
        show_default="engine.workers, else one for each GPU",
    ),
]
AdapterArgument = Annotated[
    Path,
    typer.Argument(
        help="PEFT adapter folder (adapter_config.json, adapter_model.safetensors), or a fine-tuned model's.",
        metavar="ADAPTER",
    ),
]
AdaptersArgument = Annotated[
    list[Path],
    typer.Argument(
        help="PEFT adapter folder (adapter_config.json, adapter_model.safetensors), or a model's; or several.",
        metavar="ADAPTER",
    ),
]
HERE = Path()
