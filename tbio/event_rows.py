"""Event rows: what stands in event files, event by event, as plain Python values."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from google.protobuf.json_format import MessageToDict

from tbio import plugins, tensor
from tbio.columns import PLUGIN_OF_FIELD, name_of
from tbio.errors import DecodeError, TbioWarning
from tbio.event_file import EventFileReader, StoredEvent
from tbio.logdir import Source, event_files
from tbio.proto.event_pb2 import Event, LogMessage, SessionLog
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.record_file import FileReport, OnDamage, Unverified, check_on_damage
from tbio.selection import Selection, Steps, kind_set, matcher, step_range

#: Numbers of a tensor, and characters of a text, that are shown.
_MOST_NUMBERS, _MOST_CHARACTERS = 8, 1000
#: The fields of an event that hold a graph, or what was measured of one.
_GRAPHS = ("graph_def", "meta_graph_def", "tagged_run_metadata")


def cat(
    source: Source,
    *,
    runs: Selection = None,
    tags: Selection = None,
    kinds: str | Iterable[str] | None = None,
    steps: Steps = None,
    on_damage: OnDamage = "warn",
    unverified: Unverified = "skip",
    reports: list[FileReport] | None = None,
) -> Iterator[dict[str, Any]]:
    """The events of logs one by one, in the order of the files, as values that JSON takes.

    An event has ``path``, ``offset``, ``size`` (of its record, in bytes), ``wall_time``, ``step``
    and one more: ``file_version``, ``values``, ``session_log``, ``log_message``, or the bytes of a
    graph. A value has ``tag``, ``plugin`` and ``kind`` where they are known, what its metadata say,
    and ``value``: a number as it is, texts and the beginning of tensors with ``dtype`` and
    ``shape``, of images, audio and the like only what is said of them. Numbers that JSON lacks are
    the strings "nan", "inf" and "-inf".

    Args:
        source, runs, tags, kinds, steps, on_damage, unverified: as of `tbio.open`. With ``tags`` or
            ``kinds``, only events with such a value, and those values (the events that hold graphs
            are of the kind "graphs", and have no tag); with ``steps``, only those events.
        reports: a list to which the report of each file is added when it was read.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        ValueError: a kind that there is not.
        DamageError, OSError: with ``on_damage="raise"``.

    >>> rows = cat("tests/golden/digits/test", tags="loss")
    >>> row = next(rows)
    >>> row["step"], [(value["tag"], value["value"]) for value in row["values"]]
    (0, [('loss', 2.3025851)])
    """
    wanted_run, wanted_tag = matcher(runs, "runs"), matcher(tags, "tags")
    wanted_kinds, wanted_steps = kind_set(kinds), step_range(steps)
    plugin_of: dict[tuple[str, str], str] = {}
    check_on_damage(on_damage)

    def tell(error: OSError) -> None:
        if on_damage == "raise":
            raise error
        if on_damage == "warn":
            warnings.warn(str(error), TbioWarning, stacklevel=2)

    found = sorted(event_files(source, tell), key=lambda one: (one[0], one[1].name))
    for run, file in found:
        if not wanted_run(run):
            continue
        reader = EventFileReader(file, on_damage, unverified)
        for stored in reader.events():
            for value in stored.event.summary.value:
                if value.HasField("metadata"):
                    name = value.metadata.plugin_data.plugin_name
                    plugin_of.setdefault((run, value.tag), name)
            if wanted_steps is not None and not wanted_steps.wants(stored.event.step):
                continue
            row = _row(run, file.name, stored)
            values = [
                _value(one, plugin_of.get((run, one.tag), ""))
                for one in stored.event.summary.value
                if wanted_tag(one.tag or one.node_name)
            ]
            if kinds is not None:
                values = [one for one in values if one.get("kind", "tensors") in wanted_kinds]
            what = stored.event.WhichOneof("what")
            if what == "summary":
                row["values"] = values
            is_graph = what in _GRAPHS and "graphs" in wanted_kinds and tags is None
            if (tags is None and kinds is None) or values or is_graph:
                yield row
        if reports is not None:
            reports.append(reader.report)


def _row(run: str, path: str, stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    row: dict[str, Any] = {"run": run, "path": path, "offset": stored.offset, "size": stored.size}
    row["wall_time"], row["step"] = _number(event.wall_time), event.step
    what = event.WhichOneof("what")
    if what == "file_version":
        row["file_version"] = event.file_version
        if event.source_metadata.writer:
            row["writer"] = event.source_metadata.writer
    elif what == "session_log":
        status = event.session_log.status
        row["session_log"] = {"status": name_of(SessionLog.SessionStatus, status)}
        for name in ("checkpoint_path", "msg"):
            if getattr(event.session_log, name):
                row["session_log"][name] = getattr(event.session_log, name)
    elif what == "log_message":
        level = name_of(LogMessage.Level, event.log_message.level)
        row["log_message"] = {"level": level, "message": event.log_message.message}
    elif what is not None and what != "summary":
        row[what] = _graph(event, what)
    return row


def _graph(event: Event, what: str) -> dict[str, Any]:
    if what == "tagged_run_metadata":
        one = event.tagged_run_metadata
        return {"tag": one.tag, "bytes": len(one.run_metadata)}
    return {"bytes": len(getattr(event, what))}


def _value(value: Summary.Value, plugin: str) -> dict[str, Any]:
    row: dict[str, Any] = {"tag": value.tag or value.node_name}
    field = value.WhichOneof("value")
    plugin = PLUGIN_OF_FIELD.get(field or "") or plugin
    if not plugin and field == "simple_value":
        plugin = plugins.SCALARS
    if plugin:
        row["plugin"], row["kind"] = plugin, plugins.kind_of(plugin)
    if value.HasField("metadata"):
        row |= _metadata(value.metadata)
    if field == "simple_value":
        row["value"] = _number(float(str(np.float32(value.simple_value))))
    elif field == "tensor":
        row |= _tensor(value)
    elif field == "histo":
        histogram = MessageToDict(value.histo, preserving_proto_field_name=True)
        buckets = len(histogram.pop("bucket", ()))
        histogram.pop("bucket_limit", None)
        row["value"] = histogram | {"buckets": buckets}
    elif field == "image":
        image = value.image
        size = len(image.encoded_image_string)
        row["value"] = {"height": image.height, "width": image.width, "bytes": size}
    elif field == "audio":
        audio = value.audio
        row["value"] = {
            "sample_rate": audio.sample_rate,
            "channels": audio.num_channels,
            "frames": audio.length_frames,
            "bytes": len(audio.encoded_audio_string),
        }
    else:
        row["value"] = None
    return row


def _metadata(metadata: SummaryMetadata) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if metadata.display_name:
        found["display_name"] = metadata.display_name
    if metadata.summary_description:
        found["description"] = _text(metadata.summary_description)
    return found


def _tensor(value: Summary.Value) -> dict[str, Any]:
    try:
        array = tensor.decode(value.tensor)
    except DecodeError as error:
        return {"value": None, "problem": error.what}
    row: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if array.dtype.kind == "O":
        row["dtype"] = "string"
    # No more is made of a large tensor than is shown.
    first = array.reshape(-1)[:_MOST_NUMBERS].tolist()
    if array.dtype == np.float32:
        first = [float(str(np.float32(one))) for one in first]
    plain = [_plain(one) for one in first]
    row["value"] = plain[0] if not array.shape else plain
    if array.size > _MOST_NUMBERS:
        row["more"] = int(array.size) - _MOST_NUMBERS
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return _text(value.decode())
        except UnicodeDecodeError:
            return {"bytes": len(value)}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, complex):
        return [_number(value.real), _number(value.imag)]
    return _number(value) if isinstance(value, float) else value


def _text(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}... ({len(text)} characters)"


def _number(number: float) -> float | str:
    """A number, or its name where JSON has none."""
    return number if math.isfinite(number) else str(number)
