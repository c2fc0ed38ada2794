"""Two runs of the same locked items, joined item by item over the union."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict

from regress.early import LOOKS, look_sizes
from regress.errors import ComparisonError
from regress.lock.promise import ITEM_ORDER_SEED
from regress.plan import item_order
from regress.schema import (
    Flip,
    GradedChange,
    Item,
    ItemOutcome,
    KindCount,
    Manifest,
    Outcome,
    PairCounts,
    Screened,
    SliceCounts,
    Suite,
    SuiteComparison,
)
from regress.scorers import confirms, likeliest
from regress.stats.cluster import design_effect
from regress.stats.graded import mean_difference
from regress.stats.multiple import benjamini_hochberg
from regress.stats.paired import mcnemar_midp_loss
from regress.stats.sequential import AgreementProcess

DECLARED = frozenset({"variant", "adapter"})
"""What a candidate's run may differ in from the base's; anything else makes the two incomparable."""

Outcomes = Mapping[str, ItemOutcome]


def check_comparable(base: Manifest, candidate: Manifest) -> None:
    """Raise ComparisonError naming the first field in which two runs differ without having declared it."""
    theirs = asdict(candidate)
    for field, value in asdict(base).items():
        if field in DECLARED or theirs[field] == value:
            continue
        raise ComparisonError(
            f"the runs {base.variant} and {candidate.variant} are not comparable: {field} is {value!r} in the one and "
            f"{theirs[field]!r} in the other. Run both again on one machine: `regress check` does."
        )


def compare(suite: Suite, base: Outcomes, candidate: Outcomes, *, variant: str, against: str) -> SuiteComparison:
    """Count what was lost and gained in one suite.

    `base` and `candidate` map item ids to outcomes. The join is over the union of both and the suite's own items: an
    item that only one side answered is counted as unpaired. Raises ComparisonError when an outcome belongs to another
    wording of the item than the suite's.
    """
    items = {item.id: item for item in suite.items}
    for side, outcomes in ((against, base), (variant, candidate)):
        _check_wording(suite, items, side, outcomes)
    _check_prompts(suite, base, candidate, against, variant)
    paired = [id_ for id_ in items if id_ in base and id_ in candidate]
    moves = {id_: (_passed(base[id_]), _passed(candidate[id_])) for id_ in paired}
    unpaired = len(items.keys() | base.keys() | candidate.keys()) - len(paired)
    clusters = {id_: items[id_].cluster or ("item", id_) for id_ in paired}
    clustered = any(items[id_].cluster for id_ in paired)
    return SuiteComparison(
        suite=suite.name,
        category=suite.category,
        role=suite.role,
        variant=variant,
        against=against,
        margin=suite.margin,
        min_gain=suite.min_gain,
        counts=count(list(moves.values()), unpaired),
        graded=_graded(suite, [(base[id_], candidate[id_]) for id_ in paired], list(clusters.values()), clustered),
        clusters=len(set(clusters.values())) if clustered else None,
        design_effect=design_effect([int(c) - int(b) for b, c in moves.values()], list(clusters.values()))
        if clustered
        else 1.0,
        no_answer=sum(outcome.outcome is Outcome.NO_ANSWER for outcome in candidate.values()),
        error=sum(o.outcome is Outcome.ERROR for side in (base, candidate) for o in side.values()),
        slices=_slices(items, moves),
        kinds=_kinds(base, candidate),
        flips=tuple(_flip(suite, items[id_], base[id_], candidate[id_]) for id_, (b, c) in moves.items() if b != c),
    )


def _graded(
    suite: Suite, pairs: Sequence[tuple[ItemOutcome, ItemOutcome]], clusters: Sequence[Hashable], clustered: bool
) -> GradedChange | None:
    """The change of the mean score, where the scorer grades; then every reply must have its value."""
    values = [(b.value, c.value) for b, c in pairs]
    differences = [c - b for b, c in values if b is not None and c is not None]
    if not differences:
        return None
    if not all(0.0 <= value <= 1.0 for pair in values for value in pair if value is not None):
        raise ComparisonError(f"{suite.name} has a graded score that is not between 0 and 1. Run again.")
    if len(differences) != len(pairs):
        raise ComparisonError(f"{suite.name}: {len(pairs) - len(differences)} replies have no graded score. Run again.")
    try:
        found = mean_difference(differences, clusters if clustered else None)
    except ValueError as reason:
        raise ComparisonError(f"{suite.name} cannot be graded: {reason}.") from reason
    return GradedChange(n=found.n, delta=found.delta, standard_error=found.standard_error, degrees=found.degrees)


def look_counts(suite: Suite, base: Outcomes, candidate: Outcomes, looks: int = LOOKS) -> tuple[PairCounts, ...]:
    """Cumulative counts at each planned look of the locked order, as far as the candidate was asked."""
    order = [item.id for item in item_order(suite, ITEM_ORDER_SEED)]
    counts: list[PairCounts] = []
    for size in look_sizes(len(order), looks):
        seen = order[:size]
        if any(id_ not in candidate or id_ not in base for id_ in seen):
            break
        counts.append(count([(_passed(base[id_]), _passed(candidate[id_])) for id_ in seen]))
    return tuple(counts)


def confirmed_failures(suite: Suite, candidate: Outcomes) -> int:
    """Failures that count in a zero-tolerance suite.

    Whether a reply refuses is a guess, so a second detector must see the failure, too; other scorers do not guess.
    """
    failures = [outcome for outcome in candidate.values() if not _passed(outcome)]
    expect = suite.scorer.options.get("expect") if suite.scorer.name == "refusal" else None
    if expect is None:
        return len(failures)
    prompts = {item.id: item.prompt for item in suite.items}
    return sum(confirms(prompts.get(o.item, ""), o.reply.text or "", expect=str(expect)) for o in failures)


def screen(suite: Suite, base: Outcomes, candidate: Outcomes) -> Screened:
    """How all of a suite's items would come out, judged from those asked so far in the locked order."""
    process = AgreementProcess(len(suite.items), float(suite.margin or 0))
    for item in item_order(suite, ITEM_ORDER_SEED):
        if item.id not in candidate or item.id not in base:
            break
        process.update(int(_passed(candidate[item.id])) - int(_passed(base[item.id])))
    return Screened(p_within=process.p_pass, p_beyond=process.p_fail)


def count(moves: list[tuple[bool, bool]], unpaired: int = 0) -> PairCounts:
    """(base passed, candidate passed) pairs as counts."""
    table = Counter(moves)
    return PairCounts(
        both_pass=table[True, True],
        lost=table[True, False],
        gained=table[False, True],
        both_fail=table[False, False],
        unpaired=unpaired,
    )


def _passed(outcome: ItemOutcome) -> bool:
    return outcome.outcome is Outcome.PASS


def _check_wording(suite: Suite, items: Mapping[str, Item], side: str, outcomes: Outcomes) -> None:
    for id_, outcome in outcomes.items():
        if id_ not in items:
            raise ComparisonError(f"the {side} run answers {id_!r}, which suite {suite.name} does not hold.")
        if outcome.item_digest != items[id_].digest:
            raise ComparisonError(f"the {side} run answered another wording of {suite.name}/{id_}. Run it again.")


def _check_prompts(suite: Suite, base: Outcomes, candidate: Outcomes, against: str, variant: str) -> None:
    for id_ in base.keys() & candidate.keys():
        if base[id_].request_digest != candidate[id_].request_digest:
            raise ComparisonError(
                f"{against} and {variant} were sent different tokens for {suite.name}/{id_}: tokenizer, template or "
                "generation settings differ. Run both again."
            )


def _slices(items: Mapping[str, Item], moves: Mapping[str, tuple[bool, bool]]) -> tuple[SliceCounts, ...]:
    names = sorted({name for id_ in moves if (name := items[id_].slice) is not None})
    counted = [count([move for id_, move in moves.items() if items[id_].slice == name]) for name in names]
    adjusted = benjamini_hochberg([mcnemar_midp_loss(counts.lost, counts.gained) for counts in counted])
    return tuple(
        SliceCounts(slice=name, counts=counts, p_lost=p)
        for name, counts, p in zip(names, counted, adjusted, strict=True)
    )


def _kinds(base: Outcomes, candidate: Outcomes) -> tuple[KindCount, ...]:
    """Failure kinds on either side, the one that grew most first."""
    before = Counter(o.kind for o in base.values() if not _passed(o) and o.kind)
    after = Counter(o.kind for o in candidate.values() if not _passed(o) and o.kind)
    rows = [KindCount(kind=kind, base=before[kind], candidate=after[kind]) for kind in before.keys() | after.keys()]
    return tuple(sorted(rows, key=lambda row: (row.base - row.candidate, row.kind)))


def _flip(suite: Suite, item: Item, base: ItemOutcome, candidate: ItemOutcome) -> Flip:
    return Flip(
        item=item.id,
        prompt=item.prompt,
        expected=expected_answer(item),
        base_reply=shown_reply(suite, item, base),
        candidate_reply=shown_reply(suite, item, candidate),
        base_kind=base.kind,
        candidate_kind=candidate.kind,
        lost=_passed(base),
        slice=item.slice,
    )


def expected_answer(item: Item) -> str | None:
    """The right choice, or the first of the targets; None where neither is given."""
    if item.answer is not None:
        return item.choices[item.answer]
    return item.targets[0] if item.targets else None


def shown_reply(suite: Suite, item: Item, outcome: ItemOutcome) -> str:
    """What a person reads as the reply: the text, each different one of several, or the choice that was picked."""
    if outcome.reply.text is not None:
        return outcome.reply.text
    if outcome.reply.samples:
        return "\n—\n".join(dict.fromkeys(sample.text or "" for sample in outcome.reply.samples))
    return likeliest(suite, item, outcome.reply)
