"""Reduction: groups of runs, such as the seeds of one experiment, as statistics by step."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio import aggregates
from tbio.aggregates import (
    OF_SEVERAL,
    STATISTICS,
    Align,
    Aligned,
    Centre,
    Doubles,
    NanRule,
    Statistic,
)
from tbio.curves import Curve, write_runs
from tbio.groups import Grouping, grouped, grouped_by_hparams
from tbio.logdir import LogDir
from tbio.series import ScalarSeries
from tbio.tables import Table

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: How a reduction becomes runs: a run for each group and statistic, under the tags that there were,
#: so that TensorBoard draws them in one chart; or a run for each group, and the statistic behind
#: the tag.
Layout: TypeAlias = Literal["runs", "tags"]


@dataclass(frozen=True, eq=False, repr=False)
class ReducedSeries:
    """What the runs of one group have in common under one tag.

    Attributes:
        group: the group's name.
        tag: the tag.
        runs: the runs that have the tag, in the order of the columns of ``aligned``.
        aligned: their values beside each other.
        relative_times: float64[s], the mean of the seconds since each run's first point; NaN where
            a log has no such time.
        begin: when the first of them began, seconds since the epoch; 0 where nothing tells.
        columns: name of a statistic -> float64[s].
    """

    group: str
    tag: str
    runs: tuple[str, ...]
    aligned: Aligned
    relative_times: Doubles
    begin: float
    columns: Mapping[str, Doubles]

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """The steps, ascending, int64[s]."""
        return self.aligned.at

    @property
    def count(self) -> npt.NDArray[np.int64]:
        """How many runs have a value at each step, int64[s]."""
        return self.aligned.count

    def __repr__(self) -> str:
        what = f"{self.tag!r} of group {self.group!r}"
        return f"<ReducedSeries {what}: {len(self)} steps of {len(self.runs)} runs>"


class Reduction:
    """Statistics by group, tag and step. Made by `tbio.reduce`.

    Attributes:
        groups: group -> its runs.
        series: a `ReducedSeries` for each group and tag that have a step in common.
        statistics: the names of the statistics, without those of the intervals.
        ungrouped: the runs that belong to no group.
        unusable: (run, tag) of series of complex numbers, which are left out.
        duplicates: points that gave way to a later one of the same run, tag and step.
    """

    def __init__(
        self,
        groups: Mapping[str, Sequence[str]],
        series: Sequence[ReducedSeries],
        statistics: Sequence[Statistic],
        ungrouped: Sequence[str] = (),
        unusable: Sequence[tuple[str, str]] = (),
        duplicates: int = 0,
    ) -> None:
        self.groups = {group: tuple(runs) for group, runs in groups.items()}
        self.series = tuple(series)
        self.statistics = tuple(statistics)
        self.ungrouped = tuple(ungrouped)
        self.unusable = tuple(unusable)
        self.duplicates = duplicates

    def __len__(self) -> int:
        return sum(map(len, self.series))

    def __repr__(self) -> str:
        _, _, rows = repr(self.table).partition("\n")
        runs = sum(map(len, self.groups.values()))
        return f"<Reduction: {len(self)} rows, {len(self.groups)} groups of {runs} runs>\n{rows}"

    @cached_property
    def table(self) -> Table:
        """One row for each group, tag and step.

        Columns: group, tag, step, relative_time (the mean of the runs' seconds since their first
        point), count (of runs), and one for each statistic; an interval has two, such as mean_low
        and mean_high.
        """
        lengths = list(map(len, self.series))
        none, no_steps = np.empty(0), np.empty(0, np.int64)
        every = self.series
        names = [name for name in (every[0].columns if every else ()) if name != "count"]
        columns = {
            "group": np.repeat(_texts([one.group for one in every]), lengths),
            "tag": np.repeat(_texts([one.tag for one in every]), lengths),
            "step": np.concatenate([no_steps, *(one.steps for one in every)]),
            "relative_time": np.concatenate([none, *(one.relative_times for one in every)]),
            "count": np.concatenate([no_steps, *(one.count for one in every)]),
        }
        for name in names:
            columns[name] = np.concatenate([none, *(one.columns[name] for one in every)])
        return Table(columns)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a pandas DataFrame."""
        return self.table.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The table as a polars DataFrame."""
        return self.table.to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """The table as a pyarrow Table."""
        return self.table.to_arrow()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def write(self, destination: str | os.PathLike[str], *, layout: Layout = "runs") -> list[str]:
        """Write event files that TensorBoard shows; the names of the runs in them.

        "runs" makes the runs ``<group>/<statistic>``, with the tags as they were, and for a mean
        with a std also ``mean+std`` and ``mean-std``, as tensorboard-reducer does. "tags" makes the
        runs ``<group>`` with the tags ``<tag>/<statistic>``. Values are float32, the only scalars
        that all of TensorBoard shows; what is not known (the std of a single value) is left out.
        The wall time of a step is the mean time that the runs took to it, counted from when the
        first run began.

        The folder takes its name when it is complete, and no group leads out of it; see
        `tbio.curves.write_runs`.

        Args:
            destination: a folder on a local disk, which must not exist or be empty.

        Raises:
            FileExistsError: there is something in ``destination``.
            ValueError: another layout; a URL; there is nothing to write.
            OSError: the folder cannot be written to.
        """
        if layout not in get_args(Layout):
            raise ValueError(f"layout: want one of {', '.join(get_args(Layout))}, got {layout!r}")
        return list(write_runs(destination, self._runs(layout)))

    def _runs(self, layout: Layout) -> dict[str, list[Curve]]:
        runs: dict[str, list[Curve]] = {}
        for one in self.series:
            times = one.begin + one.relative_times
            times[~np.isfinite(times)] = one.begin
            for statistic, values in _curves(one, with_bands=layout == "runs"):
                known = one.count >= 2 if _needs_several(statistic) else one.count >= 0
                run, tag = one.group, f"{one.tag}/{statistic}"
                if layout == "runs":
                    run = statistic if one.group == "." else f"{one.group}/{statistic}"
                    tag = one.tag
                if known.any():
                    curve = Curve(tag, one.steps[known], times[known], values[known])
                    runs.setdefault(run, []).append(curve)
        return runs


def _curves(one: ReducedSeries, with_bands: bool) -> Iterator[tuple[str, Doubles]]:
    columns = one.columns
    yield from columns.items()
    if with_bands and {"mean", "std"} <= set(columns):
        yield "mean+std", columns["mean"] + columns["std"]
        yield "mean-std", columns["mean"] - columns["std"]


def _needs_several(statistic: str) -> bool:
    return statistic in OF_SEVERAL or statistic.endswith(("_low", "_high", "+std", "-std"))


def _texts(names: Sequence[str]) -> npt.NDArray[Any]:
    cells = np.empty(len(names), object)
    cells[:] = names
    return cells


def reduce(
    logs: LogDir,
    statistics: Statistic | Sequence[Statistic] = ("mean", "std"),
    *,
    group: Grouping = "folder",
    hparams: Sequence[str] = (),
    align: Align = "exact",
    width: float | None = None,
    min_runs: int | Literal["all"] = 1,
    nan: NanRule = "omit",
    interval: Centre | None = None,
    level: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Reduction:
    """Statistics across the runs of each group, by tag and step.

    What stands in the way of an average has a rule:

    * Steps that differ, and runs of different lengths: ``align`` and ``min_runs``; the column
      ``count`` always says how many runs a row is made of.
    * A tag that only some runs of a group have: the statistics are of those.
    * Several points of one run at one step: the last counts, and `Reduction.duplicates` how many
      gave way; `tbio.open` has ``duplicates="first"`` and ``"mean"``.
    * Restarted runs: what a restart made void is left out by the rules of `tbio.open`.
    * NaN: ``nan``. Infinities are values like others; complex numbers are left out and told of.

    Args:
        logs: what to reduce; the selection of `tbio.open` is the selection here.
        statistics: of "mean", "median", "std" (of a sample, ``ddof=1``), "stderr", "iqm", "min",
            "max", "count"; see `tbio.aggregates.Statistic`.
        group: which runs belong together: by default those of one folder; "all"; a regex whose
            parentheses find the group's name; see `tbio.groups.Grouping`.
        hparams: names of hyperparameters, in place of ``group``: runs that were started with equal
            values belong together; see `tbio.groups.grouped_by_hparams`.
        align: steps that differ: "exact" takes each as it is, "interpolate" draws straight lines,
            "bin" takes stretches of ``width`` steps together; see `tbio.aggregates.align`.
        width: of the bins, or between the steps to interpolate at.
        min_runs: leave out steps at which fewer runs have a value; "all" for those of the group
            that have the tag.
        nan: "omit" takes a NaN as if it had not been logged, "propagate" makes every statistic of
            its step NaN.
        interval: a bootstrap interval of the "mean", "median" or "iqm", in two more columns; see
            `tbio.aggregates.Aligned.interval`.
        level, resamples, seed: of the interval.

    Raises:
        NotFoundError: no session has such a hyperparameter.
        TypeError, ValueError: an argument that is none of these; no run belongs to a group.

    >>> import tbio
    >>> reduction = tbio.reduce(tbio.open("tests/golden/digits", tags="loss"), ["mean", "max"])
    >>> list(reduction.table)[-1]
    {'group': '.', 'tag': 'loss', 'step': 19, 'relative_time': 47.5, 'count': 2,
     'mean': 1.1673260927200317, 'max': 1.213307499885559}
    """
    names = [statistics] if isinstance(statistics, str) else list(dict.fromkeys(statistics))
    for name in names:
        if name not in STATISTICS:
            raise ValueError(f"statistics: want some of {', '.join(STATISTICS)}, got {name!r}")
    if nan not in get_args(NanRule):
        raise ValueError(f"nan: want one of {', '.join(get_args(NanRule))}, got {nan!r}")
    if interval is not None:
        aggregates.check_interval(interval, level, resamples, seed)
    if not names and interval is None:
        raise ValueError("statistics: want at least one")
    if min_runs != "all" and (isinstance(min_runs, str) or min_runs < 1):
        raise ValueError(f'min_runs: want a number from 1 or "all", got {min_runs!r}')
    if hparams and group != "folder":
        raise ValueError("want either group or hparams")
    logs.scalar_table()  # reads the runs together
    groups = grouped_by_hparams(logs, hparams) if hparams else grouped(logs, group)
    found, unusable, duplicates = [], [], 0
    for group_name, runs in groups.items():
        for tag in sorted({tag for run in runs for tag in logs[run].scalars}):
            every = [logs[run].scalars[tag] for run in runs if tag in logs[run].scalars]
            unusable += [(one.run, tag) for one in every if np.iscomplexobj(one.values)]
            series = [one for one in every if len(one) and not np.iscomplexobj(one.values)]
            duplicates += sum(len(one) - len(np.unique(one.steps)) for one in series)
            fewest = len(series) if min_runs == "all" else min_runs
            values, times = (one.at_least(fewest) for one in _beside(series, align, width, nan))
            if not len(values):
                continue
            columns: dict[str, Doubles] = {name: values.statistic(name) for name in names}
            if interval is not None:
                columns[f"{interval}_low"], columns[f"{interval}_high"] = values.interval(
                    interval, level=level, resamples=resamples, seed=seed
                )
            begins = [one.wall_times[0].item() for one in series]
            found.append(
                ReducedSeries(
                    group=group_name,
                    tag=tag,
                    runs=tuple(one.run for one in series),
                    aligned=values,
                    relative_times=times.statistic("mean"),
                    begin=min(filter(math.isfinite, begins), default=0.0),
                    columns=columns,
                )
            )
    in_groups = {run for runs in groups.values() for run in runs}
    ungrouped = [run for run in logs if run not in in_groups]
    return Reduction(groups, found, names, ungrouped, unusable, duplicates)


def _beside(
    series: Sequence[ScalarSeries], how: Align, width: float | None, nan: NanRule
) -> tuple[Aligned, Aligned]:
    """The runs' values beside each other, and their relative times at the same places."""
    values, times = [], []
    for one in series:
        numbers = one.values.astype(np.float64)
        kept = np.ones(len(one), bool) if nan == "propagate" else ~np.isnan(numbers)
        values.append((one.steps[kept], numbers[kept]))
        times.append((one.steps[kept], one.relative_times[kept]))
    return (
        aggregates.align(values, how, width=width, nan="propagate"),
        aggregates.align(times, how, width=width, nan="propagate"),
    )
