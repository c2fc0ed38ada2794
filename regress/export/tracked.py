"""A decision as experiment trackers take it: parameters, one flat table of numbers, two files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from regress import __version__
from regress.export.rows import VERDICT_COLUMNS, Kind, verdict_rows
from regress.report import markdown, verdict_json
from regress.report.words import headline, visible
from regress.run.judge import Judgement

NUMBERS = tuple(name for name, kind in VERDICT_COLUMNS.items() if kind in (Kind.COUNT, Kind.NUMBER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """`metrics` by SUITE/VARIANT/NUMBER; a number that is missing is left out, and none is NaN."""

    title: str
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    files: Mapping[str, str]


def tracked(judgement: Judgement) -> Tracked:
    """What both trackers are given. The files hold a few items and replies; the runs stay where they are."""
    decision, candidate = judgement.decision, judgement.decision.candidate
    parameters = {
        "regress.decision": decision.ruling.value,
        "regress.lock": decision.lock,
        "regress.candidate": candidate and visible(candidate.path, 200),
        "regress.candidate_digest": candidate and candidate.digest,
        "regress.trained_under_lock": candidate and candidate.trained_under_lock,
        "regress.attempt": decision.attempt and decision.attempt.number,
        "regress.version": __version__,
    }
    metrics = {
        f"{metric_name(row['suite'])}/{metric_name(row['variant'])}/{name}": float(row[name])
        for row in verdict_rows(decision.suites)
        for name in NUMBERS
        if row[name] is not None and math.isfinite(row[name])
    }
    return Tracked(
        title=headline(decision),
        parameters={key: str(value) for key, value in parameters.items() if value is not None},
        metrics={**metrics, "promoted": float(decision.promoted)},
        files={
            "summary.md": markdown.render(decision, judgement.comparisons),
            "verdict.json": verdict_json.render(decision),
        },
    )


def metric_name(name: str) -> str:
    """`adapter@nf4` as `adapter.nf4`, `production:latency` as `production.latency`: what every tracker takes."""
    return name.replace("@", ".").replace(":", ".")
