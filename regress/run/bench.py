"""Whom to ask and where it is kept: a project whose lock holds, an adapter in its private copy, resident weights."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np

from regress.backends.candidate_files import CandidateFiles, open_candidate
from regress.backends.protocol import Engine, release
from regress.backends.tokenizer_match import compare_tokenizers
from regress.errors import AdapterError, Refused
from regress.hashing.files import verify_copy
from regress.hashing.models import ModelFiles, locate_model, read_model
from regress.lock.attempts import record_attempt
from regress.lock.lockfile import Lock, read_lock, verify
from regress.lock.promise import Loaded, load
from regress.run.found import run_folders
from regress.run.kept_checks import store_preflight
from regress.run.looks import LOOKS, SCREEN, AllAtOnce, LookByLook, Portions
from regress.run.noise import AGAIN
from regress.run.own_weights import BaseSeen, own_checks, preflight_beside, refuse_timing
from regress.run.preflight import Prints, canaries, preflight
from regress.run.progress import Progress
from regress.run.serving import needs_timing, time_alone
from regress.run.session import Questions, render, run_variant, settings_digest
from regress.run.trained import trained_as_audited, trained_under_lock
from regress.run.triggers import try_triggers
from regress.run.wanted import by_precision
from regress.schema import Candidate, Check, Form, Manifest, Precision, Variant, VariantKind
from regress.store.runs import load_run
from regress.suite import Project, read_suites

EngineFactory = Callable[[Path, Precision, str, int | None], Engine]
"""(model folder, precision or AUTO, device, batch tokens or None) -> resident engine"""


class Mode(StrEnum):
    """How items are asked; the value begins the run's batch policy, so that only like is compared with like."""

    ALL = ""
    AGAIN = AGAIN
    LOOKS = LOOKS
    SCREEN = SCREEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A project whose lock holds: suites read, base digested, nothing loaded yet."""

    loaded: Loaded
    lock: Lock
    base: ModelFiles


def open_bench(project: Project) -> Bench:
    """Read the suites and the lock and verify each against the other; raises SuiteError, ModelError or LockError."""
    loaded = load(project, read_suites(project.suite_paths()), check_items=False)
    lock = read_lock(project.baselines)
    base = read_model(locate_model(project.file.base.model, project.file.base.revision, project.folder))
    verify(lock, loaded, base)
    return Bench(loaded=loaded, lock=lock, base=base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What stays the same for every adapter and variant of one command."""

    bench: Bench
    engine_for: EngineFactory
    progress: Progress
    mode: Mode = Mode.ALL
    serving: bool = False  # time single prompts, also where it was done before


@dataclass(slots=True, kw_only=True)
class CandidateBench:
    """A candidate in its private copy, and what was checked about it so far."""

    files: CandidateFiles
    record: Candidate
    checks: list[Check]

    @property
    def is_model(self) -> bool:
        """Whether it has weights of its own, so that nothing is attached to the base."""
        return self.files.form is Form.MODEL

    @property
    def served(self) -> Path:
        """Where a model of its own is loaded from."""
        return self.files.folder.parent / "served"


@contextmanager
def candidate_bench(bench: Bench, source: Path) -> Iterator[CandidateBench]:
    """A private copy of an adapter or a model for as long as the block lasts, hashed before and after."""
    with tempfile.TemporaryDirectory(prefix="regress-") as private:
        files = open_candidate(source, Path(private) / "copy")
        under_lock = trained_under_lock(files.training_record, bench.lock)
        record = Candidate(
            kind=files.form.kind,
            digest=files.digest,
            path=str(source),
            trained_under_lock=under_lock,
            trained_as_audited=trained_as_audited(files.training_record, bench.lock),
        )
        checks = [
            Check(name="base-is-locked", ok=True, detail=_base_detail(files, under_lock)),
            *compare_tokenizers(bench.base.folder, files.folder),
            *_rescue_checks(files),
        ]
        _stop_on_failure(checks)
        candidate = CandidateBench(files=files, record=record, checks=checks)
        if candidate.is_model:
            checks += own_checks(bench.base, files.folder, candidate.served)
        yield candidate
        verify_copy(files.files, files.folder, refuse=AdapterError)


class Resident:
    """The base at one precision, loaded when it is first needed; adapters are attached to it one after the other.

    Another `folder` than the base's is that of a model of its own, to which nothing is attached.

    With `watched` it is compared, before each further adapter, with what it was when it was loaded, bit for bit.
    """

    def __init__(self, job: Job, precision: Precision, *, watched: bool = False, folder: Path | None = None) -> None:
        self._job = job
        self.precision = precision
        self._folder = folder or job.bench.base.folder
        self._is_base = folder is None
        self._watched = watched
        self._engine: Engine | None = None
        self._questions: Questions | None = None
        self._fresh: Prints | None = None
        self._failure: Refused | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def drop(self) -> None:
        """Let the weights go: they are loaded again where somebody asks for them, without what an adapter left."""
        if self._engine is not None:
            release(self._engine)
        self._engine = None

    def as_base(self) -> tuple[Engine, Questions]:
        """The engine, acting as the base, and every item as it will see it.

        Raises what loading raised, again without another attempt, to everybody who asks after a failure.
        """
        if self._engine is not None and self._watched:
            self._engine.use(Variant(kind=VariantKind.BASE))
            if not self._is_as_loaded(self._engine):
                self._job.progress.say("the base is not what it was before the last adapter: it is loaded again")
                self.drop()
        if self._engine is None or self._questions is None:
            return self._load()
        return self._engine, self._questions

    def _load(self) -> tuple[Engine, Questions]:
        if self._failure is not None:
            raise self._failure
        bench = self._job.bench
        settings = bench.loaded.project.file.engine
        what = f"the base ({self._folder.name}, " if self._is_base else "the candidate's own weights ("
        self._job.progress.say(f"loading {what}{self.precision})")
        tokens = None if settings.batch_tokens == "auto" else settings.batch_tokens
        try:
            self._engine = engine = self._job.engine_for(self._folder, self.precision, settings.device, tokens)
            self._questions = questions = self._questions or render(engine, bench.loaded)
            for line in questions.cut():
                self._job.progress.say(line)
            self._fresh = engine.fingerprint(canaries(questions)) if self._watched else None
        except Refused as failure:
            self._failure = failure
            raise
        return engine, questions

    def _is_as_loaded(self, engine: Engine) -> bool:
        if self._questions is None or self._fresh is None:
            return False
        return bool(np.array_equal(engine.fingerprint(canaries(self._questions)), self._fresh))


def prepare(job: Job, candidate: CandidateBench, resident: Resident, *, keep: bool = True) -> tuple[Engine, Questions]:
    """Attach the adapter and check it; raises AdapterError before any item is asked of one that fails.

    With `keep` the checks are stored for `gate`, which decides on every locked variant or not at all.
    """
    engine, questions = resident.as_base()
    job.progress.say("preflight")
    candidate.checks += preflight(engine, questions, str(candidate.files.folder), candidate.files.virtual_tokens)
    _keep(job, candidate, keep=keep)
    return engine, questions


def _keep(job: Job, candidate: CandidateBench, *, keep: bool) -> None:
    if keep:
        store_preflight(job.bench.loaded.project, job.bench.lock, candidate.files.digest, candidate.checks)
    _stop_on_failure(candidate.checks)


def run_model(
    job: Job,
    candidate: CandidateBench,
    resident: Resident,
    variants: Sequence[Variant],
    folders: dict[Variant, Path],
    *,
    keep: bool = True,
) -> None:
    """Runs of the base and of a candidate with weights of its own, one after the other: both never lie in memory.

    The base is asked first, what is compared with it remembered, and its weights let go.
    """
    refuse_timing(job.bench.loaded.suites)
    if job.serving:
        job.progress.say("single prompts are not timed: a model of its own never lies in memory beside the base")
    seen = _base_seen(job, resident, [v for v in variants if v.kind is VariantKind.BASE], folders)
    own = [variant for variant in variants if variant.kind is not VariantKind.BASE]
    resident.drop()
    gc.collect()  # modules stand in circles, so dropping them frees nothing yet
    if not own:
        return
    with Resident(job, resident.precision, folder=candidate.served) as beside:
        engine, questions = beside.as_base()
        job.progress.say("preflight")
        candidate.checks += preflight_beside(engine, questions, seen)
        _keep(job, candidate, keep=keep)
        run_all(job, candidate, engine, seen.questions, own, folders)


def _base_seen(job: Job, resident: Resident, bases: Sequence[Variant], folders: dict[Variant, Path]) -> BaseSeen:
    """A function of its own, so that nothing holds these weights while others are loaded."""
    engine, questions = resident.as_base()
    seen = BaseSeen.of(engine, questions)
    run_all(job, None, engine, questions, bases, folders)
    return seen


def run_all(
    job: Job,
    candidate: CandidateBench | None,
    engine: Engine,
    questions: Questions,
    variants: Sequence[Variant],
    folders: dict[Variant, Path],
) -> None:
    """A sealed run of each variant, its folder entered in `folders`, which holds those of before."""
    attached = candidate is None or not candidate.is_model  # own weights are the engine's base
    for variant in variants:
        engine.use(variant if attached else replace(variant, kind=VariantKind.BASE))
        folders[variant] = _run(job, candidate, variant, engine, questions, _portions(job, candidate, variant, folders))
        if job.mode is not Mode.AGAIN:
            try_triggers(engine, job.bench.loaded, job.bench.lock, folders[variant], job.progress)
    own = {variant: folders[variant] for variant in variants if variant.kind is not VariantKind.BASE}
    if attached and (job.serving or any(needs_timing(job.bench.loaded, folder) for folder in own.values())):
        time_alone(engine, questions, job.bench.base.folder, own, job.progress)


def evaluate(
    bench: Bench,
    candidate: CandidateBench | None,
    variants: Sequence[Variant],
    *,
    engine_for: EngineFactory,
    progress: Progress,
    write_merged: Path | None = None,
    mode: Mode = Mode.ALL,
) -> dict[Variant, Path]:
    """Sealed runs of the variants; the base is loaded once for each precision and serves all of them.

    With `write_merged` the merged model is also written there as an ordinary checkpoint. `mode` says in
    which company and how far items are asked.
    """
    job = Job(bench=bench, engine_for=engine_for, progress=progress, mode=mode)
    folders: dict[Variant, Path] = {}
    for precision, group in by_precision(variants, bench.loaded.project.file.engine.dtype).items():
        with Resident(job, precision) as resident:
            _evaluate_group(job, candidate, resident, group, folders, write_merged)
    return folders


def _evaluate_group(
    job: Job,
    candidate: CandidateBench | None,
    resident: Resident,
    group: Sequence[Variant],
    folders: dict[Variant, Path],
    write_merged: Path | None,
) -> None:
    """A function of its own, so that nothing holds these weights while those of the next precision are loaded."""
    if candidate is not None and candidate.is_model:
        run_model(job, candidate, resident, group, folders)
        return
    engine, questions = resident.as_base() if candidate is None else prepare(job, candidate, resident)
    run_all(job, candidate, engine, questions, group, folders)
    if write_merged is not None:
        engine.save_merged(write_merged)


def _run(
    job: Job,
    candidate: CandidateBench | None,
    variant: Variant,
    engine: Engine,
    questions: Questions,
    portions: Portions,
) -> Path:
    bench, mode = job.bench, job.mode
    project = bench.loaded.project
    is_base = variant.kind is VariantKind.BASE
    manifest = manifest_of(bench, engine, variant.kind, None if candidate is None else candidate.files.digest, mode)
    parent = project.baselines / "runs" if is_base else project.runs
    parent.mkdir(parents=True, exist_ok=True)
    again = mode is Mode.AGAIN
    return run_variant(
        engine,
        questions,
        manifest,
        parent,
        reuse_from=[] if again else run_folders(project),
        progress=job.progress,
        portions=portions,
        again=again,
    )


def manifest_of(bench: Bench, engine: Engine, kind: VariantKind, adapter: str | None, company: str) -> Manifest:
    """What is about to be asked of whom; `company` says in which portions, before the engine's own batch policy."""
    return Manifest(
        lock=bench.lock.digest,
        variant=f"{kind}@{engine.precision}",
        base=bench.base.digest,
        adapter=None if kind is VariantKind.BASE else adapter,
        tokenizer=bench.base.tokenizer_digest,
        template=bench.base.template_digest,
        backend=engine.name,
        device=engine.device,
        batch_policy=company + engine.batch_policy,
        settings=settings_digest(bench.loaded),
    )


def _portions(
    job: Job, candidate: CandidateBench | None, variant: Variant, folders: Mapping[Variant, Path]
) -> Portions:
    """The looks of one variant; a candidate's stops are judged against the base at its own precision, if there is one.

    Looking spends alpha, so the attempt is entered before the first look.
    """
    if job.mode not in (Mode.LOOKS, Mode.SCREEN):
        return AllAtOnce()
    bench = job.bench
    policy = bench.loaded.project.policy
    bases = {known.precision: folder for known, folder in folders.items() if known.kind is VariantKind.BASE}
    if candidate is None or variant.kind is VariantKind.BASE or not bases:
        return LookByLook(policy=policy, alpha=float(policy.alpha), base=None)
    base = load_run(bases.get(variant.precision, next(iter(bases.values()))))
    baselines = bench.loaded.project.baselines
    attempt = record_attempt(baselines, bench.lock, candidate.record.digest, now=datetime.now(UTC))
    return LookByLook(policy=policy, alpha=attempt.alpha, base=base.outcomes, screening=job.mode is Mode.SCREEN)


def _stop_on_failure(checks: Sequence[Check]) -> None:
    """No item is asked of a candidate that failed its preflight."""
    failed = [check for check in checks if not check.ok]
    if failed:
        raise AdapterError("; ".join(f"{check.name}: {check.detail}" for check in failed) + ".")


def _rescue_checks(files: CandidateFiles) -> list[Check]:
    """What a verdict on a rescued adapter is worth, said wherever there is one."""
    if files.rescue_note is None:
        return []
    detail = (
        f"strength {files.rescue_note.strength} of {files.rescue_note.source[:19]}…, chosen on half of these items: "
        "the decision on the other half, which `regress rescue` reported, is the unbiased one"
    )
    return [Check(name="rescued", ok=True, detail=detail)]


def _base_detail(files: CandidateFiles, under_lock: bool) -> str:
    if under_lock:
        return "the training record names the locked base's weights"
    return f"no training record; the {files.form.kind} calls its base {files.base_name!r}, and a name proves nothing"
