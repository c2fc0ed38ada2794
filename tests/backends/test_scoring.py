"""Log-likelihoods from rows, passes, halves and parts of any size: always those of a plain forward pass."""

from __future__ import annotations

import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asking import a_suite, answers, requests_of, some_choices, some_prompts
from tiny_models import CPU, FAMILIES, Family, engine, random_model

from regress.backends import plain, scoring
from regress.backends.hf import HFEngine
from regress.backends.protocol import Batch, Request
from regress.backends.resident import ResidentModel
from regress.backends.scoring import Shape, halves, packed_behind, plan
from regress.errors import BackendError, Notice
from regress.schema import Ask, Reply, Suite

SMALL = Shape(widths=(24,), nodes=100, tokens=400, overhead=4)
SHAPES = {
    "several rows a pass": SMALL,
    "one row a pass": replace(SMALL, nodes=1),
    "one request a row": replace(SMALL, widths=(1,), nodes=60),
    "no prefix": replace(SMALL, overhead=10**6),
    "a prefix wherever one is shared": replace(SMALL, overhead=0),
    "a choice of widths": replace(SMALL, widths=(12, 40, 90)),
    "everything at once": Shape(widths=(10**5,), nodes=10**7, tokens=10**7, overhead=64),
}
EXAMPLES = "the river reads under seven stones many letters mirror the day "
SUITE = a_suite([EXAMPLES * (n % 3 > 0) + text for n, text in enumerate(some_prompts(14))], some_choices(14))


def with_contexts() -> Suite:
    """As winogrande: the choices of an item follow beginnings of their own, one of them far longer."""
    items = []
    for number, item in enumerate(a_suite(["?"] * 6, [[" seven stones", " seven", " seven stones"]] * 6).items):
        contexts = (EXAMPLES + "the cat", EXAMPLES + f"many dogs {number} paper", EXAMPLES * 4 + "the cat")
        items.append(replace(item, messages=(), contexts=contexts))
    return replace(SUITE, items=tuple(items))


def rolling(words: Sequence[int] = (3, 30, 70, 300, 5)) -> Suite:
    """Texts of these numbers of words, far beyond the window of 64 that `short` has."""
    rng = random.Random(5)
    texts = [" ".join(rng.choices(EXAMPLES.split(), k=count)) for count in words]
    return replace(a_suite(texts), ask=Ask.PERPLEXITY)


@pytest.fixture(scope="module", params=[FAMILIES[k] for k in (0, 2, 3, 5)], ids=str)
def resident(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> HFEngine:
    family: Family = request.param
    return engine(random_model(family, tmp_path_factory.mktemp(str(family))))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(FAMILIES[0], tmp_path_factory.mktemp("llama"))


@pytest.fixture
def short(llama: Path) -> HFEngine:
    """Windows of 64 tokens."""
    found = engine(llama)
    found._renderer.context_window = 64
    return found


def scored(resident: HFEngine, requests: Sequence[Request], batches: Sequence[Batch]) -> list[Reply]:
    replies: dict[int, Reply] = {}
    with torch.inference_mode():
        for batch in batches:
            prefix = resident._prefix_of(batch.plan.prefix)
            found = scoring.launch(resident.resident.model, resident._forward, batch, prefix, CPU)()
            replies.update(zip(batch.places, found, strict=True))
    assert sorted(replies) == list(range(len(requests)))
    return [replies[place] for place in range(len(requests))]


def by_plain(resident: HFEngine, requests: Sequence[Request]) -> list[Reply]:
    batch = Batch(places=tuple(range(len(requests))), requests=tuple(requests))
    with torch.inference_mode():
        return plain.score(resident.resident.model, batch, CPU)


def assert_alike(found: Sequence[Reply], known: Sequence[Reply]) -> None:
    for one, other in zip(found, known, strict=True):
        assert np.allclose(one.logprobs, other.logprobs, rtol=0, atol=2e-4 + 1e-5 * one.reply_tokens)
        assert (one.greedy, one.prompt_tokens, one.reply_tokens) == (
            other.greedy,
            other.prompt_tokens,
            other.reply_tokens,
        )


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
@pytest.mark.parametrize("suite", [SUITE, with_contexts()], ids=["choices", "contexts"])
def test_rows_and_passes_of_any_size_give_the_plain_numbers(resident: HFEngine, suite: Suite, shape: Shape) -> None:
    requests = requests_of(resident, suite)
    assert_alike(scored(resident, requests, plan(requests, shape)), by_plain(resident, requests))


def test_the_shapes_are_as_different_as_they_say(resident: HFEngine) -> None:
    requests = requests_of(resident, SUITE)
    rows = {name: [len(batch.plan.rows) for batch in plan(requests, shape)] for name, shape in SHAPES.items()}
    assert max(rows["several rows a pass"]) > 2
    assert {batch.plan.at_once for batch in plan(requests, SHAPES["one row a pass"])} == {1}
    assert rows["everything at once"] == [1] * len(rows["everything at once"])
    assert sum(rows["one request a row"]) >= len(requests)
    prefixes = {name: {len(batch.plan.prefix) for batch in plan(requests, shape)} for name, shape in SHAPES.items()}
    assert prefixes["no prefix"] == {0}
    assert max(prefixes["several rows a pass"]) > 8


@pytest.mark.parametrize("suite", [SUITE, with_contexts()], ids=["choices", "contexts"])
def test_no_pass_holds_more_than_its_shape_says(resident: HFEngine, suite: Suite) -> None:
    requests = requests_of(resident, suite)
    for batch in plan(requests, SMALL):
        width = max(len(row.tokens) for row in batch.plan.rows)
        rows = min(batch.plan.at_once, len(batch.plan.rows))
        assert rows == 1 or (rows * width <= SMALL.nodes and rows * (width + len(batch.plan.prefix)) <= SMALL.tokens)


def test_one_request_that_is_wide_widens_no_other(llama: Path) -> None:
    """Rows of 24 nodes were padded to the widest of their pass: 40 times their size behind one long item."""
    choices = [[" seven", " stones"], [" paper " * 60, " mirror"], *[[" blue", " apple"]] * 30]
    requests = requests_of(engine(llama), a_suite(some_prompts(32), choices))
    wide = next(batch for batch in plan(requests, SMALL) if 1 in batch.places)
    assert wide.places == (1,)


def test_greedy_says_what_greedy_decoding_would_write(resident: HFEngine) -> None:
    (request,) = requests_of(resident, a_suite(["the river"], [[" a", " b"]]))
    model, written = resident.resident.model, list[int]()
    for _ in range(4):
        with torch.inference_mode():
            ids = torch.tensor([[*request.prompt, *written]])
            written.append(int(model(input_ids=ids, use_cache=False).logits[0, -1].argmax()))
    other = [token ^ 1 for token in written]
    choices = (tuple(written), tuple(written[:1]), (*written[:3], other[3]), (other[0], *written[1:]))
    asked = [replace(request, choices=choices)]
    (reply,) = scored(resident, asked, plan(asked, SMALL))
    assert reply.greedy == (True, True, False, False)


def test_texts_of_many_windows_are_asked_window_by_window(short: HFEngine) -> None:
    requests = requests_of(short, rolling())
    assert [len(request.choices) for request in requests] == [1, 1, 3, 11, 1]
    batches = plan(requests, SMALL)
    assert_alike(scored(short, requests, batches), by_plain(short, requests))
    rows = [row for batch in batches for row in batch.plan.rows]
    assert max(len(row.tokens) for row in rows) <= 64  # and not all of a text in one row, each token beside all others


def test_a_text_of_many_windows_goes_through_several_passes(short: HFEngine) -> None:
    requests = requests_of(short, rolling([300]))
    (batch,) = plan(requests, replace(SMALL, nodes=200))
    assert (len(batch.plan.rows), batch.plan.at_once) == (11, 3)
    known = by_plain(short, requests)
    assert_alike(scored(short, requests, [batch]), known)
    sizes = []
    while parts := halves(batch):
        (batch,) = parts
        sizes.append(batch.plan.at_once)
        assert_alike(scored(short, requests, [batch]), known)
    assert sizes == [1]


def halved(batch: Batch) -> list[Batch]:
    """Down to the last."""
    parts = halves(batch)
    return [small for part in parts for small in halved(part)] if parts else [batch]


@pytest.mark.parametrize("name", ["several rows a pass", "everything at once", "one request a row"])
@pytest.mark.parametrize("suite", [SUITE, with_contexts()], ids=["choices", "contexts"])
def test_halves_of_halves_hold_every_request_once_and_change_no_number(llama: Path, suite: Suite, name: str) -> None:
    resident = engine(llama)
    requests = requests_of(resident, suite)
    batches = plan(requests, SHAPES[name])
    whole = scored(resident, requests, batches)
    first = [part for batch in batches for part in halves(batch) or (batch,)]
    assert len(first) > len(batches) or len(batches) == len(requests)
    assert_alike(scored(resident, requests, first), whole)
    last = [small for batch in batches for small in halved(batch)]
    assert sorted(len(batch.requests) for batch in last) == [1] * len(requests)
    assert_alike(scored(resident, requests, last), whole)


def test_halves_of_rows_are_the_rows(llama: Path) -> None:
    """Where a batch is cut between rows, each row is what it was, and so are its numbers, bit for bit."""
    resident = engine(llama)
    requests = requests_of(resident, SUITE)
    batch = max(plan(requests, SMALL), key=lambda one: len(one.plan.rows))
    parts = halves(batch)
    assert min(len(part.plan.rows) for part in parts) > 1
    rows = [row.tokens.tolist() for part in parts for row in part.plan.rows]
    assert rows == [row.tokens.tolist() for row in batch.plan.rows]
    assert tuple(place for part in parts for place in part.places) == batch.places
    for part in parts:
        owners = np.concatenate([row.owner for row in part.plan.rows])
        assert sorted(set(owners.tolist())) == list(range(sum(len(one.choices) for one in part.requests)))


def test_a_batch_is_cut_in_its_middle(llama: Path) -> None:
    requests = requests_of(engine(llama), a_suite([f"the river {n}" for n in range(8)], [[" seven", " blue"]] * 8))
    (batch,) = plan(requests, replace(SMALL, widths=(1,), overhead=10**6))
    assert [len(part.plan.rows) for part in halves(batch)] == [4, 4]


def test_an_item_that_fits_a_row_stays_in_one(resident: HFEngine) -> None:
    """Its choices share nothing, and yet there is room for them side by side."""
    item = replace(with_contexts().items[0], contexts=("the cat", "many dogs", "blue paper"))
    (request,) = requests_of(resident, replace(SUITE, items=(item,)))
    (batch,) = plan([request], replace(SMALL, widths=(12, 400), nodes=400))
    assert len(batch.plan.rows) == 1


def test_a_context_that_goes_on_where_another_ends(resident: HFEngine) -> None:
    """What is computed before both leaves each a token to predict from."""
    item = replace(with_contexts().items[0], contexts=(EXAMPLES, EXAMPLES + "the", EXAMPLES + "the cat"))
    requests = requests_of(resident, replace(SUITE, items=(item, replace(item, id="again"))))
    for shape in SHAPES.values():
        assert_alike(scored(resident, requests, plan(requests, shape)), by_plain(resident, requests))


class Scarce:
    """A model on a device that has room for so many tokens a pass."""

    def __init__(self, model: Any, room: int) -> None:
        self.room = room
        self.passes: list[int] = []
        self._model = model

    def __call__(self, *args: Any, **inputs: Any) -> Any:
        self.passes.append(inputs["input_ids"].numel())
        if self.passes[-1] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return self._model(*args, **inputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def scarce(resident: HFEngine, monkeypatch: pytest.MonkeyPatch, room: int, shape: Shape = SMALL) -> Scarce:
    model = Scarce(resident.resident.model, room)
    monkeypatch.setattr(ResidentModel, "model", property(lambda _resident: model))
    resident._budget = replace(
        resident._budget, widths=shape.widths, nodes=shape.nodes, tokens=shape.tokens, overhead=shape.overhead
    )
    return model


@pytest.mark.parametrize("room", [300, 80])
def test_what_no_memory_is_left_for_is_asked_in_parts(llama: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    resident = engine(llama)
    known = answers(resident, SUITE)
    resident = engine(llama)
    model = scarce(resident, monkeypatch, room, SHAPES["everything at once"])
    with pytest.warns(Notice, match="out of memory on a batch of .* it is asked in parts. Set engine.batch_tokens"):
        assert_alike(answers(resident, SUITE), known)
    assert max(model.passes) > room
    assert issubclass(Notice, RuntimeWarning)


def test_a_single_item_without_room_ends_the_run_and_is_named(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = engine(llama)
    suite = a_suite(["the", "the river " * 20, "many"], [[" seven", " stones"]] * 3)
    scarce(resident, monkeypatch, 20, SHAPES["everything at once"])
    with (
        warnings.catch_warnings(),
        pytest.raises(BackendError, match="out of memory on item 'q1' of made_by_hand alone"),
    ):
        warnings.simplefilter("ignore", Notice)
        answers(resident, suite)


def test_nan_names_the_item_whose_it_is(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = engine(llama)
    suite = a_suite(["the day", "the river", "many stones"], [[" seven", " blue paper"]] * 3)
    sick = requests_of(resident, suite)[1].prompt[-1]
    with torch.no_grad():
        resident.resident.model.get_input_embeddings().weight[sick] = float("nan")
    with pytest.raises(BackendError, match="NaN or infinity on item 'q1'"):
        answers(resident, suite)


def test_logits_are_widened_a_part_at_a_time(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resident = engine(llama)
    requests = requests_of(resident, SUITE)
    whole = scored(resident, requests, plan(requests, SMALL))
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", 3 * 1024)
    assert scored(resident, requests, plan(requests, SMALL)) == whole


def test_the_same_batches_give_the_same_bits(llama: Path) -> None:
    one, two = engine(llama), engine(llama)
    for suite in (SUITE, with_contexts(), replace(rolling(), items=rolling().items[:2])):
        first = answers(one, suite)
        assert first == answers(one, suite) == answers(two, suite)


def test_packing_by_hand_is_one_pass(llama: Path) -> None:
    requests = requests_of(engine(llama), SUITE)[:3]
    packed = packed_behind((), [requests[:2], requests[2:]])
    assert (len(packed.rows), packed.at_once) == (2, 2)
