"""JSON Schema, draft 2020-12: what each keyword asks, in the order of checking.

Cheap assertions about the value itself come first, then its members and elements, then what needs to know which of
those were evaluated. `format` and `content*` are annotations, as the specification has them unless a vocabulary says
otherwise. Equality (`const`, `enum`, `uniqueItems`) goes through canonical texts and is linear.

References: validation specification section 6, core specification sections 8.2.3 (references), 10 and 11 (applicators).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from regress.scorers._json_value import Path, canonical
from regress.scorers._re2 import Pattern
from regress.scorers._schema_compile import Document, DynamicTarget, Node, Table, pattern_at
from regress.scorers._schema_run import CHARS_A_UNIT, Check, Result, Run, Seen, Violation
from regress.strict_json import escape_step

# --- any value --------------------------------------------------------------------------------------------------------

_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "number": lambda value: _is_number(value),
    "integer": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _type(_run: Run, names: list[str], value: Any, _at: Path, _seen: Seen) -> Result:
    return None if any(_TYPES[name](value) for name in names) else " or ".join(names)


def _among(run: Run, allowed: tuple[frozenset[str], str], value: Any, _at: Path, _seen: Seen) -> Result:
    texts, shown = allowed
    return None if run.canonical(value) in texts else shown


# --- numbers and strings ----------------------------------------------------------------------------------------------


def _bound(right: Callable[[Any, Any], bool]) -> Check:
    def check(_run: Run, limit: Any, value: Any, _at: Path, _seen: Seen) -> Result:
        return None if not _is_number(value) or right(value, limit) else str(limit)

    return check


def _multiple_of(_run: Run, divisor: Any, value: Any, _at: Path, _seen: Seen) -> Result:
    if not _is_number(value) or (_exact(value) / _exact(divisor)).denominator == 1:
        return None
    return str(divisor)


def _exact(number: float) -> Fraction:
    """The number as it is written in decimal: 0.0075 is a multiple of 0.0001, which no pair of doubles shows."""
    return Fraction(Decimal(repr(number)))


def _size(kind: type[str] | type[list[Any]] | type[dict[str, Any]], right: Callable[[int, Any], bool]) -> Check:
    def check(_run: Run, limit: Any, value: Any, _at: Path, _seen: Seen) -> Result:
        return None if not isinstance(value, kind) or right(len(value), limit) else str(limit)

    return check


def _pattern(run: Run, argument: Any, value: Any, _at: Path, _seen: Seen) -> Result:
    if not isinstance(value, str):
        return None
    pattern, source = argument
    run.spend(len(value) // CHARS_A_UNIT)
    return None if pattern.search(value) else source


# --- objects ----------------------------------------------------------------------------------------------------------


def _required(_run: Run, names: list[str], value: Any, _at: Path, _seen: Seen) -> Result:
    missing = [name for name in names if name not in value] if isinstance(value, dict) else []
    return ", ".join(missing[:5]) if missing else None


def _dependent_required(_run: Run, needs: dict[str, list[str]], value: Any, _at: Path, _seen: Seen) -> Result:
    if isinstance(value, dict):
        for name, others in needs.items():
            if name in value and (missing := [other for other in others if other not in value]):
                return ", ".join(missing[:5])
    return None


def _properties(run: Run, nodes: dict[str, Node], value: Any, at: Path, seen: Seen) -> Result:
    if isinstance(value, dict):
        for name, node in nodes.items():
            if name in value:
                seen.names.add(name)
                if (wrong := run.check(node, value[name], (at, name), Seen())) is not None:
                    return wrong
    return None


def _pattern_properties(run: Run, nodes: list[tuple[Pattern, Node]], value: Any, at: Path, seen: Seen) -> Result:
    if isinstance(value, dict):
        for pattern, node in nodes:
            for name, member in value.items():
                run.spend(1 + len(name) // CHARS_A_UNIT)
                if pattern.search(name):
                    seen.names.add(name)
                    if (wrong := run.check(node, member, (at, name), Seen())) is not None:
                        return wrong
    return None


def _additional_properties(run: Run, argument: Any, value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, dict):
        return None
    node, names, patterns = argument
    run.spend(len(value) * (1 + len(patterns)) // 4)
    extra = [name for name in value if name not in names and not any(pattern.search(name) for pattern in patterns)]
    return _others(run, node, value, extra, at, seen)


def _unevaluated_properties(run: Run, node: Node, value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, dict):
        return None
    return _others(run, node, value, [name for name in value if name not in seen.names], at, seen)


def _others(run: Run, node: Node, value: dict[str, Any], names: list[str], at: Path, seen: Seen) -> Result:
    if node.always is False and names:
        return ", ".join(names[:5])
    for name in names:
        if (wrong := run.check(node, value[name], (at, name), Seen())) is not None:
            return wrong
    seen.names.update(names)
    return None


def _property_names(run: Run, node: Node, value: Any, at: Path, _seen: Seen) -> Result:
    if isinstance(value, dict):
        for name in value:
            if (wrong := run.check(node, name, None, Seen())) is not None:
                return Violation(at=(at, name), keyword="propertyNames", asked=f"{wrong.keyword} {wrong.asked}")
    return None


# --- arrays -----------------------------------------------------------------------------------------------------------


def _prefix_items(run: Run, nodes: list[Node], value: Any, at: Path, seen: Seen) -> Result:
    if isinstance(value, list):
        for index, (node, element) in enumerate(zip(nodes, value, strict=False)):  # the shorter one decides
            seen.indexes.add(index)
            if (wrong := run.check(node, element, (at, index), Seen())) is not None:
                return wrong
    return None


def _items(run: Run, argument: tuple[Node, int], value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, list):
        return None
    node, prefix = argument
    return _rest(run, node, value, range(prefix, len(value)), at, seen)


def _unevaluated_items(run: Run, node: Node, value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, list):
        return None
    return _rest(run, node, value, [index for index in range(len(value)) if index not in seen.indexes], at, seen)


def _rest(run: Run, node: Node, value: list[Any], indexes: range | list[int], at: Path, seen: Seen) -> Result:
    if node.always is False and indexes:
        return f"no more than {len(value) - len(indexes)} elements"
    for index in indexes:
        if (wrong := run.check(node, value[index], (at, index), Seen())) is not None:
            return wrong
    seen.indexes.update(indexes)
    return None


def _contains(run: Run, argument: tuple[Node, int, int | None], value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, list):
        return None
    node, least, most = argument
    found = [i for i, element in enumerate(value) if run.check(node, element, (at, i), Seen()) is None]
    seen.indexes.update(found)
    if len(found) < least:
        return f"at least {least}, found {len(found)}"
    return f"at most {most}, found {len(found)}" if most is not None and len(found) > most else None


def _unique_items(run: Run, wanted: bool, value: Any, _at: Path, _seen: Seen) -> Result:
    if not wanted or not isinstance(value, list):
        return None
    first: dict[str, int] = {}
    for index, element in enumerate(value):
        run.spend(1)
        if (earlier := first.setdefault(run.canonical(element), index)) != index:
            return f"elements {earlier} and {index} are equal"
    return None


# --- the same value under other schemas -------------------------------------------------------------------------------


def _ref(run: Run, target: DynamicTarget, value: Any, at: Path, seen: Seen) -> Result:
    return _adjacent(run, target.node, value, at, seen)


def _dynamic_ref(run: Run, target: DynamicTarget, value: Any, at: Path, seen: Seen) -> Result:
    """The outermost resource on the way here that has the anchor decides (core section 8.2.3.2)."""
    node = target.node
    if target.name is not None:
        run.spend(len(run.scope) // 8)
        marked = (run.document.dynamic(resource, target.name) for resource in run.scope)
        node = next((found for found in marked if found is not None), node)
    return _adjacent(run, node, value, at, seen)


def _adjacent(run: Run, node: Node, value: Any, at: Path, seen: Seen) -> Result:
    inner = Seen()
    wrong = run.check(node, value, at, inner)
    if wrong is None:
        run.merge(seen, inner)
    return wrong


def _all_of(run: Run, nodes: list[Node], value: Any, at: Path, seen: Seen) -> Result:
    return next((wrong for node in nodes if (wrong := _adjacent(run, node, value, at, seen)) is not None), None)


def _any_of(run: Run, nodes: list[Node], value: Any, at: Path, seen: Seen) -> Result:
    matched = False
    for node in nodes:
        matched = run.holds(node, value, at, seen) or matched
        if matched and not run.tracks:  # the others could only add to what was evaluated
            break
    return None if matched else f"none of {len(nodes)} holds"


def _one_of(run: Run, nodes: list[Node], value: Any, at: Path, seen: Seen) -> Result:
    count = sum(run.holds(node, value, at, seen) for node in nodes)
    return None if count == 1 else f"{count} of {len(nodes)} hold"


def _not(run: Run, node: Node, value: Any, at: Path, _seen: Seen) -> Result:
    return "holds" if run.holds(node, value, at, Seen()) else None


def _if(run: Run, argument: tuple[Node, Node | None, Node | None], value: Any, at: Path, seen: Seen) -> Result:
    condition, then, otherwise = argument
    branch = then if run.holds(condition, value, at, seen) else otherwise
    return None if branch is None else _adjacent(run, branch, value, at, seen)


def _dependent_schemas(run: Run, nodes: dict[str, Node], value: Any, at: Path, seen: Seen) -> Result:
    if not isinstance(value, dict):
        return None
    wanted = (node for name, node in nodes.items() if name in value)
    return next((wrong for node in wanted if (wrong := _adjacent(run, node, value, at, seen)) is not None), None)


# --- from a keyword's value to the argument of its check --------------------------------------------------------------

_Schema = dict[str, Any]


def _same(_document: Document, _schema: _Schema, value: Any, _at: str) -> Any:
    return value


def _names(_document: Document, _schema: _Schema, value: Any, _at: str) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _texts(_document: Document, _schema: _Schema, value: Any, _at: str) -> tuple[frozenset[str], str]:
    texts = [canonical(allowed) for allowed in value]
    return frozenset(texts), ", ".join(texts[:5]) + (" ..." if len(texts) > 5 else "")


def _text(document: Document, schema: _Schema, value: Any, at: str) -> tuple[frozenset[str], str]:
    return _texts(document, schema, [value], at)


def _one(document: Document, schema: _Schema, value: Any, _at: str) -> Node:
    return document.child(schema, value)


def _many(document: Document, schema: _Schema, value: Any, _at: str) -> list[Node]:
    return [document.child(schema, child) for child in value]


def _named(document: Document, schema: _Schema, value: Any, _at: str) -> dict[str, Node]:
    return {name: document.child(schema, child) for name, child in value.items()}


def _by_pattern(document: Document, schema: _Schema, value: Any, at: str) -> list[tuple[Pattern, Node]]:
    return [
        (pattern_at(source, f"{at}/patternProperties/{escape_step(source)}"), document.child(schema, child))
        for source, child in value.items()
    ]


def _not_listed(document: Document, schema: _Schema, value: Any, at: str) -> tuple[Node, frozenset[str], list[Pattern]]:
    sources = schema.get("patternProperties", {})
    patterns = [pattern_at(source, f"{at}/patternProperties/{escape_step(source)}") for source in sources]
    return document.child(schema, value), frozenset(schema.get("properties", {})), patterns


def _after_prefix(document: Document, schema: _Schema, value: Any, _at: str) -> tuple[Node, int]:
    return document.child(schema, value), len(schema.get("prefixItems", ()))


def _counted(document: Document, schema: _Schema, value: Any, _at: str) -> tuple[Node, int, int | None]:
    return document.child(schema, value), schema.get("minContains", 1), schema.get("maxContains")


def _branches(document: Document, schema: _Schema, value: Any, _at: str) -> tuple[Node, Node | None, Node | None]:
    then, otherwise = (document.child(schema, schema[k]) if k in schema else None for k in ("then", "else"))
    return document.child(schema, value), then, otherwise


def _source(_document: Document, _schema: _Schema, value: Any, at: str) -> tuple[Pattern, str]:
    return pattern_at(value, f"{at}/pattern"), value


def _target(document: Document, schema: _Schema, value: Any, at: str) -> DynamicTarget:
    return document.refer(schema, value, at)


TABLE: Table = {
    "type": (_names, _type),
    "const": (_text, _among),
    "enum": (_texts, _among),
    "maximum": (_same, _bound(lambda value, limit: value <= limit)),
    "exclusiveMaximum": (_same, _bound(lambda value, limit: value < limit)),
    "minimum": (_same, _bound(lambda value, limit: value >= limit)),
    "exclusiveMinimum": (_same, _bound(lambda value, limit: value > limit)),
    "multipleOf": (_same, _multiple_of),
    "maxLength": (_same, _size(str, lambda size, limit: size <= limit)),
    "minLength": (_same, _size(str, lambda size, limit: size >= limit)),
    "pattern": (_source, _pattern),
    "required": (_names, _required),
    "dependentRequired": (_same, _dependent_required),
    "maxProperties": (_same, _size(dict, lambda size, limit: size <= limit)),
    "minProperties": (_same, _size(dict, lambda size, limit: size >= limit)),
    "maxItems": (_same, _size(list, lambda size, limit: size <= limit)),
    "minItems": (_same, _size(list, lambda size, limit: size >= limit)),
    "$ref": (_target, _ref),
    "$dynamicRef": (_target, _dynamic_ref),
    "properties": (_named, _properties),
    "patternProperties": (_by_pattern, _pattern_properties),
    "additionalProperties": (_not_listed, _additional_properties),
    "propertyNames": (_one, _property_names),
    "prefixItems": (_many, _prefix_items),
    "items": (_after_prefix, _items),
    "contains": (_counted, _contains),
    "uniqueItems": (_same, _unique_items),
    "dependentSchemas": (_named, _dependent_schemas),
    "allOf": (_many, _all_of),
    "anyOf": (_many, _any_of),
    "oneOf": (_many, _one_of),
    "not": (_one, _not),
    "if": (_branches, _if),
    "unevaluatedItems": (_one, _unevaluated_items),
    "unevaluatedProperties": (_one, _unevaluated_properties),
}
