"""Text for a terminal: sizes, counts, and names that may come from anywhere."""

from __future__ import annotations

from collections.abc import Sequence


def printable(text: str) -> str:
    r"""``text`` with everything escaped that could steer a terminal.

    >>> print(printable("loss\x1b[2J\n\u202e"))
    loss\x1b[2J\n\u202e
    """
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape", "replace").decode("ascii")
        for mark in text
    )


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


def count_of(count: int, noun: str) -> str:
    """A count with its noun.

    >>> count_of(1, "file"), count_of(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def columns(rows: Sequence[tuple[str, ...]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as lines with their cells aligned, those of the columns ``right`` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
