"""What a project has stored, read afresh for every page: candidates in the order of the ledger, and their runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from regress.errors import Refused, StoreError
from regress.lock.attempts import read_attempts
from regress.lock.lockfile import Lock
from regress.lock.promise import Loaded
from regress.run.exhibits import gather
from regress.run.found import run_folders
from regress.run.judge import Judgement, judge
from regress.run.kept_checks import load_preflight
from regress.run.stored import candidate_in, told_candidate
from regress.schema import Candidate, Exhibits, Form, Manifest, VariantKind
from regress.store.runs import is_sealed, read_manifest
from regress.suite import Project, read_project
from regress.suite.project import FILE_NAME, parse_variant

KEPT = 16  # judgements held between two pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's folder and what it says of itself."""

    folder: Path
    manifest: Manifest
    sealed: bool

    @property
    def name(self) -> str:
        return self.folder.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate of the ledger, with its runs; how it was decided is recomputed when somebody asks."""

    digest: str
    number: int  # in the ledger, from 1
    time: str
    lock: str
    folder: Path | None  # where it lay when it was judged last, if a report still says so
    runs: tuple[Run, ...]

    @property
    def is_half(self) -> bool:
        """Whether only half of the items were asked, as `regress rescue` does."""
        return "#" in self.digest

    @property
    def short(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def name(self) -> str:
        return self.folder.name if self.folder else self.short


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Everything that is stored; `problems` say what could not be read."""

    project: Project
    runs: tuple[Run, ...]
    candidates: tuple[Standing, ...]  # oldest first
    problems: tuple[str, ...] = field(default=())

    def candidate(self, short: str) -> Standing | None:
        return next((one for one in self.candidates if one.short == short), None)

    def run(self, name: str) -> Run | None:
        return next((one for one in self.runs if one.name == name), None)


def read_shelf(folder: Path) -> Shelf:
    """Raises ProjectError where there is no project; whatever else cannot be read is a problem to be shown."""
    project = read_project(folder)
    problems: list[str] = []
    runs = tuple(_runs(project, problems))
    try:
        entries = read_attempts(project.baselines)
    except Refused as refusal:
        entries = ()
        problems.append(str(refusal))
    folders = dict(_paths(project))
    candidates: dict[str, Standing] = {}
    for entry in entries:
        digest = str(entry.get("candidate"))
        if digest not in candidates:
            candidates[digest] = Standing(
                digest=digest,
                number=len(candidates) + 1,
                time=str(entry.get("time")),
                lock=str(entry.get("lock")),
                folder=folders.get(digest),
                runs=tuple(run for run in runs if run.manifest.adapter == digest),
            )
    # The half that `regress rescue` confirmed on counts as an attempt; a copy judged whole is shown in its place.
    shown = [one for one in candidates.values() if not one.is_half or one.digest.partition("#")[0] not in candidates]
    return Shelf(project=project, runs=runs, candidates=tuple(shown), problems=tuple(problems))


def _runs(project: Project, problems: list[str]) -> Iterator[Run]:
    for folder in run_folders(project):
        try:
            yield Run(folder=folder, manifest=read_manifest(folder), sealed=is_sealed(folder))
        except Refused as refusal:
            problems.append(str(refusal))


def _paths(project: Project) -> Iterator[tuple[str, Path]]:
    """Digest and folder of the candidates that the reports on disk speak of."""
    for path in sorted(project.reports.glob("**/*verdict.json"), key=changed):
        with suppress(StoreError):
            yield told_candidate(path, project.folder)


def changed(path: Path) -> int:
    """When it was written last, in nanoseconds; 0 for what was taken away since it was listed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A candidate's decision as it follows from the stored runs today, and what its page shows besides."""

    judgement: Judgement
    exhibits: Exhibits | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What a judgement follows from: one that is held answers the same question only, with every file as it was."""

    digest: str
    folder: Path | None
    models: bool
    files: tuple[tuple[Path, int, int], ...]
    loaded: Loaded = field(compare=False)  # verified against the lock, which is one of the files
    lock: Lock = field(compare=False)


def decide_again(shelf: Shelf, standing: Standing, now: tuple[Loaded, Lock]) -> Shown:
    """Judge from the stored runs without entering anything; `now` is what `run.stored.opened` says of the project.

    Raises Refused where the candidate or its training is another than was judged, or a run is missing or damaged.
    """
    kinds = {parse_variant(run.manifest.variant).kind for run in standing.runs}
    places = [shelf.project.folder / FILE_NAME, shelf.project.baselines, shelf.project.runs, standing.folder]
    question = _Question(
        digest=standing.digest,
        folder=standing.folder,
        models=VariantKind.ADAPTER not in kinds,
        files=tuple(_stamps([place for place in places if place is not None])),
        loaded=now[0],
        lock=now[1],
    )
    return _decided(question)


def _stamps(places: Sequence[Path]) -> Iterator[tuple[Path, int, int]]:
    """Every file in these places and in their run folders, with when it was changed and how long it is."""
    for place in places:
        for path in (place, *sorted(place.glob("*")), *sorted(place.glob("*/*")), *sorted(place.glob("runs/*/*"))):
            with suppress(OSError):
                status = path.stat()
                yield path, status.st_mtime_ns, status.st_size


@lru_cache(maxsize=KEPT)
def _decided(question: _Question) -> Shown:
    loaded, lock = question.loaded, question.lock
    checks = load_preflight(loaded.project, lock, question.digest)
    judgement = judge(loaded, lock, _candidate(question), checks, read_only=True)
    exhibits = None if judgement.grounds is None else gather(judgement.grounds, question.folder or Path("nowhere"))
    return Shown(judgement=replace(judgement, grounds=None), exhibits=exhibits)


def _candidate(question: _Question) -> Candidate:
    """As `gate` sees it where its folder still holds these bytes; elsewhere its training is not known."""
    if question.folder is not None and question.folder.is_dir():
        found = candidate_in(question.folder, question.loaded.project, question.lock)
        if found.digest == question.digest:
            return found
    asked_as_model = question.models and any(
        parse_variant(name).kind is VariantKind.ADAPTER for name in question.lock.variants
    )
    return Candidate(
        kind=Form.MODEL.kind if asked_as_model else Form.WEIGHTS.kind,
        digest=question.digest,
        path=str(question.folder or question.digest),
        trained_under_lock=None,
    )


def planned_items(loaded: Loaded) -> Mapping[str, int]:
    """How many items each suite has."""
    return {suite.name: len(suite.items) for suite in loaded.suites}
