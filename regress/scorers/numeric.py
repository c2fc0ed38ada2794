r"""The last (or first) number in the reply equals one of the item's targets, within a tolerance.

Read are integers, decimals with a point, thousands set off by commas or no-break spaces, exponents, fractions (`3/4`,
`\frac{3}{4}`, `2 1/2`) and percentages; a decimal comma is not. Values are exact rationals throughout, so `0.1`
means one tenth and a tolerance is met or missed, never nearly so. A per cent sign on one side only may be a unit or a
factor, so `50%` meets both `50` and `0.5`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from regress.schema import Ask, Finish, Item, Reply, Score
from regress.scorers._scorer import PASSED, Kind, Options, Scorer, broken, failed, no_answer

MAX_LITERAL_CHARS = 400  # integers of a million digits take quadratic time to read

Tolerance = Annotated[Decimal, Field(ge=0, allow_inf_nan=False, strict=False)]


class NumericOptions(Options):
    """Which number counts and how near is near enough; a number within either tolerance passes."""

    pick: Literal["last", "first"] = "last"
    absolute: Tolerance = Decimal(0)
    relative: Tolerance = Decimal(0)  # of the target's magnitude: 0.01 is one per cent


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One number of a text."""

    value: Fraction  # as written: 50 for `50%`
    literal: str
    percent: bool


_UNSIGNED = r"(?:[0-9]{1,3}(?:[,\u00a0\u202f][0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?+(?:[eE][-+]?[0-9]{1,3}(?![0-9]))?"
_NUMBER = re.compile(
    rf"""
    (?<!\w)(?<![0-9]\.)(?P<sign>[-+\u2212]?)[$€£]?+
    (?:
        (?<!/)(?:(?P<whole>[0-9]{{1,3}})[ ]+)?(?P<over>[0-9]{{1,18}})[ ]?/[ ]?(?P<under>[0-9]{{1,18}})(?![0-9/]|\.[0-9])
      | (?P<plain>{_UNSIGNED}|(?<!\.)\.[0-9]+)
    )
    (?P<percent>[ \u00a0\u202f]?%)?
    """,
    re.VERBOSE,
)
_LATEX_FRACTION = re.compile(r"([0-9]?)\\[dt]?frac\{([0-9]{1,18})\}\{([0-9]{1,18})\}")


def _found(text: str) -> Iterator[re.Match[str]]:
    return _NUMBER.finditer(_LATEX_FRACTION.sub(r"\1 \2/\3", text))


def _read(found: re.Match[str]) -> Number | None:
    """The number that was found; None where it is too long to be read, or a division by zero."""
    if (plain := found["plain"]) is not None:
        if len(plain) > MAX_LITERAL_CHARS:
            return None
        value = Fraction(re.sub("[,\u00a0\u202f]", "", plain))
    elif int(found["under"]):
        value = int(found["whole"] or 0) + Fraction(int(found["over"]), int(found["under"]))
    else:
        return None
    if found["sign"] in ("-", "\u2212"):
        value = -value
    return Number(value=value, literal=found[0].strip(), percent=found["percent"] is not None)


def _target(text: str) -> Number | None:
    """The number that a target is; None where it is none, or more than one."""
    found = list(_found(text))
    return _read(found[0]) if len(found) == 1 else None


def _lacks(item: Item, _options: NumericOptions) -> str | None:
    if not item.targets:
        return "has no target"
    unread = [target for target in item.targets if _target(target) is None]
    return f"has the target {unread[0]!r}, which is not one number" if unread else None


def _score(reply: Reply, item: Item, options: NumericOptions) -> Score:
    if reply.text is None:
        return broken(Kind.NO_REPLY, "the backend gave no text")
    if not reply.text.strip():
        return no_answer(Kind.EMPTY)
    cut = reply.finish is Finish.LENGTH
    found = _found(reply.text)
    match = next(found, None) if options.pick == "first" else next(iter(deque(found, maxlen=1)), None)
    if match is None:
        return failed(Kind.TRUNCATED) if cut else no_answer(Kind.NO_NUMBER)
    picked = _read(match)
    if picked is not None and any(_near(picked, target, options) for target in map(_target, item.targets)):
        return PASSED
    return failed(Kind.TRUNCATED if cut else Kind.WRONG, None if picked is None else f"read as {picked.literal}")


def _near(number: Number, target: Number | None, options: NumericOptions) -> bool:
    if target is None:
        return False
    values, wanted = [number.value], [target.value]
    if number.percent and not target.percent:
        values.append(number.value / 100)
    if target.percent and not number.percent:
        wanted.append(target.value / 100)
    return any(_within(value, want, options) for value in values for want in wanted)


def _within(value: Fraction, want: Fraction, options: NumericOptions) -> bool:
    slack = max(Fraction(options.absolute), Fraction(options.relative) * abs(want))
    return abs(value - want) <= slack


SCORER = Scorer(name="numeric", version=1, asks=Ask.GENERATE, options=NumericOptions, lacks=_lacks, score=_score)
