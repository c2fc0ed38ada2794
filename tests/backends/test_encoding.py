"""Many texts with a shared beginning: the ids of each are those that it has alone, whatever the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_tokenizers import KINDS

from regress.backends.encoding import Encoder
from regress.backends.protocol import Tokens

PIECES = st.sampled_from(
    [
        *("apple", " the", " quick brown", "naïve café", "cafe\u0301", " übermäßig", "東京都", "ﬁ"),
        *("😀", "👩‍👩‍👧‍👦", "\U0001f1e9\U0001f1ea", "\u200b", "\ufffd", "\x00"),
        *(" ", "  ", " " * 30, "\n", "\n\n", "\t", "\r\n", "\u00a0", " \n \n"),
        *("7", "12345", "0 0 ", "0" * 50, "- ", "-" * 40, "ab" * 20, "a" * 50, "😀" * 20, "x " * 30),
        *("<s>", "</s>", "<|im_end|>", "<|end|>", "<|im_", "[1, 2]", '{"a": null}', "def f():\n    return 1\n"),
    ]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)
BEGINNINGS = st.tuples(TEXTS, st.integers(1, 30), TEXTS).map(lambda parts: parts[0] * parts[1] + parts[2])


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return KINDS[request.param]()


def alone(tokenizer: Any, text: str, add_special: bool) -> Tokens:
    bos = tokenizer.bos_token
    special = add_special and not (bos and text.startswith(bos))
    return tuple(tokenizer(text, add_special_tokens=special)["input_ids"]) if text else ()


@st.composite
def of_one_family(draw: st.DrawFn) -> list[str]:
    """Texts that share a beginning, which may end anywhere: in a word, in a special token, before an accent."""
    beginning = draw(BEGINNINGS)
    kept = beginning[: len(beginning) - draw(st.integers(0, len(beginning)))]
    return [kept + end for end in draw(st.lists(TEXTS, min_size=3, max_size=6))]


A_WORD_WITH_TIES = ("cafe\u0301" + "a" * 50) * 4 + "apple" * 3


@given(of_one_family(), st.booleans())
@example([A_WORD_WITH_TIES + end for end in ("", "apple", " the")], False)
@settings(max_examples=150, deadline=None)
def test_ids_are_those_of_each_text_alone(tokenizer: Any, texts: list[str], special: bool) -> None:
    found = Encoder(tokenizer).encode_all(texts, add_special=special)
    assert {text: found[text] for text in texts} == {text: alone(tokenizer, text, special) for text in texts}


class Counting(Encoder):
    """Knows how many characters were tokenised."""

    characters = 0

    def _batch(self, texts: Sequence[str], add_special: bool) -> list[Tokens]:
        self.characters += sum(map(len, texts))
        return super()._batch(texts, add_special)


EXAMPLES = "".join(
    f"Question: how many {what} are in {place}?\nA. one\nB. {k + 12}\nAnswer: B. {k + 12} {what}, naïve as it seems\n\n"
    for k, (what, place) in enumerate([("apples", "the basket"), ("foxes", "東京"), ("stones", "a river")] * 4)
)
QUESTIONS = [
    f"{EXAMPLES}Question: which number comes after {number}?\nAnswer:{choice}"
    for number in range(30)
    for choice in ("", " seven", " the next one")
]


def test_a_few_shot_prompt_is_tokenised_once(tokenizer: Any) -> None:
    encoder = Counting(tokenizer)
    found = encoder.encode_all(QUESTIONS, add_special=False)
    assert {text: found[text] for text in QUESTIONS} == {text: alone(tokenizer, text, False) for text in QUESTIONS}
    assert encoder.characters < sum(map(len, QUESTIONS)) / 4


@pytest.mark.parametrize(
    ("kind", "shared"), [("llama2", True), ("llama3", True), ("llama2_with_end", False), ("wordpiece", False)]
)
def test_what_a_tokenizer_adds_to_every_text_is_added(kind: str, shared: bool) -> None:
    """BOS stands in the shared part; where something is added behind, each text is tokenised whole."""
    made = KINDS[kind]()
    encoder = Counting(made)
    found = encoder.encode_all(QUESTIONS, add_special=True)
    assert {text: found[text] for text in QUESTIONS} == {text: alone(made, text, True) for text in QUESTIONS}
    assert all(
        ids[0] == made.bos_token_id and (ids[-1] == made.eos_token_id) is not shared for ids in found.values() if ids
    )
    assert (encoder.characters < sum(map(len, QUESTIONS)) / 4) is shared


def test_a_text_that_begins_with_bos_gets_no_second_one() -> None:
    made = KINDS["llama3"]()
    texts = ["<s>" + text for text in QUESTIONS[:8]] + QUESTIONS[:8]
    found = Encoder(made).encode_all(texts, add_special=True)
    assert {text: found[text] for text in texts} == {text: alone(made, text, True) for text in texts}
    assert all(ids.count(made.bos_token_id) == 1 for ids in found.values() if ids)


@pytest.mark.parametrize("kind", ["gpt2", "llama2", "unigram"])
@pytest.mark.parametrize("period", ["0 ", "- ", "0 1 1 ", "=", "ab", "\n"])
def test_a_beginning_that_repeats_itself_keeps_its_length(kind: str, period: str) -> None:
    """Everywhere in it stand the same tokens: only characters tell how many of them are behind the place."""
    made = KINDS[kind]()
    texts = [period * 200 + end for end in ("", "a", " apple", "0 0 1", "\n\nAnswer: 0")]
    found = Encoder(made).encode_all(texts, add_special=True)
    assert {text: found[text] for text in texts} == {text: alone(made, text, True) for text in texts}


def test_the_empty_text_and_a_slow_tokenizer() -> None:
    class Slow:
        """Without a backend, as tokenizers written in Python are."""

        def __call__(self, text: str | list[str], *, add_special_tokens: bool) -> dict[str, Any]:
            ids = [[*([0] * add_special_tokens), *map(ord, one)] for one in ([text] if isinstance(text, str) else text)]
            return {"input_ids": ids[0] if isinstance(text, str) else ids}

    assert Encoder(Slow()).encode_all(["ab", "", "ab"], add_special=True) == {"": (), "ab": (0, 97, 98)}
    assert Encoder(KINDS["llama3"]()).encode_all(["", ""], add_special=True) == {"": ()}
