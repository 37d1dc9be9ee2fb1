"""Tables as JSON: a list of objects, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tbio.exports.digits import texts
from tbio.exports.report import ExportReport, Writable
from tbio.exports.sources import TableSource
from tbio.tables import Array, Table


def write_list(sources: Sequence[TableSource], file: Writable, report: ExportReport) -> None:
    """Write a table as a JSON list of objects, one a line."""
    (source,) = sources
    before = "[\n"
    for block in source.counted(report):
        for lines in _lots(block):
            file.write((before + ",\n".join(lines)).encode())
            before = ",\n"
    report.check_rows()
    file.write(b"[]\n" if before == "[\n" else b"\n]\n")


def write_lines(sources: Sequence[TableSource], file: Writable, report: ExportReport) -> None:
    """Write a table as JSON objects, one a line."""
    (source,) = sources
    for block in source.counted(report):
        for lines in _lots(block):
            file.write(("\n".join(lines) + "\n").encode())
    report.check_rows()


_LOT_ROWS = 1 << 13


def _lots(table: Table) -> Iterator[list[str]]:
    for at in range(0, len(table), _LOT_ROWS):
        some = {name: one[at : at + _LOT_ROWS] for name, one in table.columns.items()}
        yield list(objects(Table(some)))


def objects(table: Table) -> Iterator[str]:
    """The rows as JSON objects; NaN and infinity, which JSON lacks, are null.

    Numbers are in the shortest form that reads back as the same: a float32 0.1 is ``0.1``.

    >>> list(objects(Table({"x": np.array([0.5, np.nan])})))
    ['{"x": 0.5}', '{"x": null}']
    """
    names = [json.dumps(name).replace("%", "%%") for name in table.columns]
    template = "{" + ", ".join(f"{name}: %s" for name in names) + "}"
    for row in zip(*map(_cells, table.columns.values()), strict=True):
        yield template % row


def _cells(one: Array) -> Iterator[str]:
    data = np.ma.getdata(one)
    present = ~np.ma.getmaskarray(one)
    if data.dtype.kind == "f":
        present &= np.isfinite(data)
    written: Any
    if data.dtype.kind in "iuf":
        written = texts(data)
    elif data.dtype.kind == "b":
        written = ("true" if cell else "false" for cell in data.tolist())
    else:
        written = _dumped(data.tolist())
    for text, there in zip(written, present.tolist(), strict=True):
        yield text if there else "null"


def _dumped(cells: list[Any]) -> Iterator[str]:
    last: Any = None
    text = "null"
    for cell in cells:
        if cell is not last:  # names repeat
            last, text = cell, json.dumps(_plain(cell), default=str)
        yield text


def _plain(cell: Any) -> Any:
    if isinstance(cell, np.generic):
        return _plain(cell.item())
    if isinstance(cell, (list, tuple)):
        return list(map(_plain, cell))
    if isinstance(cell, float) and not np.isfinite(cell):
        return None
    return cell
