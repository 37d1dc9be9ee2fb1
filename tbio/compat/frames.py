"""Pieces of a log as one DataFrame, in tbparse's two forms: long and pivoted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.compat.summary_file import Cells
from tbio.extras import require

if TYPE_CHECKING:
    import pandas

Longs = npt.NDArray[np.int64]

#: The columns that are no values. A tag of such a name has its column in a pivoted frame called
#: "NAME/value".
_OURS = ("step", "wall_time", "dir_name", "file_name")


class Piece(NamedTuple):
    """The points of one tag in one file.

    Attributes:
        dir_name: its folder, relative to the reader's; ``""`` for that itself.
        file_name: the name of the file.
        steps: int64; None for hyperparameters, which have neither steps nor times.
        wall_times: float64.
        cells: the columns of values, all of one length.
    """

    dir_name: str
    file_name: str
    tag: str
    steps: Longs | None
    wall_times: npt.NDArray[np.float64] | None
    cells: Cells


class _Rows:
    """The points of all pieces one behind the other, and the columns that are no values."""

    def __init__(self, pieces: Sequence[Piece], extra: Collection[str], by_tag: bool) -> None:
        self.pieces = pieces
        lengths = [len(next(iter(piece.cells.values()))) for piece in pieces]
        self.starts = np.cumsum([0, *lengths])
        self._piece = np.repeat(np.arange(len(pieces)), lengths)
        self._extra = extra
        self.timed = pieces[0].steps is not None
        steps = [piece.steps for piece in pieces if piece.steps is not None]
        self.steps: Longs = np.concatenate(steps) if self.timed else np.zeros(len(self), np.int64)
        keys = [self._key(piece, by_tag) for piece in pieces]
        rank_of = {key: rank for rank, key in enumerate(sorted(set(keys)))}
        self.rank: Longs = np.array([rank_of[key] for key in keys])[self._piece]
        #: By folder and file, where these are asked for, tag and step; ties as they were read.
        self.order: Longs = np.lexsort((self.steps, self.rank))

    def __len__(self) -> int:
        return len(self._piece)

    def _key(self, piece: Piece, by_tag: bool) -> tuple[str, ...]:
        names = [getattr(piece, name) for name in _OURS[2:] if name in self._extra]
        return (*names, piece.tag) if by_tag else tuple(names)

    def names(self, name: str, rows: Longs) -> npt.NDArray[Any]:
        """The tags, or the names of folders or files, of some rows."""
        of_piece = np.empty(len(self.pieces), object)
        of_piece[:] = [getattr(piece, name) for piece in self.pieces]
        strings: npt.NDArray[Any] = of_piece[self._piece[rows]]
        return strings

    def wall_times(self) -> npt.NDArray[np.float64] | None:
        """Those of all rows, where they are asked for."""
        times = [piece.wall_times for piece in self.pieces if piece.wall_times is not None]
        return np.concatenate(times) if times and "wall_time" in self._extra else None

    def places(self, rows: Longs) -> dict[str, npt.NDArray[Any]]:
        """The columns of folders and files that are asked for."""
        return {name: self.names(name, rows) for name in _OURS[2:] if name in self._extra}


def long_frame(pieces: Sequence[Piece], extra: Collection[str]) -> pandas.DataFrame:
    """A row for each point: step, tag, value or the like, and the extra columns.

    Sorted by folder and file, where these are asked for, then by tag and step.
    """
    rows = _Rows(pieces, extra, by_tag=True)
    order = rows.order
    columns: dict[str, Any] = {}
    if rows.timed:
        columns["step"] = rows.steps[order]
    columns["tag"] = rows.names("tag", order)
    for name in pieces[0].cells:
        columns[name] = _sorted([piece.cells[name] for piece in pieces], order)
    times = rows.wall_times()
    if times is not None:
        columns["wall_time"] = times[order]
    frame: pandas.DataFrame = require("pandas").DataFrame({**columns, **rows.places(order)})
    return frame


def _sorted(cells: Sequence[npt.NDArray[np.float64] | list[Any]], order: Longs) -> Any:
    if isinstance(cells[0], np.ndarray):
        return np.concatenate(cells)[order]
    values = [value for piece in cells for value in piece]
    return [values[row] for row in order.tolist()]


def pivoted_frame(pieces: Sequence[Piece], extra: Collection[str]) -> pandas.DataFrame:
    """A row for each step, and a column for each tag; several values of a step are a list.

    A row is of one folder and one file, where these are asked for. NaN means that there is no
    value, as everywhere in pandas, and is left out of lists.
    """
    rows = _Rows(pieces, extra, by_tag=False)
    order = rows.order
    changes = (np.diff(rows.rank[order]) != 0) | (np.diff(rows.steps[order]) != 0)
    group_of = np.empty(len(rows), np.int64)
    group_of[order] = np.cumsum([0, *changes.tolist()])
    first = order[np.flatnonzero([True, *changes.tolist()])]

    parts: dict[str, list[tuple[Longs, npt.NDArray[np.float64] | list[Any]]]] = {}
    for piece, start, end in zip(pieces, rows.starts, rows.starts[1:], strict=False):
        for name, values in piece.cells.items():
            column = piece.tag if name == "value" else f"{piece.tag}/{name}"
            column += "/value" if column in _OURS else ""
            parts.setdefault(column, []).append((group_of[start:end], values))
    columns: dict[str, Any] = {"step": rows.steps[first]} if rows.timed else {}
    for column in sorted(parts):
        groups = np.concatenate([part[0] for part in parts[column]])
        whole = len(groups) == len(rows)
        columns[column] = _merged(groups, [part[1] for part in parts[column]], len(first), whole)
    times = rows.wall_times()
    if times is not None:
        columns["wall_time"] = _merged(group_of, [times], len(first), True)
    frame: pandas.DataFrame = require("pandas").DataFrame({**columns, **rows.places(first)})
    return frame


def _merged(
    groups: Longs,
    parts: Sequence[npt.NDArray[np.float64] | list[Any]],
    count: int,
    whole: bool,
) -> Any:
    """One cell for each of ``count`` groups: nothing, its one value, or a list of its values.

    Args:
        groups: which one each value belongs to.
        whole: whether the values fill every row of the log. Where they do not, numbers become
            floats, as beside missing values in pandas.
    """
    if all(isinstance(part, np.ndarray) for part in parts):
        cells = np.concatenate(parts)
        there = ~np.isnan(cells)
    else:
        values = [value for part in parts for value in part]
        series = require("pandas").Series(values if whole else [*values, np.nan])
        cells = series.to_numpy(dtype=object)[: len(values)]
        there = ~series.isna().to_numpy()[: len(values)]
    groups, cells = groups[there], cells[there]
    sizes = np.bincount(groups, minlength=count)
    if sizes.max(initial=0) <= 1:
        merged = np.full(count, np.nan, cells.dtype)
        merged[groups] = cells
        return merged if cells.dtype.kind == "f" else merged.tolist()
    ordered = cells[np.argsort(groups, kind="stable")].tolist()
    ends = np.cumsum(sizes).tolist()
    return [
        np.nan if not size else ordered[end - 1] if size == 1 else ordered[end - size : end]
        for size, end in zip(sizes.tolist(), ends, strict=True)
    ]
