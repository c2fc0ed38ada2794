"""YAML that cannot surprise: plain data only, with the line of every key.

Built on PyYAML's pure-Python event parser (the C one dies on deeply nested input). Tags, anchors, aliases, duplicate
keys and several documents in one file are refused; sizes and depth are capped. Scalars follow the core schema of YAML
1.2, so `no` and `on` stay text, and numbers with a fraction become Decimal, since nothing that is locked is a float.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from regress.errors import LocatedError

MAX_BYTES = 100_000  # the pure-Python parser takes a second for that
MAX_DEPTH = 24

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_FRACTION = re.compile(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30}|[0-9]{1,30})(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, object] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's plain data, and the line (from 1) on which each key path starts."""

    path: Path
    value: Any
    lines: dict[KeyPath, int]

    def line_of(self, key_path: KeyPath) -> int:
        """Line of the key path, or of its nearest ancestor that has one."""
        while key_path and key_path not in self.lines:
            key_path = key_path[:-1]
        return self.lines.get(key_path, 1)


def read(path: Path, error: type[LocatedError]) -> Document:
    """Read one YAML file; raises `error`, located, for anything that is not plain data."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as reason:
        raise error(f"cannot be read: {reason.strerror}.", path=path) from reason
    if len(raw) > MAX_BYTES:
        raise error(f"is larger than {MAX_BYTES:,} bytes; items belong in a .jsonl file beside it.", path=path)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as reason:
        raise error(f"is not UTF-8 (byte {reason.start}).", path=path) from reason
    return parse(text, path, error)


def parse(text: str, path: Path, error: type[LocatedError]) -> Document:
    """Parse YAML text that came from `path`."""
    builder = _Builder(path=path, error=error)
    try:
        value = builder.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as reason:
        mark = reason.problem_mark or reason.context_mark
        raise error(
            f"is not YAML: {reason.problem or reason.context}.", path=path, line=None if mark is None else mark.line + 1
        ) from reason
    except yaml.YAMLError as reason:
        raise error("is not YAML: it holds a character that YAML does not allow.", path=path) from reason
    except (ValueError, OverflowError) as reason:  # PyYAML's own, for \UFFFFFFFF and a version of 5,000 digits
        raise error(f"is not YAML: {reason}.", path=path) from reason
    return Document(path=path, value=value, lines=builder.lines)


class _Builder:
    """Turns parser events into dicts, lists and scalars, recording lines."""

    def __init__(self, *, path: Path, error: type[LocatedError]) -> None:
        self.path = path
        self.error = error
        self.lines: dict[KeyPath, int] = {}

    def refuse(self, message: str, event: Any) -> LocatedError:
        return self.error(message, path=self.path, line=_line(event))

    def document(self, events: Iterator[Any]) -> object:
        value: object = None
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise self.refuse("holds a second YAML document; one file is one document.", event)
                seen = True
                value = self.node(next(events), events, ())
        return value

    def node(self, event: Any, events: Iterator[Any], at: KeyPath) -> object:
        if len(at) > MAX_DEPTH:
            raise self.refuse(f"is nested deeper than {MAX_DEPTH} levels.", event)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.refuse("uses an anchor or alias (& or *); write the value out.", event)
        if event.tag not in (None, "!") or (event.tag == "!" and not isinstance(event, yaml.ScalarEvent)):
            raise self.refuse(f"uses the tag {event.tag}; only plain data is read.", event)
        self.lines.setdefault(at, _line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(events, at)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(events, at)
        return scalar(event.value, plain=event.implicit[0])

    def mapping(self, events: Iterator[Any], at: KeyPath) -> dict[str, object]:
        result: dict[str, object] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise self.refuse("uses something other than plain text as a key.", event)
            key = event.value
            if key in result:
                raise self.refuse(f"gives the key {key!r} twice.", event)
            self.lines[(*at, key)] = _line(event)
            result[key] = self.node(next(events), events, (*at, key))
        return result

    def sequence(self, events: Iterator[Any], at: KeyPath) -> list[object]:
        result: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            result.append(self.node(event, events, (*at, len(result))))
        return result


def _line(event: Any) -> int:
    """The line an event starts on, from 1."""
    return int(event.start_mark.line) + 1


def scalar(text: str, *, plain: bool) -> object:
    """The value of a scalar under YAML 1.2's core schema; fractions become Decimal, quoted text stays text."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return Decimal(text)
    return text
