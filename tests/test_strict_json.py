"""The strict reader: what RFC 8259 says, within stated limits, in linear time."""

from __future__ import annotations

import contextlib
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.strict_json import FaultKind, JsonFault, closing_bracket, parse

SUITE = Path(__file__).parents[1].parent / "shared" / "data" / "json_test_suite" / "test_parsing"
FILES = sorted(SUITE.glob("*.json"))

numbers = st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def fault_of(text: str | bytes, **limits: Any) -> JsonFault:
    with pytest.raises(JsonFault) as caught:
        parse(text, **limits)
    return caught.value


@pytest.mark.skipif(not FILES, reason="JSONTestSuite is not in ../shared/data")
def test_the_public_parsing_suite_is_here_in_full() -> None:
    assert len(FILES) == 318


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_public_parsing_suite(file: Path) -> None:
    try:
        parse(file.read_bytes())
    except JsonFault:
        accepted = False
    else:
        accepted = True
    if not file.name.startswith("i_"):  # `i_`: either, as long as it ends here
        assert accepted == file.name.startswith("y_")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "syntax"),
        (" \n", "syntax"),
        ("[1,]", "syntax"),
        ("{'a': 1}", "syntax"),
        ("[01]", "syntax"),
        ("[+1]", "syntax"),
        ("[.5]", "syntax"),
        ("[1.]", "syntax"),
        ("\u00a0[1]", "syntax"),
        ("[1] x", "syntax"),
        ("[1}", "syntax"),
        ('["\t"]', "syntax"),
        ('["\\x"]', "syntax"),
        ("[NaN]", "not_finite"),
        ("-Infinity", "not_finite"),
        ("[1e400]", "number_range"),
        ("[-1e400]", "number_range"),
        ("[1e-400]", "number_range"),
        ("1" + "0" * 309, "number_range"),
        ("0." + "1" * 2000, "number_range"),
        ("9" * 5000, "number_range"),
        ('["\\ud800"]', "surrogate"),
        ('["\\uDC00\\uD800"]', "surrogate"),
        ('["\\ud800\\u0041"]', "surrogate"),
        ('{"\\ud800": 1}', "surrogate"),
        ('["\ud800"]', "surrogate"),
        (b'["\xff"]', "encoding"),
        (b'["\xed\xa0\x80"]', "encoding"),
        ("[1]".encode("utf-16-le"), "syntax"),
        ("\ufeff[1]", "bom"),
        (b"\xef\xbb\xbf[1]", "bom"),
        ("[" * 129 + "]" * 129, "nesting"),
        ("[" * 100_000, "nesting"),
        ('{"a":' * 100_000, "nesting"),
    ],
)
def test_refused(text: str | bytes, kind: str) -> None:
    assert fault_of(text).kind == kind


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[" * 128 + "]" * 128, None),
        ('["[[[["]', ["[[[["]),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("5e-324", 5e-324),
        ("0e-400", 0.0),
        ("0.0", 0.0),
        ("9007199254740993", 9007199254740993),  # 2**53 + 1 stays exact
        ("1" + "0" * 308, 10**308),
        ('["\\ud83d\\ude00"]', ["😀"]),
        ('["\\\\ud800"]', ["\\ud800"]),
        ('{"": {"": 1}}', {"": {"": 1}}),
        (b'"\xc3\xa9"', "é"),
    ],
)
def test_accepted(text: str | bytes, value: Any) -> None:
    parsed = parse(text)
    assert parsed.duplicate_keys == ()
    if value is not None:
        assert parsed.value == value
        assert type(parsed.value) is type(value)


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ('{"a": 1, "a": 1}', ("/a",)),
        ('{"a": 1, "\\u0061": 2, "a": 3}', ("/a",)),
        ('{"a": [0, {"b/~": 1, "b/~": 2}], "c": 1, "c": 1}', ("/c", "/a/1/b~1~0")),
        ('{"a": {"x": 1, "x": 2}, "a": 0}', ("/a", "/a/x")),  # also inside a value that was overwritten
        ("[" + ",".join(['{"a":1,"a":1}'] * 50) + "]", tuple(f"/{i}/a" for i in range(20))),
    ],
)
def test_repeated_names_are_reported_and_the_last_value_is_kept(text: str, pointers: tuple[str, ...]) -> None:
    parsed = parse(text)
    assert parsed.duplicate_keys == pointers
    assert parsed.value == json.loads(text)


def test_a_long_text_is_refused_before_it_is_read() -> None:
    assert parse("[1]", max_chars=3).value == [1]
    assert fault_of("[1] ", max_chars=3).kind == FaultKind.TOO_LONG
    assert fault_of(b"[1] ", max_chars=3).kind == FaultKind.TOO_LONG


def test_depth_limit_is_the_callers() -> None:
    assert parse("[[1]]", max_depth=2).value == [[1]]
    assert fault_of("[[1]]", max_depth=1).position == 1


@given(documents)
def test_agrees_with_the_standard_library_on_every_document(document: Any) -> None:
    assert parse(json.dumps(document)).value == document
    assert parse(json.dumps(document, ensure_ascii=False).encode()).value == document


@settings(max_examples=50)
@given(documents.map(lambda document: json.dumps([document])), st.data())
def test_every_prefix_is_unfinished(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, len(text) - 1))
    assert fault_of(text[:cut]).kind == FaultKind.UNFINISHED


@pytest.mark.parametrize(
    "text", ['{"a": 1,}', '{"a" 1', "[1 2", "[tru3", "[1}", "nil", '["\\u12G', "[1]]", '{"a": 1'[1:]]
)
def test_what_no_ending_can_mend_is_a_syntax_fault(text: str) -> None:
    assert fault_of(text).kind == FaultKind.SYNTAX


@given(st.text(alphabet='[]{}",:0-eE.tfn \\uau\n') | st.text() | st.binary())
def test_anything_else_is_a_fault_and_nothing_is_infinite(text: str | bytes) -> None:
    try:
        value = parse(text).value
    except JsonFault:
        return
    assert not isinstance(value, float) or math.isfinite(value)
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        '["' + "\\n" * 500_000 + '"]',
        '["' + "\\n" * 500_000,
        "[" + "[]," * 300_000,
        "{" + ",".join(['"a":1'] * 150_000) + "}",
        '"' * 1_000_000,
        "\\" * 1_000_000,
        "1" * 1_000_000,
        "1." + "1" * 1_000_000,
        '["' + "\\ud83d\\ude00" * 80_000 + '"]',
        "[" + "-" * 1_000_000,
    ],
    ids=range(10),
)
def test_a_megabyte_ends_soon(text: str) -> None:
    start = time.process_time()
    with contextlib.suppress(JsonFault):
        parse(text)
    assert time.process_time() - start < 4


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [("x [1, [2]] y", 2, 10), ('{"]": "}"} y', 0, 10), ("[1, 2", 0, None), ("[(])", 0, 3)],
)
def test_closing_bracket(text: str, start: int, end: int | None) -> None:
    assert closing_bracket(text, start) == end


def test_closing_bracket_counts_depth() -> None:
    with pytest.raises(JsonFault, match="deeper than 64"):
        closing_bracket("x" + "[" * 100, 1, max_depth=64)


def test_what_python_writes_where_the_rfc_has_no_word_is_read_on_demand() -> None:
    parsed = parse('{"a": NaN, "b": [Infinity, -Infinity], "b": -Infinity}', not_finite=True)
    assert math.isnan(parsed.value["a"])
    assert parsed.value["b"] == -math.inf
    assert parsed.duplicate_keys == ("/b",)
    assert fault_of("[1e999]", not_finite=True).kind is FaultKind.NUMBER_RANGE
    assert fault_of("[NaN, nan]", not_finite=True).kind is FaultKind.SYNTAX
    assert fault_of("[NaN]").kind is FaultKind.NOT_FINITE
