"""Texts that nobody vouches for, ready to be shown: no invisible characters, and a bounded length."""

from __future__ import annotations

import re

from regress.report.words import visible

# Controls but the line feed, format characters, surrogates, private use, line and paragraph separators (Unicode 15).
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u2064\u2066-\u206f\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)

_SPARED = 24  # so few characters more are shown rather than announced

Shown = str | list[str | int]
"""A text, or its shown parts with the number of characters left out in between and behind."""


def seen(text: str) -> str:
    """`text` with everything shown that a browser would obey or hide: controls, direction marks, surrogates."""
    return _UNSEEN.sub(lambda match: visible(match.group()), text)


def cut(text: str, limit: int, focus: int = 0) -> Shown:
    """At most about `limit` characters of the text, what is left out counted.

    `focus` is where it begins to differ from what it is compared with: where that lies behind the limit, a beginning
    is shown and then what surrounds the difference.
    """
    if len(text) <= limit + _SPARED:
        return seen(text)
    if limit <= 0:
        return [len(text)]
    if focus <= limit * 2 // 3:
        return [seen(text[:limit]), len(text) - limit]
    head = limit // 3
    start = min(max(head, focus - limit // 6), len(text) - (limit - head))
    end = start + limit - head
    parts: list[str | int] = [seen(text[:head]), start - head, seen(text[start:end])]
    return [*parts, len(text) - end] if end < len(text) else parts
