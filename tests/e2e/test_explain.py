"""`regress explain SUITE`: the words agree with the verdict, and the margins that it names do what it says."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from regress.cli import main
from regress.gate import at_alpha, judge
from regress.run.explaining import explain
from regress.run.stored import judge_stored
from regress.schema import Verdict
from regress.suite import read_project


def test_the_margins_that_it_names_turn_the_verdict(judged: Path) -> None:
    opened = read_project(judged)
    judgement = judge_stored(opened, judged / "broken")
    policy = at_alpha(opened.policy, judgement.decision.attempt)
    comparisons = {(c.suite, c.variant): c for c in judgement.comparisons}
    seen = 0
    for suite in ("general_choice", "general_words", "json_records"):
        for found in explain(judgement, suite, opened.policy):
            comparison = comparisons[suite, found.verdict.variant]
            for margin, step, wanted in (
                (found.passes_from, Decimal("-0.001"), Verdict.PASS),
                (found.fails_up_to, Decimal("0.001"), Verdict.FAIL),
            ):
                if margin is not None:
                    seen += 1
                    assert judge(replace(comparison, margin=margin), policy).verdict is wanted
                    beyond = replace(comparison, margin=margin + step)
                    assert judge(beyond, policy).verdict is not wanted
    assert seen > 0


def test_it_says_why_and_what_would_change_it(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "json_records", "-C", str(judged)]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "FAIL: it lost more than 25 points, for certain" in said
    assert "adapter and merged, against base@fp32: 25 → 0 right of 25" in said, "alike, so told once"
    assert "The same replies would" in said
    assert main(["explain", "json_records", "--adapter", str(judged / "tiny"), "-C", str(judged), "--json"]) == 0
    objects = json.loads(capsys.readouterr().out)
    assert [(one["variant"], one["verdict"]) for one in objects] == [("adapter", "PASS"), ("merged", "PASS")]
    assert all(one["passes_from_margin"] is not None for one in objects)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["nothing"], "'nothing' was not compared. Suites: general_choice"), (["json_records"], "names no candidate")],
)
def test_what_cannot_be_explained(
    judged: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if arguments == ["json_records"]:
        (judged / "reports" / "verdict.json").unlink()
    assert main(["explain", *arguments, "-C", str(judged)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_last_verdicts_candidate_is_found_from_elsewhere(
    judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verdict.json names it as it was named in the project; the command may be called from any folder."""
    monkeypatch.chdir(judged)
    assert main(["gate", "broken"]) == 3
    monkeypatch.chdir(tmp_path)
    assert main(["explain", "json_records", "-C", str(judged)]) == 0
