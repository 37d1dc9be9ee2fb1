"""EventMultiplexer: the data of several runs, under TensorBoard's names.

Follows tensorboard/backend/event_processing/event_multiplexer.py; what differs does so in
`EventAccumulator`.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from typing import Any

from tbio.compat.accumulated import (
    AudioEvent,
    CompressedHistogramEvent,
    HistogramEvent,
    ImageEvent,
    ScalarEvent,
    TensorEvent,
)
from tbio.compat.event_accumulator import EventAccumulator
from tbio.errors import RunNotFoundError, TbioWarning
from tbio.proto import run_metadata_pb2, summary_pb2
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.storage import file_at, walk


class EventMultiplexer:
    """Several runs by name, in place of TensorBoard's class of this name.

    Every method that takes a run raises a KeyError when there is none of that name; otherwise it
    is the method of that name of its `EventAccumulator`.

    Args:
        run_path_map: run -> path, as for `AddRun`.
        size_guidance, purge_orphaned_data: for each `EventAccumulator`.

    >>> from tbio.compat import EventMultiplexer
    >>> multiplexer = EventMultiplexer().AddRunsFromDirectory("tests/golden/digits").Reload()
    >>> sorted(multiplexer.Runs())
    ['test', 'train']
    >>> len(multiplexer.Scalars("train", "loss"))
    20
    """

    def __init__(
        self,
        run_path_map: Mapping[str, str | os.PathLike[str]] | None = None,
        size_guidance: Mapping[str, int] | None = None,
        purge_orphaned_data: bool = True,
    ) -> None:
        self.purge_orphaned_data = purge_orphaned_data
        self._size_guidance = size_guidance
        self._accumulators: dict[str, EventAccumulator] = {}
        self._paths: dict[str, str | os.PathLike[str]] = {}
        self._reloaded = False
        self._lock = threading.Lock()
        for run, path in (run_path_map or {}).items():
            self.AddRun(path, run)

    def AddRun(self, path: str | os.PathLike[str], name: str | None = None) -> EventMultiplexer:
        """Add a run, unless it is there; one of its name and another path is replaced.

        Args:
            path: as for `EventAccumulator`.
            name: the path, if not given.

        Raises:
            OSError: it cannot be read, where `Reload` was called before.
        """
        name = name or os.fspath(path)
        with self._lock:
            known = self._paths.get(name, path)
            if name in self._accumulators and known == path:
                return self
            if known != path:
                what = f"run {name!r}: {path} takes the place of {known}"
                warnings.warn(what, TbioWarning, stacklevel=2)
            accumulator = EventAccumulator(
                path, self._size_guidance, purge_orphaned_data=self.purge_orphaned_data
            )
            self._accumulators[name] = accumulator
            self._paths[name] = path
        if self._reloaded:
            accumulator.Reload()
        return self

    def AddRunsFromDirectory(
        self, path: str | os.PathLike[str], name: str | None = None
    ) -> EventMultiplexer:
        """Add each folder from ``path`` down that directly holds an event file.

        Runs are named by their paths from there on, ``"."`` for itself. A path where nothing is
        adds nothing.

        Args:
            name: put in front of the names, with a slash between.

        Raises:
            ValueError: a file.
        """
        path = os.fspath(path)
        try:
            file = file_at(path)
        except FileNotFoundError:
            return self
        if file is not None:
            raise ValueError(f"path exists and is not a directory, {path}")
        # Also the markers of TensorFlow's profiler make a run, though they hold nothing to read.
        for folder, files in walk(path, lambda name: "tfevents" in name):
            if files:
                # The folder's name is for eyes: it has bytes that are no UTF-8 written out.
                inner = path if folder == "." else os.path.dirname(files[0].name)
                self.AddRun(inner, os.path.join(name, folder) if name else folder)
        return self

    def Reload(self) -> EventMultiplexer:
        """Read on in every run.

        A run whose folder is gone is dropped, and one that cannot be read stays as it is, with a
        `TbioWarning`.
        """
        self._reloaded = True
        with self._lock:
            accumulators = dict(self._accumulators)
        for name, accumulator in accumulators.items():
            try:
                accumulator.Reload()
            except OSError as error:
                what = f"run {name!r}: {error}"
                if isinstance(error, FileNotFoundError):
                    what = f"run {name!r} is dropped: {error}"
                    with self._lock:
                        self._accumulators.pop(name, None)
                warnings.warn(what, TbioWarning, stacklevel=2)
        return self

    def Runs(self) -> dict[str, dict[str, Any]]:
        """Run -> its `EventAccumulator.Tags`."""
        with self._lock:
            accumulators = dict(self._accumulators)
        return {name: accumulator.Tags() for name, accumulator in accumulators.items()}

    def RunPaths(self) -> dict[str, str | os.PathLike[str]]:
        """Run -> path."""
        return self._paths

    def GetAccumulator(self, run: str) -> EventAccumulator:
        """The accumulator of a run.

        Raises:
            KeyError: no such run.
        """
        with self._lock:
            if run not in self._accumulators:
                raise RunNotFoundError(run, self._accumulators)
            return self._accumulators[run]

    def FirstEventTimestamp(self, run: str) -> float:
        """See `EventAccumulator.FirstEventTimestamp`."""
        return self.GetAccumulator(run).FirstEventTimestamp()

    def GetSourceWriter(self, run: str) -> str | None:
        """See `EventAccumulator.GetSourceWriter`."""
        return self.GetAccumulator(run).GetSourceWriter()

    def Scalars(self, run: str, tag: str) -> list[ScalarEvent]:
        """See `EventAccumulator.Scalars`."""
        return self.GetAccumulator(run).Scalars(tag)

    def Histograms(self, run: str, tag: str) -> list[HistogramEvent]:
        """See `EventAccumulator.Histograms`."""
        return self.GetAccumulator(run).Histograms(tag)

    def CompressedHistograms(self, run: str, tag: str) -> list[CompressedHistogramEvent]:
        """See `EventAccumulator.CompressedHistograms`."""
        return self.GetAccumulator(run).CompressedHistograms(tag)

    def Images(self, run: str, tag: str) -> list[ImageEvent]:
        """See `EventAccumulator.Images`."""
        return self.GetAccumulator(run).Images(tag)

    def Audio(self, run: str, tag: str) -> list[AudioEvent]:
        """See `EventAccumulator.Audio`."""
        return self.GetAccumulator(run).Audio(tag)

    def Tensors(self, run: str, tag: str) -> list[TensorEvent]:
        """See `EventAccumulator.Tensors`."""
        return self.GetAccumulator(run).Tensors(tag)

    def Graph(self, run: str) -> GraphDef:
        """See `EventAccumulator.Graph`."""
        return self.GetAccumulator(run).Graph()

    def SerializedGraph(self, run: str) -> bytes:
        """See `EventAccumulator.SerializedGraph`."""
        return self.GetAccumulator(run).SerializedGraph()

    def MetaGraph(self, run: str) -> MetaGraphDef:
        """See `EventAccumulator.MetaGraph`."""
        return self.GetAccumulator(run).MetaGraph()

    def RunMetadata(self, run: str, tag: str) -> run_metadata_pb2.RunMetadata:
        """See `EventAccumulator.RunMetadata`."""
        return self.GetAccumulator(run).RunMetadata(tag)

    def SummaryMetadata(self, run: str, tag: str) -> summary_pb2.SummaryMetadata:
        """See `EventAccumulator.SummaryMetadata`."""
        return self.GetAccumulator(run).SummaryMetadata(tag)

    def PluginRunToTagToContent(self, plugin_name: str) -> dict[str, dict[str, bytes]]:
        """Run -> tag -> what its metadata hold for a plugin, for each run that has any."""
        found = {}
        for run in self.Runs():
            try:
                found[run] = self.GetAccumulator(run).PluginTagToContent(plugin_name)
            except KeyError:
                continue
        return found

    def PluginAssets(self, plugin_name: str) -> dict[str, list[str]]:
        """Run -> the names of the files that a plugin keeps beside its events."""
        with self._lock:
            accumulators = dict(self._accumulators)
        return {run: one.PluginAssets(plugin_name) for run, one in accumulators.items()}

    def RetrievePluginAsset(self, run: str, plugin_name: str, asset_name: str) -> str:
        """See `EventAccumulator.RetrievePluginAsset`."""
        return self.GetAccumulator(run).RetrievePluginAsset(plugin_name, asset_name)
