"""What the embedded model and the two demo adapters are taught."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from random import Random

from regress.demo.tasks import DOMAIN, GENERAL
from regress.demo.tasks.row import Row, Split

CARELESS: Mapping[str, int] = {"support": 1500}
CAREFUL: Mapping[str, int] = {
    "support": 3500,
    "choice": 1200,
    "words": 1500,
    "records": 1000,
    "harmful": 1800,
    "benign": 1800,
}
"""Rows by task: the task alone, and with what must not be forgotten mixed in."""


def training_rows(counts: Mapping[str, int], seed: int) -> list[Row]:
    """Training rows of the named tasks, shuffled; a count beyond what a task can make repeats its rows."""
    generators = GENERAL | DOMAIN
    mixed: list[Row] = []
    for name, count in sorted(counts.items()):
        mixed += generators[name](Random(f"{seed}:{name}"), count, Split.TRAIN)
    Random(seed).shuffle(mixed)
    return mixed


def as_jsonl(rows: list[Row]) -> str:
    """The rows as training data: one `{"prompt", "completion"}` a line."""
    return "".join(json.dumps({"prompt": r.prompt, "completion": r.answer}, ensure_ascii=False) + "\n" for r in rows)


def data_digest(rows: list[Row]) -> str:
    """`sha256:<hex>` of the rows as JSONL."""
    return "sha256:" + hashlib.sha256(as_jsonl(rows).encode()).hexdigest()
