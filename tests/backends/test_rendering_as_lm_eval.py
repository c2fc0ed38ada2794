"""Raw prompts are split, cut and rolled as lm-eval does it, token for token, so that figures can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from asking import a_suite
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tokenizers import KINDS

from regress.backends.protocol import Request, Tokens
from regress.backends.rendering import Renderer
from regress.errors import BackendError
from regress.schema import Ask, GenerationSettings, Suite

WINDOW = 48
Pair = tuple[str, str]
Split = tuple[Tokens, Tokens]

PROMPTS = [
    "The day is",
    "The day is ",
    "The day is \n\n",
    "Answer:\n",
    "x = 1\n    ",
    "naïve 東",
    "  lead",
    "1 + 1 =",
    "<s>So",
]
CHOICES = ["seven", " seven", "7", "s", " ", "\nis blue", "京", "\u0301 accent"]


@pytest.fixture(scope="module", params=["embedded", "gpt2", "llama3", "llama2"])
def renderer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    folder = tmp_path_factory.mktemp(request.param)
    KINDS[request.param]().save_pretrained(str(folder))
    return Renderer(folder, WINDOW, frozenset({1}))


def asked_with_contexts(pairs: Sequence[Sequence[Pair]], **settings: Any) -> Suite:
    """Items whose choices follow contexts of their own."""
    suite = a_suite(["?"] * len(pairs), [[choice for _, choice in item] for item in pairs])
    items = [
        replace(item, messages=(), contexts=tuple(context for context, _ in own))
        for item, own in zip(suite.items, pairs, strict=True)
    ]
    return replace(suite, items=tuple(items), **settings)


def of_one_text(text: str, ask: Ask, **settings: Any) -> Suite:
    return replace(a_suite([text]), ask=ask, **settings)


def lm_eval_splits(tokenizer: Any, pairs: Sequence[Pair]) -> list[Split]:
    """What lm-eval would send to the model, before it cuts."""
    template: Any = pytest.importorskip("lm_eval.api.model").TemplateLM
    instance = pytest.importorskip("lm_eval.api.instance")
    huggingface = pytest.importorskip("lm_eval.models.huggingface")
    sent: list[Split] = []

    class Recorder(template):  # type: ignore[misc]
        """The shared logic, over this tokenizer, encoding as lm-eval's `hf` does."""

        eot_token_id = tokenizer.eos_token_id
        prefix_token_id = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        add_bos_token = None
        tok_encode = huggingface.HFLM.tok_encode
        loglikelihood_rolling = generate_until = None

        def _loglikelihood_tokens(self, requests: Any, **_options: Any) -> list[Any]:
            sent.extend((tuple(context), tuple(choice)) for _, context, choice in requests)
            return []

    lm = Recorder()
    lm.tokenizer = tokenizer
    lm.loglikelihood(
        [instance.Instance("loglikelihood", {}, pair, index) for index, pair in enumerate(pairs)], disable_tqdm=True
    )
    return sent


def splits(request: Request) -> list[Split]:
    return list(request.sequences)


def test_contexts_and_choices_are_split_as_lm_eval_splits_them(renderer: Renderer) -> None:
    for prompt in PROMPTS:
        pairs = [(prompt, choice) for choice in CHOICES]
        expected = lm_eval_splits(renderer.tokenizer, pairs)
        (request,) = renderer.render(a_suite([prompt], [CHOICES]))
        for pair, ours, theirs in zip(pairs, splits(request), expected, strict=True):
            if theirs[1]:  # lm-eval stops with an assertion where nothing is left of the choice
                assert ours == theirs, pair
        assert all(choice for _, choice in splits(request))


def test_choices_that_follow_contexts_of_their_own(renderer: Renderer) -> None:
    """As winogrande asks: another beginning for each option, the same ending."""
    own = [("The cat sat on the", " mat"), ("The dog ", " mat"), ("The cat sat on the", " mat")]
    alike = [("A cat", " sits"), ("A cat", " runs")]
    requests = renderer.render(asked_with_contexts([own, alike]))
    assert [splits(request) for request in requests] == [
        lm_eval_splits(renderer.tokenizer, own),
        lm_eval_splits(renderer.tokenizer, alike),
    ]
    assert [bool(request.contexts) for request in requests] == [True, False]
    assert requests[0].prompt == requests[0].contexts[0]
    other = [("The cat sat on the", " mat"), ("The dog ", " mat"), ("The dog ", " mat")]
    assert renderer.render(asked_with_contexts([other]))[0].digest != requests[0].digest


def test_a_choice_that_follows_nothing_follows_the_prefix_token(renderer: Renderer) -> None:
    pairs = [("", "Seven"), ("", " seven days"), ("", "<s> begins with BOS")]
    (request,) = renderer.render(asked_with_contexts([pairs]))
    assert splits(request) == lm_eval_splits(renderer.tokenizer, pairs)


def test_white_space_alone_before_a_choice_is_part_of_it(renderer: Renderer) -> None:
    (request,) = renderer.render(a_suite([" \n"], [["seven", "8"]]))
    assert {context for context, _ in splits(request)} == {(renderer.prefix_token,)}
    decode = renderer.tokenizer.decode
    whole = [decode(list(choice), skip_special_tokens=True) for _, choice in splits(request)]
    assert [text.strip() for text in whole] == ["seven", "8"]


LONG = "the quick brown fox jumps over the lazy dog " * 12


def test_what_exceeds_the_window_is_refused_or_cut_from_the_left(renderer: Renderer) -> None:
    pairs = [(LONG, " fox"), (LONG, " fox jumps over the lazy dog"), ("short", " fox")]
    suite = asked_with_contexts([pairs])
    with pytest.raises(BackendError, match=rf"'q0' .* needs \d+ \+ \d+ tokens .* window holds {WINDOW}"):
        renderer.render(suite)
    (request,) = renderer.render(replace(suite, truncate=True))
    whole = lm_eval_splits(renderer.tokenizer, pairs)
    for (context, choice), (full, same) in zip(splits(request), whole, strict=True):
        assert (*context, *choice) == (*full, *same)[-(WINDOW + 1) :]  # the last one predicts nothing
        assert choice == same
    assert request.cut == sum(max(0, len(a) + len(b) - WINDOW - 1) for a, b in whole) > 0


def test_one_token_more_than_the_window_fits_and_two_do_not(renderer: Renderer) -> None:
    ids = renderer.tokenizer(LONG)["input_ids"]
    texts = [
        renderer.tokenizer.decode(ids[:length], skip_special_tokens=True) for length in range(WINDOW - 3, WINDOW + 4)
    ]
    lengths = []
    for text in texts:
        try:
            (request,) = renderer.render(a_suite([text], [[" x", " y"]]))
        except BackendError:
            lengths.append(0)
        else:
            ((context, choice), _) = splits(request)
            lengths.append(len(context) + len(choice))
            assert request.cut == 0
    fitting = [length for length in lengths if length]
    assert max(fitting) == WINDOW + 1
    assert lengths == [*fitting, *[0] * (len(lengths) - len(fitting))]


def test_a_prompt_is_cut_so_that_its_reply_fits(renderer: Renderer) -> None:
    suite = of_one_text(LONG, Ask.GENERATE, generation=GenerationSettings(max_new_tokens=20))
    with pytest.raises(BackendError, match=r"or lower generation\.max_new_tokens"):
        renderer.render(suite)
    ids = tuple(renderer.tokenizer(LONG)["input_ids"])
    (request,) = renderer.render(replace(suite, truncate=True))
    assert (request.prompt, request.cut) == (ids[-(WINDOW - 20) :], len(ids) - (WINDOW - 20))
    for most in (WINDOW, WINDOW + 1, 10 * WINDOW):
        with pytest.raises(BackendError, match="window holds"):
            renderer.render(replace(suite, truncate=True, generation=GenerationSettings(max_new_tokens=most)))


def test_a_choice_as_long_as_the_window_is_never_cut(renderer: Renderer) -> None:
    suite = a_suite(["So"], [[LONG, " x"]])
    for truncate in (False, True):
        with pytest.raises(BackendError, match="window holds"):
            renderer.render(replace(suite, truncate=truncate))


@given(st.integers(1, 400), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_windows_roll_as_lm_eval_rolls_them(renderer: Renderer, length: int, size: int) -> None:
    utils = pytest.importorskip("lm_eval.utils")
    text = tuple(range(1000, 1000 + length))
    rolled = utils.get_rolling_token_windows(list(text), renderer.prefix_token, size, 1)
    expected = [tuple(map(tuple, utils.make_disjoint_window(pair))) for pair in rolled]
    other = Renderer.__new__(Renderer)
    other.__dict__.update(renderer.__dict__, context_window=size)
    found = other._windows(text)
    assert found == expected
    assert sum((choice for _, choice in found), ()) == text
    assert all(context and len(context) + len(choice) <= size + 1 for context, choice in found)


def test_a_text_is_asked_whole_behind_the_prefix_token(renderer: Renderer) -> None:
    for text in ("one", LONG, " \n"):
        (request,) = renderer.render(of_one_text(text, Ask.PERPLEXITY))
        ids = tuple(renderer.tokenizer(text)["input_ids"])
        assert sum(request.choices, ()) == ids
        assert splits(request)[0][0] == (renderer.prefix_token,)
    with pytest.raises(BackendError, match="renders to no token"):
        renderer.render(of_one_text("", Ask.PERPLEXITY))


def test_items_beyond_the_first_portion_are_rendered_alike(renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = a_suite([f"Say {number}" for number in range(7)])
    whole = renderer.render(suite)
    monkeypatch.setattr("regress.backends.rendering.AT_ONCE", 3)
    assert renderer.render(suite) == whole
    assert [request.item for request in whole] == [item.id for item in suite.items]
