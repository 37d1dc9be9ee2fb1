"""Run: the data of one folder's event files, kind by kind, under the rules for restarts."""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tbio import assets, bulk, notebook, plugins, projector
from tbio.assets import Asset
from tbio.column import Column, PlaceColumn, ScalarColumn
from tbio.columns import PROBLEMS_ALIKE, FileColumns, LogLine, Problem, SessionEvent, Wanted
from tbio.errors import TagNotFoundError
from tbio.kinds import (
    audio,
    graph,
    histogram,
    hparams,
    image,
    layout,
    mesh,
    pr_curve,
    raw_tensor,
    text,
)
from tbio.kinds.audio import Audio
from tbio.kinds.graph import Graph
from tbio.kinds.histogram_stored import Histogram
from tbio.kinds.hparams import RunHParams
from tbio.kinds.image import Image
from tbio.kinds.layout import Layout
from tbio.kinds.pr_curve import PrCurve
from tbio.lock import Lock
from tbio.names import brief, count_of
from tbio.places import Places
from tbio.projector import Embedding
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.readahead import Readahead
from tbio.record import Damage
from tbio.record_file import FileReport
from tbio.rules import Rules, RunOrder, joined_steps, mean_each, one_each
from tbio.selection import StepRange
from tbio.series import (
    Decode,
    MeshSeries,
    SampledSeries,
    ScalarSeries,
    Series,
    ValueSeries,
    joined,
)
from tbio.storage import File

S_co = TypeVar("S_co", bound=Series, covariant=True)


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


class Hidden(NamedTuple):
    """How many points of a tag a rule hides.

    Attributes:
        restarted: points that a restart made void.
        duplicates: points that the rule for duplicates left out, or merged into others.
    """

    restarted: int = 0
    duplicates: int = 0


@dataclass(repr=False)
class RunReport:
    """What was read of a run, and what was not.

    Attributes:
        files: a `FileReport` for each event file, in the order in which they are read.
        problems: values that are not what they say they are; of each file the first 1000 of a sort.
        unlisted_problems: how many more there are.
        hidden: (kind, tag) -> what the rules hide of it; `LogDir.with_rules` shows it.
        superseded: points that a restart made void, also where ``restarts="keep"`` shows them.
    """

    files: list[FileReport] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    hidden: dict[tuple[str, str], Hidden] = field(default_factory=dict)
    superseded: int = 0
    unlisted_problems: int = 0

    @property
    def restarted(self) -> int:
        """Points that the rule for restarts hides; 0 with "keep"."""
        return sum(one.restarted for one in self.hidden.values())

    @property
    def duplicates(self) -> int:
        """Points that the rule for duplicates left out, or merged into others."""
        return sum(one.duplicates for one in self.hidden.values())

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

    def __repr__(self) -> str:
        counts = {
            "problems": len(self.problems) + self.unlisted_problems,
            "damages": len(self.damages) + sum(file.unlisted_damages for file in self.files),
            "unreadable files": sum(bool(file.error) for file in self.files),
            "restarted": self.restarted,
            "duplicates": self.duplicates,
        }
        lost = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        read = f"{self.events} events, {self.size} bytes of {len(self.files)} files"
        return f"<RunReport: {read}; {lost or 'complete'}>"

    @property
    def complete(self) -> bool:
        """Whether everything that the files hold could be read and made sense of.

        Not if `tbio.check` would find a fault in it (`tbio.findings`).
        """
        faults = any(problem.is_fault for problem in self.problems)
        return not (faults or self.damages or any(file.error for file in self.files))


class SeriesMap(Mapping[str, S_co], Generic[S_co]):
    """Tag -> series, sorted by tag; a series is put together when it is asked for."""

    def __init__(
        self, what: str, tags: Callable[[], Collection[str]], series: Callable[[str], S_co]
    ) -> None:
        self._what = what
        self._tags = tags
        self._series = series

    def __getitem__(self, tag: str) -> S_co:
        if tag not in self._tags():
            raise TagNotFoundError(tag, self._tags(), f"the {self._what}")
        return self._series(tag)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._tags()))

    def __len__(self) -> int:
        return len(self._tags())

    def __contains__(self, tag: object) -> bool:
        return tag in self._tags()

    def __repr__(self) -> str:
        shown = list(map(brief, itertools.islice(self, _SHOWN_TAGS)))
        if len(self) > len(shown):
            shown.append(f"... ({len(self)} in all)")
        return f"<{self._what}: {', '.join(shown) or 'none'}>"

    def _repr_html_(self) -> str:
        """A row for each of the first series, for notebooks."""
        return notebook.title(self._what, count_of(len(self), "tag")) + self._table()

    def _table(self) -> str:
        head = ["tag", "points", "last step"]
        shown = [self[tag] for tag in itertools.islice(self, _SHOWN_TAGS)]
        rows: list[list[object]] = []
        for one in shown:
            row: list[object] = [one.tag, len(one), int(one.steps[-1]) if len(one) else None]
            if isinstance(one, ScalarSeries):
                last = one.values[-1:].tolist() or [None]
                row += [*last, notebook.sparkline(one.values)]
            rows.append(row)
        if any(isinstance(one, ScalarSeries) for one in shown):
            head += ["last value", "curve"]
        left = len(self) - len(rows)
        return notebook.table(head, rows, f"and {left} more tags" if left else "")


#: How many tags the repr of a map names.
_SHOWN_TAGS = 20


def _value(
    decode: Callable[[Summary.Value, SummaryMetadata], Any],
    event: Event,
    index: int,
    metadata: SummaryMetadata,
) -> Any:
    return decode(event.summary.value[index], metadata)


def _hparams(event: Event, index: int, metadata: SummaryMetadata) -> Any:
    """What hparams hold stands in their metadata."""
    return hparams.decode(metadata)


def _graph(event: Event, index: int, metadata: SummaryMetadata) -> Graph:
    if index < 0:
        return graph.decode_event(event)
    return graph.decode(event.summary.value[index], metadata)


#: Kind -> how a value is made of an event, by functions that can be pickled.
_DECODERS: dict[str, Decode] = {
    "histograms": functools.partial(_value, histogram.decode),
    "images": functools.partial(_value, image.decode),
    "audio": functools.partial(_value, audio.decode),
    "texts": functools.partial(_value, text.decode),
    "pr_curves": functools.partial(_value, pr_curve.decode),
    "meshes": functools.partial(_value, mesh.decode),
    "tensors": functools.partial(_value, raw_tensor.decode),
    "hparams": _hparams,
    "layouts": functools.partial(_value, layout.decode),
    "graphs": _graph,
}


class _Tag:
    """The columns of one tag of one kind, one for each file, and which plugin it has."""

    def __init__(self, plugin: str, files: int) -> None:
        self.plugin = plugin
        self.pieces: list[Column | None] = [None] * files


#: As an index: everything.
_EVERY = slice(None)


class _Shown(NamedTuple):
    """Which points of a tag are shown.

    Attributes:
        places: their places in the columns, put one behind the other; or all of them.
        unmerged: the same before the rule for duplicates.
        superseded: how many a restart made void.
        hidden: how many the rules hide.
    """

    places: npt.NDArray[np.int64] | slice
    unmerged: npt.NDArray[np.int64] | slice
    superseded: int
    hidden: Hidden


class Run:
    """One run: all event files of one folder, in lexicographic order, as if they were one.

    Nothing is read before it is asked for, and no blob is decoded before it is.

    Attributes:
        name: the folder, relative to the log folder; ``"."`` for that itself.
        folders: the folder's path or URL; several where sources share the name, none for a file.
        readahead: the runs to read along with this one.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[FileColumns],
        wanted: Wanted,
        rules: Rules,
        kinds: frozenset[str] = frozenset(plugins.KINDS),
        steps: StepRange | None = None,
        folders: Sequence[str] = (),
    ) -> None:
        self._lock = Lock()
        self.name = name
        self.folders = tuple(folders)
        self._kinds = kinds
        self._steps = steps
        self._files = list(files)
        self._found: Sequence[File] | None = None  # those to be had from now on
        self._wanted = wanted
        self._rules = rules
        self.readahead: Readahead[Run] = Readahead()
        self._fresh = False
        self._forget()

    def _forget(self) -> None:
        self._order: RunOrder | None = None
        self._tags: dict[str, dict[str, _Tag]] | None = None
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._scalars: dict[str, ScalarSeries] = {}

    def __repr__(self) -> str:
        return f"<Run {brief(self.name)}: {len(self.files)} event files>"

    def _repr_html_(self) -> str:
        """Its tags, kind by kind, for notebooks. Reads the run."""
        tags = self.tags
        shown = notebook.title(self.name, f"run with {count_of(len(self.files), 'event file')}")
        rows = ([kind, len(own), ", ".join(own[:_SHOWN_TAGS])] for kind, own in tags.items())
        kinds = notebook.table(["kind", "tags", "first of them"], rows)
        return shown + kinds + (self.scalars._table() if self.scalars else "")

    @property
    def files(self) -> list[File]:
        """Its event files, in lexicographic order; nothing is read."""
        found = self._found
        return [one.reader.file for one in self._files] if found is None else list(found)

    def update(self, files: Sequence[File]) -> None:
        """Have the files, and what is new in them, read when something is asked for next."""
        with self._lock:
            self._found = files
            self._fresh = False

    def _opened(self) -> list[FileColumns]:
        """The columns of the files, which those that were there before keep."""
        if self._found is not None:
            known = {columns.reader.file.name: columns for columns in self._files}
            self._files = [
                known.get(file.name) or FileColumns(file, self._wanted) for file in self._found
            ]
            self._found = None
        return self._files

    @property
    def is_begun(self) -> bool:
        """Whether something of it was read."""
        return any(columns.report.size for columns in self._files)

    @property
    def is_read(self) -> bool:
        """Whether nothing of it is to be read when something is asked for next."""
        return self._fresh

    def note_read(self) -> None:
        """Somebody else has read the files."""
        self._forget()
        self._fresh = True

    def _read(self) -> list[FileColumns]:
        if not self._fresh:
            # What is amiss with another run is not to be raised here.
            alone = self._wanted.on_damage == "raise"
            self.read_together([self, *([] if alone else self.readahead.along(self.name))])
        return self._files

    @staticmethod
    def read_together(runs: Collection[Run]) -> None:
        """Read what is to be read of some runs: many files at once, by all cores.

        Raises:
            DamageError, OSError: with ``on_damage="raise"``.
        """
        with contextlib.ExitStack() as stack:
            for run in sorted(runs, key=lambda run: run.name):  # in one order, whoever asks
                stack.enter_context(run._lock)
            unread = [run for run in runs if not run._fresh]
            for run in unread:
                run._forget()
            bulk.read([file for run in unread for file in run._opened()])
            for run in unread:
                run._fresh = True

    # ------------------------------------------------------------------ by kind

    @property
    def scalars(self) -> SeriesMap[ScalarSeries]:
        """The scalars: tag -> `ScalarSeries`."""
        return self._map("scalars", self._scalar_series)

    @property
    def histograms(self) -> SeriesMap[ValueSeries[Histogram]]:
        """The histograms: tag -> `ValueSeries` of `Histogram`."""
        return self._map("histograms", lambda tag: self._values(ValueSeries, "histograms", tag))

    @property
    def images(self) -> SeriesMap[SampledSeries[Image]]:
        """The images: tag -> `SampledSeries` of `Image`."""
        return self._map("images", lambda tag: self._values(SampledSeries, "images", tag))

    @property
    def audio(self) -> SeriesMap[SampledSeries[Audio]]:
        """The audio clips: tag -> `SampledSeries` of `Audio`."""
        return self._map("audio", lambda tag: self._values(SampledSeries, "audio", tag))

    @property
    def texts(self) -> SeriesMap[ValueSeries[Any]]:
        """The texts: tag -> `ValueSeries` of ``str``, or of arrays of ``str`` (`kinds.text`)."""
        return self._map("texts", lambda tag: self._values(ValueSeries, "texts", tag))

    @property
    def pr_curves(self) -> SeriesMap[ValueSeries[PrCurve]]:
        """The precision-recall curves: tag -> `ValueSeries` of `PrCurve`."""
        return self._map("pr_curves", lambda tag: self._values(ValueSeries, "pr_curves", tag))

    @property
    def tensors(self) -> SeriesMap[ValueSeries[npt.NDArray[Any]]]:
        """What other plugins logged, and tensors of none: tag -> `ValueSeries` of arrays."""
        return self._map("tensors", lambda tag: self._values(ValueSeries, "tensors", tag))

    @property
    def graphs(self) -> SeriesMap[ValueSeries[Graph]]:
        """Graphs of every sort, and run metadata: tag -> `ValueSeries` of `Graph`."""
        return self._map("graphs", lambda tag: self._values(ValueSeries, "graphs", tag))

    @property
    def meshes(self) -> SeriesMap[MeshSeries]:
        """The meshes: name -> `MeshSeries`, which joins the tags of its parts."""
        parts = self._mesh_parts()

        def series(name: str) -> MeshSeries:
            tags = parts[name].items()
            return MeshSeries.of_parts(
                name, {part: self._values(ValueSeries, "meshes", tag) for part, tag in tags}
            )

        names = {name for name, tags in parts.items() if "vertices" in tags}
        return SeriesMap(f"meshes of run {self.name!r}", lambda: names, series)

    def series(self, kind: str, tag: str) -> Series:
        """The series of a tag as it was logged, of whatever kind; mesh parts each by itself.

        Raises:
            TagNotFoundError: the run has no such tag of that kind.
        """
        if kind == "scalars":
            return self.scalars[tag]
        one = SampledSeries if kind in ("images", "audio") else ValueSeries
        found: Series = self._map(kind, lambda tag: self._values(one, kind, tag))[tag]
        return found

    def _map(self, kind: str, series: Callable[[str], S_co]) -> SeriesMap[S_co]:
        what = f"{kind} of run {self.name!r}"
        return SeriesMap(what, lambda: self._tags_of(kind), series)

    def _mesh_parts(self) -> dict[str, dict[str, str]]:
        """Mesh name -> part -> tag.

        Meshes of one name in several scopes are named by their tags, without the part's ending.
        """
        groups: dict[str, dict[str, dict[str, str]]] = {}  # name -> beginning of the tag -> parts
        for tag in sorted(self._tags_of("meshes")):
            begin, _ = mesh.part_of(tag, SummaryMetadata())
            name, part = mesh.part_of(tag, self._metadata(tag))
            groups.setdefault(name, {}).setdefault(begin, {})[part] = tag
        found = {}
        for name, scopes in groups.items():
            for begin, parts in scopes.items():
                found[name if len(scopes) == 1 else begin] = parts
        return found

    # ------------------------------------------------------------------ one a run

    @property
    def graph(self) -> Graph | None:
        """The graph that TensorBoard shows for the run: the newest; None where there is none."""
        graphs = self.graphs
        for tag in (plugins.RUN_GRAPH_TAG, plugins.META_GRAPH_TAG):  # as TensorBoard prefers them
            if tag in graphs and len(graphs[tag]):
                return graphs[tag][-1]
        return graph.of_run(one for series in graphs.values() for one in series)

    @property
    def layout(self) -> Layout | None:
        """The newest layout of custom scalars; None where there is none."""
        tags = self._tags_of("layouts")
        for tag in tags:
            series = self._values(ValueSeries, "layouts", tag)
            if len(series):
                newest: Layout = series[-1]
                return newest
        return None

    @property
    def hparams(self) -> RunHParams | None:
        """What the run says of its hyperparameters; None where it says nothing.

        TensorBoard reads each hparams tag of a run once, as it stands first, and so does tbio.
        """
        found: dict[str, SummaryMetadata] = {}
        for file in self._read():
            for tag, metadata in file.metadata.items():
                if metadata.plugin_data.plugin_name == plugins.HPARAMS:
                    found.setdefault(tag, metadata)
        return hparams.of_run(found)

    @property
    def embeddings(self) -> Mapping[str, Embedding]:
        """Name -> `Embedding`, of the projector's files in the run's folder."""
        found: dict[str, Embedding] = {}
        for folder in self.folders:
            found |= projector.read(folder)
        return found

    @property
    def assets(self) -> Mapping[str, Mapping[str, Asset]]:
        """Plugin -> name -> `Asset`: the files in the run's ``plugins/<plugin>/``."""
        found: dict[str, dict[str, Asset]] = {}
        for folder in self.folders:
            for plugin, files in assets.assets(folder).items():
                found.setdefault(plugin, {}).update(files)
        return found

    @property
    def session_events(self) -> list[SessionEvent]:
        """The session logs: starts, stops and checkpoints of writers, in the order of the files."""
        return [event for file in self._read() for event in file.session_events]

    @property
    def log_lines(self) -> list[LogLine]:
        """The lines of TensorFlow's log that were kept, in the order of the files."""
        return [line for file in self._read() for line in file.log_lines]

    @property
    def first_time(self) -> float:
        """The earliest first event of the run's files, seconds since the epoch; NaN for none."""
        return min((file.first_time for file in self._timed()), default=math.nan)

    @property
    def last_time(self) -> float:
        """The wall time of the latest event, seconds since the epoch; NaN for none."""
        return max((file.last_time for file in self._timed()), default=math.nan)

    def _timed(self) -> Iterator[FileColumns]:
        return (file for file in self._read() if file.first_time == file.first_time)

    # ------------------------------------------------------------------ tags

    @property
    def tags(self) -> dict[str, list[str]]:
        """Kind -> its tags, sorted, for every kind that the run holds."""
        found: dict[str, list[str]] = {}
        for info in self.tag_infos():
            found.setdefault(info.kind, []).append(info.tag)
        return found

    def tag_infos(self) -> list[TagInfo]:
        """A `TagInfo` for each tag of each kind, by kind and tag."""
        infos = []
        for kind, tags in self._tags_by_kind():
            for tag, one in sorted(tags.items()):
                steps = joined_steps(one.pieces)[self._shown_of(kind, tag).places]
                if len(steps):
                    first, last = int(steps.min()), int(steps.max())
                    info = TagInfo(self.name, kind, tag, one.plugin, len(steps), first, last)
                    infos.append(info)
        return infos

    def _all_tags(self) -> dict[str, dict[str, _Tag]]:
        if not self._fresh:
            self._read()
        if self._tags is None:
            self._tags = self._find_tags()
        return self._tags

    def _tags_of(self, kind: str) -> dict[str, _Tag]:
        return self._all_tags().get(kind, {})

    def _tags_by_kind(self) -> list[tuple[str, dict[str, _Tag]]]:
        """The kinds that there are, in the order of `plugins.KINDS`, and their tags."""
        found = self._all_tags()
        return [(kind, found[kind]) for kind in plugins.KINDS if kind in found]

    def _find_tags(self) -> dict[str, dict[str, _Tag]]:
        """Kind -> tag -> its columns.

        A tag's metadata, which name its plugin, may stand in another file than its values.
        """
        found: dict[str, dict[str, _Tag]] = {}

        def add(at: int, plugin: str, tag: str, column: Column) -> None:
            kind = plugins.kind_of(plugin)
            if kind not in self._kinds or not len(column):
                return
            one = found.setdefault(kind, {}).setdefault(tag, _Tag(plugin, len(self._files)))
            before = one.pieces[at]
            if isinstance(before, PlaceColumn) and isinstance(column, PlaceColumn):
                column = PlaceColumn.merged(before, column)
            one.pieces[at] = column

        for at, file in enumerate(self._files):
            others = {
                tag: assumed
                for tag, assumed in file.assumed.items()
                if self._plugin_of(tag) not in ("", plugins.SCALARS)
            }
            for tag, assumed in others.items():
                add(at, self._plugin_of(tag), tag, assumed)
            for tag, scalars in file.scalars.items():
                if len(scalars) > len(others.get(tag, ())):
                    add(at, plugins.SCALARS, tag, scalars)
            for (named, tag), column in file.places.items():
                plugin = self._plugin_of(tag) if named is None else named
                if plugin == plugins.SCALARS:  # as the metadata of another file have it
                    plugin = ""
                add(at, plugin, tag, column)
        return found

    def _metadata(self, tag: str) -> SummaryMetadata:
        """The tag's first metadata in the run; empty ones where there are none."""
        for file in self._files:
            if tag in file.metadata:
                return file.metadata[tag]
        return SummaryMetadata()

    def _plugin_of(self, tag: str) -> str:
        return self._metadata(tag).plugin_data.plugin_name

    # ------------------------------------------------------------------ series

    def _shown_of(self, kind: str, tag: str) -> _Shown:
        pieces = self._tags_of(kind)[tag].pieces
        shown = self._shown.get((kind, tag))
        if shown is None:
            shown = self._shown[kind, tag] = self._show(kind, tag, pieces)
        return shown

    def _show(self, kind: str, tag: str, pieces: list[Column | None]) -> _Shown:
        if self._order is None:
            self._order = RunOrder(self._files, self._rules)
        places, superseded = self._order.points(tag, pieces)
        rule = self._rules.duplicates
        if places is None and self._steps is None and rule == "keep":
            return _Shown(_EVERY, _EVERY, superseded, Hidden())
        steps = joined_steps(pieces)
        if places is None:
            places = np.arange(len(steps))
        restarted = len(steps) - len(places)
        steps = steps[places]
        if self._steps is not None:
            wanted = self._steps.mask(steps)
            places, steps = places[wanted], steps[wanted]
        unmerged, duplicates = places, 0
        if rule in ("first", "last") or (rule == "mean" and kind == "scalars"):
            kept = one_each(steps, rule)
            duplicates = len(places) - len(kept)
            places = places[kept]
        return _Shown(places, unmerged, superseded, Hidden(restarted, duplicates))

    def _scalar_series(self, tag: str) -> ScalarSeries:
        pieces = self._tags_of("scalars")[tag].pieces
        series = self._scalars.get(tag)
        if series is None:
            series = self._scalars[tag] = self._join_scalars(tag, pieces)
        return series

    def _join_scalars(self, tag: str, pieces: list[Column | None]) -> ScalarSeries:
        columns = [piece for piece in pieces if isinstance(piece, ScalarColumn)]
        parts = [part for column in columns for part in column.values()]
        values = joined(parts, np.float32)
        single = None
        if values.dtype == np.float64 and any(part.dtype == np.float32 for part in parts):
            single = np.repeat([part.dtype == np.float32 for part in parts], list(map(len, parts)))
        metadata = self._metadata(tag)
        every = ScalarSeries(
            self.name,
            tag,
            joined_steps(pieces),
            joined([column.wall_times.array for column in columns], np.float64),
            values,
            metadata.display_name,
            metadata.summary_description,
            single,
        )
        shown = self._shown_of("scalars", tag)
        places = shown.places
        if self._rules.duplicates != "mean" or not shown.hidden.duplicates:
            return every if places is _EVERY else every[places]
        unmerged = every[shown.unmerged]
        mean = mean_each(unmerged.steps, unmerged.values)
        return replace(every[places], values=mean, single=None)

    def _values(self, one: type[Any], kind: str, tag: str) -> Any:
        """The series of a tag whose values stand in the files."""
        pieces = [
            piece if isinstance(piece, PlaceColumn) else None
            for piece in self._tags_of(kind)[tag].pieces
        ]
        shown = self._shown_of(kind, tag).places
        wall_times = [piece.wall_times.array for piece in pieces if piece is not None]
        return one(
            self.name,
            tag,
            joined_steps(pieces)[shown],
            np.concatenate(wall_times)[shown],
            self._metadata(tag),
            Places.of_columns([file.reader for file in self._files], pieces)[shown],
            _DECODERS[kind],
        )

    # ------------------------------------------------------------------ the account

    @property
    def report(self) -> RunReport:
        """What was read, skipped, damaged and hidden. Reads the run."""
        files = self._read()
        report = RunReport([file.report for file in files])
        for file in files:
            strays = self._strays(file)
            report.problems += [*file.problems, *itertools.islice(strays, PROBLEMS_ALIKE)]
            report.unlisted_problems += file.unlisted_problems + sum(1 for _ in strays)
        for kind, tags in self._tags_by_kind():
            for tag in tags:
                shown = self._shown_of(kind, tag)
                report.superseded += shown.superseded
                if shown.hidden != Hidden():
                    report.hidden[kind, tag] = shown.hidden
        return report

    def _strays(self, file: FileColumns) -> Iterator[Problem]:
        """What is no number, of a tag that another file has scalars of."""
        for (named, tag), column in file.places.items():
            if named is None and self._plugin_of(tag) == plugins.SCALARS:
                for offset, step in zip(column.offsets, column.steps, strict=True):
                    what = "a tensor that is no number, of a tag of scalars"
                    yield Problem(file.reader.file.name, offset, tag, step, what)
