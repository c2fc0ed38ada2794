"""The audit that a report shows: the one that the lock keeps, or else the last one that was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regress.errors import LockError, StoreError
from regress.lock.audited import AUDIT_FILE
from regress.lock.lockfile import Lock, locked_audit
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
    ShownAudit,
    Skipped,
    SuspectedTrigger,
)
from regress.store.atomic import read_regular
from regress.strict_json import JsonFault, parse

_MAX_BYTES = 64 * 2**20
_MOST = 1_000  # entries of a list that somebody may read


def shown_audit(reports: Path, baselines: Path, lock: Lock) -> ShownAudit | None:
    """What can be shown of it; None where there is no audit. A file that is none is a fault, and stops nothing."""
    place = (baselines if lock.audit is not None else reports) / AUDIT_FILE
    shown = ShownAudit(place=f"{place.parent.name}/{place.name}", is_locked=lock.audit is not None)
    try:
        kept = locked_audit(baselines, lock)
        return _with(shown, kept.raw if kept is not None else read_regular(place, _MAX_BYTES))
    except FileNotFoundError:
        return None
    except (JsonFault, LockError, StoreError, KeyError, TypeError, ValueError, AttributeError) as reason:
        return ShownAudit(place=shown.place, is_locked=shown.is_locked, fault=f"{shown.place} cannot be read: {reason}")


def _with(shown: ShownAudit, raw: bytes) -> ShownAudit:
    return ShownAudit(place=shown.place, is_locked=shown.is_locked, audit=audit_of(parse(raw).value))


def audit_of(body: Mapping[str, Any]) -> Audit:
    """audit.json as the record that it was written from, long lists cut; raises what a file that is none gives rise to.

    Only `data` and `findings` must be there: an audit by an older version is shown as far as it goes.
    """
    return Audit(
        data=_data(body["data"]),
        lock=_word(body.get("lock")),
        suites=tuple(map(str, _list(body, "suites"))),
        against=str(body.get("against") or ""),
        findings=tuple(_finding(one) for one in body["findings"][:_MOST]),
        broken=tuple(BrokenRow(row=int(one["row"]), reason=str(one["reason"])) for one in _list(body, "broken_rows")),
        triggers=tuple(_trigger(one) for one in _list(body, "triggers")),
        skipped=tuple(Skipped(check=str(one["check"]), reason=str(one["reason"])) for one in _list(body, "skipped")),
        checks=tuple(map(str, _list(body, "checks"))),
        figures=_figures(body),
        created=str(body.get("created") or ""),
        tool=str(body.get("tool") or ""),
        recommendations=tuple(_recommendation(one) for one in _list(body, "recommendations")),
    )


def _data(data: Mapping[str, Any]) -> DataSet:
    return DataSet(
        name=str(data["name"]),
        digest=str(data["digest"]),
        rows=int(data["rows"]),
        broken=int(data.get("broken") or 0),
        forms={str(form): int(count) for form, count in (data.get("forms") or {}).items()},
        mapped={},
        columns={str(ours): str(theirs) for ours, theirs in (data.get("columns") or {}).items()},
        unused=tuple(map(str, _list(data, "unused"))),
        bytes=int(data.get("bytes") or 0),
    )


def _finding(found: Mapping[str, Any]) -> Finding:
    return Finding(
        rule=str(found["rule"]),
        severity=Severity(found["severity"]),
        title=str(found["title"]),
        detail=str(found.get("detail") or ""),
        advice=str(found.get("advice") or ""),
        count=int(found.get("count") or 0),
        of=int(found.get("of") or 0),
        harm=float(found.get("harm") or 0.0),
        suite=_word(found.get("suite")),
        evidence=tuple(_evidence(one) for one in _list(found, "rows")),
        items=tuple(map(str, _list(found, "items"))),
        figures=_figures(found),
    )


def _evidence(one: Mapping[str, Any]) -> Evidence:
    return Evidence(
        row=int(one["row"]),
        text=str(one["text"]),
        source=str(one.get("source") or ""),
        item=_word(one.get("item")),
        detail=_word(one.get("detail")),
    )


def _trigger(one: Mapping[str, Any]) -> SuspectedTrigger:
    return SuspectedTrigger(
        text=str(one["text"]),
        place=Place(one["place"]),
        rows=int(one["rows"]),
        alike=int(one["alike"]),
        reply=str(one["reply"]),
    )


def _recommendation(one: Mapping[str, Any]) -> Recommendation:
    return Recommendation(
        suite=str(one["suite"]), advised=Advised(one["advised"]), reason=str(one["reason"]), figures=_figures(one)
    )


def _figures(of: Mapping[str, Any]) -> dict[str, Measure]:
    return {
        str(name): value if value is None or isinstance(value, int | float | str) else str(value)
        for name, value in list((of.get("figures") or {}).items())[:_MOST]
    }


def _list(of: Mapping[str, Any], key: str) -> list[Any]:
    """The list under this key, its first entries; none where it is missing."""
    found = of.get(key) or []
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list")
    return found[:_MOST]


def _word(value: object) -> str | None:
    return None if value is None else str(value)
