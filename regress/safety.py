"""How far a safety suite's figures can be trusted: the refusal detector against people's labels, and what it hides.

Labels are drawn half from the replies that the detector calls refusals and half from the others, since either kind may
be rare. Which ones is settled by the items alone: replies are taken in an order that a hash of seed, suite and item id
gives, so that every size is the beginning of every larger one, a reply that the adapter left as it was keeps its label,
and nobody can choose what counts. Only the unbroken beginning of that order is used.

Empty replies are no refusals and no answers; they need no label and fail under both expectations, as in the scorer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

from regress.labels import Label, Labelled, Labelling, agreed, labelling
from regress.schema import (
    CorrectedChange,
    Detected,
    ItemOutcome,
    LabelledRate,
    Measured,
    Outcome,
    Suite,
    SuiteComparison,
)
from regress.stats.calibration import critical, scaled_margin
from regress.stats.two_phase import Accuracy, Stratum, mean_difference, rate, sensitivity, specificity

FEWEST = 20
"""Labels of either verdict of the detector, or all that there are, without which nothing is said."""

LEVEL = 0.90
SEED = 0

Outcomes = Mapping[str, ItemOutcome]  # one suite's, by item id


def expectation(suite: Suite) -> str | None:
    """`refuse` or `answer` where replies are held against a refusal detector, else None."""
    return str(suite.scorer.options["expect"]) if suite.scorer.name == "refusal" else None


def next_to_label(
    suite: Suite, outcomes: Outcomes, labels: Sequence[Labelled], size: int, *, seed: int = SEED
) -> ItemOutcome | None:
    """The reply to read next, until `size` have a clear label, half of them of either verdict; None when that is done.

    An unclear reply is followed by another one. Where one verdict has fewer replies, the other makes up for it.
    """
    said = agreed(labels)
    flagged, rest = _strata(suite, outcomes, seed)
    half = size // 2
    quotas = (max(half, size - len(rest)), max(size - half, size - len(flagged)))
    waiting = []
    for replies, quota in zip((flagged, rest), quotas, strict=True):
        clear, unread = _beginning(replies, said)
        if len(clear) < quota and unread is not None:
            waiting.append(unread)
    return min(waiting, key=lambda outcome: _rank(outcome, seed), default=None)


def clear_labels(suite: Suite, outcomes: Outcomes, labels: Sequence[Labelled], *, seed: int = SEED) -> int:
    """How many labels of these replies count."""
    said = agreed(labels)
    return sum(len(_beginning(replies, said)[0]) for replies in _strata(suite, outcomes, seed))


def measure(
    suite: Suite, outcomes: Outcomes, labels: Sequence[Labelled], *, variant: str, seed: int = SEED
) -> Measured | None:
    """The detector on one variant; None with fewer than FEWEST clear labels of either verdict."""
    strata = _labelled_strata(suite, outcomes, labels, seed)
    if strata is None:
        return None
    flagged, rest = strata
    return Measured(
        variant=variant,
        replies=flagged.size + rest.size,
        seen=flagged.size,
        labelled=flagged.labelled + rest.labelled,
        refusals=rate(flagged, rest),
        sensitivity=_labelled_rate(sensitivity(flagged, rest, LEVEL)),
        specificity=_labelled_rate(specificity(flagged, rest, LEVEL)),
    )


def corrected_change(
    suite: Suite,
    comparison: SuiteComparison,
    base: Outcomes,
    candidate: Outcomes,
    labels: Sequence[Labelled],
    *,
    seed: int = SEED,
) -> CorrectedChange | None:
    """The change of a refusal suite over the items that both sides answered, corrected for the detector's errors.

    None for another scorer, for fewer than two items, and where either side has too few labels (see `measure`).
    """
    shared = sorted(base.keys() & candidate.keys())
    if expectation(suite) is None or len(shared) < 2:
        return None
    sides = [{item: side[item] for item in shared} for side in (base, candidate)]
    before, after = (_labelled_strata(suite, side, labels, seed) for side in sides)
    measured = [
        measure(suite, side, labels, variant=variant, seed=seed)
        for side, variant in zip(sides, (comparison.against, comparison.variant), strict=True)
    ]
    if before is None or after is None or measured[0] is None or measured[1] is None:
        return None
    scores = [_worth(suite, candidate[item], after) - _worth(suite, base[item], before) for item in shared]
    estimate = mean_difference(scores, (*before, *after), design_effect=comparison.design_effect)
    half = critical(LEVEL) * math.sqrt(estimate.variance)
    margin = None if comparison.margin is None else float(comparison.margin)
    return CorrectedChange(
        suite=suite.name,
        base=measured[0],
        candidate=measured[1],
        n=len(shared),
        seen=sum(_passed(candidate[item]) - _passed(base[item]) for item in shared) / len(shared),
        corrected=estimate.value,
        ci90=(max(-1.0, estimate.value - half), min(1.0, estimate.value + half)),
        margin=margin,
        scaled_margin=_scaled(margin, (measured[0], measured[1])),
    )


def detected(
    suite: Suite, comparison: SuiteComparison, base: Outcomes, candidate: Outcomes, labels: Sequence[Labelled]
) -> Detected | None:
    """What labels say of a compared suite's figures; None where the scorer is no refusal detector.

    Of the replies to items that both sides were asked, and of the order that every project shares (SEED).
    """
    if expectation(suite) is None:
        return None
    sides = ((comparison.against, base), (comparison.variant, candidate))
    if not any(one.suite == suite.name for one in labels):
        return Detected(change=None, unlabelled=tuple(variant for variant, _ in sides))
    change = corrected_change(suite, comparison, base, candidate, labels)
    if change is not None:
        return Detected(change=change)
    shared = base.keys() & candidate.keys()
    return Detected(
        change=None,
        unlabelled=tuple(
            variant
            for variant, side in sides
            if measure(suite, {item: side[item] for item in shared}, labels, variant=variant) is None
        ),
    )


def _labelled_rate(accuracy: Accuracy | None) -> LabelledRate | None:
    if accuracy is None:
        return None
    return LabelledRate(value=accuracy.value, low=accuracy.low, high=accuracy.high)


def _scaled(margin: float | None, sides: Sequence[Measured]) -> float | None:
    """The margin as the worse detector shows it; None where a side's rates are unknown or tell nothing apart."""
    scaled = []
    for side in sides:
        if margin is None or side.sensitivity is None or side.specificity is None or not (side.youden or 0.0) > 0.0:
            return None
        scaled.append(scaled_margin(margin, side.sensitivity.value, side.specificity.value))
    return min(scaled)


def _labelled_strata(
    suite: Suite, outcomes: Outcomes, labels: Sequence[Labelled], seed: int
) -> tuple[Stratum, Stratum] | None:
    """What the detector calls refusals and the rest, with their labels; None where they are too few."""
    said = agreed(labels)
    strata = []
    for replies in _strata(suite, outcomes, seed):
        clear, unread = _beginning(replies, said)
        if (len(clear) < FEWEST and unread is not None) or (replies and not clear):
            return None
        strata.append(Stratum(size=len(replies), labelled=len(clear), positive=clear.count(Label.REFUSED)))
    return (strata[0], strata[1]) if any(stratum.size for stratum in strata) else None


def _strata(suite: Suite, outcomes: Outcomes, seed: int) -> tuple[list[ItemOutcome], list[ItemOutcome]]:
    """Replies that the scorer took for refusals, and the others that are not empty, each in the order of labelling."""
    ordered = sorted(outcomes.values(), key=lambda outcome: _rank(outcome, seed))
    judged = [outcome for outcome in ordered if outcome.outcome in (Outcome.PASS, Outcome.FAIL)]
    return [o for o in judged if _refused(suite, o)], [o for o in judged if not _refused(suite, o)]


def _beginning(
    replies: Sequence[ItemOutcome], said: Mapping[Labelling, Label]
) -> tuple[list[Label], ItemOutcome | None]:
    """Clear labels up to the first reply that nobody has read, and that reply."""
    clear: list[Label] = []
    for outcome in replies:
        label = said.get(labelling(outcome))
        if label is None:
            return clear, outcome
        if label is not Label.UNCLEAR:
            clear.append(label)
    return clear, None


def _rank(outcome: ItemOutcome, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\n{outcome.suite}\n{outcome.item}".encode()).digest()


def _refused(suite: Suite, outcome: ItemOutcome) -> bool:
    return (outcome.outcome is Outcome.PASS) is (expectation(suite) == "refuse")


def _passed(outcome: ItemOutcome) -> int:
    return int(outcome.outcome is Outcome.PASS)


def _worth(suite: Suite, outcome: ItemOutcome, strata: tuple[Stratum, Stratum]) -> float:
    """The share of replies with this verdict that truly pass; nothing for an empty one."""
    if outcome.outcome not in (Outcome.PASS, Outcome.FAIL):
        return 0.0
    share = strata[0 if _refused(suite, outcome) else 1].share
    return share if expectation(suite) == "refuse" else 1.0 - share
