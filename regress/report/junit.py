"""junit.xml: what CI servers show as tests. One case for the decision, each check, and each suite × variant.

Only a promotion is all green. An UNDECIDED suite is a failure of the type `undecided`, not a skipped test: the job's
exit code is no 0 then, and a server that shows skipped tests in green would say otherwise. A REFUSED decision and a
broken check are errors. What was only reported decides nothing and is skipped. Elements and attributes are those that
the Ant task's and Jenkins' schemas (junit-10.xsd) have in common; times are left out, since a verdict takes none.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from regress.report.words import (
    BESIDE,
    amount,
    examples,
    headline,
    moved,
    new_kinds,
    p_value,
    spread,
    visible,
    worst_slices,
)
from regress.schema import Check, Decision, Role, Ruling, SuiteComparison, SuiteVerdict, Verdict

JUNIT = "junit.xml"
MESSAGE_LIMIT = 500
REPLY_LIMIT = 300

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Ending(StrEnum):
    """The element that says how a case ended; one that passed has none."""

    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test case; `group` and `name` together are unique in the file."""

    group: str
    name: str
    ending: Ending | None = None  # None: passed
    kind: str = ""  # the ending's type, from fixed words
    message: str = ""
    details: tuple[str, ...] = ()


_RULINGS: dict[Ruling, tuple[Ending | None, str]] = {
    Ruling.PROMOTE: (None, ""),
    Ruling.REJECT: (Ending.FAILURE, "reject"),
    Ruling.INCONCLUSIVE: (Ending.FAILURE, "undecided"),
    Ruling.REFUSED: (Ending.ERROR, "refused"),
}
_VERDICTS: dict[Verdict, tuple[Ending | None, str]] = {
    Verdict.PASS: (None, ""),
    Verdict.FAIL: (Ending.FAILURE, "fail"),
    Verdict.UNDECIDED: (Ending.FAILURE, "undecided"),
}


def render(decision: Decision, comparisons: Sequence[SuiteComparison]) -> str:
    """The file's text: one `testsuite` with everything in it."""
    found = list(cases(decision, comparisons))
    counts = Counter(case.ending for case in found)
    who = f"regress {decision.candidate.path}" if decision.candidate else "regress"
    totals = {"tests": len(found), "failures": counts[Ending.FAILURE], "errors": counts[Ending.ERROR]}
    root = ET.Element("testsuites", {"name": "regress", **{name: str(count) for name, count in totals.items()}})
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _text(visible(who, 200)),
            **{name: str(count) for name, count in totals.items()},
            "skipped": str(counts[Ending.SKIPPED]),
        },
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(decision):
        ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for case in found:
        _write(suite, case)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def cases(decision: Decision, comparisons: Sequence[SuiteComparison]) -> Iterator[Case]:
    """All cases in order, the decision first; of two with one name the second gets a number."""
    seen: Counter[tuple[str, str]] = Counter()
    for case in _cases(decision, comparisons):
        named = (case.group, case.name)
        seen[named] += 1
        yield case if seen[named] == 1 else replace(case, name=f"{case.name} #{seen[named]}")


def _cases(decision: Decision, comparisons: Sequence[SuiteComparison]) -> Iterator[Case]:
    ending, kind = _RULINGS[decision.ruling]
    yield Case(
        group="regress.decision",
        name="decision",
        ending=ending,
        kind=kind,
        message=headline(decision),
        details=decision.reasons,
    )
    yield from (_check(check) for check in decision.checks)
    by_name = {(c.suite, c.variant): c for c in comparisons}
    for verdict in decision.suites:
        yield _suite(decision, verdict, by_name.get((verdict.suite, verdict.variant)))
    if decision.beside is not None:
        yield from (_reported(verdict, BESIDE) for verdict in decision.beside.suites)


def _check(check: Check) -> Case:
    return Case(
        group="regress.checks",
        name=check.name,
        ending=None if check.ok else Ending.ERROR,
        kind="check",
        message=check.detail,
    )


def _suite(decision: Decision, verdict: SuiteVerdict, comparison: SuiteComparison | None) -> Case:
    if verdict.role is Role.INFORM:
        return _reported(verdict, "only reported: it decides nothing")
    ending, kind = _VERDICTS[verdict.verdict]
    details = _counted(verdict)
    if ending is not None and comparison is not None:
        details += _broken(decision, comparison)
    return Case(
        group=f"regress.{verdict.category.value}",
        name=f"{verdict.suite} ({verdict.variant})",
        ending=ending,
        kind=kind,
        message=verdict.reason,
        details=details,
    )


def _reported(verdict: SuiteVerdict, why: str) -> Case:
    return Case(
        group=f"regress.{verdict.category.value}",
        name=f"{verdict.suite} ({verdict.variant})",
        ending=Ending.SKIPPED,
        kind="informs",
        message=why,
        details=_counted(verdict),
    )


def _counted(verdict: SuiteVerdict) -> tuple[str, ...]:
    return (
        f"{verdict.against} → {verdict.variant}: {moved(verdict)}, change {amount(verdict)}, "
        f"90 % interval {spread(verdict)}, p (FAIL, Holm) {p_value(verdict.p_fail_holm)}",
    )


def _broken(decision: Decision, comparison: SuiteComparison) -> tuple[str, ...]:
    """How it fails now, where, and a few items."""
    lines = []
    if kinds := new_kinds(comparison):
        lines.append(f"how it fails now: {kinds}")
    if slices := worst_slices(comparison):
        lines.append(f"worst slices: {slices}")
    for _, flip in examples([comparison], decision):
        lines.append(f"lost: {visible(flip.item, 80)}")
        for label, text in (
            ("prompt", flip.prompt),
            (comparison.against, flip.base_reply),
            (comparison.variant, flip.candidate_reply),
        ):
            lines.append(f"  {label}: {visible(text, REPLY_LIMIT)}")
    return tuple(lines)


def _properties(decision: Decision) -> Iterator[tuple[str, str]]:
    yield "decision", decision.ruling.value
    if decision.lock:
        yield "lock", decision.lock
    if decision.candidate and decision.candidate.digest:
        yield "candidate", decision.candidate.digest


def _write(suite: ET.Element, case: Case) -> None:
    written = ET.SubElement(suite, "testcase", {"classname": case.group, "name": _text(visible(case.name, 200))})
    details = "\n".join(_text(visible(line)) for line in case.details)
    if case.ending is None:
        if details:
            ET.SubElement(written, "system-out").text = details
        return
    ending = ET.SubElement(
        written, case.ending.value, {"type": case.kind, "message": _text(visible(case.message, MESSAGE_LIMIT))}
    )
    ending.text = details or None


def _text(text: str) -> str:
    """Text that XML 1.0 can hold; what it cannot is shown."""
    return _NO_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
