"""`regress run VARIANT`: evaluate one variant, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regress.cli.console import Bar, put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption
from regress.errors import UsageError
from regress.schema import VariantKind
from regress.suite import read_project
from regress.suite.project import parse_variant


def run(
    variant: Annotated[
        str, typer.Argument(help="base, adapter or merged; with @fp32, @bf16 or @nf4 behind it if wanted.")
    ],
    adapter: Annotated[Path | None, typer.Option(help="Adapter folder, for adapter and merged.")] = None,
    write_merged: Annotated[
        Path | None, typer.Option(help="Also write the merged model to this new folder (variant merged).")
    ] = None,
    project: ProjectOption = HERE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Evaluate one variant on the locked suites and store the run.

    Interrupted runs resume: what is stored is not asked again.
    """
    try:
        parsed = parse_variant(variant)
    except ValueError as reason:
        raise UsageError(str(reason)) from reason
    if (parsed.kind is VariantKind.BASE) != (adapter is None):
        raise UsageError("variants adapter and merged need --adapter DIR, and base takes none.")
    if write_merged is not None and parsed.kind is not VariantKind.MERGED:
        raise UsageError("--write-merged belongs to the variant merged.")
    from regress.run.check import adapter_bench, evaluate, open_bench
    from regress.run.engines import load_engine

    bench = open_bench(read_project(project))
    progress = Bar(quiet=quiet)
    try:
        if adapter is None:
            folders = evaluate(bench, None, [parsed], engine_for=load_engine, progress=progress)
        else:
            with adapter_bench(bench, adapter) as candidate:
                folders = evaluate(
                    bench, candidate, [parsed], engine_for=load_engine, progress=progress, write_merged=write_merged
                )
    finally:
        progress.close()
    for folder in folders.values():
        say(f"sealed {folder}")
    if json:
        put_json({str(name): str(folder) for name, folder in folders.items()})
    return 0
