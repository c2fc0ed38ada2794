"""Short ways to build what a scorer is given."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from regress.schema import (
    Ask,
    Category,
    Finish,
    GenerationSettings,
    Item,
    Message,
    PromptStyle,
    Reply,
    Role,
    Score,
    ScorerSpec,
    Suite,
)
from regress.scorers import SCORERS, bind


def item(*targets: str, **fields: Any) -> Item:
    values: dict[str, Any] = {"id": "q1", "messages": (Message(role="user", content="?"),), "digest": "d", "line": 7}
    return Item(targets=targets, **(values | fields))


def suite(scorer: str, *items: Item, ask: Ask | None = None, options: Mapping[str, Any] | None = None) -> Suite:
    known = SCORERS.get(scorer)
    return Suite(
        name="s",
        version=1,
        category=Category.FORMAT,
        role=Role.PROTECT,
        ask=ask or (known and known.asks) or Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name=scorer, options=options or {}),
        margin=Decimal("0.01"),
        items=items,
        path="suites/s.yaml",
        items_path="suites/s.jsonl",
    )


def score(scorer: str, text: str | None, question: Item, *, cut: bool = False, **options: Any) -> Score:
    """The score of one reply text, through `bind` as in a run."""
    bound = bind(suite(scorer, question, options=options))
    return bound.score(Reply(text=text, finish=Finish.LENGTH if cut else Finish.EOS), question)


def verdict(scorer: str, text: str | None, question: Item, *, cut: bool = False, **options: Any) -> str:
    """Outcome and kind in one word: `pass`, `fail:wrong`, `no_answer:empty`."""
    result = score(scorer, text, question, cut=cut, **options)
    return f"{result.outcome}:{result.kind}" if result.kind else str(result.outcome)
