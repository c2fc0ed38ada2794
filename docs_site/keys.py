"""regress.yaml, suite files and items as pages: every key, what may stand there, its default, and what it means.

Keys, types and defaults are those of the pydantic models that read the files; a key means what the comment behind it
says.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from docs_site.tables import cell, table
from regress.scorers import SCORERS
from regress.suite.items import ItemFile
from regress.suite.project import ProjectFile
from regress.suite.suite_file import SuiteFile


def project_page() -> str:
    """`reference/project-file.md`."""
    head = (
        "# regress.yaml\n\nRead strictly: unknown keys are refused with their line. Paths are relative "
        "to the file. Every key has a default but `base.model` and `suites`."
    )
    return "\n\n".join([head, *sections(ProjectFile)])


def suite_page() -> str:
    """`reference/suite-file.md`."""
    head = (
        "# Suite files\n\n`suites/NAME.yaml` holds settings, and beside it `NAME.jsonl` its items, one JSON "
        "object a line. Both are read strictly. [How to write one](../suites.md)."
    )
    items = ["## Items", *sections(ItemFile, whole="One line of the items file.")]
    return "\n\n".join([head, *sections(SuiteFile), *items, "## Scorers", _scorers()])


def sections(model: type[BaseModel], *, path: str = "", whole: str = "") -> Iterator[str]:
    """A table of the model's keys, then a section for each of them that has keys of its own."""
    schema = model.model_json_schema()
    if path:
        yield f"## `{path}`"
        yield _first_sentence(model)
    elif whole:
        yield whole
    yield table(("key", "value", "default", ""), _rows(model, schema))
    for name, field in model.model_fields.items():
        for inner in _models_in(field.annotation):
            yield from sections(inner, path=f"{path}.{name}" if path else name)


def names(model: type[BaseModel]) -> list[str]:
    """The keys as the file writes them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _rows(model: type[BaseModel], schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    meanings = comments(model)
    for name, field in model.model_fields.items():
        written = field.alias or name
        value = schema["properties"][written]
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        yield f"`{written}`", cell(kind(value, schema.get("$defs", {}))), default, cell(meanings.get(name, ""))


def comments(model: type[BaseModel]) -> dict[str, str]:
    """What stands behind each key in the source."""
    found = {}
    for line in inspect.getsource(model).splitlines():
        if match := re.match(r"    (\w+): .*?  # (.+)$", line):
            found[match[1]] = match[2]
    return found


def kind(value: dict[str, Any], defined: dict[str, Any]) -> str:
    """A JSON Schema in few words: `whole number from 1 to 64 or "auto"`.

    Pydantic's schema of a Decimal is a number or a text; these readers take numbers only.
    """
    if "$ref" in value:
        value = defined[value["$ref"].rsplit("/", 1)[-1]]
    if "allOf" in value:
        return kind(value["allOf"][0], defined)
    if "enum" in value or "const" in value:
        return ", ".join(f"`{choice}`" for choice in value.get("enum", [value.get("const")]))
    if "anyOf" in value:
        choices = [one for one in value["anyOf"] if one.get("type") != "null"]
        if {"type": "number"} in choices:
            choices.remove({"type": "string"})
        return " or ".join(kind(one, defined) for one in choices) + _bounds(value)
    match value.get("type"):
        case "array":
            return "list of " + kind(value.get("items", {}), defined)
        case "integer":
            return "whole number" + _bounds(value)
        case "object":
            return "mapping" if "properties" not in value else "keys below"
        case "boolean":
            return "`true`, `false`"
        case "string":
            return "text"
        case "number":
            return "number"
        case other:
            return str(other or "anything")


def _bounds(value: dict[str, Any]) -> str:
    words = {"minimum": "from", "ge": "from", "gt": "above", "maximum": "to", "le": "to", "lt": "below"}
    return "".join(f" {words[key]} {value[key]}" for key in words if key in value)


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None or value == "" or isinstance(value, BaseModel):
        return ""
    return f"`{_written(value)}`".replace("|", "\\|")


def _written(value: Any) -> str:
    """As a YAML file would say it."""
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation: each gets a section."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _first_sentence(model: type[BaseModel]) -> str:
    return cell((inspect.getdoc(model) or "").split("\n\n")[0])


def _scorers() -> str:
    rows = []
    for name, scorer in sorted(SCORERS.items()):
        options = ", ".join(
            f"`{key}`, required" if field.is_required() else f"`{key}: {_written(field.default)}`"
            for key, field in scorer.options.model_fields.items()
        )
        asks = f"`{scorer.asks.value}`" if scorer.asks else "either"
        rows.append((f"`{name}`", f"{scorer.version}", asks, options))
    return table(("scorer", "version", "`ask`", "options and their defaults"), rows)
