"""The line of promotions: what follows from which events, and what cannot have happened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from promote_samples import NOW

from regress.errors import PromotionError
from regress.hashing.canonical import canonical_json
from regress.promote.history import HISTORY_LABEL, Event, Line, Move, read_line, written
from regress.store.chain import verify_chain

P, R, X = Move.PROMOTE, Move.ROLLBACK, Move.INTERRUPTED


def bodies(*events: tuple[Move, str, str | None]) -> list[bytes]:
    return [
        canonical_json(Event(move=move, record=record, previous=previous, time="t").as_json())
        for move, record, previous in events
    ]


A, B, C = (P, "a", None), (P, "b", "a"), (P, "c", "b")
FOLDS: dict[str, tuple[Sequence[tuple[Move, str, str | None]], str | None, Sequence[str], bool]] = {
    "nothing": ([], None, "", False),
    "one": ([A], "a", "a", False),
    "three": ([A, B, C], "c", "abc", False),
    "back": ([A, B, C, (R, "b", "c")], "b", "ab", False),
    "back twice": ([A, B, C, (R, "b", "c"), (R, "a", "b")], "a", "a", False),
    "back over two": ([A, B, C, (R, "a", "c")], "a", "a", False),
    "on after back": ([A, B, (R, "a", "b"), (P, "d", "a")], "d", "ad", False),
    "interrupted first": ([A], None, "", True),
    "interrupted": ([A, B], "a", "a", True),
    "interrupted and noted": ([A, B, (X, "b", "a")], "a", "a", False),
    "interrupted, noted, and on": ([A, B, (X, "b", "a"), (P, "d", "a")], "d", "ad", False),
    "interrupted rollback": ([A, B, (R, "a", "b")], "b", "ab", True),
    "interrupted rollback, noted": ([A, B, (R, "a", "b"), (X, "a", "b")], "b", "ab", False),
}


@pytest.mark.parametrize("case", FOLDS)
def test_what_stands(case: str) -> None:
    events, production, standing, interrupted = FOLDS[case]
    line = read_line(bodies(*events), production, "here")
    assert list(line.standing) == list(standing)
    assert (line.interrupted is not None) is interrupted
    assert line.production == production


@pytest.mark.parametrize(
    ("events", "production", "reason"),
    [
        ([B], "b", "line 1"),
        ([A, C], "c", "line 2"),
        ([A, B, (R, "c", "b")], "c", "line 3"),
        ([A, B, (R, "b", "b")], "b", "line 3"),
        ([A, (X, "b", "a")], "a", "line 2"),
        ([(X, "a", None)], None, "line 1"),
        ([A, (X, "a", None), (X, "a", None)], None, "line 3"),
        ([A, B], None, "changed by hand"),
        ([A, B], "c", "changed by hand"),
        ([], "a", "changed by hand"),
        ([A, B, (X, "b", "a")], "b", "changed by hand"),
    ],
)
def test_what_cannot_have_happened(
    events: Sequence[tuple[Move, str, str | None]], production: str, reason: str
) -> None:
    with pytest.raises(PromotionError, match=reason):
        read_line(bodies(*events), production, "here")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"x", b'{"move":"sideways"}', bodies(A)[0][:-1] + b',"zz":1}'])
def test_a_line_that_is_no_event(body: bytes) -> None:
    with pytest.raises(PromotionError, match="line 1 of the history of here"):
        read_line([body], "a", "here")


def test_what_is_written_is_one_chain_and_notes_the_interruption() -> None:
    first = Line().promoted("a", NOW)
    log = written(b"", first)
    interrupted = read_line([line.partition(b" ")[2] for line in log.splitlines()], None, "here")
    log = written(log, interrupted.promoted("b", NOW))
    chain = verify_chain(log, HISTORY_LABEL, Path("here"))
    line = read_line(chain.bodies, "b", "here")
    assert [event.move for event in line.events] == [P, X, P]
    assert line.standing == ("b",)
