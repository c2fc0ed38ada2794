"""A strict RFC 8259 reader for text that nobody vouches for: replies of models, suites, stored results.

The standard library's scanner does the work in C; around it stand the checks that it leaves out. Accepted is exactly
what RFC 8259 calls a JSON text, within limits that RFC 8259 section 9 allows an implementation to set:

* nesting, counted before the scanner recurses, so 100,000 `[` cost one linear pass and no stack;
* numbers within the range of IEEE 754 binary64 (section 6). Integers stay exact; `1e400` and `1e-400` are refused
  rather than turned into infinity and zero; decimal fractions are rounded to the nearest double, as RFC 8785 expects;
* strings of Unicode scalar values: a lone surrogate, escaped or raw, is refused (section 8.2, I-JSON);
* no byte order mark (section 8.1).

Repeated names in one object are legal syntax with no agreed meaning, so they are reported and the last value is kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

MAX_DEPTH = 128
MAX_CHARS = 16_000_000
MAX_NUMBER_CHARS = 1_100  # the longest exact decimal expansion of a double has fewer; `float()` is quadratic beyond
MAX_REPORTED_DUPLICATES = 20  # pointers can be as long as the document, so their number has to be bounded


class FaultKind(StrEnum):
    """Why a text is not an acceptable JSON document."""

    SYNTAX = "syntax"
    UNFINISHED = "unfinished"  # a proper prefix of some JSON text: more characters could have mended it
    NESTING = "nesting"
    NOT_FINITE = "not_finite"  # NaN, Infinity, -Infinity
    NUMBER_RANGE = "number_range"
    SURROGATE = "surrogate"
    ENCODING = "encoding"  # not UTF-8
    BOM = "bom"
    TOO_LONG = "too_long"


class JsonFault(ValueError):
    """A text that is refused; `position` counts characters (bytes for `encoding`), None where it is not known."""

    def __init__(self, kind: FaultKind, message: str, position: int | None = None) -> None:
        self.kind = kind
        self.message = message
        self.position = position
        super().__init__(message if position is None else f"{message} (at character {position})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A document. `duplicate_keys` holds JSON pointers (RFC 6901), the first 20 in document order."""

    value: Any
    duplicate_keys: tuple[str, ...] = ()


class _DuplicateSeenError(Exception):
    """Leaves the fast decoder as soon as an object repeats a name; never leaves this module."""


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, told apart from an array by its type."""


def parse(
    text: str | bytes, *, max_depth: int = MAX_DEPTH, max_chars: int = MAX_CHARS, not_finite: bool = False
) -> Parsed:
    """Read one JSON text.

    Args:
        text: the document; bytes must be UTF-8.
        max_depth: how many arrays and objects may be open at once.
        max_chars: how many characters the document may have.
        not_finite: take NaN, Infinity and -Infinity, which Python writes and RFC 8259 does not know, as floats.

    Raises:
        JsonFault: the text is not acceptable; `kind` says why.
    """
    document = _decode(text, max_chars)
    if document.count("[") + document.count("{") > max_depth:
        _check_depth(document, max_depth)
    duplicates: tuple[str, ...] = ()
    decoders = _PYTHONS if not_finite else _RFCS
    try:
        try:
            value = decoders.strict.decode(document)
        except _DuplicateSeenError:
            duplicates = _duplicate_pointers(decoders.keep_pairs.decode(document))
            value = decoders.last_wins.decode(document)
    except json.JSONDecodeError as error:
        raise _syntax_fault(document, error) from error
    except RecursionError as error:  # the caller's own stack was nearly full
        raise JsonFault(FaultKind.NESTING, "nested too deeply for the stack that is left") from error
    if "\\ud" in document or "\\uD" in document:
        _check_surrogate_escapes(document)
    return Parsed(value=value, duplicate_keys=duplicates)


def closing_bracket(text: str, start: int, *, max_depth: int = MAX_DEPTH) -> int | None:
    """Where the array or object that opens at `start` ends (one past its bracket), or None where it never does.

    Brackets are counted, not matched by type, and those inside strings are skipped; whether the span is JSON is for
    `parse` to say.

    Raises:
        JsonFault: of kind `nesting`.
    """
    depth = 0
    for token in _TOKEN.finditer(text, start):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise JsonFault(FaultKind.NESTING, f"nested deeper than {max_depth}", token.start())
        elif mark in "]}":
            depth -= 1
            if depth <= 0:
                return token.end()
    return None


# --- before the scanner -----------------------------------------------------------------------------------------------

# Possessive, so neither a million escapes nor a missing quote can make it look back. Group 1 is the closing quote.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+("?)|[\[\]{}]', re.DOTALL)


def _decode(text: str | bytes, max_chars: int) -> str:
    if len(text) > (max_chars if isinstance(text, str) else 4 * max_chars):
        raise JsonFault(FaultKind.TOO_LONG, f"longer than {max_chars} characters")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise JsonFault(FaultKind.ENCODING, f"not UTF-8: {error.reason}", error.start) from error
        if len(text) > max_chars:
            raise JsonFault(FaultKind.TOO_LONG, f"longer than {max_chars} characters")
    elif not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise JsonFault(FaultKind.SURROGATE, "a lone surrogate in the text", error.start) from error
    if text.startswith("\ufeff"):
        raise JsonFault(FaultKind.BOM, "begins with a byte order mark", 0)
    return text


def _check_depth(document: str, max_depth: int) -> None:
    depth = 0
    for token in _TOKEN.finditer(document):
        mark = document[token.start()]
        if mark in "[{":
            depth += 1
            if depth > max_depth:
                raise JsonFault(FaultKind.NESTING, f"nested deeper than {max_depth}", token.start())
        elif mark in "]}":
            depth -= 1


# --- what the scanner calls back --------------------------------------------------------------------------------------


def _int(literal: str) -> int:
    if len(literal) < 309:  # fewer digits than the largest double has
        return int(literal)
    if len(literal) <= 310:
        value = int(literal)
        if -_LARGEST <= value <= _LARGEST:
            return value
    raise JsonFault(FaultKind.NUMBER_RANGE, f"an integer of {len(literal)} characters is beyond binary64")


_LARGEST = int(1.7976931348623157e308)


def _float(literal: str) -> float:
    if len(literal) > MAX_NUMBER_CHARS:
        raise JsonFault(FaultKind.NUMBER_RANGE, f"a number of {len(literal)} characters")
    value = float(literal)
    if math.isinf(value):
        raise JsonFault(FaultKind.NUMBER_RANGE, f"{literal[:40]} is beyond binary64")
    if value == 0.0 and _NONZERO.match(literal):
        raise JsonFault(FaultKind.NUMBER_RANGE, f"{literal[:40]} is too small for binary64")
    return value


_NONZERO = re.compile(r"[-0.]*[1-9]")


def _constant(literal: str) -> NoReturn:
    raise JsonFault(FaultKind.NOT_FINITE, f"{literal} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _DuplicateSeenError
    return members


class _Decoders:
    """One for documents without repeated names, and two for those with them."""

    def __init__(self, constant: Callable[[str], float]) -> None:
        def decoder(pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None) -> json.JSONDecoder:
            return json.JSONDecoder(
                object_pairs_hook=pairs_hook, parse_float=_float, parse_int=_int, parse_constant=constant
            )

        self.strict, self.last_wins, self.keep_pairs = decoder(_object), decoder(None), decoder(_Pairs)


_RFCS, _PYTHONS = _Decoders(_constant), _Decoders(float)
_SYNTAX_ONLY = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_constant)


# --- after the scanner ------------------------------------------------------------------------------------------------

_SURROGATE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def _check_surrogate_escapes(document: str) -> None:
    """In a valid document every backslash is in a string, so escapes can be read without following its structure."""
    for escape in _SURROGATE.finditer(document):
        if escape[1]:
            raise JsonFault(FaultKind.SURROGATE, f"\\{escape[1]} is half of a surrogate pair", escape.start())


_Path = tuple["_Path", str | int] | None  # linked, so that a path costs nothing until it is shown


def _duplicate_pointers(root: Any) -> tuple[str, ...]:
    found: list[str] = []
    pending: list[tuple[Any, _Path]] = [(root, None)]
    while pending and len(found) < MAX_REPORTED_DUPLICATES:
        node, path = pending.pop()
        if isinstance(node, _Pairs):
            children: list[tuple[str | int, Any]] = list(node)
            seen: dict[str, int] = {}
            for name, _ in node:
                seen[name] = seen.get(name, 0) + 1
            repeated = [name for name, count in seen.items() if count > 1]
            found += [_pointer((path, name)) for name in repeated[: MAX_REPORTED_DUPLICATES - len(found)]]
        elif isinstance(node, list):
            children = list(enumerate(node))
        else:
            continue
        pending += [(child, (path, step)) for step, child in reversed(children) if isinstance(child, list)]
    return tuple(found)


def _pointer(path: _Path) -> str:
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(escape_step(step))
    return "".join(f"/{step}" for step in reversed(steps))


def escape_step(step: str | int) -> str:
    """One reference token of a JSON pointer (RFC 6901 section 3)."""
    return str(step).replace("~", "~0").replace("/", "~1")


def _syntax_fault(document: str, error: json.JSONDecodeError) -> JsonFault:
    if not document.strip(" \t\n\r"):
        return JsonFault(FaultKind.SYNTAX, "an empty document", 0)
    if _is_unfinished(document):
        return JsonFault(FaultKind.UNFINISHED, "ends before the document does", len(document))
    return JsonFault(FaultKind.SYNTAX, error.msg, error.pos)


_PARTIAL_LITERAL = re.compile(r"(?:t|tr|tru|f|fa|fal|fals|n|nu|nul)\Z")
_IN_STRING = tuple(fill + end for fill in ("", "n", "0", "00", "000", "0000") for end in ('"', '":0'))
_BETWEEN = ("", "0", ":0", '"":0')


def _is_unfinished(document: str) -> bool:
    """Whether some continuation makes the text valid.

    Tried, not guessed: whatever the scanner's state at the end of a valid prefix (in a string or an escape, after a
    name, a comma, a sign ...), one of the few endings below completes it once the open brackets are closed.
    """
    brackets: list[str] = []
    in_string = False
    for token in _TOKEN.finditer(document):
        mark = document[token.start()]
        if mark in "[{":
            brackets.append("]" if mark == "[" else "}")
        elif mark == '"':
            in_string = not token[1]
        elif not brackets or brackets.pop() != mark:
            return False
    endings = _IN_STRING if in_string else _BETWEEN
    if not in_string and (partial := _PARTIAL_LITERAL.search(document)):
        endings = tuple(word.removeprefix(partial[0]) for word in ("true", "false", "null") if word[0] == partial[0][0])
    closers = "".join(reversed(brackets))
    return any(_is_syntax(document + ending + closers) for ending in endings)


def _is_syntax(document: str) -> bool:
    try:
        _SYNTAX_ONLY.decode(document)
    except (ValueError, RecursionError):
        return False
    return True
