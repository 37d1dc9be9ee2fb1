"""Logs made at random, as restarted, resumed and disordered runs leave them.

`runs` is the hypothesis strategy, `write_run` puts what it made on disk, by way of TensorBoard's
own protos and record writer. All that a run's restarts may depend on varies: the files and their
order, file versions, session logs, the steps' order, several values of one tag in one event, events
without values, values without a value, graphs, and events that are no summary.

What is left out, since readers differ in more than steps there: tags of several plugins, tags
without any metadata that are no TF1 form, tags without a name, scalars that are no float32 (the
data server drops them), damaged files, and wall times that are no finite numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer import record_writer
from tensorboard.util import tensor_util

#: How a value is stored: in TF1's field for its kind, in a tensor, or not at all.
Form: TypeAlias = Literal["old", "tensor", "nothing"]

SCALAR_TAGS = ("a", "b", "c")
HISTOGRAM_TAG, IMAGE_TAG, TEXT_TAG = "h", "i", "t"
RUN_METADATA_TAGS = ("r", "s")

_METADATA: dict[str, Any] = {
    **dict.fromkeys(SCALAR_TAGS, scalar_metadata.create_summary_metadata("", "")),
    HISTOGRAM_TAG: histogram_metadata.create_summary_metadata("", ""),
    IMAGE_TAG: image_metadata.create_summary_metadata("", ""),
    TEXT_TAG: text_metadata.create_summary_metadata("", ""),
}


@dataclass(frozen=True)
class Value:
    tag: str
    form: Form = "old"


@dataclass(frozen=True)
class Event:
    """An event with this step.

    Attributes:
        what: the field of the event that is set.
        holds: the values of a summary, the text of a file version, the status of a session log,
            the tag of run metadata.
        wall_time: seconds since the epoch; None has one made up.
    """

    step: int
    what: str = "summary"
    holds: Any = ()
    wall_time: float | None = None


#: file name -> its events
LogRun: TypeAlias = dict[str, tuple[Event, ...]]


def summary(step: int, *tags: str, form: Form = "old", wall_time: float | None = None) -> Event:
    """An event with one value for each tag."""
    return Event(step, "summary", tuple(Value(tag, form) for tag in tags), wall_time)


def version(text: str = "brain.Event:2", step: int = 0) -> Event:
    return Event(step, "file_version", text)


def start(step: int) -> Event:
    return Event(step, "session_log", "START")


def one_file(*events: Event) -> LogRun:
    return {"events.out.tfevents.1": events}


def _mixed(*weights: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of these, as often as its weight says; ``one_of`` ignores repetitions."""
    return st.sampled_from([s for weight, s in weights for _ in range(weight)]).flatmap(
        lambda strategy: strategy
    )


_STEPS = _mixed(
    (15, st.integers(-2, 9)),
    (15, st.integers(0, 4)),
    (1, st.sampled_from([2**40, -(2**40), 2**63 - 1, -(2**63)])),
)
_SCALARS = st.builds(
    Value, st.sampled_from(SCALAR_TAGS), st.sampled_from(["old", "old", "tensor", "nothing"])
)
_BLOBS = [
    *(Value(tag, form) for tag in (HISTOGRAM_TAG, IMAGE_TAG) for form in ("old", "tensor")),
    Value(TEXT_TAG, "tensor"),
]
_EMPTY_BLOBS = [Value(tag, "nothing") for tag in (HISTOGRAM_TAG, IMAGE_TAG, TEXT_TAG)]


def _summaries(blobs: list[Value]) -> st.SearchStrategy[Event]:
    values = _mixed((2, _SCALARS), (1, st.sampled_from(blobs)))
    few = _mixed((3, st.tuples(values)), (2, st.lists(values, max_size=4).map(tuple)))
    return st.builds(Event, _STEPS, st.just("summary"), few)


_SESSION_LOGS = st.builds(
    Event,
    _STEPS,
    st.just("session_log"),
    st.sampled_from(["START", "START", "START", "STOP", "CHECKPOINT", "STATUS_UNSPECIFIED"]),
)
_VERSION_TEXTS = st.sampled_from(
    (
        *("brain.Event:2", "brain.Event:2", "brain.Event:1", "brain.Event:3", "brain.Event:1.9"),
        *("", "brain.Event:", "brain.Event:two", "2", "brain.Event:0", "brain.Event:nan"),
        *("brain.Event:inf", "brain.Event: 2 ", "brain.Event:1brain.Event:2", "brain.Event:1_0"),
    )
)
_VERSIONS = st.builds(version, _VERSION_TEXTS, _STEPS)
_OTHERS = st.one_of(
    st.builds(Event, _STEPS, st.sampled_from(["graph_def", "meta_graph_def", "log_message"])),
    st.builds(Event, _STEPS, st.just("tagged_run_metadata"), st.sampled_from(RUN_METADATA_TAGS)),
)


_FIRST_EVENTS: list[tuple[Event, ...]]
_FIRST_EVENTS = [(), (version(),), (version(),), (version("brain.Event:1"),)]
#: In lexicographic order 10 comes before 9.
_NAMES = [f"events.out.tfevents.{name}" for name in ("10.h", "10.h.1", "11.h.v2", "9.h")]


def runs(*, empty_blobs: bool = False) -> st.SearchStrategy[LogRun]:
    """Runs of one to four files.

    Args:
        empty_blobs: have values that hold nothing in other tags than those of scalars too.
    """
    summaries = _summaries(_BLOBS + _EMPTY_BLOBS if empty_blobs else _BLOBS)
    events = _mixed((12, summaries), (4, _SESSION_LOGS), (1, _OTHERS), (1, _VERSIONS))
    file = st.builds(
        tuple.__add__, st.sampled_from(_FIRST_EVENTS), st.lists(events, max_size=20).map(tuple)
    )
    return st.lists(file, min_size=1, max_size=4).map(
        lambda files: dict(zip(_NAMES, files, strict=False))
    )


def write_run(folder: Path, run: LogRun) -> None:
    """Write a run's files.

    No two events have the same wall time, and these are in no order; no two scalars have the same
    value. A tag's metadata stand on the first of its values that is not in the old form.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    described: set[str] = set()
    for name, events in sorted(run.items()):
        with (folder / name).open("wb") as file:
            writer = record_writer.RecordWriter(file)
            for event in events:
                count += 1
                wall_time = event.wall_time
                if wall_time is None:
                    wall_time = 1e9 + count * 37 % 1009
                proto = event_pb2.Event(step=event.step, wall_time=wall_time)
                _fill(proto, event, count, described)
                writer.write(proto.SerializeToString())


def _fill(proto: Any, event: Event, count: int, described: set[str]) -> None:
    if event.what == "summary":
        proto.summary.SetInParent()
        proto.summary.value.extend(_values(event.holds, count, described))
    elif event.what == "session_log":
        proto.session_log.status = event_pb2.SessionLog.SessionStatus.Value(event.holds)
    elif event.what == "tagged_run_metadata":
        proto.tagged_run_metadata.tag = event.holds
        proto.tagged_run_metadata.run_metadata = b""
    elif event.what == "log_message":
        proto.log_message.message = "hello"
    elif event.what == "file_version":
        proto.file_version = event.holds
    else:
        setattr(proto, event.what, b"")  # the bytes of an empty graph


def _values(values: tuple[Value, ...], count: int, described: set[str]) -> Iterator[Any]:
    for at, value in enumerate(values):
        proto = summary_pb2.Summary.Value(tag=value.tag)
        if value.form != "old" and value.tag not in described:
            proto.metadata.CopyFrom(_METADATA[value.tag])
            described.add(value.tag)
        if value.form == "old":
            _fill_old(proto, value.tag, count + at / 16)
        elif value.form == "tensor":
            proto.tensor.CopyFrom(_tensor(value.tag, count + at / 16))
        yield proto


def _fill_old(proto: Any, tag: str, number: float) -> None:
    if tag == HISTOGRAM_TAG:
        proto.histo.CopyFrom(
            summary_pb2.HistogramProto(
                min=0, max=1, num=1, sum=1, sum_squares=1, bucket_limit=[1], bucket=[1]
            )
        )
    elif tag == IMAGE_TAG:
        proto.image.CopyFrom(
            summary_pb2.Summary.Image(height=1, width=1, colorspace=3, encoded_image_string=b"png")
        )
    else:
        proto.simple_value = number


def _tensor(tag: str, number: float) -> Any:
    content: Any = np.float32(number)
    if tag == HISTOGRAM_TAG:
        content = np.array([[0, 1, 1]], np.float64)
    elif tag == IMAGE_TAG:
        content = [b"1", b"1", b"png"]
    elif tag == TEXT_TAG:
        content = [b"text"]
    return tensor_util.make_tensor_proto(content)
