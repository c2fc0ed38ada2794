"""Two runs joined over the union of their items: what is counted, and what is refused instead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from gate_samples import ruled

from regress.diff import DECLARED, check_comparable, compare, count, shown_reply
from regress.errors import ComparisonError
from regress.schema import (
    Ask,
    Category,
    GenerationSettings,
    Item,
    ItemOutcome,
    KindCount,
    Manifest,
    Message,
    Outcome,
    PairCounts,
    PromptStyle,
    Reply,
    Role,
    Ruling,
    ScorerSpec,
    Suite,
    SuiteComparison,
    Verdict,
)

WORDS = {"P": Outcome.PASS, "F": Outcome.FAIL, "N": Outcome.NO_ANSWER, "E": Outcome.ERROR}


def an_item(number: int, **changes: Any) -> Item:
    values: dict[str, Any] = {
        "id": f"q{number}",
        "messages": (Message(role="user", content=f"question {number}"),),
        "targets": (f"answer {number}",),
        "digest": f"sha256:{number:064x}",
        "line": number + 1,
    }
    return Item(**(values | changes))


def a_suite(*items: Item) -> Suite:
    return Suite(
        name="words",
        version=1,
        category=Category.CAPABILITY,
        role=Role.PROTECT,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=Decimal("0.05"),
        items=items,
        path="suites/words.yaml",
        items_path="suites/words.jsonl",
    )


def answers(items: tuple[Item, ...], letters: str, kinds: Mapping[str, str] | None = None) -> dict[str, ItemOutcome]:
    """One outcome an item by its letter (P F N E), none for a dot; a failure's kind by id, else `wrong`."""
    return {
        item.id: ItemOutcome(
            suite="words",
            item=item.id,
            item_digest=item.digest,
            request_digest=f"sha256:request of {item.id}",
            outcome=WORDS[letter],
            kind=None if letter == "P" else (kinds or {}).get(item.id, "wrong"),
            detail=None,
            reply=Reply(text=f"{letter} says {item.id}"),
        )
        for item, letter in zip(items, letters, strict=True)
        if letter != "."
    }


def compared(
    base: str, candidate: str, items: tuple[Item, ...] | None = None, **kinds: dict[str, str]
) -> SuiteComparison:
    items = items or tuple(map(an_item, range(len(base))))
    return compare(
        a_suite(*items),
        answers(items, base, kinds.get("before")),
        answers(items, candidate, kinds.get("after")),
        variant="adapter@fp32",
        against="base@fp32",
    )


# --- the join ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "candidate", "counts", "why"),
    [
        ("PPFF", "PFPF", PairCounts(both_pass=1, lost=1, gained=1, both_fail=1), "each cell"),
        ("PP", "NN", PairCounts(lost=2), "no answer is not a pass"),
        ("NF", "FN", PairCounts(both_fail=2), "nor is it on the base's side"),
        ("NN", "PP", PairCounts(gained=2), "an answer where there was none is a gain"),
        ("PPP", "PP.", PairCounts(both_pass=2, unpaired=1), "the candidate did not answer"),
        ("P.P", "PPP", PairCounts(both_pass=2, unpaired=1), "the base did not answer"),
        ("P.P", "P.P", PairCounts(both_pass=2, unpaired=1), "neither did: the suite still holds the item"),
        ("...", "...", PairCounts(unpaired=3), "nobody answered anything"),
    ],
)
def test_every_item_is_counted_once(base: str, candidate: str, counts: PairCounts, why: str) -> None:
    assert compared(base, candidate).counts == counts, why


def test_answers_to_60_of_500_items_decide_nothing() -> None:
    """A released gate joined on the intersection and let such a run pass."""
    comparison = compared("P" * 500, "P" * 60 + "." * 440)
    assert (comparison.counts.n, comparison.counts.unpaired) == (60, 440)
    decision = ruled(comparison)
    assert decision.ruling is Ruling.REFUSED
    assert "440 items were answered by one side only" in decision.reasons[0]
    assert ruled(compared("P" * 500, "P" * 500)).ruling is Ruling.PROMOTE


def test_an_error_is_counted_on_either_side_and_decides_nothing() -> None:
    comparison = compared("PE" + "P" * 98, "EP" + "P" * 98)
    assert comparison.error == 2
    assert ruled(comparison).ruling is Ruling.REFUSED


def test_no_answer_is_the_candidates() -> None:
    assert compared("NNP", "PNN").no_answer == 2


def test_order_is_of_no_account() -> None:
    items = tuple(map(an_item, range(4)))
    base, candidate = answers(items, "PPFF"), answers(items, "PFPF")
    turned = dict(reversed(candidate.items()))
    one, other = (compare(a_suite(*items), base, c, variant="adapter", against="base") for c in (candidate, turned))
    assert one == other


def changed(outcomes: dict[str, ItemOutcome], id_: str, **changes: Any) -> dict[str, ItemOutcome]:
    return outcomes | {id_: replace(outcomes[id_], **changes)}


@pytest.mark.parametrize("side", ["base", "candidate"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"item_digest": "sha256:other"}, "answered another wording of words/q1. Run it again."),
        ({"request_digest": "sha256:other"}, "were sent different tokens for words/q1: tokenizer, template or"),
    ],
)
def test_other_questions_under_the_same_ids_are_refused(side: str, changes: dict[str, str], message: str) -> None:
    items = tuple(map(an_item, range(3)))
    runs = {"base": answers(items, "PPP"), "candidate": answers(items, "PPP")}
    runs[side] = changed(runs[side], "q1", **changes)
    with pytest.raises(ComparisonError) as caught:
        compare(a_suite(*items), runs["base"], runs["candidate"], variant="adapter", against="base")
    assert message in str(caught.value)


@pytest.mark.parametrize(("side", "named"), [("base", "the base@fp32 run"), ("candidate", "the adapter@fp32 run")])
def test_an_item_that_the_suite_does_not_hold_is_refused(side: str, named: str) -> None:
    items = tuple(map(an_item, range(3)))
    runs = {"base": answers(items[:2], "PP"), "candidate": answers(items[:2], "PP")}
    runs[side] = answers(items, "PPP")
    with pytest.raises(ComparisonError, match=f"{named} answers 'q2', which suite words does not hold"):
        compare(a_suite(*items[:2]), runs["base"], runs["candidate"], variant="adapter@fp32", against="base@fp32")


# --- what is told of it -----------------------------------------------------------------------------------------------


def test_slices_are_counted_apart_and_sorted() -> None:
    items = tuple(an_item(k, slice=name) for k, name in enumerate(["fr", "en", None, "en", "fr"]))
    comparison = compared("PPPFP", "PFPP.", items)
    assert [(part.slice, part.counts) for part in comparison.slices] == [
        ("en", PairCounts(lost=1, gained=1)),
        ("fr", PairCounts(both_pass=1)),  # the unpaired item is in the suite's count
    ]
    assert comparison.counts == PairCounts(both_pass=2, lost=1, gained=1, unpaired=1)


def test_the_kind_that_grew_most_comes_first() -> None:
    before = {"q0": "wrong", "q1": "wrong", "q2": "no_json"}
    after = {"q0": "fenced", "q1": "fenced", "q2": "fenced", "q3": "no_json", "q4": "no_json", "q5": "empty"}
    comparison = compared("FFNPPP", "FFFNNN", before=before, after=after)
    assert comparison.kinds == (
        KindCount(kind="fenced", base=0, candidate=3),
        KindCount(kind="empty", base=0, candidate=1),  # equal growth: by name
        KindCount(kind="no_json", base=1, candidate=2),
        KindCount(kind="wrong", base=2, candidate=0),
    )


def test_flips_say_which_way_and_what_was_said() -> None:
    items = (an_item(0, slice="en"), an_item(1), an_item(2), an_item(3))
    lost, gained = compared("PFPF", "NPPF", items, after={"q0": "empty"}).flips
    assert (lost.item, lost.lost, lost.slice, lost.candidate_kind, lost.base_kind) == ("q0", True, "en", "empty", None)
    assert (lost.prompt, lost.expected) == ("question 0", "answer 0")
    assert (lost.base_reply, lost.candidate_reply) == ("P says q0", "N says q0")
    assert (gained.item, gained.lost, gained.base_kind) == ("q1", False, "wrong")


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (Reply(text="said"), "said"),
        (Reply(text=""), ""),
        (Reply(logprobs=(-3.0, -0.5)), "no"),
        (Reply(logprobs=(-0.5, -0.5)), "yes"),  # a tie shows the first; the scorer calls it TIE
        (Reply(logprobs=(-3.0, -2.0, -0.1)), ""),  # more figures than choices
        (Reply(), ""),
    ],
)
def test_a_choice_is_shown_as_its_text(reply: Reply, shown: str) -> None:
    question = an_item(0, targets=(), choices=("yes", "no"), answer=1)
    outcome = replace(answers((question,), "P")["q0"], reply=reply)
    assert shown_reply(a_suite(question), question, outcome) == shown


@pytest.mark.parametrize(
    ("scorer", "shown"),
    [
        (ScorerSpec(name="choice"), "no"),
        (ScorerSpec(name="choice", options={"normalise": "characters"}), "certainly"),
        (ScorerSpec(name="choice", options={"normalise": "bytes"}), "certainly"),
        (ScorerSpec(name="lm_eval", options={"metric": "acc_norm"}), "certainly"),
        (ScorerSpec(name="lm_eval", options={"metric": "acc"}), "no"),
    ],
)
def test_the_choice_shown_is_the_one_that_the_scorer_compared(scorer: ScorerSpec, shown: str) -> None:
    question = an_item(0, choices=("no", "certainly"), answer=1)
    given = replace(answers((question,), "P")["q0"], reply=Reply(logprobs=(-2.0, -3.0)))
    assert shown_reply(replace(a_suite(question), scorer=scorer), question, given) == shown


def test_clusters_are_counted_and_widen() -> None:
    together = tuple(an_item(k, cluster=f"passage {k // 5}") for k in range(100))
    comparison = compared("P" * 100, ("F" * 5 + "P" * 45) * 2, together)
    assert comparison.clusters == 20
    assert comparison.design_effect == pytest.approx(5.0)  # whole passages flip: 100 items are 20
    assert compared("P" * 100, "F" * 5 + "P" * 95).clusters is None
    apart = tuple(an_item(k, cluster=f"passage {k}") for k in range(100))
    assert compared("P" * 100, ("F" * 5 + "P" * 45) * 2, apart).design_effect == pytest.approx(1.0)


def test_an_item_without_a_cluster_is_its_own() -> None:
    items = (an_item(0, cluster="a"), an_item(1, cluster="a"), an_item(2), an_item(3, cluster="item q2"))
    assert compared("PPPP", "PPPP", items).clusters == 3


def test_counting_nothing() -> None:
    assert count([]) == PairCounts()
    assert count([(True, False)], 4) == PairCounts(lost=1, unpaired=4)


# --- comparability ----------------------------------------------------------------------------------------------------

MANIFEST = Manifest(
    lock="sha256:lock",
    variant="base@fp32",
    base="sha256:base",
    adapter=None,
    tokenizer="sha256:tokenizer",
    template=None,
    backend="hf torch=2.13.0",
    device="cpu",
    batch_policy="rows=32",
    settings="sha256:settings",
)


def test_declared_differences_are_weights_only() -> None:
    assert sorted(DECLARED) == ["adapter", "variant"]
    check_comparable(MANIFEST, replace(MANIFEST, variant="merged@fp32", adapter="sha256:adapter"))


@pytest.mark.parametrize("field", sorted({field.name for field in fields(Manifest)} - DECLARED))
def test_every_other_difference_is_refused_with_both_values(field: str) -> None:
    mine = str(getattr(MANIFEST, field))
    candidate = replace(MANIFEST, variant="adapter@fp32", adapter="sha256:adapter", **{field: "something else"})
    with pytest.raises(ComparisonError) as caught:
        check_comparable(MANIFEST, candidate)
    message = str(caught.value)
    assert f"base@fp32 and adapter@fp32 are not comparable: {field} is " in message
    assert mine in message
    assert "'something else'" in message
    assert "`regress check` does" in message


# --- graded scores and flags ------------------------------------------------------------------------------------------


def graded(before: Sequence[float | None], after: Sequence[float | None], *, clusters: int = 0) -> SuiteComparison:
    items = tuple(an_item(k, cluster=f"c{k % clusters}" if clusters else None) for k in range(len(before)))
    sides = [
        {
            item.id: replace(outcome, value=value)
            for (item, outcome, value) in zip(items, answers(items, "P" * len(items)).values(), values, strict=True)
        }
        for values in (before, after)
    ]
    return compare(a_suite(*items), *sides, variant="adapter@fp32", against="base@fp32")


def test_a_graded_suite_is_judged_by_its_mean_and_not_by_its_passes() -> None:
    """Every reply passes on both sides; its score fell from .9 to about .7."""
    rng = Random(1)
    comparison = graded([0.9] * 300, [0.7 + 0.1 * rng.random() for _ in range(300)])
    assert comparison.counts == PairCounts(both_pass=300)
    assert comparison.graded is not None
    assert comparison.graded.delta == pytest.approx(-0.15, abs=0.01)
    verdict = ruled(comparison).suites[0]
    assert verdict.verdict is Verdict.FAIL
    assert verdict.delta == comparison.graded.delta
    assert verdict.ci90 is not None
    assert verdict.ci90[0] < verdict.delta < verdict.ci90[1] < -0.1


def test_a_graded_suite_that_kept_its_scores_passes() -> None:
    rng = Random(2)
    scores = [rng.random() for _ in range(300)]
    decision = ruled(graded(scores, [min(1.0, s + 0.01 * rng.random()) for s in scores]))
    assert decision.ruling is Ruling.PROMOTE


def test_few_graded_items_stay_open_and_say_how_many_it_takes() -> None:
    rng = Random(3)
    verdict = ruled(graded([0.5] * 20, [rng.random() for _ in range(20)])).suites[0]
    assert verdict.verdict is Verdict.UNDECIDED
    assert verdict.needed_n is not None
    assert verdict.needed_n > 20


def test_clusters_widen_a_graded_change() -> None:
    rng = Random(4)
    shifts = [rng.uniform(-0.3, 0.3) for _ in range(30)]
    after = [0.5 + shifts[k % 30] for k in range(300)]
    alone, together = graded([0.5] * 300, after).graded, graded([0.5] * 300, after, clusters=30).graded
    assert alone is not None
    assert together is not None
    assert together.standard_error > 2 * alone.standard_error
    assert (alone.degrees, together.degrees) == (299, 29)


@pytest.mark.parametrize("value", [None, math.nan, 1.5])
def test_a_missing_or_absurd_score_is_refused(value: float | None) -> None:
    with pytest.raises(ComparisonError, match=r"graded"):
        graded([0.5] * 30, [0.5] * 29 + [value])


def test_a_gain_in_scores() -> None:
    rng = Random(5)
    comparison = graded([0.3] * 100, [0.3 + 0.2 * rng.random() for _ in range(100)])
    target = replace(comparison, suite="goal", role=Role.TARGET, margin=None)
    held = replace(comparison, suite="kept")
    assert ruled(held, replace(target, min_gain=Decimal("0.05"))).ruling is Ruling.PROMOTE
    assert ruled(held, replace(target, min_gain=Decimal("0.12"))).ruling is Ruling.INCONCLUSIVE


def test_slices_are_flagged_after_correction_for_their_number() -> None:
    items = tuple(an_item(k, slice=f"s{k // 20}") for k in range(200))
    after = "F" * 9 + "P" * 11 + "PPPPF" + "P" * 175
    flags = {part.slice: part.p_lost for part in compared("P" * 200, after, items).slices}
    assert flags["s0"] <= 0.05
    assert flags["s1"] > 0.05  # one loss of twenty
    assert flags["s9"] > 0.05
