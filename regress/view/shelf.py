"""What a project has stored, read afresh for every page: candidates in the order of the ledger, and their runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from regress.errors import Refused
from regress.lock.attempts import read_attempts
from regress.lock.lockfile import Lock, read_lock, verify
from regress.lock.promise import Loaded, load
from regress.run.exhibits import gather
from regress.run.found import run_folders
from regress.run.judge import Judgement, judge
from regress.run.kept_checks import load_preflight
from regress.schema import Candidate, Exhibits, Manifest
from regress.store.runs import SEAL, is_sealed, read_manifest
from regress.strict_json import JsonFault, parse
from regress.suite import Project, read_project, read_suites

MAX_VERDICT_BYTES = 16 * 2**20
KEPT = 8  # judgements held between two pages


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
    path: str | None  # its folder when it was judged last, where a report still says so
    runs: tuple[Run, ...]

    @property
    def short(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def name(self) -> str:
        return Path(self.path).name if self.path else self.short


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
    paths = dict(_paths(project.reports))
    candidates: dict[str, Standing] = {}
    for entry in entries:
        digest = str(entry.get("candidate"))
        if digest not in candidates:
            candidates[digest] = Standing(
                digest=digest,
                number=len(candidates) + 1,
                time=str(entry.get("time")),
                lock=str(entry.get("lock")),
                path=paths.get(digest),
                runs=tuple(run for run in runs if run.manifest.adapter == digest),
            )
    return Shelf(project=project, runs=runs, candidates=tuple(candidates.values()), problems=tuple(problems))


def _runs(project: Project, problems: list[str]) -> Iterator[Run]:
    for folder in run_folders(project):
        try:
            yield Run(folder=folder, manifest=read_manifest(folder), sealed=is_sealed(folder))
        except Refused as refusal:
            problems.append(str(refusal))


def _paths(reports: Path) -> Iterator[tuple[str, str]]:
    """Digest and folder of the candidates that the reports on disk speak of; only names for people, never evidence."""
    for path in sorted(reports.glob("**/*verdict.json"), key=lambda p: p.stat().st_mtime):
        try:
            if path.is_symlink() or path.stat().st_size > MAX_VERDICT_BYTES:
                continue
            candidate = parse(path.read_bytes()).value["candidate"]
            yield str(candidate["digest"]), str(candidate["path"])
        except (OSError, JsonFault, KeyError, TypeError):
            continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A candidate's decision as it follows from the stored runs today, and what its page shows besides."""

    judgement: Judgement
    exhibits: Exhibits | None


def decide_again(shelf: Shelf, standing: Standing) -> Shown:
    """Judge from the stored runs without entering anything.

    Raises Refused where the project changed since, or a run is missing or damaged.
    """
    seals = tuple((str(run.folder), (run.folder / SEAL).stat().st_mtime_ns) for run in shelf.runs if run.sealed)
    lock_file = shelf.project.baselines / "lock.json"
    return _decided(str(shelf.project.folder), standing.digest, standing.path, seals, lock_file.stat().st_mtime_ns)


@lru_cache(maxsize=KEPT)
def _decided(folder: str, digest: str, path: str | None, seals: tuple[tuple[str, int], ...], locked: int) -> Shown:
    """Held for as long as no run and no lock changes: `seals` and `locked` are there for that."""
    loaded, lock = opened(read_project(Path(folder)))
    candidate = Candidate(kind="adapter", digest=digest, path=path or digest, trained_under_lock=None)
    checks = load_preflight(loaded.project, lock, digest)
    judgement = judge(loaded, lock, candidate, checks, read_only=True)
    exhibits = None if judgement.grounds is None else gather(judgement.grounds, Path(path or "nowhere"))
    return Shown(judgement=judgement, exhibits=exhibits)


def opened(project: Project) -> tuple[Loaded, Lock]:
    """Suites and lock, verified against each other; raises Refused."""
    loaded = load(project, read_suites(project.suite_paths()), check_items=False)
    lock = read_lock(project.baselines)
    verify(lock, loaded, None)
    return loaded, lock


def planned_items(loaded: Loaded) -> Mapping[str, int]:
    """How many items each suite has."""
    return {suite.name: len(suite.items) for suite in loaded.suites}
