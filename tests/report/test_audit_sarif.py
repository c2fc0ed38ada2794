"""audit.sarif: what SARIF 2.1.0 and GitHub's code scanning ask for, and alerts that stay the same ones."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from audit_exhibits import a_finding, an_audit, hostile_audit
from hostile import payloads

from regress.report import audit_sarif
from regress.report.audit_sarif import MOST_RESULTS, Location
from regress.schema import Audit, Evidence, Severity, Skipped

EVERYTHING = an_audit(
    a_finding("leakage/exact", suite="words", evidence=(Evidence(row=7, text="x", item="words:q1"),)),
    a_finding("duplicates/exact", Severity.WARN, evidence=(Evidence(row=9, text="y", item="row 3"),)),
    a_finding("duplicates/exact", Severity.WARN, evidence=(Evidence(row=3, text="z", source="valid.jsonl"),)),
    a_finding("distribution/labels", Severity.NOTE, evidence=()),
    skipped=(Skipped(check="shift", reason="needs a sample"),),
)


def run_of(audit: Audit, line: bool = True) -> dict[str, Any]:
    log = audit_sarif.as_object(audit, lambda row: Location(uri="data/ä b.jsonl", line=row if line and row else None))
    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-2.1.0.json")
    (run,) = log["runs"]
    return dict(run)


@pytest.mark.parametrize("audit", [EVERYTHING, an_audit(), hostile_audit(payloads()[:40])], ids=["all", "none", "evil"])
def test_the_shape(audit: Audit) -> None:
    """Required by the standard (3.19, 3.20, 3.27, 3.49) or by what GitHub reads."""
    run = run_of(audit)
    driver = run["tool"]["driver"]
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", driver["semanticVersion"]) or audit.tool == payloads()[1]
    assert len({rule["id"] for rule in driver["rules"]}) == len(driver["rules"])
    for rule in driver["rules"]:
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription", "help"))
        assert rule["defaultConfiguration"]["level"] in {"error", "warning", "note"}
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        assert 0 < len(result["message"]["text"]) < 4_000
        assert re.fullmatch(r"[0-9a-f]{16}:\d+", result["partialFingerprints"]["primaryLocationLineHash"])
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert len(invocation["toolExecutionNotifications"]) == len(audit.skipped)
    fingerprints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


def test_rows_are_where_they_lie() -> None:
    places = [result.get("locations") for result in run_of(EVERYTHING)["results"]]
    file = {"artifactLocation": {"uri": "data/%C3%A4%20b.jsonl"}}
    assert places == [
        [{"physicalLocation": file | {"region": {"startLine": 7}}}],
        [{"physicalLocation": file | {"region": {"startLine": 9}}}],
        None,  # of another file than the audited one
        [{"physicalLocation": file}],  # no row shows it
    ]
    assert "region" not in run_of(EVERYTHING, line=False)["results"][0]["locations"][0]["physicalLocation"]


@pytest.mark.parametrize(
    ("changes", "stays", "why"),
    [
        ({"title": "41 rows twice", "count": 41}, True, "another count is no other alert"),
        ({"evidence": (Evidence(row=90, text="x", item="row 80"),)}, True, "rows above it came and went"),
        ({"severity": Severity.NOTE}, True, "the policy changed"),
        ({"evidence": (Evidence(row=7, text="other", item="row 3"),)}, False, "another row"),
        ({"evidence": (Evidence(row=7, text="x", item="words:q1"),)}, False, "another locked item"),
        ({"rule": "duplicates/near"}, False, "another rule"),
        ({"suite": "words"}, False, "another suite"),
    ],
)
def test_alerts_stay_the_same_ones(changes: dict[str, Any], stays: bool, why: str) -> None:
    before = a_finding(evidence=(Evidence(row=7, text="x", item="row 3"),))
    prints = [run_of(an_audit(f))["results"][0]["partialFingerprints"] for f in (before, replace(before, **changes))]
    assert (prints[0] == prints[1]) is stays, why


def test_the_log_is_bounded_and_what_weighs_most_is_in_it() -> None:
    many = tuple(Evidence(row=n + 1, text=f"{n} " * 2_000) for n in range(20))
    log = run_of(an_audit(*(a_finding(f"c/r{n}", detail="d" * 5_000, evidence=many) for n in range(400))))
    assert len(log["results"]) == MOST_RESULTS
    assert log["results"][-1]["ruleId"] == f"c/r{MOST_RESULTS // 20 - 1}"
    assert len(gzip.compress(json.dumps(log).encode(), 6)) < 10_000_000
