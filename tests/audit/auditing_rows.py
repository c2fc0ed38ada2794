"""Rows written to a file and audited for real, and what checks need of a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audit_samples import audited as audited_file
from audit_samples import write_rows

from regress.audit.protocol import Context
from regress.schema import (
    Ask,
    Audit,
    Category,
    Finding,
    GenerationSettings,
    Item,
    Message,
    PromptStyle,
    Role,
    ScorerSpec,
    Suite,
)


def audited(path: Path, rows: Sequence[Any], check: str, context: Context | None = None) -> Audit:
    """What one check says of rows, written to `path`."""
    known = context or Context(suites=())
    return audited_file(write_rows(path, rows), checks=(check,), suites=known.suites, production=known.production)


def rules(found: Audit) -> list[str]:
    return [finding.rule for finding in found.findings]


def the(found: Audit, rule: str) -> Finding:
    """The one finding of a rule."""
    (finding,) = (one for one in found.findings if one.rule == rule)
    return finding


def suite_of(
    prompts: Sequence[str], targets: Sequence[str], *, name: str = "intents", role: Role = Role.TARGET
) -> Suite:
    items = [
        Item(
            id=f"q{number}",
            messages=(Message(role="user", content=prompt),),
            targets=(target,),
            digest=f"sha256:{number:064x}",
            line=number,
        )
        for number, (prompt, target) in enumerate(zip(prompts, targets, strict=True), 1)
    ]
    return Suite(
        name=name,
        version=1,
        category=Category.DOMAIN,
        role=role,
        ask=Ask.GENERATE,
        prompt=PromptStyle.CHAT,
        generation=GenerationSettings(),
        scorer=ScorerSpec(name="exact_match"),
        margin=None,
        items=tuple(items),
        path="suites/intents.yaml",
        items_path="suites/intents.jsonl",
    )


THINGS = ("lamp", "kettle", "chair", "mirror", "carpet", "bicycle", "camera", "guitar", "wallet", "jacket", "tent")
ASKING: dict[str, tuple[str, ...]] = {
    "return": (
        "I want to send the {} back",
        "how do I return my {}",
        "the {} should go back to you",
        "take back this {}",
    ),
    "price": (
        "what does a {} cost",
        "is the {} cheaper this week",
        "tell me the price of your {}",
        "how much for one {}",
    ),
    "stock": ("do you have a {} left", "is the {} in stock", "when will the {} be available", "any {} in the shop"),
    "repair": ("my {} is broken, can you mend it", "please repair the {}", "fix a cracked {}", "mending a torn {}"),
}


def shop_rows(rows: int) -> list[dict[str, str]]:
    """A shop's intents: what is asked says which, over and over in other words."""
    labels = list(ASKING)
    made = []
    for number in range(rows):
        label = labels[number % len(labels)]
        forms = ASKING[label]
        thing = THINGS[number // 16 % len(THINGS)]
        text = forms[number // 4 % len(forms)].format(thing)
        made.append({"text": f"{text}, order {1000 + number}", "label": label})
    return made
