"""Asking the base what nobody asked it yet: locked items behind worked examples, stored like every other run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regress.backends.protocol import Engine, release
from regress.lock.promise import Loaded
from regress.run.bench import Bench, EngineFactory, manifest_of, open_bench
from regress.run.found import run_folders
from regress.run.progress import Progress
from regress.run.prompted import Answered, Key, Prompted, Shown, StoredAnswers, base_variant, folder_of
from regress.run.session import Questions, render, run_variant
from regress.schema import Precision, Variant, VariantKind
from regress.store.runs import load_run
from regress.suite import read_project


@dataclass(frozen=True, slots=True)
class AskedAnswers:
    """What is stored, and for the rest the base itself, loaded once."""

    folder: Path  # of the project
    engine_for: EngineFactory
    progress: Progress

    def __reduce__(self) -> tuple[Callable[[Path], StoredAnswers], tuple[Any, ...]]:
        """In a worker process nobody is asked."""
        return StoredAnswers, (self.folder,)

    def answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
        """An answer to every question, unless not even one example fits the context window before every item.

        Raises Refused where the project, the lock or the engine cannot be used.
        """
        found = StoredAnswers(self.folder).answers(asked)
        missing = [prompted for prompted in asked if prompted.key not in found]
        if not missing:
            return found
        bench = open_bench(read_project(self.folder))
        engine = self._load(bench)
        try:
            for prompted in missing:
                answered = _ask(bench, engine, prompted, self.progress)
                if answered is not None:
                    found[prompted.key] = answered
        finally:
            release(engine)
        return found

    def _load(self, bench: Bench) -> Engine:
        project = bench.loaded.project
        settings, wanted = project.file.engine, base_variant(project).precision
        precision = settings.dtype if wanted is Precision.AUTO else wanted
        self.progress.say(f"loading the base ({bench.base.folder.name}, {precision})")
        tokens = None if settings.batch_tokens == "auto" else settings.batch_tokens
        engine = self.engine_for(bench.base.folder, precision, settings.device, tokens)
        engine.use(Variant(kind=VariantKind.BASE))
        return engine


def _ask(bench: Bench, engine: Engine, prompted: Prompted, progress: Progress) -> Answered | None:
    """One sealed run, resumed where it was interrupted; None where nothing fits."""
    if (found := _fitting(bench, engine, prompted)) is None:
        progress.say(f"{prompted.suite.name}: not even one example fits the context window")
        return None
    fitting, questions = found
    folder = folder_of(bench.loaded.project, fitting.suite.name)
    folder.mkdir(parents=True, exist_ok=True)
    run = run_variant(
        engine,
        questions,
        manifest_of(bench, engine, VariantKind.BASE, None, fitting.company),
        folder,
        reuse_from=[*run_folders(bench.loaded.project), *(path.parent for path in folder.glob("*/manifest.json"))],
        progress=progress,
    )
    return Answered.of(fitting, load_run(run).outcomes[fitting.suite.name])


def _fitting(bench: Bench, engine: Engine, prompted: Prompted) -> tuple[Prompted, Questions] | None:
    """As many of the examples as fit the context window before every item."""
    for tried in prompted.fewer():
        suite = tried.as_suite()
        if tried.shown is Shown.NOTHING:
            suite = replace(suite, truncate=tried.suite.truncate)  # as `run base` asks it
        scorers = {suite.name: bench.loaded.scorers[suite.name]}
        loaded = Loaded(project=bench.loaded.project, suites=(suite,), scorers=scorers)
        questions = render(engine, loaded)
        if tried.shown is Shown.NOTHING or not any(request.cut for request in questions.requests[suite.name]):
            return tried, questions
    return None
