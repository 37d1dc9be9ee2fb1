"""LogDir: the runs below a log folder, found by name and read when they are asked for.

A run is a folder that directly holds an event file; its name is the folder's path from the log
folder on, ``"."`` for that itself (tensorboard/data/server/logdir.rs and
backend/event_processing/plugin_event_multiplexer.py agree).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import posixpath
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tbio import following, notebook, projector
from tbio.columns import Wanted
from tbio.errors import DecodeError, RunNotFoundError, TbioWarning
from tbio.event_file import EventFileReader, is_event_file
from tbio.following import NewPoint
from tbio.kinds import layout
from tbio.kinds.layout import Layout
from tbio.lock import Lock
from tbio.names import count_of
from tbio.projector import Embedding
from tbio.proto.event_pb2 import Event
from tbio.readahead import Readahead
from tbio.record_file import (
    OnDamage,
    RecordFileReader,
    Unverified,
    check_on_damage,
    check_unverified,
)
from tbio.rules import Duplicates, Order, Restarts, Rules
from tbio.run import Run, TagInfo
from tbio.scalar_stream import ScalarStream, StoredRun
from tbio.selection import Selection, StepRange, Steps, kind_set, matcher, step_range
from tbio.sessions import Mode, sessions
from tbio.storage import (
    File,
    LocalFile,
    ObjectFile,
    file_at,
    inside,
    is_inside,
    is_url,
    split,
    walk,
)
from tbio.tables import ScalarTable, Table

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

#: Where one log is: a folder, an event file, a URL of an fsspec file system, a binary file object.
OneSource: TypeAlias = str | os.PathLike[str] | BinaryIO
#: One of those, a list of them, or names for them.
Source: TypeAlias = OneSource | Iterable[OneSource] | Mapping[str, OneSource]


def open_logdir(
    source: Source,
    *,
    runs: Selection = None,
    tags: Selection = None,
    kinds: str | Iterable[str] | None = None,
    steps: Steps = None,
    restarts: Restarts = "session",
    duplicates: Duplicates = "keep",
    order: Order = "name",
    on_damage: OnDamage = "warn",
    unverified: Unverified = "skip",
) -> LogDir:
    """The runs of a log folder, of any writer; nothing is read before it is asked for.

    Args:
        source: a folder (every run below it), one event file, a URL of an fsspec file system, a
            binary file object, a list of those (named by their paths), or a mapping name -> source.
        runs, tags: a glob, a compiled regex, a list of those, or a callable; see
            `tbio.selection.matcher`. The files of other runs are never opened.
        kinds: "scalars", "images", ...; see `tbio.plugins.KINDS`.
        steps: an int, a range or a slice: ``slice(100, 200)``, ``slice(None, None, 10)``.
        restarts: "session" leaves out what a resumed run asked to discard, "keep" shows every point
            that was logged, "tensorboard" and "rustboard" show what TensorBoard's Python back end
            and its data server leave; see `tbio.rules.Restarts`. What is hidden is counted in
            `Run.report`, and `LogDir.with_rules` shows it.
        duplicates: several points of one step: "keep" them all, the "first", the "last", or the
            "mean" of scalars (the other kinds keep them all then).
        order: the files of a run follow each other by "name", as in TensorBoard, or are merged by
            "time".
        on_damage: damaged bytes are passed over, and counted in the report: with a warning for each
            file ("warn") or without one ("ignore"); "raise" raises a `DamageError`. So are files
            and folders that cannot be read (`FileReport.error`, `LogDir.unlisted`), or it raises
            the `OSError`.
        unverified: records of a writer that stores no checksums, or not those of the format, as
            SageMaker's debugger (see `tbio.dialect`): "skip" them, which is damage, or "read" them
            as they are; `FileReport.unverified_records` counts them.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        TypeError, ValueError: an argument that is none of these.

    >>> import tbio
    >>> logs = tbio.open("tests/golden/digits", tags="loss*")
    >>> sorted(logs), logs["train"].scalars["loss"].values[:2]
    (['test', 'train'], array([2.3025851, 2.2027943], dtype=float32))
    """
    check_on_damage(on_damage)
    check_unverified(unverified)
    rules = Rules(restarts, duplicates, order)
    asked = _Asked(
        matcher(runs, "runs"),
        matcher(tags, "tags"),
        kind_set(kinds),
        step_range(steps),
        on_damage,
        unverified,
    )
    return LogDir(_roots(source), asked, rules)


def read_scalars(
    source: Source,
    *,
    runs: Selection = None,
    tags: Selection = None,
    steps: Steps = None,
    restarts: Restarts = "session",
    duplicates: Duplicates = "keep",
    order: Order = "name",
    on_damage: OnDamage = "warn",
    unverified: Unverified = "skip",
) -> ScalarTable:
    """Every scalar of a log folder as one table; the arguments are those of `tbio.open`.

    >>> import tbio
    >>> table = tbio.read_scalars("tests/golden/digits", runs="train", tags="loss")
    >>> len(table), table.step[:3]
    (20, array([0, 1, 2]))
    """
    logs = open_logdir(
        source,
        runs=runs,
        tags=tags,
        kinds="scalars",
        steps=steps,
        restarts=restarts,
        duplicates=duplicates,
        order=order,
        on_damage=on_damage,
        unverified=unverified,
    )
    return logs.scalar_table()


def read_events(
    source: Source, *, on_damage: OnDamage = "warn", unverified: Unverified = "skip"
) -> Iterator[Event]:
    """The events of an event file, or of every event file of a folder, run by run.

    Args:
        source: see `tbio.open`. A single file may have any name.
        on_damage, unverified: see `tbio.open`; a sound record that is no Event is damage here.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        DamageError, OSError: with ``on_damage="raise"``.

    >>> import tbio
    >>> next(tbio.read_events("tests/golden/digits/train")).file_version
    'brain.Event:2'
    """
    for file in _files_of(source, on_damage):
        with _open_to_errors(on_damage):
            for stored in EventFileReader(file, on_damage, unverified).events():
                yield stored.event


def read_records(
    source: Source, *, on_damage: OnDamage = "warn", unverified: Unverified = "skip"
) -> Iterator[bytes]:
    """The payloads of a TFRecord file, or of every event file of a folder, run by run.

    A file that is compressed as a whole (TFRecord's GZIP and ZLIB options, gzip(1)) is read as it
    is.

    Args:
        source: see `tbio.open`. A single file may have any name.
        on_damage, unverified: see `tbio.open`.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        DamageError, OSError: with ``on_damage="raise"``.

    >>> import tbio
    >>> len(next(tbio.read_records("tests/golden/digits/train")))
    32
    """
    for file in _files_of(source, on_damage):
        with _open_to_errors(on_damage):
            for record in RecordFileReader(file, on_damage, unverified).records():
                yield record.payload


def event_files(
    source: Source, on_error: Callable[[OSError], None] | None = None
) -> Iterator[tuple[str, File]]:
    """Run name and event file, for each event file of a source; nothing is opened.

    Args:
        source: see `tbio.open`. A single file may have any name.
        on_error: see `tbio.storage.walk`.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        TypeError, ValueError: no source.
    """
    for root in _roots(source):
        yield from root.files(on_error)


def _files_of(source: Source, on_damage: OnDamage) -> list[File]:
    check_on_damage(on_damage)

    def tell(error: OSError) -> None:
        with _open_to_errors(on_damage):
            raise error

    found = [
        (run, file.name, at, file)
        for root in _roots(source)
        for at, (run, file) in enumerate(root.files(tell))
    ]
    return [file for _, _, _, file in sorted(found, key=lambda item: item[:3])]


@contextlib.contextmanager
def _open_to_errors(on_damage: OnDamage) -> Iterator[None]:
    """Pass over one file or folder that cannot be read, for the sake of the others."""
    try:
        yield
    except OSError as error:
        if on_damage == "raise":
            raise
        if on_damage == "warn":
            warnings.warn(str(error), TbioWarning, stacklevel=4)


@dataclass(frozen=True)
class _Asked:
    """What the caller asked for."""

    run: Callable[[str], bool]
    tag: Callable[[str], bool]
    kinds: frozenset[str]
    steps: StepRange | None
    on_damage: OnDamage
    unverified: Unverified

    def of_files(self, rules: Rules) -> Wanted:
        """What is to be kept of the files, for these rules to be followed."""
        # A point that is not asked for may still make others void in TensorBoard, and where a clock
        # went back it tells the place of those that follow it.
        steps = None if rules.emulates or rules.order == "time" else self.steps
        return Wanted(self.tag, self.kinds, steps, rules.emulates, self.on_damage, self.unverified)


@dataclass(frozen=True)
class _Root:
    """One source: a folder to walk, or a file, and the name that its runs begin with."""

    name: str
    at: str | File

    def files(
        self, on_error: Callable[[OSError], None] | None = None
    ) -> Iterator[tuple[str, File]]:
        """Run name and event file, for each file; sorted by name within a run.

        Args:
            on_error: see `tbio.storage.walk`.
        """
        if isinstance(self.at, File):
            yield self.name, self.at
            return
        for folder, files in walk(self.at, is_event_file, on_error):
            name = self.run_in(folder)
            for file in files:
                yield name, file

    def run_in(self, folder: str) -> str:
        """The name of the run in a folder, which is named relative to the root."""
        if self.name == ".":
            return folder
        if is_url(self.name):
            return inside(self.name, folder)
        return posixpath.normpath(posixpath.join(self.name, folder))


def _roots(source: Source) -> list[_Root]:
    if isinstance(source, Mapping):
        for name in source:
            if not isinstance(name, str):
                raise TypeError(f"source: want str names in a mapping, got {name!r}")
        roots = [_root(posixpath.normpath(name), one) for name, one in source.items()]
        if len({root.name for root in roots}) < len(roots):
            raise ValueError(f"source: want names that differ as paths, got {list(source)}")
        return roots
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        return [_root(".", cast(OneSource, source))]
    if isinstance(source, Iterable) and not isinstance(source, (bytes, bytearray)):
        return [_root(_name_of(one, at), one) for at, one in enumerate(source)]
    raise TypeError(f"source: want a path, a file, a list or a mapping, got {source!r}")


def _root(name: str, source: object) -> _Root:
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if not isinstance(path, str):
            raise TypeError(f"source: want a str path, got {path!r}")
        return _Root(name, file_at(path) or path)
    if hasattr(source, "read"):
        return _Root(name, ObjectFile(cast(BinaryIO, source)))
    raise TypeError(f"source: want a path or a binary file object, got {source!r}")


def _name_of(source: object, at: int) -> str:
    """The name of one source in a list: a folder's path, and the path of a file's folder."""
    if not isinstance(source, (str, os.PathLike)):
        return str(at)
    path = os.fspath(cast(str, source))
    if is_url(path):
        return path
    path = os.path.normpath(path)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    return folder.replace(os.sep, "/") or "."


class TagTable(list[TagInfo]):
    """A `TagInfo` for each tag, and the ways out to other libraries.

    Columns: run, kind, tag, plugin, count, first_step, last_step.
    """

    def __repr__(self) -> str:
        _, _, rows = repr(self.table).partition("\n")
        return f"<TagTable: {len(self)} tags>\n{rows}"

    def _repr_html_(self) -> str:
        """The first and last rows, for notebooks."""
        return self.table._repr_html_()

    @property
    def table(self) -> Table:
        """The same as a `Table` of columns."""
        return Table.of_rows(self, TagInfo)

    def to_pandas(self) -> pandas.DataFrame:
        """The same as a pandas DataFrame."""
        return self.table.to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The same as a polars DataFrame."""
        return self.table.to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """The same as a pyarrow Table."""
        return self.table.to_arrow()


#: How many sources the repr of a `LogDir` names, how many runs a notebook shows, and the bytes of
#: files that are read for it.
_SHOWN_SOURCES = 5
_SHOWN_RUNS = 20
_SHOWN_BYTES = 1 << 26
_RUNS_AT_ONCE = 32  # that are read between two steps of a progress bar


def _size_of(files: Iterable[File], most: int) -> int:
    """The bytes of some files; ``most`` where one does not tell."""
    try:
        sizes = [file.state().size for file in files]
    except OSError:
        return most
    return sum(most if size is None else size for size in sizes)


def _size_ahead(run: Run) -> int | None:
    """The bytes that are to be read of a run, about; None where asking for them takes its time."""
    if run.is_read:
        return 0
    local = all(isinstance(file, LocalFile) for file in run.files)
    return _size_of(run.files, 0) if local else None


def _glance(run: Run) -> list[object]:
    """What a notebook shows of a run in one row."""
    infos = run.tag_infos()
    scalars = sum(info.kind == "scalars" for info in infos)
    last = max((info.last_step for info in infos), default=None)
    row: list[object] = [scalars, len(infos) - scalars, last]
    for tag in itertools.islice(run.scalars, 1):
        row += [tag, notebook.sparkline(run.scalars[tag].values)]
    return row


class LogDir(Mapping[str, Run]):
    """Run name -> `Run`, sorted by name. Made by `tbio.open`.

    Several threads may read at once, but none while another one calls `reload`. Logs, runs and
    series can be pickled, unless their source is a file object.
    """

    def __init__(self, roots: list[_Root], asked: _Asked, rules: Rules) -> None:
        self._roots = roots
        self._asked = asked
        self._rules = rules
        self._runs: dict[str, Run] | None = None
        self._unlisted: dict[str, str] = {}
        self._lock = Lock()

    def _found(self) -> dict[str, Run]:
        with self._lock:
            if self._runs is None:
                self._runs = self._discover({})
            return self._runs

    def _discover(self, known: dict[str, Run]) -> dict[str, Run]:
        asked, rules = self._asked, self._rules
        found: dict[str, dict[str, File]] = {}
        folders: dict[str, dict[str, None]] = {}
        errors: list[OSError] = []
        for root in self._roots:
            for name, file in root.files(errors.append):
                if asked.run(name):
                    found.setdefault(name, {})[file.name] = file
                    if not isinstance(root.at, File):
                        folders.setdefault(name, {})[split(file.name)[0]] = None
        unlisted: dict[str, str] = {}
        for error in errors:
            with _open_to_errors(asked.on_damage):
                raise error
            unlisted[error.filename] = error.strerror or str(error)
            if isinstance(error, FileNotFoundError):
                continue
            for name, run in known.items():
                for file in run.files:
                    if is_inside(file.name, error.filename):  # it may be there as before
                        found.setdefault(name, {}).setdefault(file.name, file)
        self._unlisted = unlisted
        wanted = asked.of_files(rules)
        runs = {}
        for name in sorted(found):
            run = known.get(name)
            if run is None:
                at = list(folders.get(name, ()))
                run = Run(name, (), wanted, rules, asked.kinds, asked.steps, at)
            # TensorBoard reads a run's files in the order of their names.
            run.update([file for _, file in sorted(found[name].items())])
            runs[name] = run
        readahead = Readahead(runs, _size_ahead)
        for run in runs.values():
            run.readahead = readahead
        return runs

    def with_rules(
        self,
        restarts: Restarts | None = None,
        duplicates: Duplicates | None = None,
        order: Order | None = None,
    ) -> LogDir:
        """The same logs, selected alike, under other rules; the arguments are those of `tbio.open`.

        What is not given stays as it is. The files are read again when something is asked for.

        >>> import tbio
        >>> logs = tbio.open("tests/golden/digits", duplicates="last")
        >>> every = logs.with_rules(restarts="keep", duplicates="keep")
        """
        rules = Rules(
            restarts or self._rules.restarts,
            duplicates or self._rules.duplicates,
            order or self._rules.order,
        )
        return LogDir(self._roots, self._asked, rules)

    def __getitem__(self, run: str) -> Run:
        runs = self._found()
        if run not in runs:
            raise RunNotFoundError(run, runs)
        return runs[run]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def __repr__(self) -> str:
        names = [str(root.at) for root in self._roots]
        if len(names) > _SHOWN_SOURCES:
            names[_SHOWN_SOURCES:] = [f"... ({len(names)} in all)"]
        return f"<LogDir {', '.join(names)}: {len(self)} runs>"

    def _repr_html_(self) -> str:
        """The first runs, for notebooks: what they hold, of those that are read quickly."""
        head = ["run", "event files", "scalars", "other tags", "last step", "scalar", "curve"]
        rows, left = [], _SHOWN_BYTES
        for run in itertools.islice(self.values(), _SHOWN_RUNS):
            left -= 0 if run.is_begun else _size_of(run.files, left)
            quickly = run.is_begun or left > 0
            rows.append([run.name, len(run.files), *(_glance(run) if quickly else [])])
        more = len(self) - len(rows)
        name = ", ".join(str(root.at) for root in self._roots[:_SHOWN_SOURCES])
        return notebook.title(name, count_of(len(self), "run")) + notebook.table(
            head, rows, f"and {more} more runs" if more else ""
        )

    @property
    def unlisted(self) -> dict[str, str]:
        """Folder -> why it could not be listed at the last look; its runs may be missing."""
        self._found()
        return dict(self._unlisted)

    def reload(self) -> None:
        """Look again: for new runs and files, and for what was appended to those known.

        What was read stays; only the new bytes are read, when they are asked for. A file that was
        replaced, or has shrunk, is read again as a whole, and the runs of files that are gone go.
        A file or folder that cannot be read now leaves what was read before. Series taken before
        stay as they were.

        Raises:
            OSError: with ``on_damage="raise"``, for a folder that cannot be listed; nothing is
                changed then.
        """
        with self._lock:
            self._runs = self._discover(self._found())

    def follow(self, *, last: int = 0, poll: float = 1.0) -> Iterator[NewPoint]:
        """The points that come while the logs grow, without end; see `tbio.tail`."""
        return following.tail(self, last=last, poll=poll)

    def load(self, progress: Callable[[str], None] | None = None) -> LogDir:
        """These logs, with every run read that was not: many files at once, by all cores.

        What a run holds is read when something of it is asked for; where all runs will be asked,
        this is quicker.

        Args:
            progress: called with the name of each run that is read.

        >>> import tbio
        >>> [len(run.scalars) for run in tbio.open("tests/golden/digits").load().values()]
        [2, 2]
        """
        runs = list(self.values())
        each = len(runs) if progress is None else _RUNS_AT_ONCE
        for at in range(0, len(runs), max(each, 1)):
            lot = runs[at : at + each]
            Run.read_together(lot)
            if progress is not None:
                for run in lot:
                    progress(run.name)
        return self

    def tags(self) -> TagTable:
        """Every tag of every run: its kind, plugin, number of points and range of steps."""
        self.load()
        return TagTable(info for run in self.values() for info in run.tag_infos())

    def hparams(self, modes: Mapping[str, Mode] | None = None, *, all_runs: bool = False) -> Table:
        """One row for each session, with its hyperparameters, status, duration and metrics.

        The columns are those of `tbio.sessions.sessions`.

        Args:
            modes: a glob for metrics -> "min" or "max", where the words of a tag do not tell which
                value is the best, or tell wrongly.
            all_runs: also runs without hyperparameters.
        """
        return sessions(self, modes, all_runs=all_runs)

    def layout(self) -> Layout:
        """The custom scalars of all runs, merged by category as TensorBoard does it.

        One that cannot be decoded is passed over, and told of as ``on_damage`` says.
        """
        found = []
        for name, run in self.items():
            with self._passing_over(name):
                found.append(run.layout)
        return layout.merged(one for one in found if one is not None)

    def embeddings(self) -> dict[str, Mapping[str, Embedding]]:
        """Folder, named like a run -> name -> `Embedding`: the projector's files below the logs.

        Of every folder that has such, with an event file or without one. A config that cannot be
        read is passed over, and told of as ``on_damage`` says.
        """
        found: dict[str, dict[str, Embedding]] = {}
        for root in self._roots:
            if isinstance(root.at, str):
                for folder, path in projector.find(root.at).items():
                    name = root.run_in(folder)
                    if self._asked.run(name):
                        with self._passing_over(name):
                            embeddings = projector.read(path)
                            found.setdefault(name, {}).update(embeddings)
        return dict(sorted(found.items()))

    @contextlib.contextmanager
    def _passing_over(self, run: str) -> Iterator[None]:
        """Leave out what of one run cannot be decoded, for the sake of the others."""
        try:
            yield
        except DecodeError as error:
            if self._asked.on_damage == "raise":
                raise
            if self._asked.on_damage == "warn":
                warnings.warn(f"run {run!r}: left out: {error}", TbioWarning, stacklevel=4)

    def scalar_table(self) -> ScalarTable:
        """Every scalar of every run as one table, by run and tag."""
        self.load()
        return ScalarTable(series for run in self.values() for series in run.scalars.values())

    def iter_scalars(
        self,
        batch_rows: int = 1 << 16,
        *,
        dtype: npt.DTypeLike = np.float64,
        memory: int = 1 << 28,
    ) -> ScalarStream:
        """Every scalar in batches, for logs that exceed memory: the rows of `scalar_table`.

        Nothing that is read for it stays in the `LogDir`; what was read before is not read again.
        Each iteration begins anew. pyarrow, Polars and DuckDB take the stream as it is
        (``__arrow_c_stream__``).

        Args:
            batch_rows: rows of each batch but the last.
            dtype: of the value column of all batches. What a log holds is known when it has been
                read, and logs hold float32 and sometimes float64: float64 holds both exactly, and
                integers to 2**53. float32 is for logs without doubles, object for any (text in
                Arrow).
            memory: about how many bytes the points may take that are read together. Runs with
                larger files are read a part of their tags at a time if they have to be. One tag is
                the least, and the rules "tensorboard" and "rustboard" note every event of a run.

        Raises:
            ValueError: no rows, or no memory.
            ValueTypeError: from an iteration: a value that ``dtype`` does not hold exactly.

        >>> import tbio
        >>> logs = tbio.open("tests/golden/digits")
        >>> [(len(batch), batch.tag[0]) for batch in logs.iter_scalars(50)]
        [(50, 'accuracy'), (30, 'accuracy')]
        """
        if batch_rows < 1 or memory < 1:
            raise ValueError(
                f"want batch_rows and memory of at least 1, got {batch_rows}, {memory}"
            )
        stored = [StoredRun(run, run.files, run.is_begun) for run in self._found().values()]
        wanted = self._asked.of_files(self._rules)
        wanted = replace(wanted, kinds=wanted.kinds & {"scalars"})
        steps = self._asked.steps
        return ScalarStream(stored, wanted, self._rules, steps, np.dtype(dtype), batch_rows, memory)

    def to_pandas(self) -> pandas.DataFrame:
        """Every scalar as a DataFrame: run, tag, step, wall_time, value."""
        return self.scalar_table().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """Every scalar as a polars DataFrame: run, tag, step, wall_time, value."""
        return self.scalar_table().to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """Every scalar as a pyarrow Table: run, tag, step, wall_time, value."""
        return self.scalar_table().to_arrow()
