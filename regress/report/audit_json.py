"""audit.json, version 1: keys are only ever added."""

from __future__ import annotations

from typing import Any

from regress.report.verdict_json import plain
from regress.schema import AUDIT_FORMAT, Audit, Evidence, Finding, Recommendation, SuspectedTrigger

MAX_ITEMS = 10_000


def as_object(audit: Audit, exit_code: int) -> dict[str, Any]:
    """The audit as plain JSON; texts that UTF-8 cannot hold are escaped."""
    return {
        "schema_version": AUDIT_FORMAT,
        "exit_code": exit_code,
        "data": {
            "name": plain(audit.data.name),
            "digest": audit.data.digest,
            "rows": audit.data.rows,
            "broken": audit.data.broken,
            "forms": dict(audit.data.forms),
            "columns": {ours: plain(theirs) for ours, theirs in audit.data.columns.items()},
            "unused": [plain(name) for name in audit.data.unused],
            "bytes": audit.data.bytes,
        },
        "lock": audit.lock,
        "suites": list(audit.suites),
        "against": audit.against,
        "findings": [finding_object(finding) for finding in audit.findings],
        "broken_rows": [{"row": one.row, "reason": plain(one.reason)} for one in audit.broken],
        "triggers": [_trigger(one) for one in audit.triggers],
        "recommendations": [_recommendation(one) for one in audit.recommendations],
        "skipped": [{"check": one.check, "reason": plain(one.reason)} for one in audit.skipped],
        "checks": list(audit.checks),
        "figures": {name: plain(value) if isinstance(value, str) else value for name, value in audit.figures.items()},
        "created": audit.created,
        "tool": audit.tool,
    }


def finding_object(finding: Finding) -> dict[str, Any]:
    """One finding; `rows` are the most telling ones, `count` says how many there are."""
    return {
        "rule": finding.rule,
        "check": finding.check,
        "severity": finding.severity.value,
        "suite": finding.suite,
        "title": plain(finding.title),
        "detail": plain(finding.detail),
        "advice": plain(finding.advice),
        "count": finding.count,
        "of": finding.of,
        "harm": finding.harm,
        "rows": [_evidence(one) for one in finding.evidence],
        "items": [plain(item) for item in finding.items[:MAX_ITEMS]],
        "removable": len(finding.removable),
        "figures": {name: plain(value) if isinstance(value, str) else value for name, value in finding.figures.items()},
    }


def _evidence(one: Evidence) -> dict[str, Any]:
    return {
        "row": one.row,
        "text": plain(one.text),
        "source": plain(one.source) or None,
        "item": one.item and plain(one.item),
        "detail": one.detail and plain(one.detail),
    }


def _trigger(one: SuspectedTrigger) -> dict[str, Any]:
    return {
        "text": plain(one.text),
        "place": one.place.value,
        "rows": one.rows,
        "alike": one.alike,
        "reply": plain(one.reply),
    }


def _recommendation(one: Recommendation) -> dict[str, Any]:
    return {
        "suite": one.suite,
        "advised": one.advised.value,
        "reason": plain(one.reason),
        "figures": {name: plain(value) if isinstance(value, str) else value for name, value in one.figures.items()},
    }
