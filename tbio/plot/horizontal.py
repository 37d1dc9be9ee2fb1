"""Horizontal: what stands along the x axis: steps, or times with the pauses closed up."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.series import ScalarSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Doubles = npt.NDArray[np.float64]

#: "step"; "relative": seconds of work since the run's first point; "wall": dates, UTC;
#: "relative-step": steps since the first one of the series.
X: TypeAlias = Literal["step", "relative", "wall", "relative-step"]

#: A gap is a pause where it is longer than this, in seconds, and than so many usual ones.
_LEAST_PAUSE, _USUAL_GAPS = 600.0, 20.0


class Pauses(NamedTuple):
    """When nothing was logged, though it was before and after.

    Attributes:
        begins: [k], seconds since the epoch, ascending.
        ends: [k].
        left: what is left of each when it is closed up, in seconds.
    """

    begins: Doubles
    ends: Doubles
    left: float

    def close_up(self, times: Doubles) -> Doubles:
        """Times without the pauses before them; a time within one is where it begins.

        >>> times = np.array([0.0, 1, 2, 9000, 9001])
        >>> find_pauses([times]).close_up(times)
        array([0., 1., 2., 3., 4.])
        """
        if not len(self.begins):
            return times
        lost = np.concatenate([[0.0], np.cumsum(self.ends - self.begins - self.left)])
        behind = np.searchsorted(self.ends, times, side="right")
        closed = times - lost[behind]
        inside = np.minimum(behind, len(self.begins) - 1)
        stop = np.where(behind < len(self.begins), self.begins[inside] + self.left, np.inf)
        inner: Doubles = np.minimum(closed, stop - lost[behind])
        return inner


def find_pauses(times: Sequence[Doubles], pause: float | None = None) -> Pauses:
    """The pauses of what several series logged together, of one run or of many.

    Args:
        times: of each series, seconds since the epoch; what is not finite is passed over.
        pause: gaps longer than this, in seconds, are pauses; infinity for none. None takes those of
            more than 10 minutes that are also 20 times as long as the usual gap: the median one of
            the series with the shortest. What is left of a pause is such a usual gap.
    """
    if pause is not None and not pause > 0:
        raise ValueError(f"pause: want a positive number of seconds, got {pause!r}")
    sorted_times = [np.sort(one[np.isfinite(one)]) for one in times]
    usual = [float(np.median(np.diff(one))) for one in sorted_times if len(one) > 1]
    left = min(usual, default=0.0)
    longest = max(_LEAST_PAUSE, _USUAL_GAPS * left) if pause is None else pause
    every = np.sort(np.concatenate([np.empty(0), *sorted_times]))
    at = np.flatnonzero(np.diff(every) > longest)
    return Pauses(every[at], every[at + 1], min(left, longest))


class Horizontal:
    """The x values of series, and what the axis is called.

    Attributes:
        kind: which.
        pauses_of: run -> its pauses; for dates, the same of all runs.
    """

    def __init__(self, kind: X, series: Iterable[ScalarSeries], pause: float | None = None) -> None:
        self.kind = kind
        self.pauses_of: dict[str, Pauses] = {}
        self._begins: dict[str, float] = {}
        self._unit, self._unit_name = 1.0, "s"
        if kind not in ("relative", "wall"):
            return
        times: dict[str, list[Doubles]] = {}
        for one in series:
            times.setdefault(one.run, []).append(one.wall_times)
        if kind == "wall":
            together = find_pauses([one for run in times.values() for one in run], pause)
            self.pauses_of = dict.fromkeys(times, together)
            return
        longest = 0.0
        for run, several in times.items():
            self.pauses_of[run] = find_pauses(several, pause)
            known = [one[np.isfinite(one)] for one in several]
            self._begins[run] = min((one.min() for one in known if len(one)), default=0.0)
            longest = max([longest, *(self._since(run, one).max() for one in known if len(one))])
        for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
            if longest > 2 * unit:
                self._unit, self._unit_name = unit, name
                break

    def of(self, series: ScalarSeries) -> Doubles:
        """The x of each point, float64 [n]."""
        if self.kind == "step":
            return series.steps.astype(np.float64)
        if self.kind == "relative-step":
            return (series.steps - series.steps[:1]).astype(np.float64)
        if self.kind == "wall":
            return self.pauses_of[series.run].close_up(series.wall_times)
        return self._since(series.run, series.wall_times) / self._unit

    def _since(self, run: str, times: Doubles) -> Doubles:
        return self.pauses_of[run].close_up(times) - self._begins[run]

    @property
    def label(self) -> str:
        """What stands below the axis."""
        if self.kind == "relative":
            closed = any(len(pauses.begins) for pauses in self.pauses_of.values())
            return f"time ({self._unit_name}){', pauses closed up' if closed else ''}"
        names = {"step": "step", "relative-step": "steps since the first", "wall": "time (UTC)"}
        return names[self.kind]

    def seams(self, run: str) -> Doubles:
        """Where pauses of the run were closed up, x values."""
        pauses = self.pauses_of.get(run)
        if pauses is None or not len(pauses.begins):
            return np.empty(0)
        if self.kind == "wall":
            return pauses.close_up(pauses.begins)
        return self._since(run, pauses.begins) / self._unit

    def finish(self, axes: Axes) -> None:
        """Give the axis its ticks, when everything is drawn: dates stand where they belong."""
        if self.kind != "wall":
            return
        low, high = axes.get_xlim()
        pauses = next(iter(self.pauses_of.values()), Pauses(np.empty(0), np.empty(0), 0.0))
        places, words = _dates(low, high, pauses)
        axes.set_xticks(places, words)
        axes.set_xlim(low, high)


#: Of what dates are multiples, in seconds.
_ROUND = [1.0, 2, 5, 10, 15, 30]
_ROUND = [*_ROUND, *(60 * one for one in _ROUND), *(3600.0 * one for one in (1, 2, 3, 6, 12))]
_ROUND = [*_ROUND, *(86400.0 * one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000))]


def _dates(low: float, high: float, pauses: Pauses) -> tuple[list[float], list[str]]:
    """Where round times stand on an axis without the pauses, and their names."""
    begin = low
    end = high + float((pauses.ends - pauses.begins - pauses.left).sum())
    if not high > low or not np.isfinite([begin, end]).all() or abs(end) > 2e11:
        return [], []
    apart = next((one for one in _ROUND if (high - low) / one <= 6), _ROUND[-1])
    # The stretches between the pauses; one without a round time has its beginning for a tick.
    stretches = zip([begin, *pauses.ends], [*pauses.begins, end], strict=True)
    places: list[float] = []
    dates: list[datetime.datetime] = []
    for first, last in stretches:
        times = np.arange(np.ceil(first / apart), np.floor(last / apart) + 1) * apart
        for time in times if len(times) or not places else [first]:
            place = float(pauses.close_up(np.array([time]))[0])
            if low <= place <= high and (not places or place - places[-1] >= 0.6 * apart):
                places.append(place)
                dates.append(datetime.datetime.fromtimestamp(float(time), datetime.timezone.utc))
    form = "%Y-%m-%d" if apart >= 86400 else "%H:%M" if apart >= 60 else "%H:%M:%S"
    words = []
    for at, date in enumerate(dates):
        day = at == 0 or date.date() != dates[at - 1].date()
        words.append(date.strftime(f"{form}\n%b %d" if day and apart < 86400 else form))
    return places, words
