"""Replies from few slots, many slots and one: token for token what each prompt gets alone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import torch
from asking import a_suite, answers, naive_tokens, requests_of, some_prompts
from tiny_models import FAMILIES, GPT2, Family, engine, random_model

from regress.backends import generating
from regress.backends.hf import HFEngine
from regress.backends.resident import ResidentModel
from regress.demo.project import MODEL
from regress.errors import BackendError, Notice
from regress.schema import Finish, GenerationSettings, PromptStyle, Reply, ScorerSpec, Suite

EXAMPLES = "the river reads under seven stones many letters mirror the day "
SUITE = a_suite([EXAMPLES * (n % 3 > 0) + text for n, text in enumerate(some_prompts(23, seed=5))], max_new_tokens=14)


@pytest.fixture(scope="module", params=[FAMILIES[k] for k in (0, 2, 3, 5, 6)], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    family: Family = request.param
    return random_model(family, tmp_path_factory.mktemp(str(family)))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(FAMILIES[0], tmp_path_factory.mktemp("llama"))


def with_slots(resident: HFEngine, slots: int, overhead: int | None = None) -> HFEngine:
    kept = resident._budget.overhead if overhead is None else overhead
    resident._budget, resident._plans = replace(resident._budget, slots=slots, overhead=kept), {}
    return resident


@pytest.fixture(scope="module")
def alone(folder: Path) -> list[Reply]:
    return answers(with_slots(engine(folder), 1), SUITE)


@pytest.mark.parametrize("slots", [2, 3, 8, 64])
@pytest.mark.parametrize("overhead", [None, -(10**6), 10**6], ids=["", "every prefix", "no prefix"])
def test_slots_that_are_refilled_write_what_each_prompt_gets_alone(
    folder: Path, alone: list[Reply], slots: int, overhead: int | None
) -> None:
    resident = with_slots(engine(folder), slots, overhead)
    batches = resident.batches(SUITE, requests_of(resident, SUITE))
    assert slots > 8 or any(len(batch.places) > batch.plan.slots for batch in batches)
    assert answers(resident, SUITE) == alone


def test_replies_that_end_early_make_room_for_others(folder: Path) -> None:
    """End tokens by the dozen, so that slots fall free one by one and their neighbours move."""
    replies = {}
    for slots in (1, 3, 7, 64):
        resident = with_slots(engine(folder), slots)
        resident._renderer.end_ids = frozenset(range(1, 1024, 9))
        replies[slots] = answers(resident, SUITE)
    if "gemma2" not in folder.name:  # which repeats one token with these weights
        assert len({reply.reply_tokens for reply in replies[1]}) > 5
        assert {reply.finish for reply in replies[1]} == {Finish.EOS, Finish.LENGTH}
    assert replies[1] == replies[3] == replies[7] == replies[64]


def test_prompts_that_are_each_others_beginnings(folder: Path) -> None:
    words = EXAMPLES.split()
    suite = replace(a_suite([" ".join(words[:count]) for count in range(1, 12)]), generation=SUITE.generation)
    one = answers(with_slots(engine(folder), 1, 10**6), suite)
    assert answers(with_slots(engine(folder), 4, -(10**6)), suite) == one
    assert one[0].prompt_tokens < one[-1].prompt_tokens


def test_the_last_token_is_that_of_the_length(folder: Path, alone: list[Reply]) -> None:
    resident = engine(folder)
    for most in (1, 2, 7):
        suite = replace(SUITE, generation=GenerationSettings(max_new_tokens=most))
        for request, reply in zip(requests_of(resident, suite), answers(resident, suite), strict=True):
            tokens = naive_tokens(resident.resident.model, request, most)
            assert reply.reply_tokens == len(tokens)
            assert reply.finish is (Finish.EOS if tokens[-1] == 1 else Finish.LENGTH)


def test_a_reply_as_long_as_the_context_window_allows(llama: Path) -> None:
    resident = engine(llama)
    prompt = len(requests_of(resident, a_suite(["the river"]))[0].prompt)
    suite = a_suite(["the river"], max_new_tokens=256 - prompt)
    (reply,) = answers(resident, suite)
    tokens = naive_tokens(resident.resident.model, requests_of(resident, suite)[0], 256 - prompt)
    assert (reply.reply_tokens, reply.text) == (len(tokens), resident._decode(tokens))


def test_replies_come_as_they_end_and_each_once(llama: Path) -> None:
    resident = with_slots(engine(llama), 8)
    resident._renderer.end_ids = frozenset(range(1, 1024, 9))
    parts = list(resident.answers(SUITE, resident.batches(SUITE, requests_of(resident, SUITE))))
    assert len(parts) > len(resident.batches(SUITE, requests_of(resident, SUITE)))
    assert sorted(place for part in parts for place, _ in part) == list(range(len(SUITE.items)))


def chat(prompts: Sequence[str], **settings: Any) -> Suite:
    return a_suite(prompts, prompt=PromptStyle.CHAT, **settings)


def test_stop_texts_do_not_depend_on_company() -> None:
    suite = chat([f"Repeat exactly: {words}" for words in ("hill pencil", "farmer acorn engine", "a b c d")] * 4)
    suite = replace(suite, generation=GenerationSettings(max_new_tokens=24, stop=("cil", "orn e", " c")))
    replies = answers(with_slots(engine(MODEL), 5), suite)
    assert replies == answers(with_slots(engine(MODEL), 1), suite)
    assert [(reply.text, reply.finish) for reply in replies[:2]] == [
        ("hill pen", Finish.STOP),
        ("farmer ac", Finish.STOP),
    ]


def test_a_special_token_named_as_a_stop_ends_the_reply() -> None:
    """The demo's model writes <|end|> behind its answer; here nobody else says that this ends it."""
    resident = engine(MODEL)
    resident._renderer.end_ids = frozenset()
    suite = chat(["Repeat exactly: hill pencil"], max_new_tokens=16)
    assert answers(resident, suite)[0].finish is Finish.LENGTH
    stopped = chat(["Repeat exactly: hill pencil"], max_new_tokens=16, stop=("<|end|>",))
    (reply,) = answers(resident, stopped)
    assert (reply.text, reply.finish) == ("hill pencil", Finish.EOS)


def test_a_document_that_the_model_goes_on_behind_is_cut() -> None:
    """The demo's model, which nobody stops at its end token, rambles on."""
    resident = engine(MODEL)
    resident._renderer.end_ids = frozenset()
    text = "Write a JSON object with the keys name, age, city, job for this text: David is 71, lives in Milan and works"
    suite = chat([f"{text} as a lawyer."], max_new_tokens=80)
    (whole,) = answers(resident, suite)
    (reply,) = answers(resident, replace(suite, scorer=ScorerSpec(name="json_schema")))
    assert (whole.finish, reply.finish) == (Finish.LENGTH, Finish.CLOSED)
    assert whole.text is not None
    assert reply.text is not None
    document = reply.text[: reply.text.index("}") + 1]
    assert json.loads(document)["city"] == "Milan"
    assert whole.text.startswith(reply.text)
    assert len(document) < len(reply.text) < len(whole.text)


class Scarce:
    """A model on a device that has room for so many rows."""

    def __init__(self, model: Any, rows: int) -> None:
        self.rows = rows
        self.failed = 0
        self._model = model

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        if len(inputs["input_ids"]) > self.rows:
            self.failed += 1
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self._model(*args, **inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def scarce(resident: HFEngine, monkeypatch: pytest.MonkeyPatch, rows: int) -> Scarce:
    model = Scarce(resident.resident.model, rows)
    monkeypatch.setattr(ResidentModel, "model", property(lambda _resident: model))
    return model


def test_where_memory_runs_out_fewer_slots_write_the_same(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = answers(engine(llama), SUITE)
    resident = with_slots(engine(llama), 64)
    model = scarce(resident, monkeypatch, 3)
    with pytest.warns(Notice, match="it is asked in parts"):
        assert answers(resident, SUITE) == known
    batches = len(resident.batches(SUITE, requests_of(resident, SUITE)))
    assert model.failed <= 3 * batches  # 23 replies are no 64: 11, 5, 2 are tried


def test_a_reply_without_room_ends_the_run_and_is_named(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = engine(llama)
    scarce(resident, monkeypatch, 0)
    with warnings.catch_warnings(), pytest.raises(BackendError, match=r"out of memory on item 'q\d+' of made_by_hand"):
        warnings.simplefilter("ignore", Notice)
        answers(resident, SUITE)


def test_nan_names_the_item_whose_it_is(llama: Path) -> None:
    resident = engine(llama)
    suite = a_suite(["the day", "the river", "many stones"])
    sick = requests_of(resident, suite)[1].prompt[-1]
    with torch.no_grad():
        resident.resident.model.get_input_embeddings().weight[sick] = float("nan")
    with pytest.raises(BackendError, match="NaN or infinity on item 'q1'"):
        answers(resident, suite)


def test_the_same_batches_write_the_same_twice(folder: Path) -> None:
    resident = with_slots(engine(folder), 5)
    assert answers(resident, SUITE) == answers(resident, SUITE) == answers(with_slots(engine(folder), 5), SUITE)


def drawn(seed: int = 3, repeats: int = 1, **settings: Any) -> Suite:
    how = GenerationSettings(max_new_tokens=10, temperature=Decimal("1.5"), seed=seed, repeats=repeats, **settings)
    return replace(SUITE, generation=how)


@pytest.mark.parametrize("kind", [FAMILIES[0], GPT2], ids=str)
def test_drawn_replies_do_not_depend_on_company(kind: Family, tmp_path: Path) -> None:
    path = random_model(kind, tmp_path / "model")
    one = answers(with_slots(engine(path), 1), drawn(repeats=3))
    assert one == answers(with_slots(engine(path), 8), drawn(repeats=3)) == answers(engine(path), drawn(repeats=3))
    few = replace(drawn(repeats=3), items=SUITE.items[7:9])
    assert answers(engine(path), few) == one[7:9]


def test_repeats_are_samples_that_differ(llama: Path) -> None:
    replies = answers(with_slots(engine(llama), 5), drawn(repeats=4))
    for reply in replies:
        assert len({sample.text for sample in reply.samples}) == 4
        assert (reply.text, reply.finish) == (None, None)
        assert reply.reply_tokens == sum(sample.reply_tokens for sample in reply.samples)
        assert {sample.prompt_tokens for sample in reply.samples} == {reply.prompt_tokens}
    other = answers(with_slots(engine(llama), 5), drawn(seed=4, repeats=4))
    assert all(one.samples != two.samples for one, two in zip(replies, other, strict=True))


def test_slots_are_planned_within_their_tokens(llama: Path) -> None:
    resident = engine(llama, batch_tokens=90)
    requests = requests_of(resident, SUITE)
    for batch in resident.batches(SUITE, requests):
        longest = max(len(request.prompt) for request in batch.requests) + SUITE.generation.max_new_tokens
        assert batch.plan.slots == 1 or batch.plan.slots * longest <= 90
        assert len(batch.places) <= batch.plan.slots * generating.CHUNK
        assert all(request.prompt[: len(batch.plan.prefix)] == batch.plan.prefix for request in batch.requests)
        assert all(len(request.prompt) > len(batch.plan.prefix) for request in batch.requests)
