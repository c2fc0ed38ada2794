"""`audit:` in regress.yaml: what findings do to the exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from regress.schema import Severity
from regress.suite.validate import FileModel

RuleName = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z-]*(/[a-z][a-z-]*)?$")]


class AuditSection(FileModel):
    """`audit`: severities in place of the defaults, by check or by check/kind; `off` drops the finding."""

    severity: Mapping[RuleName, Literal["block", "warn", "note", "off"]] = {}  # by check, or by check/kind
    max_length: Annotated[StrictInt, Field(ge=8, le=10_000_000)] | None = None  # tokens of a row; else train.max_length

    def severity_of(self, rule: str, default: Severity) -> Severity | None:
        """What the policy makes of a rule: the exact one before its check; None where it is off."""
        wanted = self.severity.get(rule, self.severity.get(rule.partition("/")[0]))
        if wanted is None:
            return default
        return None if wanted == "off" else Severity(wanted)
