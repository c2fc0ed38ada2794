"""Every exit code from the real process, and a verdict.json that says the same."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from e2e_projects import (
    ENVIRONMENT,
    ITEMS,
    plant_promotion,
    process,
    promotion_left,
    run_of,
    take_suite,
    verdict,
    write_settings,
)
from tiny_models import make_adapter
from warm_process import WarmProcess

import regress.run.session
from regress.cli import deliver, main
from regress.store.atomic import write_atomic
from regress.store.runs import load_run


def test_0_for_a_candidate_that_may_be_promoted(locked: Path, judged_once: Path) -> None:
    """The whole job in a fresh process: preflight, base, adapter, merged, verdict."""
    plant_promotion(locked)
    done = process("check", str(judged_once / "tiny"), "-C", str(locked), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == verdict(locked)
    assert (verdict(locked)["decision"], verdict(locked)["exit_code"]) == ("PROMOTE", 0)
    assert "PROMOTE" in (locked / "reports" / "summary.md").read_text()
    for folder in [*(locked / "runs").glob("*@fp32-*"), *(locked / "baselines" / "runs").iterdir()]:
        assert load_run(folder).seal.items == ITEMS
    assert process("gate", str(judged_once / "tiny"), "-C", str(locked)).returncode == 0


@pytest.mark.parametrize(("adapter", "code", "decision"), [("tiny", 0, "PROMOTE"), ("broken", 3, "REJECT")])
def test_gate_and_check_end_alike_on_stored_runs(
    judged: Path, warm: WarmProcess, tmp_path: Path, adapter: str, code: int, decision: str
) -> None:
    for command in ("gate", "check"):
        plant_promotion(judged)
        found = warm.run([command, str(judged / adapter), "-C", str(judged)], tmp_path / "output")
        assert found == code, (tmp_path / "output").read_text()
        assert (verdict(judged)["decision"], verdict(judged)["exit_code"]) == (decision, code)
        assert promotion_left(judged) is (code == 0)
    assert process("gate", str(judged / adapter), "-C", str(judged)).returncode == code


@pytest.fixture
def too_small(locked: Path) -> Path:
    """Twenty items cannot show that less than two points were lost."""
    for path in (locked / "suites").iterdir():
        path.unlink()
    take_suite(locked, "general_choice", 20, margin=0.02)
    assert main(["lock", "--amend", "--why", "smaller", "-C", str(locked)]) == 0
    return locked


def test_4_for_a_suite_that_is_too_small(too_small: Path, judged_once: Path, warm: WarmProcess, tmp_path: Path) -> None:
    plant_promotion(too_small)
    for command in ("check", "gate"):
        found = warm.run([command, str(judged_once / "tiny"), "-C", str(too_small)], tmp_path / "output")
        assert found == 4, (tmp_path / "output").read_text()
        assert (verdict(too_small)["decision"], verdict(too_small)["exit_code"]) == ("INCONCLUSIVE", 4)
    assert {suite["verdict"] for suite in verdict(too_small)["suites"]} == {"UNDECIDED"}
    assert all(suite["needed_n"] > 100 for suite in verdict(too_small)["suites"])
    assert not promotion_left(too_small)


def test_4_for_a_target_that_was_not_reached(locked: Path, judged_once: Path) -> None:
    """Nothing lost, nothing gained: a tiny perturbation does not learn the support desk."""
    take_suite(locked, "support_queue", 10, min_gain=0.3)
    (locked / "suites" / "json_records.yaml").unlink()
    assert main(["lock", "--amend", "--why", "a target", "-C", str(locked)]) == 0
    assert main(["check", str(judged_once / "tiny"), "-C", str(locked), "--quiet"]) == 4
    assert all("support_queue" in reason for reason in verdict(locked)["reasons"])


def test_5_without_a_lock(judged: Path, warm: WarmProcess, tmp_path: Path) -> None:
    shutil.rmtree(judged / "baselines")
    for command in ("check", "gate"):
        plant_promotion(judged)
        assert warm.run([command, str(judged / "tiny"), "-C", str(judged)], tmp_path / "output") == 5
        assert "no lock at" in (tmp_path / "output").read_text()
        assert verdict(judged)["exit_code"] == 5
        assert not promotion_left(judged)
    assert process("gate", str(judged / "tiny"), "-C", str(judged)).returncode == 5


def test_5_for_an_adapter_that_changes_nothing(locked: Path, warm: WarmProcess, tmp_path: Path) -> None:
    noop = make_adapter(locked / "base", tmp_path / "noop", scale=0.0)
    plant_promotion(locked)
    assert warm.run(["check", str(noop), "-C", str(locked)], tmp_path / "output") == 5
    assert "identical to the base" in " ".join((tmp_path / "output").read_text().split())
    assert verdict(locked)["decision"] == "REFUSED"


@pytest.mark.parametrize(
    "settings",
    ["base: [", "base: {model: base}\nsuites: [suites/*.yaml]\nalpha: 0.05\n", "", "suites: [suites/*.yaml]\n"],
    ids=["broken", "unknown key", "empty", "no base"],
)
@pytest.mark.parametrize("command", ["check", "gate"])
def test_5_for_settings_that_are_refused_and_no_old_promotion_survives(
    judged: Path, capsys: pytest.CaptureFixture[str], command: str, settings: str
) -> None:
    plant_promotion(judged)
    (judged / "regress.yaml").write_text(settings)
    assert main([command, str(judged / "tiny"), "-C", str(judged)]) == 5
    assert "regress.yaml" in " ".join(capsys.readouterr().err.split())
    assert not promotion_left(judged)


def test_5_where_there_is_no_project_and_nothing_is_written(tmp_path: Path) -> None:
    assert main(["gate", str(tmp_path), "-C", str(tmp_path)]) == 5
    assert list(tmp_path.iterdir()) == []


USAGE = (
    ["check"],
    ["gate"],
    ["nonsense"],
    ["check", "adapter", "--no-such-option"],
    ["run", "adapter"],
    ["run", "merged"],
    ["run", "base", "--adapter", "x"],
    ["run", "base@int3"],
    ["run", "adapter", "--adapter", "x", "--write-merged", "y"],
    ["lock", "--why", "because"],
    ["diff", "one"],
)


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_2_for_arguments_that_make_no_sense(judged_once: Path, arguments: list[str]) -> None:
    project = [] if len(arguments) == 1 else ["-C", str(judged_once)]
    assert main([*arguments, *project]) == 2


def test_2_from_the_real_process() -> None:
    assert process("run", "adapter").returncode == 2
    assert process("gate", "x", "--no-such-option").returncode == 2
    assert process().returncode == 2


def test_0_for_help_and_version() -> None:
    assert main(["--help"]) == main(["check", "--help"]) == main(["--version"]) == 0


CRASH = """
import sys
from regress.{module} import {name} as original
import regress.{module}
def crash(*args, **kwargs):
    {before}
    raise ZeroDivisionError("a bug")
regress.{module}.{name} = crash
from regress.cli import deliver, main
sys.exit(main(sys.argv[1:]))
"""
CRASHES = {
    "reading stored runs": ("run.stored", "judge_stored", "pass"),
    "before anything is shown": ("report.terminal", "render", "pass"),
    "after everything is shown": ("cli.deliver", "say", "original(*args, **kwargs)"),
    "writing the verdict": ("report.verdict_json", "render", "pass"),
}


@pytest.mark.parametrize("where", CRASHES)
def test_1_for_a_bug_and_never_a_promotion_left_behind(judged: Path, where: str) -> None:
    module, name, before = CRASHES[where]
    plant_promotion(judged)
    code = CRASH.format(module=module, name=name, before=before)
    done = process("gate", str(judged / "tiny"), "-C", str(judged), code=code)
    assert done.returncode == 1, done.stderr
    assert "ZeroDivisionError: a bug" in done.stderr
    assert not (judged / "reports" / "verdict.json").exists()


def test_1_for_a_bug_while_items_are_asked(locked: Path, judged_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    plant_promotion(locked)
    monkeypatch.setattr(regress.run.session, "_outcome", crash)
    with pytest.raises(ZeroDivisionError):  # which leaves a process with Python's 1
        main(["check", str(judged_once / "tiny"), "-C", str(locked), "--quiet"])
    assert not (locked / "reports" / "verdict.json").exists()


def test_a_command_without_an_exit_code_is_a_bug_not_a_promotion(judged: Path) -> None:
    code = "import sys, regress.cli.main as m; m.app = lambda **_: None; sys.exit(m.main(sys.argv[1:]))"
    assert process("gate", str(judged / "tiny"), "-C", str(judged), code=code).returncode == 1


def test_a_reader_that_goes_away_leaves_no_promotion(judged: Path) -> None:
    """`regress gate --json | head -1`: the pipe breaks, the exit code is no 0, so there is no PROMOTE on disk."""
    command = [sys.executable, "-m", "regress", "gate", str(judged / "tiny"), "-C", str(judged), "--json"]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.close()
        started.wait(timeout=60)
    assert started.returncode not in (0, 3, 4, 5)
    assert not promotion_left(judged)


@pytest.mark.parametrize("command", ["gate", "report"])
def test_what_the_system_does_not_let_us_write_is_a_sentence_and_no_verdict(
    judged: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fills up between the page and the verdict leaves no verdict of anybody beside the new page."""
    plant_promotion(judged)

    def full(path: Path, data: bytes) -> None:
        if path.name == "junit.xml":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(path, data)

    monkeypatch.setattr(deliver, "write_atomic", full)
    assert main([command, str(judged / "broken"), "-C", str(judged)]) == 5
    assert "No space left on device" in capsys.readouterr().err
    assert not promotion_left(judged)
    assert not (judged / "reports" / "verdict.json").exists()


def test_a_file_in_the_place_of_the_reports_is_a_sentence(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(judged / "reports")
    (judged / "reports").write_text("mine")
    assert main(["gate", str(judged / "broken"), "-C", str(judged)]) == 5
    assert "Not a directory" in capsys.readouterr().err
    assert (judged / "reports").read_text() == "mine"


def test_two_that_write_at_once_do_not_mix(judged: Path) -> None:
    """The second waits until the first has written all of its files."""
    reports = judged / "reports"
    descriptor = os.open(reports, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    second = threading.Thread(target=deliver.take_away, args=(reports,))
    second.start()
    second.join(0.2)
    waits, there = second.is_alive(), (reports / "verdict.json").exists()
    os.close(descriptor)
    second.join()
    assert (waits, there, (reports / "verdict.json").exists()) == (True, True, False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_stdout_encoding_takes_the_json(judged: Path, encoding: str) -> None:
    done = process("gate", str(judged / "broken"), "-C", str(judged), "--json", PYTHONIOENCODING=encoding)
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout) == verdict(judged)


def test_an_interrupted_check_is_no_verdict(judged: Path) -> None:
    plant_promotion(judged)
    code = CRASH.format(module="run.stored", name="judge_stored", before="raise KeyboardInterrupt")
    assert process("gate", str(judged / "tiny"), "-C", str(judged), code=code).returncode == 130
    assert not (judged / "reports" / "verdict.json").exists()


def test_report_writes_again_what_was_decided(judged: Path) -> None:
    assert main(["gate", str(judged / "broken"), "-C", str(judged)]) == 3
    decided = verdict(judged)
    shutil.rmtree(judged / "reports")
    assert main(["report", str(judged / "broken"), "-C", str(judged)]) == 0
    assert verdict(judged) == decided


def test_diff_names_what_was_lost(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(run_of(judged, variant, "broken")) for variant in ("base", "adapter")]
    capsys.readouterr()
    assert main(["diff", *runs, "-C", str(judged), "--json"]) == 0
    found = {entry["suite"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert found["json_records"]["candidate_pass"] == 0
    assert len(found["json_records"]["lost"]) == found["json_records"]["base_pass"] > 20
    assert all(entry["unpaired"] == 0 for entry in found.values())


def test_variants_at_nf4_and_bf16_are_judged_on_a_cpu(locked: Path, judged_once: Path) -> None:
    """The way a QLoRA adapter is served: over the NF4 base; and merged into bf16."""
    for name in ("general_words", "json_records"):
        (locked / "suites" / f"{name}.yaml").unlink()
    write_settings(locked, variants=["base@nf4", "adapter@nf4", "base@bf16", "merged@bf16"])
    assert main(["lock", "--amend", "--why", "other precisions", "-C", str(locked)]) == 0
    code = main(["check", str(judged_once / "broken"), "-C", str(locked), "--quiet"])
    assert (code, verdict(locked)["decision"]) == (3, "REJECT")
    against = {suite["variant"]: suite["base_pass"] for suite in verdict(locked)["suites"]}
    assert set(against) == {"adapter@nf4", "merged@bf16"}
