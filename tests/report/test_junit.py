"""junit.xml: a case for everything, as schema and readers want it, and all green for a promotion only."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import junitparser
import pytest
from hostile_texts import HOSTILE, surrounded
from report_samples import a_comparison, a_decision, a_flip, a_verdict, pairs

from regress.report import junit
from regress.schema import Beside, Category, Check, Decision, Role, Ruling, SuiteComparison, Verdict

FAIL = a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000), reason="223 lost")
MERGED = a_verdict("json_orders", Verdict.FAIL, pairs(994, 772, 1000), variant="merged")
OPEN = a_verdict("words", Verdict.UNDECIDED, pairs(50, 48, 60), category=Category.CAPABILITY, reason="too few")
HELD = a_verdict("facts", Verdict.PASS, pairs(800, 799, 1000))
INFORM = a_verdict("chat", Verdict.FAIL, pairs(100, 2, 400), role=Role.INFORM)

ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped"},
    "property": {"name", "value"},
    "testcase": {"classname", "name"},
    **{ending: {"type", "message"} for ending in ("failure", "error", "skipped")},
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped", "system-out"},
}
"""What Ant's task, Jenkins' junit-10.xsd and GitLab's parser have in common; all attributes but these are optional."""


def breaches(element: ET.Element) -> Iterator[str]:
    """Where an element is not as all of these schemas say."""
    if set(element.attrib) != ATTRIBUTES.get(element.tag, set()):
        yield f"{element.tag}: {sorted(element.attrib)}"
    for child in element:
        if child.tag not in CHILDREN.get(element.tag, set()):
            yield f"{child.tag} in {element.tag}"
        yield from breaches(child)


def read(decision: Decision, *comparisons: SuiteComparison) -> ET.Element:
    """The file's root, found to keep the schema, with counts that are right and names that are unique."""
    root = ET.fromstring(junit.render(decision, comparisons).encode())
    assert list(breaches(root)) == []
    cases = root.findall(".//testcase")
    for element in (root, *root):
        assert int(element.attrib["tests"]) == len(cases)
        assert int(element.attrib["failures"]) == len(root.findall(".//failure"))
        assert int(element.attrib["errors"]) == len(root.findall(".//error"))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    return root


def endings(root: ET.Element) -> dict[str, str]:
    """How each case ended, by name: 'failure undecided', or 'passed'."""
    found = {}
    for case in root.iter("testcase"):
        ended = [f"{child.tag} {child.get('type')}" for child in case if child.tag != "system-out"]
        assert len(ended) <= 1
        found[str(case.get("name"))] = ended[0] if ended else "passed"
    return found


@pytest.mark.parametrize(
    ("ruling", "verdict", "ended", "why"),
    [
        (Ruling.PROMOTE, HELD, ("passed", "passed"), "the only one that is all green"),
        (Ruling.REJECT, FAIL, ("failure reject", "failure fail"), "lost for certain"),
        (Ruling.INCONCLUSIVE, OPEN, ("failure undecided", "failure undecided"), "exit code 4 is no success"),
        (Ruling.PROMOTE, INFORM, ("passed", "skipped informs"), "only reported, however much was lost"),
        (Ruling.REFUSED, HELD, ("error refused", "passed"), "nothing is concluded"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_how_cases_end(ruling: Ruling, verdict: object, ended: tuple[str, str], why: str) -> None:
    assert why
    root = read(a_decision(ruling, verdict))  # type: ignore[arg-type]
    found = endings(root)
    name = f"{verdict.suite} (adapter)"  # type: ignore[attr-defined]
    assert (found["decision"], found[name], found["adapter-is-on"]) == (*ended, "passed")


def test_a_case_for_every_suite_and_variant() -> None:
    beside = Beside(
        suites=(a_verdict("facts", Verdict.PASS, pairs(9, 9, 10), variant="adapter@nf4", role=Role.INFORM),)
    )
    found = endings(read(a_decision(Ruling.REJECT, FAIL, MERGED, OPEN, HELD, beside=beside)))
    assert found == {
        "decision": "failure reject",
        "adapter-is-on": "passed",
        "json_orders (adapter)": "failure fail",
        "json_orders (merged)": "failure fail",
        "words (adapter)": "failure undecided",
        "facts (adapter)": "passed",
        "facts (adapter@nf4)": "skipped informs",
    }


def test_two_of_one_name_are_told_apart() -> None:
    checks = tuple(Check(name="on", ok=ok, detail="as found") for ok in (True, False, True))
    found = endings(read(a_decision(Ruling.REFUSED, checks=checks)))
    assert found == {"decision": "error refused", "on": "passed", "on #2": "error check", "on #3": "passed"}


def test_a_failure_says_how_much_and_shows_an_item() -> None:
    comparison = a_comparison(FAIL, a_flip("q7", candidate_kind="fenced"))
    failure = read(a_decision(Ruling.REJECT, FAIL), comparison).find(
        ".//testcase[@name='json_orders (adapter)']/failure"
    )
    assert failure is not None
    assert failure.get("message") == "223 lost"
    assert failure.text is not None
    assert "994 → 771 of 1000, change −22.3" in failure.text
    assert "lost: q7\n  prompt: prompt of q7\n" in failure.text


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(text: str) -> None:
    """The same elements with the same counts as with a harmless one, and no byte that XML does not know."""
    decision, comparison = surrounded(text)
    root = read(decision, comparison)
    harmless = read(*surrounded("harmless"))
    assert [element.tag for element in root.iter()] == [element.tag for element in harmless.iter()]
    assert "::" not in junit.render(decision, (comparison,))  # a job may print the file


def test_other_readers_understand_it(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    text = HOSTILE[-2]
    decision, comparison = surrounded(text)
    path.write_text(junit.render(decision, (comparison,)), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(path))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (3, 2, 1, 0)
    assert [case.name for case in suite] == ["decision", "parity", "json_orders (adapter)"]
    assert {type(case.result[0]).__name__ for case in suite} == {"Failure", "Error"}
