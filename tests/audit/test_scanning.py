"""Several patterns, many texts, one pass: whose hit it is, where it stands, and what is refused."""

from __future__ import annotations

import pytest

from regress.audit.scanning import Joined
from regress.scorers._re2 import PatternError, Scanner


def test_a_hit_is_told_with_its_text_and_surroundings() -> None:
    scanner = Scanner({"number": r"\d+", "word": r"[a-z]+\d?"})
    places = list(Joined(["äö 12", "", "ab1 7"]).places(scanner))
    assert [(p.owner, p.name, p.text, p.before, p.after) for p in places] == [
        (0, "number", "12", "äö ", ""),
        (2, "word", "ab1", "", " 7"),
        (2, "number", "7", "ab1 ", ""),
    ]
    assert [(p.start, p.end, p.length) for p in places] == [(5, 7, 7), (0, 3, 5), (4, 5, 5)]


def test_of_two_at_the_same_place_the_earlier_pattern_counts() -> None:
    assert [p.name for p in Joined(["ab"]).places(Scanner({"long": "ab", "short": "a"}))] == ["long"]
    assert [p.name for p in Joined(["ab"]).places(Scanner({"short": "a", "long": "ab"}))] == ["short"]


def test_surroundings_end_with_the_text_and_broken_characters_are_replaced() -> None:
    (place,) = Joined(["one", "x" * 39 + "é7" + "y" * 60, "two"]).places(Scanner({"n": r"\d"}))
    assert place.before == "x" * 38 + "é"
    assert place.after == "y" * 40
    (place,) = Joined(["\ud800 7"]).places(Scanner({"n": r"\d"}))  # a lone surrogate
    assert place.text == "7"


def test_a_text_made_of_hits_is_left_after_the_first_ones() -> None:
    owners = [p.owner for p in Joined(["7 " * 5000, "7", "7 " * 3]).places(Scanner({"n": r"\d"}))]
    assert [owners.count(n) for n in range(3)] == [1000, 1, 3]


@pytest.mark.parametrize("pattern", ["(a)", "(?=a)", "(", r"\1"])
def test_what_cannot_be_searched_in_linear_time_or_counted_is_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        Scanner({"p": pattern})


def test_a_hostile_text_takes_linear_time() -> None:
    """Nested repetition, which hangs a backtracking search."""
    assert not list(Joined(["a" * 200_000]).places(Scanner({"p": "(?:a*)*b"})))
