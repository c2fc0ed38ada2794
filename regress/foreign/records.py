"""What every format is read into: items with a score from 0 to 1, and everything that two results must share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from regress.errors import UsageError

EXCERPT = 600  # characters of a prompt or reply that are kept for a person to read
SHOWN = 120  # of a value in a message


class Kind(StrEnum):
    """Whose results."""

    LM_EVAL = "lm-eval results"
    INSPECT = "Inspect log"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignItem:
    """One question and what it scored."""

    id: str
    asked: Mapping[str, str]  # digest by part: document, prompt, target; two results must agree in each
    value: float  # 0..1, more is better
    no_answer: bool = False
    prompt: str
    expected: str | None
    reply: str
    slice: str | None = None

    @property
    def digest(self) -> str:
        """Of everything that was asked; equal for two items that ask the same."""
        return fingerprint(dict(self.asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignTask:
    """One task's items and the settings that they were asked and scored with."""

    name: str
    metric: str  # as a person reads it: `acc, filter none`
    settings: Mapping[str, Any]  # by name; two results must agree in each
    items: Mapping[str, ForeignItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignResults:
    """All tasks of one evaluation of one model."""

    kind: Kind
    source: str  # what was read, for a person
    settings: Mapping[str, Any]  # of the whole evaluation; two results must agree in each
    how: Mapping[str, Any]  # on whom and on what it ran: may differ, and is said where it does
    tasks: Mapping[str, ForeignTask]
    groups: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # tasks that their harness pools into one figure
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of several scores is compared: a name for all tasks (key None) or for one."""

    metric: Mapping[str | None, str] = field(default_factory=dict)
    filter: Mapping[str | None, str] = field(default_factory=dict)

    def metric_of(self, task: str) -> str | None:
        """None: the task's first."""
        return self.metric.get(task, self.metric.get(None))

    def filter_of(self, task: str) -> str | None:
        """None: the metric's first."""
        return self.filter.get(task, self.filter.get(None))


def by_task(given: Iterable[str], option: str) -> dict[str | None, str]:
    """`NAME` and `TASK=NAME` arguments of an option; raises UsageError for an empty or a repeated one."""
    found: dict[str | None, str] = {}
    for argument in given:
        task, equals, name = argument.rpartition("=")
        key = task if equals else None
        if not name or key == "" or key in found:
            raise UsageError(f"--{option} {argument!r}: give NAME once, or TASK=NAME once for each task.")
        found[key] = name
    return found


def fingerprint(value: object) -> str:
    """SHA-256 over sorted JSON: equal exactly where two files say the same. NaN is allowed, since documents hold it."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def shown(value: object, limit: int = SHOWN) -> str:
    """A value of somebody else's file in a message: ASCII, no control character, not what a CI runner would obey."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, default=str).replace("::", ": :").replace("##[", "## [")
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def excerpt(text: str) -> str:
    """So much of a text that a person recognises it by."""
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"
