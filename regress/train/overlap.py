"""Training rows that ask, word for word, what is locked: learning them by heart says nothing about anything else."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from regress.schema import Message, Suite
from regress.train.data import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Examples whose prompt is a locked item's; the first one by line."""

    examples: int
    line: int
    item: str
    suite: str


def find_overlap(examples: Sequence[Example], suites: Sequence[Suite]) -> Overlap | None:
    """What users say in a prompt, or say last in it, against what they say in each locked item.

    Case and white space are folded.
    """
    locked: dict[str, tuple[str, str]] = {}
    for suite in suites:
        for item in suite.items:  # what several share is the first one's
            locked.setdefault("\x1f".join(_said(item.messages)), (suite.name, item.id))
    locked.pop("", None)
    found = [(example.line, locked[key]) for example in examples if (key := _locked(example, locked)) is not None]
    if not found:
        return None
    line, (name, identifier) = min(found)
    return Overlap(examples=len(found), line=line, item=identifier, suite=name)


def _locked(example: Example, locked: Container[str]) -> str | None:
    said = _said(example.prompt)
    return next((key for key in ("\x1f".join(said), *said[-1:]) if key in locked), None)


def _said(messages: Sequence[Message]) -> list[str]:
    return [" ".join(message.content.split()).casefold() for message in messages if message.role == "user"]
