"""The main job: adapters one after the other on the same resident weights, every locked variant, one decision each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from regress.backends.protocol import Engine
from regress.errors import AdapterError, Refused
from regress.run.bench import (
    Bench,
    CandidateBench,
    EngineFactory,
    Job,
    Mode,
    Resident,
    candidate_bench,
    prepare,
    run_all,
    run_model,
)
from regress.run.judge import Judgement, judge
from regress.run.progress import Progress
from regress.run.session import Questions
from regress.run.wanted import Group, Wanted, groups, refuse_unanswerable
from regress.schema import Check, Variant


@dataclass(slots=True, kw_only=True)
class Checked:
    """One adapter and how it came out: a judgement, or why nothing may be concluded of it."""

    adapter: Path
    judgement: Judgement | None = None
    refusal: Refused | None = None


def check(
    bench: Bench,
    adapter: Path,
    *,
    engine_for: EngineFactory,
    progress: Progress,
    mode: Mode = Mode.ALL,
    wanted: Wanted | None = None,
) -> Judgement:
    """Preflight, run what is missing, compare, decide. Raises Refused where nothing may be concluded.

    With `Mode.LOOKS` a suite is asked look by look and ends where its verdict is certain or out of reach.
    """
    (only,) = check_each(bench, [adapter], engine_for=engine_for, progress=progress, mode=mode, wanted=wanted)
    return judgement_of(only)


def judgement_of(checked: Checked) -> Judgement:
    """How it came out; raises its refusal."""
    if checked.judgement is None:
        raise checked.refusal or AdapterError(f"{checked.adapter} was not judged.")
    return checked.judgement


def check_each(
    bench: Bench,
    adapters: Sequence[Path],
    *,
    engine_for: EngineFactory,
    progress: Progress,
    mode: Mode = Mode.ALL,
    wanted: Wanted | None = None,
    serving: bool = False,
) -> Generator[Checked]:
    """Every adapter's outcome in the order given, which is the order in which they enter the attempts ledger.

    The base is asked once and loaded once for each precision. What is refused of one adapter does not stop the others;
    after a refusal the weights are loaded anew. With several precisions the first decision comes at the last of them.
    With `serving` single prompts are timed, too. Variants that are `wanted` beside the locked ones are run last, and a
    refusal of theirs is a line in the report.
    """
    job = Job(bench=bench, engine_for=engine_for, progress=progress, mode=mode, serving=serving)
    cases = [_Case(checked=Checked(adapter=adapter)) for adapter in adapters]
    project = bench.loaded.project
    wanted = wanted or Wanted.of(project.variants, None)
    planned = groups(wanted, project.file.engine.dtype)
    for left, group in zip(reversed(range(len(planned))), planned, strict=True):
        with Resident(job, group.precision, watched=len(cases) > 1) as resident:
            for number, case in enumerate(cases, start=1):
                if case.checked.refusal is None:
                    if len(cases) > 1:
                        progress.say(f"adapter {number} of {len(cases)}: {case.checked.adapter}")
                    _go_on(job, case, resident, group, wanted, last=not left)
                if not left:
                    yield case.checked


@dataclass(slots=True, kw_only=True)
class _Case:
    """An adapter on its way through the precisions."""

    checked: Checked
    digest: str | None = None
    checks: list[Check] = field(default_factory=list)
    folders: dict[Variant, Path] = field(default_factory=dict)  # of the locked variants
    beside: dict[Variant, Path] = field(default_factory=dict)  # of the extra ones
    missing: list[str] = field(default_factory=list)  # extra ones that could not be run, and why

    def take_up(self, candidate: CandidateBench) -> None:
        """Go on with these bytes where the last precision ended; raises AdapterError when they are others."""
        if self.digest is not None:
            if candidate.record.digest != self.digest:
                raise AdapterError(
                    f"{self.checked.adapter} changed while it was judged. Leave it alone, and check again."
                )
            candidate.checks = self.checks
        self.digest, self.checks = candidate.record.digest, candidate.checks


def _go_on(job: Job, case: _Case, resident: Resident, group: Group, wanted: Wanted, *, last: bool) -> None:
    """One adapter at one precision; with `last` it is judged."""
    bench, judgement = job.bench, None
    try:
        with candidate_bench(bench, case.checked.adapter) as candidate:
            case.take_up(candidate)
            refuse_unanswerable(candidate.files.form, wanted.locked)
            wanted, group = wanted.as_answered(candidate.record.kind), group.as_answered(candidate.record.kind)
            keep, ready = not wanted.left_out, None
            if group.locked and candidate.is_model:
                run_model(job, candidate, resident, group.locked, case.folders, keep=keep)
            elif group.locked:
                ready = prepare(job, candidate, resident, keep=keep)
                run_all(job, candidate, *ready, group.locked, case.folders)
            if group.extra:
                _run_beside(job, case, candidate, resident, group, ready)
            if last:
                job.progress.say("comparing")
                ran = replace(wanted, extra=tuple(variant for variant in wanted.extra if variant in case.beside))
                judgement = judge(bench.loaded, bench.lock, candidate.record, candidate.checks, ran, case.missing)
    except Refused as refusal:
        case.checked.refusal = _without_frames(refusal)
        resident.drop()  # whatever was left half-attached
    else:
        case.checked.judgement = judgement


def _run_beside(
    job: Job,
    case: _Case,
    candidate: CandidateBench,
    resident: Resident,
    group: Group,
    ready: tuple[Engine, Questions] | None,
) -> None:
    """Variants that no lock names: what fails here is only noted. Without locked ones they have their own preflight."""
    own = replace(candidate, checks=[])
    folders = {**case.folders, **case.beside}
    try:
        if candidate.is_model:
            run_model(job, own, resident, group.extra, folders, keep=False)
        else:
            engine, questions = ready or prepare(job, own, resident, keep=False)
            run_all(job, own, engine, questions, group.extra, folders)
    except Refused as refusal:
        not_run = [str(variant) for variant in group.extra if variant not in folders]
        case.missing.append(f"{', '.join(not_run)} could not be run: {_without_frames(refusal)}")
        resident.drop()
    case.beside.update(folders)


def _without_frames(refusal: Refused) -> Refused:
    """The refusal, holding none of the calls that it came from: they would keep the weights in memory."""
    link: BaseException | None = refusal
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return refusal
