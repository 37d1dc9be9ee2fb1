"""Glance: the scalars of logs in numbers that say how each run went."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tbio.logdir import LogDir
from tbio.optimum import Mode, best, mode_of
from tbio.series import ScalarSeries
from tbio.tables import Table


class Glimpse(NamedTuple):
    """One tag of one run.

    Attributes:
        points: how many.
        first_step, last_step: of the first and the last point.
        first, last: their values.
        mode: "min" or "max": which value is the best one; None where the tag does not tell.
        best, best_step: the best finite value; None where there is none, or no mode.
        min, max: of the finite values; None where there are none.
        not_finite: how many values are NaN or infinite.
    """

    run: str
    tag: str
    points: int
    first_step: int
    last_step: int
    first: Any
    last: Any
    mode: str | None
    best: Any
    best_step: int | None
    min: Any
    max: Any
    not_finite: int


def show(logs: LogDir, *, mode: Mode = "auto") -> Table:
    """A row for each scalar tag of each run: first, last, best, least and greatest value.

    Args:
        logs: what to look at; the selection of `tbio.open` is the selection here.
        mode: what the best value is: "min", "max", or as each tag says (`tbio.optimum.mode_of`).

    Returns:
        A table with the columns of `Glimpse`.

    >>> import tbio
    >>> table = show(tbio.open("tests/golden/digits", runs="test", tags="loss"))
    >>> table["best_step"].tolist(), table["mode"].tolist()
    ([19], ['min'])
    """
    rows = [
        glimpse(series, mode)
        for run in logs.load().values()
        for series in run.scalars.values()
        if len(series)
    ]
    return Table.of_rows(rows, Glimpse)


def glimpse(series: ScalarSeries, mode: Mode = "auto") -> Glimpse:
    """The row of one series, which has a point at least; see `show`."""
    values = series.values
    finite = values[_finite(values)] if values.dtype.kind != "c" else values[:0]
    way: Mode | None = mode
    if mode == "auto":
        try:
            way = mode_of(series.tag)
        except ValueError:
            way = None
    at = best(values, series.tag, way) if way is not None and len(finite) else None
    return Glimpse(
        series.run,
        series.tag,
        len(series),
        int(series.steps[0]),
        int(series.steps[-1]),
        _plain(values[0]),
        _plain(values[-1]),
        way,
        None if at is None else _plain(values[at]),
        None if at is None else int(series.steps[at]),
        _plain(finite.min()) if len(finite) else None,
        _plain(finite.max()) if len(finite) else None,
        len(values) - len(finite),
    )


def _finite(values: Any) -> Any:
    return np.isfinite(values.astype(np.float64))


def _plain(value: Any) -> Any:
    """A Python number; a float32 as the shortest decimal that reads back the same."""
    if isinstance(value, np.float32):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value
