"""Table files: CSV, TSV, JSON lines and Parquet, as rows.

The header of a CSV file is its first row. An apostrophe in front of ``= + - @``, which
`tbio.export` puts there for the sake of spreadsheets, is taken off again.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

from tbio.extras import require
from tbio.imports.rows import Rows
from tbio.imports.target import Target

#: A cell may be as long as a text that somebody logged.
_LONGEST_CELL = 1 << 24
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")

Skip = Callable[[str, str], None]


def opened(path: str) -> IO[str]:
    """A text file in UTF-8, with or without its mark, perhaps compressed by gzip(1)."""
    with open(path, "rb") as file:
        head = file.read(2)
    binary: Any = gzip.open(path, "rb") if head == b"\x1f\x8b" else open(path, "rb")  # noqa: SIM115
    return io.TextIOWrapper(binary, "utf-8-sig", errors="backslashreplace", newline="")


def add_separated(path: str, rows: Rows, target: Target, delimiter: str) -> None:
    """Rows of a CSV or TSV file.

    Raises:
        OSError: it cannot be read.
    """
    csv.field_size_limit(_LONGEST_CELL)
    with opened(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            header = [_bare(name) for name in next(reader, [])]
            if len(set(header)) < len(header):
                twice = next(name for name in header if header.count(name) > 1)
                raise ValueError(f"{path}: the column {twice!r} is there twice")
            for cells in reader:
                where = f"line {reader.line_num}"
                if not cells:
                    continue
                if len(cells) != len(header):
                    what = f"a row of {len(cells)} cells below a header of {len(header)}"
                    target.skip(path, what, is_damage=True, where=where)
                    continue
                rows.add(dict(zip(header, map(_bare, cells), strict=True)), where)
        except (csv.Error, EOFError, zlib.error, gzip.BadGzipFile) as error:
            target.skip(path, str(error), is_damage=True, where=f"line {reader.line_num}")


def _bare(cell: str) -> str:
    return cell[1:] if cell.startswith(_FORMULA) else cell


def add_json_lines(path: str, rows: Rows, target: Target) -> None:
    """Rows of a file with a JSON object a line.

    Raises:
        OSError: it cannot be read.
    """
    with opened(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    _add_object(line, rows, target, path, f"line {number}")
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            target.skip(path, str(error), is_damage=True)


def _add_object(line: str, rows: Rows, target: Target, path: str, where: str) -> None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        target.skip(path, "a line that is no JSON", is_damage=True, where=where)
        return
    if not isinstance(row, dict):
        target.skip(path, "a line that is no JSON object", is_damage=True, where=where)
        return
    rows.add_nested(row, where)


def add_parquet(path: str, rows: Rows) -> None:
    """Rows of a Parquet file.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: it cannot be read.
        ValueError: it is none.
    """
    parquet = _parquet()
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"the column {twice!r} is there twice")
            for number, row in enumerate(_parquet_rows(file)):
                rows.add(row, f"row {number}")
    except OSError as error:
        if error.errno is not None:
            raise
        raise ValueError(f"{path}: {str(error).strip()}") from error
    except (ValueError, OverflowError, require("pyarrow").ArrowException) as error:
        raise ValueError(f"{path}: {error}") from error


def _parquet() -> Any:
    require("pyarrow")
    import pyarrow.parquet

    return pyarrow.parquet


def _parquet_rows(file: Any) -> Iterator[dict[str, Any]]:
    for batch in file.iter_batches(batch_size=1 << 14):
        names = batch.schema.names
        for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield dict(zip(names, cells, strict=True))
