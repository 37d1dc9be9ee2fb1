"""Files of records: read as far as they go, again and again, and written.

A reader goes on where it stopped, so that following a file that grows is reading it again. It reads
past damage, and keeps account of what it passed over (`FileReport`).
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Literal, NamedTuple, TypeAlias, get_args

from tbio.dialect import Dialect, DialectKind
from tbio.errors import DamageError, TbioWarning, WriterClosedError
from tbio.record import (
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Damage,
    DamageKind,
    Record,
    RecordDecoder,
    encode_record,
    is_record_header,
)
from tbio.storage import ByteStream, File, FileState

#: What to do about damaged bytes: warn once a file, raise a `DamageError`, or only count them.
OnDamage: TypeAlias = Literal["warn", "raise", "ignore"]
#: What to do about records whose writer computes no checksums, or not those of the format (see
#: `tbio.dialect`): leave them out as damage, or read them as they are.
Unverified: TypeAlias = Literal["skip", "read"]

_CHUNK_BYTES = 1 << 20
#: Of compressed bytes so few are taken at once: what is left over of them, when the output or a
#: part of the stream is full, is copied each time.
_COMPRESSED_BYTES = 1 << 14
#: What a record in a compressed stream may take of memory whatever the size of the file, and how
#: many times the file beyond that. Deflate makes up to 1032 bytes out of one.
_LEAST_LIMIT = 1 << 26
_LIMIT_RATIO = 32
_MOST_DAMAGES = 100_000  # that a report lists
MARK_BYTES = 64  # what is compared to tell a file that has grown from one written anew


_ON_DAMAGE, _UNVERIFIED = get_args(OnDamage), get_args(Unverified)


def check_on_damage(on_damage: str) -> None:
    """Raise ValueError for anything but the values of `OnDamage`."""
    if on_damage not in _ON_DAMAGE:
        raise ValueError(f"on_damage: want one of {_ON_DAMAGE}, got {on_damage!r}")


def check_unverified(unverified: str) -> None:
    """Raise ValueError for anything but the values of `Unverified`."""
    if unverified not in _UNVERIFIED:
        raise ValueError(f"unverified: want one of {_UNVERIFIED}, got {unverified!r}")


@dataclass
class FileReport:
    """What was read of one event file, and what could not be.

    Attributes:
        path: its path or URL.
        size: bytes read of it, after decompression.
        compression: "gzip" or "zlib" where the whole file is compressed, else "".
        records: sound records.
        events: those of them that are events.
        unverified: "constant" or "unmasked" where the writer seems to store no checksums, or not
            those of the format (see `tbio.dialect`); else "".
        unverified_records: how many of its records there are. With ``unverified="read"`` they are
            among the ``records``, else they are damage.
        damages: the stretches that gave no event, in order; offsets after decompression. Beyond
            the first 100 000 only the last ones are listed.
        unlisted_damages: how many there are beside those.
        unlisted_bytes: the bytes of these.
        tail: the last stretch when nothing sound follows it. One that is "truncated" is no damage:
            the file is being written, or its writer died. It is read again when the file changes.
        error: why the file could not be read at all (the text of an ``OSError``), else "".
    """

    path: str
    size: int = 0
    compression: str = ""
    records: int = 0
    events: int = 0
    unverified: DialectKind | Literal[""] = ""
    unverified_records: int = 0
    settled: list[Damage] = field(default_factory=list, repr=False)
    tail: Damage | None = None
    error: str = ""
    unlisted_damages: int = 0
    unlisted_bytes: int = 0

    def __repr__(self) -> str:
        damages = len(self.damages) + self.unlisted_damages
        damage = f", {damages} damaged places" if damages else ""
        unverified = f", {self.unverified_records} records not verified" if self.unverified else ""
        error = f", {self.error}" if self.error else ""
        return f"<FileReport {self.path!r}: {self.events} events{damage}{unverified}{error}>"

    @property
    def damages(self) -> list[Damage]:
        """Every damaged stretch; a record that is still being written is none."""
        if self.tail is None or self.tail.kind == "truncated":
            return list(self.settled)
        return [*self.settled, self.tail]

    @property
    def lost_bytes(self) -> int:
        """The bytes of all damaged stretches."""
        return sum(damage.length for damage in self.damages) + self.unlisted_bytes

    def add(self, damage: Damage) -> None:
        """Take note of a stretch that is done with: one of a file may have millions."""
        if len(self.settled) > _MOST_DAMAGES:
            last = self.settled.pop()
            self.unlisted_damages += 1
            self.unlisted_bytes += last.length
        self.settled.append(damage)


class Marks(NamedTuple):
    """What tells a file that has grown from one written anew.

    Attributes:
        head: its first bytes.
        end: up to where it was read as records; 0 where that is no place in the file.
        last: its last bytes before ``end``.
    """

    head: bytes
    end: int
    last: bytes

    @classmethod
    def of(cls, raw: ByteStream, size: int, end: int) -> Marks:
        """The marks of a file of that size."""
        raw.seek(0)
        head = read_fully(raw, min(MARK_BYTES, size))
        raw.seek(max(end - MARK_BYTES, 0))
        return cls(head, end, read_fully(raw, min(MARK_BYTES, end)))

    def are_in(self, raw: ByteStream) -> bool:
        """Whether another file has them, or the same one later."""
        return Marks.of(raw, len(self.head), self.end) == self


class RecordFileReader:
    """Reads the records of one file, as often as there are more of them.

    Args:
        file: where it is.
        on_damage: see `OnDamage`.
        unverified: see `Unverified`.

    Attributes:
        report: a `FileReport`, kept up to date.
    """

    def __init__(
        self, file: File, on_damage: OnDamage = "warn", unverified: Unverified = "skip"
    ) -> None:
        check_on_damage(on_damage)
        check_unverified(unverified)
        self.file = file
        self.on_damage: OnDamage = on_damage
        self.unverified: Unverified = unverified
        self.report = FileReport(file.name)
        self._resume = 0  # the offset of the first byte that may still become something
        self._behind: DamageKind | None = None  # the damage that ends there for all one knows
        self._state: FileState | None = None  # in which it was read last
        self._is_done = False  # whether it was read to its end then
        self._begun = False
        self._marks: Marks | None = None  # None while nothing tells it from another file
        self._told: set[int] = set()  # offsets of the damage that was warned of
        self._dialect: Dialect | None = None

    def replaced(self) -> bool:
        """Whether what was read is no longer what the file begins with.

        It is another file, or a shorter one, or its beginning or the end of what was read differ:
        it was written anew in its place. `rewind` makes the reader begin again.

        Raises:
            OSError: the file is gone or forbids reading.
        """
        if self._state is None or self._state.size is None:
            return False
        now = self.file.state()
        if now == self._state:
            return False
        # Another file that cannot be opened is no reason to forget what was read of this one.
        with contextlib.closing(self.file.open()) as raw:
            return self._is_other(now) or self._marks is None or not self._marks.are_in(raw)

    def _is_other(self, state: FileState) -> bool:
        """Whether a state tells of another file than the one that was read, or a shorter one."""
        seen = self._state
        if seen is None or seen.size is None:
            return False
        return state.identity != seen.identity or (state.size or 0) < seen.size

    def _look(self) -> FileState:
        """The file's present state.

        Raises:
            OSError: it cannot be had; or another file has come since `replaced` was asked, or since
                an earlier part of this one was read.
        """
        state = self.file.state()
        if self._is_other(state):
            raise OSError(errno.ESTALE, "another file has taken its place", self.file.name)
        return state

    @contextlib.contextmanager
    def opened(self, state: FileState) -> Iterator[ByteStream]:
        """The file in that state, to be read on from `resume`.

        It counts as unread until `finish`. An error leaves a note of what was read, by which the
        file will be known again.
        """
        with contextlib.closing(self.file.open()) as raw:
            self._state, self._is_done, self._begun = state, False, True
            self.report.tail = None
            begin = self._resume, self._behind
            try:
                yield raw
            except OSError:
                if self._resume == begin[0]:
                    self._behind = begin[1]
                with contextlib.suppress(OSError):
                    self._marks = self.marks_of(raw, state, self._resume)
                raise

    def marks_of(self, raw: ByteStream, state: FileState, end: int) -> Marks:
        """The marks of the file as it was in a state, and was read as records up to ``end``."""
        return Marks.of(raw, state.size or 0, 0 if self.report.compression else end)

    @property
    def resume(self) -> int:
        """The offset of the first byte that may still become something."""
        return self._resume

    def unread(self) -> FileState | None:
        """The state of the file, if it may hold more than was read; else None.

        Raises:
            OSError: the file is gone or forbids reading.
        """
        state = self._look()
        return None if self._is_done and state == self._state else state

    def advance(self, records: int, offset: int) -> None:
        """Go on from an offset, up to which somebody else has read so many records, all sound."""
        self.report.records += records
        self._resume = offset
        self._behind = None

    def finish(self, state: FileState, marks: Marks, size: int) -> None:
        """Somebody else has read the file to its end, and left nothing over.

        Args:
            state: that was taken before it was read.
            marks: see `marks_of`.
            size: bytes read, after decompression.
        """
        self._state, self._marks, self._begun, self._is_done = state, marks, True, True
        self.report.size, self.report.tail = size, None
        self._warn()

    def rewind(self) -> None:
        """Forget what was read."""
        self.report = FileReport(self.file.name)
        self._resume = 0
        self._state = self._marks = None
        self._is_done = False
        self._told.clear()
        self._dialect = None
        self._behind = None

    def records(self) -> Iterator[Record]:
        """The sound records from where the last call stopped to the present end of the file.

        Raises:
            DamageError: with ``on_damage="raise"``, at the first damaged stretch.
            OSError: as the operating system has it; for a stream that cannot seek also when an
                earlier call was not drawn to its end; for a file that ended before its size, when
                all that it gave was read.
        """
        state = self._look()
        if self._is_done and (state == self._state or state.size is None):
            return
        if state.size is None and self._begun:
            what = f"{self.file.name}: a stream that cannot seek is read once, to its end"
            raise io.UnsupportedOperation(what)
        report = self.report
        held: Damage | None = None  # the last damage: does anything sound follow it?
        passed = 0  # records that are not verified, in that
        with self.opened(state) as raw:
            behind, self._behind = self._behind, None
            if not report.records:
                # What was damage may turn out to be a dialect by what was written since, or what
                # seemed to be one a part of the first record.
                report.settled.clear()
                report.unlisted_damages = report.unlisted_bytes = report.unverified_records = 0
                report.unverified = ""
                self._resume, self._dialect, behind = 0, None, None
            stream = Stream(raw, state.size, self._resume)
            report.compression = stream.compression
            decoder = RecordDecoder(
                self._resume,
                stream.end,
                most=stream.most,
                dialect=self._dialect,
                recognising=not report.records,
                behind=behind,
            )
            for found in _items(decoder, stream):
                item = found
                if isinstance(item, Record) and not item.is_verified:
                    self._dialect = decoder.dialect
                    report.unverified = "" if decoder.dialect is None else decoder.dialect.kind
                    if self.unverified == "read":
                        report.unverified_records += 1
                    else:
                        item = Damage(item.offset, item.size, "unverified")
                        if passed and held is not None and self.on_damage != "raise":
                            held = held._replace(length=held.length + item.length)
                            passed += 1
                            continue
                if held is not None:
                    self._settle(held)
                    report.unverified_records += passed
                    held, passed = None, 0
                if isinstance(item, Damage):
                    held, passed = item, int(item.kind == "unverified")
                    continue
                report.records += 1
                self._resume = item.offset + item.size
                yield item
            report.size = end = stream.position
            if held is not None and passed:
                self._settle(held)
                report.unverified_records += passed
                held = None
            if stream.cut is not None:
                begin = held.offset if held is not None else end
                held = Damage(begin, end - begin, stream.cut)
            report.tail = held
            if held is not None and held.kind == "truncated" and report.settled:
                last = report.settled[-1]
                if last.kind in ("length", "payload") and last.offset + last.length == held.offset:
                    self._behind = last.kind
            if held is not None and held.kind != "truncated" and self.on_damage == "raise":
                self._settle(held)
            if state.size is not None:
                self._marks = self.marks_of(raw, state, self._resume)
            self._is_done = not stream.missing
        self._warn()
        if stream.missing:
            what = f"the file ended {stream.missing} bytes before its size, {state.size}"
            raise OSError(errno.EIO, what, self.file.name)

    def fetch(self, places: Iterable[tuple[int, int]]) -> Iterator[Record]:
        """Records that were read before, read again; the file is opened once.

        Args:
            places: offset and size of each whole record. In a compressed file each that stands
                before the last one costs reading it from its beginning.

        Raises:
            DamageError: there is another record now, or none: the file was written anew.
            OSError: as the operating system has it; also for a stream that cannot seek.
        """
        state = self.file.state()
        if state.size is None:
            what = f"{self.file.name}: a stream that cannot seek keeps nothing to be read again"
            raise io.UnsupportedOperation(what)
        with contextlib.closing(self.file.open()) as raw:
            for offset, data in _stretches(raw, state.size, places, self.report.compression):
                decoder = RecordDecoder(offset, offset + len(data), dialect=self._dialect)
                items = [*decoder.feed(data), *decoder.finish()]
                if len(items) != 1 or not isinstance(items[0], Record):
                    what = "the record that was read here is gone: the file was written anew"
                    raise DamageError(self.file.name, offset, "replaced", what)
                yield items[0]

    def _settle(self, damage: Damage) -> None:
        if self.on_damage == "raise":
            self._resume = damage.offset  # where the next call will raise again
            self._is_done = False
            raise damage.error(self.file.name)
        settled = self.report.settled
        last = settled[-1] if settled else damage
        if damage.kind == last.kind == "unverified" and last.offset + last.length == damage.offset:
            settled[-1] = last._replace(length=last.length + damage.length)  # it has grown
        else:
            self.report.add(damage)
        self._resume = max(self._resume, damage.offset + damage.length)

    def _warn(self) -> None:
        """Tell of the damage that was not told of before."""
        fresh = [damage for damage in self.report.damages if damage.offset not in self._told]
        if self.on_damage == "warn" and fresh:
            self._told.update(damage.offset for damage in fresh)
            lost = sum(damage.length for damage in fresh) + self.report.unlisted_bytes
            count = len(fresh) + self.report.unlisted_damages
            warnings.warn(
                f"{self.file.name}: {count} damaged places, {lost} bytes lost; "
                f"the first at byte {fresh[0].offset}: {fresh[0]}",
                TbioWarning,
                stacklevel=3,
            )


def _items(decoder: RecordDecoder, stream: Stream) -> Iterator[Record | Damage]:
    for chunk in stream:
        yield from decoder.feed(chunk)
    yield from decoder.finish()


class Stream:
    """The bytes of an event file from ``start`` on, decompressed if the whole file is compressed.

    TFRecord's GZIP and ZLIB options compress the stream of records as a whole, as gzip(1) does; no
    name tells, so the first bytes must. ``start`` and all positions count decompressed bytes.

    Attributes:
        compression: "gzip", "zlib" or "".
        end: where the stream ends, where that is known beforehand.
        most: bytes of the longest payload that it may hold. A small compressed file does not get to
            take gigabytes of memory by a record that claims them.
        position: how far it was read.
        cut: why a compressed stream ended before its end.
        missing: how many bytes the file had fewer than its size, when it ended.
    """

    def __init__(self, raw: ByteStream, size: int | None, start: int) -> None:
        head = read_fully(raw, HEADER_BYTES if size is None else min(HEADER_BYTES, size))
        self.compression = compression_of(head)
        self.position = start
        self.cut: Literal["truncated", "compression"] | None = None
        self.missing = 0
        self.most = MAX_PAYLOAD_BYTES
        if self.compression:
            self.end = None
            self.most = min(max(_LEAST_LIMIT, _LIMIT_RATIO * (size or 0)), MAX_PAYLOAD_BYTES)
            self._chunks = _drop(self._decompress(self._read(raw, head, size)), start)
        elif start and size is not None:
            self.end = size
            raw.seek(start)
            self._chunks = self._read(raw, b"", size - start)
        else:
            self.end = size
            self._chunks = self._read(raw, head, size)

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.position += len(chunk)
            yield chunk

    def _read(self, raw: ByteStream, head: bytes, size: int | None) -> Iterator[bytes]:
        """``head`` and what follows, ``size`` bytes at most: not what came since that was taken."""
        if head:
            yield head
        left = None if size is None else size - len(head)
        while left is None or left > 0:
            piece = raw.read(_CHUNK_BYTES if left is None else min(_CHUNK_BYTES, left))
            if not piece:
                self.missing = left or 0
                return
            if left is not None:
                left -= len(piece)
            yield piece

    def _decompress(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        inflate = zlib.decompressobj(wbits=47)  # gzip or zlib, as its header says
        for data in _in_pieces(chunks, _COMPRESSED_BYTES):
            while True:
                if inflate.eof:
                    data = data.lstrip(b"\0")  # gzip(1) lets zeros pad a file
                    if not data:
                        break
                    inflate = zlib.decompressobj(wbits=47)  # one more gzip member
                before = inflate.copy()
                try:
                    out = inflate.decompress(data, _CHUNK_BYTES)
                except zlib.error:
                    self.cut = "compression"
                    yield from _inflate_what_is_sound(before, data)
                    return
                if out:
                    yield out
                data = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
                if not data and len(out) < _CHUNK_BYTES:
                    break
        if not inflate.eof:
            self.cut = "truncated"


def _in_pieces(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), size):
            yield chunk[at : at + size]


def _inflate_what_is_sound(inflate: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """The output before the first wrong byte, which a call with all of the data would swallow."""
    while len(data) > 1:
        half = len(data) // 2
        attempt = inflate.copy()
        try:
            out = attempt.decompress(data[:half])
        except zlib.error:
            data = data[:half]
        else:
            inflate, data = attempt, data[half:]
            if out:
                yield out


def read_into(raw: ByteStream, target: memoryview) -> int:
    """Read into memory that is there; how many bytes, none only at the end."""
    into = getattr(raw, "readinto", None)
    if into is not None:
        return int(into(target) or 0)
    piece = raw.read(len(target)) or b""
    target[: len(piece)] = piece
    return len(piece)


def read_fully(raw: ByteStream, size: int) -> bytes:
    """``size`` bytes, fewer only at the end."""
    data = b""
    while len(data) < size and (piece := raw.read(size - len(data))):
        data += piece
    return data


def _stretches(
    raw: ByteStream, end: int, places: Iterable[tuple[int, int]], compression: str
) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each place, an offset and a size; fewer bytes only at the end."""
    window, begin = bytearray(), 0
    chunks: Iterator[bytes] | None = None
    for offset, size in places:
        if not compression:
            raw.seek(offset)
            yield offset, read_fully(raw, size)
            continue
        if chunks is None or offset < begin:
            raw.seek(0)
            window, begin, chunks = bytearray(), 0, iter(Stream(raw, end, 0))
        while True:
            drop = min(offset - begin, len(window))
            del window[:drop]
            begin += drop
            if len(window) >= size and begin == offset:
                break
            chunk = next(chunks, b"")
            if not chunk:
                break
            window += chunk
        yield offset, bytes(window[:size])


def _drop(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The chunks without their first ``count`` bytes."""
    for chunk in chunks:
        if count < len(chunk):
            yield chunk[count:] if count else chunk
        count = max(count - len(chunk), 0)


def compression_of(head: bytes) -> str:
    """ "gzip", "zlib", or "" for a plain file, from its first bytes.

    A plain file whose first header is damaged may begin in much the same way. So all that RFC 1952
    says of gzip's header has to be right (deflate, no reserved flag, known values of the two last
    bytes), and what claims to be zlib has to be inflated, and to be no small length.
    """
    if len(head) < HEADER_BYTES or is_record_header(head):
        return ""  # too short for anything compressed, and perhaps half a header yet
    if (
        head[:3] == b"\x1f\x8b\x08"
        and not head[3] & 0xE0
        and head[8] in (0, 2, 4)
        and (head[9] < 14 or head[9] == 255)
    ):
        return "gzip"
    # RFC 1950: deflate with a window of 32 KiB, and a check that 31 divides the two bytes
    if head[:1] == b"\x78" and int.from_bytes(head[:2], "big") % 31 == 0 and any(head[4:8]):
        try:
            zlib.decompressobj().decompress(head)
        except zlib.error:
            return ""
        return "zlib"
    return ""


class RecordWriter:
    """Writes payloads as records, to a new file or to a binary file object.

    Args:
        file: a path, where no file may be yet, or a binary file object, which stays the caller's.

    Raises:
        FileExistsError: there is a file of that name; nothing is ever overwritten.

    >>> import io
    >>> from tbio.logdir import read_records
    >>> file = io.BytesIO()
    >>> with RecordWriter(file) as writer:
    ...     writer.write(b"abc")
    >>> _ = file.seek(0)
    >>> list(read_records(file))
    [b'abc']
    """

    def __init__(self, file: str | os.PathLike[str] | BinaryIO) -> None:
        self._owned = isinstance(file, (str, os.PathLike))
        self._file: BinaryIO | None
        if isinstance(file, (str, os.PathLike)):
            self._file = open(file, "xb")  # noqa: SIM115 (closed by close)
        else:
            self._file = file

    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise WriterClosedError("the record writer is closed")
        return self._file

    def write(self, payload: bytes | bytearray | memoryview) -> None:
        """Write one record.

        Raises:
            TypeError: no bytes.
            WriterClosedError: after `close`.
        """
        if not isinstance(payload, (bytes, bytearray, memoryview)):
            raise TypeError(f"want bytes for a record, got {type(payload).__name__}")
        file = self._opened()
        rest = memoryview(encode_record(bytes(payload)))
        while rest:  # a raw file may take a part
            rest = rest[file.write(rest) or 0 :]

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._opened().flush()

    def close(self) -> None:
        """Flush, and close a file that was opened here. Closing twice is fine."""
        file, self._file = self._file, None
        if file is not None:
            file.flush()
            if self._owned:
                file.close()

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
