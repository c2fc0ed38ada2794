"""`regress check A B C` in the real process: shared base, one decision each, the worst exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from e2e_projects import plant_promotion, process, promotion_left
from tiny_models import make_adapter

from regress.cli import main


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def without_attempt(verdict: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in verdict.items() if key != "attempt"}


def test_good_broken_and_refused_ones_in_one_go(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noop = make_adapter(judged / "base", tmp_path / "noop", scale=0.0)
    plant_promotion(judged)
    adapters = [str(judged / "tiny"), str(noop), str(judged / "broken")]
    assert main(["check", *adapters, "-C", str(judged), "--quiet"]) == 5
    reports = judged / "reports"
    assert {path.name for path in reports.iterdir() if path.is_dir()} == {"broken", "noop", "tiny"}
    assert {path.name for path in reports.iterdir() if path.is_file()} == {"index.md", "comment.md", "verdicts.json"}
    found = [read(reports / name / "verdict.json") for name in ("tiny", "noop", "broken")]
    assert [(one["decision"], one["exit_code"]) for one in found] == [("PROMOTE", 0), ("REFUSED", 5), ("REJECT", 3)]
    assert read(reports / "verdicts.json") == found
    said = capsys.readouterr().err
    assert "3 adapters: 1 PROMOTE, 1 REJECT, 1 REFUSED" in said
    assert "the next one would be candidate 3 and may spend" in " ".join(said.split())
    assert "(noop/summary.md)" in (reports / "index.md").read_text()
    for name in ("tiny", "broken"):  # the same as alone
        assert main(["gate", str(judged / name), "-C", str(judged)]) == read(reports / "verdict.json")["exit_code"]
        alone = read(reports / "verdict.json")
        assert alone == read(reports / name / "verdict.json")
        assert not (reports / "index.md").exists()  # what stands there is one adapter's again


def test_json_is_a_list_in_the_order_given(judged: Path) -> None:
    adapters = [str(judged / name) for name in ("broken", "tiny")]
    done = process("check", *adapters, "-C", str(judged), "--json", "--workers", "1")
    assert done.returncode == 3, done.stderr
    printed = json.loads(done.stdout)
    assert [one["decision"] for one in printed] == ["REJECT", "PROMOTE"]
    assert printed == read(judged / "reports" / "verdicts.json")
    assert "adapter 2 of 2: " in done.stderr


def test_without_a_lock_every_one_is_refused_and_no_old_promotion_survives(judged: Path) -> None:
    adapters = [str(judged / name) for name in ("tiny", "broken")]
    plant_promotion(judged)
    (judged / "reports" / "tiny").mkdir()
    shutil.copy(judged / "reports" / "verdict.json", judged / "reports" / "tiny")
    shutil.rmtree(judged / "baselines")
    assert main(["check", *adapters, "-C", str(judged), "--quiet"]) == 5
    assert [one["decision"] for one in read(judged / "reports" / "verdicts.json")] == ["REFUSED", "REFUSED"]
    assert read(judged / "reports" / "tiny" / "verdict.json")["exit_code"] == 5
    assert not promotion_left(judged)


def test_two_workers_end_like_one(judged: Path, locked_once: Path, tmp_path: Path) -> None:
    """A fresh project in which two processes answer, against one in which one did."""
    locked = Path(shutil.copytree(locked_once, tmp_path / "locked"))
    done = process("check", str(judged / "tiny"), "-C", str(locked), "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert main(["gate", str(judged / "tiny"), "-C", str(judged)]) == 0
    assert json.loads(done.stdout)["suites"] == read(judged / "reports" / "verdict.json")["suites"]
    seals = [{read(path)["item_set"] for path in project.glob("*/**/seal.json")} for project in (locked, judged)]
    assert len(seals[0]) == 1
    assert seals[0] <= seals[1]


def test_an_adapter_named_twice_is_usage(judged: Path) -> None:
    assert main(["check", str(judged / "tiny"), str(judged / "tiny"), "-C", str(judged)]) == 2


def test_variants_beside_the_lock_are_told_and_decide_nothing(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--variants", "base,adapter,merged,adapter@bf16"]
    assert main(["check", str(judged / "broken"), "-C", str(judged), "--quiet", *chosen]) == 3
    found = read(judged / "reports" / "verdict.json")
    assert {suite["variant"] for suite in found["suites"]} == {"adapter", "merged"}
    beside = {suite["variant"]: suite["role"] for suite in found["beside"]["suites"]}
    assert beside == {"adapter@bf16": "inform"}
    assert "not in the lock, so it decides nothing" in capsys.readouterr().err


def test_whoever_leaves_out_a_locked_variant_gets_no_verdict(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("tiny", "broken"):
        plant_promotion(judged)
        assert main(["check", str(judged / name), "-C", str(judged), "--quiet", "--variants", "base,adapter"]) == 5
        said = " ".join(capsys.readouterr().err.split())
        assert "merged is in the lock and was left out, so nothing is concluded" in said
        assert not promotion_left(judged)


@pytest.mark.parametrize("variants", ["base,adaptor", "adapter", "base,adapter,adapter"])
def test_variants_that_make_no_sense_are_usage(judged_once: Path, variants: str) -> None:
    assert main(["check", "adapter", "-C", str(judged_once), "--variants", variants]) == 2
