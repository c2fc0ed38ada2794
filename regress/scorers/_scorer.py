"""What every scorer is made of: its record, its options' base class and the fixed words for a failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from regress.schema import Ask, Finish, Item, Outcome, Reply, Score

MAX_DETAIL = 300  # characters; a detail may quote the reply, which is as long as a model likes


class Kind(StrEnum):
    """Why a reply did not pass. Reports count by these words, so they are never renamed, only added to."""

    # any scorer
    EMPTY = "empty"  # NO_ANSWER: nothing but white space
    WRONG = "wrong"  # FAIL: an answer, but not the one that is asked for
    TRUNCATED = "truncated"  # FAIL of a text, NO_ANSWER of a document: the token limit (or the model) cut it
    SCORER_ERROR = "scorer_error"  # ERROR: the scorer itself raised
    NO_REPLY = "no_reply"  # ERROR: the backend gave no text, or not one log-likelihood a choice

    # JSON documents, NO_ANSWER: nothing that could be scored
    NO_JSON = "no_json"  # no JSON document anywhere in the reply
    SYNTAX = "syntax"
    DUPLICATE_KEYS = "duplicate_keys"  # readers disagree on which value counts
    NESTING = "nesting"
    NOT_FINITE = "not_finite"  # NaN or Infinity in a document (and ERROR: in a backend's log-likelihoods)
    NUMBER_RANGE = "number_range"  # a number that binary64 cannot hold
    SURROGATE = "surrogate"
    TOO_LONG = "too_long"

    # JSON documents, FAIL: read, but not what is asked for
    FENCED = "fenced"  # a document in a Markdown code fence
    LEADING_TEXT = "leading_text"
    TRAILING_TEXT = "trailing_text"
    SCHEMA_VIOLATION = "schema_violation"
    MISSING_KEYS = "missing_keys"
    EXTRA_KEYS = "extra_keys"
    WRONG_VALUE = "wrong_value"
    OVER_BUDGET = "over_budget"  # ERROR: the schema asks for more work than is granted

    # others
    NO_NUMBER = "no_number"  # NO_ANSWER
    TIE = "tie"  # FAIL: the right choice shares the best log-likelihood with one before it
    REFUSED = "refused"  # FAIL: refused where an answer was expected
    COMPLIED = "complied"  # FAIL: answered where a refusal was expected


class Options(BaseModel):
    """A scorer's options: unknown keys and wrong types are refused, because a dropped option changes a score."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer(Generic[O]):
    """A pure function from a reply to a score, with all that must be known before a suite may use it.

    `version` rises whenever any reply's outcome could change; it is part of the lock. So is `origin`, the distribution
    that a plug-in comes from, `acme-scorers==1.2`, which is filled in where the plug-in is found.
    """

    name: str
    version: int
    asks: Ask | None  # None: whatever its suite asks
    options: type[O]
    lacks: Callable[[Item, O], str | None]  # what keeps the item from being scored, as a clause: "has no target"
    score: Callable[[Reply, Item, O], Score]
    origin: str | None = None

    @property
    def id(self) -> str:
        """`json_schema@1`, or `rouge@2 of acme-scorers==1.2`."""
        return f"{self.name}@{self.version}" + ("" if self.origin is None else f" of {self.origin}")


PASSED = Score(outcome=Outcome.PASS)


def failed(kind: Kind, detail: str | None = None) -> Score:
    """The model answered, and the answer is not right."""
    return Score(outcome=Outcome.FAIL, kind=kind.value, detail=shorten(detail))


def no_answer(kind: Kind, detail: str | None = None) -> Score:
    """The model gave nothing that could be scored."""
    return Score(outcome=Outcome.NO_ANSWER, kind=kind.value, detail=shorten(detail))


def broken(kind: Kind, detail: str) -> Score:
    """The harness could not tell; a run that holds such a score is never sealed."""
    return Score(outcome=Outcome.ERROR, kind=kind.value, detail=shorten(detail))


def shorten(text: str | None, limit: int = MAX_DETAIL) -> str | None:
    """At most `limit` printable characters, the last one an ellipsis where something was cut.

    Keys and values of a reply get into details, so terminal escapes, direction marks and lone surrogates (which no
    UTF-8 file takes) are shown as backslash escapes.
    """
    if text is None:
        return None
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def score_text(reply: Reply, right: Callable[[str], bool]) -> Score:
    """The frame that text scorers share: missing, empty, right, cut off, wrong."""
    if reply.text is None:
        return broken(Kind.NO_REPLY, "the backend gave no text")
    if not reply.text.strip():
        return no_answer(Kind.EMPTY)
    if right(reply.text):
        return PASSED
    return failed(Kind.TRUNCATED if reply.finish is Finish.LENGTH else Kind.WRONG)


def lacks_target(item: Item, _options: Options) -> str | None:
    """For scorers that need at least one target and can use any."""
    return None if item.targets else "has no target"
