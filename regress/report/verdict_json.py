"""verdict.json, version 1: keys are only ever added."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from regress.schema import (
    VERDICT_FORMAT,
    Attribution,
    Beside,
    Decision,
    Detected,
    FigureChange,
    Measured,
    ServingComparison,
    SuiteVerdict,
    TriggerFinding,
)
from regress.schema.serving import RELATIVE


def as_object(decision: Decision) -> dict[str, Any]:
    """The decision as plain JSON."""
    candidate = decision.candidate
    return {
        "schema_version": VERDICT_FORMAT,
        "decision": decision.ruling.value,
        "exit_code": int(decision.ruling.exit_code),
        "lock": decision.lock,
        "attempt": decision.attempt and {"number": decision.attempt.number, "alpha": decision.attempt.alpha},
        "candidate": candidate
        and {
            "kind": candidate.kind,
            "digest": candidate.digest,
            "path": plain(candidate.path),
            "trained_under_lock": candidate.trained_under_lock,
            "trained_as_audited": candidate.trained_as_audited,
        },
        "suites": [suite_object(verdict) for verdict in decision.suites],
        "checks": [{"name": check.name, "ok": check.ok, "detail": plain(check.detail)} for check in decision.checks],
        "reasons": [plain(reason) for reason in decision.reasons],
        "beside": decision.beside and _beside(decision.beside),
        "serving": [_serving(found) for found in decision.serving],
        "triggers": [_trigger(found) for found in decision.triggers],
        "attribution": decision.attribution and _attribution(decision.attribution),
    }


def _attribution(attribution: Attribution) -> dict[str, Any]:
    """Which step lost how much; reported, it decides nothing."""
    return {
        "steps": [
            {
                "cause": share.cause.value,
                "from": share.before,
                "to": share.after,
                "suite": share.suite,
                "n": share.counts.n,
                "lost": share.counts.lost,
                "gained": share.counts.gained,
                "delta": share.delta,
                "ci90": None if share.ci90 is None else list(share.ci90),
                "p_lost": share.p_lost,
            }
            for share in attribution.shares
        ],
        "parity": [{**asdict(one), "detail": plain(one.detail)} for one in attribution.parity],
        "missing": [plain(reason) for reason in attribution.missing],
    }


def _trigger(found: TriggerFinding) -> dict[str, Any]:
    """A suspected trigger that was tried; counts are of `n` harmless prompts."""
    texts = {key: plain(getattr(found, key)) for key in ("text", "reply", "reason")}
    return {**asdict(found), "place": found.place.value, "explained": found.explained.value, **texts}


def _serving(found: ServingComparison) -> dict[str, Any]:
    """Times in seconds; `suite` is null for all suites together."""
    return {
        "variant": found.variant,
        "against": found.against,
        "suite": found.suite,
        "items": found.items,
        "prompt_tokens": found.prompt_tokens,
        "base_reply_tokens": found.base_reply_tokens,
        "reply_tokens": found.reply_tokens,
        "figures": [_figure(change) for change in found.figures],
        "machine": found.machine,
        "speed_ups": [asdict(speed_up) for speed_up in found.speed_ups],
    }


def _figure(change: FigureChange) -> dict[str, Any]:
    return {
        "figure": change.figure.value,
        "base": change.base,
        "candidate": change.candidate,
        "n": change.n,
        "change": change.change,
        "relative": change.figure in RELATIVE,
        "ci90": change.ci90 and list(change.ci90),
    }


def _beside(beside: Beside) -> dict[str, Any]:
    """What was run beside the locked variants; every suite in it has the role inform."""
    return {
        "suites": [suite_object(verdict) for verdict in beside.suites],
        "missing": [plain(reason) for reason in beside.missing],
    }


def plain(text: str) -> str:
    """Text that UTF-8 can hold: a file name that is not UTF-8 reaches Python with lone surrogates in it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def suite_object(verdict: SuiteVerdict) -> dict[str, Any]:
    """One suite and variant with everything that it rests on."""
    return {
        "suite": verdict.suite,
        "category": verdict.category.value,
        "role": verdict.role.value,
        "variant": verdict.variant,
        "against": verdict.against,
        "verdict": verdict.verdict.value,
        "n": verdict.counts.n,
        "base_pass": verdict.counts.base_pass,
        "candidate_pass": verdict.counts.candidate_pass,
        "lost": verdict.counts.lost,
        "gained": verdict.counts.gained,
        "unpaired": verdict.counts.unpaired,
        "delta": verdict.delta,
        "ci90": None if verdict.ci90 is None else list(verdict.ci90),
        "margin": None if verdict.margin is None else float(verdict.margin),
        "min_gain": None if verdict.min_gain is None else float(verdict.min_gain),
        "p_pass": verdict.p_pass,
        "p_fail": verdict.p_fail,
        "p_fail_holm": verdict.p_fail_holm,
        "p_gain": verdict.p_gain,
        "p_lost": verdict.p_lost,
        "needed_n": verdict.needed_n,
        "look": verdict.look,
        "no_answer": verdict.no_answer,
        "error": verdict.error,
        "reason": verdict.reason,
        "detector": _detector(verdict.detected),
        "figure": verdict.figure and _figure(verdict.figure),
    }


def _detector(detected: Detected | None) -> dict[str, Any] | None:
    """None where no detector made the outcomes; nulls where too few labels measured it."""
    if detected is None:
        return None
    change = detected.change
    return {
        "corrected": change and change.corrected,
        "corrected_ci90": change and list(change.ci90),
        "scaled_margin": change and change.scaled_margin,
        "base": change and _measured(change.base),
        "candidate": change and _measured(change.candidate),
        "unlabelled": list(detected.unlabelled),
    }


def _measured(side: Measured) -> dict[str, Any]:
    return {
        "variant": side.variant,
        "labels": side.labelled,
        "sensitivity": side.sensitivity and asdict(side.sensitivity),
        "specificity": side.specificity and asdict(side.specificity),
    }


def render(decision: Decision) -> str:
    """The file's text; raises ValueError rather than write a NaN."""
    return json.dumps(as_object(decision), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
