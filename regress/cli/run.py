"""`regress run VARIANT`: evaluate one variant, resumable."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regress.cli.console import Bar, put_json, say
from regress.cli.options import HERE, JsonOption, ProjectOption, QuietOption, WorkersOption
from regress.errors import UsageError
from regress.report.noise import noise_table
from regress.run.task_scorers import ready_to_score
from regress.schema import Exit, Variant, VariantKind, answered_as
from regress.suite import read_project
from regress.suite.project import parse_variant

if TYPE_CHECKING:
    from regress.run.bench import Bench, CandidateBench


def run(
    variant: Annotated[
        str, typer.Argument(help="base, adapter or merged; with @fp32, @bf16 or @nf4 behind it if wanted.")
    ],
    adapter: Annotated[
        Path | None, typer.Option(help="Adapter folder, or a fine-tuned model's, for adapter and merged.")
    ] = None,
    write_merged: Annotated[
        Path | None, typer.Option(help="Also write the merged model to this new folder (variant merged).")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask the base a second time in other batches, and show what flips.")
    ] = False,
    workers: WorkersOption = None,
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
    if again and parsed.kind is not VariantKind.BASE:
        raise UsageError("--again belongs to the variant base: it measures the machine, not a candidate.")
    from regress.run.bench import Mode, candidate_bench, evaluate, open_bench
    from regress.run.engines import load_engine

    bench = ready_to_score(open_bench(read_project(project)))
    engine_for = partial(load_engine, workers=workers or bench.loaded.project.file.engine.workers)
    progress = Bar(quiet=quiet)
    try:
        if adapter is None:
            folders = evaluate(bench, None, [parsed], engine_for=engine_for, progress=progress)
            if again:
                twice = evaluate(bench, None, [parsed], engine_for=engine_for, progress=progress, mode=Mode.AGAIN)
                return _show_noise(bench, folders[parsed], twice[parsed], as_json=json)
        else:
            with candidate_bench(bench, adapter) as candidate:
                parsed = _answered(candidate, parsed, write_merged)
                folders = evaluate(
                    bench, candidate, [parsed], engine_for=engine_for, progress=progress, write_merged=write_merged
                )
    finally:
        progress.close()
    for folder in folders.values():
        say(f"sealed {folder}")
    if json:
        put_json({str(name): str(folder) for name, folder in folders.items()})
    return 0


def _answered(candidate: CandidateBench, variant: Variant, write_merged: Path | None) -> Variant:
    """The variant as which this candidate answers; raises AdapterError or UsageError where it cannot."""
    from regress.run.wanted import refuse_unanswerable

    refuse_unanswerable(candidate.files.form, [variant])
    if candidate.is_model and write_merged is not None:
        raise UsageError("--write-merged is for adapters: a model of its own is written already.")
    (answered,) = answered_as(candidate.record.kind, [variant])
    if answered != variant:
        say(f"· a model of its own answers {variant} as {answered}")
    return answered


def _show_noise(bench: Bench, base: Path, again: Path, *, as_json: bool) -> int:
    """What the base's two runs differ in; REFUSED where it is more than chance."""
    from regress.run.noise import noise_check, noise_floors
    from regress.store.runs import load_run

    floors = noise_floors(bench.loaded, load_run(base), load_run(again))
    check = noise_check(floors, bench.loaded.project.policy)
    say(noise_table(floors))
    say(f"\n{check.detail}.")
    if as_json:
        put_json({"ok": check.ok, "detail": check.detail, "suites": [asdict(floor) for floor in floors]})
    return 0 if check.ok else Exit.REFUSED
