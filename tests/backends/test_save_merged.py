"""A written merged model is an ordinary checkpoint: plain transformers loads it and answers alike."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from asking import MERGED, a_suite, answers, largest, naive_tokens, next_log_probs, requests_of, some_prompts
from tiny_models import GPT2, LLAMA, Family, engine, make_adapter, plain_model, random_model
from transformers import AutoTokenizer, GenerationConfig

from regress.demo.project import MODEL
from regress.errors import BackendError
from regress.schema import Precision, PromptStyle

SUITE = a_suite(some_prompts(4, seed=11))
CASES: dict[str, tuple[Family | None, dict[str, Any]]] = {
    "embedded": (None, {}),
    "plain": (LLAMA, {}),
    "dora": (LLAMA, {"use_dora": True}),
    "head": (LLAMA, {"modules_to_save": ["lm_head"]}),
    "tied": (None, {"modules_to_save": ["norm"]}),
    "gpt2": (GPT2, {"target_modules": list(GPT2.modules), "fan_in_fan_out": True}),
}


@pytest.mark.parametrize("case", CASES)
def test_plain_transformers_answers_like_the_merged_variant(case: str, tmp_path: Path) -> None:
    family, settings = CASES[case]
    base = MODEL if family is None else random_model(family, tmp_path / "base")
    resident = engine(base)
    requests = requests_of(resident, SUITE)
    resident.attach(str(make_adapter(base, tmp_path / "adapter", scale=0.2, **settings)))
    resident.use(MERGED)
    merged, replies = resident.fingerprint(requests), answers(resident, SUITE)
    resident.save_merged(tmp_path / "merged")
    written = plain_model(tmp_path / "merged")
    assert largest(merged, next_log_probs(written, requests)) <= 1e-5
    decode = AutoTokenizer.from_pretrained(str(tmp_path / "merged")).decode
    for request, reply in zip(requests, replies, strict=True):
        tokens = naive_tokens(written, request, SUITE.generation.max_new_tokens)
        assert reply.text == decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def test_an_untied_copy_of_a_tied_head_stays_its_own(tmp_path: Path) -> None:
    """The embedded model shares one matrix between input and output; the adapter trains a copy for the output alone."""
    adapter = make_adapter(MODEL, tmp_path / "adapter", scale=0.02, modules_to_save=["lm_head"])
    resident = engine(MODEL)
    requests = requests_of(resident, SUITE)
    resident.attach(str(adapter))
    resident.use(MERGED)
    merged = resident.fingerprint(requests)
    resident.save_merged(tmp_path / "merged")
    assert largest(merged, next_log_probs(plain_model(tmp_path / "merged"), requests)) <= 1e-5


def test_it_keeps_the_precision_and_the_chat_template(tmp_path: Path) -> None:
    resident = engine(MODEL, Precision.BF16)
    resident.attach(str(make_adapter(MODEL, tmp_path / "adapter", scale=0.01)))
    resident.save_merged(tmp_path / "merged")
    assert json.loads((tmp_path / "merged" / "config.json").read_text())["dtype"] == "bfloat16"
    again = engine(tmp_path / "merged", Precision.BF16)
    suite = a_suite(["Repeat exactly: hill pencil"], prompt=PromptStyle.CHAT)
    assert list(again.render(suite)) == requests_of(resident, suite)
    resident.use(MERGED)
    assert answers(again, suite) == answers(resident, suite)


def test_every_end_token_of_the_base_is_kept(tmp_path: Path) -> None:
    """Chat models name several end tokens in generation_config.json and one in config.json."""
    shutil.copytree(MODEL, tmp_path / "base")
    settings = json.loads((MODEL / "generation_config.json").read_text())
    (tmp_path / "base" / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": [1, 7]}))
    resident = engine(tmp_path / "base")
    resident.attach(str(make_adapter(MODEL, tmp_path / "adapter", scale=0.01)))
    resident.save_merged(tmp_path / "merged")
    assert GenerationConfig.from_pretrained(str(tmp_path / "merged")).eos_token_id == [1, 7]


def test_it_never_writes_over_something(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "mine.txt").write_text("mine")
    resident = engine(MODEL)
    resident.attach(str(make_adapter(MODEL, tmp_path / "adapter", scale=0.01)))
    with pytest.raises(BackendError, match="not empty"):
        resident.save_merged(tmp_path / "merged")
    assert [path.name for path in (tmp_path / "merged").iterdir()] == ["mine.txt"]
