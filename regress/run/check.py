"""The main job: one adapter, every locked variant, one decision."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from regress.backends.adapter_files import AdapterFiles, open_adapter
from regress.backends.protocol import Engine, release
from regress.backends.tokenizer_match import compare_tokenizers
from regress.errors import AdapterError
from regress.hashing.files import verify_copy
from regress.hashing.models import ModelFiles, locate_model, read_model
from regress.lock.attempts import record_attempt
from regress.lock.lockfile import Lock, read_lock, verify
from regress.lock.promise import Loaded, load
from regress.run.judge import Judgement, judge, run_folders, store_preflight, trained_under_lock
from regress.run.looks import LOOKS, SCREEN, AllAtOnce, LookByLook, Portions
from regress.run.noise import AGAIN
from regress.run.preflight import preflight
from regress.run.progress import Progress
from regress.run.session import Questions, render, run_variant, settings_digest
from regress.schema import Candidate, Check, Manifest, Precision, Variant, VariantKind
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


def check(
    bench: Bench, adapter: Path, *, engine_for: EngineFactory, progress: Progress, mode: Mode = Mode.ALL
) -> Judgement:
    """Preflight, run what is missing, compare, decide. Raises Refused where nothing may be concluded.

    With `Mode.LOOKS` a suite is asked look by look and ends where its verdict is certain or out of reach.
    """
    with adapter_bench(bench, adapter) as candidate:
        evaluate(
            bench,
            candidate,
            bench.loaded.project.variants,
            engine_for=engine_for,
            progress=progress,
            mode=mode,
        )
        progress.say("comparing")
        return judge(bench.loaded, bench.lock, candidate.record, candidate.checks)


@dataclass(slots=True, kw_only=True)
class CandidateBench:
    """An adapter in its private copy, and what was checked about it so far."""

    files: AdapterFiles
    record: Candidate
    checks: list[Check]


@contextmanager
def adapter_bench(bench: Bench, adapter: Path) -> Iterator[CandidateBench]:
    """A private copy of the adapter for as long as the block lasts, hashed before and after."""
    with tempfile.TemporaryDirectory(prefix="regress-") as private:
        files = open_adapter(adapter, Path(private) / "adapter")
        under_lock = trained_under_lock(files.training_record, bench.lock)
        record = Candidate(kind="adapter", digest=files.digest, path=str(adapter), trained_under_lock=under_lock)
        checks = [
            Check(name="base-is-locked", ok=True, detail=_base_detail(files, under_lock)),
            *compare_tokenizers(bench.base.folder, files.folder),
        ]
        _stop_on_failure(checks)
        yield CandidateBench(files=files, record=record, checks=checks)
        verify_copy(files.files, files.folder, refuse=AdapterError)


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
    project = bench.loaded.project
    folders: dict[Variant, Path] = {}
    for precision, group in _by_precision(variants, project.file.engine.dtype).items():
        progress.say(f"loading the base ({bench.base.folder.name}, {precision})")
        tokens = project.file.engine.batch_tokens
        engine = engine_for(
            bench.base.folder, precision, project.file.engine.device, None if tokens == "auto" else tokens
        )
        try:
            questions = render(engine, bench.loaded)
            if candidate is not None:
                progress.say("preflight")
                candidate.checks += preflight(engine, questions, str(candidate.files.folder))
                store_preflight(project, bench.lock, candidate.files.digest, candidate.checks)
                _stop_on_failure(candidate.checks)
            for variant in group:
                engine.use(variant)
                portions = _portions(bench, candidate, variant, folders, mode)
                folders[variant] = _run(bench, candidate, variant, engine, questions, progress, mode, portions)
            if write_merged is not None:
                engine.save_merged(write_merged)
        finally:
            release(engine)
        del engine
    return folders


def _run(
    bench: Bench,
    candidate: CandidateBench | None,
    variant: Variant,
    engine: Engine,
    questions: Questions,
    progress: Progress,
    mode: Mode,
    portions: Portions,
) -> Path:
    project = bench.loaded.project
    is_base = variant.kind is VariantKind.BASE
    manifest = Manifest(
        lock=bench.lock.digest,
        variant=f"{variant.kind}@{engine.precision}",
        base=bench.base.digest,
        adapter=None if is_base or candidate is None else candidate.files.digest,
        tokenizer=bench.base.tokenizer_digest,
        template=bench.base.template_digest,
        backend=engine.name,
        device=engine.device,
        batch_policy=mode.value + engine.batch_policy,
        settings=settings_digest(bench.loaded),
    )
    parent = project.baselines / "runs" if is_base else project.runs
    parent.mkdir(parents=True, exist_ok=True)
    again = mode is Mode.AGAIN
    return run_variant(
        engine,
        questions,
        manifest,
        parent,
        reuse_from=[] if again else run_folders(project),
        progress=progress,
        portions=portions,
        again=again,
    )


def _portions(
    bench: Bench, candidate: CandidateBench | None, variant: Variant, folders: Mapping[Variant, Path], mode: Mode
) -> Portions:
    """The looks of one variant; a candidate's stops are judged against the base at its own precision, if there is one.

    Looking spends alpha, so the attempt is entered before the first look.
    """
    if mode not in (Mode.LOOKS, Mode.SCREEN):
        return AllAtOnce()
    policy = bench.loaded.project.policy
    bases = {known.precision: folder for known, folder in folders.items() if known.kind is VariantKind.BASE}
    if candidate is None or variant.kind is VariantKind.BASE or not bases:
        return LookByLook(policy=policy, alpha=float(policy.alpha), base=None)
    base = load_run(bases.get(variant.precision, next(iter(bases.values()))))
    baselines = bench.loaded.project.baselines
    attempt = record_attempt(baselines, bench.lock, candidate.record.digest, now=datetime.now(UTC))
    return LookByLook(policy=policy, alpha=attempt.alpha, base=base.outcomes, screening=mode is Mode.SCREEN)


def _by_precision(variants: Sequence[Variant], default: Precision) -> dict[Precision, list[Variant]]:
    """Variants grouped by the precision they need, base first in each group."""
    order = [VariantKind.BASE, VariantKind.ADAPTER, VariantKind.MERGED]
    groups: dict[Precision, list[Variant]] = {}
    for variant in sorted(variants, key=lambda v: order.index(v.kind)):
        precision = default if variant.precision is Precision.AUTO else variant.precision
        groups.setdefault(precision, []).append(variant)
    return groups


def _stop_on_failure(checks: Sequence[Check]) -> None:
    """No item is asked of a candidate that failed its preflight."""
    failed = [check for check in checks if not check.ok]
    if failed:
        raise AdapterError("; ".join(f"{check.name}: {check.detail}" for check in failed) + ".")


def _base_detail(files: AdapterFiles, under_lock: bool) -> str:
    if under_lock:
        return "the training record names the locked base's weights"
    return f"no training record; the adapter calls its base {files.base_name!r}, and a name proves nothing"
