"""report.html as text: the verdict first, a policy that fits, nothing from outside, and below a megabyte."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import sys
import unicodedata
import zlib
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from audit_exhibits import a_finding, an_audit
from exhibit_samples import VARIANTS, a_promise, an_answer, an_item, exhibits, lost_item, many_items, prose, rejected
from report_samples import a_comparison, a_decision, a_verdict, pairs

from regress.report.html import breakage, forest, story
from regress.report.html.island import LADDER, WHOLE, Change, change_of, pack
from regress.report.html.page import MOST_BYTES, render
from regress.report.html.texts import cut, seen
from regress.schema import (
    Amendment,
    Curve,
    CurvePoint,
    Exhibits,
    FigureChange,
    KindCount,
    LengthShift,
    Outcome,
    Role,
    Ruling,
    ShownAudit,
    SliceCounts,
    Spread,
    Verdict,
)
from regress.schema.words import Figure
from regress.scorers import Kind

FAIL = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000, lost=225))
OPEN = a_verdict("words", Verdict.UNDECIDED, pairs(50, 48, 60), needed_n=900)
HELD = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
GAIN = a_verdict("queue", Verdict.PASS, pairs(100, 300, 400), role=Role.TARGET, margin=None, min_gain=Decimal("0.05"))
MISSED = a_verdict("queue", Verdict.UNDECIDED, pairs(100, 102, 400), role=Role.TARGET, margin=None)
INFORM = a_verdict("chat", Verdict.FAIL, pairs(100, 2, 400), role=Role.INFORM)


class Page(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.text = ""
        self.feed(page.decode())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in self.raw:
            self.raw[self.inside[-1]].append(data)
        else:
            self.text += data

    def attribute(self, tag: str, name: str, **having: str) -> str:
        found = [given[name] for t, given in self.tags if t == tag and having.items() <= given.items()]
        assert found[0] is not None
        return found[0]


def page_of(*verdicts: Any, ruling: Ruling = Ruling.REJECT, shown: Exhibits | None = None, **changes: Any) -> Page:
    decision = replace(a_decision(ruling, *verdicts), **changes)
    return Page(render(decision, [a_comparison(v) for v in verdicts], shown))


# --- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ruling", "verdicts", "told"),
    [
        (Ruling.REJECT, [FAIL, HELD, GAIN], "✕ REJECT broken must not replace the base. json_orders went from 994 to"),
        (Ruling.PROMOTE, [HELD, GAIN], "✓ PROMOTE broken may replace the base. within every margin, and queue gained"),
        (Ruling.INCONCLUSIVE, [OPEN], "? INCONCLUSIVE broken is not promoted: this is not settled. words could be"),
        (Ruling.REFUSED, [], "⊘ REFUSED broken was not judged: nothing is concluded."),
    ],
)
def test_the_verdict_comes_first(ruling: Ruling, verdicts: list[Any], told: str) -> None:
    page = page_of(*verdicts, ruling=ruling)
    assert told in page.text[:300]
    assert page.attribute("html", "data-ruling") == ruling.value.lower()


def test_a_refusal_needs_no_evidence() -> None:
    page = page_of(ruling=Ruling.REFUSED, reasons=("the lock is gone.",), candidate=None, lock=None)
    assert "the lock is gone" in page.text
    assert "script" not in [tag for tag, _ in page.tags]


def test_digests_training_attempt_and_lock_are_there() -> None:
    page = page_of(FAIL, shown=exhibits(lost_item("q1"), promised=a_promise()))
    assert page.attribute("code", "title", title="sha256:" + "2" * 64)
    for told in ("trained under this lock", "lock111111111111 of 2026-11-20", "json_schema@1", "3.1 / 4.2 / –"):
        assert told in page.text


def test_what_was_lost_and_gained_in_words() -> None:
    comparison = a_comparison(FAIL, kinds=(KindCount(kind="fenced", base=0, candidate=223),))
    decision = a_decision(Ruling.REJECT, FAIL, replace(FAIL, variant="merged"), OPEN, HELD, GAIN)
    lost = {told.suite: told for told in story.lost(decision, [comparison])}
    assert list(lost) == ["json_orders", "words"]
    assert lost["json_orders"].text == "994 → 771 of 1000 right; no more than 1 point allowed"
    assert lost["json_orders"].how == "JSON inside a code fence 0 → 223"
    assert lost["json_orders"].variants == "adapter and merged"
    assert "900 items would settle it" in lost["words"].text
    (gain,) = story.gained(decision)
    assert (gain.suite, gain.amount, gain.text) == ("queue", "+50.0", "100 → 300 of 400 right; 5 points asked")


@pytest.mark.parametrize(
    ("verdict", "is_lost", "is_gained"),
    [
        (HELD, False, False),
        (replace(HELD, p_lost=0.001), True, False),  # for certain, be it within the margin
        (replace(HELD, ci90=(0.01, 0.03), delta=0.02), False, True),
        (replace(HELD, ci90=(0.0, 0.03), delta=0.02), False, False),  # may be nothing
        (MISSED, False, True),  # what was to be gained, and is open
        (INFORM, False, False),
    ],
)
def test_who_is_told_of(verdict: Any, is_lost: bool, is_gained: bool) -> None:
    decision = a_decision(Ruling.REJECT, verdict)
    assert (bool(story.lost(decision, [])), bool(story.gained(decision))) == (is_lost, is_gained)


def test_every_failure_kind_has_words() -> None:
    harness = {Kind.SCORER_ERROR, Kind.NO_REPLY, Kind.OVER_BUDGET}  # of no sealed run
    assert set(breakage.KINDS) == {kind.value for kind in set(Kind) - harness}


def test_where_it_broke() -> None:
    slices = (
        SliceCounts(slice="short", counts=pairs(50, 48, 50), p_lost=0.4),
        SliceCounts(slice="long", counts=pairs(50, 5, 50), p_lost=1e-9),
    )
    comparisons = [
        a_comparison(
            replace(FAIL, variant=variant), kinds=(KindCount(kind="no_json", base=1, candidate=60),), slices=slices
        )
        for variant in VARIANTS[1:]
    ]
    (block,) = breakage.kind_blocks(a_decision(Ruling.REJECT, FAIL), comparisons)
    assert (block.variants, block.rows[0].words, block.rows[0].base_share) == (
        "adapter and merged",
        "no JSON at all",
        100 / 60,
    )
    worst, other = breakage.slice_rows(comparisons)
    assert (worst.slice, worst.certain, worst.amount) == ("long", True, "−90.0")
    assert (other.slice, other.certain) == ("short", False)
    spread = Spread(low=1, middle=10, high=20)
    shifts = [LengthShift(suite="s", variant=v, n=9, base=spread, candidate=replace(spread, high=40)) for v in "ab"]
    (row,) = breakage.length_rows(shifts)
    assert (row.variants, row.base_at, row.candidate_at) == ("a and b", (2.5, 25.0, 50.0), (2.5, 25.0, 100.0))


def test_curves_audit_and_amendments_are_shown() -> None:
    points = tuple(CurvePoint(step=s, delta=-s / 100, forgotten=s == 30) for s in (10, 20, 30))
    history = (
        Amendment(lock="sha256:a", created="2026-11-19", why="first lock", changes=()),
        Amendment(lock="sha256:b", created="2026-11-20", why="more items", changes=("suite words is new",)),
    )
    shown = exhibits(
        lost_item("q1"),
        promised=a_promise(history=history),
        curves=(Curve(suite="words", role="protect", n=60, margin=0.03, points=points),),
        audit=ShownAudit(place="reports/audit.json", is_locked=False, audit=an_audit(a_finding())),
        notes=("a note",),
    )
    page = page_of(FAIL, shown=shown)
    for told in (
        "words −30.0 60 probes",
        "block 40 rows twice",
        "row 7xrow 3",
        "reports/audit.json",
        "amended 1 time",
        "more items",
        "a note",
    ):
        assert told in page.text
    assert [given.get("class") for tag, given in page.tags if tag in ("circle", "path")].count("certain") == 1
    broken = ShownAudit(place="reports/audit.json", is_locked=False, fault="audit.json cannot be read")
    assert "audit.json cannot" in page_of(FAIL, shown=exhibits(audit=broken)).text


@pytest.mark.parametrize(
    ("is_locked", "trained", "told"),
    [
        (True, True, "The candidate learned from this data."),
        (True, False, "The candidate learned from other data than this."),
        (True, None, "Whether the candidate learned from this data is not known."),
        (False, None, "nothing says that the candidate learned from this data"),
    ],
)
def test_an_audit_says_whose_it_is(is_locked: bool, trained: bool | None, told: str) -> None:
    candidate = a_decision(Ruling.REJECT, FAIL).candidate
    assert candidate is not None
    shown = ShownAudit(place="baselines/audit.json", is_locked=is_locked, audit=an_audit(a_finding()))
    page = page_of(FAIL, shown=exhibits(audit=shown), candidate=replace(candidate, trained_as_audited=trained))
    assert told in page.text and "baselines/audit.json" in page.text


# --- the forest plot --------------------------------------------------------------------------------------------------


def test_the_plot_is_in_the_page_and_told_to_those_who_cannot_see_it() -> None:
    page = page_of(FAIL, HELD, GAIN, OPEN, INFORM)
    told = [given["aria-label"] for tag, given in page.tags if tag == "svg" and given.get("role") == "img"]
    assert "json_orders, adapter: −22.3, interval [−24.3, −20.3], bound −1" in told
    words = re.findall(r"FAIL|PASS|GAIN|OPEN|–(?= )", page.text)
    assert {"FAIL", "PASS", "GAIN", "OPEN"} <= set(words)


def test_places_keep_the_order_of_the_numbers() -> None:
    (plot,) = forest.forests([FAIL, HELD, GAIN, OPEN], a_promise().suites)
    by_suite = {row.suite: row for row in plot.rows}
    lost, held = by_suite["json_orders"], by_suite["facts"]
    assert lost.low is not None and lost.x is not None and lost.high is not None and held.x is not None
    assert (
        0 < lost.low < lost.x < lost.high < (lost.bound_x or 0) < held.x < plot.zero < (by_suite["queue"].x or 0) < 100
    )
    assert lost.catches == "3.1 / 4.2"
    assert (lost.catches_x or 100) < (lost.bound_x or 0)  # a drop beyond the margin
    assert [tick.x for tick in plot.ticks] == sorted(tick.x for tick in plot.ticks)
    assert next(tick.label for tick in plot.ticks if tick.x == plot.zero) == "0"


@pytest.mark.parametrize(
    ("verdict", "mark"),
    [
        (FAIL, forest.Mark.LOST),
        (HELD, forest.Mark.HELD),
        (OPEN, forest.Mark.OPEN),
        (GAIN, forest.Mark.GAINED),
        (MISSED, forest.Mark.OPEN),
        (INFORM, forest.Mark.TOLD),  # whatever its verdict
    ],
)
def test_each_verdict_has_its_mark(verdict: Any, mark: forest.Mark) -> None:
    assert forest.mark_of(verdict) is mark


def test_what_has_no_interval_is_a_row_without_a_drawing() -> None:
    (plot,) = forest.forests([replace(FAIL, delta=None, ci90=None)])
    assert (plot.rows[0].x, plot.rows[0].low, plot.rows[0].amount) == (None, None, "–")
    assert page_of(replace(FAIL, delta=None, ci90=None)).text


def test_relative_figures_have_a_plot_of_their_own() -> None:
    change = FigureChange(figure=Figure.LATENCY, base=0.4, candidate=0.6, n=20, change=0.5, ci90=(0.4, 0.6))
    slow = a_verdict("served", Verdict.FAIL, pairs(20, 20, 20), figure=change, delta=-0.5, ci90=(-0.6, -0.4))
    points, percent = forest.forests([FAIL, slow])
    assert (points.unit, percent.unit) == ("points", "percent of the base's figure")
    assert percent.rows[0].amount == "−50 %"


# --- what may run, and what is asked for ------------------------------------------------------------------------------


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_names_exactly_what_is_in_the_page() -> None:
    page = page_of(FAIL, shown=exhibits(lost_item("q1")))
    policy = page.attribute("meta", "content", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    (style,), (_, script) = page.raw["style"], page.raw["script"]
    assert rules["default-src"] == "'none'"
    assert (rules["style-src"], rules["script-src"]) == (hashed(style), hashed(script))
    assert "unsafe" not in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|XMLHttp|</", script)


def test_nothing_points_outside() -> None:
    page = page_of(FAIL, shown=exhibits(lost_item("q1"), promised=a_promise()))
    for tag, given in page.tags:
        for name in ("src", "href", "action", "data", "srcset", "poster", "formaction", "ping"):
            if value := given.get(name):
                assert value.startswith(("#", "data:image/svg+xml,")), (tag, value)
        assert not [name for name in given if name.startswith("on") or name == "style"]
    assert "url(" not in "".join(page.raw["style"])
    assert "@import" not in "".join(page.raw["style"])


def test_the_same_evidence_gives_the_same_bytes() -> None:
    shown = exhibits(*many_items(50, words=10), promised=a_promise())
    assert render(*rejected(), shown) == render(*rejected(), shown)


# --- the packed items -------------------------------------------------------------------------------------------------


def unpacked(payload: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(payload)))
    return found


def test_items_are_packed_whole_where_there_is_room() -> None:
    broken = an_answer(Outcome.FAIL, "x" * 5000, kind="no_json", detail="no document", right=-1.23456)
    island = pack(exhibits(an_item("q1", an_answer(right=float("nan")), broken, broken, slice="en")), 10_000)
    assert island.is_whole
    found = unpacked(island.payload)
    assert found["text"] == [["yes"], ["x" * 5000], [1]]  # the merged model said what the adapter said
    assert found["outcome"] == ["p", "f", "f"]
    assert found["right"] == [[None], [-1.235], [-1.235]]
    assert (found["kinds"], found["kind"]) == (["no_json"], [[-1], [0], [0]])
    assert (found["slices"], found["slice"], found["detail"][1]) == (["en"], [0], ["no document"])


def test_an_item_that_was_not_asked_has_no_answer() -> None:
    found = unpacked(pack(exhibits(an_item("q1", an_answer(), None, an_answer())), 10_000).payload)
    assert (found["outcome"], found["text"]) == (["p", "-", "p"], [["yes"], [None], [0]])


@pytest.mark.parametrize(
    ("answers", "change"),
    [
        ((an_answer(), an_answer(), an_answer()), Change.SAME),
        ((an_answer(), an_answer(text="no"), an_answer()), Change.CHANGED),
        ((an_answer(Outcome.FAIL, kind="a"), an_answer(Outcome.FAIL, kind="b"), None), Change.CHANGED),
        ((an_answer(), None, None), Change.SAME),
        ((an_answer(), an_answer(text="no"), an_answer(Outcome.NO_ANSWER)), Change.FLIPPED),
        ((an_answer(Outcome.FAIL), an_answer(), an_answer(Outcome.FAIL)), Change.FLIPPED),
    ],
)
def test_how_much_of_an_item_is_news(answers: Any, change: Change) -> None:
    assert change_of(an_item("q1", *answers), (0, 0, 0)) is change


@pytest.mark.parametrize("words", [20, 250])
def test_ten_thousand_items_are_below_a_megabyte(words: int) -> None:
    """Whose replies have 100 and 1,200 characters; what flipped is cut least."""
    page = render(*rejected(), exhibits(*many_items(10_000, words=words), promised=a_promise()))
    assert 600_000 < len(page) < MOST_BYTES
    assert "texts are cut: to" in Page(page).text


def test_items_are_left_out_only_when_there_is_no_other_way() -> None:
    items = [*many_items(400, words=3), *(lost_item(f"lost {n}") for n in range(20))]
    tight = pack(exhibits(*items), 2_500)
    assert (tight.limits, tight.shown + tight.left_out) == (LADDER[-1], 420)
    assert 0 < tight.left_out < 420
    assert len(tight.payload) <= 2_500
    found = unpacked(tight.payload)
    assert set(found["outcome"][1]) == {"f"}  # what did not flip went first
    assert pack(exhibits(*items), 1_000_000).limits == WHOLE


def test_what_surrounds_the_difference_survives_the_cut() -> None:
    """Both replies begin alike for thousands of characters: cut at the front they would look the same."""
    rng = random.Random(3)
    items = []
    for number in range(60):
        same = prose(rng, 600)
        answers = (an_answer(text=f"{same} LEFT {same}"), an_answer(Outcome.FAIL, f"{same} RIGHT {same}"), None)
        items.append(an_item(f"q{number}", *answers))
    island = pack(exhibits(*items), 40_000)
    assert island.limits < WHOLE
    before, now, _ = unpacked(island.payload)["text"]
    for parts, word in [*((parts, "LEFT") for parts in before), *((parts, "RIGHT") for parts in now)]:
        assert any(word in part for part in parts if isinstance(part, str))
        assert sum(part if isinstance(part, int) else 0 for part in parts) > 1000


def test_the_ladder_only_goes_down() -> None:
    assert all(all(b <= a for a, b in zip(*pair, strict=True)) for pair in pairwise(LADDER))


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit", "focus", "shown"),
    [
        ("short", 100, 0, "short"),
        ("x" * 120, 100, 0, "x" * 120),  # a few more are not worth a cut
        ("x" * 200, 100, 0, ["x" * 100, 100]),
        ("a" * 500 + "b" * 500, 90, 500, ["a" * 30, 455, "a" * 15 + "b" * 45, 455]),
        ("a" * 500 + "b" * 20, 90, 510, ["a" * 30, 430, "a" * 40 + "b" * 20]),  # up to the end, with nothing behind it
        ("a" * 90, 0, 0, [90]),
        ("", 0, 0, ""),
    ],
)
def test_where_a_text_is_cut(text: str, limit: int, focus: int, shown: Any) -> None:
    assert cut(text, limit, focus) == shown
    if isinstance(shown, list):
        assert sum(part if isinstance(part, int) else len(part) for part in shown) == len(text)


def test_everything_invisible_is_shown() -> None:
    """Every control, format, surrogate and private character but the line feed, and nothing else."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        hidden = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and character != "\n"
        assert (seen(character) != character) is hidden, hex(code)


def test_no_payload_becomes_a_tag() -> None:
    page = page_of(
        FAIL, reasons=("<b>",), candidate=None, shown=exhibits(notes=("</p><script>x()</script>", "{{ 7*7 }}"))
    )
    assert "</p><script>x()</script> {{ 7*7 }}" in page.text
    assert "script" not in [tag for tag, _ in page.tags]
