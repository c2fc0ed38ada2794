"""The JSON document in a reply: found, or named why not. Shared by the scorers that ask for JSON.

Asked for is the document and nothing else. A reply that holds one in a code fence or among words is read all the same,
so that the report can tell a model that forgot the format from one that forgot the task; it fails in either case.
Precedence where several things are wrong: what stands around the document comes before what is wrong inside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from regress.schema import Finish, Outcome, Reply, Score
from regress.scorers._scorer import PASSED, Kind, broken, failed, no_answer
from regress.strict_json import FaultKind, JsonFault, Parsed, closing_bracket, parse

MAX_REPLY_CHARS = 60_000  # some 15,000 tokens
MAX_REPLY_DEPTH = 64
MAX_CANDIDATES = 8  # brackets among words that are tried, each in one linear pass

Check = Callable[[Any], Score]

_WHITE = " \t\n\r"
_FENCE = re.compile(r"```[ \t]*+[\w+-]{0,20}+\s*+(?=[\[{])")  # as it opens; possessive, so spaces cannot be tried twice
_BRACKET = re.compile(r"[\[{]")
_LOOKS_LIKE_JSON = re.compile(r'\{\s*+(?:["}]|\Z)|\[\s*+(?:[\[{"\]0-9-]|true|false|null|\Z)')

_KINDS = {
    FaultKind.SYNTAX: Kind.SYNTAX,
    FaultKind.UNFINISHED: Kind.TRUNCATED,
    FaultKind.NESTING: Kind.NESTING,
    FaultKind.NOT_FINITE: Kind.NOT_FINITE,
    FaultKind.NUMBER_RANGE: Kind.NUMBER_RANGE,
    FaultKind.SURROGATE: Kind.SURROGATE,
    FaultKind.ENCODING: Kind.SYNTAX,
    FaultKind.BOM: Kind.SYNTAX,
    FaultKind.TOO_LONG: Kind.TOO_LONG,
}


def score_document(reply: Reply, check: Check, *, allow_fences: bool) -> Score:
    """Score the document in a reply with `check`, which sees the parsed value.

    Args:
        reply: what the model answered.
        check: scores the value; its NO_ANSWER and ERROR are passed on.
        allow_fences: take a reply that is one code fence, and nothing around it, for its content.
    """
    if reply.text is None:
        return broken(Kind.NO_REPLY, "the backend gave no text")
    text = reply.text.strip(_WHITE)
    if not text.strip():
        return no_answer(Kind.EMPTY)
    try:
        parsed = _parse(text)
    except JsonFault as fault:
        return _score_impure(text, fault, check, allow_fences, cut=reply.finish is Finish.LENGTH)
    return _score_value(parsed, check)


def _parse(text: str) -> Parsed:
    return parse(text, max_depth=MAX_REPLY_DEPTH, max_chars=MAX_REPLY_CHARS)


def _score_value(parsed: Parsed, check: Check) -> Score:
    if parsed.duplicate_keys:
        return no_answer(Kind.DUPLICATE_KEYS, ", ".join(parsed.duplicate_keys))
    return check(parsed.value)


def _score_impure(text: str, fault: JsonFault, check: Check, allow_fences: bool, *, cut: bool) -> Score:
    """The reply as a whole is no document: fenced, surrounded by words, broken, or none."""
    if fault.kind is FaultKind.TOO_LONG or (fault.kind is FaultKind.NESTING and text[0] in "[{"):
        return _unread(fault)
    if fence := _FENCE.search(text):
        return _score_fenced(text, fence, check, allow_fences)
    if embedded := _embedded(text):
        start, end, parsed = embedded
        before, after = text[:start].strip(), text[end:].strip()
        kind, around = (Kind.LEADING_TEXT, before) if before else (Kind.TRAILING_TEXT, after)
        return _marked(kind, f"{_quote(around)}; the document in it", _score_value(parsed, check))
    if text[0] in "[{":
        return _unread(fault)
    if looks := _LOOKS_LIKE_JSON.search(text):
        try:
            _parse(text[looks.start() :])
        except JsonFault as inner:
            return _unread(inner)
    if fault.kind in (FaultKind.SYNTAX, FaultKind.UNFINISHED, FaultKind.BOM):
        return no_answer(Kind.NO_JSON, "cut at the token limit before any JSON" if cut else _quote(text))
    return _unread(fault)


def _score_fenced(text: str, fence: re.Match[str], check: Check, allow_fences: bool) -> Score:
    end = text.find("\n```", fence.end())
    end = text.find("```", fence.end()) if end < 0 else end
    end = len(text) if end < 0 else end
    try:
        inside = _score_value(_parse(text[fence.end() : end].strip(_WHITE)), check)
    except JsonFault as fault:
        return _unread(fault, "in a code fence: ")
    if inside.outcome is Outcome.NO_ANSWER:
        return inside
    before, after = text[: fence.start()].strip(), text[end:].lstrip().removeprefix("```").strip()
    if not allow_fences:
        return _marked(Kind.FENCED, "the document in the fence", inside)
    if before or after:
        kind = Kind.LEADING_TEXT if before else Kind.TRAILING_TEXT
        return _marked(kind, f"{_quote(before or after)}; the document in the fence", inside)
    return inside


def _embedded(text: str) -> tuple[int, int, Parsed] | None:
    """The first array or object in the text that is a document, as `(start, end, parsed)`."""
    position = 0
    for _ in range(MAX_CANDIDATES):
        opening = _BRACKET.search(text, position)
        if opening is None:
            return None
        try:
            end = closing_bracket(text, opening.start(), max_depth=MAX_REPLY_DEPTH)
            if end is not None:
                return opening.start(), end, _parse(text[opening.start() : end])
        except JsonFault:
            pass  # not a document; the next bracket may open one
        position = opening.end()
    return None


def _marked(kind: Kind, what: str, inside: Score) -> Score:
    """The failure that stands around a document, with word of what is inside; the harness's own failure goes first."""
    if inside.outcome is Outcome.ERROR:
        return inside
    if inside == PASSED:
        return failed(kind, f"{what} would have passed")
    return failed(kind, f"{what} fails too: {inside.kind} {inside.detail or ''}".rstrip())


def _unread(fault: JsonFault, where: str = "") -> Score:
    return no_answer(_KINDS[fault.kind], where + str(fault))


def _quote(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:59] + "…")
