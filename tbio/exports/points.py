"""Points: scalars for an export, with what is derived from them, in long and in wide form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.exports.digits import decimals
from tbio.exports.report import ExportReport
from tbio.exports.sources import TableSource
from tbio.scalar_stream import ScalarStream
from tbio.series import ScalarSeries, joined
from tbio.tables import Table, WideTable

_Doubles = npt.NDArray[np.float64]

_BLOCK_ROWS = 1 << 16


@dataclass(frozen=True)
class Derived:
    """What columns are made of each series, beside its own.

    Attributes:
        smooth: the weight of the column ``smoothed``, which is the TensorBoard page's; None for no
            such column.
        relative: whether there is a column ``relative_time``.
    """

    smooth: float | None = None
    relative: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return ("smoothed",) * (self.smooth is not None) + ("relative_time",) * self.relative

    def of(self, series: ScalarSeries) -> tuple[_Doubles, ...]:
        """The columns of a whole series; complex numbers have no smooth form and get NaN."""
        found = []
        if self.smooth is not None:
            is_complex = np.iscomplexobj(series.values)
            found.append(np.full(len(series), np.nan) if is_complex else series.smooth(self.smooth))
        if self.relative:
            found.append(series.relative_times)
        return tuple(found)


class Piece(NamedTuple):
    """Some points of one series, and what is derived from them."""

    series: ScalarSeries
    derived: tuple[_Doubles, ...]

    def cut(self, which: slice) -> Piece:
        """Some of these points."""
        return Piece(self.series[which], tuple(one[which] for one in self.derived))


class Points(TableSource):
    """Every scalar of a stream in long form: run, tag, step, wall_time, value, what is derived.

    It is read as it is asked for. A series comes as a whole, so that what is derived needs no more
    memory than that.
    """

    def __init__(self, stream: ScalarStream, derived: Derived) -> None:
        columns: dict[str, Any] = {
            "run": np.empty(0, object),
            "tag": np.empty(0, object),
            "step": np.empty(0, np.int64),
            "wall_time": np.empty(0, np.float64),
            "value": np.empty(0, np.float32),
        }
        columns |= {name: np.empty(0, np.float64) for name in derived.names}
        super().__init__("scalars", Table(columns), self._blocks)
        self.stream = stream
        self.derived = derived

    def pieces(self, rows: int, report: ExportReport) -> Iterator[list[Piece]]:
        """The rows in lots of so many, the last one of fewer; they are counted."""
        report.tables[self.name] = 0
        held: list[Piece] = []
        room = rows
        for series in self.stream.series():
            whole = Piece(series, self.derived.of(series))
            at = 0
            while at < len(series):
                held.append(whole.cut(slice(at, at + room)))
                got = len(held[-1].series)
                at += got
                room -= got
                report.tables[self.name] += got
                if not room:
                    yield held
                    held, room = [], rows
        if held:
            yield held

    def _blocks(self) -> Iterator[Table]:
        """Blocks of one series each, for formats of few digits (`shown`)."""
        for lot in self.pieces(_BLOCK_ROWS, ExportReport()):
            for series, derived in lot:
                yield Table(
                    {
                        "run": _repeated(series.run, len(series)),
                        "tag": _repeated(series.tag, len(series)),
                        "step": series.steps,
                        "wall_time": series.wall_times,
                        "value": shown(series),
                        **dict(zip(self.derived.names, derived, strict=True)),
                    }
                )


def _repeated(name: str, count: int) -> npt.NDArray[Any]:
    column = np.empty(count, object)
    column[:] = name
    return column


def shown(series: ScalarSeries) -> npt.NDArray[Any]:
    """The values, float32 as the doubles of the fewest digits that read back as the same."""
    if series.single is None:
        return decimals(series.values)
    values = series.values.copy()
    values[series.single] = decimals(series.values[series.single].astype(np.float32))
    return values


def wide_table(table: WideTable, derived: Derived, is_shown: bool) -> Table:
    """A wide table with the columns that are derived from each tag behind it: ``loss.smoothed``.

    Args:
        is_shown: whether float32 are to be doubles of few digits (`shown`).
    """
    names = table.names()
    columns: dict[str, Any] = {names[0]: table.run, names[1]: table.at}
    taken = set(names)
    for name, pieces in zip(names[2:], table.pieces.values(), strict=True):
        values = [shown(one) if is_shown else one.values for _, one in pieces]
        columns[name] = _filled(len(table), pieces, values)
        made = zip(*(derived.of(one) for _, one in pieces), strict=True)
        for what, several in zip(derived.names, made, strict=False):
            more = f"{name}.{what}"
            while more in taken:
                more += "_"
            taken.add(more)
            columns[more] = _filled(len(table), pieces, several)
    return Table(columns)


def _filled(
    rows: int, pieces: Sequence[tuple[npt.NDArray[Any], ScalarSeries]], parts: Sequence[Any]
) -> npt.NDArray[Any]:
    values = joined(list(parts), np.float32)
    column: np.ma.MaskedArray[Any, Any] = np.ma.masked_all(rows, values.dtype)
    column[np.concatenate([places for places, _ in pieces])] = values
    return column
