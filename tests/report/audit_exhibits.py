"""Audits to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from regress.schema import (
    Advised,
    Audit,
    BrokenRow,
    DataSet,
    Evidence,
    Finding,
    Measure,
    Place,
    Recommendation,
    Severity,
    Skipped,
    SuspectedTrigger,
)

ASKED: dict[str, Measure] = {
    "items": 400,
    "asked": 200,
    "chance": 20,
    "plain_how": "as it is",
    "plain_right": 150,
    "plain_low": 0.68,
    "plain_high": 0.81,
    "plain_wrong_form": 3,
}


def a_finding(rule: str = "duplicates/exact", severity: Severity = Severity.BLOCK, **changes: Any) -> Finding:
    finding = Finding(
        rule=rule,
        severity=severity,
        title="40 rows twice",
        detail="They weigh twice.",
        advice="drop them",
        count=40,
        of=1000,
        harm=0.04,
        evidence=(Evidence(row=7, text="x", item="row 3", detail="but for a comma"),),
    )
    return replace(finding, **changes)


def an_audit(*findings: Finding, **changes: Any) -> Audit:
    data = DataSet(
        name="data/train.jsonl",
        digest="sha256:" + "d" * 64,
        rows=1000,
        broken=0,
        forms={"messages": 1000},
        mapped={},
        columns={"messages": "messages"},
        unused=(),
        bytes=1,
    )
    audit = Audit(
        data=data,
        lock=None,
        suites=("words",),
        against="sha256:a",
        findings=findings,
        broken=(),
        triggers=(),
        skipped=(),
        checks=("duplicates",),
        figures={"duplicates": 40, "noise": 0.25},
        created="2026-11-27T04:05:06Z",
        tool="regress-harness 0.1.0",
    )
    return replace(audit, **changes)


def hostile_audit(texts: Sequence[str]) -> Audit:
    """One whose every text is one of these."""
    return an_audit(
        *(
            a_finding(
                rule=f"{text}/{text}",
                suite=text,
                title=text,
                detail=text,
                advice=text,
                evidence=(Evidence(row=1, text=text, source=text, item=text, detail=text),),
                items=(text,),
                figures={text: text},
            )
            for text in texts
        ),
        data=DataSet(
            name=texts[0],
            digest=texts[1],
            rows=1,
            broken=1,
            forms=dict.fromkeys(texts, 1),
            mapped={},
            columns=dict(zip(texts, texts, strict=True)),
            unused=tuple(texts),
            bytes=1,
        ),
        lock=texts[2],
        suites=tuple(texts),
        broken=tuple(BrokenRow(row=1, reason=text) for text in texts),
        triggers=tuple(SuspectedTrigger(text=t, place=Place.END, rows=9, alike=9, reply=t) for t in texts),
        recommendations=tuple(
            Recommendation(suite=t, advised=Advised.NOT_YET, reason=t, figures=ASKED | {"plain_how": t, t: t})
            for t in texts
        ),
        skipped=tuple(Skipped(check=text, reason=text) for text in texts),
        checks=tuple(texts),
        figures={text: text for text in texts},
        created=texts[0],
        tool=texts[1],
    )
