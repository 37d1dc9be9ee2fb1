"""Names that a log may choose freely, and how they are shown: any length, any mark may come.

And counts, which are told beside them.
"""

from __future__ import annotations

import reprlib
from typing import Any

#: Longer names are cut.
_LONGEST = 500
_CELL_WIDTH = 32
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 200


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


def short(name: str) -> str:
    """A name for a list that people read, `printable`, and cut where it is absurdly long.

    >>> short("loss"), len(short("a" * 100_000))
    ('loss', 524)
    """
    if len(name) <= _LONGEST:
        return printable(name)
    return f"{printable(name[:_LONGEST])}... ({len(name):,} characters)"


def brief(name: object) -> str:
    """The repr of a name, cut in the middle where it is long.

    >>> brief("loss"), len(brief("a" * 100_000))
    ("'loss'", 200)
    """
    return _BRIEF.repr(name)


def cell(value: Any) -> str:
    """A value in a table that people read: in short, and `printable`; "-" for None.

    >>> cell(1 / 3), cell(None), cell("a" * 100)[-4:]
    ('0.333333', '-', 'a...')
    """
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e6 <= abs(value) < 1e15 else f"{value:.6g}"
    text = printable(str(value)[:200])
    return text if len(text) <= _CELL_WIDTH else f"{text[: _CELL_WIDTH - 3]}..."


def count_of(count: int, noun: str) -> str:
    """A count with its noun.

    >>> count_of(1, "file"), count_of(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
