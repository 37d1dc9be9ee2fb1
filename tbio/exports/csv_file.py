"""Tables as CSV and TSV, in UTF-8: RFC 4180, but for lines that end in a single LF."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tbio.exports.digits import Cells, cells, lines, text_cells, texts, time_cells
from tbio.exports.points import Piece, Points
from tbio.exports.report import ExportReport, Writable
from tbio.exports.sources import TableSource
from tbio.series import ScalarSeries
from tbio.tables import Array, Table, texts_of

_BLOCK_ROWS = 1 << 13  # the cells of as many stay in the cache of the processor


def write_csv(sources: Sequence[TableSource], file: Writable, report: ExportReport) -> None:
    """Write a table as its rows come, cells separated by commas."""
    _write(sources, file, report, ",")


def write_tsv(sources: Sequence[TableSource], file: Writable, report: ExportReport) -> None:
    """Write a table as its rows come, cells separated by tabs."""
    _write(sources, file, report, "\t")


def _write(
    sources: Sequence[TableSource], file: Writable, report: ExportReport, separator: str
) -> None:
    (source,) = sources
    header = separator.join(report.cell(name, separator) for name in source.head.columns)
    before = f"{header}\n".encode()
    if isinstance(source, Points):
        for pieces in source.pieces(_BLOCK_ROWS, report):
            file.write(before + _block(pieces, report, separator))
            before = b""
    else:
        for block in source.counted(report):
            for some in _lots(block, report, separator):
                file.write(before + some)
                before = b""
    report.check_rows()
    file.write(before)


# -------------------------------------------------------------------- scalars


def _block(pieces: Sequence[Piece], report: ExportReport, separator: str = ",") -> bytes:
    many = [piece.series for piece in pieces]
    return lines(
        [
            (
                f"{report.cell(series.run, separator)}{separator}"
                f"{report.cell(series.tag, separator)}{separator}".encode(),
                len(series),
            )
            for series in many
        ],
        [
            cells(np.concatenate([series.steps for series in many])),
            time_cells(np.concatenate([series.wall_times for series in many])),
            _value_cells(many),
            *map(cells, map(np.concatenate, zip(*(one.derived for one in pieces), strict=True))),
        ],
        separator.encode(),
    )


def _value_cells(pieces: Sequence[ScalarSeries]) -> Cells:
    dtypes = {series.values.dtype for series in pieces}
    if len(dtypes) == 1 and all(series.single is None for series in pieces):
        return cells(np.concatenate([series.values for series in pieces]))
    return text_cells([text for series in pieces for text in _value_texts(series)])


def _value_texts(series: ScalarSeries) -> list[str]:
    """The values of a series, each in the shortest form of the dtype in which it was logged."""
    if series.single is None:
        return texts(series.values)
    whole = np.array(texts(series.values), object)
    whole[series.single] = texts(series.values[series.single].astype(np.float32))
    found: list[str] = whole.tolist()
    return found


# -------------------------------------------------------------------- any table


def _lots(table: Table, report: ExportReport, separator: str) -> Iterator[bytes]:
    def cell(text: str) -> str:
        return report.cell(text, separator)

    for at in range(0, len(table), _BLOCK_ROWS):
        block = slice(at, at + _BLOCK_ROWS)
        columns = (_cells(one[block], cell) for one in table.columns.values())
        rows = zip(*columns, strict=True)
        yield ("\n".join(map(separator.join, rows)) + "\n").encode()


def _cells(one: Array, cell: Callable[[str], str]) -> Iterator[str]:
    """A column as text: numbers in the shortest form, nothing where a value is missing."""
    data, missing = np.ma.getdata(one), np.ma.getmaskarray(one)
    written: Any
    if data.dtype.kind == "O":
        written = _mixed(data, cell)
    elif data.dtype.kind == "b":
        written = ("true" if value else "false" for value in data.tolist())
    elif data.dtype.kind in "iufc":
        written = texts(data)
    else:
        written = map(cell, data.astype(str).tolist())
    for text, gone in zip(written, missing.tolist(), strict=True):
        yield "" if gone or text is None else text


def _mixed(data: Array, cell: Callable[[str], str]) -> Iterator[str | None]:
    for value, text in zip(data.tolist(), texts_of(data) or (), strict=True):
        if isinstance(value, float):
            yield repr(value)
        elif text is None or isinstance(value, (int, complex)):
            yield text  # a negative number is no formula
        else:
            yield cell(text)
