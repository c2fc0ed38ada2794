"""The terminal page and the summary: what a tired person reads, safe around replies that nobody vouches for."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

import pytest
from hostile_texts import HOSTILE, surrounded
from markdown_it import MarkdownIt
from report_samples import a_comparison, a_decision, a_flip, a_verdict, on_a_terminal, pairs

from regress.report import markdown, terminal
from regress.schema import (
    Candidate,
    Check,
    Decision,
    KindCount,
    Role,
    Ruling,
    SuiteComparison,
    Verdict,
)

FAIL = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000, lost=225), p_fail_holm=2.5e-57)
MERGED = a_verdict("json_orders", Verdict.FAIL, pairs(994, 772, 1000), variant="merged")
OPEN = a_verdict("words", Verdict.UNDECIDED, pairs(50, 48, 60), needed_n=900)
HELD = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
GAIN = a_verdict("queue", Verdict.PASS, pairs(100, 300, 400), role=Role.TARGET, margin=None, min_gain=Decimal("0.05"))
MISSED = a_verdict("queue", Verdict.UNDECIDED, pairs(100, 102, 400), role=Role.TARGET, margin=None)
INFORM = a_verdict("chat", Verdict.FAIL, pairs(100, 2, 400), role=Role.INFORM)


def rendered(decision: Decision, *comparisons: SuiteComparison) -> tuple[str, str]:
    """(terminal, markdown)"""
    return on_a_terminal(terminal.render(decision, comparisons)), markdown.render(decision, comparisons)


REJECTED = (
    a_decision(Ruling.REJECT, FAIL, MERGED, HELD, GAIN, INFORM),
    a_comparison(FAIL, a_flip("q7", candidate_kind="fenced"), kinds=(KindCount(kind="fenced", base=0, candidate=223),)),
    a_comparison(HELD, a_flip("f1")),
)


def test_a_rejection_on_the_terminal() -> None:
    page, _ = rendered(*REJECTED)
    lines = [" ".join(line.split()) for line in page.splitlines()]
    assert page.split()[:5] == ["REJECT", "adapters/broken", "must", "not", "replace"]
    assert "json_orders adapter 994 → 771 of 1000 −22.3 [−24.3, −20.3] −1 FAIL" in lines
    assert "merged 994 → 772 of 1000 −22.2 [−24.2, −20.2] −1 FAIL" in lines
    assert "queue adapter 100 → 300 of 400 +50.0 [+48.0, +52.0] +5 GAIN" in lines
    assert "within the margin: facts −0.1 (adapter)" in page
    assert "json_orders: fenced 0 → 223" in page
    assert "json_orders · q7  prompt of q7" in page
    assert "candidate on q7  fenced" in page
    assert "chat" not in page  # reported only, in verdict.json


def test_a_rejection_in_the_summary() -> None:
    _, page = rendered(*REJECTED)
    assert page.startswith(
        "# ❌ REJECT\n\nadapters/broken must not replace the base: json\\_orders went from 994 to 771"
    )
    assert "| json_orders | adapter | 994 → 771 of 1000 | −22.3 | [−24.3, −20.3] | 1 | 2.5e-57 | **FAIL** |" in page
    assert "Within their margins: facts (adapter, −0.1)" in page
    assert "- json_orders (adapter): fenced 0 → 223" in page
    assert "trained under this lock" in page
    assert "- 1 of 1 checks hold" in page
    assert "chat" not in page


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (a_decision(Ruling.PROMOTE, HELD, GAIN), "may replace the base"),
        (a_decision(Ruling.REJECT, FAIL), "must not replace the base"),
        (a_decision(Ruling.INCONCLUSIVE, OPEN), "is not promoted"),
        (a_decision(Ruling.REFUSED, reasons=("s (adapter) has no evidence",)), "nothing is concluded"),
    ],
)
def test_every_ruling_leads_its_page(decision: Decision, told: str) -> None:
    page, summary = rendered(decision)
    assert page.split()[0] == decision.ruling.value
    assert summary.splitlines()[0].split()[-1] == decision.ruling.value
    assert told in " ".join(page.split())
    assert told in summary
    others = {ruling.value for ruling in Ruling} - {decision.ruling.value}
    assert not any(other in page + summary for other in others)


def test_an_open_decision_lists_what_is_open() -> None:
    reasons = ("words (adapter): 900 items would settle it", "probes (adapter): 1 of 9 zero-tolerance probes failed")
    page, _ = rendered(a_decision(Ruling.INCONCLUSIVE, OPEN, MISSED, reasons=reasons))
    assert "still open" in page
    assert all(f"  {reason}" in page for reason in reasons)
    assert re.search(r"^words .* OPEN$", page, re.MULTILINE)
    assert re.search(r"^queue .* gain +OPEN$", page, re.MULTILINE)


@pytest.mark.parametrize(
    ("known", "told"), [(True, "trained under this lock"), (False, "without a training record"), (None, "without a tr")]
)
def test_an_unrecorded_training_is_said_so(known: bool | None, told: str) -> None:
    candidate = Candidate(kind="adapter", digest="sha256:2", path="a", trained_under_lock=known)
    assert told in markdown.render(a_decision(Ruling.PROMOTE, HELD, candidate=candidate), ())


def test_failed_checks_are_told() -> None:
    checks = (Check(name="parity", ok=False, detail="off by 3"), Check(name="on", ok=True, detail="yes"))
    page = markdown.render(a_decision(Ruling.REFUSED, checks=checks), ())
    assert "- 1 of 2 checks hold\n- check parity failed: off by 3\n" in page


def test_what_was_refused_before_anything_was_read_rests_on_nothing() -> None:
    candidate = Candidate(kind="adapter", digest="", path="a", trained_under_lock=None)
    page = markdown.render(a_decision(Ruling.REFUSED, lock=None, candidate=candidate, checks=()), ())
    assert page == "# ⛔ REFUSED\n\na: nothing is concluded. because.\n"


# --- eighty columns ---------------------------------------------------------------------------------------------------

WIDE = (
    a_decision(
        Ruling.INCONCLUSIVE,
        a_verdict("s" * 64, Verdict.FAIL, pairs(9940, 7710, 10000), variant="adapter@bf16", margin=Decimal("0.015")),
        a_verdict("json_orders", Verdict.UNDECIDED, pairs(9940, 7710, 10000), variant="merged@bf16"),
        a_verdict("held" * 16, Verdict.PASS, pairs(9940, 9941, 10000)),
        candidate=Candidate(kind="adapter", digest="sha256:2", path="deep/" * 40, trained_under_lock=None),
        reasons=("word" * 60, "two words " * 30),
    ),
    a_comparison(
        a_verdict("s" * 64, Verdict.FAIL, pairs(9940, 7710, 10000), variant="adapter@bf16"),
        a_flip(
            "i" * 200,
            prompt="p" * 500,
            base_reply="日本語 " * 100,
            candidate_reply="x" * 10**6,
            candidate_kind="k" * 90,
        ),
        kinds=(KindCount(kind="kind" * 30, base=0, candidate=9),),
    ),
)


@pytest.mark.parametrize("page", [REJECTED, WIDE], ids=["usual", "wide"])
def test_the_terminal_page_fits_eighty_columns(page: tuple[Decision, SuiteComparison]) -> None:
    decision, *comparisons = page
    for line in on_a_terminal(terminal.render(decision, comparisons)).splitlines():
        assert sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line.rstrip()) <= 80, line


def test_no_figure_is_cut_off_on_eighty_columns() -> None:
    decision, *comparisons = WIDE
    page = on_a_terminal(terminal.render(decision, comparisons))
    assert page.count("9940 → 7710 of 10000") == 2
    assert "−1.5  FAIL" in page


# --- hostile texts ----------------------------------------------------------------------------------------------------

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def structure(summary: str) -> list[str]:
    """What Markdown makes of a summary: its blocks and spans in order, without their texts."""
    kinds = []
    for token in READER.parse(summary):
        kinds.append(token.type)
        spans = [child.type for child in token.children or ()]
        kinds += [kind for kind in spans if kind not in ("text", "text_special")]
    return kinds


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_does_nothing_on_a_page(text: str) -> None:
    page, summary = rendered(*surrounded(text))
    for shown, allowed in ((page, ""), (summary, "\u2060")):
        acted_on = {c for c in shown if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}
        assert acted_on <= {"\n", *allowed}
        assert "::" not in shown
        assert not re.search(r"##\w*\[", shown)
        shown.encode("utf-8")
    assert all(len(line) <= 80 for line in page.splitlines())
    assert structure(summary) == structure(rendered(*surrounded("harmless"))[1])
    prose = "".join(token.content for token in READER.parse(summary) if token.type == "inline")
    assert not re.search(r"(?<!\w)@(?!\u2060)", prose)  # nobody is mentioned
    assert not re.search(r"://|\bwww\.|[#!]\d|GH-\d", prose)  # no address, issue or merge request is linked
    assert not any(line.lstrip().startswith("/") for line in summary.splitlines() if not line.startswith("  "))


@pytest.mark.parametrize("run", [0, 1, 2, 3, 4, 10])
def test_a_fence_is_longer_than_any_inside(run: int) -> None:
    decision, comparison = surrounded("a" + "`" * run + "b")
    fences = set(re.findall(r"^(`+)text$", markdown.render(decision, (comparison,)), re.MULTILINE))
    assert fences == {"`" * max(3, run + 1)}


def test_a_long_reply_is_cut_in_the_summary() -> None:
    verdict = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000))
    flip = a_flip("q1", candidate_reply="y" * 10**6)
    page = markdown.render(a_decision(Ruling.REJECT, verdict), (a_comparison(verdict, flip),))
    assert "y" * 600 + "…" in page
    assert "y" * 601 not in page
