"""Logs made at random: runs of events, and files of records.

*Runs of events*, as restarted, resumed and disordered runs leave them.
`runs` is the hypothesis strategy, `write_run` puts what it made on disk, by way of TensorBoard's
own protos and record writer. All that a run's restarts may depend on varies: the files and their
order, file versions, session logs, the steps' order, several values of one tag in one event, events
without values, values without a value, graphs, and events that are no summary.

What is left out, since readers differ in more than steps there: tags of several plugins, tags
without any metadata that are no TF1 form, tags without a name, scalars that are no float32 (the
data server drops them), damaged files, and wall times that are no finite numbers.

*Files of records*, byte by byte, where all of that is and more: `record_logs` is the strategy,
`log_bytes` gives the bytes, `damaged` those of a damaged file.
"""

from __future__ import annotations

import itertools
import math
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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

from tbio.masked_crc import masked_crc
from tbio.record import encode_record

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


# Files of records, byte by byte.
#
# What follows makes event files for the readers that look at bytes before they look at messages. It
# writes protobuf by hand, since no library would write most of it: fields in another order, twice,
# of unknown number, longer than need be, cut off. `record_logs` is the strategy; a `RecordLog`
# says in few words what stands in a file, so that hypothesis can shrink it.


def varint(number: int, length: int = 1) -> bytes:
    """An integer as protobuf stores it, in ``length`` bytes at least (a decoder takes up to 10)."""
    number &= 2**64 - 1
    encoded = bytearray()
    while number > 127 or len(encoded) + 1 < length:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def key(field: int, wire: int) -> bytes:
    return varint(field << 3 | wire)


def integer(field: int, number: int) -> bytes:
    return key(field, 0) + varint(number)


def double(field: int, number: float) -> bytes:
    return key(field, 1) + struct.pack("<d", number)


def single(field: int, number: float) -> bytes:
    return key(field, 5) + _float32(number)


def within(field: int, *parts: bytes) -> bytes:
    """A message, a string or packed numbers, in a field."""
    content = b"".join(parts)
    return key(field, 2) + varint(len(content)) + content


def _long(field: int, length: int, content: bytes) -> bytes:
    """As `within`, the content's length written in ``length`` bytes."""
    return key(field, 2) + varint(len(content), length) + content


def _float32(number: float) -> bytes:
    with np.errstate(over="ignore"):
        return np.float32(number).tobytes()


def _whole(number: float, bits: int = 64) -> int:
    """Some integer for any number; the large ones are beyond what a double holds."""
    if not abs(number) < 2**40:
        (code,) = struct.unpack("<Q", struct.pack("<d", number))
        return (int(code) * 0x9E3779B97F4A7C15 & (1 << bits) - 1) - (1 << bits - 1)
    return int(number)


# Fields of Event, of Summary.Value and of TensorProto (tensorboard/compat/proto/).
_WALL_TIME, _STEP, _FILE_VERSION, _GRAPH_DEF, _SUMMARY, _LOG_MESSAGE = 1, 2, 3, 4, 5, 6
_SESSION_LOG, _RUN_METADATA, _META_GRAPH, _SOURCE = 7, 8, 9, 10
_TAG, _SIMPLE, _OBSOLETE, _IMAGE, _HISTO, _AUDIO, _NODE, _TENSOR, _META = 1, 2, 3, 4, 5, 6, 7, 8, 9
_CONTENT = 4


def event_bytes(step: int, wall_time: float, *what: bytes) -> bytes:
    """An event as protobuf writes it: zeros are left out, but for -0.0."""
    time = double(_WALL_TIME, wall_time)
    begin = b"" if time == double(_WALL_TIME, 0.0) else time
    return begin + (integer(_STEP, step) if step else b"") + b"".join(what)


def summary_bytes(*values: bytes) -> bytes:
    return within(_SUMMARY, *(within(1, value) for value in values))


def value_bytes(tag: str, *content: bytes) -> bytes:
    return (within(_TAG, tag.encode()) if tag else b"") + b"".join(content)


def metadata_bytes(plugin: str, display_name: str = "", content: bytes = b"") -> bytes:
    about = within(1, plugin.encode()) + (within(2, content) if content else b"")
    name = within(2, display_name.encode()) if display_name else b""
    return within(_META, within(1, about), name)


def tensor_bytes(dtype: int, data: bytes, shape: tuple[int, ...] = ()) -> bytes:
    dims = [within(2, integer(1, size)) for size in shape]
    return within(_TENSOR, integer(1, dtype), within(2, *dims), data)


def _exact(number: float, kept: float) -> bytes:
    floats = within(5, _float32(number))
    return tensor_bytes(1, floats + within(6, struct.pack("<d", kept)))


#: The encodings of a number: those that writers use, and those that readers have to take.
NUMBER_FORMS: dict[str, Callable[[float], bytes]] = {
    "simple": lambda x: single(_SIMPLE, x),
    "content": lambda x: tensor_bytes(1, within(_CONTENT, _float32(x))),  # TF 2's
    "float_val": lambda x: tensor_bytes(1, within(5, _float32(x))),
    "float_val unpacked": lambda x: tensor_bytes(1, single(5, x)),
    "exact": lambda x: _exact(x, x),  # tbio's
    "exact, unequal": lambda x: _exact(x, x + 1),
    "double content": lambda x: tensor_bytes(2, within(_CONTENT, struct.pack("<d", x))),
    "double_val": lambda x: tensor_bytes(2, within(6, struct.pack("<d", x))),
    "double_val unpacked": lambda x: tensor_bytes(2, double(6, x)),
    "int64 content": lambda x: tensor_bytes(9, within(_CONTENT, struct.pack("<q", _whole(x)))),
    "int64_val": lambda x: tensor_bytes(9, within(10, varint(_whole(x)))),
    "int64_val unpacked": lambda x: tensor_bytes(9, integer(10, _whole(x))),
    "int32_val": lambda x: tensor_bytes(3, within(7, varint(_whole(x, 32)))),
    "uint64_val": lambda x: tensor_bytes(23, within(17, varint(_whole(x)))),
    "half content": lambda x: tensor_bytes(19, within(_CONTENT, _float32(x)[2:])),
    "half_val": lambda x: tensor_bytes(19, within(13, varint(_whole(x, 16) & 0xFFFF))),
    "bfloat16 content": lambda x: tensor_bytes(14, within(_CONTENT, _float32(x)[2:])),
    "bool_val": lambda x: tensor_bytes(10, within(11, b"\1" if x > 0 else b"\0")),
    "complex": lambda x: tensor_bytes(8, within(9, _float32(x), _float32(-x))),
    "rank 1": lambda x: tensor_bytes(1, within(_CONTENT, _float32(x)), (1,)),
    "rank 2": lambda x: tensor_bytes(1, within(_CONTENT, _float32(x)), (1, 1)),
    "no shape": lambda x: within(_TENSOR, integer(1, 1), within(_CONTENT, _float32(x))),
    "shape last": lambda x: within(
        _TENSOR, within(_CONTENT, _float32(x)), within(2), integer(1, 1)
    ),
    "unknown rank": lambda x: within(
        _TENSOR, integer(1, 1), within(2, integer(3, 1)), within(_CONTENT, _float32(x))
    ),
    "version": lambda x: tensor_bytes(1, integer(3, 7) + within(_CONTENT, _float32(x))),
    "left out": lambda x: tensor_bytes(1, b""),
    "content and float_val": lambda x: tensor_bytes(
        1, within(_CONTENT, _float32(x)) + within(5, _float32(-x))
    ),
    "float_val twice": lambda x: tensor_bytes(1, within(5, _float32(x)) + single(5, x)),
    "content twice": lambda x: tensor_bytes(
        1, within(_CONTENT, b"....") + within(_CONTENT, _float32(x))
    ),
    "vector": lambda x: tensor_bytes(1, within(_CONTENT, _float32(x), _float32(x)), (2,)),
    "empty vector": lambda x: tensor_bytes(1, b"", (0,)),
    "spread": lambda x: tensor_bytes(1, within(5, _float32(x)), (3,)),
    "content too short": lambda x: tensor_bytes(1, within(_CONTENT, _float32(x)[:3])),
    "string": lambda x: tensor_bytes(7, within(8, b"%f" % x)),
    "no dtype": lambda x: tensor_bytes(0, within(_CONTENT, _float32(x))),
    "unknown dtype": lambda x: tensor_bytes(99, within(_CONTENT, _float32(x))),
}
#: The encodings that the common writers use.
USUAL_FORMS = ("simple", "content", "float_val", "exact", "double_val", "double content")

_NUMBERS = (
    *(math.nan, math.inf, -math.inf, 0.0, -0.0, 1e-45, 3.4028235e38, -3.5e38, 1e300, 5e-324),
    *(2.0**53, -(2.0**53), 2.0**63, 0.1, 16777217.0, 1e18),
)
_TIMES = (math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1.7e9, 1e300)


def tag_name(at: int, lengths: str) -> str:
    """Tag number ``at`` of some; the same tag whoever asks."""
    if lengths == "different":
        return f"{'layer/' * (at * 7 % 5)}{'abcdefghijklm'[: 1 + at * 5 % 13]}{at}"
    if lengths == "long":
        return f"{'deep/' * (at % 3 * 25 + 25)}{at}"
    if lengths == "other letters":
        return f"Größe/損失 {at:03d}"
    return f"tag{at:05d}"


@dataclass(frozen=True)
class Rhythm:
    """Scalars as a training loop logs them.

    Attributes:
        events: how many.
        tags: how many tags take turns.
        lengths: see `tag_name`.
        together: values an event.
        form: of `NUMBER_FORMS`, or "mixed".
        described: where metadata stand: "never", on each tag's "first" value, on "each", "late" on
            the third, "changing" from value to value, or those of another plugin.
        step, stride: the first step, and the distance of two steps.
        order: "regular"; "shuffled" tags in each step; "random" tags; steps with "jumps".
        clock: "ticking", "standing", or "odd".
        odd_numbers: take them from those that are easily got wrong.
        spoilt: so many of the records have a byte or two changed, and right checksums.
        seed: of whatever is random.
    """

    events: int = 40
    tags: int = 3
    lengths: str = "equal"
    together: int = 1
    form: str = "simple"
    described: str = "never"
    step: int = 0
    stride: int = 1
    order: str = "regular"
    clock: str = "ticking"
    odd_numbers: bool = False
    spoilt: int = 0
    seed: int = 0

    def payloads(self) -> list[bytes]:
        """The records' payloads."""
        chance = random.Random(self.seed)
        tags = [tag_name(at, self.lengths) for at in range(self.tags)]
        met: Counter[str] = Counter()
        payloads: list[bytes] = []
        step, time = self.step, 1.7e9
        turn = 0
        for _ in range(self.events):
            values = []
            now = step
            for _ in range(self.together):
                tag = chance.choice(tags) if self.order == "random" else tags[turn]
                values.append(self._value(tag, met[tag], chance))
                met[tag] += 1
                turn += 1
                if turn == len(tags):
                    turn = 0
                    step += self.stride
                    if self.order == "jumps":
                        step += chance.choice((0, 1, 100, 2**20, -50))
                    elif self.order == "shuffled":
                        chance.shuffle(tags)
            time += 0.25 * (self.clock == "ticking")
            at = chance.choice(_TIMES) if self.clock == "odd" else time
            # as a 64-bit integer goes round
            payloads.append(event_bytes((now + 2**63) % 2**64 - 2**63, at, summary_bytes(*values)))
        for _ in range(min(self.spoilt, self.events)):
            at = chance.randrange(self.events)
            payloads[at] = _spoilt(payloads[at], chance)
        return payloads

    def _value(self, tag: str, before: int, chance: random.Random) -> bytes:
        number = chance.choice(_NUMBERS) if self.odd_numbers else chance.random()
        form = chance.choice(list(NUMBER_FORMS)) if self.form == "mixed" else self.form
        metadata = b""
        if self.described == "changing":
            metadata = metadata_bytes("scalars", f"name {before}")
        elif before == {"first": 0, "other": 0, "late": 2}.get(self.described, before + 1) or (
            self.described == "each"
        ):
            metadata = metadata_bytes("greeter" if self.described == "other" else "scalars")
        return value_bytes(tag, NUMBER_FORMS[form](number), metadata)


def _spoilt(payload: bytes, chance: random.Random) -> bytes:
    data = bytearray(payload)
    for _ in range(chance.choice((1, 1, 1, 2))):
        at = chance.randrange(len(data) + 1)
        how = chance.randrange(4)
        if how == 0 or at == len(data):
            data.insert(at, chance.choice((0, 1, 0x80, 0xFF, chance.randrange(256))))
        elif how == 1:
            del data[at]
        elif how == 2:
            data[at] ^= 1 << chance.randrange(8)
        else:
            data[at] = chance.choice((0, 0xFF, chance.randrange(256)))
    return bytes(data)


@dataclass(frozen=True)
class Odd:
    """One record that is no plain scalar, by its name in `ODD_RECORDS`.

    Attributes:
        tag: one that plain scalars may have too.
        number: for whatever takes one.
        size: bytes of what is large.
    """

    name: str
    tag: str = "tag00000"
    step: int = 0
    wall_time: float = 1.7e9
    number: float = 0.5
    size: int = 100

    def payloads(self) -> list[bytes]:
        """The payload, alone."""
        return [ODD_RECORDS[self.name](self)]

    def one(self, *content: bytes) -> bytes:
        """An event of one value."""
        return self.summary(value_bytes(self.tag, *content))

    def summary(self, *values: bytes) -> bytes:
        """An event of values."""
        return self.event(summary_bytes(*values))

    def event(self, *what: bytes) -> bytes:
        return event_bytes(self.step, self.wall_time, *what)

    @property
    def value(self) -> bytes:
        """A plain scalar."""
        return value_bytes(self.tag, single(_SIMPLE, self.number))

    @property
    def blob(self) -> bytes:
        """Bytes, some of which look like a record."""
        inner = encode_record(event_bytes(7, 1.0, summary_bytes(self.value)))
        return (inner + bytes(range(256)) * (self.size // 256 + 1))[: max(self.size, 1)]


def _image(odd: Odd) -> bytes:
    return within(_IMAGE, integer(1, 2), integer(2, 2), integer(3, 3), within(4, odd.blob))


def _histogram(odd: Odd) -> bytes:
    count = odd.size // 16 + 1
    buckets = struct.pack(f"<{count}d", *range(count))
    limits = [double(field, odd.number) for field in range(1, 6)]
    return within(_HISTO, *limits, within(6, buckets), within(7, buckets))


def _audio(odd: Odd, content_type: bytes = b"audio/wav") -> bytes:
    head = single(1, 8000.0) + integer(2, 1) + integer(3, 2)
    return within(_AUDIO, head, within(4, odd.blob), within(5, content_type))


def _strings(odd: Odd, count: int) -> bytes:
    return tensor_bytes(7, within(8, b"1") * (count - 1) + within(8, odd.blob), (count,))


def _doubles(odd: Odd) -> bytes:
    count = odd.size // 24 + 1
    content = struct.pack(f"<{3 * count}d", *range(3 * count))
    return tensor_bytes(2, within(_CONTENT, content), (count, 3))


def _group(depth: int) -> bytes:
    """An unknown field of groups in groups."""
    return key(50, 3) * depth + key(50, 4) * depth


_UNKNOWN = integer(90, 7) + double(91, 1.0) + within(92, b"what is this") + single(93, 1.0)


#: What else a record may hold, as far as one can think of it.
ODD_RECORDS: dict[str, Callable[[Odd], bytes]] = {
    # what is not a scalar
    "image": lambda o: o.one(_image(o)),
    "histogram": lambda o: o.one(_histogram(o)),
    "audio": lambda o: o.one(_audio(o)),
    "obsolete histogram": lambda o: o.one(within(_OBSOLETE, o.blob)),
    "image tensor": lambda o: o.one(_strings(o, 3), metadata_bytes("images")),
    "image tensor, undescribed": lambda o: o.one(_strings(o, 3)),
    "audio tensor": lambda o: o.one(_strings(o, 2), metadata_bytes("audio")),
    "text": lambda o: o.one(_strings(o, 1), metadata_bytes("text")),
    "text, undescribed": lambda o: o.one(_strings(o, 1)),
    "histogram tensor": lambda o: o.one(_doubles(o), metadata_bytes("histograms")),
    "histogram tensor, undescribed": lambda o: o.one(_doubles(o)),
    "metadata before a blob": lambda o: o.one(metadata_bytes("text"), _strings(o, 1)),
    "blobs": lambda o: o.summary(
        value_bytes("i", _image(o)), o.value, value_bytes("h", _histogram(o)), o.value
    ),
    "blob and scalar": lambda o: o.summary(o.value, value_bytes(o.tag, _image(o))),
    # numbers by what surrounds them
    "mixed numbers": lambda o: o.summary(
        *(value_bytes(o.tag, form(o.number)) for form in NUMBER_FORMS.values())
    ),
    "described number": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), metadata_bytes("scalars", "a name")
    ),
    "described old number": lambda o: o.one(
        single(_SIMPLE, o.number), metadata_bytes("scalars", "a name")
    ),
    "described double": lambda o: o.one(
        NUMBER_FORMS["double_val"](o.number), metadata_bytes("scalars")
    ),
    "double": lambda o: o.one(NUMBER_FORMS["double_val"](o.number)),
    "integer": lambda o: o.one(NUMBER_FORMS["int64 content"](o.number)),
    "number of another plugin": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), metadata_bytes("greeter", "hello", b"content")
    ),
    "old number of another plugin": lambda o: o.one(
        single(_SIMPLE, o.number), metadata_bytes("images")
    ),
    "number of a plugin without name": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), metadata_bytes("")
    ),
    "vector of scalars": lambda o: o.one(_doubles(o), metadata_bytes("scalars")),
    "text of scalars": lambda o: o.one(_strings(o, 1), metadata_bytes("scalars")),
    "hparams": lambda o: o.summary(
        value_bytes("_hparams_/session_start_info", metadata_bytes("hparams", "", o.blob))
    ),
    "hparams with a number": lambda o: o.one(
        single(_SIMPLE, o.number), metadata_bytes("hparams", "", b"x")
    ),
    "metadata alone": lambda o: o.one(metadata_bytes("scalars", "alone")),
    "metadata of a tensor alone": lambda o: o.one(metadata_bytes("greeter")),
    "empty metadata": lambda o: o.one(single(_SIMPLE, o.number), within(_META)),
    "metadata twice": lambda o: o.one(
        metadata_bytes("text", "a"), single(_SIMPLE, o.number), metadata_bytes("scalars")
    ),
    "metadata before the value": lambda o: o.one(
        metadata_bytes("scalars"), NUMBER_FORMS["content"](o.number)
    ),
    "metadata before the tag": lambda o: o.summary(
        metadata_bytes("scalars") + value_bytes(o.tag, NUMBER_FORMS["content"](o.number))
    ),
    "node name": lambda o: o.summary(within(_NODE, o.tag.encode()) + single(_SIMPLE, o.number)),
    "node name and tag": lambda o: o.one(single(_SIMPLE, o.number), within(_NODE, b"node")),
    "no tag": lambda o: o.summary(single(_SIMPLE, o.number)),
    "empty tag": lambda o: o.summary(within(_TAG) + single(_SIMPLE, o.number)),
    "tag last": lambda o: o.summary(single(_SIMPLE, o.number) + within(_TAG, o.tag.encode())),
    "tag twice": lambda o: o.one(within(_TAG, b"again"), single(_SIMPLE, o.number)),
    "tag with NUL": lambda o: o.summary(value_bytes("a\0b", single(_SIMPLE, o.number))),
    "value of nothing": lambda o: o.one(),
    "empty value": lambda o: o.summary(b""),
    "empty summary": lambda o: o.summary(),
    "many values": lambda o: o.summary(*[o.value] * (o.size // 20)),
    # what is no summary
    "nothing": lambda o: b"",
    "wall time": lambda o: double(_WALL_TIME, o.wall_time),
    "step": lambda o: integer(_STEP, o.step),
    "file version": lambda o: o.event(within(_FILE_VERSION, b"brain.Event:2")),
    "writer": lambda o: o.event(
        within(_FILE_VERSION, b"brain.Event:3"), within(_SOURCE, within(1, b"somebody"))
    ),
    "graph": lambda o: o.event(within(_GRAPH_DEF, o.blob)),
    "meta graph": lambda o: o.event(within(_META_GRAPH, o.blob)),
    "run metadata": lambda o: o.event(
        within(_RUN_METADATA, within(1, o.tag.encode()), within(2, o.blob))
    ),
    "run metadata, tag last": lambda o: o.event(
        within(_RUN_METADATA, within(2, o.blob), within(1, o.tag.encode()))
    ),
    "log message": lambda o: o.event(within(_LOG_MESSAGE, integer(1, 20), within(2, b"hello"))),
    "log message of an unknown level": lambda o: o.event(within(_LOG_MESSAGE, integer(1, 7))),
    "start": lambda o: o.event(within(_SESSION_LOG, integer(1, 1))),
    "stop": lambda o: o.event(within(_SESSION_LOG, integer(1, 2), within(3, b"end"))),
    "checkpoint": lambda o: o.event(within(_SESSION_LOG, integer(1, 3), within(2, b"a/b"))),
    "unknown status": lambda o: o.event(within(_SESSION_LOG, integer(1, 99))),
    # unusual, but sound
    "fields reversed": lambda o: (
        summary_bytes(o.value) + integer(_STEP, o.step) + double(_WALL_TIME, o.wall_time)
    ),
    "step first": lambda o: (
        integer(_STEP, o.step) + double(_WALL_TIME, o.wall_time) + summary_bytes(o.value)
    ),
    "zeros written": lambda o: double(_WALL_TIME, 0.0) + integer(_STEP, 0) + summary_bytes(o.value),
    "wall time twice": lambda o: double(_WALL_TIME, 5.0) + o.summary(o.value),
    "step twice": lambda o: o.summary(o.value) + integer(_STEP, 77),
    "number twice": lambda o: o.one(single(_SIMPLE, 1.0), single(_SIMPLE, o.number)),
    "number, then tensor": lambda o: o.one(
        single(_SIMPLE, 1.0), NUMBER_FORMS["double_val"](o.number)
    ),
    "tensor, then number": lambda o: o.one(
        NUMBER_FORMS["double_val"](o.number), single(_SIMPLE, 1.0)
    ),
    "image, then number": lambda o: o.one(_image(o), single(_SIMPLE, o.number)),
    "number, then image": lambda o: o.one(single(_SIMPLE, o.number), _image(o)),
    "tensor twice": lambda o: o.one(*[NUMBER_FORMS["float_val"](o.number)] * 2),
    "tensors of two forms": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), NUMBER_FORMS["rank 1"](1.0)
    ),
    "two summaries": lambda o: o.event(summary_bytes(o.value), summary_bytes(o.value, o.value)),
    "summary, then graph": lambda o: o.event(summary_bytes(o.value), within(_GRAPH_DEF, b"g")),
    "graph, then summary": lambda o: o.event(within(_GRAPH_DEF, b"g"), summary_bytes(o.value)),
    "summary, start, summary": lambda o: o.event(
        summary_bytes(o.value), within(_SESSION_LOG, integer(1, 1)), summary_bytes(o.value)
    ),
    "summary with a writer": lambda o: o.event(
        summary_bytes(o.value), within(_SOURCE, within(1, b"w"))
    ),
    "long step": lambda o: (
        double(_WALL_TIME, o.wall_time)
        + (key(_STEP, 0) + varint(o.step, 10))
        + summary_bytes(o.value)
    ),
    "longer step": lambda o: (
        double(_WALL_TIME, o.wall_time) + (key(_STEP, 0) + varint(5, 3)) + summary_bytes(o.value)
    ),
    "step beyond 64 bits": lambda o: o.event(
        key(_STEP, 0) + b"\xff" * 9 + b"\x7f", summary_bytes(o.value)
    ),
    "long key": lambda o: o.event(varint(_STEP << 3, 2) + varint(9), summary_bytes(o.value)),
    "long lengths": lambda o: o.event(
        _long(_SUMMARY, 3, _long(1, 2, value_bytes(o.tag, single(_SIMPLE, o.number))))
    ),
    "long length of the tag": lambda o: o.summary(
        _long(_TAG, 4, b"abc") + single(_SIMPLE, o.number)
    ),
    "unknown fields of the event": lambda o: o.event(_UNKNOWN, summary_bytes(o.value), _UNKNOWN),
    "unknown fields of the summary": lambda o: o.event(
        within(_SUMMARY, _UNKNOWN, within(1, o.value), integer(90, 7))
    ),
    "unknown fields of the value": lambda o: o.summary(_UNKNOWN + o.value + _UNKNOWN),
    "unknown fields of the tensor": lambda o: o.one(
        tensor_bytes(1, _UNKNOWN + within(_CONTENT, _float32(o.number)) + integer(90, 7))
    ),
    "groups": lambda o: o.event(_group(3), summary_bytes(o.value, _group(1) + o.value)),
    "wall time as an integer": lambda o: integer(_WALL_TIME, 3) + o.summary(o.value),
    "step as a double": lambda o: double(_STEP, 3.0) + o.summary(o.value),
    "number as a double": lambda o: o.one(double(_SIMPLE, o.number)),
    "number as an integer": lambda o: o.one(integer(_SIMPLE, 3)),
    "tag as an integer": lambda o: o.summary(integer(_TAG, 3) + single(_SIMPLE, o.number)),
    "summary as an integer": lambda o: o.event(integer(_SUMMARY, 3)),
    # sound records that are no event
    "text for bytes": lambda o: b"version https://git-lfs.example\n" * 3,
    "noise": lambda o: random.Random(o.size).randbytes(o.size),
    "deep groups": lambda o: o.event(_group(200), summary_bytes(o.value)),
    "group without end": lambda o: o.event(summary_bytes(o.value), key(50, 3)),
    "end without group": lambda o: o.event(summary_bytes(o.value), key(50, 4)),
    "field 0": lambda o: o.event(summary_bytes(o.value), key(0, 0) + b"\1"),
    "wire type 7": lambda o: o.event(summary_bytes(o.value), key(50, 7)),
    "step of 11 bytes": lambda o: o.event(key(_STEP, 0) + b"\x80" * 10 + b"\1"),
    "tag that is no UTF-8": lambda o: o.summary(
        within(_TAG, b"tag\xff\xfe000") + single(_SIMPLE, o.number)
    ),
    "tag with a surrogate": lambda o: o.summary(
        within(_TAG, b"a\xed\xa0\x80b") + single(_SIMPLE, o.number)
    ),
    "node name that is no UTF-8": lambda o: o.one(
        single(_SIMPLE, o.number), within(_NODE, b"\xff")
    ),
    "display name that is no UTF-8": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), within(_META, within(2, b"\xff"))
    ),
    "plugin that is no UTF-8": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), within(_META, within(1, within(1, b"\xff")))
    ),
    "content type that is no UTF-8": lambda o: o.one(_audio(o, b"\xff")),
    "dimension that is no UTF-8": lambda o: o.one(
        within(_TENSOR, integer(1, 7), within(2, within(2, within(2, b"\xff"))), within(8, o.blob))
    ),
    "file version that is no UTF-8": lambda o: o.event(within(_FILE_VERSION, b"\xff")),
    "writer that is no UTF-8": lambda o: o.event(
        within(_FILE_VERSION, b"2"), within(_SOURCE, within(1, b"\xff"))
    ),
    "run metadata tag that is no UTF-8": lambda o: o.event(
        within(_RUN_METADATA, within(1, b"\xff"), within(2, o.blob))
    ),
    "image of garbage": lambda o: o.one(within(_IMAGE, b"\x22\xff\xff\x03", o.blob)),
    "image cut off": lambda o: o.one(within(_IMAGE, integer(1, 2), b"\x22\x7f", b"short")),
    "histogram of garbage": lambda o: o.one(within(_HISTO, b"\x32\x07", b"1234567")),
    "tensor of garbage": lambda o: o.one(within(_TENSOR, b"\x08\x07\x42", o.blob[:1] * 300)),
    "float_val of 3 bytes": lambda o: o.one(tensor_bytes(1, within(5, b"123"))),
    "metadata of garbage": lambda o: o.one(
        NUMBER_FORMS["content"](o.number), within(_META, b"\x0a\x30")
    ),
    "garbage behind a blob": lambda o: o.one(_image(o)) + b"\x07",
    "cut off": lambda o: o.summary(o.value)[:-1],
    "one byte more": lambda o: o.summary(o.value) + b"\x0a",
    "summary longer than its event": lambda o: o.event(
        key(_SUMMARY, 2) + varint(len(within(1, o.value)) + 1) + within(1, o.value)
    ),
    "value longer than its summary": lambda o: o.event(
        within(_SUMMARY, key(1, 2) + varint(len(o.value) + 1) + o.value)
    ),
    "value shorter than its summary": lambda o: o.event(
        within(_SUMMARY, key(1, 2) + varint(len(o.value) - 1) + o.value)
    ),
    "tag longer than its value": lambda o: o.summary(b"\x0a\x7f" + o.tag.encode()),
    "only a key": lambda o: key(_WALL_TIME, 1),
    "half a wall time": lambda o: double(_WALL_TIME, o.wall_time)[:5],
}

#: What a file holds, in order.
RecordLog: TypeAlias = tuple["Rhythm | Odd", ...]

_ANY_STEPS = _mixed(
    (6, st.integers(0, 300)),
    (2, st.integers(-3, 2**31)),
    (
        1,
        st.sampled_from(
            [2**63 - 1, -(2**63), 2**56, 2**56 - 1, -(2**56), 2**53 + 1, 2**35, 127, 128, 16383]
        ),
    ),
)
_RHYTHMS = st.builds(
    Rhythm,
    events=_mixed(
        (8, st.integers(1, 40)), (6, st.sampled_from([60, 150, 300])), (1, st.just(1200))
    ),
    tags=_mixed((6, st.integers(1, 12)), (1, st.sampled_from([50, 700]))),
    lengths=st.sampled_from(["equal", "equal", "different", "different", "long", "other letters"]),
    together=_mixed((9, st.just(1)), (2, st.integers(2, 6))),
    form=_mixed(
        (12, st.sampled_from(USUAL_FORMS)),
        (3, st.sampled_from(sorted(NUMBER_FORMS))),
        (1, st.just("mixed")),
    ),
    described=st.sampled_from(
        ["never", "never", "first", "first", "each", "each", "late", "changing", "other"]
    ),
    step=_ANY_STEPS,
    stride=_mixed((4, st.just(1)), (2, st.integers(-2, 100)), (1, st.sampled_from([2**40, 2**62]))),
    order=st.sampled_from(["regular", "regular", "regular", "shuffled", "random", "jumps"]),
    clock=st.sampled_from(["ticking"] * 6 + ["standing", "odd"]),
    odd_numbers=st.sampled_from([False, False, False, True]),
    spoilt=_mixed((5, st.just(0)), (2, st.integers(1, 5))),
    seed=st.integers(0, 2**16),
)
_ODD_TAGS = [
    *(tag_name(at, lengths) for lengths in ("equal", "different") for at in range(3)),
    *("", "loss", "_hparams_/session_start_info"),
]
_ODDS = st.builds(
    Odd,
    name=st.sampled_from(list(ODD_RECORDS)),
    tag=st.sampled_from(_ODD_TAGS),
    step=_ANY_STEPS,
    wall_time=st.sampled_from([1.7e9, 1.7e9, 1.7e9 + 50, *_TIMES]),
    number=st.sampled_from([0.5, *_NUMBERS]),
    size=st.sampled_from([0, 1, 20, 100, 127, 128, 600, 4064, 4096, 6000, 20000]),
)


def record_logs(*, largest: int = 6) -> st.SearchStrategy[RecordLog]:
    """Logs of up to ``largest`` parts: mostly scalars in a rhythm, odd records between them."""
    return st.lists(_mixed((1, _RHYTHMS), (1, _ODDS)), max_size=largest).map(tuple)


def frames(log: RecordLog) -> list[bytes]:
    """The framed records of a log."""
    return [encode_record(payload) for part in log for payload in part.payloads()]


def log_bytes(log: RecordLog) -> bytes:
    return b"".join(frames(log))


@dataclass(frozen=True)
class Damaging:
    """One thing done to the bytes of a file.

    Attributes:
        how: of `DAMAGES`.
        record: near the beginning of which record, counted round.
        beside: so many bytes from there.
        length: of what is hit.
        seed: of random bytes.
    """

    how: str
    record: int = 0
    beside: int = 0
    length: int = 1
    seed: int = 0

    def apply(self, data: bytes, starts: Sequence[int]) -> bytes:
        """The damaged bytes; ``starts`` says where records began before anything was done."""
        start = starts[self.record % len(starts)] if starts else 0
        at = min(max(start + self.beside, 0), len(data))
        return DAMAGES[self.how](data[:at], data[at:], self)


def _xor(data: bytes, bits: int) -> bytes:
    return bytes([data[0] ^ bits]) + data[1:] if data else b""


def _noise(damaging: Damaging) -> bytes:
    return random.Random(damaging.seed).randbytes(damaging.length)


def _header(length: int) -> bytes:
    """A record's header with a right checksum, whatever the length."""
    size = struct.pack("<Q", length)
    return size + struct.pack("<I", masked_crc(size))


#: name -> (bytes before the place, bytes behind it, what is asked for) -> bytes
DAMAGES: dict[str, Callable[[bytes, bytes, Damaging], bytes]] = {
    "a bit": lambda head, rest, it: head + _xor(rest, 1 << it.seed % 8),
    "overwritten": lambda head, rest, it: head + _noise(it)[: len(rest)] + rest[it.length :],
    "zeros": lambda head, rest, it: head + bytes(min(it.length, len(rest))) + rest[it.length :],
    "cut out": lambda head, rest, it: head + rest[it.length :],
    "put in": lambda head, rest, it: head + _noise(it) + rest,
    "zeros put in": lambda head, rest, it: head + bytes(it.length) + rest,
    "twice": lambda head, rest, it: head + rest[: it.length] + rest,
    "cut off": lambda head, rest, it: head,
    "zeros to the end": lambda head, rest, it: head + bytes(len(rest)),
    "zeros behind": lambda head, rest, it: head + rest + bytes(it.length),
    "noise behind": lambda head, rest, it: head + rest + _noise(it),
    "another length": lambda head, rest, it: head + _header(it.length) + rest[12:],
    "an absurd length": lambda head, rest, it: (
        head + _header((2**31 - 1, 2**31, 2**62, 2**64 - 1)[it.seed % 4]) + rest[12:]
    ),
    "a header put in": lambda head, rest, it: head + _header(it.length) + rest,
    "an empty record": lambda head, rest, it: head + encode_record(b"") + rest,
    "line ends": lambda head, rest, it: head + rest.replace(b"\n", b"\r\n"),
}
_DAMAGINGS = st.builds(
    Damaging,
    how=st.sampled_from([*["a bit"] * 4, *DAMAGES]),
    record=st.integers(0, 2000),
    beside=_mixed((3, st.integers(-20, 60)), (1, st.integers(-6000, 6000))),
    length=_mixed(
        (4, st.integers(0, 40)), (1, st.sampled_from([100, 1000, 4095, 4096, 5000, 20000]))
    ),
    seed=st.integers(0, 2**16),
)


def damages() -> st.SearchStrategy[tuple[Damaging, ...]]:
    """One to three things done to a file."""
    return st.lists(_DAMAGINGS, min_size=1, max_size=3).map(tuple)


def damaged(log: RecordLog, damagings: Sequence[Damaging]) -> bytes:
    """The bytes of a log after some damage."""
    records = frames(log)
    starts = list(itertools.accumulate(map(len, records), initial=0))
    data = b"".join(records)
    for damaging in damagings:
        data = damaging.apply(data, starts)
    return data
