"""JSON Schema, draft 2020-12: from a schema document to nodes that can be checked.

Why not jsonschema's validator: it fetches unknown references, searches with a backtracking engine, quotes the whole
instance in every error, compares items pairwise, and hands any subschema that names `$schema` to its stock class, so
no override holds everywhere. Here a reference that is not inside the document is refused when the suite is read, and
checking (`_schema_run`) is counted.

References: core specification sections 8.2 (identifiers, anchors, dynamic anchors) and 10 (applicators).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from regress.scorers._re2 import Pattern, PatternError, compiled
from regress.strict_json import escape_step

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ONE = ("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
       "unevaluatedItems", "unevaluatedProperties")  # fmt: skip
MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
ASSERTIONS = (
    "$ref", "$dynamicRef", "const", "dependentRequired", "enum", "exclusiveMaximum", "exclusiveMinimum", "maxContains",
    "maxItems", "maxLength", "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties",
    "minimum", "multipleOf", "pattern", "required", "type", "uniqueItems",
)  # fmt: skip
ANNOTATIONS = (
    "$anchor", "$comment", "$dynamicAnchor", "$id", "$schema", "$vocabulary", "contentEncoding", "contentMediaType",
    "default", "deprecated", "description", "examples", "format", "readOnly", "title", "writeOnly",
)  # fmt: skip
KNOWN = frozenset((*ONE, *MANY, *NAMED, *ASSERTIONS, *ANNOTATIONS))


class SchemaFault(ValueError):
    """A schema that is refused: `at` is the JSON pointer of the place."""

    def __init__(self, at: str, message: str) -> None:
        self.at = at
        super().__init__(f"at {at or '/'}: {message}")


@dataclass(slots=True, eq=False)
class Resource:
    """A schema with an identifier of its own, and the anchors inside it."""

    uri: str
    root: Any
    anchors: dict[str, Any] = field(default_factory=dict)
    dynamic: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Node:
    """One subschema. `always` is set for `true` and `false`; `steps` stand in the order of checking."""

    resource: Resource
    always: bool | None = None
    steps: tuple[tuple[str, Any, Any], ...] = ()  # (keyword, function, argument)


@dataclass(slots=True, eq=False)
class DynamicTarget:
    """Where `$dynamicRef` points to: `name` is None where it behaves like `$ref`."""

    node: Node
    name: str | None


Prepare = Callable[["Document", dict[str, Any], Any, str], Any]
Table = dict[str, tuple[Prepare, Any]]  # keyword -> (makes the argument, checks); the order is that of checking


class Document:
    """A schema document and every subschema in it, resolved against nothing but itself (and `others`)."""

    def __init__(self, root: Any, table: Table, *, others: dict[str, Any] | None = None) -> None:
        """Index the document.

        Args:
            root: the schema, already found valid under the meta-schema.
            table: how each keyword is prepared and checked.
            others: further documents that may be referred to, by URI.

        Raises:
            SchemaFault: an unknown keyword or dialect, a bad pattern, a reference that leads out of the document.
        """
        self._table = table
        self._resources: dict[str, Resource] = {}
        self._home: dict[int, tuple[Resource, str]] = {}  # by id() of the subschema; `_found` keeps it alive
        self._found: list[dict[str, Any]] = []
        self._nodes: dict[int, Node] = {}
        self.tracks = False  # whether any subschema asks what was evaluated
        for uri, other in (others or {}).items():
            self._index(other, Resource(uri=uri, root=other), "")
        outermost = Resource(uri="", root=root)
        self._resources[""] = outermost
        self._index(root, outermost, "")
        self.root = self.node(root, outermost)
        for schema in self._found:  # also what only a dynamic reference, or nothing, leads to: refused now or never
            self.node(schema, outermost)

    # --- finding what is where ----------------------------------------------------------------------------------------

    def _index(self, schema: Any, resource: Resource, at: str) -> None:
        if not isinstance(schema, dict):
            return
        for keyword in schema:
            if keyword not in KNOWN and not keyword.startswith("x-"):
                raise SchemaFault(at, _unknown(keyword))
        if schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
            raise SchemaFault(at, f"$schema {schema['$schema']!r} is not {DIALECT}, the one dialect understood here")
        if "$id" in schema:
            uri = _join(resource.uri, schema["$id"], at).rstrip("#")
            resource = Resource(uri=uri, root=schema)
            if self._resources.setdefault(uri, resource) is not resource:
                raise SchemaFault(at, f"the $id {uri!r} is taken")
        if "$anchor" in schema:
            resource.anchors[schema["$anchor"]] = schema
        if "$dynamicAnchor" in schema:
            resource.anchors[schema["$dynamicAnchor"]] = resource.dynamic[schema["$dynamicAnchor"]] = schema
        self.tracks = self.tracks or "unevaluatedItems" in schema or "unevaluatedProperties" in schema
        self._home[id(schema)] = (resource, at)
        self._found.append(schema)
        for step, child in subschemas(schema):
            self._index(child, resource, at + step)

    def node(self, schema: Any, resource: Resource) -> Node:
        """The node of a subschema; made once, so that recursive schemas end."""
        if isinstance(schema, bool):
            return Node(resource, always=schema)
        if (known := self._nodes.get(id(schema))) is not None:
            return known
        home, at = self._home[id(schema)]
        node = self._nodes[id(schema)] = Node(home)
        node.steps = tuple(
            (keyword, check, prepare(self, schema, schema[keyword], at))
            for keyword, (prepare, check) in self._table.items()
            if keyword in schema
        )
        return node

    def child(self, parent: dict[str, Any], schema: Any) -> Node:
        """The node of a subschema of `parent`."""
        return self.node(schema, self._home[id(parent)][0])

    # --- references ---------------------------------------------------------------------------------------------------

    def refer(self, parent: dict[str, Any], reference: str, at: str) -> DynamicTarget:
        """What a `$ref` or `$dynamicRef` in `parent` names.

        Raises:
            SchemaFault: it leads nowhere, or out of the document.
        """
        uri, fragment = urldefrag(_join(self._home[id(parent)][0].uri, reference, at))
        resource = self._resources.get(uri)
        if resource is None:
            raise SchemaFault(
                at, f"the reference {reference!r} leads out of the document; only local ones are followed"
            )
        fragment = unquote(fragment)
        if not fragment:
            return DynamicTarget(self.node(resource.root, resource), None)
        if fragment.startswith("/"):
            return DynamicTarget(self._at_pointer(resource, fragment, reference, at), None)
        if fragment not in resource.anchors:
            raise SchemaFault(at, f"the reference {reference!r} names no anchor of the document")
        node = self.node(resource.anchors[fragment], resource)
        return DynamicTarget(node, fragment if fragment in resource.dynamic else None)

    def _at_pointer(self, resource: Resource, fragment: str, reference: str, at: str) -> Node:
        target = resource.root
        for token in fragment[1:].split("/"):
            step = token.replace("~1", "/").replace("~0", "~")
            try:
                if isinstance(target, list) and not (step.isascii() and step.isdigit()):
                    raise KeyError(step)  # `int` takes more spellings than RFC 6901 does
                target = target[int(step)] if isinstance(target, list) else target[step]
            except (KeyError, IndexError, ValueError, TypeError):
                raise SchemaFault(at, f"the reference {reference!r} points at nothing in the document") from None
        if not isinstance(target, bool) and id(target) not in self._home:
            raise SchemaFault(at, f"the reference {reference!r} points at something that is not a schema")
        return self.node(target, resource)

    def dynamic(self, resource: Resource, name: str) -> Node | None:
        """The node that a resource's `$dynamicAnchor` marks."""
        schema = resource.dynamic.get(name)
        return None if schema is None else self.node(schema, resource)


def subschemas(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every direct subschema with its JSON pointer from the schema."""
    for keyword, value in schema.items():
        if keyword in ONE:
            yield f"/{escape_step(keyword)}", value
        elif keyword in MANY:
            yield from ((f"/{keyword}/{index}", child) for index, child in enumerate(value))
        elif keyword in NAMED:
            yield from ((f"/{keyword}/{escape_step(name)}", child) for name, child in value.items())


def pattern_at(pattern: str, at: str) -> Pattern:
    """A compiled pattern, or a refusal that names its place."""
    try:
        return compiled(pattern)
    except PatternError as error:
        raise SchemaFault(at, f"the pattern {pattern!r} is not one that RE2 takes: {error}") from error


def _join(base: str, reference: str, at: str) -> str:
    try:
        if reference.startswith("#"):  # urljoin loses the base where it does not know the scheme, as in `urn:`
            return urldefrag(base).url + reference
        return urljoin(base, reference)
    except ValueError as error:
        raise SchemaFault(at, f"{reference!r} is not a URI reference: {error}") from error


def _unknown(keyword: str) -> str:
    near = difflib.get_close_matches(keyword[:60], KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; a keyword of your own starts with 'x-'"
    return f"{keyword[:60]!r} is not a keyword of draft 2020-12 and would check nothing{hint}"
