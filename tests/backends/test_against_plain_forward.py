"""Batched, padded, cached answers against one plain forward pass an item, over eight families of models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asking import (
    a_suite,
    answers,
    largest,
    naive_sums,
    naive_tokens,
    next_log_probs,
    requests_of,
    some_choices,
    some_prompts,
)
from tiny_models import FAMILIES, LLAMA, VOCABULARY, Family, engine, plain_model, random_model

from regress.backends.hf import HFEngine
from regress.demo.project import MODEL
from regress.errors import BackendError
from regress.schema import Finish, PromptStyle

CHOICE_SUITE = a_suite(some_prompts(12), some_choices(12))
TEXT_SUITE = a_suite(some_prompts(12, seed=3), max_new_tokens=10)


@pytest.fixture(scope="module", params=["embedded", *FAMILIES], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not isinstance(request.param, Family):
        return MODEL
    return random_model(request.param, tmp_path_factory.mktemp(str(request.param)))


@pytest.fixture(scope="module")
def resident(folder: Path) -> HFEngine:
    return engine(folder)


def test_log_likelihoods_are_those_of_a_plain_forward(folder: Path, resident: HFEngine) -> None:
    plain = plain_model(folder)
    requests = requests_of(resident, CHOICE_SUITE)
    assert max(len(choice) for request in requests for choice in request.choices) > 5
    for request, reply in zip(requests, answers(resident, CHOICE_SUITE), strict=True):
        assert np.allclose(reply.logprobs, naive_sums(plain, request), rtol=0, atol=1e-4), request.item
        assert reply.prompt_tokens == len(request.prompt)


def test_greedy_replies_are_those_of_generate_token_for_token(folder: Path, resident: HFEngine) -> None:
    plain = plain_model(folder)
    decode = resident._renderer.tokenizer.decode
    for request, reply in zip(requests_of(resident, TEXT_SUITE), answers(resident, TEXT_SUITE), strict=True):
        tokens = naive_tokens(plain, request, TEXT_SUITE.generation.max_new_tokens)
        assert reply.text == decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert reply.reply_tokens == len(tokens)
        assert reply.finish is (Finish.EOS if tokens[-1] == 1 else Finish.LENGTH)


def test_fingerprint_is_the_plain_next_token_distribution(folder: Path, resident: HFEngine) -> None:
    requests = requests_of(resident, TEXT_SUITE)[:4]
    prints = resident.fingerprint(requests)
    assert prints.shape == (4, VOCABULARY)
    assert largest(prints, next_log_probs(plain_model(folder), requests)) <= 1e-5


def test_a_wrong_prompt_token_would_be_seen(folder: Path, resident: HFEngine) -> None:
    """The models are not so flat that any answer would agree: another first token moves the sums."""
    plain = plain_model(folder)
    within_the_window = [request for request in requests_of(resident, CHOICE_SUITE) if len(request.prompt) <= 7]
    assert within_the_window
    for request in within_the_window:
        changed = replace(request, prompt=(request.prompt[0] ^ 1, *request.prompt[1:]))
        assert largest(np.array(naive_sums(plain, request)), np.array(naive_sums(plain, changed))) > 1e-2


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(LLAMA, tmp_path_factory.mktemp("llama"))


def test_batch_composition_does_not_change_an_answer(llama: Path) -> None:
    """One row a batch, a few, all at once: fp32 differs by rounding alone."""
    sums = [np.array([r.logprobs[0] for r in answers(engine(llama, batch_tokens=n), CHOICE_SUITE)]) for n in (1, 90)]
    together = np.array([r.logprobs[0] for r in answers(engine(llama), CHOICE_SUITE)])
    assert all(largest(s, together) <= 1e-4 for s in sums)
    texts = [[r.text for r in answers(engine(llama, batch_tokens=n), TEXT_SUITE)] for n in (1, 90, 8000)]
    assert texts[0] == texts[1] == texts[2]


def test_batches_cover_every_request_once_within_the_token_budget(llama: Path) -> None:
    resident = engine(llama, batch_tokens=120)
    requests = requests_of(resident, TEXT_SUITE)
    batches = resident.batches(TEXT_SUITE, requests)
    assert sorted(index for batch in batches for index in batch.places) == list(range(len(requests)))
    longest = [max(len(r.prompt) for r in batch.requests) + TEXT_SUITE.generation.max_new_tokens for batch in batches]
    slots = [batch.plan.slots for batch in batches]
    assert all(count == 1 or count * width <= 120 for count, width in zip(slots, longest, strict=True))
    assert longest == sorted(longest, reverse=True)
    assert batches == resident.batches(TEXT_SUITE, requests)


def chat(prompts: list[str], **settings: object) -> list[tuple[str | None, Finish | None]]:
    suite = a_suite(prompts, prompt=PromptStyle.CHAT, **settings)  # type: ignore[arg-type]
    return [(reply.text, reply.finish) for reply in answers(engine(MODEL), suite)]


def test_a_reply_ends_at_the_end_token_at_a_stop_text_or_at_its_length() -> None:
    prompts = ["Repeat exactly: hill pencil", "Compute 34 - 26.", "Say this again: farmer acorn engine"]
    whole = chat(prompts, max_new_tokens=16)
    assert whole == [("hill pencil", Finish.EOS), ("8", Finish.EOS), ("farmer acorn engine", Finish.EOS)]
    stopped = chat(prompts, max_new_tokens=16, stop=("cil", " acorn", "ngine"))
    assert stopped == [("hill pen", Finish.STOP), ("8", Finish.EOS), ("farmer", Finish.STOP)]
    short = chat(prompts, max_new_tokens=2)
    assert [finish for _, finish in short] == [Finish.LENGTH, Finish.EOS, Finish.LENGTH]
    assert all(text and full and full.startswith(text) for (text, _), (full, _) in zip(short, whole, strict=True))


def test_a_stop_text_that_ends_before_the_last_token_is_cut_at_its_first_occurrence() -> None:
    assert chat(["Repeat exactly: hill pencil"], max_new_tokens=16, stop=("zzz", "l")) == [("hi", Finish.STOP)]


def test_an_item_beyond_the_context_window_is_refused_by_name(llama: Path) -> None:
    with pytest.raises(BackendError, match=r"'q0' of made_by_hand needs \d+ \+ 12 tokens and the context window holds"):
        requests_of(engine(llama), a_suite(["stone mirror " * 200]))


def test_nan_in_the_logits_stops_and_names_the_item(llama: Path) -> None:
    resident = engine(llama)
    resident.resident.model.lm_head.weight.data[5] = float("nan")
    for suite in (CHOICE_SUITE, TEXT_SUITE):
        with pytest.raises(BackendError, match=r"NaN or infinity on item 'q\d+'"):
            answers(resident, suite)
