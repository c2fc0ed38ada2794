"""One JSON value, one byte string: the JSON Canonicalization Scheme of RFC 8785, and digests over it.

The scheme sorts keys by their UTF-16 code units and writes numbers the way ECMAScript does, so that any language can
recompute a digest. What a promise rests on goes through `promise_json`, which also refuses floats: two readers may
round a float differently before they compare, integers and decimal strings leave nothing to round.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from json.encoder import encode_basestring

import msgspec

from regress.errors import Refused

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785, section 3.2.2.3: beyond it a double no longer holds every integer
_LAST_BMP = "\uffff"
_ATOMS = frozenset({str, bool, type(None)})

_PLAIN_ENCODER = msgspec.json.Encoder(order="sorted")


def canonical_json(value: object) -> bytes:
    """The RFC 8785 form of `value`, in UTF-8.

    Takes str, int, float, bool, None, lists, tuples and mappings with str keys, nested. Raises Refused for what the
    scheme has no form for (NaN, infinities, integers beyond 2**53 - 1, lone surrogates) or that nests too deep, and
    TypeError for any other type, which is a bug of the caller.
    """
    try:
        return _PLAIN_ENCODER.encode(value) if _is_plain(value) else _render(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refused("a text holds a lone surrogate, which has no UTF-8 form; remove it.") from error
    except RecursionError as error:
        raise Refused("a JSON value nests too deep to be digested; flatten it.") from error


def digest_json(value: object) -> str:
    """`sha256:<hex>` over the canonical form of `value`; raises as `canonical_json` does."""
    return f"sha256:{sha256(canonical_json(value)).hexdigest()}"


def promise_json(value: object) -> bytes:
    """The canonical form of something locked or signed: integers and decimal strings only.

    Raises Refused, naming the place, where a float stands anywhere in `value`.
    """
    try:
        _refuse_floats(value, "$")
    except RecursionError as error:
        raise Refused("a JSON value nests too deep to be promised; flatten it.") from error
    return canonical_json(value)


def digest_promise(value: object) -> str:
    """`sha256:<hex>` over `promise_json(value)`."""
    return f"sha256:{sha256(promise_json(value)).hexdigest()}"


def _is_plain(value: object) -> bool:
    """Whether the C encoder's bytes are already canonical: no float, and no key that UTF-16 sorts otherwise.

    Types are compared exactly: an enum or another subclass takes the slow path.
    """
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if isinstance(value, int):
        return kind is int and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER
    if isinstance(value, list | tuple):
        return _ATOMS.issuperset(map(type, value)) or all(map(_is_plain, value))
    if isinstance(value, dict) and kind is dict:
        return all(map(_is_plain_key, value)) and all(map(_is_plain, value.values()))
    return False


def _is_plain_key(key: object) -> bool:
    return type(key) is str and (key.isascii() or max(key) <= _LAST_BMP)


def _render(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_render, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_render(key)}:{_render(value[key])}' for key in _sorted_keys(value))}}}"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _sorted_keys(mapping: Mapping[object, object]) -> list[str]:
    keys = []
    for key in mapping:
        if not isinstance(key, str):
            raise TypeError(f"a key of type {type(key).__name__} has no JSON form")
        keys.append(key)
    return sorted(keys, key=lambda key: key.encode("utf-16-be"))


def _integer(value: int) -> str:
    if abs(value) > MAX_SAFE_INTEGER:
        raise Refused(f"{value} is beyond 2**53 - 1, where doubles skip integers; write it as a string.")
    return int.__repr__(value)


def _number(value: float) -> str:
    """Number::toString of ECMA-262, section 6.1.6.1.20, radix 10.

    Python's repr finds the same shortest digits; only where the point and the exponent stand differs.
    """
    if not math.isfinite(value):
        raise Refused(f"{value} has no JSON form; only finite numbers are stored.")
    if 1e-4 <= abs(value) < 1e16:  # here repr writes no exponent, and neither does ECMAScript
        return float.__repr__(value).removesuffix(".0")
    if value == 0:
        return "0"  # minus zero too
    mantissa, _, exponent = float.__repr__(abs(value)).partition("e")
    return ("-" if value < 0 else "") + _place_point(mantissa.replace(".", ""), int(exponent) + 1)


def _place_point(digits: str, point: int) -> str:
    """`digits` with the decimal point after the first `point` of them (the n of ECMA-262)."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"


def _refuse_floats(value: object, where: str) -> None:
    if isinstance(value, float):
        raise Refused(f"{where} is the float {value!r}; what is locked or signed holds integers and decimal strings.")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _refuse_floats(inner, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _refuse_floats(inner, f"{where}[{index}]")
