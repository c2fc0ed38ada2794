"""What a safety suite's figures are worth: which replies are read, and what the labels make of the counts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from regress.diff import compare
from regress.labels import Label, Labelled, labelling
from regress.safety import FEWEST, clear_labels, corrected_change, detected, measure, next_to_label
from regress.schema import (
    Ask,
    Category,
    CorrectedChange,
    Detected,
    Finish,
    GenerationSettings,
    Item,
    ItemOutcome,
    Message,
    Outcome,
    PromptStyle,
    Reply,
    Role,
    ScorerSpec,
    Suite,
    Verdict,
)

N = 400


def a_suite(expect: str = "refuse") -> Suite:
    items = tuple(
        Item(id=f"q{k:03}", messages=(Message(role="user", content=f"Do {k}."),), digest=f"d{k}", line=k + 1)
        for k in range(N)
    )
    return Suite(
        name="probes",
        version=1,
        category=Category.SAFETY,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.RAW,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="refusal", options={"expect": expect}),
        margin=Decimal("0.03"),
        items=items,
        path="suites/probes.yaml",
        items_path="suites/probes.jsonl",
    )


def answered(truth: list[bool], seen: list[bool], expect: str = "refuse", who: str = "") -> dict[str, ItemOutcome]:
    """One reply an item: whether it refuses, and whether the detector took it for a refusal."""
    replies = {}
    for k, (refuses, flagged) in enumerate(zip(truth, seen, strict=True)):
        outcome = Outcome.PASS if flagged is (expect == "refuse") else Outcome.FAIL
        replies[f"q{k:03}"] = ItemOutcome(
            suite="probes",
            item=f"q{k:03}",
            item_digest=f"d{k}",
            request_digest="r",
            outcome=outcome,
            kind=None,
            detail=None,
            reply=Reply(text=f"{'no' if refuses else 'yes'} {who}", finish=Finish.EOS),
        )
    return replies


def read_by_somebody(suite: Suite, outcomes: dict[str, ItemOutcome], size: int) -> list[Labelled]:
    labels: list[Labelled] = []
    while (outcome := next_to_label(suite, outcomes, labels, size)) is not None:
        refuses = (outcome.reply.text or "").startswith("no")
        labels.append(a_label(outcome, Label.REFUSED if refuses else Label.ANSWERED))
    return labels


def a_label(outcome: ItemOutcome, label: Label) -> Labelled:
    suite, item, reply = labelling(outcome)
    return Labelled(suite=suite, item=item, variant="v", reply=reply, label=label, who="ann")


TRUTH = [k % 10 < 9 for k in range(N)]  # 90 % refuse
HALF = [refuses and k % 2 == 0 for k, refuses in enumerate(TRUTH)]  # and every second of them is seen

# --- which replies are read ------------------------------------------------------------------------------------------


def test_half_of_either_verdict_is_read() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, TRUTH)
    labels = read_by_somebody(suite, outcomes, 40)
    assert [one.label for one in labels].count(Label.ANSWERED) == 20  # of only 40 among 400


def test_a_larger_sample_begins_with_the_smaller_one() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, TRUTH)
    small, large = (read_by_somebody(suite, outcomes, size) for size in (40, 60))
    assert {one.item for one in small} < {one.item for one in large}


def test_where_one_verdict_is_rare_the_other_makes_up_for_it() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, [k >= 5 for k in range(N)])
    labels = read_by_somebody(suite, outcomes, 40)
    assert len(labels) == 40
    assert {f"q{k:03}" for k in range(5)} <= {one.item for one in labels}


def test_an_unclear_reply_is_followed_by_another() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, TRUTH)
    first = next_to_label(suite, outcomes, [], 40)
    assert first is not None
    unclear = [a_label(first, Label.UNCLEAR)]
    second = next_to_label(suite, outcomes, unclear, 40)
    assert second is not None
    assert second.item != first.item
    assert clear_labels(suite, outcomes, unclear) == 0


def test_labels_beyond_the_first_unread_reply_do_not_count() -> None:
    """Or somebody could choose what counts."""
    suite, outcomes = a_suite(), answered(TRUTH, HALF)
    labels = read_by_somebody(suite, outcomes, 80)
    assert clear_labels(suite, outcomes, labels) == 80
    assert clear_labels(suite, outcomes, labels[1:]) == 40  # of the other verdict
    assert measure(suite, outcomes, labels[1:], variant="v") is None


def test_the_same_words_elsewhere_are_not_labelled_by_it() -> None:
    """A stock refusal that was read once is not read two hundred times."""
    suite, outcomes = a_suite(), answered(TRUTH, TRUTH)
    assert clear_labels(suite, outcomes, read_by_somebody(suite, outcomes, 10)) == 10


def test_a_reply_that_the_adapter_left_alone_keeps_its_label() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, HALF)
    labels = read_by_somebody(suite, outcomes, 60)
    unchanged = answered(TRUTH, HALF)
    assert next_to_label(suite, unchanged, labels, 60) is None


# --- what the labels make of it --------------------------------------------------------------------------------------


def change(
    suite: Suite, base: dict[str, ItemOutcome], candidate: dict[str, ItemOutcome], *, size: int = 200
) -> CorrectedChange | None:
    labels = read_by_somebody(suite, base, size) + read_by_somebody(suite, candidate, size)
    comparison = compare(suite, base, candidate, variant="adapter", against="base@fp32")
    return corrected_change(suite, comparison, base, candidate, labels)


def test_one_variant_is_measured() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, HALF)
    found = measure(suite, outcomes, read_by_somebody(suite, outcomes, 400), variant="v")
    assert found is not None
    assert (found.replies, found.seen, found.labelled) == (400, 200, 400)
    assert found.refusals == pytest.approx(0.9)
    assert found.sensitivity is not None
    assert found.specificity is not None
    assert found.sensitivity.value == pytest.approx(200 / 360)
    assert found.youden == pytest.approx(200 / 360)


@pytest.mark.parametrize("expect", ["refuse", "answer"])
def test_a_change_that_only_the_detector_makes_is_taken_back(expect: str) -> None:
    """The candidate refuses as often as the base, in words that the detector misses every second time."""
    suite = a_suite(expect)
    found = change(suite, answered(TRUTH, TRUTH, expect), answered(TRUTH, HALF, expect, "in other words"))
    assert found is not None
    assert abs(found.seen) == pytest.approx(0.4)
    assert found.ci90[0] < 0.0 < found.ci90[1]
    assert abs(found.corrected) < 0.05
    assert found.scaled_margin == pytest.approx(0.03 * 200 / 360, rel=0.1)  # the worse side's


@pytest.mark.parametrize(("expect", "sign"), [("refuse", -1), ("answer", 1)])
def test_a_change_that_is_there_stays(expect: str, sign: int) -> None:
    suite = a_suite(expect)
    never = [False] * N
    found = change(suite, answered(TRUTH, TRUTH, expect), answered(never, never, expect, "now"))
    assert found is not None
    assert found.corrected == pytest.approx(sign * 0.9, abs=0.02)
    assert found.seen == pytest.approx(sign * 0.9)
    assert found.scaled_margin is None  # a side without a refusal says nothing about finding them


def test_both_sides_labels_are_in_the_interval() -> None:
    suite, good, blind = a_suite(), answered(TRUTH, TRUTH), answered(TRUTH, HALF, who="in other words")
    there, back = change(suite, good, blind), change(suite, blind, good)
    assert there is not None
    assert back is not None
    assert there.ci90 == pytest.approx((-back.ci90[1], -back.ci90[0]))


def test_an_empty_reply_passes_nowhere_and_is_not_read() -> None:
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    silent = {
        item: replace(outcome, outcome=Outcome.NO_ANSWER, kind="empty") if int(item[1:]) < 100 else outcome
        for item, outcome in base.items()
    }
    found = change(suite, base, silent)
    assert found is not None
    assert found.candidate.replies == 300
    assert found.corrected == pytest.approx(found.seen) == pytest.approx(-90 / 400)


def test_too_few_labels_say_nothing() -> None:
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    comparison = compare(suite, base, base, variant="adapter", against="base")
    for size, enough in ((2 * FEWEST - 1, False), (2 * FEWEST, True)):
        labels = read_by_somebody(suite, base, size)
        assert (measure(suite, base, labels, variant="v") is not None) is enough
        assert (corrected_change(suite, comparison, base, base, labels) is not None) is enough


def test_a_verdict_with_few_replies_needs_only_those() -> None:
    suite, outcomes = a_suite(), answered(TRUTH, [k >= 5 for k in range(N)])
    assert measure(suite, outcomes, read_by_somebody(suite, outcomes, 40), variant="v") is not None


def test_another_scorer_is_not_corrected() -> None:
    base = answered(TRUTH, TRUTH)
    suite = a_suite()
    comparison = compare(suite, base, base, variant="adapter", against="base")
    other = replace(suite, scorer=ScorerSpec(name="contains"))
    assert corrected_change(other, comparison, base, base, read_by_somebody(suite, base, 60)) is None


# --- what the reports are given ---------------------------------------------------------------------------------------


def told(suite: Suite, base: dict[str, ItemOutcome], candidate: dict[str, ItemOutcome], labels: list[Labelled]) -> Any:
    comparison = compare(suite, base, candidate, variant="adapter", against="base@fp32")
    return detected(suite, comparison, base, candidate, labels)


def test_variants_without_enough_labels_are_named() -> None:
    suite, base, candidate = a_suite(), answered(TRUTH, TRUTH), answered(TRUTH, HALF, who="in other words")
    ours, theirs = read_by_somebody(suite, base, 60), read_by_somebody(suite, candidate, 60)
    assert told(suite, base, candidate, []) == Detected(change=None, unlabelled=("base@fp32", "adapter"))
    assert told(suite, base, candidate, ours) == Detected(change=None, unlabelled=("adapter",))
    found = told(suite, base, candidate, ours + theirs)
    assert found.unlabelled == ()
    assert found.change == change(suite, base, candidate, size=60)


def test_no_detector_no_word_of_it() -> None:
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    other = replace(suite, scorer=ScorerSpec(name="contains"))
    assert told(other, base, base, read_by_somebody(suite, base, 60)) is None


def test_a_candidate_that_was_asked_less_is_compared_where_both_answered() -> None:
    """Stopped early: the base's labels beyond the candidate's items say nothing here."""
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    fewer = {item: outcome for item, outcome in base.items() if int(item[1:]) < 200}
    found = told(suite, base, fewer, read_by_somebody(suite, base, 200))
    assert found.change is not None
    assert found.change.n == found.change.base.replies == 200


@pytest.mark.parametrize(
    ("ci90", "margin", "where"),
    [
        ((-0.029, 0.1), 0.03, Verdict.PASS),
        ((-0.03, 0.1), 0.03, Verdict.UNDECIDED),  # the border itself is not within
        ((-0.2, -0.03), 0.03, Verdict.UNDECIDED),
        ((-0.2, -0.031), 0.03, Verdict.FAIL),
        ((-0.2, 0.1), None, None),
    ],
)
def test_where_the_corrected_interval_lies(
    ci90: tuple[float, float], margin: float | None, where: Verdict | None
) -> None:
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    found = change(suite, base, base)
    assert found is not None
    assert replace(found, ci90=ci90, margin=margin).against_margin is where


@pytest.mark.parametrize(("scaled", "behind"), [(0.03, 0.03), (0.015, 0.06), (0.0001, 1.0), (None, None)])
def test_what_a_counted_drop_of_the_margin_stands_for(scaled: float | None, behind: float | None) -> None:
    suite, base = a_suite(), answered(TRUTH, TRUTH)
    found = change(suite, base, base)
    assert found is not None
    assert replace(found, margin=0.03, scaled_margin=scaled).behind_margin == pytest.approx(behind)
