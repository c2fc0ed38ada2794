"""One of the item's targets occurs somewhere in the reply."""

from __future__ import annotations

import re

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._normal_text import normal
from regress.scorers._scorer import Options, Scorer, score_text


class ContainsOptions(Options):
    """What counts as an occurrence."""

    ignore_case: bool = False
    ignore_punctuation: bool = False
    whole_words: bool = False  # "cat" is not in "concatenate"


def _lacks(item: Item, options: ContainsOptions) -> str | None:
    if not item.targets:
        return "has no target"
    blank = [target for target in item.targets if not _normal(target, options)]
    return f"has the target {blank[0]!r}, which every reply contains" if blank else None


def _score(reply: Reply, item: Item, options: ContainsOptions) -> Score:
    def right(text: str) -> bool:
        haystack = _normal(text, options)
        needles = (_normal(target, options) for target in item.targets)
        return any(_occurs(needle, haystack, whole_words=options.whole_words) for needle in needles)

    return score_text(reply, right)


def _occurs(needle: str, haystack: str, *, whole_words: bool) -> bool:
    if not whole_words:
        return needle in haystack
    # A literal between two look-arounds of one character: nothing in it can backtrack.
    return re.search(rf"(?<!\w){re.escape(needle)}(?!\w)", haystack) is not None


def _normal(text: str, options: ContainsOptions) -> str:
    return normal(text, ignore_case=options.ignore_case, ignore_punctuation=options.ignore_punctuation, strip=True)


SCORER = Scorer(name="contains", version=1, asks=Ask.GENERATE, options=ContainsOptions, lacks=_lacks, score=_score)
