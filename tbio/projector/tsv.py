"""Tables of text, as the Projector reads them: points, and their labels."""

from __future__ import annotations

import io
from array import array

import numpy as np
import numpy.typing as npt

from tbio.errors import DecodeError
from tbio.projector.config import BLANK

#: The name that the page gives to a single column.
LABEL = "label"

#: So many cells may be missing in rows that are shorter than the header.
_MAX_MISSING = 1 << 20


def points(data: bytes) -> npt.NDArray[np.float32]:
    """The numbers of a TSV without a header: float32[n, d].

    Numbers are what Python's ``float`` takes; empty lines are passed over
    (projector_plugin.py, ``_read_tensor_tsv_file``).

    Raises:
        DecodeError: a cell that is no number, or a row that is longer or shorter than the first,
            with its line; no points at all.
        UnicodeDecodeError: bytes that are no text.

    >>> points(b"1\\t-0.5\\n3e2\\tnan\\n")
    array([[  1. ,  -0.5],
           [300. ,   nan]], dtype=float32)
    """
    numbers = array("d")
    width = rows = 0
    for place, line in enumerate(io.BytesIO(data), 1):
        cells = line.decode().rstrip("\r\n").split("\t")
        if cells == [""]:
            continue
        try:
            numbers.extend(map(float, cells))
        except ValueError as error:
            raise DecodeError(f"line {place} of the points: {str(error)[:80]}") from error
        width = width or len(cells)
        if len(cells) != width:
            raise DecodeError(f"line {place} of the points: want {width} numbers, got {len(cells)}")
        rows += 1
    if not rows:
        raise DecodeError("an embedding without points")
    with np.errstate(over="ignore"):
        return np.array(numbers).astype(np.float32).reshape(rows, width)


def labels(data: bytes) -> dict[str, list[str]]:
    """Column -> its cells, a row for each point.

    As the page has it (tensorboard/plugins/projector/vz_projector/data-provider.ts,
    ``parseMetadata``): a tab in the first line makes that the header; else there is one column,
    "label", without one. A cell that is missing is "".

    Unlike the page, which passes over blank lines, so that each label behind one goes to the wrong
    point: only those in front of a header and at the end are nothing, any other is an empty label.

    Raises:
        DecodeError: bytes that are no UTF-8, or rows much shorter than the header.

    >>> labels(b"word\\tcount\\nthe\\t7\\na\\n")
    {'word': ['the', 'a'], 'count': ['7', '']}
    >>> labels(b"the\\n\\na\\n")
    {'label': ['the', '', 'a']}
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DecodeError(f"labels that are no UTF-8: {error}") from error
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    lines = [_without_mark(line) if line.startswith(BLANK) else line for line in lines]
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    if not lines or "\t" not in lines[first]:
        return {LABEL: lines}
    names = _distinct(lines[first].split("\t"))
    del lines[: first + 1]
    if len(names) * len(lines) > len(text) + _MAX_MISSING:
        raise DecodeError(f"labels in {len(names)} columns, with rows of far fewer cells")
    rows = [line.split("\t") for line in lines]
    return {
        name: [row[place] if place < len(row) else "" for row in rows]
        for place, name in enumerate(names)
    }


def _without_mark(line: str) -> str:
    """A blank line as it was before tbio's own writer marked it."""
    return line[len(BLANK) :] if not line[len(BLANK) :].replace("\ufeff", "").strip() else line


def _distinct(names: list[str]) -> list[str]:
    """The names, with a number behind one that was there before."""
    found: dict[str, None] = {}
    times: dict[str, int] = {}
    for name in names:
        distinct = name
        while distinct in found:
            times[name] = times.get(name, 1) + 1
            distinct = f"{name} ({times[name]})"
        found[distinct] = None
    return list(found)
