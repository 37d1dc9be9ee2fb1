"""Big logs to measure reading with, made in a second or two each and the same every time.

Scalars come in the encodings of their writers: ``simple_value`` by tbio's own `ScalarLane`, tensors
by a payload that protobuf made once for each tag. A log is its folder, `Log.path`, and beside it
``log.json``: how many points there are and what they add up to, so that whoever reads it can be
held to that.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from tbio.event_file import EventFileWriter
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import HistogramProto, Summary
from tbio.proto.tensor_pb2 import DT_FLOAT, TensorProto
from tbio.record import encode_record
from tbio.scalar_lane import ScalarEntry, ScalarLane, varint
from tbio.tag_book import TagBook

#: How a scalar is stored: as torch, tensorboardX and TF 1 do; as TF 2 does; as torch's new style
#: does. Both tensor forms have the metadata on every value.
Form: TypeAlias = Literal["simple_value", "tensor_content", "float_val"]

TAGS = (
    *("train/loss", "train/accuracy", "train/learning_rate", "train/grad_norm", "train/throughput"),
    *("eval/loss", "eval/accuracy", "eval/f1", "system/gpu_memory", "system/cpu"),
)
FILE_NAME = "events.out.tfevents.1700000000.host.1.0"
_START = 1_700_000_000.0
_BATCH = 100_000  # events that are encoded in one go
_CHECKED = 200  # points that TensorBoard reads of each log
_KEPT = 20  # points of which the account knows the values


class Columns(NamedTuple):
    """Some scalar events in the order of the file; all arrays are of one length.

    Attributes:
        tags: their names.
        steps: int64.
        wall_times: float64, seconds since the epoch.
        values: float32.
    """

    tags: Sequence[str]
    steps: npt.NDArray[np.int64]
    wall_times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float32]


@dataclass
class Points:
    """What some points add up to, whatever their order.

    Attributes:
        count: how many there are.
        steps, wall_times, values: the sums of their columns; wall times count from the first one's
            beginning, or rounding would hide what is wrong with them.
    """

    count: int = 0
    steps: float = 0.0
    wall_times: float = 0.0
    values: float = 0.0

    def add(
        self, steps: npt.NDArray[Any], wall_times: npt.NDArray[Any], values: npt.NDArray[Any]
    ) -> None:
        """Count some more."""
        self.count += len(steps)
        self.steps += float(np.sum(steps, dtype=np.float64))
        self.wall_times += float(np.sum(wall_times - _START, dtype=np.float64))
        self.values += float(np.sum(values, dtype=np.float64))

    def agree(self, other: Points) -> bool:
        """Whether they are the same points, as far as sums can say."""
        return self.count == other.count and all(
            np.isclose(ours, theirs, rtol=1e-9)
            for ours, theirs in zip(asdict(self).values(), asdict(other).values(), strict=True)
        )


@dataclass
class Log:
    """A log on disk, and what it holds.

    Attributes:
        folder: of the log, its account and what is to be appended to it.
        tensors: whether the scalars are stored as tensors.
        runs: how many there are, each of one file.
        tags: how many scalar tags the runs have together.
        bytes: of all event files.
        points: the scalars.
        first: tag, step and value of the first few.
        more: the scalars of ``more``, which `grown` appends.
    """

    folder: Path
    tensors: bool = False
    runs: int = 0
    tags: int = 0
    bytes: int = 0
    points: Points = field(default_factory=Points)
    first: list[tuple[str, int, float]] = field(default_factory=list)
    more: Points = field(default_factory=Points)

    @property
    def path(self) -> Path:
        """The log folder that is to be read."""
        return self.folder / "log"

    @property
    def files(self) -> list[Path]:
        """Its event files."""
        return sorted(self.path.rglob("*tfevents*"))

    def save(self) -> None:
        """Write the account; it says that the log is complete."""
        account = {**asdict(self), "folder": None}
        (self.folder / "log.json").write_text(json.dumps(account))

    @classmethod
    def load(cls, folder: Path) -> Log:
        """The log that was made in a folder."""
        account = json.loads((folder / "log.json").read_text())
        points, more = Points(**account.pop("points")), Points(**account.pop("more"))
        return cls(**{**account, "folder": folder, "points": points, "more": more})


#: ``make(log)`` writes the event files of a log and keeps its account.
Make: TypeAlias = Callable[[Log], None]


def made(root: Path, name: str, make: Make) -> Log:
    """The log of that name below ``root``, as it was made before or made now."""
    folder = root / name
    if not (folder / "log.json").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        log = Log(folder)
        make(log)
        log.bytes = sum(path.stat().st_size for path in log.files)
        check(log)
        log.save()
    return Log.load(folder)


def check(log: Log) -> None:
    """See whether TensorBoard reads the log's beginning.

    Raises:
        ValueError: it reads something else than was written.
    """
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    events = EventFileLoader(os.fspath(log.files[0])).Load()
    values = [
        (value.tag, event.step, float(tensor_util.make_ndarray(value.tensor).item()))
        for event in itertools.islice(events, _CHECKED)
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "scalars"
    ]
    if not values or values[: len(log.first)] != log.first[: len(values)]:
        raise ValueError(f"TensorBoard reads {values[:3]} of {log.path}, not {log.first[:3]}")


@contextlib.contextmanager
def restored(log: Log) -> Iterator[None]:
    """Whatever is appended to the log in here is gone afterwards."""
    (path,) = log.files
    size = path.stat().st_size
    try:
        yield
    finally:
        os.truncate(path, size)


def grow(log: Log) -> None:
    """Append to a log what is kept for that."""
    (path,) = log.files
    with path.open("ab") as file:
        file.write((log.folder / "more").read_bytes())


def even(count: int, tags: Sequence[str] = TAGS, seed: int = 0, step: int = 0) -> Iterator[Columns]:
    """``count`` scalars of a training loop that logs every tag at every step from ``step`` on."""
    rng = np.random.default_rng(seed)
    clock = _START
    batch = _BATCH - _BATCH % len(tags)
    for begin in range(0, count, batch):
        size = min(batch, count - begin)
        walls = clock + np.cumsum(rng.exponential(1e-3, size))
        clock = float(walls[-1])
        names = list(itertools.islice(itertools.cycle(tags), size))
        steps = step + np.arange(begin, begin + size) // len(tags)
        yield Columns(names, steps, walls, rng.random(size, np.float32))


class _Pen:
    """Writes one event file, and keeps the log's account."""

    def __init__(self, log: Log, file: BinaryIO, form: Form = "simple_value") -> None:
        self._log, self._file = log, file
        self._encode = _simple_encoder() if form == "simple_value" else _tensor_encoder(form)
        log.tensors |= form != "simple_value"
        log.runs += 1
        self._tags: set[str] = set()
        self.event(Event(wall_time=_START, file_version="brain.Event:2"))

    def scalars(self, columns: Columns) -> None:
        log = self._log
        self._file.write(self._encode(columns))
        log.points.add(columns.steps, columns.wall_times, columns.values)
        new = set(columns.tags) - self._tags
        self._tags |= new
        log.tags += len(new)
        few = slice(0, max(_KEPT - len(log.first), 0))
        steps, values = columns.steps[few].tolist(), columns.values[few].tolist()
        log.first += zip(columns.tags[few], steps, values, strict=True)

    def event(self, event: Event) -> None:
        self._file.write(encode_record(event.SerializeToString()))


@contextlib.contextmanager
def _run(log: Log, run: str = ".", form: Form = "simple_value") -> Iterator[_Pen]:
    """A run of one file."""
    path = log.path / run / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        yield _Pen(log, file, form)


Encode: TypeAlias = Callable[[Columns], bytes]


def _simple_encoder() -> Encode:
    lane, book, no_file = ScalarLane(), TagBook(), cast(EventFileWriter, None)

    def encode(columns: Columns) -> bytes:
        rows = _rows(columns)
        entries = (ScalarEntry(no_file, tag, value, step, wall) for tag, step, wall, value in rows)
        return lane.encode(book, entries)

    return encode


def _tensor_encoder(form: Form) -> Encode:
    around: dict[str, tuple[bytes, bytes]] = {}  # tag -> what stands before and behind the value

    def encode(columns: Columns) -> bytes:
        for tag in set(columns.tags) - around.keys():
            around[tag] = _around(tag, form)
        wall_bytes, float_bytes = struct.Struct("<Bd").pack, struct.Struct("<f").pack
        records = []
        for tag, step, wall, value in _rows(columns):
            before, behind = around[tag]
            step_bytes = b"\x10" + varint(step) if step else b""
            payload = wall_bytes(9, wall) + step_bytes + before + float_bytes(value) + behind
            records.append(encode_record(payload))
        return b"".join(records)

    return encode


def _around(tag: str, form: Form) -> tuple[bytes, bytes]:
    """What protobuf writes before and behind a tensor's number, of an event without a step."""
    number = -1.2345678806304932  # whose bytes stand nowhere else
    stored = struct.pack("<f", number)
    tensor = TensorProto(dtype=DT_FLOAT, float_val=[number])  # torch leaves the shape out
    if form == "tensor_content":
        tensor = TensorProto(dtype=DT_FLOAT, tensor_shape={}, tensor_content=stored)
    metadata = scalar.metadata()
    metadata.ClearField("data_class")  # neither TF 2 nor torch sets it
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    before, _, behind = Event(summary=Summary(value=[value])).SerializeToString().partition(stored)
    return before, behind


def _rows(columns: Columns) -> Iterable[tuple[str, int, float, float]]:
    tags, steps, wall_times, values = columns
    return zip(tags, steps.tolist(), wall_times.tolist(), values.tolist(), strict=True)


def one_file(count: int, form: Form = "simple_value", more: int = 0) -> Make:
    """``count`` scalars of ten tags in one file.

    Args:
        more: so many are kept aside for `grow`.
    """

    def make(log: Log) -> None:
        with _run(log, form=form) as pen:
            for columns in even(count):
                pen.scalars(columns)
        if more:
            (columns,) = even(more, seed=1, step=count // len(TAGS))
            (log.folder / "more").write_bytes(_simple_encoder()(columns))
            log.more.add(columns.steps, columns.wall_times, columns.values)

    return make


def many_runs(runs: int, count: int, tags: Sequence[str] = TAGS) -> Make:
    """``runs`` folders with a file of ``count`` scalars each."""

    def make(log: Log) -> None:
        for number in range(runs):
            with _run(log, f"run_{number:05}") as pen:
                for columns in even(count, tags, seed=number):
                    pen.scalars(columns)

    return make


def irregular(count: int) -> Make:
    """50 tags of differing lengths in random order, random step gaps, 1 % histograms."""

    def make(log: Log) -> None:
        rng = np.random.default_rng(2)
        tags = [f"{'block/' * int(rng.integers(0, 6))}metric_{number}" for number in range(50)]
        histograms = _Histograms(rng)
        with _run(log) as pen:
            step, clock = 0, _START
            while count_left := count - log.points.count - histograms.written:
                size = min(int(rng.geometric(0.01)) - 1, count_left)
                if size:
                    steps = step + np.cumsum(rng.integers(0, 20, size))
                    walls = clock + np.cumsum(rng.exponential(1e-3, size))
                    step, clock = int(steps[-1]), float(walls[-1])
                    names = [tags[at] for at in rng.integers(0, len(tags), size)]
                    pen.scalars(Columns(names, steps, walls, rng.random(size, np.float32)))
                if size < count_left:
                    pen.event(histograms.event(step, clock))

    return make


class _Histograms:
    """Histograms in torch's form: the 773 bucket limits of TF 1, cut to those that are needed."""

    def __init__(self, rng: np.random.Generator) -> None:
        positive = 1e-12 * 1.1 ** np.arange(774)
        limits = np.concatenate([-positive[::-1], [0.0], positive])
        weights = rng.normal(0, 0.05, 100_000)
        counts, _ = np.histogram(weights, limits)
        (used,) = np.nonzero(counts)
        kept = slice(used[0], used[-1] + 1)
        self.written = 0
        self._proto = HistogramProto(
            min=weights.min(),
            max=weights.max(),
            num=len(weights),
            sum=weights.sum(),
            sum_squares=float(weights @ weights),
            bucket_limit=limits[1:][kept],
            bucket=counts[kept].astype(np.float64),
        )

    def event(self, step: int, wall_time: float) -> Event:
        self.written += 1
        value = Summary.Value(tag=f"weights/{self.written % 5}", histo=self._proto)
        return Event(step=step, wall_time=wall_time, summary=Summary(value=[value]))


def images(steps: int, scalars: int = 30, size: int = 100_000) -> Make:
    """At each step an image of ``size`` bytes and ``scalars`` scalars."""

    def make(log: Log) -> None:
        rng = np.random.default_rng(3)
        # What a PNG begins with; the rest is as random as compressed bytes are.
        header = struct.pack(">I4sII5B", 13, b"IHDR", 256, 256, 8, 2, 0, 0, 0)
        begin = b"\x89PNG\r\n\x1a\n" + header
        tags = [f"{tag}_{number}" for number in range(3) for tag in TAGS][:scalars]
        with _run(log) as pen:
            for columns in _by_step(even(steps * scalars, tags), scalars):
                pixels = begin + rng.bytes(size - len(begin))
                image = Summary.Image(height=256, width=256, colorspace=3)
                image.encoded_image_string = pixels
                value = Summary.Value(tag="sample", image=image)
                wall, step = columns.wall_times[0], columns.steps[0]
                pen.event(Event(wall_time=wall, step=step, summary=Summary(value=[value])))
                pen.scalars(columns)

    return make


def _by_step(batches: Iterable[Columns], size: int) -> Iterator[Columns]:
    for tags, steps, wall_times, values in batches:
        for at in range(0, len(steps), size):
            one = slice(at, at + size)
            yield Columns(tags[one], steps[one], wall_times[one], values[one])
