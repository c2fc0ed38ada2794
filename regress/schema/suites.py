"""What is asked: suites, items, scorers by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from regress.schema.words import Ask, Category, Figure, PromptStyle, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: str  # system | user | assistant
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One question. `digest` is the SHA-256 of everything that could change its answer or its place in the figures."""

    id: str
    messages: tuple[Message, ...]  # one user message where the file says `prompt`
    targets: tuple[str, ...] = ()  # any of them is right
    choices: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()  # one for each choice, where they differ; in place of the messages
    answer: int | None = None  # index into choices
    schema: Mapping[str, Any] | None = None
    cluster: str | None = None
    slice: str | None = None
    source: Mapping[str, Any] | None = None  # what an imported task needs to score it (lm-eval: document and hashes)
    digest: str
    line: int  # in the items file, for error messages; not part of the digest

    @property
    def prompt(self) -> str:
        """What a person recognises the item by: the last message's text, without the examples of an imported task."""
        shown = self.source.get("question") if self.source is not None else None
        return shown if isinstance(shown, str) else self.messages[-1].content


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """How long at most, at which texts it stops, and how a token is chosen.

    Temperature 0 is greedy. Otherwise tokens are drawn from the nucleus `top_p`, seeded by `seed`, item and repeat, so
    that a reply does not depend on its company; `repeats` replies are asked of each item.
    """

    max_new_tokens: int = 128
    stop: tuple[str, ...] = ()
    temperature: Decimal = Decimal(0)
    top_p: Decimal = Decimal(1)
    seed: int = 0
    repeats: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """A scorer's name and its options as the suite file gives them (checked by the scorer itself)."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named, versioned set of items, one scorer and a margin."""

    name: str
    version: int
    category: Category
    role: Role
    ask: Ask
    prompt: PromptStyle
    generation: GenerationSettings
    scorer: ScorerSpec
    margin: Decimal | None  # largest acceptable drop, 0.01 = one point; always there where role is protect
    min_gain: Decimal | None = None
    serving: Mapping[Figure, Decimal] = field(default_factory=dict)  # margins of serving figures
    truncate: bool = False  # cut what exceeds the context window from the left, as lm-eval does, in place of refusing
    items: tuple[Item, ...]
    path: str  # the suite file, for messages
    items_path: str
