"""One of the item's targets, read as an RE2 pattern, matches the reply."""

from __future__ import annotations

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._re2 import PatternError, compiled
from regress.scorers._scorer import Options, Scorer, score_text


class RegexOptions(Options):
    """How a pattern is applied."""

    full: bool = False  # the whole reply, without the white space around it, has to match
    ignore_case: bool = False


def _lacks(item: Item, options: RegexOptions) -> str | None:
    if not item.targets:
        return "has no target (a pattern)"
    for pattern in item.targets:
        try:
            if compiled(pattern, ignore_case=options.ignore_case).search("") and not options.full:
                return f"has the pattern {pattern!r}, which every reply matches"
        except PatternError as error:
            return f"has the pattern {pattern!r}, which RE2 does not take: {error}"
    return None


def _score(reply: Reply, item: Item, options: RegexOptions) -> Score:
    patterns = [compiled(target, ignore_case=options.ignore_case) for target in item.targets]

    def right(text: str) -> bool:
        text = text.encode("utf-8", "replace").decode("utf-8")  # RE2 reads UTF-8, which has no lone surrogates
        if options.full:
            return any(pattern.fullmatch(text.strip()) for pattern in patterns)
        return any(pattern.search(text) for pattern in patterns)

    return score_text(reply, right)


SCORER = Scorer(name="regex", version=1, asks=Ask.GENERATE, options=RegexOptions, lacks=_lacks, score=_score)
