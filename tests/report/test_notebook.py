"""Fragments for notebooks: a plot for every verdict, nothing from outside, and hostile texts stay texts."""

from __future__ import annotations

from decimal import Decimal
from xml.etree import ElementTree

import pytest
from report_samples import a_decision, a_verdict, pairs

from regress.report import notebook
from regress.schema import Candidate, Role, Ruling, Verdict

HOSTILE = "</text></svg><script>alert(1)</script><img src=x onerror=alert(1)> & \u202e \x1b[31m"
LOST = a_verdict("json_records", Verdict.FAIL, pairs(994, 771, 1000))
GAINED = a_verdict(
    "support",
    Verdict.PASS,
    pairs(0, 330, 400),
    role=Role.TARGET,
    margin=None,
    min_gain=Decimal("0.3"),
    variant="merged",
)
EMPTY = a_verdict("words", Verdict.UNDECIDED, pairs(5, 5, 10), delta=None, ci90=None)


def parsed(fragment: str) -> ElementTree.Element:
    """As XML, so that anything that broke out of its place is a syntax error or an element that nobody wrote."""
    return ElementTree.fromstring(fragment)


def elements(root: ElementTree.Element) -> set[str]:
    return {element.tag.rpartition("}")[2] for element in root.iter()}


def test_every_suite_has_a_row_with_its_interval_and_its_figure() -> None:
    root = parsed(notebook.decision(a_decision(Ruling.REJECT, LOST, GAINED, EMPTY)))
    text = " ".join("".join(root.itertext()).split())
    for part in ("REJECT", "−22.3 FAIL", "+82.5 GAIN", "994 → 771 of 1000", "[−24.3, −20.3]", "json_records adapter"):
        assert part in text
    rows = [e for e in root.iter() if e.tag.endswith("}g")]
    shapes = [len([e for e in row if e.tag.endswith("}path")]) for row in rows]
    assert sorted(shapes) == [1, 3, 3]  # bound, interval, mark; a suite without figures has its bound only


def test_a_refusal_has_no_plot() -> None:
    assert "<svg" not in notebook.decision(a_decision(Ruling.REFUSED, lock=None, candidate=None))


@pytest.mark.parametrize("name", ["suite", "variant", "reason"])
def test_hostile_texts_stay_texts(name: str) -> None:
    verdict = a_verdict("s", Verdict.FAIL, pairs(10, 5, 20), **({} if name == "suite" else {name: HOSTILE}))
    if name == "suite":
        verdict = a_verdict(HOSTILE, Verdict.FAIL, pairs(10, 5, 20))
    path = Candidate(kind="adapter", digest="sha256:2", path=HOSTILE, trained_under_lock=None)
    for fragment in (
        notebook.decision(a_decision(Ruling.REJECT, verdict, candidate=path)),
        notebook.difference([verdict]),
    ):
        root = parsed(fragment)
        wanted = {"div", "p", "b", "svg", "title", "text", "tspan", "path", "g"}
        assert elements(root) <= wanted | {"details", "summary", "table", "thead", "tbody", "tr", "th", "td"}
        assert {key for e in root.iter() for key in e.attrib if key.startswith("on") or key == "src"} == set()
        assert "\u202e" not in fragment
        assert "\x1b" not in fragment


def test_the_line_counts() -> None:
    assert notebook.difference_line([LOST]) == "1 suite compared, 1 lost more than the margin"
    assert notebook.difference_line([LOST, GAINED]) == "2 suites compared, 1 lost more than the margin"
