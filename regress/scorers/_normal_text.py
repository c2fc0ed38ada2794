"""How texts are made alike before `exact_match` and `contains` compare them."""

from __future__ import annotations

import string
import unicodedata

_ASCII_PUNCTUATION = frozenset(string.punctuation)  # with the symbols `$+<=>^`|~` that Unicode does not call P*


def normal(text: str, *, ignore_case: bool, ignore_punctuation: bool, strip: bool) -> str:
    """The text under the given options; no Unicode normal form is applied, so `é` and `e` + U+0301 differ."""
    if ignore_case:
        text = text.casefold()
    if ignore_punctuation:
        # The gaps that removed marks leave would otherwise still tell "a, b" from "a b" and "a - b".
        marks = {ord(character): None for character in set(text) if _is_punctuation(character)}
        text = " ".join(text.translate(marks).split())
    return text.strip() if strip else text


def _is_punctuation(character: str) -> bool:
    return character in _ASCII_PUNCTUATION or unicodedata.category(character).startswith("P")
