"""What the library would do without the fence: follow values as schemas, search and compare without end, round."""

from __future__ import annotations

import time
from typing import Any

import pytest
from referencing.jsonschema import DRAFT202012

from regress.scorers._schema import MAX_NESTING, OverBudget, Schema
from regress.scorers._schema_document import MANY, NAMED, ONE, SchemaFault, parts

LIMIT = 2.0  # seconds
LONG = "x" * 59_000
ONES = [1] * 29_000


def doubled(leaf: dict[str, Any], levels: int = 20, by: str = "allOf") -> dict[str, Any]:
    """A schema that applies `leaf` to the member `b` some million times."""
    links: dict[str, Any] = {f"a{i}": {by: [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(levels)}
    return {"$defs": {**links, f"a{levels}": leaf}, "properties": {"b": {"$ref": "#/$defs/a0"}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubled({"if": False}), {"a": LONG}),
        (doubled({"contains": {"const": 5}, "minContains": 0}), ONES),
        (doubled({"not": {}}, by="anyOf"), [LONG]),
        (doubled({"type": "number"}, by="anyOf"), [[LONG]]),
        (doubled({"minItems": 5}, by="anyOf"), [ONES]),
        (doubled({"enum": [ONES]}), ONES),
        (doubled({"const": ONES}), ONES),
        (doubled({"pattern": "(a|x)*$"}), LONG),
        (doubled({"multipleOf": 1e-300}), 1e300),
        ({"properties": {"b": {"allOf": [{"items": True}], "unevaluatedItems": False}}}, ONES),
    ],
    ids=range(10),
)
def test_every_kind_of_work_is_counted(schema: dict[str, Any], value: Any) -> None:
    start = time.process_time()
    with pytest.raises(OverBudget):
        Schema(schema).violation({"b": value})
    assert time.process_time() - start < LIMIT


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"anyOf": [False] * 50_000}, "takes more than"),
        ({"type": [["a"], 1, "a", {}] * 20_000}, "takes more than"),  # the library compares these pairwise
        ({"patternProperties": {f"(a{{30}}){{20}}{i}": True for i in range(20_000)}}, "20000 patterns, more than 500"),
        ({"$ref": "#/const", "const": {"pattern": "(a+)+$"}}, "not a schema"),
        ({"$dynamicRef": "#/enum/0", "enum": [{"$schema": "http://json-schema.org/draft-07/schema#"}]}, "not a schema"),
        ({"$ref": "#/x-a", "x-a": {"$ref": "http://localhost:1/"}}, "not a schema"),
        ({"patternProperties": 1}, "at /patternProperties: not a schema"),
        ({"dependencies": {"a": ["b"]}}, "'dependencies' is not a keyword"),
        ({"additionalItems": False}, "'additionalItems' is not a keyword"),
    ],
    ids=range(9),
)
def test_refused_in_time(schema: dict[str, Any], message: str) -> None:
    start = time.process_time()
    with pytest.raises(SchemaFault, match=message):
        Schema(schema)
    assert time.process_time() - start < LIMIT


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"multipleOf": 0.01}, 19.99, True),  # 1998.9999999999998 in doubles
        ({"multipleOf": 0.01}, 19.995, False),
        ({"multipleOf": 1e-300}, 1e300, True),
        ({"enum": [1, True]}, 1.0, True),
        ({"enum": [1]}, True, False),
        ({"const": {"a": [1.0]}}, {"a": [1]}, True),
        ({"uniqueItems": True}, [1, True], True),
        ({"properties": {"$schema": {"type": "string"}}}, {"$schema": 1}, False),  # a name, not a keyword
        ({"items": {"$ref": "#a"}, "$defs": {"x": {"$anchor": "a", "type": "null"}}}, [None, 1], False),
    ],
)
def test_judged_as_specified(schema: dict[str, Any], value: Any, valid: bool) -> None:
    assert (Schema(schema).violation(value) is None) == valid


def test_the_deepest_reply_fits_into_a_recursive_schema() -> None:
    nest: dict[str, Any] = {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/n"}}, {"type": "number"}]}
    value: Any = 1
    for _ in range(MAX_NESTING // 3 - 1):
        value = [value]
    assert Schema({"$defs": {"n": nest}, "$ref": "#/$defs/n"}).violation(value) is None


def test_no_subschema_that_the_library_knows_is_overlooked() -> None:
    schema: dict[str, Any] = {name: {"title": name} for name in ONE}
    schema |= {name: [{"title": name}] for name in MANY} | {name: {"k": {"title": name}} for name in NAMED}
    assert {id(part) for _, part in parts(schema)} - {id(schema)} == set(map(id, DRAFT202012.subresources_of(schema)))
    assert set(ONE) | set(MANY) | set(NAMED) == {part["title"] for _, part in parts(schema) if "title" in part}
