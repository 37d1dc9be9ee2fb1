"""LogDir: the runs below a log folder, found by name and read when they are asked for.

A run is a folder that directly holds an event file; its name is the folder's path from the log
folder on, ``"."`` for that itself (tensorboard/data/server/logdir.rs and
backend/event_processing/plugin_event_multiplexer.py agree).
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, cast

from tbio.columns import FileColumns
from tbio.errors import RunNotFoundError
from tbio.event_file import EventFileReader, is_event_file
from tbio.proto.event_pb2 import Event
from tbio.record_file import OnDamage, RecordFileReader, check_on_damage
from tbio.run import Duplicates, Restarts, Rules, Run, TagInfo
from tbio.selection import Selection, kind_set, matcher
from tbio.storage import File, ObjectFile, file_at, is_url, walk
from tbio.tables import ScalarTable

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
    restarts: Restarts = "session",
    duplicates: Duplicates = "keep",
    on_damage: OnDamage = "warn",
) -> LogDir:
    """The runs of a log folder, of any writer; nothing is read before it is asked for.

    Args:
        source: a folder (every run below it), one event file, a URL of an fsspec file system, a
            binary file object, a list of those (named by their paths), or a mapping name -> source.
        runs, tags: a glob, a compiled regex, a list of those, or a callable; see
            `tbio.selection.matcher`. The files of other runs are never opened.
        kinds: "scalars", "images", ...; see `tbio.plugins.KINDS`.
        restarts: "session" leaves out what a resumed run asked to discard, "keep" shows every point
            that was logged.
        duplicates: several points of one step: "keep" them all, the "first", the "last", or their
            "mean".
        on_damage: damaged bytes are passed over, and counted in the report: with a warning for each
            file ("warn") or without one ("ignore"); "raise" raises a `DamageError`.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        TypeError, ValueError: an argument that is none of these.

    >>> import tbio
    >>> logs = tbio.open("tests/golden/digits", tags="loss*")
    >>> sorted(logs), logs["train"].scalars["loss"].values[:2]
    (['test', 'train'], array([2.3025851, 2.2027943], dtype=float32))
    """
    check_on_damage(on_damage)
    wanted = _Wanted(matcher(runs, "runs"), matcher(tags, "tags"), kind_set(kinds), on_damage)
    return LogDir(_roots(source), wanted, Rules(restarts, duplicates))


def read_scalars(
    source: Source,
    *,
    runs: Selection = None,
    tags: Selection = None,
    restarts: Restarts = "session",
    duplicates: Duplicates = "keep",
    on_damage: OnDamage = "warn",
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
        restarts=restarts,
        duplicates=duplicates,
        on_damage=on_damage,
    )
    return logs.scalar_table()


def read_events(source: Source, *, on_damage: OnDamage = "warn") -> Iterator[Event]:
    """The events of an event file, or of every event file of a folder, run by run.

    Args:
        source: see `tbio.open`. A single file may have any name.
        on_damage: see `tbio.open`; a sound record that is no Event is damage here.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        DamageError: with ``on_damage="raise"``.

    >>> import tbio
    >>> next(tbio.read_events("tests/golden/digits/train")).file_version
    'brain.Event:2'
    """
    for file in _files_of(source, on_damage):
        for stored in EventFileReader(file, on_damage).events():
            yield stored.event


def read_records(source: Source, *, on_damage: OnDamage = "warn") -> Iterator[bytes]:
    """The payloads of a TFRecord file, or of every event file of a folder, run by run.

    A file that is compressed as a whole (TFRecord's GZIP and ZLIB options, gzip(1)) is read as it
    is.

    Args:
        source: see `tbio.open`. A single file may have any name.
        on_damage: see `tbio.open`.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        DamageError: with ``on_damage="raise"``.

    >>> import tbio
    >>> len(next(tbio.read_records("tests/golden/digits/train")))
    32
    """
    for file in _files_of(source, on_damage):
        for record in RecordFileReader(file, on_damage).records():
            yield record.payload


def _files_of(source: Source, on_damage: OnDamage) -> list[File]:
    check_on_damage(on_damage)
    found = [
        (run, file.name, at, file)
        for root in _roots(source)
        for at, (run, file) in enumerate(root.files())
    ]
    return [file for _, _, _, file in sorted(found, key=lambda item: item[:3])]


@dataclass(frozen=True)
class _Wanted:
    """What the caller asked for."""

    run: Callable[[str], bool]
    tag: Callable[[str], bool]
    kinds: frozenset[str]
    on_damage: OnDamage


@dataclass(frozen=True)
class _Root:
    """One source: a folder to walk, or a file, and the name that its runs begin with."""

    name: str
    at: str | File

    def files(self) -> Iterator[tuple[str, File]]:
        """Run name and event file, for each file; sorted by name within a run."""
        if isinstance(self.at, File):
            yield self.name, self.at
            return
        for folder, files in walk(self.at, is_event_file):
            name = posixpath.normpath(posixpath.join(self.name, folder))
            for file in files:
                yield name, file


def _roots(source: Source) -> list[_Root]:
    if isinstance(source, Mapping):
        for name in source:
            if not isinstance(name, str):
                raise TypeError(f"source: want str names in a mapping, got {name!r}")
        return [_root(posixpath.normpath(name), one) for name, one in source.items()]
    if isinstance(source, (str, os.PathLike)) or hasattr(source, "read"):
        return [_root(".", cast(OneSource, source))]
    if isinstance(source, Iterable):
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


class LogDir(Mapping[str, Run]):
    """Run name -> `Run`, sorted by name. Made by `tbio.open`."""

    def __init__(self, roots: list[_Root], wanted: _Wanted, rules: Rules) -> None:
        self._roots = roots
        self._wanted = wanted
        self._rules = rules
        self._files: dict[tuple[str, str], FileColumns] = {}  # by run and name
        self._runs: dict[str, Run] | None = None

    def _found(self) -> dict[str, Run]:
        if self._runs is None:
            self._runs = self._discover({})
        return self._runs

    def _discover(self, known: dict[str, Run]) -> dict[str, Run]:
        wanted = self._wanted
        found: dict[str, dict[str, FileColumns]] = {}
        for root in self._roots:
            for name, file in root.files():
                if wanted.run(name):
                    columns = self._files.get((name, file.name))
                    if columns is None:
                        columns = FileColumns(file, wanted.tag, wanted.kinds, wanted.on_damage)
                    found.setdefault(name, {})[file.name] = columns
        self._files = {
            (name, path): columns
            for name, files in found.items()
            for path, columns in files.items()
        }
        runs = {}
        for name in sorted(found):
            # TensorBoard reads a run's files in the order of their names.
            files = [columns for _, columns in sorted(found[name].items())]
            run = known.get(name)
            if run is None:
                run = Run(name, files, self._rules, wanted.kinds)
            else:
                run.update(files)
            runs[name] = run
        return runs

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
        names = ", ".join(str(root.at) for root in self._roots)
        return f"<LogDir {names}: {len(self)} runs>"

    def reload(self) -> None:
        """Look again: for new runs and files, and for what was appended to those known.

        What was read stays; only the new bytes are read, when they are asked for. A file that was
        replaced, or has shrunk, is read again as a whole, and the runs of files that are gone go.
        Series taken before stay as they were.
        """
        self._runs = self._discover(self._found())

    def tags(self) -> list[TagInfo]:
        """Every tag of every run: its kind, plugin, number of points and range of steps."""
        return [info for run in self.values() for info in run.tag_infos()]

    def scalar_table(self) -> ScalarTable:
        """Every scalar of every run as one table, by run and tag."""
        return ScalarTable(series for run in self.values() for series in run.scalars.values())

    def to_pandas(self) -> pandas.DataFrame:
        """Every scalar as a DataFrame: run, tag, step, wall_time, value."""
        return self.scalar_table().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """Every scalar as a polars DataFrame: run, tag, step, wall_time, value."""
        return self.scalar_table().to_polars()

    def to_arrow(self) -> pyarrow.Table:
        """Every scalar as a pyarrow Table: run, tag, step, wall_time, value."""
        return self.scalar_table().to_arrow()
