"""CSV, TSV and Parquet: tables of columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from regress.errors import DataError
from regress.hashing.files import open_regular
from regress.rows.one_file import OneFile
from regress.rows.row import RowFault
from regress.rows.source import BLOCK_ROWS, MAX_BYTES, MAX_ROW_BYTES, MAX_ROWS, Block

MAX_COLUMNS = 2048
BATCH_ROWS = 512
MAX_BATCH_BYTES = 256 * 2**20


class Csv(OneFile):
    """A `.csv` or `.tsv` file with a header. Row numbers are the lines where rows begin."""

    def blocks(self) -> Iterator[Block]:
        csv.field_size_limit(MAX_ROW_BYTES)
        with open_regular(self.path, DataError) as file:
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            reader = csv.reader(text, delimiter="\t" if ".tsv" in self.path.suffixes else ",", strict=True)
            try:
                header = next(reader, [])
                if len(set(header)) != len(header) or not 0 < len(header) <= MAX_COLUMNS:
                    raise DataError("its first line must name each column once.", path=self.path, line=1)
                yield from self._blocks(reader, header, lambda: file.tell() / max(1, self.size))
            except csv.Error as reason:
                raise DataError(f"is no CSV from here on: {reason}.", path=self.path, line=reader.line_num) from reason
            except UnicodeDecodeError as reason:
                raise DataError(f"is not UTF-8: {reason.reason}.", path=self.path, line=reader.line_num) from reason

    def _blocks(self, reader: Any, header: list[str], done: Any) -> Iterator[Block]:
        numbers: list[int] = []
        raw: list[dict[str, Any] | RowFault] = []
        begins = reader.line_num + 1
        for fields in reader:
            if fields:
                numbers.append(begins)
                raw.append(
                    dict(zip(header, fields, strict=True))
                    if len(fields) == len(header)
                    else RowFault(f"has {len(fields)} columns, and the header has {len(header)}")
                )
            begins = reader.line_num + 1
            if len(raw) >= BLOCK_ROWS:
                yield Block(numbers=tuple(numbers), raw=tuple(raw), done=min(1.0, done()))
                numbers, raw = [], []
        if raw:
            yield Block(numbers=tuple(numbers), raw=tuple(raw), done=1.0)


class Parquet(OneFile):
    """A `.parquet` file, a batch at a time. Rows are counted from 1."""

    def blocks(self) -> Iterator[Block]:
        import pyarrow
        import pyarrow.parquet

        with open_regular(self.path, DataError) as file:
            try:
                schema = pyarrow.parquet.read_schema(file)
                texts = [field.name for field in schema if pyarrow.types.is_string(field.type)]
                # Repeated texts stay one text each until their size is known: 47 kB can unpack to gigabytes.
                parquet = pyarrow.parquet.ParquetFile(file, read_dictionary=texts, thrift_string_size_limit=2**26)
                total = self._checked(parquet.metadata)
                first, left = 1, MAX_BYTES
                for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
                    size = sum(map(_unpacked, batch.columns))
                    left -= size
                    if size > MAX_BATCH_BYTES or left < 0:
                        raise DataError(f"unpacks to {size:,} bytes in {len(batch)} rows.", path=self.path, line=first)
                    raw = tuple(batch.to_pylist())
                    yield Block(
                        numbers=tuple(range(first, first + len(raw))), raw=raw, done=(first - 1 + len(raw)) / total
                    )
                    first += len(raw)
            except (pyarrow.ArrowException, OSError) as reason:
                raise DataError(f"is no readable Parquet file: {reason}.", path=self.path) from reason

    def _checked(self, metadata: Any) -> int:
        """Its number of rows; raises DataError where unpacking it would take more than the budget."""
        groups = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
        if sum(groups) > MAX_BYTES or metadata.num_rows > MAX_ROWS or metadata.num_columns > MAX_COLUMNS:
            raise DataError(
                f"unpacks to {sum(groups):,} bytes in {metadata.num_rows:,} rows, over the budget. Split it.",
                path=self.path,
            )
        return int(metadata.num_rows) or 1


def _unpacked(column: Any) -> int:
    """Bytes of a column once each row has its own text."""
    import pyarrow
    import pyarrow.compute

    if not pyarrow.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pyarrow.compute.binary_length(column.dictionary)
    return int(pyarrow.compute.sum(lengths.take(column.indices)).as_py() or 0)
