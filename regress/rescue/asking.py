"""Sealed runs of one half of the items: of the base, of one strength after the other, of the proposal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from regress.backends.protocol import Engine
from regress.errors import StoreError
from regress.lock.promise import Loaded
from regress.run.bench import CandidateBench, Job, Resident, manifest_of, prepare
from regress.run.found import run_folders
from regress.run.looks import Portions
from regress.run.replay import check_asked
from regress.run.session import Questions, run_variant
from regress.run.wanted import base_at, by_precision
from regress.schema import ItemOutcome, Precision, Suite, Variant, VariantKind
from regress.store.runs import StoredRun, load_run

Outcomes = Mapping[str, Mapping[str, ItemOutcome]]  # by suite and item id
PortionsFor = Callable[[Outcomes | None], Portions]
"""How the items are asked of a candidate, given what the base said; of the base itself, given None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some items of some suites, asked in this order.

    `company` begins the batch policy of its runs, so that only like is compared with like.
    """

    company: str
    suites: Mapping[str, Suite]
    portions_for: PortionsFor

    def of(self, questions: Questions) -> Questions:
        """Those of the questions that belong to it."""
        whole = questions.loaded
        suites = tuple(self.suites.values())
        wanted = {suite.name: {item.id for item in suite.items} for suite in suites}
        requests = {
            name: tuple(request for request in questions.requests[name] if request.item in ids)
            for name, ids in wanted.items()
        }
        loaded = Loaded(project=whole.project, suites=suites, scorers=whole.scorers)
        return Questions(loaded=loaded, requests=requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A candidate variant on one part, and the base that it is compared with."""

    part: Part
    variant: Variant
    base: StoredRun
    run: StoredRun


@dataclass(slots=True, kw_only=True)
class Asking:
    """Runs in one folder, on weights that stay resident for as long as the precision is the same."""

    job: Job
    folder: Path  # of the runs
    _weights: Resident | None = None
    _precision: Precision | None = None
    _bases: dict[tuple[Variant, str], StoredRun] = field(default_factory=dict)  # by variant and part

    def close(self) -> None:
        """Let the weights go."""
        if self._weights is not None:
            self._weights.drop()
        self._weights = None

    @property
    def variants(self) -> Sequence[Variant]:
        """The locked ones."""
        return self.job.bench.loaded.project.variants

    @property
    def selecting(self) -> Variant:
        """The one candidate variant that strengths are compared in: the first adapter of the lock, else the first."""
        candidates = [variant for variant in self.variants if variant.kind is not VariantKind.BASE]
        return next((v for v in candidates if v.kind is VariantKind.ADAPTER), candidates[0])

    def bases(self, part: Part) -> list[StoredRun]:
        """Every locked base on this part, asked once."""
        for precision, group in self._grouped():
            for variant in (v for v in group if v.kind is VariantKind.BASE):
                if (variant, part.company) not in self._bases:
                    engine, questions = self._resident(precision).as_base()
                    self._bases[variant, part.company] = self._answered(engine, questions, variant, None, part)
        return [run for (_, company), run in self._bases.items() if company == part.company]

    def candidate(
        self, parts: Sequence[Part], candidate: CandidateBench, variants: Sequence[Variant]
    ) -> Iterator[Answered]:
        """Each of the variants on each of the parts, after one preflight at each precision."""
        bases = {part.company: self.bases(part) for part in parts}
        for precision, group in self._grouped():
            wanted = [variant for variant in group if variant in variants]
            if not wanted:
                continue
            engine, questions = prepare(self.job, candidate, self._resident(precision), keep=False)
            for variant in wanted:
                for part in parts:
                    base = base_at(engine.precision, bases[part.company])
                    run = self._answered(engine, questions, variant, candidate, part, base)
                    yield Answered(part=part, variant=variant, base=base, run=run)

    def _grouped(self) -> list[tuple[Precision, list[Variant]]]:
        return list(by_precision(self.variants, self.job.bench.loaded.project.file.engine.dtype).items())

    def _resident(self, precision: Precision) -> Resident:
        if self._weights is None or self._precision is not precision:
            self.close()
            self._weights, self._precision = Resident(self.job, precision, watched=True), precision
        return self._weights

    def _answered(
        self,
        engine: Engine,
        questions: Questions,
        variant: Variant,
        candidate: CandidateBench | None,
        part: Part,
        base: StoredRun | None = None,
    ) -> StoredRun:
        asked = part.of(questions)
        against = None if base is None else base.outcomes
        engine.use(variant)
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = None if candidate is None else candidate.files.digest
        manifest = manifest_of(self.job.bench, engine, variant.kind, digest, part.company)
        folder = run_variant(
            engine,
            asked,
            manifest,
            self.folder,
            reuse_from=[*run_folders(self.job.bench.loaded.project), *_runs_below(self.folder.parent)],
            progress=self.job.progress,
            portions=part.portions_for(against),
        )
        run = load_run(folder)
        if run.manifest != manifest:
            raise StoreError(f"{folder} is another run than the one asked for. Delete the folder and run again.")
        check_asked(run, asked.loaded.suites, part.portions_for(against))
        return run


@contextmanager
def asking(job: Job, folder: Path) -> Iterator[Asking]:
    """Runs kept in `folder`; the weights are let go at the end."""
    found = Asking(job=job, folder=folder)
    try:
        yield found
    finally:
        found.close()


def _runs_below(folder: Path) -> list[Path]:
    """Run folders of earlier scans and searches."""
    return sorted(path.parent for path in folder.glob("**/manifest.json"))
