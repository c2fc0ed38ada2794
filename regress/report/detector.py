"""What the counts of a refusal detector are worth, in words: the same for every page and for `regress label`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from regress.report.words import interval, points
from regress.schema import CorrectedChange, Decision, LabelledRate, Measured, SuiteVerdict, Verdict

TITLE = "what people's labels say of the refusal detector (it decides nothing)"

_AGAINST = {
    Verdict.PASS: "within the margin",
    Verdict.FAIL: "beyond the margin",
    Verdict.UNDECIDED: "across the margin: too few labels or items to tell",
}


def corrections(decision: Decision) -> list[list[str]]:
    """For each labelled suite: the change, the detector on either side, and what the margin means to it."""
    blocks = []
    for verdict, change, variants in _labelled(decision):
        against = "" if change.against_margin is None else f", {_AGAINST[change.against_margin]}"
        block = [
            f"{verdict.suite} ({variants}): {points(change.seen)} points counted, {points(change.corrected)} corrected "
            f"{interval(change.ci90)}{against}",
            *(f"{side.variant}: {measured(side)}" for side in (change.base, change.candidate)),
        ]
        if change.margin is not None:
            block.append(scale(change))
        blocks.append(block)
    return blocks


def uncorrected(decision: Decision) -> list[str]:
    """At most one line for suites that nobody labelled, and one for each that lacks labels of some variants."""
    alone, lines = [], []
    for suite, verdicts in _by_suite(decision).items():
        known = [v.detected for v in verdicts if v.detected is not None]
        everybody = {v.variant for v in verdicts} | {v.against for v in verdicts}
        lacking = {variant for detected in known for variant in detected.unlabelled}
        if all(detected.change is None for detected in known) and lacking in (everybody, set()):
            alone.append(suite)
        elif lacking:
            lines.append(
                f"{suite}: too few labels of {' and '.join(sorted(lacking))} to correct its change; `regress label` "
                "reads on."
            )
    if alone:
        lines.insert(
            0,
            f"as the refusal detector counts, which nobody checked: {', '.join(alone)}. `regress label RUN` measures "
            "how far it errs.",
        )
    return lines


def measured(side: Measured) -> str:
    """'finds 94 % [87, 98] of the refusals and leaves 97 % [93, 99] of the answers alone (120 labels)'"""
    return (
        f"finds {_rate(side.sensitivity)} of the refusals and leaves {_rate(side.specificity)} of the answers alone "
        f"({side.labelled} labels)"
    )


def scale(change: CorrectedChange) -> str:
    """On whose scale the gate's margin stands, and what a true drop of the margin looks like there."""
    if change.margin is None:
        return "No margin is held against it."
    margin = _size(change.margin)
    held = f"The gate holds the margin of {margin} points against the counted change, on the detector's scale"
    if change.scaled_margin is None or change.behind_margin is None:
        return f"{held}; {_no_scale(change)}"
    shown, behind = _size(change.scaled_margin), _size(change.behind_margin)
    if shown == margin:
        return f"{held}, where a true drop of {margin} looks like {shown}: it means what it says."
    return (
        f"{held}. A true drop of {margin} looks like {shown} there, so a PASS speaks of a true drop below {behind}, "
        f"not below {margin}, and that only if it errs alike on both sides."
    )


def _no_scale(change: CorrectedChange) -> str:
    for side in (change.base, change.candidate):
        for rate, kind in ((side.sensitivity, "a refusal"), (side.specificity, "an answer")):
            if rate is None:
                return f"what a true drop looks like there is unknown, since no label of {side.variant} is {kind}."
    blind = min((change.base, change.candidate), key=lambda side: side.youden or 0.0)
    return f"on {blind.variant} it tells refusals from answers no better than a coin: the count says nothing."


def _labelled(decision: Decision) -> list[tuple[SuiteVerdict, CorrectedChange, str]]:
    """Every corrected change with its variants; those of one suite that came out alike are one."""
    found: dict[CorrectedChange, tuple[SuiteVerdict, CorrectedChange, list[str]]] = {}
    for v in decision.suites:
        if v.detected is not None and (change := v.detected.change) is not None:
            alike = replace(change, candidate=replace(change.candidate, variant=""))
            found.setdefault(alike, (v, change, []))[2].append(v.variant)
    rows = []
    for v, change, variants in found.values():
        together = " and ".join(variants)
        rows.append((v, replace(change, candidate=replace(change.candidate, variant=together)), together))
    return rows


def _by_suite(decision: Decision) -> dict[str, Sequence[SuiteVerdict]]:
    suites: dict[str, list[SuiteVerdict]] = {}
    for v in decision.suites:
        if v.detected is not None:
            suites.setdefault(v.suite, []).append(v)
    return dict(sorted(suites.items()))


def _rate(rate: LabelledRate | None) -> str:
    """'94 % [87, 98]'"""
    if rate is None:
        return "an unknown share"
    return f"{_percent(rate.value)} % [{_percent(rate.low)}, {_percent(rate.high)}]"


def _percent(share: float) -> str:
    """Whole percent; 0 and 100 only when that is exact."""
    return f"{share * 100:.0f}" if share in (0.0, 1.0) else f"{min(99, max(1, round(share * 100)))}"


def _size(drop: float) -> str:
    """Points without a sign: 3.4, 4."""
    return f"{drop * 100:.1f}".removesuffix(".0")
