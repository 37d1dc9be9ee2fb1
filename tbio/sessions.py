"""Sessions: one tidy row for each run that was started with hyperparameters.

A *session* is a run with a session start (tensorboard/plugins/hparams/backend_context.py). Its
metrics are the scalars of its own run, and those of the runs below it that have no session nearer
to them: Keras has them in ``train`` and ``validation``. A metric of a run below has the path to it
in its name, ``validation/epoch_loss``. Two things go beyond TensorBoard:

* every scalar is a metric, not only those that the experiment of some run lists; and the session
  of the log folder itself, ``"."``, has the runs below it like any other.
* ``add_hparams`` of torch and tensorboardX makes a run of its own, below that of the training and
  named by ``time.time()``. Such a session is joined to its parent. It has the parent's scalars as
  its metrics too if it is the only one there: of several nobody can tell which was which.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np

from tbio import optimum
from tbio.errors import DecodeError, TbioError, TbioWarning
from tbio.kinds.hparams import RunHParams
from tbio.selection import matcher
from tbio.series import ScalarSeries
from tbio.tables import Table, column

#: Which end of a metric is the good one.
Mode: TypeAlias = Literal["min", "max"]

#: What ``str(time.time())`` gives, and has given since 2001.
_TIME_NAME = re.compile(r"[0-9]{10}\.[0-9]{1,9}")

#: A table may have so many cells of metrics, whatever is in them, and so many for each series.
_MOST_CELLS, _CELLS_A_METRIC = 1 << 21, 64
_STATISTICS = ("last", "best", "min", "max")


class RunLike(Protocol):
    """What `sessions` wants to know of a run."""

    @property
    def hparams(self) -> RunHParams | None:
        """What the run says of hyperparameters, or None."""

    @property
    def scalars(self) -> Mapping[str, ScalarSeries]:
        """Tag -> series."""

    @property
    def first_time(self) -> float | None:
        """The wall time of the first event; None or NaN where there is none."""

    @property
    def last_time(self) -> float | None:
        """The wall time of the last event; None or NaN where there is none."""


def sessions(
    runs: Mapping[str, RunLike], modes: Mapping[str, Mode] | None = None, *, all_runs: bool = False
) -> Table:
    """One row for each session, in the order of the runs, with these columns:

    * ``run``: the run's name; for a session that is joined to its parent, the parent's.
    * ``session``: the run that holds the hyperparameters; most often the same.
    * ``group``: the group that the session says it belongs to, if any.
    * ``status``: "success", "failure", "running", or "unknown" for one without an end.
    * ``start_time``, ``end_time``: seconds since the epoch as the session says, else the wall time
      of the first and last event of its runs; the latter always for one that has its parent's
      scalars, since it was written when the training was over.
    * ``duration``: seconds between those.
    * each hyperparameter by its name, sorted. One of the name of another column has ``hparam:``
      put in front. Types are those of `tbio.tables.column`: a hyperparameter that is a number in
      one run and text in another makes a column of objects.
    * for each metric, by group and tag: ``<metric>.last``, ``.last_step``, ``.best``,
      ``.best_step``, ``.min``, ``.min_step``, ``.max``, ``.max_step``. A tag ``a/b`` and a tag
      ``b`` in the run ``a`` below have the same name: then the latter is ``metric:a/b``. The last
      is the value that was logged last, NaN or not; the others are of finite values, the first one
      of equals. A tag that both a joined session and its parent have is the session's own.

    What is not known is missing. A run whose hyperparameters cannot be decoded is warned of, and
    counts as one without.

    Args:
        runs: name -> run, such as a `LogDir`.
        modes: glob of metric names -> "min" or "max": which of the values is ``.best``; the first
            that matches counts. Where none does, the words of the tag tell
            (`tbio.optimum.mode_of`): the least loss, the greatest accuracy. Where they do not, it
            is missing.
        all_runs: also a row for each run that belongs to no session.

    Raises:
        TypeError, ValueError: ``modes`` that are none.
    """
    mode_of = _mode_of(modes or {})
    rows = _rows(runs, all_runs)
    metrics = _metrics(rows, mode_of)
    taken = {*_FIXED, *metrics}
    hparams: dict[str, list[Any]] = {}
    for name in sorted({name for row in rows for name in row.values}):
        cells = [row.values.get(name) for row in rows]
        while name in taken:
            name = f"hparam:{name}"
        taken.add(name)
        hparams[name] = cells
    return Table(
        {
            **{
                name: column([getattr(row, name) for row in rows], empty)
                for name, empty in _FIXED.items()
            },
            **{name: column(cells) for name, cells in hparams.items()},
            **{
                name: column(cells, np.int64 if name.endswith("_step") else np.float64)
                for name, cells in metrics.items()
            },
        }
    )


#: The columns that are always there, and the dtype of one in which nothing is known.
_FIXED: dict[str, Any] = {
    "run": object,
    "session": object,
    "group": object,
    "status": object,
    "start_time": np.float64,
    "end_time": np.float64,
    "duration": np.float64,
}


@dataclass
class _Row:
    """A session, or a run without one."""

    run: str
    session: str
    info: RunHParams
    alone_below_parent: bool = False
    #: The runs whose scalars it has, by the path to them; its own first.
    members: list[tuple[str, RunLike]] = field(default_factory=list)

    @property
    def values(self) -> Mapping[str, Any]:
        return self.info.values

    @property
    def group(self) -> str | None:
        return self.info.group_name or None

    @property
    def status(self) -> str | None:
        return self.info.status if self.info.start or self.info.end else None

    @property
    def start_time(self) -> float | None:
        said = None if self.alone_below_parent else self.info.start_time
        return said or min(_known(run.first_time for _, run in self.members), default=None)

    @property
    def end_time(self) -> float | None:
        said = None if self.alone_below_parent else self.info.end_time
        return said or max(_known(run.last_time for _, run in self.members), default=None)

    @property
    def duration(self) -> float | None:
        start, end = self.start_time, self.end_time
        return None if start is None or end is None else end - start

    def series(self) -> dict[tuple[str, str], ScalarSeries]:
        """Group and tag -> series."""
        found: dict[tuple[str, str], ScalarSeries] = {}
        for group, run in self.members:
            for tag, series in run.scalars.items():
                if len(series):
                    found.setdefault((group, tag), series)
        return found


def _known(times: Iterable[float | None]) -> Iterator[float]:
    return (time for time in times if time is not None and math.isfinite(time))


def _rows(runs: Mapping[str, RunLike], all_runs: bool) -> list[_Row]:
    infos = {name: _hparams(name, run) for name, run in runs.items()}
    rows = {name: _Row(name, name, info) for name, info in infos.items() if info.start}
    owners = dict(rows)  # run -> the row that it and the runs below it belong to
    children: dict[str, list[_Row]] = {}
    for name, row in rows.items():
        parent = _trained_in(name, row.info)
        if parent in runs:
            row.run = parent
            children.setdefault(parent, []).append(row)
    for parent, below in children.items():
        if len(below) == 1 and parent not in rows:
            owners[parent] = below[0]
            below[0].alone_below_parent = True
    for name, run in runs.items():
        at = next((above for above in _upwards(name) if above in owners), None)
        if at is not None:
            group = name if at == "." != name else name[len(at) + 1 :]
            # Its own run goes first, before that of a parent.
            members = owners[at].members
            members.insert(0 if name == owners[at].session else len(members), (group, run))
        elif all_runs:
            rows[name] = _Row(name, name, infos[name], members=[("", run)])
    return [rows[name] for name in runs if name in rows]


def _hparams(name: str, run: RunLike) -> RunHParams:
    try:
        return run.hparams or RunHParams()
    except DecodeError as error:
        what = f"run {name!r}: its hyperparameters are left out: {error.tag}: {error.what}"
        warnings.warn(what, TbioWarning, stacklevel=4)
        return RunHParams()


def _trained_in(name: str, info: RunHParams) -> str:
    """The run that a session of torch or tensorboardX belongs to by its name; "" for others."""
    above, _, last = name.rpartition("/")
    # They write all three at once; a whole training in a folder of such a name does not.
    if _TIME_NAME.fullmatch(last) and info.start and info.end and info.experiment:
        return above or "."
    return ""


def _upwards(name: str) -> Iterator[str]:
    """A run's name, and those of the folders above it up to that of the log folder."""
    yield name
    above = name
    while "/" in above:
        above = above.rpartition("/")[0]
        yield above
    if name != "." and not name.startswith(("/", "..")):
        yield "."


def _mode_of(modes: Mapping[str, Mode]) -> Callable[[str, str], Mode | None]:
    """What tells the mode of a metric by its name and tag."""
    wanted = [(matcher(glob, "modes"), mode) for glob, mode in modes.items()]
    for glob, mode in modes.items():
        if mode not in get_args(Mode):
            raise ValueError(f'modes: want "min" or "max" for {glob!r}, got {mode!r}')

    def mode_of(name: str, tag: str) -> Mode | None:
        for matches, mode in wanted:
            if matches(name):
                return mode
        try:
            return optimum.mode_of(tag)
        except ValueError:  # the tag does not tell
            return None

    return mode_of


def _metrics(rows: list[_Row], mode_of: Callable[[str, str], Mode | None]) -> dict[str, list[Any]]:
    """The columns of the metrics: name -> a cell for each row."""
    found = [row.series() for row in rows]
    columns: dict[str, list[Any]] = {}
    taken: set[str] = set()
    names = sorted({key for series in found for key in series})
    points = sum(map(len, found))
    if len(names) * len(rows) > max(_MOST_CELLS, _CELLS_A_METRIC * points):
        raise TbioError(
            f"{len(names):,} metrics of {len(rows):,} runs, of which each has few: ask for some, "
            "by tags="
        )
    for group, tag in names:
        name = f"{group}/{tag}" if group else tag
        while name in taken:
            name = f"metric:{name}"
        taken.add(name)
        mode = mode_of(name, tag)
        cells: dict[str, list[Any]] = {
            f"{name}.{one}{what}": [None] * len(rows)
            for one in _STATISTICS
            for what in ("", "_step")
        }
        for at, series in enumerate(found):
            if (group, tag) in series:
                one = series[group, tag]
                for statistic, place in _places(one, mode).items():
                    cells[f"{name}.{statistic}"][at] = one.values[place]
                    cells[f"{name}.{statistic}_step"][at] = one.steps[place]
        columns |= cells
    return columns


def _places(series: ScalarSeries, mode: Mode | None) -> dict[str, int]:
    """Where in a series each statistic stands, for those that there are."""
    places = {"last": len(series) - 1}
    values = series.values
    if values.dtype.kind == "c":  # which have no order
        return places
    finite = np.flatnonzero(np.isfinite(values.astype(np.float64)))
    if len(finite):
        values = values[finite]  # in their own dtype: integers of 64 bits are compared exactly
        places["min"] = int(finite[values.argmin()])
        places["max"] = int(finite[values.argmax()])
        if mode is not None:
            places["best"] = places[mode]
    return places
