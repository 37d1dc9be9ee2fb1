"""What one event file holds for `SummaryReader`: event type by event type, tag by tag.

The event types are TensorBoard's forms of storage, not tbio's kinds: "scalars" are the values that
TF 1, torch and tensorboardX write as ``simple_value``, while a scalar of TF 2 is one of the
"tensors" (tensorboard/backend/event_processing/event_accumulator.py). Only "text" and "hparams" are
told by their plugins.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.columns import parse_version
from tbio.compat.reservoir import Bucket, floats
from tbio.compat.stored_value import Place, fetch, store
from tbio.errors import DecodeError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent, is_event_file
from tbio.kinds import audio, image
from tbio.kinds.text import TAG_SUFFIX
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import SessionLog
from tbio.proto.hparams_pb2 import HParamsPluginData
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto
from tbio.storage import LocalFile

#: In the order in which `SummaryReader.tags` has them.
EVENT_TYPES = ("images", "audio", "histograms", "scalars", "tensors", "hparams", "text")

#: Column -> its cells; the column of the value itself is called "value".
Cells: TypeAlias = dict[str, npt.NDArray[np.float64] | list[Any]]

_FIELD_OF = {"images": "image", "audio": "audio", "histograms": "histo", "tensors": "tensor"}
_FIELD_OF["text"] = "tensor"
#: The tag whose metadata hold a session's hyperparameters (plugins/hparams/metadata.py).
_SESSION_TAG = "_hparams_/session_start_info"


class Points(Bucket):
    """The points of one tag in one file, in the order in which they stand there.

    Attributes:
        field: of `Summary.Value`, which they all hold.
        data: float32 numbers as an array; anything else as `store` leaves it.
    """

    def __init__(self, field: str) -> None:
        super().__init__(floats if field == "simple_value" else list)
        self.field = field

    def __len__(self) -> int:
        return len(self.steps)

    def cells(self, event_type: str, tag: str, extra: Collection[str]) -> Cells:
        """The values, decoded anew, and the extra columns that are asked for and there are.

        A value that cannot be decoded leaves its cell empty; the first one of a tag is warned of.
        """
        if self.field == "simple_value":
            return {"value": np.array(self.data, np.float64)}
        names = ("counts", "limits") if event_type == "histograms" else ("value",)
        extras = [name for name in _EXTRAS.get(event_type, ()) if name in extra]
        cells: dict[str, list[Any]] = {name: [] for name in (*names, *extras)}
        problems: list[DecodeError] = []
        for step, message in zip(self.steps, fetch(self.data, self.field), strict=True):
            try:
                values = _DECODE[event_type](message)
            except DecodeError as error:
                problems.append(DecodeError(error.what, tag=tag, step=step))
                values = (None,)
            for name, value in zip(names, values, strict=True):
                cells[name].append(value)
            for name in extras:
                cells[name].append(getattr(message, name))
        if problems:
            others = f"; {len(problems) - 1} more of this tag" if len(problems) > 1 else ""
            warnings.warn(f"{event_type}: {problems[0]}{others}", TbioWarning, stacklevel=2)
        return {**cells}


class SummaryFile:
    """One event file, read at once; large values stay in it until they are asked for.

    A file whose name is not that of an event file has nothing. One that is gone or forbids reading
    has what was read of it, with a warning. What a restart made void is left out as
    EventAccumulator does it, and that is: of scalars, histograms, images and audio, but not of
    tensors and texts.

    Attributes:
        tags: event type -> tags, in the order in which they were met; nothing of types that were
            not asked for. Those of texts bear the suffix that torch and tensorboardX add.
        hparams: the hyperparameters of a session.
    """

    def __init__(self, path: str, event_types: Collection[str]) -> None:
        self._points: dict[str, dict[str, Points]] = {
            field: {}
            for event_type, field in [("scalars", "simple_value"), *_FIELD_OF.items()]
            if event_type in event_types
        }
        self._plugin_of: dict[str, str] = {}
        self._session = b""
        self._file = LocalFile(path)
        if is_event_file(os.path.basename(path)):
            try:
                self._read()
            except OSError as error:
                warnings.warn(str(error), TbioWarning, stacklevel=2)
        self.hparams = _hparams(self._session) if "hparams" in event_types else {}
        self.tags: dict[str, list[str]] = {event_type: [] for event_type in EVENT_TYPES}
        for event_type in event_types:
            self.tags[event_type] = list(
                self.hparams if event_type == "hparams" else self._of_type(event_type)
            )

    def points(self, event_type: str) -> Iterator[tuple[str, Points]]:
        """Tag and points, for each tag of a type other than "hparams"."""
        for tag, points in self._of_type(event_type).items():
            yield (tag.removesuffix(TAG_SUFFIX) if event_type == "text" else tag), points

    def _of_type(self, event_type: str) -> dict[str, Points]:
        if event_type not in ("tensors", "text"):
            return self._points[_FIELD_OF.get(event_type, "simple_value")]
        tensors = self._points["tensor"]
        if event_type == "text":
            texts = (tag for tag, plugin in self._plugin_of.items() if plugin == plugins.TEXT)
            return {tag: tensors[tag] for tag in texts if tag in tensors}
        others = (plugins.TEXT, plugins.HPARAMS)
        return {
            tag: kept for tag, kept in tensors.items() if self._plugin_of.get(tag) not in others
        }

    def _read(self) -> None:
        """Take in the events; what of them restarts make void is EventAccumulator's rule.

        With a file_version of 2, a SessionLog.START purges every tag. Without, an event whose step
        is before that of the last one purges the tags that it has.
        """
        reader = EventFileReader(self._file, "warn")
        version, latest = 0.0, -1
        for stored in reader.events():
            event = stored.event
            what = event.WhichOneof("what")
            if what == "file_version":
                version = parse_version(event.file_version)
            if version >= 2:
                if what == "session_log" and event.session_log.status == SessionLog.START:
                    self._purge(event.step)
            elif what == "summary" and event.step < latest:
                self._purge(event.step, {value.tag for value in event.summary.value})
            else:
                latest = event.step
            if what == "summary":
                self._add(stored, keeps_places=not reader.report.compression)

    def _purge(self, step: int, tags: Collection[str] | None = None) -> None:
        for field, kept in self._points.items():
            if field != "tensor":
                for tag in kept if tags is None else tags & kept.keys():
                    kept[tag].purge(step)

    def _add(self, stored: StoredEvent, keeps_places: bool) -> None:
        event = stored.event
        step, wall_time = event.step, event.wall_time
        for index, value in enumerate(event.summary.value):
            tag = value.tag or value.node_name  # the latter in tensors of 2017 and 2018
            if value.HasField("metadata") and tag not in self._plugin_of:
                plugin = value.metadata.plugin_data
                self._plugin_of[tag] = plugin.plugin_name
                if plugin.plugin_name == plugins.HPARAMS and tag == _SESSION_TAG:
                    self._session = plugin.content
            field = value.WhichOneof("value") or ""
            kept = self._points.get(field)
            if kept is None:
                continue
            points = kept.get(tag)
            if points is None:
                points = kept[tag] = Points(field)
            if field == "simple_value":
                points.add(step, wall_time, value.simple_value)
            else:
                place = Place(self._file, stored.offset, stored.size, index)
                message = getattr(value, field)
                points.add(step, wall_time, store(message, place if keeps_places else None))


def _hparams(content: bytes) -> dict[str, Any]:
    """The hyperparameters in the plugin content of a session's start; null is None."""
    try:
        start = HParamsPluginData.FromString(content).session_start_info
    except PARSE_ERRORS as error:
        warnings.warn(f"hparams: no session start: {error}", TbioWarning, stacklevel=2)
        return {}
    values = {}
    for name, value in start.hparams.items():
        kind = value.WhichOneof("kind")
        values[name] = getattr(value, kind) if kind not in (None, "null_value") else None
    return values


def _tensor(proto: TensorProto) -> tuple[Any]:
    array = tensor.decode(proto)
    if not array.shape:
        return (array.item(),)
    return (array if array.flags.writeable else array.copy(),)


def _text(proto: TensorProto) -> tuple[Any]:
    texts = tensor.decode_text(proto)
    return (texts.item() if texts.size == 1 else texts,)


def _histogram(histo: HistogramProto) -> tuple[Any, Any]:
    return np.array(histo.bucket, np.float64), np.array(histo.bucket_limit, np.float64)


def _image(proto: Summary.Image) -> tuple[Any]:
    return (pixels(proto.encoded_image_string),)


def _audio(proto: Summary.Audio) -> tuple[Any]:
    return (clip(proto.encoded_audio_string).to_array(),)


def pixels(encoded: bytes) -> npt.NDArray[np.uint8]:
    """The pixels of an image file as TensorFlow's ``decode_image`` gives them.

    uint8 [height, width, channels]; of a GIF [frames, height, width, 3].

    Raises:
        DecodeError: no image.
    """
    picture = image.Image(encoded, 0, 0)
    if picture.format != "gif":
        return picture.to_array()
    frames = picture.frames()
    return frames[..., :3] if frames.shape[-1] >= 3 else frames[..., [0, 0, 0]]


def clip(encoded: bytes) -> audio.Audio:
    """The sound of a WAV file."""
    value = Summary.Value(audio=Summary.Audio(encoded_audio_string=encoded))
    return audio.decode(value, SummaryMetadata())[0]


_DECODE: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "tensors": _tensor,
    "text": _text,
    "histograms": _histogram,
    "images": _image,
    "audio": _audio,
}
#: Event type -> extra columns, by the names that they have in the stored message.
_EXTRAS = {
    "histograms": ("max", "min", "num", "sum", "sum_squares"),
    "images": ("height", "width"),
    "audio": ("content_type", "length_frames", "sample_rate"),
}
