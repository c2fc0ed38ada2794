"""Prompts asked alone, and a draft model before the target: real models, real tokens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from asking import a_suite, answers, some_prompts
from tiny_models import CPU, FAMILIES, engine, random_model

from regress.backends.drafting import DraftModel
from regress.demo.project import MODEL
from regress.errors import ModelError
from regress.schema import Finish, Precision

SUITE = a_suite(some_prompts(6, seed=3), max_new_tokens=12)


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[3], FAMILIES[5]], ids=str)
def test_a_prompt_alone_gets_the_reply_of_a_batch(family, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    resident = engine(random_model(family, tmp_path / "model"))
    known = answers(resident, SUITE)
    for request, reply in zip(resident.render(SUITE), known, strict=True):
        lone = resident.alone(SUITE, request)
        assert len(lone.tokens) == reply.reply_tokens
        ended = reply.finish is Finish.EOS
        assert resident._decode(list(lone.tokens[:-1] if ended else lone.tokens)) == reply.text
        assert 0 < lone.first <= lone.whole
        assert lone.peak_bytes is None or lone.peak_bytes > 10_000_000  # this process, torch included


def test_a_stop_text_ends_it(tmp_path: Path) -> None:
    resident = engine(random_model(FAMILIES[0], tmp_path / "model"))
    whole = answers(resident, SUITE)[0].text or ""
    suite = a_suite(some_prompts(6, seed=3), max_new_tokens=12, stop=(whole[3:6],))
    lone, reply = resident.alone(suite, resident.render(suite)[0]), answers(resident, suite)[0]
    assert reply.finish is Finish.STOP
    assert len(lone.tokens) == reply.reply_tokens < 12


def test_a_model_proposes_all_of_its_own_tokens_and_another_few(tmp_path: Path) -> None:
    resident = engine(MODEL)
    torch.manual_seed(1)
    other = tmp_path / "other"
    shutil.copytree(random_model(FAMILIES[0], tmp_path / "random"), other)
    itself, stranger = (DraftModel(folder, MODEL, Precision.FP32, CPU) for folder in (MODEL, other))
    total = own = strange = 0
    for request in resident.render(SUITE):
        reply = resident.alone(SUITE, request).tokens
        total += len(reply)
        own += itself.accepted(request.prompt, reply)
        strange += stranger.accepted(request.prompt, reply)
    assert own == total
    assert strange < total / 2
    assert itself.draft.parameters == itself.draft.target_parameters > 0


def test_a_draft_with_other_tokens_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "draft"
    shutil.copytree(MODEL, folder)
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"Ġthe"', '"Ġteh"'))
    with pytest.raises(ModelError, match=r"cannot propose tokens.*vocabulary-matches fails"):
        DraftModel(folder, MODEL, Precision.FP32, CPU)
