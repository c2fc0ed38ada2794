"""Which schemas are refused when a suite is read, and where the refusal points; agreement with a second validator."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring import item, suite

from regress.errors import SuiteError
from regress.scorers import bind
from regress.scorers._schema import Schema


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "strin"}, "at /type: not a schema"),
        ({"properties": {"a": {"minimum": "1"}}}, "at /properties/a/minimum: not a schema: type number"),
        ({"items": [{}]}, "at /items: not a schema"),  # an older draft's tuple
        (
            {"requierd": ["a"]},
            "'requierd' is not a keyword of draft 2020-12 and would check nothing; did you mean 'required'?",
        ),
        ({"properties": {"a": {"nullable": True}}}, "at /properties/a: 'nullable' is not a keyword"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "draft/2020-12/schema, the one dialect"),
        (
            {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}},
            "at /properties/a: $schema stands",
        ),
        ({"$ref": "https://example.com/s.json"}, "leads out of the document"),
        ({"$ref": "file:///etc/passwd"}, "leads out of the document"),
        ({"$ref": "s.json"}, "leads out of the document"),
        ({"$dynamicRef": "https://example.com/s.json#a"}, "leads out of the document"),
        ({"$ref": "#/$defs/a"}, "points at nothing"),
        ({"$ref": "#a"}, "points at nothing"),
        ({"$id": "http://a/", "$ref": "http://["}, "leads out of the document"),
        ({"$defs": {"a": {"$id": "x"}}}, "at /$defs/a: $id stands at the root only"),
        ({"pattern": "(?=a)"}, "at /pattern: the pattern '(?=a)' is not one that RE2 takes"),
        ({"patternProperties": {"a(": {}}}, "at /patternProperties/a(: the pattern"),
        ({"additionalProperties": False, "patternProperties": {r"\u00e9": {}}}, "RE2"),
        ({"$defs": {"unused": {"pattern": "(?=a)"}}}, "at /$defs/unused/pattern"),
        ({"unevaluatedProperties": False, "patternProperties": {"a": True}}, "use additionalProperties"),
        ({"$ref": "#"}, "takes more than"),
        ({"default": float("nan")}, "not JSON"),
        ({"default": {1, 2}}, "not JSON"),
    ],
)
def test_refused(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        bind(suite("json_schema", item(schema=schema)))
    assert "suites/s.jsonl:7: item q1 has a schema that" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "t", "x-note": 1, "format": "date"},
        {"definitions": {"a": {"type": "null"}}, "properties": {"b": {"$ref": "#/definitions/a"}}},
        {"const": {"$ref": "https://example.com", "requierd": 1}},  # a value, not a schema
        {"properties": {"$ref": {"type": "string"}, "pattern": {"const": "("}}},  # names, not keywords
    ],
)
def test_accepted(schema: Any) -> None:
    assert Schema(schema).violation(None) is None or isinstance(schema, dict)


leaf = st.sampled_from(
    [
        True,
        False,
        {"type": "integer"},
        {"type": ["string", "null"]},
        {"const": 1},
        {"enum": ["a", 2, None]},
        {"minimum": 2},
        {"multipleOf": 2},
        {"maxLength": 1},
        {"pattern": "^a"},
        {"required": ["a"]},
        {"uniqueItems": True},
        {"maxItems": 1},
        {"minProperties": 1},
    ]
)
NAMES = st.sampled_from(["a", "b"])


def applied(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "additionalProperties": inner,
            "propertyNames": inner,
            "prefixItems": some,
            "items": inner,
            "contains": inner,
            "allOf": some,
            "anyOf": some,
            "oneOf": some,
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
        },
    )


schemas = st.recursive(leaf, applied, max_leaves=8)
values = st.recursive(
    st.sampled_from([None, True, 0, 1, 1.0, 2, 3.5, "", "a", "ab"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(schemas, values)
def test_agrees_with_jsonschema(schema: Any, value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    assert (Schema(schema).violation(value) is None) == expected
