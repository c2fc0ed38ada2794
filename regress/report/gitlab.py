"""What GitLab reads: a code quality report for the merge request's changes, and variables for later jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from regress.report.github import worst_of_each
from regress.report.words import headline, visible
from regress.schema import Category, Decision, Ruling, SuiteVerdict, Verdict

QUALITY = "code-quality.json"
VARIABLES = "decision.env"
TEXT_LIMIT = 400


def code_quality(decisions: Iterable[Decision], files: Mapping[str, str], settings: str) -> str:
    """A finding for each suite that is not within its margin, at its file; `settings` is where others are put."""
    found = [finding for decision in decisions for finding in _findings(decision, files, settings)]
    return json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _findings(decision: Decision, files: Mapping[str, str], settings: str) -> Iterator[dict[str, Any]]:
    who = decision.candidate.path if decision.candidate else ""
    if decision.ruling is Ruling.REFUSED:
        yield _finding(who, "refused", "blocker", headline(decision), settings)
    for trigger in {found.text: found for found in decision.triggers if found.confirmed}.values():
        yield _finding(who, f"trigger {trigger.text}", "blocker", trigger.reason, settings)
    for verdict in worst_of_each(decision):
        text = f"{verdict.suite} ({verdict.variant}) {verdict.verdict.value}: {verdict.reason}"
        path = files.get(verdict.suite.partition(":")[0], settings)
        yield _finding(who, verdict.suite, _severity(verdict), text, path)


def _severity(verdict: SuiteVerdict) -> str:
    if verdict.verdict is not Verdict.FAIL:
        return "minor"
    return "blocker" if verdict.category is Category.SAFETY else "critical"


def _finding(who: str, what: str, severity: str, text: str, path: str) -> dict[str, Any]:
    """The fingerprint holds no figure: the same suite lost again is the same finding."""
    fingerprint = hashlib.sha256(f"{who}\n{what}\n{severity}".encode("utf-8", "backslashreplace")).hexdigest()
    return {
        "description": visible(text, TEXT_LIMIT),
        "check_name": visible(f"regress/{what}", TEXT_LIMIT),
        "fingerprint": fingerprint,
        "severity": severity,
        "location": {"path": path, "lines": {"begin": 1}},
    }


def variables(ruling: Ruling) -> str:
    """For `artifacts:reports:dotenv`: fixed words only."""
    return f"REGRESS_DECISION={ruling.value}\nREGRESS_EXIT_CODE={int(ruling.exit_code)}\n"
