"""Serving figures of outcomes and timings that are known: values, signs, intervals, and the gate's margins on them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from gate_samples import ruled, words

from regress.schema import (
    Ask,
    Category,
    Draft,
    Figure,
    FigureChange,
    Finish,
    GenerationSettings,
    Item,
    ItemOutcome,
    Message,
    Outcome,
    PromptStyle,
    Reply,
    Role,
    Ruling,
    ScorerSpec,
    Served,
    Suite,
    TimedReply,
    TimedSide,
)
from regress.serving import Sides, margin_comparisons, margin_name, serving_comparisons

N = 40


def a_suite(name: str = "prod", **changes: Any) -> Suite:
    items = tuple(
        Item(id=f"i{k}", messages=(Message(role="user", content="?"),), digest=f"d{k}", line=k) for k in range(N)
    )
    fields: dict[str, Any] = {
        "name": name,
        "version": 1,
        "category": Category.SERVING,
        "role": Role.PROTECT,
        "ask": Ask.GENERATE,
        "prompt": PromptStyle.RAW,
        "generation": GenerationSettings(),
        "scorer": ScorerSpec(name="ended"),
        "margin": Decimal("0.02"),
        "items": items,
        "path": "s.yaml",
        "items_path": "s.jsonl",
    }
    return Suite(**(fields | changes))


def outcomes(suite: Suite, lengths: Sequence[int], finishes: Sequence[Finish]) -> dict[str, dict[str, ItemOutcome]]:
    found = {
        item.id: ItemOutcome(
            suite=suite.name,
            item=item.id,
            item_digest=item.digest,
            request_digest="r",
            outcome=Outcome.PASS,
            kind=None,
            detail=None,
            reply=Reply(text="x", finish=finish, prompt_tokens=7, reply_tokens=length),
        )
        for item, length, finish in zip(suite.items, lengths, finishes, strict=True)
    }
    return {suite.name: found}


def timed(variant: str, factor: float, *, accepted: int, rounds: int = 4, peak: int | None = 100) -> TimedSide:
    rng = np.random.default_rng(5)
    noise = rng.uniform(0.98, 1.02, (N, rounds))
    return TimedSide(
        variant=variant,
        replies=tuple(
            TimedReply(
                suite="prod",
                item=f"i{k}",
                tokens=11,
                first=tuple(round(1e6 * factor * x) for x in noise[k]),
                whole=tuple(round(11e6 * factor * x) for x in noise[k]),
                accepted=accepted + k % 2,
            )
            for k in range(N)
        ),
        peak_bytes=peak,
    )


def served(factor: float = 1.0, *, accepted: int = 6, **changes: Any) -> Served:
    fields: dict[str, Any] = {
        "run": "sha256:0",
        "machine": "cpu",
        "rounds": 4,
        "draft": Draft(digest="sha256:1", parameters=1, target_parameters=20),
        "base": timed("base", 1.0, accepted=6),
        "own": timed("adapter", factor, accepted=accepted, peak=125),
    }
    return Served(**(fields | changes))


def sides(suite: Suite, *, longer: float = 1.0, cut: int = 0, measured: Served | None = None) -> Sides:
    lengths = [20 + k % 7 for k in range(N)]
    ends = [Finish.EOS] * N
    return Sides(
        suites=(suite,),
        base=outcomes(suite, lengths, ends),
        candidate=outcomes(suite, [round(n * longer) for n in lengths], [Finish.LENGTH] * cut + ends[cut:]),
        served=measured,
        variant="adapter",
        against="base@fp32",
    )


def figures(given: Sides) -> dict[Figure, FigureChange]:
    return {change.figure: change for change in serving_comparisons(given)[0].figures}


def test_longer_replies_and_cut_ones_are_counted_without_any_timing() -> None:
    found = figures(sides(a_suite(), longer=2.0, cut=10))
    assert set(found) == {Figure.REPLY_TOKENS, Figure.END_OF_TEXT, Figure.CUT}
    assert found[Figure.REPLY_TOKENS].change == pytest.approx(1.0)
    assert found[Figure.END_OF_TEXT].candidate == 0.75
    assert found[Figure.END_OF_TEXT].change == -0.25
    assert found[Figure.CUT].change == 0.25
    low, high = found[Figure.CUT].ci90 or (0.0, 0.0)
    assert 0.1 < low < 0.25 < high < 0.4


def test_times_memory_and_proposals_are_those_measured() -> None:
    found = figures(sides(a_suite(), measured=served(1.5, accepted=3)))
    assert found[Figure.FIRST_TOKEN].change == pytest.approx(0.5, abs=1e-5)
    assert found[Figure.LATENCY].base == pytest.approx(0.011, rel=0.01)
    assert found[Figure.LATENCY_P95].change == pytest.approx(0.5, abs=1e-5)
    assert found[Figure.TOKENS_PER_SECOND].base == pytest.approx(1000, rel=0.01)
    assert found[Figure.TOKENS_PER_SECOND].change == pytest.approx(-1 / 3, abs=1e-5)
    assert found[Figure.PEAK_MEMORY].change == 0.25
    assert found[Figure.PEAK_MEMORY].ci90 is None
    assert found[Figure.ACCEPTANCE].base == pytest.approx(6.5 / 11)
    assert found[Figure.ACCEPTANCE].change == pytest.approx(-3 / 11)


def test_a_draft_that_proposes_less_gains_less() -> None:
    (together, alone) = serving_comparisons(sides(a_suite(), measured=served(accepted=3)))
    assert (together.suite, alone.suite) == (None, "prod")
    assert [one.k for one in together.speed_ups] == list(range(2, 9))
    share, k, cost = 6.5 / 11, 4, 1 / 20
    expected = (1 - share ** (k + 1)) / (1 - share) / (k * cost + 1)
    assert together.speed_ups[2].base == pytest.approx(expected)
    assert all(one.candidate < one.base for one in together.speed_ups)


def test_suites_that_only_choose_have_no_serving() -> None:
    assert serving_comparisons(sides(a_suite(ask=Ask.CHOOSE))) == ()


@pytest.mark.parametrize(
    ("figure", "margin", "longer", "factor", "accepted", "verdict"),
    [
        (Figure.REPLY_TOKENS, "0.2", 1.0, 1.0, 6, "PASS"),
        (Figure.REPLY_TOKENS, "0.2", 1.5, 1.0, 6, "FAIL"),
        (Figure.REPLY_TOKENS, "0.2", 3.0, 1.0, 6, "FAIL"),  # beyond -1, where shares end
        (Figure.REPLY_TOKENS, "0.2", 0.5, 1.0, 6, "PASS"),
        (Figure.LATENCY, "0.2", 1.0, 1.5, 6, "FAIL"),
        (Figure.LATENCY, "0.2", 1.0, 0.5, 6, "PASS"),
        (Figure.TOKENS_PER_SECOND, "0.2", 1.0, 1.5, 6, "FAIL"),
        (Figure.TOKENS_PER_SECOND, "0.2", 1.0, 0.7, 6, "PASS"),
        (Figure.FIRST_TOKEN, "0.3", 1.0, 1.1, 6, "PASS"),
        (Figure.ACCEPTANCE, "0.2", 1.0, 1.0, 2, "FAIL"),
        (Figure.ACCEPTANCE, "0.2", 1.0, 1.0, 8, "PASS"),
    ],
)
def test_a_margin_is_held_against_the_change_for_the_worse(
    figure: Figure, margin: str, longer: float, factor: float, accepted: int, verdict: str
) -> None:
    suite = a_suite(serving={figure: Decimal(margin)})
    (found,) = margin_comparisons(sides(suite, longer=longer, measured=served(factor, accepted=accepted)))
    decision = ruled(found)
    assert found.suite == margin_name(suite, figure)
    assert words(decision) == [verdict]
    assert decision.ruling is (Ruling.PROMOTE if verdict == "PASS" else Ruling.REJECT)


def test_one_prompt_is_no_evidence() -> None:
    """No spread can be seen, so the figure is missing, and the gate refuses."""
    suite = a_suite(serving={Figure.LATENCY: Decimal("0.2")})
    one = served()
    lone = served(
        base=TimedSide(variant="base", replies=one.base.replies[:1], peak_bytes=None),
        own=TimedSide(variant="adapter", replies=one.own.replies[:1], peak_bytes=None),
    )
    assert margin_comparisons(sides(suite, measured=lone)) == []
    assert ruled(expected={("prod:latency", "adapter")}).ruling is Ruling.REFUSED


def test_what_is_too_close_stays_open_and_says_how_many() -> None:
    suite = a_suite(serving={Figure.REPLY_TOKENS: Decimal("0.2")})
    given = sides(suite)
    rng = np.random.default_rng(1)
    lengths = [int(n) for n in rng.integers(5, 60, N)]
    noisy = Sides(
        suites=given.suites,
        base=given.base,
        candidate=outcomes(suite, lengths, [Finish.EOS] * N),
        served=None,
        variant="adapter",
        against="base@fp32",
    )
    (verdict,) = ruled(*margin_comparisons(noisy)).suites
    assert verdict.verdict.value == "UNDECIDED"
    assert "reply_tokens 22.8" in verdict.reason
    assert verdict.needed_n is not None
