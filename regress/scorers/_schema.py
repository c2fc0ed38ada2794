"""JSON Schema, draft 2020-12: the library `jsonschema`, fenced in for schemas and replies that nobody vouches for.

The library decides what is valid. Around it stands what it leaves to its caller: a registry that retrieves nothing; a
budget of work that every keyword draws from (counted, not timed, so that a reply gets the same score on every machine);
RE2 for patterns, canonical texts for equality, exact fractions for `multipleOf`. Which schemas may be used at all is
in `_schema_document`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from regress.scorers._json_value import canonical
from regress.scorers._re2 import compiled
from regress.scorers._schema_document import DIALECT, MANY, NAMED, ONE, SchemaFault, closed, parts
from regress.strict_json import escape_step

if TYPE_CHECKING:
    from jsonschema import ValidationError

BUDGET = 150_000  # units of some microseconds each; an ordinary reply takes tens to thousands
MAX_PATTERNS = 500  # a schema; RE2 may take a millisecond to compile one
MAX_NESTING = 192  # keywords inside keywords: three at each level of the deepest reply that is read
NOTHING: dict[str, Any] = {"not": {}}  # for `false`, which the library answers with an uncounted text of the instance
_FIRST = ("type", "const", "enum", "required", "additionalProperties")  # checked first, in this order; so reported
_LAST = ("unevaluatedItems", "unevaluatedProperties")
_VOCABULARIES = ("core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content")


class OverBudget(Exception):
    """The schema asks for more work than is granted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """The first thing wrong: where in the value (a JSON pointer), by which keyword, and what that keyword asks."""

    at: str
    keyword: str
    asked: str


class Schema:
    """A schema that was found safe to use on any number of values."""

    def __init__(self, schema: Any) -> None:
        """Prepare.

        Raises:
            SchemaFault: the schema is not valid draft 2020-12, refers outside itself, or cannot be checked in bounds.
        """
        validator, meta_schema, closed_registry = _library()
        try:
            if (patterns := _count_patterns(schema)) > MAX_PATTERNS:
                raise SchemaFault("", f"{patterns} patterns, more than {MAX_PATTERNS}")
            plain = closed(schema)
            if (wrong := _first(meta_schema, schema)) is not None:
                raise SchemaFault(wrong.at.rstrip("/"), f"not a schema: {wrong.keyword} {wrong.asked}")
            plain = _prepared(plain)
            registry = closed_registry({"": plain})
            _check_references(plain, registry)
            self._validator = validator(plain, registry=registry)
            probes: tuple[Any, ...] = (None, 0, "", [], {})
            for probe in probes:  # an endless or doubling reference shows on any value
                self.violation(probe)
        except (RecursionError, OverBudget) as error:
            raise SchemaFault("", f"takes more than {BUDGET} steps or nests too deeply to be checked") from error

    def violation(self, value: Any) -> Violation | None:
        """The first violation, or None where the value is valid.

        Raises:
            OverBudget: neither can be said within `BUDGET` units of work.
        """
        return _first(self._validator, value)


def _first(validator: Any, value: Any) -> Violation | None:
    token = _WORK.set(_Work())
    try:
        error = next(validator.iter_errors(value), None)
    except RecursionError as too_deep:  # the caller's stack was fuller than most
        raise OverBudget("more of the stack than is left") from too_deep
    finally:
        _WORK.reset(token)
    if error is None:
        return None
    at = "/" + "/".join(map(escape_step, error.path))
    return Violation(at=at, keyword=error.validator, asked=_asked(error))


def _asked(error: Any) -> str:
    if error.validator == "required":
        return ", ".join([name for name in error.validator_value if name not in error.instance][:5])
    if error.validator in _OURS or error.validator in ("dependentRequired", "unevaluatedProperties"):
        return str(error.message)
    return _shown(error.validator_value)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else text[:99] + "…"


# --- work -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Work:
    """What is left for one value."""

    left: int = BUDGET
    nesting: int = 0

    def spend(self, units: int) -> None:
        self.left -= units
        if self.left < 0:
            raise OverBudget(f"more than {BUDGET} steps")


_WORK: ContextVar[_Work] = ContextVar("_WORK")


def _counted(keyword: str, check: Callable[..., Any], error: type[ValidationError]) -> Callable[..., Any]:
    """The keyword's function, paying its way; ours yield a text where they find something wrong."""

    def counted(validator: Any, argument: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        work = _WORK.get()
        work.spend(_units(keyword, argument, instance))
        work.nesting += 1
        try:
            if work.nesting > MAX_NESTING:
                raise OverBudget(f"more than {MAX_NESTING} keywords inside each other")
            for found in check(validator, argument, instance, schema) or ():
                wrong = error(found) if isinstance(found, str) else found
                work.spend(1 + len(wrong.message) // 256)  # the library's quote the instance
                yield wrong
        finally:
            work.nesting -= 1

    return counted


def _units(keyword: str, argument: Any, instance: Any) -> int:
    """What a keyword costs apart from the subschemas that it applies, which pay for themselves."""
    units = 1 + _length(instance) + (0 if keyword == "enum" else _length(argument))
    match keyword:
        case "$ref" | "$dynamicRef":
            units += argument.count("/")  # looked up step by step, each time
        case "dependentRequired" if isinstance(argument, dict):
            units += sum(map(_length, argument.values()))
        case "unevaluatedItems" | "unevaluatedProperties":
            # Each member is looked up in a list of what was evaluated, which is as long as the work so far.
            units += _length(instance) * (BUDGET - _WORK.get().left) // 32
    return units


def _length(value: Any) -> int:
    return len(value) // 4 if isinstance(value, list | dict) else len(value) // 256 if isinstance(value, str) else 0


def _text(value: Any) -> str:
    text = canonical(value)
    _WORK.get().spend(len(text) // 32)
    return text


# --- keywords that the library would search, compare or divide for in its own way -------------------------------------


def _pattern(_validator: Any, source: str, instance: Any, _schema: Any) -> Iterator[str]:
    if isinstance(instance, str) and not compiled(source).search(instance):
        yield source


def _pattern_properties(validator: Any, argument: dict[str, Any], instance: Any, _schema: Any) -> Iterator[Any]:
    if isinstance(instance, dict):
        _pay_for_search(argument, instance)
        for source, subschema in argument.items():
            for name in filter(compiled(source).search, instance):
                yield from validator.descend(instance[name], subschema, path=name, schema_path=source)


def _additional_properties(validator: Any, argument: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if not isinstance(instance, dict):
        return
    named, sources = schema.get("properties", {}), schema.get("patternProperties", {})
    _pay_for_search(sources, instance)
    patterns = [compiled(source) for source in sources]
    extra = [name for name in instance if name not in named and not any(p.search(name) for p in patterns)]
    if argument == NOTHING and extra:
        yield ", ".join(extra[:5])
        return
    for name in extra:
        yield from validator.descend(instance[name], argument, path=name)


def _pay_for_search(patterns: dict[str, Any], instance: dict[str, Any]) -> None:
    _WORK.get().spend(len(patterns) * (len(instance) + sum(map(len, instance)) // 256))


def _unique_items(_validator: Any, wanted: bool, instance: Any, _schema: Any) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, element in enumerate(instance if wanted and isinstance(instance, list) else ()):
        if (earlier := first.setdefault(_text(element), index)) != index:
            yield f"elements {earlier} and {index} are equal"
            return


def _const(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[str]:
    if _text(instance) != _text(value):
        yield _shown(value)


class _Texts(list[Any]):
    """The list of an `enum`, with the canonical texts of its members."""

    def __init__(self, values: list[Any]) -> None:
        super().__init__(values)
        self.texts = frozenset(map(canonical, values))


def _enum(_validator: Any, allowed: list[Any], instance: Any, _schema: Any) -> Iterator[str]:
    texts = allowed.texts if isinstance(allowed, _Texts) else map(canonical, allowed)
    if _text(instance) not in texts:
        yield _shown(allowed)


def _multiple_of(_validator: Any, divisor: Any, instance: Any, _schema: Any) -> Iterator[str]:
    """As written in decimal: 19.99 is a multiple of 0.01, which the library's division of doubles denies."""
    if isinstance(instance, int | float) and not isinstance(instance, bool):
        quotient = Fraction(Decimal(repr(instance))) / Fraction(Decimal(repr(divisor)))
        if quotient.denominator != 1:
            yield str(divisor)


_OURS: dict[str, Callable[..., Iterator[Any]]] = {
    "additionalProperties": _additional_properties,
    "const": _const,
    "enum": _enum,
    "multipleOf": _multiple_of,
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "uniqueItems": _unique_items,
}


# --- the library ------------------------------------------------------------------------------------------------------


@cache
def _library() -> tuple[Any, Any, Callable[[dict[str, Any]], Any]]:
    """The validator class, the meta-schema under it, and what makes a registry that retrieves nothing."""
    # A tenth of a second that only users of schemas should wait.
    from jsonschema import Draft202012Validator, ValidationError, validators  # noqa: PLC0415
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    def closed_registry(documents: dict[str, Any]) -> Any:
        resources = [(uri, DRAFT202012.create_resource(document)) for uri, document in documents.items()]
        return Registry().with_resources(resources).crawl()  # crawled: or every `$ref` to an anchor crawls again

    stock: Any = Draft202012Validator
    extend: Any = validators.extend
    checks: dict[str, Callable[..., Any]] = {**stock.VALIDATORS, **_OURS}
    validator = extend(stock, {k: _counted(k, check, ValidationError) for k, check in checks.items()})
    uris = [DIALECT, *(DIALECT.replace("/schema", f"/meta/{name}") for name in _VOCABULARIES)]
    # Without their `$schema` the meta-schemas stay under our class: at one, the library goes on with its stock class.
    documents = {uri: {k: v for k, v in REGISTRY.contents(uri).items() if k != "$schema"} for uri in uris}
    return validator, validator(documents[DIALECT], registry=closed_registry(documents)), closed_registry


def _count_patterns(schema: Any) -> int:
    named = [part.get("patternProperties") for _, part in parts(schema)]
    return sum("pattern" in part for _, part in parts(schema)) + sum(len(n) for n in named if isinstance(n, dict))


def _prepared(schema: Any) -> Any:
    """A copy with `NOTHING` for `false`, and its keywords in the order of checking."""
    if not isinstance(schema, dict):
        return dict(NOTHING) if schema is False else schema
    order = [*_FIRST, *sorted(schema.keys() - {*_FIRST, *_LAST}), *_LAST]
    copy: dict[str, Any] = {}
    for keyword in (keyword for keyword in order if keyword in schema):
        value = schema[keyword]
        if keyword in ONE and not (keyword == "items" and value is False):
            value = _prepared(value)
        elif keyword in MANY:
            value = [_prepared(child) for child in value]
        elif keyword in NAMED:
            value = {name: _prepared(child) for name, child in value.items()}
        elif keyword == "enum":
            value = _Texts(value)
        copy[keyword] = value
    return copy


def _check_references(schema: Any, registry: Any) -> None:
    """Every reference leads to a subschema that was looked at, not into a value such as `const`."""
    found = list(parts(schema))
    known = {id(part) for _, part in found}
    for at, part in found:
        for reference in (part[keyword] for keyword in ("$ref", "$dynamicRef") if keyword in part):
            try:
                target = registry.resolver().lookup(reference).contents
            except Exception as error:  # the library raises much that it does not name
                raise SchemaFault(at, f"the reference {reference!r} points at nothing in the document") from error
            if target is not True and id(target) not in known:
                raise SchemaFault(at, f"the reference {reference!r} points at something that is not a schema")
