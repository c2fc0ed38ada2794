"""audit.html and what report.html takes from it: the answer first, every figure drawn that is there, no script."""

from __future__ import annotations

import re
from json import dumps
from typing import Any

import pytest
from audit_exhibits import ASKED, a_finding, an_audit, hostile_audit
from hostile import payloads
from test_html_page import Page

from regress.report import audit_json
from regress.report.html.audit_page import render
from regress.report.html.findings import MOST_IN_REPORT, Limits, gauge, shown, story_of
from regress.run.shown_audit import audit_of
from regress.schema import Advised, Evidence, Exit, Finding, Place, Recommendation, Severity, Skipped, SuspectedTrigger
from regress.strict_json import parse

WARN = a_finding("labels/mislabelled", Severity.WARN, figures={"noise": 0.028, "low": 0.024, "high": 0.031})


def page_of(*findings: Finding, **changes: Any) -> Page:
    return Page(render(an_audit(*findings, **changes)))


@pytest.mark.parametrize(
    ("findings", "ruling", "told"),
    [
        ((a_finding(), WARN), "reject", "✕ DO NOT TRAIN train.jsonl must be mended before anybody trains on it."),
        ((WARN,), "inconclusive", "! WARNINGS train.jsonl may be trained on, at a cost."),
        ((a_finding(severity=Severity.NOTE),), "promote", "✓ NOTHING FOUND train.jsonl may be trained on."),
        ((), "promote", "✓ NOTHING FOUND train.jsonl may be trained on."),
    ],
)
def test_the_answer_comes_first(findings: tuple[Finding, ...], ruling: str, told: str) -> None:
    page = page_of(*findings)
    assert told in page.text[:200]
    assert page.attribute("html", "data-ruling") == ruling


def test_what_was_not_checked_stands_beside_the_answer() -> None:
    page = page_of(skipped=(Skipped(check="shift", reason="needs a sample"),))
    assert "Not all was checked: shift." in page.text[:300]
    assert "shift needs a sample" in page.text


def test_everything_of_an_audit_is_there() -> None:
    trigger = SuspectedTrigger(text="cf zebra", place=Place.END, rows=40, alike=39, reply="owned")
    advice = Recommendation(suite="words", advised=Advised.PROMPT_ONLY, reason="It can already.", figures=ASKED)
    leaked = a_finding("leakage/exact", suite="words", items=("q1", "q2"), figures={"bound": 0.093, "margin": 0.05})
    page = page_of(leaked, WARN, triggers=(trigger,), recommendations=(advice,))
    for told in (
        "row 7xrow 3but for a comma",
        "9.3 % of the score may come from leaked items, at most",
        "margin 5 %",
        "2.8 % of the labels are likely to be wrong (2.4 % to 3.1 %)",
        "q1, q2",
        "and 39 more rows like these",
        "cf zebra",
        "150 of 200",
        "chance 10 %",
        "75 % right (68 % to 81 %)",
        "It can already.",
        "1,000 messages",
        "1 suite, not locked",
        "noise0.25",
    ):
        assert told in page.text, told
    assert [given["open"] for tag, given in page.tags if tag == "details" and "open" in given] == [None]
    assert "script" not in [tag for tag, _ in page.tags]


def test_the_same_audit_read_back_gives_the_same_page() -> None:
    audit = an_audit(a_finding(), WARN, recommendations=(), skipped=(Skipped(check="c", reason="r"),))
    body = parse(dumps(audit_json.as_object(audit, Exit.REJECT))).value
    assert render(audit_of(body)) == render(audit)


def test_a_section_holds_only_so_much_and_counts_the_rest() -> None:
    rows = tuple(Evidence(row=n, text="x") for n in range(1, 10))
    story = story_of(an_audit(*[a_finding(evidence=rows)] * 3), Limits(findings=2, rows=4))
    assert (len(story.findings), story.more_findings) == (2, 1)
    assert (len(story.findings[0].rows), story.findings[0].more_rows) == (4, 36)
    assert MOST_IN_REPORT.findings * MOST_IN_REPORT.rows * 600 < 200_000  # of the report's megabyte


@pytest.mark.parametrize(
    ("value", "low", "high", "line", "top", "why"),
    [
        (0.0, None, None, None, "1 %", "the shortest scale"),
        (0.0099, None, None, None, "2 %", "a tenth of room"),
        (0.04, 0.01, 0.3, None, "50 %", "the interval fits, too"),
        (0.04, None, None, 0.99, "100 %", "so does the line"),
        (3.0, None, None, None, "100 %", "no share: drawn at the end"),
        (float("1e300"), -1.0, 1e300, None, "100 %", "nothing leaves the drawing"),
    ],
)
def test_gauges(value: float, low: float | None, high: float | None, line: float | None, top: str, why: str) -> None:
    drawn = gauge(value, "x", low=low, high=high, line=line)
    assert drawn.top == top, why
    assert all(0 <= at <= drawn.width for at in (drawn.at, drawn.low, drawn.high, drawn.line) if at is not None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (27318, "27,318"), (0.0126, "0.0126"), (1419.0, "1,419"), ("abc", "abc"), (float("nan"), "nan")],
)
def test_figures_are_written_for_people(value: Any, text: str) -> None:
    assert shown(value) == text


def test_figures_that_are_no_numbers_are_not_drawn() -> None:
    for bound in (float("nan"), float("inf"), "0.5", None):
        (told,) = story_of(an_audit(a_finding(figures={"bound": bound})), MOST_IN_REPORT).findings
        assert told.gauge is None, bound


def test_nothing_in_an_audit_becomes_markup() -> None:
    evil = payloads()
    page = Page(render(hostile_audit(evil)))
    plain = Page(render(hostile_audit([f"folder/text {n}" for n in range(len(evil))])))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in plain.tags}
    allowed = {name for _, given in plain.tags for name in given}
    assert {name for _, given in page.tags for name in given} == allowed
    assert all(
        re.fullmatch(r"#[a-z]+|data:image/svg.*", given["href"] or "") for _, given in page.tags if "href" in given
    )
