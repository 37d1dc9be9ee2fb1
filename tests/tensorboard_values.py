"""What a log holds, by TensorBoard's own reader and protos: run -> tag -> [(step, value)]."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL.Image
from tensorboard.backend.event_processing import plugin_event_multiplexer
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.util import tensor_util


def stored(value: Any) -> float:
    """A number as the log has it."""
    return float(np.float32(value))


def curve(values: Iterable[Any]) -> list[tuple[int, float]]:
    """Values as the points of a scalar, from step 0."""
    return [(step, stored(value)) for step, value in enumerate(values)]


class Session(NamedTuple):
    """What a run says of its hyperparameters; the status is None where there is no end."""

    hparams: dict[str, Any]
    status: str | None


class Log:
    """A log folder."""

    def __init__(self, logdir: str | os.PathLike[str]) -> None:
        multiplexer = plugin_event_multiplexer.EventMultiplexer(size_guidance={"tensors": 0})
        multiplexer.AddRunsFromDirectory(os.fspath(logdir))
        multiplexer.Reload()
        self.runs = {run: multiplexer.GetAccumulator(run) for run in sorted(multiplexer.Runs())}

    def _series(self, plugin: str) -> Iterator[tuple[str, str, list[tuple[int, Any]]]]:
        for run, accumulator in self.runs.items():
            metadata = accumulator.AllSummaryMetadata()
            for tag in accumulator.Tags()["tensors"]:
                if tag in metadata and metadata[tag].plugin_data.plugin_name == plugin:
                    events = accumulator.Tensors(tag)
                    yield (
                        run,
                        tag,
                        [(one.step, tensor_util.make_ndarray(one.tensor_proto)) for one in events],
                    )

    def tensors(self, plugin: str) -> dict[str, dict[str, list[tuple[int, npt.NDArray[Any]]]]]:
        """The points of a plugin, as arrays."""
        found: dict[str, dict[str, list[tuple[int, Any]]]] = {}
        for run, tag, points in self._series(plugin):
            found.setdefault(run, {})[tag] = points
        return found

    def scalars(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        return {
            run: {
                tag: [(step, value.item()) for step, value in points] for tag, points in s.items()
            }
            for run, s in self.tensors("scalars").items()
        }

    def texts(self) -> dict[str, dict[str, list[tuple[int, str]]]]:
        return {
            run: {
                tag: [(step, value.ravel()[0].decode()) for step, value in points]
                for tag, points in series.items()
            }
            for run, series in self.tensors("text").items()
        }

    def images(self) -> dict[str, dict[str, list[tuple[int, list[npt.NDArray[np.uint8]]]]]]:
        """Of each point its images, as arrays."""
        return {
            run: {
                tag: [(step, [_pixels(file) for file in value[2:]]) for step, value in points]
                for tag, points in series.items()
            }
            for run, series in self.tensors("images").items()
        }

    def counts(self) -> dict[str, dict[str, list[tuple[int, float]]]]:
        """How many values each histogram has."""
        return {
            run: {
                tag: [(step, value[:, 2].sum().item()) for step, value in points]
                for tag, points in s.items()
            }
            for run, s in self.tensors("histograms").items()
        }

    def sessions(self) -> dict[str, Session]:
        """By run, of those that have hyperparameters."""
        found = {}
        for run, accumulator in self.runs.items():
            content = {
                tag: metadata.plugin_data.content
                for tag, metadata in accumulator.AllSummaryMetadata().items()
                if metadata.plugin_data.plugin_name == hparams_metadata.PLUGIN_NAME
            }
            if hparams_metadata.SESSION_START_INFO_TAG not in content:
                continue
            start = hparams_metadata.parse_session_start_info_plugin_data(
                content[hparams_metadata.SESSION_START_INFO_TAG]
            )
            status = None
            if hparams_metadata.SESSION_END_INFO_TAG in content:
                end = hparams_metadata.parse_session_end_info_plugin_data(
                    content[hparams_metadata.SESSION_END_INFO_TAG]
                )
                status = (
                    end.DESCRIPTOR.fields_by_name["status"]
                    .enum_type.values_by_number[end.status]
                    .name.removeprefix("STATUS_")
                )
            values = {
                name: getattr(value, str(value.WhichOneof("kind")))
                for name, value in start.hparams.items()
            }
            found[run] = Session(values, status)
        return found

    def nodes(self, run: str) -> list[str]:
        """The names of the nodes of a run's graph."""
        return [node.name for node in self.runs[run].Graph().node]


def _pixels(file: bytes) -> npt.NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(io.BytesIO(file)))
