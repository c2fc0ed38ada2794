"""Parquet files hold every outcome of every variant, typed, with what was asked beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import regress
from regress.export.rows import ITEM_COLUMNS, OUTCOME_COLUMNS, VERDICT_COLUMNS, Kind
from regress.run.judge import Judgement

pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed (the extra `frames`)")

from regress.export.parquet import TYPES, write_parquet  # noqa: E402


def test_every_outcome_is_there_as_it_was_stored(careless: Judgement, tmp_path: Path) -> None:
    outcomes, _ = write_parquet(careless, tmp_path / "out")
    rows = pq.read_table(outcomes).to_pylist()
    assert careless.grounds is not None
    runs = {run.manifest.variant: run for run in careless.grounds.runs.values()}
    assert len(rows) == 3 * 180
    for row in rows:
        stored = runs[row["variant"]].outcomes[row["suite"]][row["item"]]
        assert row["outcome"] == stored.outcome.value
        assert (row["kind"], row["value"], row["reply"]) == (stored.kind, stored.value, stored.reply.text)
        assert tuple(row["logprobs"]) == stored.reply.logprobs
    (asked,) = [r for r in rows if r["item"] == "c-4" and r["variant"] == "base@fp32"]
    assert (asked["prompt"], asked["choices"], asked["answer"]) == ("Colour 4?!!!!", ["red", "green", "blue"], 1)


def test_columns_are_typed_also_where_they_hold_nothing(careful: Judgement, tmp_path: Path) -> None:
    for path, columns in zip(
        write_parquet(careful, tmp_path), (OUTCOME_COLUMNS | ITEM_COLUMNS, VERDICT_COLUMNS), strict=True
    ):
        schema = pq.read_schema(path)
        assert {field.name: field.type for field in schema} == {name: TYPES[kind] for name, kind in columns.items()}
        assert schema.metadata[b"regress.lock"].decode() == careful.decision.lock
    assert set(TYPES) == set(Kind)


def test_verdicts_are_the_frame(project: Path, careless: Judgement, tmp_path: Path) -> None:
    _, verdicts = write_parquet(careless, tmp_path)
    frame = regress.judge(project / "careless", project).to_frame()
    assert pq.read_table(verdicts).to_pandas()["lost"].tolist() == frame["lost"].tolist()
    assert list(pq.read_schema(verdicts).names) == list(frame.columns)
