"""EventAccumulator: one run's data by kind and tag, under TensorBoard's names.

Follows tensorboard/backend/event_processing/event_accumulator.py, the "legacy" one that scripts
use, not the one behind TensorBoard's page: values come as they were logged, without migration of
old forms to new ones. What differs, on purpose:

* Without ``size_guidance`` everything is kept; so is each kind that it does not name.
* All files are followed, not only the last. What was damaged is passed over, with a `TbioWarning`;
  the original leaves out the rest of that file.
* Of images, audio, histograms and tensors beyond a kilobyte only the place is kept, and they are
  read from the file when they are asked for: it must still be there.
"""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from tbio import assets
from tbio.columns import parse_version
from tbio.compat.accumulated import (
    AudioEvent,
    CompressedHistogramEvent,
    CompressedHistogramValue,
    HistogramEvent,
    HistogramValue,
    ImageEvent,
    ScalarEvent,
    TensorEvent,
    audio_event,
    compressed_event,
    histogram_event,
    image_event,
)
from tbio.compat.reservoir import Reservoir, floats
from tbio.compat.stored_value import Place, fetch, store
from tbio.errors import DecodeError, TagNotFoundError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent, is_event_file
from tbio.proto import PARSE_ERRORS, run_metadata_pb2, summary_pb2
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.summary_pb2 import Summary
from tbio.storage import File, child, file_at, read_bytes, walk

# tensorboard/backend/event_processing/tag_types.py
COMPRESSED_HISTOGRAMS = "distributions"
HISTOGRAMS = "histograms"
IMAGES = "images"
AUDIO = "audio"
SCALARS = "scalars"
TENSORS = "tensors"
GRAPH = "graph"
META_GRAPH = "meta_graph"
RUN_METADATA = "run_metadata"

#: Basis points at the median and at 0.5, 1 and 1.5 standard deviations of a normal distribution.
NORMAL_HISTOGRAM_BPS = (0, 668, 1587, 3085, 5000, 6915, 8413, 9332, 10000)

#: The limits that TensorBoard's EventAccumulator has where none are given; here they hold only for
#: who passes them.
DEFAULT_SIZE_GUIDANCE = {
    COMPRESSED_HISTOGRAMS: 500,
    IMAGES: 4,
    AUDIO: 4,
    SCALARS: 10000,
    HISTOGRAMS: 1,
    TENSORS: 10,
}
#: No limits.
STORE_EVERYTHING_SIZE_GUIDANCE = dict.fromkeys(DEFAULT_SIZE_GUIDANCE, 0)

__all__ = [
    "AUDIO",
    "COMPRESSED_HISTOGRAMS",
    "DEFAULT_SIZE_GUIDANCE",
    "GRAPH",
    "HISTOGRAMS",
    "IMAGES",
    "META_GRAPH",
    "NORMAL_HISTOGRAM_BPS",
    "RUN_METADATA",
    "SCALARS",
    "STORE_EVERYTHING_SIZE_GUIDANCE",
    "TENSORS",
    "AudioEvent",
    "CompressedHistogramEvent",
    "CompressedHistogramValue",
    "EventAccumulator",
    "HistogramEvent",
    "HistogramValue",
    "ImageEvent",
    "IsTensorFlowEventsFile",
    "ScalarEvent",
    "TensorEvent",
]

_LONGEST_WRITER_NAME = 128
_START = SessionLog.START

M = TypeVar("M", bound=Message)


def IsTensorFlowEventsFile(path: str) -> bool:
    """Whether TensorBoard would take the file for an event file, by its name.

    Raises:
        ValueError: the empty path.
    """
    if not path:
        raise ValueError("Path must be a nonempty string")
    return "tfevents" in os.path.basename(path)


class _Source(NamedTuple):
    """A file that is read, and whether what was read of it can be read there again."""

    reader: EventFileReader
    in_place: bool


class EventAccumulator:
    """The data of one run, in place of TensorBoard's class of this name.

    Args:
        path: a folder, of which the event files directly in it are read, or one file, or a URL.
        size_guidance: kind -> how many items to keep of a tag, 0 for all; the sample is the one
            that TensorBoard takes. Kinds that are not named are kept as a whole, unlike there.
        compression_bps: the basis points of `CompressedHistograms`.
        purge_orphaned_data: leave out what a restart of the run made void, by TensorBoard's rules:
            at each SessionLog.START everything but tensors that has its step or a later one; in
            logs that do not name their version, where a step goes back, of that event's tags.

    Attributes:
        scalars, histograms, compressed_histograms, images, audios, tensors: each a `Reservoir`.
        summary_metadata: tag -> SummaryMetadata of its first value that has any.
        file_version: the number that the newest file_version event names; None before there is one.
        most_recent_step, most_recent_wall_time: of the newest event whose step did not go back, in
            logs that do not name their version; otherwise -1.

    Raises:
        ValueError: an empty path, or a negative size.

    >>> from tbio.compat import EventAccumulator
    >>> accumulator = EventAccumulator("tests/golden/digits/train").Reload()
    >>> accumulator.Tags()["scalars"]
    ['loss', 'accuracy']
    >>> event = accumulator.Scalars("loss")[1]
    >>> event.step, event.value
    (1, 2.202794313430786)
    """

    #: What `purge_orphaned_data` applies to.
    accumulated_attrs = ("scalars", "histograms", "compressed_histograms", "images", "audios")

    def __init__(
        self,
        path: str | os.PathLike[str],
        size_guidance: Mapping[str, int] | None = None,
        compression_bps: Sequence[float] = NORMAL_HISTOGRAM_BPS,
        purge_orphaned_data: bool = True,
    ) -> None:
        if not path:
            raise ValueError("path must be a valid string")
        self.path = path
        self.purge_orphaned_data = purge_orphaned_data
        self._sizes = STORE_EVERYTHING_SIZE_GUIDANCE.copy()
        for kind in self._sizes:  # as TensorBoard does it, with whatever has `in` and []
            if size_guidance and kind in size_guidance:
                self._sizes[kind] = size_guidance[kind]
        self._compression_bps = compression_bps
        self._sources: dict[str, _Source] = {}  # by name
        self._loading = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        sizes = self._sizes
        histograms = partial(fetch, field="histo")
        self.scalars = Reservoir(sizes[SCALARS], ScalarEvent, room=floats)
        self.histograms = Reservoir(sizes[HISTOGRAMS], histogram_event, fetch=histograms)
        self.compressed_histograms = Reservoir(
            sizes[COMPRESSED_HISTOGRAMS],
            partial(compressed_event, self._compression_bps),
            fetch=histograms,
            always_keep_last=False,
        )
        self.images = Reservoir(sizes[IMAGES], image_event, fetch=partial(fetch, field="image"))
        self.audios = Reservoir(sizes[AUDIO], audio_event, fetch=partial(fetch, field="audio"))
        self.tensors = Reservoir(sizes[TENSORS], TensorEvent, fetch=partial(fetch, field="tensor"))
        self._reservoirs_of_field: dict[str, list[Reservoir[Any]]] = {
            "histo": [self.histograms, self.compressed_histograms],
            "image": [self.images],
            "audio": [self.audios],
            "tensor": [self.tensors],
        }
        self.summary_metadata: dict[str, summary_pb2.SummaryMetadata] = {}
        self.file_version: float | None = None
        self.most_recent_step = -1
        self.most_recent_wall_time: float = -1
        # Plugin -> tag -> content. Under TensorBoard's name: many scripts read hparams from here.
        self._plugin_to_tag_to_content: dict[str, dict[str, bytes]] = {}
        self._first_event_timestamp: float | None = None
        self._source_writer: str | None = None
        self._graph: bytes | None = None
        self._meta_graph: bytes | None = None
        self._run_metadata: dict[str, bytes] = {}
        self._purged = 0

    # ------------------------------------------------------------------ reading

    def Reload(self) -> EventAccumulator:
        """Read what the files hold beyond what was read, and files that are new.

        If one was written anew in its place, everything is read again.

        Raises:
            FileNotFoundError: there is nothing at the path, or no longer.
        """
        with self._loading:
            self._purged = 0
            for source, stored in self._new_events():
                self._add_event(source, stored)
            purged = self._purged
        if purged:
            what = f"{self.path}: {purged} values left out, which a restart of the run made void"
            warnings.warn(what, TbioWarning, stacklevel=2)
        return self

    def _new_events(self) -> Iterator[tuple[_Source, StoredEvent]]:
        path = os.fspath(self.path)
        single = file_at(path)
        files = [single] if single is not None else _files_in(path)
        self._refresh(files)
        for file in files:
            source = self._sources.get(file.name)
            if source is None:
                continue
            try:
                for stored in source.reader.events():
                    if source.in_place and source.reader.report.compression:
                        source = self._sources[file.name] = source._replace(in_place=False)
                    yield source, stored
            except OSError as error:
                if single is not None:
                    raise
                warnings.warn(str(error), TbioWarning, stacklevel=3)

    def _refresh(self, files: list[File]) -> None:
        """Have a reader for each file, and begin anew if one was replaced."""
        replaced = False
        for file in files:
            try:
                if file.name in self._sources:
                    replaced |= self._sources[file.name].reader.replaced()
                else:
                    in_place = file.state().size is not None
                    self._sources[file.name] = _Source(EventFileReader(file), in_place)
            except OSError as error:
                warnings.warn(str(error), TbioWarning, stacklevel=4)
        if replaced:
            for source in self._sources.values():
                source.reader.rewind()
            self._clear()

    def _add_next_event(self) -> None:
        """Read one event more, if there is one."""
        with self._loading:
            for source, stored in self._new_events():
                self._add_event(source, stored)
                break

    def _add_event(self, source: _Source, stored: StoredEvent) -> None:
        event = stored.event
        if self._first_event_timestamp is None:
            self._first_event_timestamp = event.wall_time
        if event.HasField("source_metadata"):
            name = event.source_metadata.writer
            self._source_writer = name if 0 < len(name) <= _LONGEST_WRITER_NAME else None
        what = event.WhichOneof("what")
        if what == "file_version":
            self.file_version = parse_version(event.file_version)
        if self.purge_orphaned_data:
            self._purge_if_restarted(event, what)
        if what == "summary":
            for number, value in enumerate(event.summary.value):
                self._add_value(source, stored, number, value)
        elif what == "graph_def":
            self._graph = event.graph_def
        elif what == "meta_graph_def":
            self._meta_graph = event.meta_graph_def
        elif what == "tagged_run_metadata":
            tagged = event.tagged_run_metadata
            self._run_metadata[tagged.tag] = tagged.run_metadata

    def _purge_if_restarted(self, event: Event, what: str | None) -> None:
        if self.file_version and self.file_version >= 2:
            if what == "session_log" and event.session_log.status == _START:
                self._purge(event.step)
        elif what == "summary" and event.step < self.most_recent_step:
            for value in event.summary.value:
                self._purge(event.step, value.tag)
        else:
            self.most_recent_step = event.step
            self.most_recent_wall_time = event.wall_time

    def _purge(self, step: int, tag: str = "") -> None:
        for name in self.accumulated_attrs:
            purged = getattr(self, name).purge(step, tag)
            if name != "compressed_histograms":  # the histograms, once more
                self._purged += purged

    def _add_value(
        self, source: _Source, stored: StoredEvent, number: int, value: Summary.Value
    ) -> None:
        tag = value.tag
        if value.HasField("metadata") and tag not in self.summary_metadata:
            # A copy: a part of the event would keep all of it in memory.
            metadata = summary_pb2.SummaryMetadata()
            metadata.CopyFrom(value.metadata)
            self.summary_metadata[tag] = metadata  # complete: another thread may ask for it
            plugin = metadata.plugin_data
            if plugin.plugin_name:
                self._plugin_to_tag_to_content.setdefault(plugin.plugin_name, {})[tag] = (
                    plugin.content
                )
        field = value.WhichOneof("value")
        step, wall_time = stored.event.step, stored.event.wall_time
        if field == "simple_value":
            self.scalars.add(tag, step, wall_time, value.simple_value)
        elif field is not None:
            if field == "tensor":
                tag = tag or value.node_name  # TensorFlow before 1.2
            place = None
            if source.in_place:
                place = Place(source.reader.file, stored.offset, stored.size, number)
            datum = store(getattr(value, field), place)
            for reservoir in self._reservoirs_of_field[field]:
                reservoir.add(tag, step, wall_time, datum)

    # ------------------------------------------------------------------ what was read

    def Tags(self) -> dict[str, Any]:
        """Kind -> its tags, in the order in which they came; of graphs, whether there is one."""
        return {
            IMAGES: self.images.Keys(),
            AUDIO: self.audios.Keys(),
            HISTOGRAMS: self.histograms.Keys(),
            SCALARS: self.scalars.Keys(),
            COMPRESSED_HISTOGRAMS: self.compressed_histograms.Keys(),
            TENSORS: self.tensors.Keys(),
            GRAPH: self._graph is not None or self._meta_graph is not None,
            META_GRAPH: self._meta_graph is not None,
            RUN_METADATA: list(self._run_metadata),
        }

    def Scalars(self, tag: str) -> list[ScalarEvent]:
        """The scalars of a tag, of the form that all writers but TensorFlow 2 use.

        Raises:
            KeyError: no such tag; as for the other kinds.
        """
        return self._items(self.scalars, SCALARS, tag)

    def Histograms(self, tag: str) -> list[HistogramEvent]:
        """The histograms of a tag.

        Raises:
            KeyError: no such tag.
            DamageError, OSError: the file was changed since, or is gone; as for images and so on.
        """
        return self._items(self.histograms, HISTOGRAMS, tag)

    def CompressedHistograms(self, tag: str) -> list[CompressedHistogramEvent]:
        """The quantiles of each histogram of a tag, at the basis points ``compression_bps``."""
        return self._items(self.compressed_histograms, COMPRESSED_HISTOGRAMS, tag)

    def Images(self, tag: str) -> list[ImageEvent]:
        """The images of a tag."""
        return self._items(self.images, IMAGES, tag)

    def Audio(self, tag: str) -> list[AudioEvent]:
        """The sounds of a tag."""
        return self._items(self.audios, AUDIO, tag)

    def Tensors(self, tag: str) -> list[TensorEvent]:
        """The tensors of a tag."""
        return self._items(self.tensors, TENSORS, tag)

    def _items(self, reservoir: Reservoir[Any], kind: str, tag: str) -> list[Any]:
        try:
            return reservoir.Items(tag)
        except KeyError:
            raise TagNotFoundError(tag, reservoir.Keys(), f"the {kind} of {self.path}") from None

    def Graph(self) -> GraphDef:
        """The newest graph, or the graph in the newest meta graph where there is no other.

        Raises:
            ValueError: there is none, or it is no GraphDef.
        """
        if self._graph is not None:
            return _parsed(GraphDef, self._graph)
        if self._meta_graph is not None:
            return self.MetaGraph().graph_def
        raise ValueError("There is no graph in this EventAccumulator")

    def SerializedGraph(self) -> bytes:
        """The graph as bytes.

        Raises:
            ValueError: as `Graph`.
        """
        return self._graph if self._graph is not None else self.Graph().SerializeToString()

    def MetaGraph(self) -> MetaGraphDef:
        """The newest meta graph.

        Raises:
            ValueError: there is none, or it is no MetaGraphDef.
        """
        if self._meta_graph is None:
            raise ValueError("There is no metagraph in this EventAccumulator")
        return _parsed(MetaGraphDef, self._meta_graph)

    def RunMetadata(self, tag: str) -> run_metadata_pb2.RunMetadata:
        """What TensorFlow 1 tells of one call of ``session.run``.

        Raises:
            ValueError: no such tag, or it is no RunMetadata.
        """
        if tag not in self._run_metadata:
            raise ValueError("There is no run metadata with this tag name")
        return _parsed(run_metadata_pb2.RunMetadata, self._run_metadata[tag])

    def FirstEventTimestamp(self) -> float:
        """The wall time of the first event, which is read if nothing was read yet.

        Raises:
            ValueError: there is none.
        """
        if self._first_event_timestamp is None:
            self._add_next_event()
        if self._first_event_timestamp is None:
            raise ValueError("No event timestamp could be found")
        return self._first_event_timestamp

    def GetSourceWriter(self) -> str | None:
        """The library that wrote the log, as that says; one event more is read if it did not yet.

        None when it does not say, or at more length than 128 characters.
        """
        if self._source_writer is None:
            self._add_next_event()
        return self._source_writer

    def SummaryMetadata(self, tag: str) -> summary_pb2.SummaryMetadata:
        """The metadata of a tag: those of its first value that has any.

        Raises:
            KeyError: no such tag, or one without metadata.
        """
        if tag not in self.summary_metadata:
            raise TagNotFoundError(tag, self.summary_metadata, f"the metadata of {self.path}")
        return self.summary_metadata[tag]

    def PluginTagToContent(self, plugin_name: str) -> dict[str, bytes]:
        """Tag -> what its metadata hold for a plugin.

        Raises:
            KeyError: no tag of such a plugin.
        """
        if plugin_name not in self._plugin_to_tag_to_content:
            raise KeyError(f"Plugin {plugin_name!r} could not be found.")
        return self._plugin_to_tag_to_content[plugin_name]

    # ------------------------------------------------------------------ files beside the events

    def PluginAssets(self, plugin_name: str) -> list[str]:
        """The names of the files that a plugin keeps beside the events, sorted."""
        names = assets.assets(self.path).get(plugin_name, {})
        return sorted({name.partition("/")[0] for name in names})

    def RetrievePluginAsset(self, plugin_name: str, asset_name: str) -> str:
        """The text in one of those files.

        Raises:
            KeyError: no such file.
            UnicodeDecodeError: it holds no UTF-8.
        """
        folder = f"{os.fspath(self.path)}/{assets.FOLDER}/{plugin_name}"
        file = child(folder, asset_name)
        if file is None:
            raise KeyError(f"Asset path {folder}/{asset_name} not found")
        data = io.BytesIO(read_bytes(file))
        return io.TextIOWrapper(data, "utf-8").read()  # with \n at the ends of lines


def _files_in(folder: str) -> list[File]:
    """The event files directly in a folder, in the order in which TensorBoard reads them."""
    for inner, files in walk(folder, is_event_file):
        return files if inner == "." else []
    return []


def _parsed(message: type[M], data: bytes) -> M:
    try:
        return message.FromString(data)
    except PARSE_ERRORS:
        raise DecodeError(f"{len(data)} bytes that are no {message.DESCRIPTOR.name}") from None
