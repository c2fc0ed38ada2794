"""The reply is a JSON document that is valid under the item's JSON Schema (draft 2020-12).

Kinds: `missing_keys` (`required`, `dependentRequired`), `extra_keys` (`additionalProperties` or
`unevaluatedProperties` is false), `schema_violation` for every other keyword, each with the first violation as
`/pointer: keyword what-it-asks`; `_json_reply` names the rest. Refused when the suite is read: schemas that the
meta-schema rejects, unknown keywords, references out of the document, patterns that RE2 does not take, and schemas
whose own structure exceeds the budget of work. `format` is an annotation and checks nothing; say it with `pattern`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from regress.schema import Ask, Item, Reply, Score
from regress.scorers._json_reply import score_document
from regress.scorers._schema import OverBudget, Schema, Violation
from regress.scorers._schema_document import SchemaFault
from regress.scorers._scorer import PASSED, Kind, Options, Scorer, broken, failed
from regress.strict_json import JsonFault, parse

MAX_SCHEMA_DEPTH = 64
MAX_SCHEMA_CHARS = 1_000_000


class JsonSchemaOptions(Options):
    """What is forgiven."""

    allow_fences: bool = False


def _text(schema: Mapping[str, Any]) -> str:
    """One text for a schema, by which compiled ones are found again."""
    return json.dumps(schema, sort_keys=True, allow_nan=False)


@lru_cache(maxsize=16_384)
def _compiled(text: str) -> Schema:
    return Schema(parse(text, max_depth=MAX_SCHEMA_DEPTH, max_chars=MAX_SCHEMA_CHARS).value)


def _lacks(item: Item, _options: JsonSchemaOptions) -> str | None:
    if item.schema is None:
        return "has no schema"
    try:
        _compiled(_text(item.schema))
    except (SchemaFault, JsonFault) as error:
        return f"has a schema that cannot be used: {error}"
    except (TypeError, ValueError, RecursionError) as error:
        return f"has a schema that is not JSON: {error}"
    return None


def _score(reply: Reply, item: Item, options: JsonSchemaOptions) -> Score:
    assert item.schema is not None  # `_lacks` refused it
    schema = _compiled(_text(item.schema))

    def check(value: Any) -> Score:
        try:
            wrong = schema.violation(value)
        except OverBudget as error:
            return broken(Kind.OVER_BUDGET, f"the schema takes {error} on this reply; make it smaller")
        return PASSED if wrong is None else failed(_kind(wrong), f"{wrong.at}: {wrong.keyword} {wrong.asked}")

    return score_document(reply, check, allow_fences=options.allow_fences)


def _kind(wrong: Violation) -> Kind:
    match wrong.keyword:
        case "required" | "dependentRequired":
            return Kind.MISSING_KEYS
        case "additionalProperties" | "unevaluatedProperties":
            return Kind.EXTRA_KEYS
        case _:
            return Kind.SCHEMA_VIOLATION


SCORER = Scorer(name="json_schema", version=1, asks=Ask.GENERATE, options=JsonSchemaOptions, lacks=_lacks, score=_score)
