"""`regress lock --check`: names what differs from the lock, and writes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from lock_samples import NOW, a_project, edit, locked, opened, write_weights

from regress.cli import main
from regress.hashing.files import digest_bytes
from regress.lock.attempts import record_attempt
from regress.lock.audited import items_digest
from regress.lock.lockfile import read_lock


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = a_project(tmp_path / "project")
    locked(folder)
    return folder


def check(project: Path, *arguments: str) -> int:
    """The exit code; no file of the project may change."""
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    code = main(["lock", "--check", "-C", str(project), *arguments])
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    return code


def test_0_where_the_project_is_as_locked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(project) == 0
    assert f"as locked: {read_lock(project / 'baselines').digest}" in " ".join(capsys.readouterr().err.split())


def test_5_and_every_difference_by_name(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.20")
    edit(project / "suites" / "sums.jsonl", '"target": "2"', '"target": "3"')
    write_weights(project / "model", 0.25)
    assert check(project, "--json") == 5
    printed, said = capsys.readouterr()
    found = json.loads(printed)
    assert (found["as_locked"], found["base_seen"]) == (False, True)
    assert [text.partition(" is sha256")[0] for text in found["differences"]] == [
        "base.digest",
        "suite sums: margin is 0.2, locked 0.1",
        "suite sums: 1 item changed (first: q1)",
    ]
    assert all(f"· {difference}" in " ".join(said.split()) for difference in found["differences"])


def test_more_differences_than_a_refusal_lists(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (project / "suites" / "queues.yaml").read_text()
    for number in range(9):
        (project / "suites" / f"n{number}.yaml").write_text(text.replace("name: queues", f"name: n{number}"))
    assert check(project) == 5
    said = capsys.readouterr().err
    assert all(f"· suite n{number} is new" in said for number in range(9))


@pytest.mark.parametrize("broken", ["lock.json", "history.jsonl"])
def test_5_for_a_lock_that_is_broken(project: Path, broken: str) -> None:
    (project / "baselines" / broken).unlink()
    assert check(project) == 5


def test_5_for_another_audit_than_the_locked_one(project: Path, tmp_path: Path) -> None:
    data, against = digest_bytes(b"rows"), items_digest(opened(project)[0].suites)
    audit = tmp_path / "audit.json"
    fields = {"data": {"digest": data, "rows": 7}, "against": against, "findings": [], "triggers": []}
    audit.write_text(json.dumps({"schema_version": 1} | fields))
    assert main(["lock", "--amend", "--why", "audited", "--audit", str(audit), "-C", str(project)]) == 0
    assert check(project) == 0
    edit(project / "baselines" / "audit.json", '"rows": 7', '"rows": 8')
    assert check(project) == 5


def test_without_the_base_its_digests_are_as_locked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(project / "model")
    assert check(project, "--json") == 0
    printed, said = capsys.readouterr()
    assert json.loads(printed)["base_seen"] is False
    assert "its digests were taken as locked" in " ".join(said.split())


def test_amendments_are_shown_with_their_reasons(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(project / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.20")
    assert main(["lock", "--amend", "--why", "ten points\n::error::were too few", "-C", str(project)]) == 0
    capsys.readouterr()
    assert check(project) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "ten points⏎∷error∷were too few" in said


# --- logs that may only grow ------------------------------------------------------------------------------------------


@pytest.fixture
def before(project: Path, tmp_path: Path) -> Path:
    """baselines/ as another branch has it."""
    record_attempt(project / "baselines", read_lock(project / "baselines"), "sha256:1", now=NOW)
    return Path(shutil.copytree(project / "baselines", tmp_path / "before"))


def test_logs_may_grow(project: Path, before: Path) -> None:
    record_attempt(project / "baselines", read_lock(project / "baselines"), "sha256:2", now=NOW)
    edit(project / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.20")
    assert main(["lock", "--amend", "--why", "wider", "-C", str(project)]) == 0
    assert check(project, "--since", str(before)) == 0


def test_a_lock_made_anew_is_no_amendment(project: Path, before: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As good as the old one to every other command: it forgets what was tried, and that margins were widened."""
    shutil.rmtree(project / "baselines")
    edit(project / "suites" / "sums.yaml", "margin: 0.10", "margin: 0.20")
    locked(project)
    assert check(project) == 0
    assert check(project, "--since", str(before)) == 5
    said = capsys.readouterr().err
    assert "history.jsonl was rewritten" in said
    assert "attempts.jsonl was rewritten" in said


def test_the_first_lock_has_nothing_before_it(project: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert check(project, "--since", str(tmp_path / "empty")) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--check", "--amend", "--why", "x"],
        ["--check", "--training-data", "x"],
        ["--check", "--audit", "x"],
        ["--check", "--flip-rate", "0.1"],
        ["--since", "."],
        ["--check", "--since", "nowhere"],
    ],
    ids=" ".join,
)
def test_2_for_what_makes_no_sense(project: Path, arguments: list[str]) -> None:
    assert main(["lock", *arguments, "-C", str(project)]) == 2
