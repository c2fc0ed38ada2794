"""The official JSON Schema test suite, draft 2020-12, through the validator that judges replies."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from regress.scorers._schema import Schema
from regress.scorers._schema_document import SchemaFault

SUITE = Path(__file__).parents[2].parent / "shared" / "data" / "json_schema_test_suite" / "tests" / "draft2020-12"
pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="the JSON Schema test suite is not in ../shared/data")

REASONS = {  # message -> groups of the suite that it refuses, and why that is right here
    # References are never fetched, and identifiers inside a schema, which change what a reference means, are not used:
    # absolute, relative and URN references (anchor, ref, refRemote, dynamicRef, unevaluated*), the meta-schema's own.
    "leads out of the document": 50,
    "$id stands at the root only": 4,
    "not one that RE2 takes": 2,  # `\\p{Letter}`: RE2 knows only the short names, `\\p{L}`
    "the one dialect understood here": 2,  # a meta-schema of one's own
    "unevaluatedProperties beside patternProperties": 5,  # the library would search with a backtracking engine
}


def groups() -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted(SUITE.glob("*.json")):
        for group in json.loads(file.read_text(encoding="utf-8")):
            yield f"{file.stem}: {group['description']}", group


def test_every_group_is_judged_as_the_suite_says_or_refused_for_a_listed_reason() -> None:
    wrong: list[str] = []
    refused: dict[str, str] = {}
    cases = 0
    for name, group in groups():
        try:
            schema = Schema(group["schema"])
        except SchemaFault as fault:
            refused[name] = str(fault)
            continue
        cases += len(group["tests"])
        wrong += [
            f"{name} / {case['description']}"
            for case in group["tests"]
            if (schema.violation(case["data"]) is None) != case["valid"]
        ]
    assert wrong == []
    assert cases > 1_100
    assert Counter(next(known for known in REASONS if known in reason) for reason in refused.values()) == REASONS
