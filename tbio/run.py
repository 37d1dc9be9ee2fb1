"""Run: the data of one folder's event files, kind by kind, under the rules for restarts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from tbio import plugins
from tbio.columns import Column, FileColumns, Problem
from tbio.errors import TagNotFoundError
from tbio.record import Damage
from tbio.record_file import FileReport
from tbio.series import ScalarSeries, joined

#: "keep" shows every point that was logged; "session" leaves out what a later SessionLog.START of
#: the run asked to discard: points with its step or a later one that were logged before it.
Restarts: TypeAlias = Literal["keep", "session"]
#: What to do with several points of one step: keep them all, or one, or their mean.
Duplicates: TypeAlias = Literal["keep", "first", "last", "mean"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rules:
    """What of the logged points is shown.

    Raises:
        ValueError: a rule that does not exist.
    """

    restarts: Restarts = "session"
    duplicates: Duplicates = "keep"

    def __post_init__(self) -> None:
        for name, allowed in (("restarts", Restarts), ("duplicates", Duplicates)):
            if getattr(self, name) not in get_args(allowed):
                got = getattr(self, name)
                raise ValueError(f"{name}: want one of {get_args(allowed)}, got {got!r}")


@dataclass(frozen=True)
class TagInfo:
    """What can be said of a tag without decoding its values.

    Attributes:
        kind: see `tbio.plugins.KINDS`.
        count: points that are shown.
        first_step, last_step: the least and the greatest step.
    """

    run: str
    kind: str
    tag: str
    plugin: str
    count: int
    first_step: int
    last_step: int


@dataclass
class RunReport:
    """What was read of a run, and what was not.

    Attributes:
        files: a `FileReport` for each event file, in the order in which they are read.
        problems: values that are not what they say they are.
        restarted: scalars that ``restarts="session"`` hides; 0 with "keep".
        superseded: the same number, whatever the rule.
        duplicates: scalars that the rule for duplicates left out, or merged into others.
    """

    files: list[FileReport] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    superseded: int = 0
    restarted: int = 0
    duplicates: int = 0

    @property
    def size(self) -> int:
        """Bytes read, after decompression."""
        return sum(file.size for file in self.files)

    @property
    def events(self) -> int:
        """Events read."""
        return sum(file.events for file in self.files)

    @property
    def damages(self) -> list[tuple[str, Damage]]:
        """Path and stretch of all that is damaged."""
        return [(file.path, damage) for file in self.files for damage in file.damages]

    @property
    def complete(self) -> bool:
        """Whether everything that the files hold could be read and made sense of."""
        return not (self.problems or self.damages or any(file.error for file in self.files))


class SeriesMap(Mapping[str, ScalarSeries]):
    """Tag -> series, sorted by tag; a series is put together when it is asked for."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, tag: str) -> ScalarSeries:
        return self._run._scalar_series(tag)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({tag for file in self._run._read() for tag in file.scalars}))

    def __len__(self) -> int:
        return len({tag for file in self._run._read() for tag in file.scalars})

    def __contains__(self, tag: object) -> bool:
        return any(tag in file.scalars for file in self._run._read())

    def __repr__(self) -> str:
        return f"<scalars of run {self._run.name!r}: {', '.join(map(repr, self)) or 'none'}>"


class Run:
    """One run: all event files of one folder, in lexicographic order, as if they were one.

    Nothing is read before it is asked for.

    Attributes:
        name: the folder, relative to the log folder; ``"."`` for that itself.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[FileColumns],
        rules: Rules,
        kinds: frozenset[str] = frozenset(plugins.KINDS),
    ) -> None:
        self.name = name
        self._kinds = kinds
        self._files = list(files)
        self._rules = rules
        self._fresh = False
        self._series: dict[str, ScalarSeries] = {}
        self._hidden: dict[str, tuple[int, int]] = {}  # tag -> superseded, duplicates

    def __repr__(self) -> str:
        return f"<Run {self.name!r}: {len(self._files)} event files>"

    def update(self, files: Sequence[FileColumns]) -> None:
        """Have the files, and what is new in them, read when something is asked for next."""
        self._files = list(files)
        self._fresh = False

    def _read(self) -> list[FileColumns]:
        if not self._fresh:
            self._series.clear()
            self._hidden.clear()
            for file in self._files:
                file.read()
            self._fresh = True
        return self._files

    @property
    def scalars(self) -> SeriesMap:
        """The scalars: tag -> `ScalarSeries`."""
        return SeriesMap(self)

    @property
    def tags(self) -> dict[str, list[str]]:
        """Kind -> its tags, sorted, for every kind that the run holds."""
        found: dict[str, list[str]] = {}
        for info in self.tag_infos():
            found.setdefault(info.kind, []).append(info.tag)
        return found

    def tag_infos(self) -> list[TagInfo]:
        """A `TagInfo` for each tag of each kind, by kind and tag."""
        files = self._read()
        columns: dict[tuple[str, str, str], list[Column | None]] = {}
        for at, file in enumerate(files):
            named: Iterable[tuple[str, str, Column]] = itertools.chain(
                ((plugins.SCALARS, tag, column) for tag, column in file.scalars.items()),
                (
                    (self._plugin_of(tag) if plugin is None else plugin, tag, column)
                    for (plugin, tag), column in file.places.items()
                ),
            )
            for plugin, tag, column in named:
                key = plugins.kind_of(plugin), tag, plugin
                columns.setdefault(key, [None] * len(files))[at] = column
        infos = []
        for (kind, tag, plugin), pieces in columns.items():
            if kind not in self._kinds:
                continue
            if kind == plugins.SCALARS:
                steps: npt.NDArray[np.int64] = self._scalar_series(tag).steps
            else:
                steps = _joined_steps(pieces)
                if self._rules.restarts == "session":
                    steps = steps[self._not_restarted(pieces, steps)]
            if len(steps):
                first, last = int(steps.min()), int(steps.max())
                infos.append(TagInfo(self.name, kind, tag, plugin, len(steps), first, last))
        return sorted(infos, key=lambda info: (plugins.KINDS.index(info.kind), info.tag))

    def _plugin_of(self, tag: str) -> str:
        """The plugin that the tag's first metadata in the run name; "" when there are none."""
        for file in self._files:
            if tag in file.metadata:
                return file.metadata[tag].plugin_data.plugin_name
        return ""

    @property
    def report(self) -> RunReport:
        """What was read, skipped, damaged and hidden. Reads the run."""
        files = self._read()
        report = RunReport([file.report for file in files])
        for file in files:
            report.problems += file.problems
        for tag in self.scalars:
            self._scalar_series(tag)
        for superseded, duplicates in self._hidden.values():
            report.superseded += superseded
            report.duplicates += duplicates
        if self._rules.restarts == "session":
            report.restarted = report.superseded
        return report

    def _scalar_series(self, tag: str) -> ScalarSeries:
        files = self._read()
        series = self._series.get(tag)
        if series is None:
            series = self._series[tag] = self._join_scalars(tag, files)
        return series

    def _join_scalars(self, tag: str, files: list[FileColumns]) -> ScalarSeries:
        pieces = [file.scalars.get(tag) for file in files]
        columns = [piece for piece in pieces if piece is not None]
        if not columns:
            where = f"the scalars of run {self.name!r}"
            raise TagNotFoundError(tag, self.scalars, where)
        steps = _joined_steps(pieces)
        wall_times = np.concatenate([np.array(piece.wall_times) for piece in columns])
        parts = [part for piece in columns for part in piece.values()]
        values = joined(parts, np.float32)
        single = None
        if values.dtype == np.float64 and any(part.dtype == np.float32 for part in parts):
            single = np.repeat([part.dtype == np.float32 for part in parts], list(map(len, parts)))
        keep = self._not_restarted(pieces, steps)
        superseded = len(steps) - int(np.count_nonzero(keep))
        if superseded and self._rules.restarts == "session":
            steps, wall_times, values = steps[keep], wall_times[keep], values[keep]
            single = None if single is None else single[keep]
        metadata = next((file.metadata[tag] for file in files if tag in file.metadata), None)
        series = ScalarSeries(
            self.name,
            tag,
            steps,
            wall_times,
            values,
            metadata.display_name if metadata else "",
            metadata.summary_description if metadata else "",
            single,
        )
        merged = _merged(series, self._rules.duplicates)
        self._hidden[tag] = superseded, len(series) - len(merged)
        return merged

    def _not_restarted(self, pieces: Sequence[Column | None], steps: npt.NDArray[np.int64]) -> Mask:
        """Which points no later session start asked to discard."""
        keep = np.ones(len(steps), bool)
        before = 0
        for file, piece in zip(self._files, pieces, strict=True):
            for number, start in enumerate(file.starts, 1):
                end = before + (piece.points_before(number) if piece is not None else 0)
                keep[:end] &= steps[:end] < start.step
            before += len(piece) if piece is not None else 0
        return keep


def _joined_steps(pieces: Sequence[Column | None]) -> npt.NDArray[np.int64]:
    return np.concatenate(
        [np.array(piece.steps, np.int64) for piece in pieces if piece is not None]
    )


def _merged(series: ScalarSeries, duplicates: Duplicates) -> ScalarSeries:
    """One point for each step: the first, the last, or at the last one's place their mean."""
    if duplicates == "keep":
        return series
    steps, values = series.steps, series.values
    if duplicates == "first":
        _, places = np.unique(steps, return_index=True)
    else:
        _, places = np.unique(steps[::-1], return_index=True)
        places = len(steps) - 1 - places
    order = np.argsort(places)
    one_each = series[places[order]]
    if duplicates != "mean" or len(one_each) == len(series):
        return one_each
    _, group = np.unique(steps, return_inverse=True)
    total = np.zeros(len(places), values.dtype if values.dtype.kind in "cO" else np.float64)
    np.add.at(total, group, values)
    mean = total / np.bincount(group, minlength=len(places))
    if values.dtype.kind == "f":
        mean = mean.astype(values.dtype)
    return replace(one_each, values=mean[order], single=None)
