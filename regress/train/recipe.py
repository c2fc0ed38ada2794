"""A recipe: `train:` with every `auto` settled, as it is recorded and compared, and what is known to go wrong in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from regress.hashing.canonical import digest_json
from regress.lock.promise import decimal_text
from regress.suite.train_section import TrainSection

LEARNING_RATE = {"sft": Decimal("2e-4"), "dpo": Decimal("5e-6")}
"""The QLoRA paper's up to 13B (Dettmers et al. 2023, arXiv 2305.14314, table 9), and five times TRL's for DPO."""

MOST = {"sft": Decimal("1e-3"), "dpo": Decimal("1e-4")}
"""Learning rates above these are warned about: for sft as docs/training.md measured it, for dpo as a convention."""

WHY = {
    "sft": "above 0.001 adapters unlearn what they are not shown, more with every step",
    "dpo": "a hundred times TRL's for dpo and more, which was tried on next to nothing",
}

SHORT = 1024
"""Tokens below which packing gains little and cuts much."""

NOT_RECIPE = frozenset({"data", "output", "report_to"})
"""What may differ between a training and its resumption: where things lie, and who is told."""


def settled(section: TrainSection) -> TrainSection:
    """The section with `auto` replaced in everything that decides what is learned.

    alpha: what is learned is scaled by 2, which is alpha/r for LoRA and alpha/sqrt(r) for rsLoRA (Kalajdzievski 2023,
    arXiv 2312.03732).
    """
    changes: dict[str, Any] = {}
    if section.alpha == "auto":
        scale = Decimal(repr(round(2 * math.sqrt(section.r), 4))) if section.rslora else Decimal(2 * section.r)
        changes["alpha"] = scale
    if section.learning_rate == "auto":
        changes["learning_rate"] = LEARNING_RATE[section.objective]
    return section.model_copy(update=changes)


def record(section: TrainSection) -> dict[str, Any]:
    """The settled recipe as plain JSON: integers, words and decimal strings, keys of other methods left out."""
    kept: dict[str, Any] = {}
    for key, value in section.model_dump().items():
        if key in NOT_RECIPE or (key in ("quant", "double_quant") and section.method != "qlora"):
            continue
        if key == "beta" and section.objective != "dpo":
            continue
        kept[key] = _plain(value)
    return kept


def digest(section: TrainSection) -> str:
    """`sha256:<hex>` of the recipe's record."""
    return digest_json(record(section))


def changes(before: Mapping[str, Any], now: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """'learning_rate is 0.001, was 0.0002' for each difference of two records."""
    for key in sorted(before.keys() | now.keys()):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changes(old, new, f"{path}{key}.")
        elif old != new:
            yield f"{path}{key} is {_shown(new)}, was {_shown(old)}"


def mistakes(section: TrainSection) -> list[str]:
    """A sentence for each setting that is known to cost quality; none of them stops anything."""
    found = []
    if section.method == "qlora" and section.quant == "fp4":
        found.append(
            "quant is fp4: NF4 has the smaller error on normally distributed weights and scored higher in the QLoRA "
            "paper (arXiv 2305.14314, section 4), and the adapter is judged on NF4 or unquantised weights."
        )
    if section.method == "qlora" and not section.double_quant:
        found.append(
            "double_quant is off: that costs 0.37 bits a weight more (arXiv 2305.14314, section 3) and gains nothing."
        )
    rate, limit = section.learning_rate, MOST[section.objective]
    if isinstance(rate, Decimal) and rate > limit:
        found.append(
            f"learning_rate is {rate:f}: {WHY[section.objective]}. {LEARNING_RATE[section.objective]:f} is usual."
        )
    if section.packing and section.max_length < SHORT:
        found.append(
            f"packing into {section.max_length} tokens: few rows fit into so short a context, and those that do not "
            f"are cut. Pack into {SHORT} tokens or more, or not at all."
        )
    if section.dora and section.rslora:
        found.append(
            "dora and rslora are both on: their papers tried each alone, so nobody knows what they do together."
        )
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    match value:
        case None:
            return "unset"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(map(str, value))
        case _:
            return str(value)
