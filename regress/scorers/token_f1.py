"""Overlap of words between the reply and the nearest target: graded, for answers that can be partly right.

The F1 of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1): case, punctuation and white space do not count,
words are compared as a bag, and the best target decides.
"""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from regress.schema import Ask, Finish, Item, Outcome, Reply, Score
from regress.scorers._normal_text import normal
from regress.scorers._scorer import Kind, Options, Scorer, broken


class TokenF1Options(Options):
    """From which overlap on a reply counts as right; the margin is held against the mean overlap."""

    threshold: str = Field(default="0.5", pattern=r"^(0\.\d{1,4}|1(\.0)?)$")


def _words(text: str) -> Counter[str]:
    return Counter(normal(text, ignore_case=True, ignore_punctuation=True, strip=True).split())


def _overlap(reply: Counter[str], target: Counter[str]) -> float:
    shared = (reply & target).total()
    return 2.0 * shared / (reply.total() + target.total()) if shared else 0.0


def _lacks(item: Item, _options: TokenF1Options) -> str | None:
    if not item.targets:
        return "has no target"
    blank = [target for target in item.targets if not _words(target)]
    return f"has the target {blank[0]!r}, which has no word" if blank else None


def _score(reply: Reply, item: Item, options: TokenF1Options) -> Score:
    if reply.text is None:
        return broken(Kind.NO_REPLY, "the backend gave no text")
    words = _words(reply.text)
    value = max(_overlap(words, _words(target)) for target in item.targets)
    if value >= float(options.threshold) and value > 0.0:
        return Score(outcome=Outcome.PASS, value=value)
    if not reply.text.strip():
        return Score(outcome=Outcome.NO_ANSWER, kind=Kind.EMPTY.value, value=value)
    kind = Kind.TRUNCATED if reply.finish is Finish.LENGTH else Kind.WRONG
    return Score(outcome=Outcome.FAIL, kind=kind.value, detail=f"overlap {value:.2f}", value=value)


SCORER = Scorer(name="token_f1", version=1, asks=Ask.GENERATE, options=TokenF1Options, lacks=_lacks, score=_score)
