"""Which locked item a training prompt is said to be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from regress.schema import Message
from regress.train.overlap import find_overlap


def said(text: str) -> tuple[Message, ...]:
    return (Message(role="user", content=text),)


def test_a_prompt_that_two_suites_share_is_the_first_ones() -> None:
    suites: list[Any] = [
        SimpleNamespace(name=name, items=[SimpleNamespace(id="q1", messages=said("Is it red?"))])
        for name in ("colours", "shades")
    ]
    examples: list[Any] = [SimpleNamespace(line=4, prompt=said("is it  RED?"))]
    found = find_overlap(examples, suites)
    assert found is not None
    assert (found.suite, found.item, found.line, found.examples) == ("colours", "q1", 4, 1)
