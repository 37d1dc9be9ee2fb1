"""Text for a terminal: sizes, counts, and names that may come from anywhere."""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from tbio.names import count_of as count_of
from tbio.names import printable as printable
from tbio.names import short as short

#: Longer cells do not make the others wide.
_WIDEST_CELL = 120


class Terminal:
    """A terminal as a binary file for text in UTF-8, every line of which is made `printable`."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, data: bytes) -> int:
        """Show some bytes; how many."""
        lines = self._decoder.decode(data).split("\n")
        self._out.write("\n".join(map(printable, lines)))
        return len(data)


@contextlib.contextmanager
def terminal_at(path: str) -> Iterator[Terminal | None]:
    """The terminal at a path, ``-`` being the standard output; None where there is no terminal."""
    if path == "-":
        yield Terminal(sys.stdout) if sys.stdout.isatty() else None
        return
    # Nothing else is opened: a pipe would take that for its writer.
    if os.path.exists(path) and stat.S_ISCHR(os.stat(path).st_mode):
        with open(path, "w", encoding="utf-8", errors="backslashreplace") as out:
            if out.isatty():
                yield Terminal(out)
                return
    yield None


def size_of(count: int) -> str:
    """A number of bytes for people.

    >>> size_of(999), size_of(54_321_000)
    ('999 B', '54.3 MB')
    """
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def columns(rows: Sequence[tuple[str, ...]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as lines with their cells aligned, those of the columns ``right`` to the right.

    A cell of more than 120 characters pushes the rest of its row aside, and no other row.
    """
    widths = [
        max((len(cell) for cell in column if len(cell) <= _WIDEST_CELL), default=0)
        for column in zip(*rows, strict=True)
    ]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
