"""Training prompts against production's: told apart where they differ, left alone where they do not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audit_samples import write_rows
from auditing_rows import ASKING, THINGS, audited, rules, shop_rows, suite_of, the

from regress.audit.asking import prompt_of, sample_prompts
from regress.audit.checks._coverage import coverage
from regress.audit.protocol import Context
from regress.errors import DataError
from regress.rows.opening import open_source
from regress.rows.row import RowFault
from regress.schema import Audit, Role, Severity


def shop_prompts(rows: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    forms = [form for listed in ASKING.values() for form in listed]
    openings = ("hello,", "please:", "one question,", "good morning,", "sorry to ask,", "quickly,")
    closings = ("now", "today", "soon")
    said = [str(rng.choice(forms)).format(rng.choice(THINGS)) for _ in range(rows)]
    return [f"{rng.choice(openings)} {text} {rng.choice(closings)}" for text in said]


def training(rows: int = 400) -> list[dict[str, str]]:
    return [{"prompt": prompt, "completion": f"answer {n}"} for n, prompt in enumerate(shop_prompts(rows, 1))]


def against(tmp_path: Path, production: list[Any]) -> Audit:
    source = open_source(str(write_rows(tmp_path / "production.jsonl", production)))
    return audited(tmp_path / "train.jsonl", training(), "shift", Context(suites=(), production=source))


def test_the_same_users_are_not_told_apart(tmp_path: Path) -> None:
    found = against(tmp_path, [{"prompt": prompt} for prompt in shop_prompts(300, 2)])
    assert found.findings == ()
    assert found.figures["shift.p"] > 0.01  # type: ignore[operator]
    assert found.figures["shift.auc_low"] <= 0.5 <= found.figures["shift.auc_high"]  # type: ignore[operator]
    assert found.figures["shift.production_rows"] == 300


def test_other_topics_are_told_and_grouped(tmp_path: Path) -> None:
    topics = ("is the swimming pool heated in winter", "which bus goes to the harbour", "who teaches the piano lessons")
    new = [f"{topics[n % 3]} on day {n}" for n in range(90)]
    found = against(tmp_path, [{"prompt": prompt} for prompt in [*shop_prompts(210, 2), *new]])
    finding = the(found, "shift/uncovered")
    assert finding.severity is Severity.WARN
    assert finding.figures["share"] == pytest.approx(0.3, abs=0.05)
    named = " ".join(one.detail or "" for one in finding.evidence)
    assert all(word in named for word in ("swimming", "harbour", "piano"))
    assert all(one.source.endswith("production.jsonl") and one.row > 210 for one in finding.evidence[:3])


def test_another_way_of_asking_is_told(tmp_path: Path) -> None:
    """Capitals alone: the words are covered, the classifier sees it."""
    found = against(tmp_path, [{"prompt": prompt.upper()} for prompt in shop_prompts(300, 2)])
    assert rules(found) == ["shift/production"]
    finding = found.findings[0]
    assert finding.severity is Severity.WARN
    assert "100.0%" in finding.title
    assert {one.detail for one in finding.evidence} == {"telling of production", "telling of training"}
    assert all(one.text for one in finding.evidence)  # training rows are filled in from the data


@pytest.mark.parametrize("prompts", [["Hello"] * 60, ["?!"] * 60, ["x\u0000y"] * 60, [f"id{n}" for n in range(60)]])
def test_prompts_of_any_kind_are_compared(tmp_path: Path, prompts: list[str]) -> None:
    """All alike, no word among them, a control character, no word twice."""
    asked = [{"prompt": prompt} for prompt in prompts]
    source = open_source(str(write_rows(tmp_path / "production.jsonl", asked)))
    rows = [{**row, "completion": "yes"} for row in asked]
    found = audited(tmp_path / "train.jsonl", rows, "shift", Context(suites=(), production=source))
    assert found.findings == ()
    assert "shift.uncovered" in found.figures


def test_too_few_prompts_say_nothing(tmp_path: Path) -> None:
    found = against(tmp_path, [{"prompt": prompt} for prompt in shop_prompts(49, 2)])
    assert "49 prompts; it takes 50" in found.skipped[0].reason
    assert "shift.auc" not in found.figures


def test_nothing_to_hold_it_against(tmp_path: Path) -> None:
    found = audited(tmp_path / "train.jsonl", training(), "shift")
    assert (found.findings, found.skipped, dict(found.figures)) == ((), (), {})


@pytest.mark.parametrize(
    ("prompts", "role", "noted"),
    [
        (shop_prompts(60, 3), Role.TARGET, False),
        ([f"translate the sentence {n} into old Norse verse" for n in range(60)], Role.TARGET, True),
        ([f"translate the sentence {n} into old Norse verse" for n in range(60)], Role.INFORM, False),
    ],
)
def test_suites_that_training_does_not_serve(tmp_path: Path, prompts: list[str], role: Role, noted: bool) -> None:
    suite = suite_of(prompts, ["x"] * len(prompts), role=role)
    found = audited(tmp_path / "train.jsonl", training(), "shift", Context(suites=(suite,)))
    assert rules(found) == (["shift/suite"] if noted else [])
    assert ("shift.intents.uncovered" in found.figures) is (role is Role.TARGET)
    if noted:
        assert len(found.findings[0].items) == 60


def test_a_sample_of_the_training_prompts_comes_out_at_five_percent() -> None:
    prompts = sorted(set(shop_prompts(3000, 5)))
    order = np.random.default_rng(0).permutation(len(prompts))
    half = [[prompts[n] for n in part] for part in np.array_split(order, 2)]
    assert coverage(half[0], half[1], 0).share == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ("just a text", "just a text"),
        ({"prompt": "a"}, "a"),
        ({"text": "a"}, "a"),
        ({"query": "a", "answer": "b"}, "a"),
        ({"question": "a", "user_id": 7}, "a"),
        ({"instruction": "Do it", "input": "to this"}, "Do it\n\nto this"),
        ({"messages": [{"role": "user", "content": "a"}]}, "a"),  # not answered yet
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}, "a"),
        ({"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}, "a"),
        ({"prompt": [{"role": "user", "content": "a"}], "completion": "b"}, "a"),
    ],
)
def test_prompts_stand_in_many_places(value: Any, prompt: str) -> None:
    assert prompt_of(value, 1) == prompt


@pytest.mark.parametrize("value", [{}, {"prompt": " "}, {"prompt": 3}, 7, None, {"messages": [{"role": 1}]}, [], ""])
def test_what_holds_no_prompt(value: Any) -> None:
    with pytest.raises(RowFault):
        prompt_of(value, 1)


def test_a_named_column_comes_first() -> None:
    assert prompt_of({"body": "a", "text": "b"}, 1, (("prompt", "body"),)) == "a"


def test_a_reservoir_is_even_and_the_same_again(tmp_path: Path) -> None:
    source = open_source(str(write_rows(tmp_path / "log.jsonl", [{"prompt": str(n)} for n in range(200)])))
    counts = np.zeros(200)
    for seed in range(100):
        sampled, rows = sample_prompts(source, 50, seed)
        assert (len(sampled), rows) == (50, 200)
        counts[[int(one.prompt) for one in sampled]] += 1
    by_tenth = counts.reshape(10, 20).sum(axis=1)  # 500 each, standard deviation below 20
    assert by_tenth.min() > 420
    assert by_tenth.max() < 580
    assert sample_prompts(source, 50, 3) == sample_prompts(source, 50, 3)


def test_a_log_without_prompts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(json.dumps({"time": 3}) + "\n")
    with pytest.raises(DataError, match=r"holds no prompt: row 1 .* Name one of the columns"):
        sample_prompts(open_source(str(tmp_path / "log.jsonl")), 50, 0)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(DataError, match="it is empty"):
        sample_prompts(open_source(str(tmp_path / "empty.jsonl")), 50, 0)


def test_shop_rows_are_covered_by_themselves(tmp_path: Path) -> None:
    rows = [{"prompt": row["text"], "completion": row["label"]} for row in shop_rows(300)]
    source = open_source(str(write_rows(tmp_path / "production.jsonl", rows)))
    found = audited(tmp_path / "train.jsonl", rows, "shift", Context(suites=(), production=source))
    assert "shift/uncovered" not in rules(found)
