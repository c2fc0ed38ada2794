"""How much of each suite's loss is quantisation, tuning and merging: the gate's paired comparison on other pairs.

Over the same items the steps from one variant to another add up exactly: base to base@nf4 to adapter@nf4 to merged@nf4
is base to merged@nf4. Nothing of this changes a decision.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from regress.diff import compare
from regress.gate import inform
from regress.lock.promise import Loaded
from regress.run.looks import LOOKS, SCREEN
from regress.schema import (
    Attempt,
    Attribution,
    Candidate,
    Cause,
    Check,
    Form,
    Parity,
    Precision,
    Share,
    Suite,
    SuiteComparison,
    Variant,
    VariantKind,
)
from regress.store.runs import StoredRun

Pair = tuple[Cause, Variant, Variant]
Known = Mapping[tuple[str, Variant, Variant], SuiteComparison]
"""Comparisons that were made already: (suite, base variant, candidate variant), precisions resolved."""

PARITY = "merged-agrees@"

_BASE, _ADAPTER, _MERGED = VariantKind.BASE, VariantKind.ADAPTER, VariantKind.MERGED


def attribute(
    loaded: Loaded,
    runs: Mapping[Variant, StoredRun],
    candidate: Candidate,
    *,
    checks: Sequence[Check],
    attempt: Attempt | None,
    known: Known,
    unread: Sequence[str] = (),
) -> Attribution:
    """`runs` are comparable with each other, by variant with its precision resolved; `unread` says why others are not.

    `known` saves what was compared before.
    """
    if any(run.manifest.batch_policy.startswith((LOOKS, SCREEN)) for run in runs.values()):
        return Attribution(
            shares=(), missing=("variants that were asked look by look answered other items: check without stopping",)
        )
    steps = [pair for pair in _pairs(runs) if all(variant in runs for variant in pair[1:])]
    compared = [
        (pair, known.get((suite.name, *pair[1:])) or _compared(suite, runs, *pair[1:]))
        for pair in steps
        for suite in loaded.suites
    ]
    verdicts = inform([comparison for _, comparison in compared], loaded.project.policy, attempt)
    shares = tuple(
        Share(
            cause=cause,
            before=str(before),
            after=str(after),
            suite=comparison.suite,
            category=comparison.category,
            role=comparison.role,
            counts=verdict.counts,
            delta=verdict.delta,
            ci90=verdict.ci90,
            p_lost=verdict.p_lost,
        )
        for ((cause, before, after), comparison), verdict in zip(compared, verdicts, strict=True)
    )
    return Attribution(
        shares=shares,
        parity=tuple(_parity(checks)),
        missing=(*unread, *_missing(loaded, runs, candidate)),
    )


def _compared(suite: Suite, runs: Mapping[Variant, StoredRun], before: Variant, after: Variant) -> SuiteComparison:
    sides = [runs[variant].outcomes.get(suite.name, {}) for variant in (before, after)]
    return compare(suite, *sides, variant=str(after), against=str(before))


def _pairs(runs: Mapping[Variant, StoredRun]) -> Iterator[Pair]:
    """Every step, in the order in which a candidate comes about: at 16 or 32 bits first, NF4 last."""
    precisions = sorted({variant.precision for variant in runs}, key=lambda p: (p is Precision.NF4, p))
    full: list[Precision] = [precision for precision in precisions if precision is not Precision.NF4]
    quantised = Variant(kind=_BASE, precision=Precision.NF4)
    for precision in full:
        yield Cause.QUANTISATION, Variant(kind=_BASE, precision=precision), quantised
    for precision in precisions:
        base, adapter, merged = (Variant(kind=kind, precision=precision) for kind in VariantKind)
        yield Cause.TUNING, base, adapter
        if adapter in runs:
            yield Cause.MERGING, adapter, merged
        else:
            yield Cause.TUNING, base, merged
    for precision in full:
        merged = Variant(kind=_MERGED, precision=precision)
        # What QLoRA trains beside an NF4 base is often merged into, and served from, the base's own weights.
        yield Cause.MERGING, Variant(kind=_ADAPTER, precision=Precision.NF4), merged
        yield Cause.QUANTISATION, merged, Variant(kind=_MERGED, precision=Precision.NF4)


def _parity(checks: Sequence[Check]) -> Iterator[Parity]:
    for check in checks:
        if check.name.startswith(PARITY):
            yield Parity(precision=check.name.removeprefix(PARITY), ok=check.ok, detail=check.detail)


def _missing(loaded: Loaded, runs: Mapping[Variant, StoredRun], candidate: Candidate) -> Iterator[str]:
    """A sentence for each step that cannot be told, with the command that runs what it needs."""
    own = [variant for variant in runs if variant.kind is not _BASE]
    causes = {
        Cause.QUANTISATION: [Variant(kind=_BASE, precision=Precision.NF4)],
        Cause.TUNING: [Variant(kind=_BASE, precision=variant.precision) for variant in own],
    }
    if candidate.kind != Form.MODEL.kind and any(variant.kind is _MERGED for variant in own):
        causes[Cause.MERGING] = [Variant(kind=kind, precision=v.precision) for v in own for kind in (_ADAPTER, _MERGED)]
    for cause, needed in causes.items():
        lacking = list(dict.fromkeys(str(variant) for variant in needed if variant not in runs))
        if lacking:
            variants = ",".join([*map(str, loaded.project.variants), *lacking])
            yield (
                f"{cause}: no sealed run of {', '.join(lacking)}; "
                f"`regress check {shlex.quote(candidate.path)} --variants {variants}` makes "
                f"{'it' if len(lacking) == 1 else 'them'}"
            )
