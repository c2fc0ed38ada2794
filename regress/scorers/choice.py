"""The choice with the highest log-likelihood is the right one.

`normalise: none` is what leaderboards call accuracy; `characters` divides each log-likelihood by the choice's length
first (`acc_norm` of lm-evaluation-harness), `bytes` by its length in UTF-8. The first of equal maxima wins, as argmax
does there, so figures can be compared; a right choice that loses that way is marked `tie`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._scorer import PASSED, Kind, Options, Scorer, broken, failed

Normalise = Literal["none", "characters", "bytes"]


class ChoiceOptions(Options):
    """What a log-likelihood is divided by before the choices are compared."""

    normalise: Normalise = "none"


def _lacks(item: Item, options: ChoiceOptions) -> str | None:
    if len(item.choices) < 2:
        return f"has {len(item.choices)} choices where at least 2 are needed"
    if len(set(item.choices)) < len(item.choices):
        return "has the same choice twice"
    if item.answer is None:
        return "has no answer (the index of the right choice)"
    if not 0 <= item.answer < len(item.choices):
        return f"has the answer {item.answer}, but its choices are 0 to {len(item.choices) - 1}"
    return "has an empty choice" if "" in item.choices else None


def _score(reply: Reply, item: Item, options: ChoiceOptions) -> Score:
    if len(reply.logprobs) != len(item.choices):
        return broken(Kind.NO_REPLY, f"{len(reply.logprobs)} log-likelihoods for {len(item.choices)} choices")
    if not all(math.isfinite(value) for value in reply.logprobs):
        return broken(Kind.NOT_FINITE, f"log-likelihoods {list(reply.logprobs)}")
    values = normalised(reply.logprobs, item.choices, options.normalise)
    best = max(values)
    picked = values.index(best)
    if picked == item.answer:
        return PASSED
    assert item.answer is not None  # `_lacks` refused it
    kind = Kind.TIE if values[item.answer] == best else Kind.WRONG
    return failed(kind, f"picked {picked} instead of {item.answer}")


def normalised(logprobs: Sequence[float], choices: Sequence[str], normalise: Normalise) -> list[float]:
    """What is compared: each choice's log-likelihood over its length."""
    return [value / _length(choice, normalise) for value, choice in zip(logprobs, choices, strict=True)]


def _length(choice: str, normalise: Normalise) -> int:
    match normalise:
        case "none":
            return 1
        case "characters":
            return len(choice)
        case "bytes":
            return len(choice.encode("utf-8", "surrogatepass"))


SCORER = Scorer(name="choice", version=1, asks=Ask.CHOOSE, options=ChoiceOptions, lacks=_lacks, score=_score)
