"""Saving: a figure as a file, which takes its name when it is complete."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO

from tbio.exports.replacing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: How the names of files end -> what is written.
SUFFIXES = {".png": "png", ".svg": "svg", ".pdf": "pdf"}

#: No dates and versions, so that the same figure gives the same file.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": "tbio"},
    "pdf": {"CreationDate": None, "Creator": "tbio", "Producer": None},
}


def save(
    figure: Figure,
    destination: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    dpi: float = 200,
) -> None:
    """Write a figure as PNG, SVG or PDF, by the name of the file.

    Args:
        destination: a path ending in ``.png``, ``.svg`` or ``.pdf``, ``-`` for the standard output,
            or a binary file object. A file that was there is replaced when the new one is complete.
        format: "png", "svg" or "pdf", whatever the name is; where no name tells, PNG.
        dpi: dots per inch of a PNG, and of images in the others.

    Raises:
        ValueError: a path that ends in none of those; a format that does not exist.

    >>> import io, tbio, tbio.plot
    >>> file = io.BytesIO()
    >>> tbio.plot.save(tbio.plot.scalars(tbio.open("tests/golden/digits")), file, format="svg")
    >>> file.getvalue()[:5]
    b'<?xml'
    """
    chosen = format_of(destination, format)
    more: dict[str, Any] = {"format": chosen, "dpi": dpi, "metadata": _METADATA[chosen]}
    if isinstance(destination, (str, os.PathLike)):
        with replacing(destination) as file:
            figure.savefig(file, **more)
    else:
        figure.savefig(destination, **more)


def format_of(destination: str | os.PathLike[str] | BinaryIO, format: str | None = None) -> str:
    """What `save` writes to a destination.

    Raises:
        ValueError: a path that tells nothing; a format that does not exist.

    >>> format_of("a.PDF"), format_of("-"), format_of("-", "svg")
    ('pdf', 'png', 'svg')
    """
    if format is not None:
        if format not in SUFFIXES.values():
            raise ValueError(f"format: want one of {', '.join(SUFFIXES.values())}, got {format!r}")
        return format
    if not isinstance(destination, (str, os.PathLike)) or destination == "-":
        return "png"
    path = os.fspath(destination)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"want a file name that ends in {', '.join(SUFFIXES)}, got {path!r}")
    return SUFFIXES[suffix]
