"""JSON replies: the failure taxonomy, by table."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scoring import item, score, verdict

from regress.scorers._json_value import canonical

SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer", "minimum": 0}, "tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["age"],
    "additionalProperties": False,
}
QUESTION = item(schema=SCHEMA)


@pytest.mark.parametrize(
    ("text", "cut", "expected", "detail"),
    [
        ('{"age": 3}', False, "pass", None),
        (' {"age": 3}\n', False, "pass", None),
        ('{"age": 3}', True, "pass", None),
        (None, False, "error:no_reply", None),
        (" \n", False, "no_answer:empty", None),
        ("I do not know.", False, "no_answer:no_json", "I do not know."),
        ("Let me think about", True, "no_answer:no_json", "cut at the token limit"),
        ("The set {x | x > 1} is open.", False, "no_answer:no_json", None),
        ("{'age': 3}", False, "no_answer:syntax", None),
        ('{"age": 3,}', True, "no_answer:syntax", None),  # cut, but no ending could mend it
        ('Sure: {"age": 3,}', False, "no_answer:syntax", None),
        ('{"age": 3', True, "no_answer:truncated", None),
        (
            '{"age": 3',
            False,
            "no_answer:truncated",
            None,
        ),  # the model stopped by itself: the document is cut all the same
        ('Sure: {"age": 3, "ta', True, "no_answer:truncated", None),
        ('```json\n{"age": 3,', True, "no_answer:truncated", "in a code fence"),
        ('{"age": 3, "age": 4}', False, "no_answer:duplicate_keys", "/age"),
        ('{"age": NaN}', False, "no_answer:not_finite", None),
        ('{"age": 1e999}', False, "no_answer:number_range", None),
        ('{"age": "\\ud800"}', False, "no_answer:surrogate", None),
        ("[" * 65 + "]" * 65, False, "no_answer:nesting", None),
        ("x" * 200_001, False, "no_answer:too_long", None),
        ('```json\n{"age": 3}\n```', False, "fail:fenced", "would have passed"),
        ('```\n{"age": -3}\n```', False, "fail:fenced", "fails too: schema_violation /age: minimum 0"),
        ('Here you are:\n```json\n{"age": 3}\n```\nBye', False, "fail:fenced", "would have passed"),
        ('```json\n{"age": 3}', False, "fail:fenced", None),
        ('```json {"age": 3}```', False, "fail:fenced", None),
        ('```json\n{"age": 3, "age": 4}\n```', False, "no_answer:duplicate_keys", None),
        ('Sure: {"age": 3}', False, "fail:leading_text", "'Sure:'; the document in it would have passed"),
        ('\ufeff{"age": 3}', False, "fail:leading_text", None),
        ('A {x} is {"age": 3}', False, "fail:leading_text", None),
        ('{"age": 3} is it', False, "fail:trailing_text", "'is it'"),
        ('{"age": 3}{"age": 4}', False, "fail:trailing_text", None),
        ('{"age": "3"}', False, "fail:schema_violation", "/age: type integer"),
        ('{"age": 3, "tags": ["a", 1]}', False, "fail:schema_violation", "/tags/1: type string"),
        ("[]", False, "fail:schema_violation", "/: type object"),
        ("3", False, "fail:schema_violation", "/: type object"),
        ("{}", False, "fail:missing_keys", "/: required age"),
        ('{"age": 3, "name": "x"}', False, "fail:extra_keys", "/: additionalProperties name"),
    ],
)
def test_json_schema(text: str | None, cut: bool, expected: str, detail: str | None) -> None:
    assert verdict("json_schema", text, QUESTION, cut=cut) == expected
    if detail is not None:
        assert detail in (score("json_schema", text, QUESTION, cut=cut).detail or "")


def test_details_can_be_printed_and_written() -> None:
    detail = score("json_schema", '{"age": 3, "\\u001b[31m\\u202e": 1}', QUESTION).detail
    assert detail == "/: additionalProperties \\x1b[31m\\u202e"
    detail = score("json_schema", "\ud800" * 1000, QUESTION).detail
    assert detail is not None
    assert detail.encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('```json\n{"age": 3}\n```', "pass"),
        ('```json\r\n{"age": 3}\r\n```  ', "pass"),
        ('```json\n{"age": -3}\n```', "fail:schema_violation"),
        ('Yes:\n```json\n{"age": 3}\n```', "fail:leading_text"),
        ('```json\n{"age": 3}\n```\nBye', "fail:trailing_text"),
        ('{"age": 3}', "pass"),
    ],
)
def test_fences_may_be_allowed(text: str, expected: str) -> None:
    assert verdict("json_schema", text, QUESTION, allow_fences=True) == expected


@pytest.mark.parametrize(
    ("target", "text", "ignore_order", "expected", "detail"),
    [
        ('{"a": 1, "b": [1, 2]}', '{"b": [1.0, 2], "a": 1}', False, "pass", None),
        ("1", "true", False, "fail:wrong_value", "/: true, not 1"),
        ("0", "false", False, "fail:wrong_value", None),
        ("0", "-0.0", False, "pass", None),
        ("[1, 2]", "[2, 1]", False, "fail:wrong_value", "/0: 2, not 1"),
        ("[1, 2]", "[2, 1]", True, "pass", None),
        ("[1, 1, 2]", "[2, 1, 2]", True, "fail:wrong_value", None),
        ('[{"a": [1, 2]}, 3]', '[3, {"a": [2.0, 1]}]', True, "pass", None),
        ("[1]", "[1, 2]", False, "fail:wrong_value", "/: 2 elements, not 1"),
        ('{"a": {"b/": 1}}', '{"a": {"b/": 2}}', False, "fail:wrong_value", "/a/b~1: 2, not 1"),
        ('{"a": 1}', '{"b": 1}', False, "fail:missing_keys", '/: "a"'),
        ('{"a": 1}', '{"a": 1, "b": 1}', False, "fail:extra_keys", '/: "b"'),
        ("9007199254740993", "9007199254740992", False, "fail:wrong_value", None),
        ('"1"', "1", False, "fail:wrong_value", None),
        ("null", "{}", False, "fail:wrong_value", "/: an object, not null"),
    ],
)
def test_json_equal(target: str, text: str, ignore_order: bool, expected: str, detail: str | None) -> None:
    result = score("json_equal", text, item(target), ignore_order=ignore_order)
    assert verdict("json_equal", text, item(target), ignore_order=ignore_order) == expected
    assert detail is None or result.detail == detail


def test_json_equal_takes_any_target() -> None:
    assert verdict("json_equal", "[2]", item("[1]", "[2]")) == "pass"


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from([0.0, 1.0, 0.5, -0.0]) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=3),
    max_leaves=6,
)


def same(one: Any, other: Any) -> bool:
    """Equality as JSON Schema words it, written without canonical texts."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    return bool(one == other)


@given(values, values)
def test_canonical_texts_are_equal_exactly_when_values_are(one: Any, other: Any) -> None:
    assert (canonical(one) == canonical(other)) == same(one, other)
    assert (verdict("json_equal", json.dumps(one), item(json.dumps(other))) == "pass") == same(one, other)
