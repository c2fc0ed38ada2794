"""The reply is one of the item's targets, character for character after the chosen normalisation."""

from __future__ import annotations

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._normal_text import normal
from regress.scorers._scorer import Options, Scorer, score_text


class ExactMatchOptions(Options):
    """What does not count as a difference."""

    ignore_case: bool = False
    ignore_punctuation: bool = False  # white space is collapsed too
    strip: bool = True


def _lacks(item: Item, options: ExactMatchOptions) -> str | None:
    if not item.targets:
        return "has no target"
    blank = [target for target in item.targets if not _normal(target, options).strip()]
    return f"has the target {blank[0]!r}, of which the options leave nothing to compare" if blank else None


def _score(reply: Reply, item: Item, options: ExactMatchOptions) -> Score:
    return score_text(reply, lambda text: _normal(text, options) in {_normal(t, options) for t in item.targets})


def _normal(text: str, options: ExactMatchOptions) -> str:
    return normal(
        text, ignore_case=options.ignore_case, ignore_punctuation=options.ignore_punctuation, strip=options.strip
    )


SCORER = Scorer(name="exact_match", version=1, asks=Ask.GENERATE, options=ExactMatchOptions, lacks=_lacks, score=_score)
