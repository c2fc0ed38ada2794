"""Words, their hashes by whole arrays, n-grams, keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regress.audit.table import Table
from regress.audit.tokens import as_ascii, squeezed, word_hash, words
from regress.audit.words import Texts, by_owner, distinct, folded, hashed, key, side_by_side

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
MIXED = st.one_of(ANY, st.text("aB_9 .,'’-–\0\n東京éＡ", max_size=60), st.text("ab", min_size=60, max_size=80))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't stop, it's 3.5 km!", ["don", "t", "stop", "it", "s", "3", "5", "km"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("Straße – “quoted”", ["strasse", "quoted"]),
        ("東京 tower", ["東", "京", "tower"]),
        ("snake_case\tand\u00a0spaces", ["snake_case", "and", "spaces"]),
        (" .,;! ", []),
        ("", []),
    ],
)
def test_words_are_what_normalisation_leaves(text: str, found: list[str]) -> None:
    assert words(text) == found
    assert squeezed(text).replace(b"3_5", b"35") == "".join(found).encode()


@given(st.lists(MIXED, max_size=6))
def test_hashes_by_whole_arrays_are_those_of_the_words(texts: list[str]) -> None:
    """Whatever the script, the length of a word, or the texts beside it."""
    quick, slow = Texts(texts), hashed([words(text) for text in texts])
    assert quick.starts.tolist() == slow.starts.tolist()
    assert quick.hashes.tolist() == slow.hashes.tolist() == [word_hash(word) for text in texts for word in words(text)]


@given(MIXED)
def test_what_is_left_as_ascii_has_the_same_words(text: str) -> None:
    plain = as_ascii(text)
    assert plain is None or words(plain) == words(text)


PINNED = [
    0,
    10595375301649987773,
    3552788871085522376,
    8188042563021702364,
    15133506311110854026,
    1254107254054851283,
    3947904110462928320,
]


def test_hashes_stay_the_same() -> None:
    """They are compared between processes, and one day between versions."""
    assert [word_hash(word) for word in ("", "a", "regress", "é", "x" * 8, "x" * 9, "x" * 65)] == PINNED


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_ngrams_stay_within_their_text(n: int) -> None:
    texts = Texts(["a b c d", "", "c d", "e", "a b c"])
    hashes, owners = texts.ngrams(n)
    runs = [
        (tuple(found[place : place + n]), owner)
        for owner, found in enumerate(texts.words)
        for place in range(len(found) - n + 1)
    ]
    assert owners.tolist() == [owner for _, owner in runs]
    known = dict(zip([run for run, _ in runs], hashes.tolist(), strict=True))
    assert [known[run] for run, _ in runs] == hashes.tolist(), "equal runs, equal hashes"
    assert len(set(known.values())) == len(known), "and others, others"


def test_the_order_of_words_counts() -> None:
    texts = Texts(["a b", "b a"])
    hashes, _ = texts.ngrams(2)
    assert hashes[0] != hashes[1]


def test_side_by_side_is_the_texts_joined() -> None:
    left, right = ["a b", "", "c"], ["d", "e f", ""]
    both = side_by_side(Texts(left), Texts(right))
    joined = Texts([f"{one} {two}" for one, two in zip(left, right, strict=True)])
    assert both.hashes.tolist() == joined.hashes.tolist()
    assert both.starts.tolist() == joined.starts.tolist()


def test_distinct_hashes_by_owner() -> None:
    hashes, owners = distinct(np.array([5, 3, 5, 3, 3], np.uint64), np.array([1, 0, 1, 2, 2]))
    assert (hashes.tolist(), owners.tolist()) == ([3, 5, 3], [0, 1, 2])
    assert [one.tolist() for one in by_owner(hashes, owners, 4)] == [[3], [5], [3], []]


def test_numbers_stay_apart() -> None:
    assert squeezed("1 + 23") != squeezed("12 + 3")
    assert squeezed("№ 1 + 23") == squeezed("no 1 23")
    assert squeezed("1 é 2") == squeezed("1é2")


def test_keys_fold_what_their_names_say() -> None:
    texts = Texts(["Top up!", "top  UP!", "top-up", "topup", "top down"])
    assert len(set(texts.folded_keys.tolist())) == 4
    assert len(set(texts.keys.tolist())) == 2
    assert folded(" A\n b ") == "a b"
    assert key("a") == key(b"a") != key("b")


@given(st.lists(st.integers(0, 30), max_size=30), st.lists(st.integers(0, 40), max_size=30))
def test_a_table_finds_every_entry(held: list[int], wanted: list[int]) -> None:
    spread = np.uint64(0x9E3779B97F4A7C15)
    hashes = np.array(held, np.uint64) * spread
    table = Table(hashes, np.arange(len(held)))
    asked = np.array(wanted, np.uint64) * spread
    places, entries = table.find(asked)
    pairs = sorted(zip(places.tolist(), table.owners[entries].tolist(), strict=True))
    assert pairs == sorted((a, b) for a, one in enumerate(wanted) for b, other in enumerate(held) if one == other)
    assert table.has(asked).tolist() == [one in held for one in wanted]
