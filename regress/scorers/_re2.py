r"""Regular expressions in linear time. The only importer of RE2.

Patterns come from suites and texts from models, so neither may choose how long a search takes: RE2 has no
backtracking, and a pattern whose automaton is too large is refused when it is compiled. What RE2 leaves out
(look-around, back-references, `\uXXXX`, `\cX`, long Unicode property names) is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, cast

import re2

MAX_PATTERN_CHARS = 2_000
MAX_PROGRAM_BYTES = 1 << 20  # an eighth of RE2's default: `((a{100}){10}){1000}` and its like do not fit


class Pattern(Protocol):
    """As much of a compiled expression as is used here."""

    def search(self, text: str) -> object | None:
        """A match anywhere, or None."""

    def fullmatch(self, text: str) -> object | None:
        """A match of the whole text, or None."""


class PatternError(ValueError):
    """A pattern that RE2 does not take; the message says why."""


@lru_cache(maxsize=4096)
def compiled(pattern: str, *, ignore_case: bool = False) -> Pattern:
    """The pattern, ready to search.

    Raises:
        PatternError: RE2 does not support it, or it is too large.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise PatternError(f"longer than {MAX_PATTERN_CHARS} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    options.case_sensitive = not ignore_case
    try:
        return cast(Pattern, re2.compile(pattern, options))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error
    except UnicodeEncodeError as error:
        raise PatternError("a lone surrogate in the pattern") from error


@dataclass(frozen=True, slots=True)
class Hit:
    """Where one of a scanner's patterns matched, in bytes."""

    name: str
    start: int
    end: int


class Scanner:
    r"""Several patterns searched in one linear pass; where two match at the same place the earlier one counts.

    Patterns are for bytes: `.` and negated classes take one byte, `\b` and `\w` know ASCII. They hold no capturing
    group. Raises PatternError where RE2 does not take one.
    """

    def __init__(self, patterns: Mapping[str, str]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.encoding = re2.Options.Encoding.LATIN1
        whole = "|".join(f"({pattern})" for pattern in patterns.values())
        try:
            self._found = re2.compile(whole.encode("latin-1"), options)
        except re2.error as error:
            raise PatternError(str(error)) from error
        self._names = tuple(patterns)
        if self._found.groups != len(self._names):
            raise PatternError("a pattern holds a capturing group; write (?:...)")

    def hits(self, text: bytes) -> Iterator[Hit]:
        """Every match, from left to right, none within another."""
        for match in self._found.finditer(text):
            yield Hit(self._names[match.lastindex - 1], match.start(), match.end())
