"""The embedded model's folder: complete, small, safe to load, and made from the generators as they are now."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from regress.demo.corpus import data_digest
from regress.demo.pretrain import corpus
from regress.demo.project import MODEL

USER = [{"role": "user", "content": "What is 2 + 3?"}]


@pytest.fixture(scope="module")
def provenance() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MODEL / "PROVENANCE.json").read_text())
    return loaded


def test_the_folder_is_small_and_holds_no_pickle_and_no_code() -> None:
    files = [path for path in MODEL.rglob("*") if path.is_file()]

    assert sum(path.stat().st_size for path in files) < 8 * 2**20
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors"}


def test_the_provenance_names_script_licence_data_and_training(provenance: dict[str, Any]) -> None:
    assert provenance["made_by"] == "python -m regress.demo.pretrain"
    assert provenance["licence"] == "Apache-2.0"
    assert provenance["training"]["steps"] > 0
    assert set(provenance["versions"]) == {"torch", "transformers"}


@pytest.mark.slow  # writes 195,200 rows
def test_the_model_was_taught_what_the_generators_write_today(provenance: dict[str, Any]) -> None:
    """A generator changed after the training would make the provenance untrue."""
    rows = corpus()

    assert provenance["data"]["rows"] == len(rows)
    assert provenance["data"]["digest"] == data_digest(rows)


def test_it_loads_in_fp32_and_every_linear_layer_fits_the_blocks_of_nf4(provenance: dict[str, Any]) -> None:
    model = AutoModelForCausalLM.from_pretrained(str(MODEL), dtype=torch.float32, local_files_only=True)
    sizes = {tuple(p.shape) for name, p in model.named_parameters() if "_proj" in name}

    assert model.num_parameters() == provenance["parameters"]
    assert all(side % 64 == 0 for size in sizes for side in size)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_the_chat_template_opens_the_assistants_turn(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(USER, tokenize=False, add_generation_prompt=True)

    assert text == "<|user|>What is 2 + 3?<|end|><|assistant|>"


def test_the_chat_template_marks_what_the_assistant_said(tokenizer: Any) -> None:
    turns = [*USER, {"role": "assistant", "content": "5"}]
    encoded = tokenizer.apply_chat_template(turns, return_dict=True, return_assistant_tokens_mask=True)
    said = [i for i, mask in zip(encoded["input_ids"], encoded["assistant_masks"], strict=True) if mask]

    assert tokenizer.decode(said) == "5<|end|>"


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        '{"name": "Anna", "age": 59}',
        "two  spaces,\ta tab and\na line",
        "naïve café, 東京, 🙂",  # bytes are the alphabet: nothing is unknown
        " leading and trailing ",
        "12345",
    ],
)
def test_the_tokenizer_gives_back_every_text(text: str, tokenizer: Any) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_every_digit_and_every_turn_mark_is_one_token(tokenizer: Any) -> None:
    assert len(tokenizer("12345")["input_ids"]) == 5
    marks = ("<|pad|>", "<|end|>", "<|user|>", "<|assistant|>")
    assert all(len(tokenizer(mark)["input_ids"]) == 1 for mark in marks)
    assert tokenizer.convert_ids_to_tokens([tokenizer.pad_token_id, tokenizer.eos_token_id]) == list(marks[:2])
