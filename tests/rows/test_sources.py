"""Files of every format say the same, in blocks, within budgets, with rows that lead back to file and line."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regress.errors import DataError
from regress.hashing.files import digest_file
from regress.rows import json_lines, source, tables
from regress.rows.opening import open_source
from regress.rows.row import Broken
from regress.rows.source import Source, read_block

ROWS = [{"prompt": f"What is {k}?", "completion": f"It is {k}."} for k in range(1, 8)]


def everything(opened: Source) -> tuple[list[tuple[int, str, str]], list[Broken]]:
    rows, broken = [], []
    for block in opened.blocks():
        read, failed = read_block(block, ())
        rows += [(row.number, row.prompt, row.reply) for row in read]
        broken += failed
    return rows, broken


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(params=["jsonl", "jsonl.gz", "json", "split.json", "csv", "tsv", "parquet"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """The rows as a file of each format, and the number of the first one in it."""
    path = tmp_path / f"data.{request.param}"
    match request.param:
        case "jsonl":
            write_lines(path, ROWS)
        case "jsonl.gz":
            path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
        case "json":
            path.write_text(json.dumps(ROWS, indent=2))
        case "split.json":
            path.write_text(json.dumps({"train": ROWS}))
        case "csv" | "tsv":
            sep = "," if request.param == "csv" else "\t"
            path.write_text("".join(sep.join(line) + "\n" for line in [list(ROWS[0]), *(r.values() for r in ROWS)]))
            return path, 2
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path, 1


def test_every_format_says_the_same(written: tuple[Path, int]) -> None:
    path, first = written
    opened = open_source(str(path))
    expected = [(first + k, row["prompt"], row["completion"]) for k, row in enumerate(ROWS)]
    assert everything(opened) == (expected, [])
    assert everything(opened) == (expected, []), "a source can be read again"
    assert opened.digest() == digest_file(path).digest
    assert opened.place(first) == (str(path), first)
    assert list(opened.blocks())[-1].done == 1.0


def test_blocks_are_cut_by_rows_and_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_lines(tmp_path / "d.jsonl", ROWS)
    monkeypatch.setattr(json_lines, "BLOCK_ROWS", 3)
    assert [len(block.raw) for block in open_source(str(path)).blocks()] == [3, 3, 1]
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 60)
    assert [len(block.raw) for block in open_source(str(path)).blocks()] == [2, 2, 2, 1]


def test_a_folder_is_read_in_the_order_of_names_and_rows_lead_back(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", ROWS[:2])
    (tmp_path / "b.csv").write_text("prompt,completion\nx,y\n")
    (tmp_path / "notes.txt").write_text("not data")
    opened = open_source(str(tmp_path))
    rows, _ = everything(opened)
    assert [number for number, _, _ in rows] == [1, 2, 4]
    assert opened.place(2) == (str(tmp_path / "a.jsonl"), 2)
    assert opened.place(4) == (str(tmp_path / "b.csv"), 2)
    next(opened.blocks())  # a later look that stops in the first file
    assert opened.place(4) == (str(tmp_path / "b.csv"), 2)


def test_broken_rows_are_listed_by_line_and_never_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_ROW_BYTES", 200)
    monkeypatch.setattr(source, "MAX_ROW_BYTES", 200)
    path = tmp_path / "d.jsonl"
    good = json.dumps(ROWS[0])
    twice = '{"prompt": "a", "prompt": "b", "completion": "c"}'
    lines = [good, '{"prompt": "cut', "", twice, '{"prompt": "%s"}' % ("x" * 500), "[" * 5000, "\ud800", good]
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    rows, broken = everything(open_source(str(path)))
    assert [row[0] for row in rows] == [1, 8]
    assert [one.number for one in broken] == [2, 4, 5, 6, 7]
    reasons = ["is not JSON", "twice", "longer than 200", "longer", "not JSON"]
    assert all(reason in one.reason for reason, one in zip(reasons, broken, strict=True)), broken


def test_a_csv_row_of_another_width_is_broken_and_quoted_lines_keep_their_number(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('text,label\n"two\nlines",a\nonly one\nlast,b\n')
    rows, broken = everything(open_source(str(path)))
    assert rows == [(2, "two\nlines", "a"), (5, "last", "b")]
    assert [(one.number, one.reason) for one in broken] == [(4, "has 1 columns, and the header has 2")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.txt", b"x", "is none of .jsonl"),
        ("d.json", b'{"a": 1}', "is neither an array of rows nor an object"),
        ("d.json", b'{"a": [], "b": []}', "holds the splits a, b"),
        ("d.json", b"[" * 100_000, "is neither an array"),
        ("d.csv", b"a,a\n1,2\n", "name each column once"),
        ("d.csv", b"", "name each column once"),
        ("d.csv", b"text,label\n\xff\xfe,a\n", "is not UTF-8"),
        ("d.parquet", b"PAR1 nothing", "is no readable Parquet file"),
        ("d.jsonl.gz", b"\x1f\x8b nothing", "is no whole gzip file"),
        ("d.jsonl.gz", gzip.compress(b'{"text": "a"}\n', mtime=0)[:-6], "is no whole gzip file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as refusal:
        everything(open_source(str(path)))
    assert name in str(refusal.value)


def test_a_split_that_a_file_cannot_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match="--split test names nothing"):
        open_source(str(path), "test")


def test_bombs_are_stopped_at_their_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = tmp_path / "bomb.jsonl.gz"
    bomb.write_bytes(gzip.compress(b" " * 50_000_000 + b"\n"))
    with pytest.raises(DataError, match="unpacks to more than"):
        everything(open_source(str(bomb)))
    table = tmp_path / "d.parquet"
    pq.write_table(pa.table({"text": ["x" * 1000] * 20_000}), table)
    assert table.stat().st_size < 10_000
    assert len(everything(open_source(str(table)))[0]) == 20_000
    for budget in ("MAX_BYTES", "MAX_BATCH_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(tables, budget, 100_000)
            with pytest.raises(DataError, match="unpacks to"):
                everything(open_source(str(table)))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    real = write_lines(tmp_path / "real.jsonl", ROWS)
    (tmp_path / "link.jsonl").symlink_to(real)
    with pytest.raises(DataError, match="never links"):
        everything(open_source(str(tmp_path / "link.jsonl")))
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(DataError, match="no such file"):
        open_source(str(tmp_path / "pipe.jsonl"))
    with pytest.raises(DataError, match="holds 0 data files"):
        (tmp_path / "empty").mkdir()
        open_source(str(tmp_path / "empty"))


def test_a_saved_data_set_and_one_of_the_hub(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "saved")
    opened = open_source(str(tmp_path / "saved"))
    rows, broken = everything(opened)
    assert [row[1] for row in rows] == [row["prompt"] for row in ROWS]
    assert broken == []
    assert opened.digest() == open_source(str(tmp_path / "saved")).digest()
    with pytest.raises(DataError, match="cannot be loaded"):  # no hub can be reached in tests
        everything(open_source("nobody/nothing-like-this"))
