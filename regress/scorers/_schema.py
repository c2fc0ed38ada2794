"""JSON Schema, draft 2020-12: a schema that was found fit to be used, and what it says of a value.

The meta-schemas are those that the specification publishes, from the package `jsonschema-specifications`; they are
checked by the same code as replies.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from regress.scorers._json_value import pointer
from regress.scorers._schema_compile import DIALECT, Document, SchemaFault
from regress.scorers._schema_keywords import TABLE
from regress.scorers._schema_run import BUDGET, OverBudget, Run, Violation

_VOCABULARIES = ("core", "applicator", "unevaluated", "validation", "meta-data", "format-annotation", "content")


@cache
def _meta_schema() -> Document:
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]  # noqa: PLC0415 - 80 ms that only users of schemas should wait

    addresses = [DIALECT.replace("/schema", f"/meta/{vocabulary}") for vocabulary in _VOCABULARIES]
    return Document(REGISTRY.contents(DIALECT), TABLE, others={uri: REGISTRY.contents(uri) for uri in addresses})


class Schema:
    """A compiled schema, safe to use on any number of values."""

    def __init__(self, schema: Any) -> None:
        """Compile.

        Raises:
            SchemaFault: the schema is not valid draft 2020-12, refers outside itself, or cannot be checked in bounds.
        """
        try:
            if (wrong := Run(_meta_schema()).check_root(schema)) is not None:
                raise SchemaFault(pointer(wrong.at).rstrip("/"), f"not a schema: {wrong.keyword} {wrong.asked}")
            self._document = Document(schema, TABLE)
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
        try:
            return Run(self._document).check_root(value)
        except RecursionError as error:
            raise OverBudget("the schema refers to itself too deeply") from error
