"""Which JSON Schemas may be used at all: draft 2020-12, closed in themselves, with patterns that RE2 takes.

A schema comes from a suite, which is untrusted. What could fetch, hang or quietly check nothing is refused when the
suite is read: references out of the document, identifiers inside it (they change what a reference means), others
dialects (the library would switch to a class of its own at a nested `$schema`), unknown keywords, patterns with
look-around.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from regress.scorers._re2 import PatternError, compiled
from regress.strict_json import escape_step

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ONE = ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
       "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
OTHER = (
    "$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$id", "$ref", "$schema", "const", "contentEncoding",
    "contentMediaType", "default", "dependentRequired", "deprecated", "description", "enum", "examples",
    "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength", "maxProperties",
    "maximum",
    "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "required",
    "title", "type", "uniqueItems", "writeOnly",
)  # fmt: skip
KNOWN = frozenset((*ONE, *MANY, *NAMED, *OTHER))


class SchemaFault(ValueError):
    """A schema that is refused: `at` is the JSON pointer of the place."""

    def __init__(self, at: str, message: str) -> None:
        self.at = at
        super().__init__(f"at {at or '/'}: {message}")


def closed(schema: Any) -> Any:
    """The schema without `$schema` and `$id` at its root, all of it found fit.

    Raises:
        SchemaFault: something in it could fetch, hang, or check nothing.
    """
    keywords: set[str] = set()
    for at, part in parts(schema):
        _check(at, part)
        keywords |= part.keys()
    if {"patternProperties", "unevaluatedProperties"} <= keywords:
        raise SchemaFault(
            "", "unevaluatedProperties beside patternProperties is not supported; use additionalProperties"
        )
    if not isinstance(schema, dict):
        return schema
    return {keyword: value for keyword, value in schema.items() if keyword not in ("$schema", "$id")}


def parts(schema: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that is an object, with its JSON pointer."""
    if not isinstance(schema, dict):
        return
    yield at, schema
    for keyword, value in schema.items():
        here = f"{at}/{escape_step(keyword)}"
        if keyword in ONE:
            yield from parts(value, here)
        elif keyword in MANY and isinstance(value, list):
            for index, child in enumerate(value):
                yield from parts(child, f"{here}/{index}")
        elif keyword in NAMED and isinstance(value, dict):
            for name, child in value.items():
                yield from parts(child, f"{here}/{escape_step(name)}")


def _check(at: str, schema: dict[str, Any]) -> None:
    for keyword in schema:
        if keyword not in KNOWN and not keyword.startswith("x-"):
            raise SchemaFault(at, _unknown(keyword))
    dialect = schema.get("$schema", DIALECT)
    if at and "$schema" in schema:
        raise SchemaFault(at, "$schema stands at the root only")
    if not isinstance(dialect, str) or dialect.rstrip("#") != DIALECT:
        raise SchemaFault(at, f"$schema {dialect!r} is not {DIALECT}, the one dialect understood here")
    if at and "$id" in schema:
        raise SchemaFault(at, "$id stands at the root only; refer to parts of the schema as '#/$defs/NAME'")
    for keyword in ("$ref", "$dynamicRef"):
        target = schema.get(keyword, "#")
        if not isinstance(target, str) or not target.startswith("#"):
            raise SchemaFault(at, f"the reference {target!r} leads out of the document; only local ones are followed")
    patterns = schema.get("patternProperties")
    for pattern in patterns if isinstance(patterns, dict) else ():
        _check_pattern(pattern, f"{at}/patternProperties/{escape_step(pattern)}")
    if isinstance(schema.get("pattern"), str):
        _check_pattern(schema["pattern"], f"{at}/pattern")


def _check_pattern(pattern: str, at: str) -> None:
    try:
        compiled(pattern)
    except PatternError as error:
        raise SchemaFault(at, f"the pattern {pattern!r} is not one that RE2 takes: {error}") from error


def _unknown(keyword: str) -> str:
    near = difflib.get_close_matches(keyword[:60], KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; a keyword of your own starts with 'x-'"
    return f"{keyword[:60]!r} is not a keyword of draft 2020-12 and would check nothing{hint}"
