"""The recipe: what it settles to, what it refuses, what it warns about, and what counts as another one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from train_projects import write_settings

from regress.errors import ProjectError
from regress.suite import read_project
from regress.suite.train_section import TrainSection
from regress.train import recipe


def section(**given: Any) -> TrainSection:
    return recipe.settled(TrainSection(**given))


@pytest.mark.parametrize(
    ("given", "alpha", "rate"),
    [
        ({}, Decimal(32), Decimal("2e-4")),
        ({"r": 8}, Decimal(16), Decimal("2e-4")),
        ({"rslora": True}, Decimal(8), Decimal("2e-4")),  # 8 / sqrt(16) = 2, as 32 / 16
        ({"objective": "dpo"}, Decimal(32), Decimal("5e-6")),
        ({"alpha": Decimal(5), "learning_rate": Decimal("1e-3")}, Decimal(5), Decimal("1e-3")),
    ],
)
def test_auto_is_settled(given: dict[str, Any], alpha: Decimal, rate: Decimal) -> None:
    found = section(**given)
    assert (found.alpha, found.learning_rate) == (alpha, rate)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"quant": "fp4"}, ["quant is fp4"]),
        ({"double_quant": False}, ["double_quant is off"]),
        ({"learning_rate": Decimal("1e-3")}, []),  # the bound itself
        ({"learning_rate": Decimal("1.1e-3")}, ["learning_rate is 0.0011"]),
        ({"learning_rate": Decimal("2e-4"), "objective": "dpo"}, ["learning_rate is 0.0002"]),
        ({"packing": True, "max_length": 512}, ["packing into 512 tokens"]),
        ({"packing": True}, []),
        ({"dora": True, "rslora": True}, ["dora and rslora are both on"]),
        ({"method": "lora"}, []),
    ],
)
def test_known_mistakes_are_said(given: dict[str, Any], said: list[str]) -> None:
    found = recipe.mistakes(section(**given))
    assert [line[: len(part)] for line, part in zip(found, said, strict=True)] == said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": 0}, "train.alpha: 0 multiplies everything that is learned by 0"),
        ({"alpha": -1}, "train.alpha: -1 multiplies"),
        ({"method": "lora", "quant": "nf4"}, "quant belongs to method: qlora"),
        ({"objective": "dpo", "packing": True}, "packing belongs to objective: sft"),
        ({"beta": 0.2}, "beta belongs to objective: dpo"),
        ({"epochs": 2, "max_steps": 5}, "epochs and max_steps both say how long"),
        ({"targets": ["q_proj", "q_proj"]}, "targets names a module twice"),
        ({"targets": ["q_proj.*"]}, "train.targets"),  # no patterns: PEFT would run them
        ({"targets": "q_proj"}, "train.targets is 'q_proj'"),
        ({"dropout": 1}, "train.dropout is 1"),
        ({"method": "dpo"}, "train.method is 'dpo'; choices: 'qlora' or 'lora'"),
        ({"probe": {"keep": "first"}}, "train.probe.keep is 'first'; choices: 'last' or 'best'"),
        ({"lora_alpha": 3}, "unknown key 'train.lora_alpha'"),
        ({"max_length": 4}, "train.max_length is 4"),
    ],
)
def test_a_recipe_is_refused(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    write_settings(tmp_path, **({"max_steps": None} | given if "epochs" not in given else given))
    with pytest.raises(ProjectError) as caught:
        read_project(tmp_path)
    assert message in str(caught.value)


def test_another_recipe_is_named_by_what_differs() -> None:
    before = recipe.record(section(probe={"items": 3}, report_to=("wandb",), output="elsewhere"))
    assert list(recipe.changes(before, recipe.record(section(probe={"items": 3}, data="moved.jsonl")))) == []
    now = recipe.record(section(learning_rate=Decimal("1e-3"), targets=("q_proj",), method="lora"))
    assert list(recipe.changes(before, now)) == [
        "double_quant is unset, was true",
        "learning_rate is 0.001, was 0.0002",
        "method is lora, was qlora",
        "probe.items is 64, was 3",
        "quant is unset, was nf4",
        "targets is q_proj, was all-linear",
    ]
    assert recipe.digest(section()) != recipe.digest(section(seed=1))
