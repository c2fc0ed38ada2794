"""`regress.check`: the main job from Python. Importing this module imports the model libraries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path

from regress.api.results import Judged
from regress.backends.candidate_files import refuse_unexpected
from regress.run.bench import Mode, open_bench
from regress.run.check import check_each, judgement_of
from regress.run.engines import load_engine
from regress.run.progress import Progress, Silent
from regress.run.task_scorers import ready_to_score
from regress.run.wanted import Wanted, parse_variants
from regress.suite import read_project


def check(
    adapter: str | PathLike[str],
    project: str | PathLike[str] = ".",
    *,
    variants: Sequence[str] | None = None,
    stop_early: bool = False,
    serving: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Judge an adapter: preflight, run what is missing (base, adapter, merged), compare, decide.

    Args:
        adapter: a PEFT adapter folder, or a fine-tuned model's.
        project: the folder that holds regress.yaml.
        variants: instead of the locked ones, as in `["base", "adapter", "merged", "adapter@nf4"]`; what is not in the
            lock decides nothing, and without a locked one nothing is concluded.
        stop_early: ask look by look and stop a suite once its verdict is certain or out of reach.
        serving: also time single prompts.
        workers: processes that answer, one a GPU; what regress.yaml says unless given.
        progress: is told what happens; nobody unless given.

    Raises:
        Refused: nothing may be concluded: lock, suite, run or adapter is broken, or two runs are not comparable.
        UsageError: variants that are none.
    """
    refuse_unexpected(Path(adapter))
    bench = ready_to_score(open_bench(read_project(Path(project))))
    settings = bench.loaded.project
    chosen = None if variants is None else parse_variants(",".join(variants))
    (only,) = check_each(
        bench,
        [Path(adapter)],
        engine_for=partial(load_engine, workers=workers or settings.file.engine.workers),
        progress=progress or Silent(),
        mode=Mode.LOOKS if stop_early else Mode.ALL,
        wanted=Wanted.of(settings.variants, chosen),
        serving=serving,
    )
    return Judged.of(judgement_of(only))
