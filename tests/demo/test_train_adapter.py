"""Two steps of the real thing: NF4 base, LoRA on every linear layer, and a folder that holds an adapter and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from regress.demo.adapters import IGNORED, RECIPES, TARGETS, _batch, _batches, _encode, train_adapter
from regress.demo.corpus import data_digest, training_rows
from regress.demo.project import MODEL
from regress.demo.tasks.row import Row

TWO_STEPS = replace(RECIPES["careful"], counts={"support": 12}, steps=2, batch=4, rank=2)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[list[Path], list[list[tuple[int, int, float]]], str]:
    """The same two steps twice: folders, what `on_step` heard, and the digest of the data."""
    folders, heard, digest = [tmp_path_factory.mktemp("adapter") for _ in range(2)], [], ""
    for folder in folders:
        steps: list[tuple[int, int, float]] = []
        digest = train_adapter(MODEL, folder, TWO_STEPS, lambda *step, steps=steps: steps.append(step))
        heard.append(steps)
    return folders, heard, digest


def test_it_writes_an_adapter_and_no_more(trained: tuple[list[Path], Any, str]) -> None:
    folder = trained[0][0]
    config = json.loads((folder / "adapter_config.json").read_text())

    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert sorted(config["target_modules"]) == sorted(TARGETS)
    assert config["r"] == TWO_STEPS.rank


def test_every_tensor_is_finite_and_every_layer_learned(trained: tuple[list[Path], Any, str]) -> None:
    tensors = load_file(trained[0][0] / "adapter_model.safetensors")
    moved = {name for name, tensor in tensors.items() if "lora_B" in name and tensor.abs().max() > 0}

    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert len(moved) == 5 * len(TARGETS)  # B begins at zero


def test_a_recipe_decides_every_weight(trained: tuple[list[Path], Any, str]) -> None:
    first, second = (load_file(folder / "adapter_model.safetensors") for folder in trained[0])

    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_it_reports_every_step_and_returns_the_digest_of_its_data(
    trained: tuple[list[Path], list[list[tuple[int, int, float]]], str],
) -> None:
    _, heard, digest = trained

    assert [(step, total) for step, total, _ in heard[0]] == [(1, 2), (2, 2)]
    assert heard[0] == heard[1]
    assert digest == data_digest(training_rows(TWO_STEPS.counts, TWO_STEPS.seed))


def test_the_loss_sees_the_answer_and_its_end_alone(tokenizer: Any) -> None:
    rows = [
        Row(prompt="Count the words: a b", answer="2", slice="s"),
        Row(prompt="Repeat: lamp", answer="lamp", slice="s"),
    ]
    ids, labels = _batch([_encode(row, tokenizer) for row in rows], tokenizer.pad_token_id)

    assert ids.shape == labels.shape
    for row, seen in zip(rows, labels, strict=True):
        assert tokenizer.decode(seen[seen != IGNORED]) == row.answer + "<|end|>"


def test_batches_are_full_and_follow_the_seed() -> None:
    lengths = [n % 37 + 5 for n in range(500)]
    first, again = (list(_batches(lengths, RECIPES["careful"])) for _ in range(2))
    other = list(_batches(lengths, replace(RECIPES["careful"], seed=6)))

    assert first == again != other
    assert [len(batch) for batch in first] == [RECIPES["careful"].batch] * RECIPES["careful"].steps
