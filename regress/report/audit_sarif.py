"""An audit as SARIF 2.1.0 for code scanning (OASIS standard of 2020): a rule a kind, a result a row that shows it.

Bounded as GitHub reads it: it shows the 5,000 results that weigh most, and takes 10 MB packed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from json import dumps
from typing import Any
from urllib.parse import quote

from regress.report.verdict_json import plain
from regress.report.words import visible
from regress.schema import Audit, Evidence, Finding, Severity

LEVEL = {Severity.BLOCK: "error", Severity.WARN: "warning", Severity.NOTE: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 5_000
_MOST_TEXT = 200  # characters of a row
_MOST_SENTENCES = 1_000
_WHOLE = (Evidence(row=0, text=""),)  # where no row shows it


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A file in the repository, and the line where that is known."""

    uri: str
    line: int | None = None


Locate = Callable[[int], Location | None]
"""Where the row of this number lies, 0 for the data as a whole; None where it is in no file of the repository."""


def as_object(audit: Audit, locate: Locate) -> dict[str, Any]:
    """The log with one run; what weighs most comes first, and what is beyond MOST_RESULTS is left out."""
    rules: dict[str, Finding] = {}
    for finding in audit.findings:
        rules.setdefault(finding.rule, finding)
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "regress audit",
                        "fullName": "regress audit: training data before it is trained on",
                        "semanticVersion": audit.tool.rpartition(" ")[2],
                        "rules": [_rule(finding) for finding in rules.values()],
                    }
                },
                "invocations": [
                    {
                        "executionSuccessful": True,
                        "endTimeUtc": audit.created,
                        "toolExecutionNotifications": [
                            {"level": "note", "message": {"text": _message(f"not checked: {one.check}: {one.reason}")}}
                            for one in audit.skipped
                        ],
                    }
                ],
                "columnKind": "unicodeCodePoints",
                "properties": {"data": audit.data.digest, "lock": audit.lock},
                "results": list(islice(_results(audit, list(rules), locate), MOST_RESULTS)),
            }
        ],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.rule,
        "shortDescription": {"text": f"{finding.rule.replace('/', ': ').replace('-', ' ')}."},
        "fullDescription": {"text": _message(finding.detail or finding.title)},
        "help": {"text": _message(finding.advice or finding.title)},
        "defaultConfiguration": {"level": LEVEL[finding.severity]},
        "properties": {"tags": ["training-data", finding.check]},
    }


def _results(audit: Audit, rules: list[str], locate: Locate) -> Iterator[dict[str, Any]]:
    known: Counter[str] = Counter()
    for finding in audit.findings:
        for one in finding.evidence or _WHOLE:
            same = _fingerprint(finding, one)
            known[same] += 1
            result = _result(finding, one, rules.index(finding.rule))
            result["partialFingerprints"] = {"primaryLocationLineHash": f"{same}:{known[same]}"}
            if not one.source and (place := locate(one.row)) is not None:
                result["locations"] = [_location(place)]
            yield result


def _result(finding: Finding, one: Evidence, index: int) -> dict[str, Any]:
    beside = "".join(f" ({text})" for text in (one.item, one.detail) if text)
    said = f": {visible(one.text, _MOST_TEXT)}" if one.text else ""
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "message": {"text": _message(f"{finding.title}.{beside}{said}")},
        "properties": {"count": finding.count, "of": finding.of, "suite": finding.suite, "row": one.row},
    }


def _fingerprint(finding: Finding, one: Evidence) -> str:
    """The same for the same finding in the same words: an alert stays the same where rows move or counts change."""
    item = one.item if one.item is not None and not one.item.startswith("row ") else None
    named = dumps([finding.rule, finding.suite, one.source, one.text, item])
    return sha256(named.encode()).hexdigest()[:16]


def _location(place: Location) -> dict[str, Any]:
    region = {} if place.line is None else {"region": {"startLine": place.line}}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(plain(place.uri), safe="/")}, **region}}


def _message(text: str) -> str:
    """SARIF viewers read [text](link) in messages, where brackets are escaped by a backslash (section 3.11.6)."""
    shown = visible(text, _MOST_SENTENCES)
    return plain(shown.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]"))
