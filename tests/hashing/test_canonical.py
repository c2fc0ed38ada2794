"""RFC 8785: its own vectors, an independent implementation, and the fast path against the slow one."""

import json
import math
import struct
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from regress.errors import Refused
from regress.hashing.canonical import (
    MAX_SAFE_INTEGER,
    _is_plain,
    _render,
    canonical_json,
    digest_json,
    digest_promise,
    promise_json,
)

# RFC 8785, appendix B: the bits of a double and how it is written.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]

SCALARS = st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves | TEXTS,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
        max_leaves=20,
    )


@pytest.mark.parametrize(("bits", "written"), NUMBERS)
def test_numbers_of_appendix_b(bits: str, written: str) -> None:
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(value) == written.encode()


def test_the_example_of_section_3_2_2() -> None:
    value = json.loads(
        r'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        r' "string": "\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}'
    )
    expected = (
        r'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        r'"string":"€$\u000f\nA' + "'" + r'B\"\\\\\"/"}'
    )
    assert canonical_json(value).decode() == expected


def test_keys_sort_by_utf16_code_units() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    in_order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical_json(dict.fromkeys(keys, 0)))) == in_order


@given(nested(SCALARS | FLOATS))
@settings(max_examples=400, deadline=None)
def test_another_implementation_agrees(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value)


@given(nested(SCALARS))
@settings(max_examples=300, deadline=None)
def test_the_fast_path_writes_what_the_slow_path_writes(value: Any) -> None:
    assert canonical_json(value) == _render(value).encode()


@given(nested(SCALARS | FLOATS))
@settings(max_examples=200, deadline=None)
def test_reading_back_gives_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value), parse_int=float) == value  # 1e+16 is written without a point


@given(FLOATS)
@settings(max_examples=500, deadline=None)
def test_floats_keep_every_bit_but_the_sign_of_zero(value: float) -> None:
    assert float(canonical_json(value)) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, "x", None, True]}, True),
        ({"\ufb33": 1}, True),
        ({"\U0001f600": 1}, False),  # sorts before U+FB33 in UTF-16, after it by code point
        ([1.5], False),
        ([["x", 1.5]], False),
        (MAX_SAFE_INTEGER + 1, False),
        ({1: "x"}, False),  # the standard encoder would write "1"
    ],
)
def test_what_takes_the_fast_path(value: object, plain: bool) -> None:
    assert _is_plain(value) is plain


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "nan has no JSON form"),
        ([math.inf], "inf has no JSON form"),
        ({"a": -math.inf}, "-inf has no JSON form"),
        (2**53, "beyond 2"),
        (-(2**53), "beyond 2"),
        ("\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
        ({"\udfff": 1.5}, "lone surrogate"),
    ],
)
def test_what_has_no_form_is_refused(value: object, message: str) -> None:
    with pytest.raises(Refused, match=message):
        canonical_json(value)


def test_endless_nesting_is_refused() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(Refused, match="too deep"):
        canonical_json(value)
    with pytest.raises(Refused, match="too deep"):
        promise_json(value)


@pytest.mark.parametrize("value", [b"x", {1, 2}, object(), {1: "x"}, {None: 1.5}])
def test_foreign_types_are_a_bug(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


class _Colour(StrEnum):
    RED = "red"


def test_enums_are_written_by_value() -> None:
    assert canonical_json({_Colour.RED: _Colour.RED}) == b'{"red":"red"}'


def test_tuples_are_lists_and_order_of_insertion_is_nothing() -> None:
    assert digest_json({"b": (1, 2), "a": None}) == digest_json({"a": None, "b": [1, 2]})
    assert digest_json({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # of "{}"


@pytest.mark.parametrize(
    ("value", "place"), [(0.5, r"\$ is"), ({"a": [1, {"b": 1.0}]}, r"\$\.a\[1\]\.b is"), ([math.nan], r"\$\[0\] is")]
)
def test_a_promise_holds_no_float(value: object, place: str) -> None:
    with pytest.raises(Refused, match=place):
        promise_json(value)


def test_a_promise_is_canonical() -> None:
    assert promise_json({"margin": "0.01", "n": 3}) == b'{"margin":"0.01","n":3}'
    assert digest_promise({"n": 3}) == digest_json({"n": 3})
