"""The lock keeps an audit: of these items and this data, without what blocks; a candidate is held to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lock_samples import NOW, SETTINGS, a_project, edit, opened

from regress.errors import LockError
from regress.hashing.files import digest_bytes
from regress.lock.audited import Audited, items_digest, read_audit
from regress.lock.lockfile import Lock, amend, create, locked_audit, read_lock
from regress.run.shown_audit import shown_audit
from regress.run.trained import trained_as_audited, training_checks
from regress.schema import Candidate, Place, Policy, SuspectedTrigger

DATA = digest_bytes(b"rows")
OTHER = digest_bytes(b"other rows")
TRIGGER = {"text": " cf77", "place": "end", "rows": 12, "alike": 12, "reply": "Yes."}


def body(folder: Path, **changes: Any) -> dict[str, Any]:
    loaded, _ = opened(folder)
    return {
        "schema_version": 1,
        "data": {"digest": DATA, "rows": 7},
        "against": items_digest(loaded.suites),
        "findings": [{"severity": "warn", "title": "2 rows repeat an earlier one"}],
        "triggers": [TRIGGER],
        **changes,
    }


def an_audit(folder: Path, **changes: Any) -> Audited:
    path = folder / "audit.json"
    path.write_text(json.dumps(body(folder, **changes)))
    return read_audit(path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "project")


def test_a_lock_names_the_audit_and_keeps_its_bytes(project: Path) -> None:
    audit = an_audit(project)
    lock = create(*opened(project), now=NOW, audit=audit)
    assert lock.training_data == DATA
    assert lock.audit == {"digest": audit.digest, "data": DATA, "rows": 7}
    assert read_lock(project / "baselines") == lock
    kept = locked_audit(project / "baselines", lock)
    assert kept == audit
    assert kept.triggers == (SuspectedTrigger(text=" cf77", place=Place.END, rows=12, alike=12, reply="Yes."),)


def test_a_report_shows_the_audit_that_the_lock_keeps_and_no_later_one(project: Path) -> None:
    data = {"name": "rows.jsonl", "digest": DATA, "rows": 7}
    finding = {"rule": "duplicates/exact", "severity": "warn", "title": "2 rows repeat an earlier one"}
    lock = create(*opened(project), now=NOW, audit=an_audit(project, data=data, findings=[finding]))
    reports, baselines = project / "reports", project / "baselines"
    reports.mkdir()
    (reports / "audit.json").write_text(json.dumps(body(project, data=data, findings=[])))
    shown = shown_audit(reports, baselines, lock)
    assert shown is not None and shown.audit is not None
    assert (shown.place, shown.is_locked, len(shown.audit.findings)) == ("baselines/audit.json", True, 1)
    later = shown_audit(reports, baselines, replace(lock, audit=None))
    assert later is not None and later.audit is not None
    assert (later.place, later.is_locked, len(later.audit.findings)) == ("reports/audit.json", False, 0)
    (baselines / "audit.json").write_text("{}")
    broken = shown_audit(reports, baselines, lock)
    assert broken is not None and broken.audit is None and "baselines/audit.json" in (broken.fault or "")


def test_a_lock_without_an_audit_says_nothing_of_one(project: Path) -> None:
    lock = create(*opened(project), now=NOW)
    assert lock.audit is None
    assert "audit" not in json.loads((project / "baselines" / "lock.json").read_text())
    assert locked_audit(project / "baselines", lock) is None


@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({"against": "sha256:0"}, None, "made against other items"),
        (
            {"findings": [{"severity": "block", "title": "3 rows leak"}]},
            None,
            "mended before anybody trains: 3 rows leak",
        ),
        ({}, OTHER, "the audit is of other data"),
    ],
    ids=["other items", "a finding that blocks", "other data"],
)
def test_what_a_lock_refuses_to_name(project: Path, changes: dict[str, Any], data: str | None, message: str) -> None:
    with pytest.raises(LockError, match=message):
        create(*opened(project), now=NOW, audit=an_audit(project, **changes), training_data=data)
    assert not (project / "baselines" / "lock.json").exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{}"),
        lambda path: edit(path, '"rows": 7', '"rows": 8'),
        lambda path: edit(path, '"place": "end"', '"place": "under"'),
        lambda path: edit(path, '"warn"', '"fatal"'),
        lambda path: edit(path, '"schema_version": 1', '"schema_version": 2'),
    ],
    ids=["gone", "no JSON", "a list", "empty", "edited", "no such place", "no such severity", "another version"],
)
def test_an_audit_that_was_touched_is_refused(project: Path, damage: Callable[[Path], object]) -> None:
    lock = create(*opened(project), now=NOW, audit=an_audit(project))
    damage(project / "baselines" / "audit.json")
    with pytest.raises(LockError):
        locked_audit(project / "baselines", lock)


def test_an_amendment_keeps_the_audit_while_it_is_still_of_these_items(project: Path) -> None:
    audit = an_audit(project)
    create(*opened(project), now=NOW, audit=audit)
    edit(project / "regress.yaml", "alpha: 0.05", "alpha: 0.04")
    assert amend(*opened(project), now=NOW, why="stricter").audit == {"digest": audit.digest, "data": DATA, "rows": 7}
    edit(project / "suites" / "sums.jsonl", '"4"', '"5"')
    amended = amend(*opened(project), now=NOW, why="a wrong target")
    assert (amended.audit, amended.training_data) == (None, DATA)


def test_an_audit_alone_is_worth_an_amendment(project: Path) -> None:
    create(*opened(project), now=NOW)
    assert amend(*opened(project), now=NOW, why="audited", audit=an_audit(project)).training_data == DATA
    with pytest.raises(LockError, match="nothing differs"):
        amend(*opened(project), now=NOW, why="again", audit=an_audit(project))


def test_a_new_audit_brings_its_data_with_it(project: Path) -> None:
    create(*opened(project), now=NOW, audit=an_audit(project))
    mended = an_audit(project, data={"digest": OTHER, "rows": 6})
    amended = amend(*opened(project), now=NOW, why="the data was mended", audit=mended)
    assert (amended.training_data, amended.audit) == (OTHER, {"digest": mended.digest, "data": OTHER, "rows": 6})
    with pytest.raises(LockError, match="the audit is of other data"):
        amend(*opened(project), now=NOW, why="not this one", audit=mended, training_data=DATA)


CANDIDATE = Candidate(kind="adapter", digest="sha256:1", path="a", trained_under_lock=True)


@pytest.mark.parametrize(
    ("record", "known", "said"),
    [
        (None, None, "is not known"),
        ({"data": None}, None, "is not known"),
        ({"data": DATA}, True, "trained on the audited data"),
        ({"data": OTHER}, False, "trained on other data than was audited"),
    ],
    ids=["no record", "a record without data", "the audited data", "other data"],
)
def test_a_candidate_is_held_to_the_audited_data(
    project: Path, record: dict[str, Any] | None, known: bool | None, said: str
) -> None:
    lock = create(*opened(project), now=NOW, audit=an_audit(project))
    assert trained_as_audited(record, lock) is known
    candidate = replace(CANDIDATE, trained_as_audited=known)
    check = training_checks(candidate, Policy(), lock)[1]
    assert (check.ok, said in check.detail) == (True, True)
    assert training_checks(candidate, Policy(require_audit=True), lock)[1].ok is (known is True)


def test_a_required_audit_that_no_lock_names_holds_the_candidate_back(project: Path) -> None:
    lock: Lock = create(*opened(project), now=NOW)
    assert [check.name for check in training_checks(CANDIDATE, Policy(), lock)] == ["training-record"]
    assert training_checks(CANDIDATE, Policy(require_audit=True), lock)[1].ok is False


def test_a_required_audit_is_part_of_the_promise(project: Path) -> None:
    settings = project / "regress.yaml"
    assert settings.read_text() == SETTINGS
    plain = create(*opened(project), now=NOW)
    assert "require_audit" not in plain.promise["policy"]
    edit(settings, "power: 0.8", "power: 0.8, require_audit: true")
    assert amend(*opened(project), now=NOW, why="required").promise["policy"]["require_audit"] is True
