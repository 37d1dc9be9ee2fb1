"""Scalars as CSV, in UTF-8: RFC 4180, but for lines that end in a single LF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import IO

import numpy as np

from tbio.exports.digits import Cells, cells, lines, text_cells, texts, time_cells
from tbio.exports.report import ExportReport
from tbio.scalar_stream import ScalarStream
from tbio.series import ScalarSeries
from tbio.tables import WideTable

_BLOCK_ROWS = 1 << 13  # the cells of as many stay in the cache of the processor


def write_long(stream: ScalarStream, file: IO[bytes], report: ExportReport) -> None:
    """Write the rows of a stream as they are read."""
    header = b"run,tag,step,wall_time,value\n"
    for pieces in replace(stream, batch_rows=_BLOCK_ROWS).pieces():
        file.write(header + _block(pieces, report))
        header = b""
    report.check_rows()
    file.write(header)


def _block(pieces: Sequence[ScalarSeries], report: ExportReport) -> bytes:
    report.rows += sum(map(len, pieces))
    return lines(
        [
            (f"{report.cell(series.run)},{report.cell(series.tag)},".encode(), len(series))
            for series in pieces
        ],
        [
            cells(np.concatenate([series.steps for series in pieces])),
            time_cells(np.concatenate([series.wall_times for series in pieces])),
            _value_cells(pieces),
        ],
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


def write_wide(table: WideTable, file: IO[bytes], report: ExportReport) -> None:
    """Write a table in wide form; a cell without a value is empty."""
    report.rows = len(table)
    report.check_rows()
    file.write((",".join(map(report.cell, table.names())) + "\n").encode())
    columns = []
    for pieces in table.pieces.values():
        column = np.full(len(table), "", object)
        for places, series in pieces:
            column[places] = _value_texts(series)
        columns.append(column)
    for at in range(0, len(table), _BLOCK_ROWS):
        block = slice(at, at + _BLOCK_ROWS)
        runs = map(report.cell, table.run[block].tolist())
        rows = zip(runs, texts(table.at[block]), *(one[block] for one in columns), strict=True)
        file.write(("\n".join(map(",".join, rows)) + "\n").encode())
