"""The main job: adapters one after the other on the same resident weights, every locked variant, one decision each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from regress.errors import AdapterError, Refused
from regress.run.bench import (
    Bench,
    CandidateBench,
    EngineFactory,
    Job,
    Mode,
    Resident,
    adapter_bench,
    by_precision,
    prepare,
    run_all,
)
from regress.run.judge import Judgement, judge
from regress.run.progress import Progress
from regress.schema import Check, Variant


@dataclass(slots=True, kw_only=True)
class Checked:
    """One adapter and how it came out: a judgement, or why nothing may be concluded of it."""

    adapter: Path
    judgement: Judgement | None = None
    refusal: Refused | None = None


def check(
    bench: Bench, adapter: Path, *, engine_for: EngineFactory, progress: Progress, mode: Mode = Mode.ALL
) -> Judgement:
    """Preflight, run what is missing, compare, decide. Raises Refused where nothing may be concluded.

    With `Mode.LOOKS` a suite is asked look by look and ends where its verdict is certain or out of reach.
    """
    (only,) = check_each(bench, [adapter], engine_for=engine_for, progress=progress, mode=mode)
    return judgement_of(only)


def judgement_of(checked: Checked) -> Judgement:
    """How it came out; raises its refusal."""
    if checked.judgement is None:
        raise checked.refusal or AdapterError(f"{checked.adapter} was not judged.")
    return checked.judgement


def check_each(
    bench: Bench, adapters: Sequence[Path], *, engine_for: EngineFactory, progress: Progress, mode: Mode = Mode.ALL
) -> Generator[Checked]:
    """Every adapter's outcome in the order given, which is the order in which they enter the attempts ledger.

    The base is asked once and loaded once for each precision. What is refused of one adapter does not stop the others;
    after a refusal the weights are loaded anew. With several precisions the first decision comes at the last of them.
    """
    job = Job(bench=bench, engine_for=engine_for, progress=progress, mode=mode)
    cases = [_Case(checked=Checked(adapter=adapter)) for adapter in adapters]
    project = bench.loaded.project
    groups = by_precision(project.variants, project.file.engine.dtype)
    for left, (precision, group) in zip(reversed(range(len(groups))), groups.items(), strict=True):
        with Resident(job, precision, watched=len(cases) > 1) as resident:
            for number, case in enumerate(cases, start=1):
                if case.checked.refusal is None:
                    if len(cases) > 1:
                        progress.say(f"adapter {number} of {len(cases)}: {case.checked.adapter}")
                    _go_on(job, case, resident, group, last=not left)
                if not left:
                    yield case.checked


@dataclass(slots=True, kw_only=True)
class _Case:
    """An adapter on its way through the precisions."""

    checked: Checked
    digest: str | None = None
    checks: list[Check] = field(default_factory=list)
    folders: dict[Variant, Path] = field(default_factory=dict)

    def take_up(self, candidate: CandidateBench) -> None:
        """Go on with these bytes where the last precision ended; raises AdapterError when they are others."""
        if self.digest is not None:
            if candidate.record.digest != self.digest:
                raise AdapterError(
                    f"{self.checked.adapter} changed while it was judged. Leave it alone, and check again."
                )
            candidate.checks = self.checks
        self.digest, self.checks = candidate.record.digest, candidate.checks


def _go_on(job: Job, case: _Case, resident: Resident, group: Sequence[Variant], *, last: bool) -> None:
    """One adapter at one precision; with `last` it is judged."""
    judgement: Judgement | None = None
    try:
        with adapter_bench(job.bench, case.checked.adapter) as candidate:
            case.take_up(candidate)
            engine, questions = prepare(job, candidate, resident)
            run_all(job, candidate, engine, questions, group, case.folders)
            if last:
                job.progress.say("comparing")
                judgement = judge(job.bench.loaded, job.bench.lock, candidate.record, candidate.checks)
    except Refused as refusal:
        case.checked.refusal = _without_frames(refusal)
        resident.drop()  # whatever was left half-attached
    else:
        case.checked.judgement = judgement


def _without_frames(refusal: Refused) -> Refused:
    """The refusal, holding none of the calls that it came from: they would keep the weights in memory."""
    link: BaseException | None = refusal
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return refusal
