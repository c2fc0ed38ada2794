"""Exhibits to be rendered: items with answers of base, adapter and merged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from report_samples import a_comparison, a_decision, a_verdict, pairs

from regress.schema import (
    Answer,
    Category,
    Decision,
    Exhibits,
    ItemExhibit,
    Outcome,
    Promised,
    Role,
    Ruling,
    SuiteComparison,
    SuitePromise,
    Verdict,
)

VARIANTS = ("base@fp32", "adapter", "merged")
AGAINST = (0, 0, 0)
_COMMON = """
the a of to and in that is was for it with as his on be at by had not are but from or have an they which one you
were all her she there would their we him been has when who will no more if out so up said what its about than
into them can only other time new some could these two may first then do any like my now over such our man me
even most made after also well back must where much way down should because long each just state people those too
"""
WORDS = _COMMON.split()


def an_answer(outcome: Outcome = Outcome.PASS, text: str = "yes", **changes: Any) -> Answer:
    kind = None if outcome is Outcome.PASS else "wrong"
    fields: dict[str, Any] = {"outcome": outcome, "kind": kind, "detail": None, "text": text, "right": None}
    return Answer(**(fields | changes))


def an_item(item: str, *answers: Answer | None, **changes: Any) -> ItemExhibit:
    fields: dict[str, Any] = {
        "suite": "json_orders",
        "item": item,
        "slice": None,
        "prompt": f"prompt of {item}",
        "expected": "yes",
        "answers": answers or (an_answer(),) * 3,
    }
    return ItemExhibit(**(fields | changes))


def lost_item(item: str, now: str = "no", **changes: Any) -> ItemExhibit:
    """Right before, wrong now, in both variants."""
    broken = an_answer(Outcome.FAIL, now)
    return an_item(item, an_answer(), broken, broken, **changes)


def exhibits(*items: ItemExhibit, **changes: Any) -> Exhibits:
    return Exhibits(**({"variants": VARIANTS, "against": AGAINST, "items": items} | changes))


def a_promise(**changes: Any) -> Promised:
    fields: dict[str, Any] = {
        "created": "2026-11-20T09:00:00Z",
        "tool": "regress-harness 0.1.0",
        "base": "sha256:" + "3" * 64,
        "training_data": None,
        "alpha": 0.05,
        "power": 0.8,
        "zero_tolerance": (),
        "variants": ("base", "adapter", "merged"),
        "suites": (
            SuitePromise(
                suite="json_orders",
                category=Category.FORMAT,
                role=Role.PROTECT,
                scorer="json_schema@1",
                ask="generate",
                n=1000,
                margin="0.01",
                min_gain=None,
                limit=128,
                detectable=((0.02, 0.031), (0.05, 0.042), (0.1, None)),
            ),
        ),
        "history": (),
    }
    return Promised(**(fields | changes))


def rejected() -> tuple[Decision, Sequence[SuiteComparison]]:
    """One suite, broken in both variants."""
    verdicts = [
        a_verdict("json_orders", Verdict.FAIL, pairs(994, 771, 1000, lost=225), variant=variant)
        for variant in VARIANTS[1:]
    ]
    return a_decision(Ruling.REJECT, *verdicts), [a_comparison(verdict) for verdict in verdicts]


def prose(rng: random.Random, words: int) -> str:
    """English words in random order: hardly smaller when deflated than what a model writes."""
    return " ".join(rng.choice(WORDS) for _ in range(words))


def many_items(count: int, *, words: int, seed: int = 5) -> list[ItemExhibit]:
    """Of eight suites; a tenth flips, half of the others are worded anew, choices have log-probabilities."""
    rng = random.Random(seed)
    items = []
    for number in range(count):
        suite = f"suite_{number % 8}"
        reply, other = prose(rng, words), prose(rng, words)
        flips, changes = rng.random() < 0.1, rng.random() < 0.5
        right = rng.uniform(-9, 0) if number % 8 == 7 else None
        now = Outcome.FAIL if flips else Outcome.PASS
        answers = (
            an_answer(text=reply, right=right),
            an_answer(now, other if flips or changes else reply, right=None if right is None else right - rng.random()),
            an_answer(now, other if flips or changes else reply, right=right),
        )
        about = {"suite": suite, "slice": f"slice {number % 5}", "prompt": prose(rng, words), "expected": prose(rng, 8)}
        items.append(an_item(f"{suite}-{number:05}", *answers, **about))
    return items
