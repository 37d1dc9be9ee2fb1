"""The bulk lane against the plain path: whatever the bytes, the same columns and the same damage.

`FileColumns.read` is the truth here: one event at a time through protobuf. (That it is right is
what ``test_corpus.py`` and ``test_record_file.py`` hold, against the corpus.) `Lane` has to leave
everything as it does. Small buffers make all that there is cross the end of one.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
from bulk_pair import QUIETLY, Pair, assert_same, bits_of, state_of
from generated_logs import (
    NUMBER_FORMS,
    ODD_RECORDS,
    USUAL_FORMS,
    Damaging,
    Odd,
    RecordLog,
    Rhythm,
    damaged,
    damages,
    double,
    event_bytes,
    integer,
    log_bytes,
    metadata_bytes,
    record_logs,
    single,
    summary_bytes,
    tensor_bytes,
    value_bytes,
    within,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import event_pb2
from tensorboard.util import tensor_util

from tbio import SummaryWriter, plugins
from tbio.bulk import Lane
from tbio.columns import FileColumns, Wanted
from tbio.errors import DecodeError
from tbio.kinds import scalar
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event
from tbio.record import encode_record
from tbio.record_file import OnDamage
from tbio.selection import StepRange, matcher
from tbio.storage import ByteStream, File, FileState, LocalFile, ObjectFile

BUFFERS = st.sampled_from([256, 4096, 4096, 1 << 16, 1 << 22])
WRITER = Odd("writer")
START = Odd("start", step=30)

# Who reads.

_BUFFERS_EACH = 300  # that a log takes at most: one of a megabyte is no better by 256 bytes each
_HAND_OVERS = 40  # from thread to thread, in one test: each may take milliseconds


def compare(
    data: bytes, wanted: Wanted = QUIETLY, *, buffer_bytes: int = 4096, in_advance: bool = False
) -> FileColumns:
    """Read a file of these bytes both ways, twice; what was read."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "events.out.tfevents.1")
        Path(path).write_bytes(data)
        buffer_bytes = max(buffer_bytes, len(data) // _BUFFERS_EACH)
        in_advance = in_advance and len(data) < _HAND_OVERS * buffer_bytes
        pair = Pair(
            lambda: LocalFile(path), wanted, buffer_bytes=buffer_bytes, in_advance=in_advance
        )
        pair.read()
        pair.read()
        return pair.bulk


class Pipe(io.BytesIO):
    """A stream that cannot seek."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        raise io.UnsupportedOperation("seek")


class ScriptedFile(File):
    """A file that is read in short pieces, and does not keep what it promises.

    Args:
        piece: bytes that a call of ``read`` gives at most.
        claimed: the size that it claims, where that is not the truth.
        fails_at: reading beyond this place raises.
    """

    def __init__(
        self,
        data: bytes,
        *,
        piece: int = 1 << 30,
        claimed: int | None = None,
        fails_at: int | None = None,
    ) -> None:
        self.name = "scripted"
        self.data = data
        self.piece = piece
        self.claimed = claimed
        self.fails_at = fails_at

    def open(self) -> ByteStream:
        return _Scripted(self)

    def state(self) -> FileState:
        return FileState(len(self.data) if self.claimed is None else self.claimed, 1)


class _Scripted:
    def __init__(self, file: ScriptedFile) -> None:
        self._file = file
        self._at = 0

    def read(self, size: int, /) -> bytes:
        file = self._file
        stop = self._at + min(size, file.piece)
        if file.fails_at is not None and stop > file.fails_at:
            if self._at >= file.fails_at:
                raise OSError(5, "Input/output error")
            stop = file.fails_at
        data = file.data[self._at : stop]
        self._at += len(data)
        return data

    def seek(self, offset: int, /) -> int:
        self._at = offset
        return offset

    def close(self) -> None:
        pass


# What is asked for.

SELECTIONS = st.builds(
    Wanted,
    tag=st.sampled_from(
        ["*", "*", "*", "tag0000[01]", "*/*", "loss", ["tag00000", "i"], "_hparams_/*"]
    ).map(lambda tags: matcher(tags, "tags")),
    kinds=st.sampled_from(
        [
            plugins.KINDS,
            plugins.KINDS,
            plugins.KINDS,
            ("scalars",),
            ("images",),
            ("histograms", "tensors"),
            ("hparams", "graphs"),
            (),
        ]
    ).map(frozenset),
    steps=st.sampled_from(
        [
            None,
            None,
            None,
            StepRange(3, 40),
            StepRange(None, 5),
            StepRange(-5, None, 3),
            StepRange(None, None, 7),
            StepRange(2**60, None),
        ]
    ),
    ordered=st.sampled_from([False, False, False, True]),
    on_damage=st.just("ignore"),
)
PLAINLY = st.sampled_from([QUIETLY, QUIETLY, QUIETLY, Wanted(ordered=True, on_damage="ignore")])
ON_DAMAGE: tuple[OnDamage, ...] = ("ignore", "warn", "raise")


# The generators make what they say.


@pytest.mark.parametrize("form", ["simple", "content", "float_val", "double_val", "exact"])
def test_a_rhythm_by_tensorboards_protos(form: str) -> None:
    rhythm = Rhythm(9, 3, form=form, described="first", step=5, stride=2)
    events = [event_pb2.Event.FromString(payload) for payload in rhythm.payloads()]
    assert [event.step for event in events] == [5, 5, 5, 7, 7, 7, 9, 9, 9]
    assert [event.wall_time for event in events] == [1.7e9 + 0.25 * at for at in range(1, 10)]
    values = [event.summary.value[0] for event in events]
    assert [value.tag for value in values] == ["tag00000", "tag00001", "tag00002"] * 3
    plugins_met = [value.metadata.plugin_data.plugin_name for value in values]
    assert plugins_met == ["scalars"] * 3 + [""] * 6
    for value in values:
        number = (
            value.simple_value
            if form == "simple"
            else tensor_util.make_ndarray(value.tensor).item()
        )
        assert 0 < number < 1


#: Names of `ODD_RECORDS` that are no events.
NO_EVENTS = [name for name in ODD_RECORDS if "UTF-8" in name or "garbage" in name] + [
    *("text for bytes", "noise", "deep groups", "group without end", "end without group"),
    *("field 0", "wire type 7", "step of 11 bytes", "tag with a surrogate", "image cut off"),
    *("float_val of 3 bytes", "cut off", "one byte more", "summary longer than its event"),
    *("value longer than its summary", "value shorter than its summary"),
    *("tag longer than its value", "only a key", "half a wall time"),
]


def parses(proto: Any, payload: bytes) -> bool:
    try:
        proto.FromString(payload)
    except PARSE_ERRORS:
        return False
    return True


@pytest.mark.parametrize("name", ODD_RECORDS)
def test_an_odd_record_by_tensorboards_protos(name: str) -> None:
    (payload,) = Odd(name, step=3).payloads()
    assert parses(Event, payload) == (name not in NO_EVENTS)
    if "run metadata tag" not in name:  # TensorBoard's protos are the same otherwise
        assert parses(event_pb2.Event, payload) == (name not in NO_EVENTS)


# The corpus.


def corpus_files(corpus: Path) -> Iterator[Path]:
    for folder in ("real", "peers", "damaged"):
        yield from (
            path for path in sorted((corpus / folder).rglob("*tfevents*")) if path.is_file()
        )


@pytest.mark.parametrize(
    ("buffer_bytes", "ordered", "in_advance"),
    [(4096, False, False), (4096, False, True), (4096, True, False), (1 << 22, False, False)],
)
def test_every_file_of_the_corpus(
    corpus: Path, buffer_bytes: int, ordered: bool, in_advance: bool
) -> None:
    wanted = Wanted(ordered=ordered, on_damage="ignore")
    paths = list(corpus_files(corpus))
    assert len(paths) > 270
    for path in paths:
        pair = Pair(
            lambda: LocalFile(os.fspath(path)),  # noqa: B023
            wanted,
            buffer_bytes=buffer_bytes,
            in_advance=in_advance,
        )
        pair.read(os.fspath(path))


def test_the_corpus_in_one_call(corpus: Path) -> None:
    files = [LocalFile(os.fspath(path)) for path in corpus_files(corpus)]
    read_together([lambda file=file: file for file in files], Wanted(on_damage="ignore"))  # type: ignore[misc]


# Logs at random.


@settings(max_examples=80, deadline=None)
@given(record_logs(), SELECTIONS, BUFFERS, st.booleans())
@example((Rhythm(), START, Rhythm(step=10)), QUIETLY, 4096, False)
def test_random_logs(log: RecordLog, wanted: Wanted, buffer_bytes: int, in_advance: bool) -> None:
    compare(log_bytes(log), wanted, buffer_bytes=buffer_bytes, in_advance=in_advance)


@pytest.mark.parametrize("buffer_bytes", [4096, 1 << 22])
@pytest.mark.parametrize("name", ODD_RECORDS)
def test_an_odd_record_amid_plain_ones(name: str, buffer_bytes: int) -> None:
    """Of a tag that is known, one that is not, first of all, and last of all."""
    for size in (100, 20_000) if buffer_bytes == 4096 else (0, 100):
        odd = Odd(name, "tag00001", step=4, size=size)
        late = Odd(name, "tag00001", step=-(2**40), wall_time=0.0, number=float("nan"), size=size)
        other = Odd(name, "other", size=size)
        rhythm = Rhythm(18, 3)
        log = (WRITER, odd, rhythm, odd, rhythm, other, rhythm, other, late, rhythm, odd)
        for wanted in (
            QUIETLY,
            Wanted(kinds=frozenset(["scalars"]), steps=StepRange(0, 20), on_damage="ignore"),
        ):
            compare(log_bytes(log), wanted, buffer_bytes=buffer_bytes)


@pytest.mark.parametrize("described", ["never", "first", "each", "late", "changing", "other"])
@pytest.mark.parametrize("form", NUMBER_FORMS)
def test_each_form_of_a_number(form: str, described: str) -> None:
    for order, odd_numbers in (("regular", False), ("shuffled", True)):
        rhythm = Rhythm(
            48,
            4,
            "different",
            form=form,
            described=described,
            order=order,
            odd_numbers=odd_numbers,
        )
        compare(log_bytes((rhythm, Rhythm(20, 4, "different"), rhythm)), buffer_bytes=1 << 20)


@pytest.mark.parametrize(
    "rhythm",
    [
        Rhythm(5_500, 5_000),
        Rhythm(5_500, 5_000, "different", order="shuffled"),
        Rhythm(1_200, 1),
        Rhythm(10, 300, together=300, form="content", described="first"),
        Rhythm(10, 700, "different", together=300, form="exact", described="first"),
        Rhythm(1_200, 7, "different", step=-1000, stride=3),
        Rhythm(1_200, 7, step=2**63 - 100),  # and on from the least
        Rhythm(1_200, 7, step=2**56 - 100),
        Rhythm(1_200, 10, "different", order="random", clock="odd", odd_numbers=True),
        Rhythm(6_000, 50, "long", order="random"),
        Rhythm(1_200, 10, order="jumps", spoilt=300),
        Rhythm(1_200, 3, form="content", described="each", spoilt=300),
    ],
)
def test_long_rhythms(rhythm: Rhythm) -> None:
    data = log_bytes((WRITER, rhythm, START, rhythm))
    for buffer_bytes in (4096, 1 << 22) if rhythm.tags < 1000 else (1 << 16,):
        compare(data, buffer_bytes=buffer_bytes)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(USUAL_FORMS),
    st.sampled_from(["never", "first", "each"]),
    st.integers(1, 6),
    st.integers(0, 2**32),
    BUFFERS,
)
def test_spoilt_payloads_with_right_checksums(
    form: str, described: str, tags: int, seed: int, buffer_bytes: int
) -> None:
    """What is nearly a plain scalar, and is taken by its layout by who does not look closely."""
    rhythm = Rhythm(100, tags, form=form, described=described, spoilt=40, seed=seed)
    compare(log_bytes((Rhythm(50, tags, form=form), rhythm)), buffer_bytes=buffer_bytes)


def test_every_byte_of_a_payload_changed() -> None:
    """Each byte of one record of a rhythm in turn, to values that mean something in protobuf."""
    for form in USUAL_FORMS:
        payloads = Rhythm(20, 2, form=form, described="each", step=1).payloads()
        before = [*payloads] * 2
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x08, 0x0A):
            spoilt = [
                payloads[7][:at] + bytes([byte]) + payloads[7][at + 1 :]
                for at in range(len(payloads[7]))
            ]
            mixed = [*before]
            for one in spoilt:
                mixed += [one, payloads[8]]
            compare(b"".join(map(encode_record, mixed)), buffer_bytes=1 << 20)


# Damage.


@settings(max_examples=150, deadline=None)
@given(record_logs(largest=4), damages(), PLAINLY, BUFFERS, st.booleans())
def test_damage_at_random(
    log: RecordLog,
    damagings: Sequence[Damaging],
    wanted: Wanted,
    buffer_bytes: int,
    in_advance: bool,
) -> None:
    data = damaged(log, damagings)
    compare(data, wanted, buffer_bytes=buffer_bytes, in_advance=in_advance)


@settings(max_examples=80, deadline=None)
@given(record_logs(largest=3), damages(), BUFFERS, st.booleans())
@example((Rhythm(), Odd("noise"), Rhythm()), (), 4096, False)
@example((Rhythm(), Odd("noise"), Rhythm()), (), 4096, True)
def test_damage_raised(
    log: RecordLog, damagings: Sequence[Damaging], buffer_bytes: int, in_advance: bool
) -> None:
    """The same error, the same columns up to it, and the same again at the next call."""
    data = damaged(log, damagings)
    wanted = Wanted(on_damage="raise")
    compare(data, wanted, buffer_bytes=buffer_bytes, in_advance=in_advance)


@settings(max_examples=60, deadline=None)
@given(record_logs(largest=3), damages(), BUFFERS)
def test_damage_warned_of(log: RecordLog, damagings: Sequence[Damaging], buffer_bytes: int) -> None:
    compare(damaged(log, damagings), Wanted(on_damage="warn"), buffer_bytes=buffer_bytes)


@pytest.mark.parametrize("on_damage", ON_DAMAGE)
def test_every_byte_damaged(on_damage: OnDamage) -> None:
    """A bit of each byte of a small log in turn, and the log cut off there."""
    log = (WRITER, Rhythm(4, 2), Odd("image", size=30), Rhythm(2, 2, form="content"))
    data = log_bytes(log)
    lane = Lane(buffer_bytes=256, few=8)
    for at in range(len(data)):
        for one in (data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], data[:at]):
            pair = Pair(lambda: ObjectFile(io.BytesIO(one)), Wanted(on_damage=on_damage), lane=lane)  # noqa: B023
            pair.read()


# Files that grow, and change.


@settings(max_examples=60, deadline=None)
@given(
    record_logs(largest=3), st.lists(st.floats(0, 1), min_size=1, max_size=5), SELECTIONS, BUFFERS
)
def test_a_file_that_grows(
    log: RecordLog, cuts: list[float], wanted: Wanted, buffer_bytes: int
) -> None:
    """Cut at any byte: the same at each moment, and in the end the same as when read at once."""
    data = log_bytes(log)
    ends = [*sorted(int(cut * len(data)) for cut in cuts), len(data)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.out.tfevents.1")
        path.write_bytes(b"")
        pair = Pair(lambda: LocalFile(os.fspath(path)), wanted, buffer_bytes=buffer_bytes)
        pair.read()
        begin = 0
        for end in ends:
            with path.open("ab") as file:
                file.write(data[begin:end])
            begin = end
            pair.read()
        at_once = FileColumns(LocalFile(os.fspath(path)), wanted)
        at_once.read()
        # A reader that comes when a record inside of an image has just been written, and not yet
        # what follows it, takes it for a record: there is no knowing better.
        if all(damage.kind == "event" for damage in pair.plain.report.settled):
            assert_same(state_of(pair.bulk), state_of(at_once))


@settings(max_examples=60, deadline=None)
@given(
    record_logs(largest=3),
    damages(),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
    BUFFERS,
    st.sampled_from(ON_DAMAGE),
)
@example((Rhythm(60, 1, spoilt=1),), [Damaging("a bit", record=53)], [0.5], 256, "raise")
def test_a_damaged_file_that_grows(
    log: RecordLog,
    damagings: Sequence[Damaging],
    cuts: list[float],
    buffer_bytes: int,
    on_damage: OnDamage,
) -> None:
    data = damaged(log, damagings)
    file = io.BytesIO()
    pair = Pair(lambda: ObjectFile(file), Wanted(on_damage=on_damage), buffer_bytes=buffer_bytes)
    begin = 0
    for end in [*sorted(int(cut * len(data)) for cut in cuts), len(data)]:
        file.seek(0, io.SEEK_END)
        file.write(data[begin:end])
        file.seek(0)
        begin = end
        pair.read()


@pytest.mark.parametrize("buffer_bytes", [256, 1 << 20])
def test_a_file_that_grows_by_single_bytes(buffer_bytes: int) -> None:
    data = log_bytes((WRITER, Rhythm(8, 2), Odd("image"), Rhythm(4, 2, form="content")))
    file = io.BytesIO()
    pair = Pair(lambda: ObjectFile(file), buffer_bytes=buffer_bytes)
    for at in range(len(data)):
        file.seek(at)
        file.write(data[at : at + 1])
        file.seek(0)
        pair.read()
    assert pair.bulk.report.events == 14


CHANGES = st.sampled_from(["replaced", "written anew", "cut off", "gone", "back", "appended"])


@settings(max_examples=40, deadline=None)
@given(
    record_logs(largest=2),
    record_logs(largest=2),
    st.lists(CHANGES, min_size=1, max_size=4),
    st.floats(0, 1),
    BUFFERS,
    st.sampled_from(ON_DAMAGE),
)
def test_a_file_that_is_replaced(
    first: RecordLog,
    second: RecordLog,
    changes: list[str],
    cut: float,
    buffer_bytes: int,
    on_damage: OnDamage,
) -> None:
    one, other = log_bytes((WRITER, *first)), log_bytes((Rhythm(3), *second))
    with tempfile.TemporaryDirectory() as folder:
        path, new = Path(folder, "events.out.tfevents.1"), Path(folder, "new")
        path.write_bytes(one)
        pair = Pair(
            lambda: LocalFile(os.fspath(path)),
            Wanted(on_damage=on_damage),
            buffer_bytes=buffer_bytes,
        )
        pair.read()
        for change in changes:
            there = path.read_bytes() if path.exists() else b""
            if change == "gone":
                path.unlink(missing_ok=True)
            elif change == "replaced":
                new.write_bytes(other)
                new.replace(path)
            elif change == "written anew":
                path.write_bytes(other + one)
            elif change == "cut off":
                path.write_bytes(there[: int(cut * len(there))])
            elif change == "back":
                path.write_bytes(one)
            else:
                path.write_bytes(there + other)
            pair.read()


# Many files.


def read_together(files: Sequence[Callable[[], File]], wanted: Wanted, **options: Any) -> None:
    """Read files in one call, and each for itself; twice."""
    pairs = [Pair(file, wanted) for file in files]
    lane = Lane(**options)
    for in_advance in (True, False):
        for pair in pairs:
            pair.plain.read()
        lane.read([pair.bulk for pair in pairs], in_advance)
        for at, pair in enumerate(pairs):
            assert_same(state_of(pair.bulk), state_of(pair.plain), f"file {at}")


def pack(data: bytes, how: str) -> bytes:
    """The bytes of a file by what became of it."""
    if how == "gzip":
        return gzip.compress(data)
    if how == "zlib":
        return zlib.compress(data)
    if how == "two gzip members":
        return gzip.compress(data[:333]) + gzip.compress(data[333:])
    if how == "gzip, cut off":
        return gzip.compress(data)[:-20]
    if how == "gzip, damaged":
        packed = bytearray(gzip.compress(data))
        packed[len(packed) // 2] ^= 0x10
        return bytes(packed)
    if how == "empty":
        return b""
    if how == "no event file":
        return b"version https://git-lfs.github.com/spec/v1\n" * 100
    if how == "damaged":
        return data[:100] + b"???" + data[101:]
    if how == "cut off":
        return data[:-3]
    return data


HOWS = [
    "",
    "",
    "",
    "",
    "empty",
    "damaged",
    "cut off",
    "no event file",
    "gone",
    "gzip",
    "zlib",
    "two gzip members",
    "gzip, cut off",
    "gzip, damaged",
]
FILES = st.lists(st.tuples(record_logs(largest=2), st.sampled_from(HOWS)), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(FILES, SELECTIONS, BUFFERS)
def test_several_files_in_one_call(
    files: list[tuple[RecordLog, str]], wanted: Wanted, buffer_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, f"events.out.tfevents.{at}") for at in range(len(files))]
        for path, (log, how) in zip(paths, files, strict=True):
            if how != "gone":
                Path(path).write_bytes(pack(log_bytes(log), how))
        local = [lambda path=path: LocalFile(path) for path in paths]
        read_together(local, wanted, buffer_bytes=buffer_bytes)


def test_forty_small_files_of_the_same_tags(tmp_path: Path) -> None:
    """What was learnt from one file must not colour the next: metadata, dtypes, starts."""
    files = []
    for at in range(40):
        form = USUAL_FORMS[at % len(USUAL_FORMS)]
        described = ("never", "first", "each", "other")[at % 4]
        path = tmp_path / f"events.out.tfevents.{at:02d}"
        parts = (WRITER, Rhythm(60, 3, form=form, described=described, seed=at), START)
        path.write_bytes(log_bytes((*parts, Rhythm(30, 3, step=at))))
        files.append(lambda path=path: LocalFile(os.fspath(path)))
    for buffer_bytes in (4096, 1 << 14, 1 << 23):
        read_together(files, QUIETLY, buffer_bytes=buffer_bytes)


def test_no_files() -> None:
    Lane().read([])


def test_a_lane_is_used_again() -> None:
    """One lane for one log after the other, each with the tags of the others in another form."""
    lane = Lane(buffer_bytes=4096, few=16)
    for form in NUMBER_FORMS:
        data = log_bytes((WRITER, Rhythm(60, 3, form=form, described="first")))
        Pair(lambda: ObjectFile(io.BytesIO(data)), lane=lane).read()  # noqa: B023


# Where bytes come from.


@settings(max_examples=60, deadline=None)
@given(record_logs(largest=3), st.sampled_from(HOWS), BUFFERS)
def test_file_objects_and_pipes(log: RecordLog, how: str, buffer_bytes: int) -> None:
    data = pack(log_bytes(log), how)

    def seekable() -> ObjectFile:
        file = io.BytesIO(b"what stands before" + data)
        file.seek(18)
        return ObjectFile(file)

    for file in (seekable, lambda: ObjectFile(cast(BinaryIO, Pipe(data)))):
        pair = Pair(file, buffer_bytes=buffer_bytes)
        pair.read()
        pair.read()


@settings(max_examples=60, deadline=None)
@given(
    record_logs(largest=3),
    st.integers(1, 5000),
    st.integers(-50, 50) | st.none(),
    st.floats(0, 1) | st.none(),
    BUFFERS,
    st.sampled_from(["ignore", "raise"]),
    st.booleans(),
)
def test_a_file_that_misbehaves(
    log: RecordLog,
    piece: int,
    off: int | None,
    fails: float | None,
    buffer_bytes: int,
    on_damage: OnDamage,
    in_advance: bool,
) -> None:
    """Short reads, a size that is not the file's any more, an error in the middle."""
    data = log_bytes(log)
    claimed = None if off is None else max(len(data) + off, 0)
    fails_at = None if fails is None else int(fails * len(data))
    pair = Pair(
        lambda: ScriptedFile(
            data, piece=max(piece, len(data) // 500), claimed=claimed, fails_at=fails_at
        ),
        Wanted(on_damage=on_damage),
        buffer_bytes=buffer_bytes,
        in_advance=in_advance,
    )
    pair.read()
    pair.read()
    files = [cast(ScriptedFile, columns.reader.file) for columns in (pair.plain, pair.bulk)]
    for file in files:
        file.fails_at = None
    pair.read()
    for file in files:
        file.claimed = None
    pair.read()


def test_a_pipe_of_the_operating_system(tmp_path: Path) -> None:
    data = log_bytes((WRITER, Rhythm(300, 3), Odd("image", size=300)))  # less than a pipe holds

    def opened() -> ObjectFile:
        read, write = os.pipe()
        with open(write, "wb") as file:
            file.write(data)
        return ObjectFile(stack.enter_context(open(read, "rb")))

    with contextlib.ExitStack() as stack:
        pair = Pair(opened)
        pair.read()
        assert pair.bulk.report.events == 302


# The plain path itself, as far as columns can go wrong.


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([*USUAL_FORMS, *NUMBER_FORMS]), min_size=1, max_size=8),
    st.integers(1, 30),
    st.booleans(),
)
def test_values_are_what_events_hold(forms: list[str], events: int, odd_numbers: bool) -> None:
    """One tag in many encodings: each number and its dtype, as its event alone has them."""
    parts = [
        Rhythm(events, 1, form=form, described="each", odd_numbers=odd_numbers, seed=at)
        for at, form in enumerate(forms)
    ]
    want: list[tuple[str, bytes]] = []
    for payload in (payload for part in parts for payload in part.payloads()):
        (value,) = Event.FromString(payload).summary.value
        with contextlib.suppress(DecodeError):
            number, dtype = scalar.decode(value)
            want.append((dtype.str, bits_of(np.array(number, dtype))))
    columns = compare(log_bytes(tuple(parts)), buffer_bytes=1 << 16)
    pieces = [piece for column in columns.scalars.values() for piece in column.values()]
    got = [(piece.dtype.str, bits_of(number)) for piece in pieces for number in piece]
    assert got == want


# That the lane is taken.


def fast_share(counts: Any) -> float:
    return float((counts["fast"] + counts["guessed"]) / counts.total())


@pytest.mark.parametrize(
    "rhythm",
    [
        Rhythm(8_000, 10),
        Rhythm(8_000, 10, "different"),
        Rhythm(8_000, 10, "different", order="shuffled"),
        Rhythm(8_000, 50, "different", order="random"),
        Rhythm(8_000, 50, "long", order="random"),
        Rhythm(8_000, 10, "different", order="jumps"),
        Rhythm(8_000, 10, form="content", described="each"),
        Rhythm(8_000, 10, "different", form="content", described="each"),
        Rhythm(8_000, 10, form="content", described="first"),
        Rhythm(8_000, 10, form="float_val", described="first"),
        Rhythm(8_000, 10, form="double_val", described="first"),
        Rhythm(8_000, 10, form="double content", described="first"),
        Rhythm(8_000, 10, form="exact", described="first"),
        Rhythm(1_500, 12, together=12),
        Rhythm(1_500, 12, "different", together=12, form="exact", described="first"),
        Rhythm(8_000, 10, step=-1000),
        Rhythm(8_000, 10, step=2**40),
    ],
    ids=lambda rhythm: f"{rhythm.form} {rhythm.lengths} {rhythm.order} {rhythm.step}",
)
def test_the_lane_is_taken(rhythm: Rhythm) -> None:
    lane = Lane()
    file = io.BytesIO(log_bytes((WRITER, rhythm)))
    columns = FileColumns(ObjectFile(file), Wanted())
    lane.read([columns])
    assert sum(len(column) for column in columns.scalars.values()) == rhythm.events * (
        rhythm.together
    )
    assert lane.counts.total() == columns.report.events
    assert fast_share(lane.counts) > 0.985, dict(lane.counts)


@pytest.mark.parametrize("double_precision", [False, True])
def test_the_lane_is_taken_by_a_log_of_our_own(tmp_path: Path, double_precision: bool) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(2_000):
            for tag in ("loss", "accuracy", "deep/learning/rate"):
                writer.add_scalar(tag, step / 7, step, double_precision=double_precision)
    (path,) = tmp_path.glob("*tfevents*")
    lane = Lane()
    columns = FileColumns(LocalFile(os.fspath(path)), Wanted())
    lane.read([columns])
    assert fast_share(lane.counts) > 0.985, dict(lane.counts)
    (values,) = columns.scalars["loss"].values()
    kept = np.arange(2_000) / 7
    np.testing.assert_array_equal(values, kept if double_precision else kept.astype(np.float32))


@pytest.mark.parametrize(
    "name",
    [
        *("image", "histogram", "audio", "image tensor", "audio tensor", "text"),
        "histogram tensor",
    ],
)
def test_blobs_are_passed_over(name: str) -> None:
    """Whatever their length; the values of the rhythm go on by layout."""
    parts: list[Rhythm | Odd] = [WRITER]
    for at in range(200):
        parts += [Rhythm(20, 4, step=5 * at), Odd(name, "blob", step=at, size=3000 + at * 37 % 500)]
    lane = Lane()
    columns = FileColumns(ObjectFile(io.BytesIO(log_bytes(tuple(parts)))), Wanted())
    lane.read([columns])
    assert lane.counts["passed"] >= 190, dict(lane.counts)
    assert lane.counts["fast"] + lane.counts["guessed"] >= 3_900, dict(lane.counts)
    (places,) = columns.places.values()
    assert len(places) == 200


#: What a value may hold that is no plain scalar, and what it may say of itself.
_CONTENTS = {
    "image": within(4, integer(1, 8), integer(2, 8), integer(3, 3), within(4, b"png")),
    "histogram": within(5, double(1, 0.0), double(2, 1.0), double(3, 2.0)),
    "vector": within(8, tensor_bytes(1, bytes(8), (2,))),
    "words": within(8, integer(1, 7), within(2), within(8, b"words")),
    "number": single(2, 0.5),
    "number in a tensor": within(8, tensor_bytes(1, bytes(4))),
}
_DESCRIPTIONS = {
    "": b"",
    **{plugin: metadata_bytes(plugin) for plugin in ("scalars", "images", "histograms", "mine")},
    "named": metadata_bytes("images", "shown"),
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(sorted(_CONTENTS)),
            st.sampled_from(sorted(_DESCRIPTIONS)),
            st.integers(1, 4),
        ),
        max_size=40,
    ),
    st.integers(1, 3),
    st.sampled_from(
        [QUIETLY, Wanted(kinds=frozenset({"scalars"})), Wanted(steps=StepRange(3, 20, 2))]
    ),
    BUFFERS,
)
def test_blobs_of_all_sorts(
    values: list[tuple[str, str, str, int]], each: int, wanted: Wanted, buffer_bytes: int
) -> None:
    """In any order, under few tags: those that are taken in together stay in their order."""
    messages = [
        value_bytes(tag, _CONTENTS[content], _DESCRIPTIONS[described])
        for tag, content, described, times in values
        for _ in range(times)
    ]
    events = [
        event_bytes(step, step + 0.5, summary_bytes(*messages[at : at + each]))
        for step, at in enumerate(range(0, len(messages), each))
    ]
    columns = compare(
        b"".join(map(encode_record, events)),
        replace(wanted, on_damage="ignore"),
        buffer_bytes=buffer_bytes,
    )
    assert columns.report.events == len(events)


def test_blobs_larger_than_a_buffer() -> None:
    """Also than the usual one, with what goes on behind them."""
    parts: list[Rhythm | Odd] = [WRITER]
    for at in range(6):
        parts += [Rhythm(100, 3, step=at), Odd("image", "i", step=at, size=5_000_000 + at)]
    data = log_bytes(tuple(parts))
    for buffer_bytes in (4096, 1 << 20):
        compare(data, buffer_bytes=buffer_bytes)
    file = io.BytesIO(data)
    pair = Pair(lambda: ObjectFile(file), lane=Lane())
    pair.read()
    (places,) = pair.bulk.places.values()
    assert np.asarray(places.sizes).min() > 5_000_000
