"""Locked items behind worked examples: what the base is asked to see whether a prompt alone does the task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from regress.errors import StoreError
from regress.hashing.canonical import digest_json
from regress.lock.lockfile import Lock, read_lock, verify
from regress.lock.promise import Loaded, load
from regress.run.found import find_runs, run_folders
from regress.schema import Item, ItemOutcome, Message, Suite, Variant, VariantKind
from regress.store.runs import StoredRun, is_sealed, load_run, read_manifest
from regress.suite import Project, read_project, read_suites

FOLDER = "boundary"
"""Under runs/, a folder a suite: no `*/manifest.json` lies there, so nothing takes these runs for a candidate's."""

BEHIND = "behind "

Outcomes = Mapping[str, ItemOutcome]


class Shown(StrEnum):
    """What stands before an item; the run's batch policy names it, so that only like is compared with like."""

    NOTHING = ""
    SAME = "the same examples"  # a prefix that all items share
    NEAREST = "the nearest examples"  # those most like the item


Key = tuple[str, Shown]
"""(suite, what was shown)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One worked example: what a user says and what is answered."""

    prompt: str
    reply: str

    @property
    def turns(self) -> tuple[Message, Message]:
        return Message(role="user", content=self.prompt), Message(role="assistant", content=self.reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompted:
    """Some items of a suite, each behind its examples (by item id, all of one number)."""

    suite: Suite
    items: tuple[Item, ...]
    shown: Shown = Shown.NOTHING
    examples: Mapping[str, tuple[Example, ...]]

    @property
    def shots(self) -> int:
        """Examples before each item."""
        return max(map(len, self.examples.values()), default=0)

    @property
    def key(self) -> Key:
        return self.suite.name, self.shown

    def fewer(self) -> Iterator[Prompted]:
        """Itself, then with half the examples, down to one; of the nearest, the nearest are kept, which come last."""
        yield self
        most = self.shots // 2
        while most:
            kept = {id_: shown[-most:] for id_, shown in self.examples.items()}
            yield replace(self, examples=kept)
            most //= 2

    def as_suite(self) -> Suite:
        """The suite that the model is asked; what does not fit the context window is cut, so that it can be seen."""
        return replace(self.suite, items=tuple(map(self._behind, self.items)), truncate=True)

    def _behind(self, item: Item) -> Item:
        shown = [turn for example in self.examples.get(item.id, ()) for turn in example.turns]
        if not shown:
            return item
        first = next((at for at, turn in enumerate(item.messages) if turn.role != "system"), len(item.messages))
        messages = (*item.messages[:first], *shown, *item.messages[first:])
        digest = digest_json([item.digest, *([turn.role, turn.content] for turn in messages)])
        return replace(item, messages=messages, digest=digest)

    @property
    def company(self) -> str:
        """What the batch policy of its run begins with: how many examples of which kind, and which ones."""
        if self.shown is Shown.NOTHING:
            return ""
        asked = digest_json([item.digest for item in self.as_suite().items]).removeprefix("sha256:")[:12]
        return f"{BEHIND}{self.shots} of {self.shown.value} ({asked}): "


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the base said, under the ids of the locked items and in their wording."""

    prompted: Prompted
    outcomes: Outcomes

    @classmethod
    def of(cls, prompted: Prompted, stored: Outcomes) -> Answered:
        """Examples are a declared difference: the outcomes are put under the digests of the plain items.

        Raises StoreError where `stored` lacks an item, or was asked it in other words or behind other examples.
        """
        found: dict[str, ItemOutcome] = {}
        for item, asked in zip(prompted.items, prompted.as_suite().items, strict=True):
            outcome = stored.get(item.id)
            if outcome is None or outcome.item_digest != asked.digest:
                raise StoreError(
                    f"the stored answers to {prompted.suite.name} behind {prompted.shots} examples are not to "
                    f"{item.id!r} as it is asked now. Delete runs/{FOLDER}/{prompted.suite.name} and ask again."
                )
            found[item.id] = replace(outcome, item_digest=item.digest)
        return cls(prompted=prompted, outcomes=found)


class BaseAnswers(Protocol):
    """What the base says to locked items, behind examples or not."""

    def answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
        """Those of the questions that have an answer. Raises Refused where nothing can be believed."""


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """What is stored under the project's lock. It asks nobody, and can be pickled."""

    folder: Path  # of the project

    def answers(self, asked: Sequence[Prompted]) -> dict[Key, Answered]:
        """Plain items from the sealed base run, if there is one; prompted ones from where they were asked before."""
        project = read_project(self.folder)
        loaded = load(project, read_suites(project.suite_paths()), check_items=False)
        lock = read_lock(project.baselines)
        verify(lock, loaded, None)
        base = _base_run(loaded, lock)
        found: dict[Key, Answered] = {}
        for prompted in asked:
            if prompted.shown is Shown.NOTHING and base is not None:
                found[prompted.key] = Answered.of(prompted, base.outcomes[prompted.suite.name])
            elif (answered := _stored(project, lock, prompted)) is not None:
                found[prompted.key] = answered
        return found


def base_variant(project: Project) -> Variant:
    """The first base that the project names."""
    return next(variant for variant in project.variants if variant.kind is VariantKind.BASE)


def folder_of(project: Project, suite: str) -> Path:
    """Where the prompted runs of a suite lie."""
    return project.runs / FOLDER / suite


def _base_run(loaded: Loaded, lock: Lock) -> StoredRun | None:
    variant = base_variant(loaded.project)
    if not any(read_manifest(folder).adapter is None for folder in run_folders(loaded.project)):
        return None
    try:
        return find_runs(loaded, lock, "", [variant])[variant]
    except StoreError:  # of another lock, or not complete
        return None


def _stored(project: Project, lock: Lock, prompted: Prompted) -> Answered | None:
    """The run of the most examples that was sealed under this lock."""
    folders = [path.parent for path in folder_of(project, prompted.suite.name).glob("*/manifest.json")]
    known = {folder: read_manifest(folder) for folder in sorted(folders) if is_sealed(folder)}
    for tried in prompted.fewer():
        for folder, manifest in known.items():
            if manifest.lock == lock.digest and _is_of(manifest.batch_policy, tried):
                return Answered.of(tried, load_run(folder).outcomes[prompted.suite.name])
    return None


def _is_of(batch_policy: str, prompted: Prompted) -> bool:
    company = prompted.company
    return batch_policy.startswith(company) if company else not batch_policy.startswith(BEHIND)
