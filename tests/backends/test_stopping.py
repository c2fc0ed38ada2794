"""When replies end: at stop texts wherever token borders lie, behind a whole JSON document, and at their length."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from asking import a_suite
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from made_tokenizers import KINDS

from regress.backends.stopping import Ending, ReplyInProgress, ends_with_its_document, together
from regress.schema import Finish, Item, Message, Outcome, Reply, ScorerSpec
from regress.scorers.json_schema import SCORER, JsonSchemaOptions

END = 256  # behind the 256 bytes that are the tokens of these tests


def decode(ids: Sequence[int]) -> str:
    """A byte a token; the end token is not shown."""
    return bytes(token for token in ids if token < END).decode(errors="replace")


def ending(*stops: str, most: int = 10_000, at_json_end: bool = False) -> Ending:
    return Ending(end_ids=frozenset({END}), stops=stops, at_json_end=at_json_end, max_new_tokens=most)


def written(tokens: Sequence[int], how: Ending, *, steps: int = 1, show: Callable[[list[int]], str] = decode) -> Reply:
    """The reply that these tokens become, `steps` at a time; LENGTH where they leave it open."""
    reply = ReplyInProgress(how, show)
    for start in range(0, len(tokens), steps):
        if reply.extend(tokens[start : start + steps]) if steps > 1 else reply.add(tokens[start]):
            return reply.reply(prompt_tokens=3)
    reply.finish = Finish.LENGTH
    return reply.reply(prompt_tokens=3)


def of(text: str, how: Ending, *, end: bool = False, steps: int = 1) -> tuple[str | None, Finish | None, int]:
    reply = written([*text.encode(), *([END] if end else [])], how, steps=steps)
    return reply.text, reply.finish, reply.reply_tokens


@pytest.mark.parametrize("steps", [1, 8])
@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("one\n\ntwo", ("\n\n",), ("one", Finish.STOP, 5)),
        ("aab", ("ab",), ("a", Finish.STOP, 3)),
        ("abcabd", ("abd",), ("abc", Finish.STOP, 6)),
        ("xxyz", ("yz", "xy"), ("x", Finish.STOP, 3)),
        ("Q: é?", ("é",), ("Q: ", Finish.STOP, 5)),
        ("a😀b", ("😀",), ("a", Finish.STOP, 5)),
        ("stop", ("stop",), ("", Finish.STOP, 4)),
        ("nothing", ("stop",), ("nothing", Finish.EOS, 8)),
        ("st", ("stop",), ("st", Finish.EOS, 3)),
        ("\ufffd stop", ("stop",), ("\ufffd ", Finish.STOP, 8)),
    ],
)
def test_a_stop_text_ends_a_reply_across_token_borders(
    text: str, stops: tuple[str, ...], expected: tuple[str, Finish, int], steps: int
) -> None:
    assert of(text, ending(*stops), end=True, steps=steps) == expected


ALPHABET = st.text(st.sampled_from('ab \n"é😀\ufffd{}[]1'), max_size=24)
STOPS = st.lists(st.text(st.sampled_from('ab \n"é😀'), min_size=1, max_size=4), min_size=1, max_size=3).map(tuple)


@given(ALPHABET, STOPS, st.integers(1, 40), st.integers(1, 9), st.lists(st.integers(128, 255), max_size=3))
@settings(max_examples=500, deadline=None)
def test_no_stop_text_is_left_in_a_reply(
    text: str, stops: tuple[str, ...], most: int, steps: int, broken: list[int]
) -> None:
    """Whatever ends it, and however bytes that are no character hide its end."""
    tokens = [*text.encode(), *broken, END]
    reply = written(tokens, ending(*stops, most=most), steps=steps)
    whole = decode(tokens[:most])
    if any(stop in whole for stop in stops):
        assert reply.finish is Finish.STOP
        assert reply.text is not None
        assert whole.startswith(tuple(reply.text + stop for stop in stops))
        assert not any(stop in reply.text for stop in stops)
    else:
        ended = END in tokens[:most]
        assert (reply.finish, reply.text) == (Finish.EOS if ended else Finish.LENGTH, whole)


@given(ALPHABET, STOPS, st.integers(1, 40), st.integers(2, 9), st.booleans())
@settings(max_examples=300, deadline=None)
def test_several_tokens_at_once_are_the_same_reply(
    text: str, stops: tuple[str, ...], most: int, steps: int, at_json_end: bool
) -> None:
    tokens = [*text.encode(), END]
    how = ending(*stops, most=most, at_json_end=at_json_end)
    assert written(tokens, how, steps=steps) == written(tokens, how)


def of_pieces(pieces: Sequence[bytes], how: Ending) -> tuple[str | None, Finish | None, int]:
    """Tokens of several bytes; END is shown, as end tokens are that a tokenizer does not call special."""

    def show(ids: list[int]) -> str:
        return b"".join(pieces[token] if token < END else b"<end>" for token in ids).decode(errors="replace")

    reply = written([*range(len(pieces)), END], how, show=show)
    return reply.text, reply.finish, reply.reply_tokens


def test_tokens_of_many_characters_are_cut_at_the_first_stop_text_in_them() -> None:
    assert of_pieces([b"one\n\ntwo\n\nthree"], ending("\n\n")) == ("one", Finish.STOP, 1)
    assert of_pieces([b"one", b"two"], ending("\n\n")) == ("onetwo", Finish.EOS, 3)


@pytest.mark.parametrize("most", [2, 9])
def test_a_stop_text_beside_half_a_character_is_found_where_the_reply_ends(most: int) -> None:
    assert of_pieces([b"one", b"stop\xf0"], ending("stop", most=most)) == ("one", Finish.STOP, min(most, 3))


def test_a_stop_text_that_is_only_in_the_pieces_is_none() -> None:
    """Decoders may join tokens otherwise than their pieces say."""
    reply = written([1, 2, 3, 4], ending("34"), show=lambda ids: ("-" if len(ids) > 3 else "").join(map(str, ids)))
    assert (reply.text, reply.finish) == ("1-2-3-4", Finish.LENGTH)


@pytest.mark.parametrize("kind", ["embedded", "llama2", "llama3", "unigram"])
def test_stop_texts_in_the_tokens_of_real_tokenizers(kind: str) -> None:
    tokenizer = KINDS[kind]()

    def show(ids: list[int]) -> str:
        return str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    text = "the quick brown fox.\n\nQuestion: naïve 東京 jumps over the lazy dog"
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = show(tokens)
    for stop in ("\n\n", "Question:", " brown", "ick br", "東京", "naïve", "over the"):
        reply = written(tokens, ending(stop), show=show)
        if stop in whole:
            assert (reply.text, reply.finish) == (whole[: whole.find(stop)], Finish.STOP)
            assert stop not in show(tokens[: reply.reply_tokens - 1])  # no token later than need be
        else:
            assert reply.text == whole


@pytest.mark.parametrize(("most", "finish"), [(4, Finish.LENGTH), (5, Finish.EOS), (6, Finish.EOS)])
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_a_reply_is_never_longer_than_its_length(most: int, finish: Finish, steps: int) -> None:
    assert of("four", ending(most=most), end=True, steps=steps) == ("four", finish, min(most, 5))


def test_a_stop_text_in_the_last_token_is_a_stop() -> None:
    assert of("abc", ending("c", most=3)) == ("ab", Finish.STOP, 3)


DOCUMENTS = ['{"a": 1}', "[]", '{"a": "}{\\"]["}', '["\\\\"]', ' \n{"a": [{"b": null}]}', '{"a": 1, "a": 2}']


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_that_is_followed_by_more_is_closed_with_the_first_token_of_it(document: str) -> None:
    how, size = ending(at_json_end=True), len(document.encode())
    assert of(document + " \n x and more", how, end=True) == (document + " \n x", Finish.CLOSED, size + 4)
    assert of(document + "}", how, end=True) == (document + "}", Finish.CLOSED, size + 1)
    assert of(document, how, end=True) == (document, Finish.EOS, size + 1)
    assert of(document + " \n", how, end=True) == (document + " \n", Finish.EOS, size + 3)
    assert of(document[:-1], how, end=True) == (document[:-1], Finish.EOS, size)
    for steps in (2, 5, 8):
        assert of(document + " \n x and more", how, end=True, steps=steps) == (
            document + " \n x",
            Finish.CLOSED,
            size + 4,
        )


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{"a": 1}\n``` and',
        'Here: {"a": 1} and more',
        "12 {} more",
        '"text" more',
        "null and void {}",
        "{'a': 1} more",
        '{"a": 1]} more',
        "[}] more",
        '{"a": NaN} more',
        "\ufeff{} more",
        "\u00a0{} more",
        "{} more"[:2],
    ],
)
def test_anything_else_is_never_closed(text: str) -> None:
    assert of(text, ending(at_json_end=True), end=True)[1] is Finish.EOS


def test_a_document_is_left_open_where_nobody_asks_for_its_end() -> None:
    assert of("{} and more", ending(), end=True)[1] is Finish.EOS


def test_stop_texts_and_documents_at_once() -> None:
    how = ending("\n", at_json_end=True)
    assert of('{"a": 1}\nmore', how) == ('{"a": 1}', Finish.STOP, 9)
    assert of('{"a": 1} more', how) == ('{"a": 1} m', Finish.CLOSED, 10)


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
ITEM = Item(id="q", messages=(Message(role="user", content="?"),), schema=SCHEMA, digest="", line=1)
SNIPPETS = st.sampled_from(
    [
        *'{}[]":,\\ \n1a',
        '{"a": 1}',
        '{"a": "x"}',
        '"a"',
        '"a": 1',
        "null",
        "NaN",
        "{}",
        "[]",
        "Here is",
        '\\"',
        "é",
        "'",
        "//",
    ]
)
DOCUMENTED = st.builds(
    lambda value, indent, rest: json.dumps(value, indent=indent) + rest,
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 2) | st.text('}"\\{', max_size=3), max_size=2),
    st.sampled_from([None, 1]),
    st.lists(SNIPPETS, max_size=8).map("".join),
)


@given(st.lists(SNIPPETS, max_size=14).map("".join) | DOCUMENTED, st.booleans())
@example('{"a": 1} {"a": 2}', False)
@example('{"a": 1]} {"a": 1}', False)
@settings(max_examples=1500, deadline=None)
def test_cutting_behind_a_document_changes_no_outcome(text: str, allow_fences: bool) -> None:
    """Fences apart: a broken document in a fence behind a whole one is "no answer" and not "trailing text"."""
    options = JsonSchemaOptions(allow_fences=allow_fences)
    cut = written([*text.encode(), END], ending(at_json_end=True))
    full = Reply(text=text, finish=Finish.EOS)
    assert SCORER.score(cut, ITEM, options).outcome is SCORER.score(full, ITEM, options).outcome
    if cut.finish is Finish.CLOSED:
        assert SCORER.score(full, ITEM, options).outcome is not Outcome.PASS


@given(DOCUMENTED, st.text('`json\n{"a":1} ', max_size=30), st.booleans())
@settings(max_examples=500, deadline=None)
def test_whatever_follows_a_document_a_cut_reply_never_passes_and_neither_does_the_whole(
    document: str, rest: str, allow_fences: bool
) -> None:
    options = JsonSchemaOptions(allow_fences=allow_fences)
    text = document + rest
    cut = written([*text.encode(), END], ending(at_json_end=True))
    assume(cut.finish is Finish.CLOSED)
    outcomes = {SCORER.score(reply, ITEM, options).outcome for reply in (cut, Reply(text=text, finish=Finish.EOS))}
    assert outcomes <= {Outcome.FAIL, Outcome.NO_ANSWER}


@pytest.mark.parametrize(
    ("scorer", "closes"), [("json_schema", True), ("json_equal", True), ("contains", False), ("lm_eval", False)]
)
def test_only_scorers_of_whole_documents_end_a_reply_with_it(scorer: str, closes: bool) -> None:
    assert ends_with_its_document(replace(a_suite(["?"]), scorer=ScorerSpec(name=scorer))) is closes


def test_repeats_are_one_reply_with_samples() -> None:
    one = Reply(text="a", finish=Finish.EOS, prompt_tokens=5, reply_tokens=2)
    assert together([one]) is one
    assert together([one, one]) == Reply(samples=(one, one), prompt_tokens=5, reply_tokens=4)
