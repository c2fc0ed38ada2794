"""When two JSON values are the same value, and where two that are not differ.

The data model is JSON Schema's (draft 2020-12, core section 4.2.2): numbers are equal by value, `1` and `1.0` alike, no
boolean is a number, the order of an object's members means nothing and that of an array's elements does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from regress.scorers._scorer import Kind
from regress.strict_json import escape_step

Path = tuple["Path", str | int] | None  # from the leaf to the root, so that descending costs nothing


def pointer(path: Path) -> str:
    """The path as a JSON pointer; the root is shown as `/`, because an empty string in a message reads as a mistake."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(escape_step(step))
    return "/" + "/".join(reversed(steps))


def canonical(value: Any, *, ignore_order: bool = False) -> str:
    """One text for all spellings of a value: equal values have equal texts, and only they.

    A text and not a nest of tuples, because Python randomises only the hashes of strings: with numbers for keys, a
    reply could be made whose every element collides.
    """
    return json.dumps(_plain(value, ignore_order), sort_keys=True, separators=(",", ":"))


def _plain(value: Any, ignore_order: bool) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        elements = [_plain(element, ignore_order) for element in value]
        if ignore_order:
            elements.sort(key=lambda element: json.dumps(element, sort_keys=True))
        return elements
    if isinstance(value, dict):
        return {name: _plain(member, ignore_order) for name, member in value.items()}
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first place where a value is not the wanted one."""

    kind: Kind
    at: str
    what: str


def difference(value: Any, wanted: Any, *, ignore_order: bool = False, at: Path = None) -> Difference | None:
    """None where both are the same value; the missing keys of an object are named before its extra ones."""
    if ignore_order:
        value, wanted = _plain(value, True), _plain(wanted, True)
    if isinstance(value, dict) and isinstance(wanted, dict):
        return _members_differ(value, wanted, at)
    if isinstance(value, list) and isinstance(wanted, list):
        if len(value) != len(wanted):
            return _wrong(at, f"{len(value)} elements, not {len(wanted)}")
        pairs = enumerate(zip(value, wanted, strict=True))
        return next((d for i, (one, other) in pairs if (d := difference(one, other, at=(at, i)))), None)
    if canonical(value) == canonical(wanted):
        return None
    return _wrong(at, f"{_shown(value)}, not {_shown(wanted)}")


def _members_differ(value: dict[str, Any], wanted: dict[str, Any], at: Path) -> Difference | None:
    if missing := [name for name in wanted if name not in value]:
        return Difference(kind=Kind.MISSING_KEYS, at=pointer(at), what=", ".join(map(_shown, missing[:5])))
    if extra := [name for name in value if name not in wanted]:
        return Difference(kind=Kind.EXTRA_KEYS, at=pointer(at), what=", ".join(map(_shown, extra[:5])))
    return next((d for name in wanted if (d := difference(value[name], wanted[name], at=(at, name)))), None)


def _wrong(at: Path, what: str) -> Difference:
    return Difference(kind=Kind.WRONG_VALUE, at=pointer(at), what=what)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = json.dumps(value)  # escapes control characters and everything that is not ASCII
    return text if len(text) <= 40 else text[:39] + "…"
