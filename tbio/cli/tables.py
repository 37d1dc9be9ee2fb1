"""Tables for a terminal, for programs and as files: what the commands that make tables share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, BinaryIO, cast

from tbio.cli.render import columns, short, terminal_at
from tbio.exports import SUFFIXES_OF_ALL, write_table
from tbio.exports.json_file import objects
from tbio.exports.replacing import is_special
from tbio.tables import Table

#: The suffixes of figures (`tbio.plot.save`).
FIGURES = (".png", ".svg", ".pdf")


def suffix_of(out: str) -> str:
    """The suffix of a file's name that says what is to be written, in small letters; or ""."""
    return os.path.splitext(out)[1].lower()


def wrong_output(out: str | None, as_json: bool, others: Sequence[str] = ()) -> str:
    """What is wrong with a command's OUT, which may have other suffixes too; "" if nothing is."""
    if out is None or out == "-":
        return "want either OUT or --json" if out and as_json else ""
    if as_json:
        return "want either OUT or --json"
    known = (*SUFFIXES_OF_ALL, *others)
    if not out.lower().endswith(known) and not is_special(out):
        return f"want a name that ends in {', '.join(known)}, got {out}"
    return ""


def write(table: Table, out: str) -> None:
    """Write a table to a file in the format that its suffix says; ``-`` gets CSV.

    In CSV, TSV and Excel a missing cell is empty, and a text that a spreadsheet would take for a
    formula gets an apostrophe in front.
    """
    with terminal_at(out) as terminal:
        write_table(table, out if terminal is None else cast("BinaryIO", terminal))


def as_json(table: Table) -> str:
    """The rows as a JSON list of objects, one a line; NaN and infinity, which JSON lacks, are null.

    >>> import numpy as np
    >>> print(as_json(Table({"x": np.array([0.5, np.nan])})))
    [
    {"x": 0.5},
    {"x": null}
    ]
    """
    lines = list(objects(table))
    return "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"


def lines(rows: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """Some columns of rows as lines with a head, numbers to the right."""
    names = list(names)
    kept = [tuple(row[name] for name in names) for row in rows]
    right = frozenset(
        at
        for at in range(len(names))
        if all(isinstance(row[at], (int, float)) or row[at] is None for row in kept)
    )
    return columns([tuple(map(short, names)), *(tuple(map(_shown, row)) for row in kept)], right)


def _shown(cell: Any) -> str:
    if cell is None:
        return "-"
    return f"{cell:.6g}" if isinstance(cell, float) else short(str(cell))
