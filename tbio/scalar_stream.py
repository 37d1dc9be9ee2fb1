"""ScalarStream: every scalar of a log folder in batches of rows, for logs that exceed memory.

The rows are those of `LogDir.scalar_table`, in its order: run by run, tag by tag, as logged. A
series is all that is needed at a time, but the file has it mingled with the others, so what bounds
the memory is how many are read together. *Small* runs, whose files fit the bound, are read in lots
and dropped when their rows were given out. Any other run is read in slices: should what they leave
exceed the bound, it is dropped, and the rest only weighed, tag by tag. Then the run is read again
for each group of tags that fits.
"""

from __future__ import annotations

import errno
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tbio import bulk
from tbio.columns import FileColumns, Wanted
from tbio.extras import require
from tbio.rules import Rules
from tbio.run import Run, RunReport
from tbio.selection import StepRange
from tbio.series import ScalarSeries, joined
from tbio.storage import ByteStream, File, FileState
from tbio.tables import ScalarTable, texts_of

if TYPE_CHECKING:
    import pyarrow

#: A run that exceeds the bound is read in slices of this part of it, and at least so many bytes.
_SLICES, _LEAST_SLICE = 4, 512
#: Bytes a point: of a scalar in its columns and in the series joined from them, and of a place.
_SCALAR_BYTES, _PLACE_BYTES = 48, 40


class ValueTypeError(TypeError):
    """Values that the value column of a stream does not hold exactly.

    Attributes:
        dtype: one that does.
    """

    def __init__(self, series: ScalarSeries, dtype: np.dtype[Any], wider: np.dtype[Any]) -> None:
        super().__init__(
            f"run {series.run!r}, tag {series.tag!r}: {series.values.dtype} values, which {dtype} "
            f"does not hold exactly; want a stream of dtype={str(wider)!r}"
        )
        self.dtype = wider


class ScalarBatch:
    """Some rows of scalars in long form.

    Attributes:
        table: the same rows as a `ScalarTable`, with every value as it was logged.
        dtype: of ``value``, the same in all batches of a stream.
    """

    def __init__(self, series: Iterable[ScalarSeries], dtype: npt.DTypeLike) -> None:
        self.table = ScalarTable(series)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        for one in self.table.series:
            wider = joined([np.empty(0, self.dtype), one.values], self.dtype).dtype
            if wider != self.dtype:
                raise ValueTypeError(one, self.dtype, wider)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<ScalarBatch: {len(self)} rows>"

    @property
    def run(self) -> npt.NDArray[Any]:
        """The run's name of each row, object[n] of ``str``."""
        return self.table.run

    @property
    def tag(self) -> npt.NDArray[Any]:
        """The tag of each row, object[n] of ``str``."""
        return self.table.tag

    @property
    def step(self) -> npt.NDArray[np.int64]:
        """The step of each row, int64[n]."""
        return self.table.step

    @property
    def wall_time(self) -> npt.NDArray[np.float64]:
        """Seconds since the epoch, UTC, of each row, float64[n]."""
        return self.table.wall_time

    @cached_property
    def value(self) -> npt.NDArray[Any]:
        """The value of each row, in the stream's dtype[n]."""
        empty = np.empty(0, self.dtype)
        return joined([empty, *(series.values for series in self.table.series)], self.dtype)

    def to_arrow(self) -> pyarrow.RecordBatch:
        """The rows as a pyarrow RecordBatch of the stream's schema.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        pa = require("pyarrow")
        columns = []
        for names in (
            [series.run for series in self.table.series],
            [series.tag for series in self.table.series],
        ):
            distinct, codes = self.table.codes(names)
            columns.append(pa.array(distinct, pa.string()).take(pa.array(codes)))
        texts = texts_of(self.value)
        columns += [pa.array(self.step), pa.array(self.wall_time)]
        columns.append(pa.array(self.value) if texts is None else pa.array(texts, pa.string()))
        return pa.record_batch(columns, schema=_schema(self.dtype))

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        """The Arrow C array of `to_arrow`, for libraries that take such as they are."""
        return self.to_arrow().__arrow_c_array__(requested_schema)


def _schema(dtype: np.dtype[Any]) -> pyarrow.Schema:
    pa = require("pyarrow")
    value = pa.string() if dtype.kind in "OcSU" else pa.from_numpy_dtype(dtype)
    return pa.schema(
        {
            "run": pa.string(),
            "tag": pa.string(),
            "step": pa.int64(),
            "wall_time": pa.float64(),
            "value": value,
        }
    )


@dataclass(frozen=True)
class StoredRun:
    """A run as the stream finds it.

    Attributes:
        run: as the `LogDir` has it.
        files: its event files.
        is_read: whether it has been read, at least some of it, and so stays in memory.
    """

    run: Run
    files: Sequence[File]
    is_read: bool


@dataclass(frozen=True, eq=False, repr=False)
class ScalarStream(Iterable[ScalarBatch]):
    """Every scalar of a `LogDir` in batches; made by `LogDir.iter_scalars`, which see.

    Each iteration reads the logs anew, but for what the `LogDir` had read before. Damage is told of
    by the first one only. As an Arrow stream (``__arrow_c_stream__``) it has the columns run and
    tag (string: a dictionary could not be the same in all batches), step (int64), wall_time
    (float64) and value.

    Attributes:
        stored: the runs, in the order of the rows.
        wanted: what is to be kept of their files.
        rules: what of the points is shown.
        steps: the steps to show, or all of them.
        dtype: of the value column.
        batch_rows: rows of each batch but the last.
        memory: about how many bytes the points of runs that are read together may take.
        reports: run -> `RunReport`, of those whose rows were all given out.
        told: the runs whose damage was told of.
        progress: called with the name of each run that got a report, once.
    """

    stored: Sequence[StoredRun]
    wanted: Wanted
    rules: Rules
    steps: StepRange | None
    dtype: np.dtype[Any]
    batch_rows: int
    memory: int
    reports: dict[str, RunReport] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    progress: Callable[[str], None] | None = None

    def __repr__(self) -> str:
        return f"<ScalarStream of {len(self.stored)} runs, {self.batch_rows} rows a batch>"

    def __iter__(self) -> Iterator[ScalarBatch]:
        for pieces in self.pieces():
            yield ScalarBatch(pieces, self.dtype)

    def pieces(self) -> Iterator[list[ScalarSeries]]:
        """The rows of each batch as pieces of series, with their values in the dtype of the log."""
        held: list[ScalarSeries] = []
        room = self.batch_rows
        for series in self.series():
            at = 0
            while at < len(series):
                held.append(series[at : at + room])
                at += len(held[-1])
                room -= len(held[-1])
                if not room:
                    yield held
                    held, room = [], self.batch_rows
        if held:
            yield held

    @property
    def schema(self) -> pyarrow.Schema:
        """The Arrow schema of all batches.

        Raises:
            MissingExtraError: pyarrow is not installed.
        """
        return _schema(self.dtype)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The Arrow C stream of a new iteration, for libraries that take such as they are."""
        batches = (batch.to_arrow() for batch in self)
        reader = require("pyarrow").RecordBatchReader.from_batches(self.schema, batches)
        return reader.__arrow_c_stream__(requested_schema)

    def series(self) -> Iterator[ScalarSeries]:
        """The same points, each series as a whole, with its values in the dtype of the log."""
        for lot, size in self._lots():
            if size > self.memory:
                yield from self._in_slices(lot[0])
                continue
            runs = deque(one.run if one.is_read else self._opened(one) for one in lot)
            Run.read_together(runs)
            self.told.update(run.name for run in runs)
            while runs:
                yield from self._whole(runs.popleft())

    def _lots(self) -> Iterator[tuple[list[StoredRun], int]]:
        """Runs that are read together, and the bytes to be read; a run of too many by itself."""
        lot: list[StoredRun] = []
        total = 0
        for one in self.stored:
            sizes = [] if one.is_read else list(map(_size, one.files))
            if None in sizes:  # a stream, which can be read once only: the `LogDir` keeps it
                one, sizes = replace(one, is_read=True), []
            size = sum(filter(None, sizes))
            if lot and total + size > self.memory:
                yield lot, total
                lot, total = [], 0
            lot.append(one)
            total += size
        if lot:
            yield lot, total

    def _opened(self, one: StoredRun) -> Run:
        """The run, to be read anew."""
        return self._run_of(
            one, [FileColumns(file, self._quiet_if_told(one)) for file in one.files]
        )

    def _quiet_if_told(self, one: StoredRun) -> Wanted:
        quiet = self.wanted.on_damage == "warn" and one.run.name in self.told
        return replace(self.wanted, on_damage="ignore") if quiet else self.wanted

    def _run_of(self, one: StoredRun, columns: Sequence[FileColumns]) -> Run:
        return Run(one.run.name, columns, self.wanted, self.rules, self.wanted.kinds, self.steps)

    def _whole(self, run: Run) -> Iterator[ScalarSeries]:
        yield from run.scalars.values()
        self._done(run.name, run.report)

    def _done(self, name: str, report: RunReport) -> None:
        is_news = name not in self.reports
        self.reports[name] = report
        if is_news and self.progress is not None:
            self.progress(name)

    # ------------------------------------------------------------------ runs of many bytes

    def _in_slices(self, one: StoredRun) -> Iterator[ScalarSeries]:
        files = [_Slices(file, max(self.memory // _SLICES, _LEAST_SLICE)) for file in one.files]
        wanted = self._quiet_if_told(one)
        columns = [FileColumns(file, wanted) for file in files]
        weights = self._weigh(columns, files)
        self.told.add(one.run.name)
        if not weights:
            run = self._run_of(one, columns)
            run.note_read()
            yield from self._whole(run)
            return
        del columns
        groups = list(_groups(weights, self.memory))
        whole = RunReport()
        for at, tags in enumerate(groups):
            # What has no points may still have problems: that goes with the first group.
            wants = (
                tags.__contains__ if at else _neither(frozenset().union(*groups[1:]), wanted.tag)
            )
            part = replace(self._quiet_if_told(one), tag=wants)
            run = self._run_of(one, [FileColumns(file, part) for file in files])
            yield from run.scalars.values()
            whole = _merged(whole, run.report, tags if at else None)
        self._done(one.run.name, whole)

    def _weigh(self, columns: Sequence[FileColumns], files: Sequence[_Slices]) -> Counter[str]:
        """Read every file to its end: what the points of each tag weigh, if that is too much.

        What was too much is gone from the columns then.
        """
        weights: Counter[str] = Counter()
        for one, file in zip(columns, files, strict=True):
            more = True
            while more:
                more = file.grow()
                bulk.read([one])
                kept = sum((_weight(each) for each in columns), Counter()) if not weights else None
                if kept is not None and kept.total() <= self.memory:
                    continue
                weights += kept if kept is not None else _weight(one)
                for each in columns:
                    each.scalars.clear()
                    each.assumed.clear()
                    each.places.clear()
        return weights


def _size(file: File) -> int | None:
    try:
        return file.state().size
    except OSError:  # it will be told of when it is read
        return 0


def _weight(columns: FileColumns) -> Counter[str]:
    """Tag -> about how many bytes its points take."""
    weights: Counter[str] = Counter()
    for tag, scalars in columns.scalars.items():
        weights[tag] += len(scalars) * _SCALAR_BYTES
    for tag, assumed in columns.assumed.items():
        weights[tag] += len(assumed) * _PLACE_BYTES
    for (_, tag), places in columns.places.items():
        weights[tag] += len(places) * _PLACE_BYTES
    return weights


def _groups(weights: Counter[str], most: int) -> Iterator[frozenset[str]]:
    """The tags in order, as many at once as weigh no more than that together."""
    group: set[str] = set()
    total = 0
    for tag in sorted(weights):
        if group and total + weights[tag] > most:
            yield frozenset(group)
            group, total = set(), 0
        group.add(tag)
        total += weights[tag]
    if group:
        yield frozenset(group)


def _neither(others: frozenset[str], wants: Callable[[str], bool]) -> Callable[[str], bool]:
    return lambda tag: tag not in others and wants(tag)


def _merged(whole: RunReport, part: RunReport, tags: frozenset[str] | None) -> RunReport:
    """The report of a run that was read for some tags after others; None for the first time."""
    problems = [one for one in part.problems if tags is None or one.tag in tags]
    # What could not be read for some tags may have been read for others.
    errors = [file.error for file in whole.files] or [""] * len(part.files)
    return RunReport(
        [replace(file, error=file.error or e) for file, e in zip(part.files, errors, strict=True)],
        whole.problems + problems,
        whole.hidden | part.hidden,
        whole.superseded + part.superseded,
    )


class _Slices(File):
    """A file of which more and more is shown, up to the size that it had in the beginning."""

    def __init__(self, file: File, size: int) -> None:
        self.name = file.name
        self._file = file
        self._size = size
        self._shown = 0
        self._first: FileState | OSError
        try:
            self._first = file.state()
        except OSError as error:
            self._first = error

    @property
    def _end(self) -> int:
        return 0 if isinstance(self._first, OSError) else self._first.size or 0

    def grow(self) -> bool:
        """Show another slice; whether there is more."""
        self._shown = min(self._shown + self._size, self._end)
        return self._shown < self._end

    def open(self) -> ByteStream:
        return self._file.open()

    def state(self) -> FileState:
        if isinstance(self._first, OSError):  # how much is to be shown is not known
            raise self._first
        state = self._file.state()
        if state.size is None:
            return state
        has_grown = state.identity == self._first.identity and state.size > self._end
        if not has_grown and state != self._first:
            raise OSError(errno.ESTALE, "another file has taken its place", self.name)
        return state._replace(size=min(state.size, self._shown))
