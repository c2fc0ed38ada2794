"""What a check is, what it sees of the data, and what it knows besides."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from regress.audit.answers import Answers, look_at_answers
from regress.audit.words import Hashed, Places, Texts, side_by_side
from regress.rows.forms import Columns
from regress.rows.row import Row
from regress.rows.source import Source
from regress.run.featured import BaseFeatures
from regress.run.prompted import BaseAnswers
from regress.schema import Finding, Measure, Policy, Recommendation, Skipped, Suite, SuspectedTrigger

Seen = TypeVar("Seen")


class Chunk:
    """Consecutive rows of the data, with what several checks need of them computed once."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows

    @cached_property
    def prompts(self) -> Texts:
        """All that users say in each row."""
        return Texts(["\n".join(row.asked) for row in self.rows])

    @cached_property
    def replies(self) -> Texts:
        """All that is to be learned in each row."""
        return Texts(["\n".join(row.replies) for row in self.rows])

    @cached_property
    def numbers(self) -> Places:
        """Each row's number."""
        return np.array([row.number for row in self.rows], dtype=np.int64)

    @cached_property
    def whole(self) -> Hashed:
        """What users say and what is to be learned in each row, one behind the other."""
        return side_by_side(self.prompts, self.replies)

    @cached_property
    def answers(self) -> Answers:
        """What each row's last reply is, and a key for it."""
        return look_at_answers(self.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What checks know besides the data. It travels to worker processes, so everything in it can be pickled."""

    suites: tuple[Suite, ...]  # `scorers.bind(suite)` where a scorer is needed: in the worker, since it is not pickled
    mapped: Columns = ()
    base: Path | None = None  # folder of the base model, where it is here; for its tokenizer and configuration
    validation: Source | None = None  # the split that training is watched on
    production: Source | None = None  # a sample of what users really ask
    max_length: int = 2048  # tokens that a row may have in training
    runs: Path | None = None  # folder of stored runs: what the base answered
    seed: int = 0
    policy: Policy = field(default_factory=Policy)  # the gate's
    answers: BaseAnswers | None = None  # of the base, stored or asked for; None without a project
    features: BaseFeatures | None = None  # of the base; None where it is not to be asked


class Again(Protocol):
    """The data once more, after the pass."""

    @property
    def numbers(self) -> Places:
        """Numbers of all rows that could be read, ascending."""

    def rows(self, numbers: Collection[int]) -> dict[int, Row]:
        """These rows by their number; one more sequential read, so ask once for all."""

    def sample(self, size: int) -> list[Row]:
        """At most `size` rows, each as likely as any other, the same on every run."""

    def scan(self, look: Callable[[Chunk], Seen]) -> Iterator[Seen]:
        """`look` at every chunk once more, in parallel, results in order; it is pickled, so a function or a partial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a check has to say. Evidence without text is filled in afterwards from the row."""

    findings: tuple[Finding, ...] = ()
    figures: Mapping[str, Measure] = field(default_factory=dict)  # measured, whether or not anything is wrong
    triggers: tuple[SuspectedTrigger, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()


class Check(Protocol):
    """One way in which data can hurt. Built from a Context, it sees the data once.

    `look` runs in worker processes on a copy of the check and must not change it; what it returns is pickled to the
    main process, where `add` takes it in the order of the rows. What is kept must stay small: a few bytes a row.
    """

    name: ClassVar[str]

    def look(self, chunk: Chunk) -> Any: ...

    def add(self, seen: Any) -> None: ...

    def finish(self, again: Again) -> Found: ...
