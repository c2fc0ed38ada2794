"""What is told to the CI server that runs us, through the files and variables that it gives."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hostile_texts import HOSTILE, surrounded
from lock_samples import a_project
from report_samples import a_decision, a_verdict, pairs

from regress.cli import ci, deliver, main, several
from regress.errors import Refused, UsageError
from regress.report import verdict_json
from regress.run.judge import Judgement
from regress.schema import Decision, Exit, Ruling, SuiteComparison, Verdict

REJECTED = a_decision(Ruling.REJECT, a_verdict("sums", Verdict.FAIL, pairs(99, 9, 100), reason="90 lost"))
PROMOTED = a_decision(Ruling.PROMOTE, a_verdict("sums", Verdict.PASS, pairs(99, 99, 100)))
VARIABLES = ("REGRESS_CI", "GITHUB_ACTIONS", "GITLAB_CI", "GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")


def delivered(reports: Path, decision: Decision, comparisons: Sequence[SuiteComparison], *, as_json: bool) -> Exit:
    """As `check` does it, for a judgement whose runs nobody has."""
    judgement = Judgement(decision=decision, comparisons=tuple(comparisons), seals={})
    return deliver.deliver(reports, judgement, Path("adapter"), as_json=as_json)


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests may themselves be run by one."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return a_project(tmp_path / "repository" / "gate")


@pytest.fixture
def on_github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, project: Path) -> Path:
    """A folder with the server's two files, `summary` and `output`; what stands in them before stays."""
    for name, file in (("GITHUB_STEP_SUMMARY", "summary"), ("GITHUB_OUTPUT", "output")):
        (tmp_path / file).write_text("before\n")
        monkeypatch.setenv(name, str(tmp_path / file))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    return tmp_path


@pytest.mark.parametrize(
    ("environment", "server"),
    [
        ({}, ci.Server.NONE),
        ({"GITHUB_ACTIONS": "true"}, ci.Server.GITHUB),
        ({"GITLAB_CI": "true"}, ci.Server.GITLAB),
        ({"GITHUB_ACTIONS": "true", "REGRESS_CI": "none"}, ci.Server.NONE),
        ({"GITHUB_ACTIONS": "true", "REGRESS_CI": ""}, ci.Server.GITHUB),
        ({"REGRESS_CI": "gitlab"}, ci.Server.GITLAB),
    ],
)
def test_which_server_it_is(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], server: ci.Server) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ci.server() is server


def test_a_server_that_nobody_knows_is_refused_before_the_work(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    monkeypatch.setenv("REGRESS_CI", "jenkins")
    assert main(["gate", str(project), "-C", str(project)]) == 2
    with pytest.raises(UsageError, match="github, gitlab, none"):
        ci.server()


def test_github_is_told_in_its_files_and_in_the_log(
    project: Path, on_github: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reports = project / "reports"
    assert delivered(reports, REJECTED, (), as_json=False) is Exit.REJECT
    assert (on_github / "summary").read_text().startswith("before\n# ❌ REJECT\n")
    output = (on_github / "output").read_text().splitlines()
    assert output[:4] == ["before", "decision=REJECT", "exit_code=3", f"reports={reports}"]
    assert all(Path(line.partition("=")[2]).is_file() for line in output[4:])
    assert len(output) == 7
    commands = [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]
    assert [line.partition("::")[2].partition(" ")[0] for line in commands] == ["error", "error"]
    assert "file=gate/suites/sums.yaml," in commands[1]


def test_nobody_is_told_without_a_server(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delivered(project / "reports", REJECTED, (), as_json=True)
    assert "::" not in capsys.readouterr().err
    assert {path.name for path in (project / "reports").iterdir()} == {*deliver.REPORTED}


def test_json_on_stdout_stays_json(project: Path, on_github: Path, capsys: pytest.CaptureFixture[str]) -> None:
    delivered(project / "reports", REJECTED, (), as_json=True)
    assert json.loads(capsys.readouterr().out) == verdict_json.as_object(REJECTED)


def test_a_refusal_is_told(project: Path, on_github: Path) -> None:
    with pytest.raises(Refused), deliver.not_promoted_until_decided(project, project / "adapter"):
        raise Refused("no lock")
    assert "decision=REFUSED\nexit_code=5\n" in (on_github / "output").read_text()
    assert "no lock" in (on_github / "summary").read_text()
    assert "<error" in (project / "reports" / "junit.xml").read_text()


def test_settings_that_cannot_be_read_are_told_too(project: Path, on_github: Path) -> None:
    (project / "regress.yaml").write_text("base: [")
    assert main(["gate", str(project), "-C", str(project)]) == 5
    assert "decision=REFUSED\n" in (on_github / "output").read_text()


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_line_of_the_log_is_a_command_of_somebody_elses(
    project: Path, on_github: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """A runner reads stdout and stderr alike, takes commands after white space, and `##[` anywhere."""
    decision, comparison = surrounded(text)
    delivered(project / "reports", decision, [comparison], as_json=False)
    log = "".join(capsys.readouterr())
    commands = [line for line in log.splitlines() if "::" in line]
    assert [line.partition(" title")[0].partition(" file")[0] for line in commands] == ["::error", "::warning"]
    assert not re.search(r"##\w*\[", log)
    names = [line.partition("=")[0] for line in (on_github / "output").read_text().splitlines()]
    assert names == ["before", "decision", "exit_code", "reports", "summary", "comment", "junit"]


def test_a_file_that_cannot_be_written_is_named_and_changes_no_verdict(
    project: Path, on_github: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(on_github / "nowhere" / "summary"))
    assert delivered(project / "reports", PROMOTED, (), as_json=True) is Exit.PROMOTE
    assert "GITHUB_STEP_SUMMARY was not written" in capsys.readouterr().err
    assert "decision=PROMOTE\n" in (on_github / "output").read_text()


def test_a_verdict_that_cannot_be_written_is_told_to_nobody(
    project: Path, on_github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Decision) -> str:
        raise OSError("no space left")

    monkeypatch.setattr(verdict_json, "render", broken)
    with pytest.raises(OSError, match="no space left"):
        delivered(project / "reports", PROMOTED, (), as_json=False)
    assert (on_github / "output").read_text() == "before\n"


def test_gitlab_is_told_in_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_DIR", str(project.parent))
    delivered(project / "reports", REJECTED, (), as_json=True)
    (finding,) = json.loads((project / "reports" / "code-quality.json").read_text())
    assert (finding["severity"], finding["location"]["path"]) == ("critical", "gate/suites/sums.yaml")
    assert (project / "reports" / "decision.env").read_text() == "REGRESS_DECISION=REJECT\nREGRESS_EXIT_CODE=3\n"
    with pytest.raises(ZeroDivisionError), deliver.not_promoted_until_decided(project, project):
        raise ZeroDivisionError  # a bug: nothing of the last verdict stays for the job to upload
    assert list((project / "reports").iterdir()) == []


def test_several_candidates_are_told_once_with_the_worst_decision(project: Path, on_github: Path) -> None:
    names = {project / name: name for name in ("one", "two")}
    with pytest.raises(Refused), several.none_promoted_until_decided(project, names):
        raise Refused("no lock")
    output = (on_github / "output").read_text()
    assert output.count("decision=") == 1
    assert f"comment={project / 'reports' / 'comment.md'}\n" in output
    assert (project / "reports" / "comment.md").read_text().startswith("<!-- regress-gate -->\n# 2 adapters: 2 REFUSED")
    assert all((project / "reports" / name / "junit.xml").is_file() for name in names.values())
