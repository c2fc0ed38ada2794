"""Runs and verdicts as Parquet: OUT/outcomes.parquet, a row an item and variant, and OUT/verdicts.parquet.

Every column has one type, also where it holds nothing; the lock's and the candidate's digests stand in the schema's
metadata. A copy for analysis: what is evidence is the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from regress.errors import ExportError
from regress.export.rows import (
    ITEM_COLUMNS,
    OUTCOME_COLUMNS,
    VERDICT_COLUMNS,
    Columns,
    Kind,
    Row,
    outcome_rows,
    verdict_rows,
    with_items,
)
from regress.run.judge import Judgement
from regress.store.atomic import make_folder, write_atomic

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as absent:
    raise ExportError("Parquet needs pyarrow: pip install 'regress-harness[frames]'.") from absent

OUTCOMES, VERDICTS = "outcomes.parquet", "verdicts.parquet"
TYPES = {
    Kind.TEXT: pa.string(),
    Kind.COUNT: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
    Kind.TEXTS: pa.list_(pa.string()),
    Kind.NUMBERS: pa.list_(pa.float64()),
    Kind.FLAGS: pa.list_(pa.bool_()),
}


def write_parquet(judgement: Judgement, folder: Path) -> list[Path]:
    """Both files, each all or nothing; returns their paths. Raises ExportError for a text that is no Unicode."""
    decision = judgement.decision
    about = {"regress.lock": decision.lock or "", "regress.candidate": getattr(decision.candidate, "digest", "")}
    make_folder(folder)
    return [
        _write(folder / OUTCOMES, _outcomes(judgement), OUTCOME_COLUMNS | ITEM_COLUMNS, about),
        _write(folder / VERDICTS, verdict_rows(decision.suites), VERDICT_COLUMNS, about),
    ]


def _outcomes(judgement: Judgement) -> Iterator[Row]:
    assert judgement.grounds is not None
    for run in judgement.grounds.runs.values():
        rows = outcome_rows(run.manifest.variant, run.outcomes)
        yield from with_items(rows, judgement.grounds.loaded.suites)


def _write(path: Path, rows: Iterable[Row], columns: Columns, about: dict[str, str]) -> Path:
    listed = list(rows)
    schema = pa.schema([(name, TYPES[kind]) for name, kind in columns.items()], metadata=about)
    try:
        table = pa.Table.from_pylist(listed, schema=schema)
    except (pa.ArrowException, UnicodeEncodeError) as reason:
        raise ExportError(f"{path.name} cannot hold these rows: {reason}.") from reason
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, compression="zstd")
    write_atomic(path, buffer.getvalue().to_pybytes())
    return path
