"""The items of the explorer, packed: columns as JSON, deflated, in base64, with texts cut until they fit a budget.

Columns, because like stands beside like and deflates best. A reply that another variant gave as well is its index.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from regress.report.html.texts import Shown, cut, seen
from regress.schema import Answer, Exhibits, ItemExhibit, Outcome


class Change(IntEnum):
    """How much of an item a reader wants to see."""

    FLIPPED = 0  # lost or gained in some variant
    CHANGED = 1  # another reply, or another failure
    SAME = 2


Limits = tuple[int, int, int]  # characters of a text, by Change

WHOLE: Limits = (8000, 8000, 8000)

LADDER: tuple[Limits, ...] = (
    WHOLE,
    *((reach, reach * 2 // 5, reach // 8 if reach > 300 else 0) for reach in (int(8000 * 0.8**k) for k in range(26))),
    (0, 0, 0),
)
"""How texts are cut, from hardly at all to entirely: most where nothing happened."""

_LEAST_PROMPT = 24  # characters: what an item is recognised by
_MOST_DETAIL = 200
_SAMPLE = 500  # items
_AHEAD = 2  # rungs: all items deflate better than a sample
_DENSEST = 14  # JSON that is longer than so many times the budget is not deflated to find out
_LETTERS = {Outcome.PASS: "p", Outcome.FAIL: "f", Outcome.NO_ANSWER: "n", Outcome.ERROR: "e"}
_NOT_ASKED = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Island:
    """What stands in the page: base64 of a zlib stream. `limits` is how its texts were cut."""

    payload: str
    limits: Limits
    shown: int
    left_out: int  # items; unchanged ones first

    @property
    def is_whole(self) -> bool:
        """Whether nothing was shortened to make it fit."""
        return self.limits == WHOLE and not self.left_out


def pack(exhibits: Exhibits, budget: int) -> Island:
    """About the most that `budget` bytes hold of the items' texts; items are left out only when ids alone are too many.

    A sample says where on the ladder to begin, since deflating everything at every step takes long.
    """
    items = [(item, change_of(item, exhibits.against)) for item in exhibits.items]
    for limits in LADDER[max(0, _first_rung(exhibits, items, budget) - _AHEAD) :]:
        payload = _deflated(_columns(exhibits, items, limits), budget)
        if payload is not None:
            return Island(payload=payload, limits=limits, shown=len(items), left_out=0)
    kept = sorted(items, key=lambda pair: pair[1])
    while True:
        kept = kept[: len(kept) * 3 // 4]
        payload = _deflated(_columns(exhibits, kept, LADDER[-1]), budget)
        if payload is not None or not kept:
            left = len(items) - len(kept)
            return Island(payload=payload or "", limits=LADDER[-1], shown=len(kept), left_out=left)


def _first_rung(exhibits: Exhibits, items: Sequence[tuple[ItemExhibit, Change]], budget: int) -> int:
    """The least cut at which a sample fits its part of the budget."""
    sample = items[:: max(1, len(items) // _SAMPLE)]
    share = budget * len(sample) // max(1, len(items))
    return bisect_left(
        range(len(LADDER) - 1),
        True,
        key=lambda rung: _deflated(_columns(exhibits, sample, LADDER[rung]), share) is not None,
    )


def change_of(item: ItemExhibit, against: Sequence[int]) -> Change:
    """What became of the item in any variant, each against its base."""
    change = Change.SAME
    for answer, base in zip(item.answers, against, strict=True):
        before = item.answers[base]
        if answer is None or before is None:
            continue
        if (answer.outcome is Outcome.PASS) is not (before.outcome is Outcome.PASS):
            return Change.FLIPPED
        if (answer.text, answer.kind) != (before.text, before.kind):
            change = Change.CHANGED
    return change


def _deflated(columns: Any, budget: int) -> str | None:
    text = json.dumps(columns, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > _DENSEST * budget:
        return None
    payload = base64.b64encode(zlib.compress(text, 9)).decode()
    return payload if len(payload) <= budget else None


def _columns(exhibits: Exhibits, items: Sequence[tuple[ItemExhibit, Change]], limits: Limits) -> dict[str, Any]:
    suites = _Names(item.suite for item, _ in items)
    slices = _Names(item.slice for item, _ in items)
    kinds = _Names(_kind(answer) for item, _ in items for answer in item.answers)
    sides = range(len(exhibits.variants))
    replies = [_replies(item, limits[change]) for item, change in items]
    return {
        "variants": [seen(name) for name in exhibits.variants],
        "against": list(exhibits.against),
        "suites": suites.names,
        "slices": slices.names,
        "kinds": kinds.names,
        "suite": [suites.index(item.suite) for item, _ in items],
        "id": [seen(item.item) for item, _ in items],
        "slice": [slices.index(item.slice) for item, _ in items],
        "prompt": [cut(item.prompt, max(_LEAST_PROMPT, limits[change])) for item, change in items],
        "expected": [None if i.expected is None else cut(i.expected, limits[c]) for i, c in items],
        "outcome": ["".join(_letter(item.answers[side]) for item, _ in items) for side in sides],
        "kind": [[kinds.index(_kind(item.answers[side])) for item, _ in items] for side in sides],
        "detail": [[_detail(item.answers[side], limits[change]) for item, change in items] for side in sides],
        "text": [[reply[side] for reply in replies] for side in sides],
        "right": [[_right(item.answers[side]) for item, _ in items] for side in sides],
    }


class _Names:
    """Distinct names in order of appearance, and the place of each; nothing has the place -1."""

    def __init__(self, names: Iterable[str | None]) -> None:
        distinct = dict.fromkeys(name for name in names if name is not None)
        self._places = {name: place for place, name in enumerate(distinct)}
        self.names = [seen(name) for name in distinct]

    def index(self, name: str | None) -> int:
        return -1 if name is None else self._places[name]


def _replies(item: ItemExhibit, limit: int) -> list[Shown | int | None]:
    """Each variant's text, or the index of the first variant with the same one."""
    texts = [None if answer is None else answer.text for answer in item.answers]
    given = [text for text in texts if text is not None]
    focus = _alike(given) if any(len(text) > limit for text in given) else 0
    return [
        None if text is None else first if (first := texts.index(text)) < place else cut(text, limit, focus)
        for place, text in enumerate(texts)
    ]


def _alike(texts: Sequence[str]) -> int:
    """How many characters all of them begin with."""
    low, high = min(texts, default=""), max(texts, default="")
    return bisect_left(range(min(len(low), len(high))), True, key=lambda place: low[: place + 1] != high[: place + 1])


def _letter(answer: Answer | None) -> str:
    return _NOT_ASKED if answer is None else _LETTERS[answer.outcome]


def _kind(answer: Answer | None) -> str | None:
    return None if answer is None else answer.kind


def _detail(answer: Answer | None, limit: int) -> Shown | int:
    """0 where there is none to show."""
    if answer is None or not answer.detail or not limit:
        return 0
    return cut(answer.detail, min(_MOST_DETAIL, limit))


def _right(answer: Answer | None) -> float | None:
    if answer is None or answer.right is None or not math.isfinite(answer.right):
        return None
    return round(answer.right, 3)
