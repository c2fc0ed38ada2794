"""Records as pandas tables. pandas is an extra, and imported only here, when somebody asks for a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from regress.errors import UsageError
from regress.export.rows import (
    FLIP_COLUMNS,
    OUTCOME_COLUMNS,
    VERDICT_COLUMNS,
    Columns,
    Kind,
    Row,
    flip_rows,
    outcome_rows,
    verdict_rows,
)
from regress.schema import ItemOutcome, SuiteComparison, SuiteVerdict

if TYPE_CHECKING:
    import pandas as pd


def verdicts(suites: Sequence[SuiteVerdict]) -> pd.DataFrame:
    """One row for each suite and variant."""
    return _frame(verdict_rows(suites), VERDICT_COLUMNS)


def flips(comparisons: Sequence[SuiteComparison]) -> pd.DataFrame:
    """One row for each item that moved between pass and not pass."""
    return _frame(flip_rows(comparisons), FLIP_COLUMNS)


def outcomes(variant: str, suites: Mapping[str, Mapping[str, ItemOutcome]]) -> pd.DataFrame:
    """One row for each item of a run."""
    return _frame(outcome_rows(variant, suites), OUTCOME_COLUMNS)


DTYPES = {Kind.TEXT: "string", Kind.COUNT: "Int64", Kind.NUMBER: "Float64", Kind.FLAG: "boolean"}
"""pandas' kinds that know a missing value; lists are objects."""


def _frame(rows: Iterable[Row], columns: Columns) -> pd.DataFrame:
    """The rows with every column of its own kind, also where there are none."""
    try:
        pandas = import_module("pandas")
    except ImportError as absent:
        raise UsageError("tables need pandas: pip install 'regress-harness[frames]'.") from absent
    listed = list(rows)
    table = {
        name: pandas.Series([row[name] for row in listed], dtype=DTYPES.get(kind, "object"))
        for name, kind in columns.items()
    }
    frame: pd.DataFrame = pandas.DataFrame(table)
    return frame
