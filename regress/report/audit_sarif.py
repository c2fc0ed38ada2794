"""An audit as SARIF 2.1.0 for code scanning (OASIS standard of 2020): a rule a kind, a result a row that shows it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from regress.report.verdict_json import plain
from regress.report.words import visible
from regress.schema import Audit, Evidence, Finding, Severity

LEVEL = {Severity.BLOCK: "error", Severity.WARN: "warning", Severity.NOTE: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_object(audit: Audit, uri: str | None) -> dict[str, Any]:
    """The log with one run. `uri` is where the data lies in the repository; None where it is no file of it."""
    rules: dict[str, Finding] = {}
    for finding in audit.findings:
        rules.setdefault(finding.rule, finding)
    order = {rule: index for index, rule in enumerate(rules)}
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
                "columnKind": "unicodeCodePoints",
                "properties": {"data": audit.data.digest, "lock": audit.lock},
                "results": [
                    _result(finding, one, order[finding.rule], uri)
                    for finding in audit.findings
                    for one in (finding.evidence or (Evidence(row=0, text=""),))
                ],
            }
        ],
    }


def _rule(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.rule,
        "shortDescription": {"text": finding.rule.replace("/", ": ").replace("-", " ")},
        "fullDescription": {"text": _message(finding.detail)},
        "help": {"text": _message(finding.advice)},
        "defaultConfiguration": {"level": LEVEL[finding.severity]},
    }


def _result(finding: Finding, one: Evidence, index: int, uri: str | None) -> dict[str, Any]:
    other = f" ({one.item})" if one.item else ""
    said = f": {visible(one.text, 200)}" if one.text else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVEL[finding.severity],
        "message": {"text": _message(f"{finding.title}.{other}{said}")},
        "properties": {"count": finding.count, "of": finding.of, "suite": finding.suite},
    }
    if uri is not None and not one.source:
        region = {"region": {"startLine": one.row}} if one.row else {}
        result["locations"] = [
            {"physicalLocation": {"artifactLocation": {"uri": quote(plain(uri), safe="/")}, **region}}
        ]
    return result


def _message(text: str) -> str:
    """SARIF viewers read [text](link) in messages, where brackets are escaped by a backslash (section 3.11.6)."""
    return plain(visible(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]"))
