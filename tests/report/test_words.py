"""How figures and verdicts are put: never rounder than they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import a_comparison, a_decision, a_flip, a_verdict, pairs

from regress.report.words import (
    examples,
    headline,
    interval,
    movement,
    new_kinds,
    noteworthy,
    p_value,
    points,
    share,
    suites_with,
    visible,
    worst_slices,
)
from regress.schema import Decision, KindCount, Role, Ruling, SliceCounts, SuiteVerdict, Verdict

FAIL = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000, lost=225))
WORSE = a_verdict("sums", Verdict.FAIL, pairs(900, 100, 1000))
OPEN = a_verdict("words", Verdict.UNDECIDED, pairs(50, 48, 60))
HELD = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
GAIN = a_verdict("queue", Verdict.PASS, pairs(100, 300, 400), role=Role.TARGET, margin=None)
MISSED = a_verdict("queue", Verdict.UNDECIDED, pairs(100, 102, 400), role=Role.TARGET, margin=None)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 1000, "0 %"),
        (1000, 1000, "100 %"),
        (1, 100_000, "0.1 %"),  # not 0
        (99_999, 100_000, "99.9 %"),  # not 100
        (9_996, 10_000, "99.9 %"),  # would round to 100.0
        (1, 2, "50.0 %"),
        (796, 1000, "79.6 %"),
        (0, 0, "–"),
    ],
)
def test_a_share_is_0_or_100_only_when_it_is(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_no_share_claims_what_is_not_exact(part: int, whole: int) -> None:
    part = min(part, whole)
    assert (share(part, whole) == "100 %") is (part == whole)
    assert (share(part, whole) == "0 %") is (part == 0)
    assert not share(part, whole).startswith(("0.0", "100.0"))


@pytest.mark.parametrize(
    ("delta", "text"),
    [
        (-0.223, "−22.3"),
        (0.05, "+5.0"),
        (0.1, "+10.0"),  # whose end looks like +0.0
        (0.0, "0.0"),
        (-0.0001, "0.0"),
        (0.0001, "0.0"),
        (-0.0006, "−0.1"),
        (1.0, "+100.0"),
        (-1.0, "−100.0"),
        (None, "–"),
    ],
)
def test_points_have_a_sign_unless_there_are_none(delta: float | None, text: str) -> None:
    assert points(delta) == text


def test_figures_come_with_their_n() -> None:
    assert movement(FAIL.counts) == "994 → 771 of 1000"
    assert interval((-0.245, 0.0)) == "[−24.5, 0.0]"
    assert interval(None) == "–"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "<1e-99"), (1e-120, "<1e-99"), (3.1e-58, "3.1e-58"), (0.0499, "0.05"), (1.0, "1"), (None, "–")],
)
def test_no_p_value_is_zero(p: float | None, text: str) -> None:
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (a_decision(Ruling.PROMOTE, HELD), "may replace the base: every protected suite is within its margin."),
        (a_decision(Ruling.PROMOTE, HELD, GAIN), "within its margin, and queue gained 50.0 points."),
        (
            a_decision(Ruling.REJECT, FAIL, HELD),
            "must not replace the base: json_orders went from 994 to 771 right of 1000.",
        ),
        (
            a_decision(Ruling.REJECT, FAIL, WORSE, OPEN),
            "must not replace the base: sums went from 900 to 100 right of 1000, and json_orders broke its margin too.",
        ),
        (
            a_decision(Ruling.REJECT, WORSE, FAIL, a_verdict("more", Verdict.FAIL, pairs(9, 8, 10))),
            "sums went from 900 to 100 right of 1000, and json_orders, more broke their margins too.",
        ),
        (
            a_decision(Ruling.INCONCLUSIVE, OPEN, HELD, MISSED),
            "is not promoted: words could be within the margin or beyond it.",
        ),
        (
            a_decision(Ruling.INCONCLUSIVE, HELD, MISSED),
            "is not promoted: nothing protected was lost, but queue shows no sufficient gain.",
        ),
        (
            a_decision(Ruling.INCONCLUSIVE, HELD, reasons=("probes (adapter): 1 of 500 zero-tolerance probes failed",)),
            "is not promoted: probes (adapter): 1 of 500 zero-tolerance probes failed.",
        ),
        (
            a_decision(Ruling.REFUSED, reasons=("no check", "no lock.")),
            "adapters/broken: nothing is concluded. no check; no lock.",
        ),
        (a_decision(Ruling.REFUSED, reasons=("no check",), candidate=None), "the candidate: nothing is concluded."),
    ],
)
def test_the_headline_says_what_was_decided_and_why(decision: Decision, sentence: str) -> None:
    assert sentence in headline(decision)
    assert headline(decision).endswith(".")
    assert not headline(decision).endswith("..")


def test_what_changed_comes_worst_first_and_targets_last() -> None:
    decision = a_decision(Ruling.REJECT, GAIN, HELD, OPEN, FAIL, WORSE)
    assert [v.suite for v in noteworthy(decision)] == ["sums", "json_orders", "words", "queue"]
    assert [v.suite for v in suites_with(decision, Verdict.PASS)] == ["facts"]


def test_only_kinds_that_grew_are_new() -> None:
    kinds = [("fenced", 0, 300), ("no_json", 2, 288), ("a", 1, 9), ("b", 1, 2), ("c", 0, 1), ("wrong", 5, 5)]
    rows = tuple(KindCount(kind=kind, base=base, candidate=candidate) for kind, base, candidate in kinds)
    assert new_kinds(a_comparison(FAIL, kinds=rows)) == "fenced 0 → 300, no_json 2 → 288, a 1 → 9, b 1 → 2"
    assert new_kinds(a_comparison(FAIL, kinds=rows[-1:])) == ""


def test_the_slices_that_lost_most_are_named_where_slices_differ() -> None:
    parts = tuple(
        SliceCounts(slice=name, counts=pairs(90, after, 100), p_lost=p)
        for name, after, p in (
            ("a", 89, 0.4),
            ("b", 10, 0),
            ("c", 91, 0.6),
            ("d", 50, 0),
            ("e", 80, 0.05),
            ("f", 70, 0.06),
        )
    )
    told = worst_slices(a_comparison(FAIL, slices=parts))
    assert told == "b 90 → 10 of 100, d 90 → 50 of 100, e 90 → 80 of 100"
    assert worst_slices(a_comparison(FAIL, slices=parts[:1])) == ""
    assert worst_slices(a_comparison(FAIL, slices=(parts[2], parts[2]))) == ""


# --- examples ---------------------------------------------------------------------------------------------------------


def chosen(*losses: tuple[SuiteVerdict, int], count: int = 3) -> list[str]:
    """`suite:item` of what is picked, where each verdict's comparison lost that many items."""
    decision = a_decision(Ruling.REJECT, *(verdict for verdict, _ in losses))
    comparisons = [
        a_comparison(v, a_flip("gained", lost=False), *(a_flip(f"q{k}") for k in range(lost))) for v, lost in losses
    ]
    return [f"{c.suite}:{flip.item}" for c, flip in examples(comparisons, decision, count)]


def test_examples_come_from_different_suites() -> None:
    assert chosen((FAIL, 9), (WORSE, 9), (OPEN, 9)) == ["sums:q0", "json_orders:q0", "words:q0"]
    assert chosen((FAIL, 9), (WORSE, 9)) == ["sums:q0", "json_orders:q0", "sums:q1"]
    assert chosen((FAIL, 9), (WORSE, 1)) == ["sums:q0", "json_orders:q0", "json_orders:q1"]
    assert chosen((FAIL, 9)) == ["json_orders:q0", "json_orders:q1", "json_orders:q2"]


def test_one_variant_speaks_for_a_suite() -> None:
    merged = a_verdict("json_orders", Verdict.FAIL, pairs(994, 700, 1000), variant="merged")
    assert chosen((FAIL, 9), (merged, 1)) == ["json_orders:q0"]  # the worse variant's


def test_there_may_be_none() -> None:
    assert chosen((FAIL, 0)) == []
    assert chosen() == []
    assert chosen((FAIL, 9), (WORSE, 9), (OPEN, 9), count=1) == ["sums:q0"]


def test_losses_of_a_suite_that_held_come_last() -> None:
    assert chosen((HELD, 9), (OPEN, 1)) == ["words:q0", "facts:q0", "facts:q1"]


# --- texts that nobody vouches for ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é ☃ 日本", "plain é ☃ 日本"),
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("a\rb\x00\x07\x7f", "a␍b␀␇␡"),
        ("\x9b31m", "\\u009b31m"),  # CSI in one character
        ("a\u202eb\u2066c\u200b", "a\\u202eb\\u2066c\\u200b"),
        ("a\u2028b\u2029", "a\\u2028b\\u2029"),
        ("\ud800", "\\ud800"),
        ("tab\tnew\nline", "tab→new\nline"),
        ("::error file=x::boo", "∷error file=x∷boo"),
        (":::", "∷:"),
        ("##[error]boo", "## [error]boo"),
        ("##vso[task.setvariable]x ##teamcity[", "## vso[task.setvariable]x ## teamcity["),
        ("a: b :c #[", "a: b :c #["),
    ],
)
def test_controls_are_shown_not_obeyed(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown  # texts pass through here more than once


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde…"),
        ("a\nb", 6, "a⏎b"),
        ("\u202e" * 9, 6, "\\u202…"),
        ("x" * 10**7, 6, "xxxxx…"),
    ],
)
def test_a_limit_is_one_line_of_that_length(text: str, limit: int, shown: str) -> None:
    assert visible(text, limit) == shown


@given(st.text(), st.integers(2, 30))
def test_no_text_gets_through(text: str, limit: int) -> None:
    for shown in (visible(text), visible(text, limit)):
        assert "::" not in shown
        assert "##[" not in shown
        acted_on = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
        assert acted_on <= {"\n"}
    assert len(visible(text, limit)) <= limit
    assert "\n" not in visible(text, limit)
