"""Lane: event files into their columns, a buffer at a time."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

from tbio.bulk.ahead import ahead
from tbio.bulk.buffer import Buffer
from tbio.bulk.frames import FrameFinder
from tbio.bulk.stretches import Stretch, Stretches
from tbio.columns import FileColumns
from tbio.record import HEADER_BYTES
from tbio.record_file import MARK_BYTES, Marks, Stream, compression_of, read_into
from tbio.storage import ByteStream, FileState

BUFFER_BYTES = 4 << 20
_LARGER_BYTES = 2 * BUFFER_BYTES
_FEW = 1 << 12
#: Records of more than this are left to the plain path, where it is not known that they are whole.
_MOST_BYTES = 1 << 26
#: Sound records behind damage that are read the plain way, before the lane tries again; and how
#: much it reads then, which doubles each time it comes through.
_BEYOND_DAMAGE = 32
_FIRST_BYTES = 1 << 16


class Lane:
    """Reads event files; what it learns of one serves for the others. Not for several threads.

    Args:
        buffer_bytes: read at once.
        few: events that are looked at before a guess what follows (`tbio.bulk.rounds`).

    Attributes:
        counts: events by the way they took: "guessed" (as was supposed), "fast" (every value by
            its layout), "passed" (some values passed over by their header), "plain" (through
            protobuf).

    >>> from tbio.columns import Wanted
    >>> from tbio.storage import walk
    >>> (file,) = [file for run, files in walk("tests/golden/digits/test", bool) for file in files]
    >>> columns = FileColumns(file, Wanted())
    >>> Lane().read([columns])
    >>> columns.scalars["loss"].steps.array[:3]
    array([0, 1, 2])
    """

    def __init__(self, buffer_bytes: int = BUFFER_BYTES, few: int = _FEW) -> None:
        self._buffer_bytes = buffer_bytes
        self._buffers = [Buffer(buffer_bytes)]
        self._in_advance = False
        self._frames = FrameFinder()
        self._applied = Stretches(few)
        self._waiting: list[Stretch] = []
        self._filled = 0  # bytes of the buffer that those take
        self._broken: list[FileColumns] = []

    @property
    def counts(self) -> Counter[str]:
        """Events by the way they took."""
        return self._applied.counts

    @property
    def is_full(self) -> bool:
        """Whether it has learned so much that it is better to begin anew."""
        return self._applied.is_full

    def read(self, files: Iterable[FileColumns], in_advance: bool = False) -> None:
        """Take in what the files hold beyond what was read, as `FileColumns.read` does of one.

        Args:
            in_advance: whether another thread reads, frames and checks the next buffer of a large
                file, about half of the work, while this one takes in what it has; not of one in
                whose records nothing repeats.

        Raises:
            DamageError, OSError: with ``on_damage="raise"``.
        """
        self._in_advance = in_advance
        try:
            for columns in files:
                if columns.ordered:
                    columns.read()
                else:
                    self._read(columns)
            self._apply()
            while self._broken:
                self._read(self._broken.pop(0), beyond_damage=True)
                self._apply()
        finally:
            self._waiting.clear()
            self._broken.clear()
            self._filled = 0
            for which, buffer in enumerate(self._buffers):
                if buffer.size > self._buffer_bytes:
                    self._buffers[which] = Buffer(self._buffer_bytes)

    def _read(self, columns: FileColumns, beyond_damage: bool = False) -> None:
        window = self._buffers[0].size
        if not beyond_damage:
            with columns.open_to_errors():
                columns.begin()
                beyond_damage = self._read_sound(columns, window)
        while beyond_damage:
            # What follows is damaged, or not whole: for the plain path to say.
            columns.read_beyond_damage(_BEYOND_DAMAGE)
            beyond_damage = False
            if not columns.report.error:
                with columns.open_to_errors():
                    beyond_damage = self._read_sound(columns, _FIRST_BYTES)

    def _read_sound(self, columns: FileColumns, window: int) -> bool:
        """Read on, ``window`` bytes at first, as far as records are sound; whether there is more.

        All there is of a file may wait in the buffer until more is read.
        """
        reader = columns.reader
        state = reader.unread()
        if state is None:
            return False
        if state.size is None:  # a stream, which can be read once
            columns.read()
            return False
        if reader.resume and not reader.report.records:
            return True  # what it seemed to be so far may be something else
        with reader.opened(state) as raw:
            source = _Source(raw, state.size, reader.resume, reader.report.compression)
            if self._waiting and self._filled + source.expected(window) > self._buffers[0].size:
                self._apply()
            stretches = self._stretches(columns, source, raw, state, window)
            buffer, stretch = next(stretches)
            self._waiting.append(stretch)
            self._filled = int(stretch.offsets[-1])
            if stretch.final is not None:
                return False
            self._apply()
            if stretch.is_last or stretch.is_broken:
                return True
            # Where nothing repeats the work comes in small pieces: two threads would take longer.
            in_advance = self._in_advance and not self._frames.is_irregular
            if in_advance and len(self._buffers) < 2:
                self._buffers.append(Buffer(self._buffer_bytes))
            with ahead(stretches) if in_advance else contextlib.nullcontext(stretches) as rest:
                for buffer, stretch in rest:
                    self._applied.take(buffer, [stretch])
        return stretch.final is None or stretch.is_broken

    def _stretches(
        self,
        columns: FileColumns,
        source: _Source,
        raw: ByteStream,
        state: FileState,
        window: int,
    ) -> Iterator[tuple[Buffer, Stretch]]:
        """The records of a file as far as they are sound, a buffer at a time.

        The first stand behind what waits in the buffer, and are not checked yet. With two buffers
        they take turns, so that the next may be asked for before one is done with.
        """
        report, offset = columns.reader.report, columns.reader.resume
        which, begin, held = 0, self._filled, 0
        first = True
        while True:
            buffer = self._buffers[which]
            limit = min(begin + held + window, buffer.size)
            end = begin + held + source.read(buffer.view[begin + held : limit])
            report.compression = source.compression
            frames = self._frames.find(buffer, begin, end, fresh=not offset)
            stop = int(frames.offsets[-1])
            stretch = Stretch(columns, offset, frames.offsets)
            held, left = end - stop, source.left
            if source.at_end and not held and not source.is_cut:
                marks = self._marks(buffer, raw, stretch, state)
                stretch.final = state, marks, source.position
            stretch.is_last = (
                source.at_end
                or (held >= HEADER_BYTES and not frames.needed)
                or frames.needed > (_MOST_BYTES if left is None else held + left)
            )
            if not first:
                self._applied.check(buffer, [stretch])
            yield buffer, stretch
            if stretch.is_last or stretch.is_broken:
                return
            size = frames.needed
            if window >= BUFFER_BYTES and len(frames.offsets) < _FEW:
                size = max(size, _LARGER_BYTES)  # few events, of many bytes
            which = (which + 1) % len(self._buffers)
            if size > self._buffers[which].size:
                self._buffers[which] = Buffer(size)
            target = self._buffers[which]
            target.view[:held] = bytes(buffer.view[stop:end])
            first, begin = False, 0
            offset += stop - int(stretch.offsets[0])
            window = min(2 * window, target.size)

    def _marks(self, buffer: Buffer, raw: ByteStream, stretch: Stretch, state: FileState) -> Marks:
        """As `RecordFileReader.marks_of`, without reading again what is at hand."""
        reader = stretch.columns.reader
        begin, stop = int(stretch.offsets[0]), int(stretch.offsets[-1])
        if stretch.offset or reader.report.compression:
            return reader.marks_of(raw, state, stretch.offset + stop - begin)
        first, last = min(begin + MARK_BYTES, stop), max(stop - MARK_BYTES, begin)
        return Marks(bytes(buffer.view[begin:first]), stop - begin, bytes(buffer.view[last:stop]))

    def _apply(self) -> None:
        """Empty the buffer: what waits in it goes into the columns."""
        waiting, self._waiting = self._waiting, []
        self._filled = 0
        self._applied.check(self._buffers[0], waiting)
        self._applied.take(self._buffers[0], waiting)
        self._broken += [one.columns for one in waiting if one.is_broken and one.final is not None]


class _Source:
    """The bytes of a file from an offset on, decompressed if need be.

    Attributes:
        compression: "gzip", "zlib" or "".
        left: bytes still to come; None where that is not known.
        at_end: whether there are none.
        position: how far it was read.
    """

    def __init__(self, raw: ByteStream, size: int, start: int, compression: str) -> None:
        self.compression = compression
        self.position = start
        self.left: int | None = size - start
        self.at_end = False
        self._raw = raw
        self._size = size
        self._error: OSError | None = None
        self._stream: Stream | None = None
        if compression:
            self._inflate()
        elif start:
            raw.seek(start)

    @property
    def is_cut(self) -> bool:
        """Whether it ended before its end."""
        if self._stream is None:
            return self.left != 0
        return self._stream.cut is not None or self._stream.missing > 0

    def expected(self, window: int) -> int:
        """How many bytes the next `read` may give."""
        return window if self.left is None else min(self.left, window)

    def read(self, target: memoryview) -> int:
        """Fill the target; how many bytes there were.

        Raises:
            OSError: the file cannot be read; not before all was given that could be.
        """
        if self._error is not None:
            raise self._error
        if self._stream is None and self.left is not None:
            target = target[: self.left]
        count = 0
        try:
            while count < len(target):
                taken = self._take(target[count:])
                if not taken:
                    self.at_end = True
                    break
                count += taken
        except OSError as error:
            if not count:
                raise
            self._error = error
        if self._stream is None and not self.position:
            self.compression = compression_of(bytes(target[:HEADER_BYTES]))
            if self.compression:
                self._raw.seek(0)
                self._inflate()
                return self.read(target)
        self.position += count
        if self.left is not None:
            self.left -= count
            self.at_end = self.at_end or self.left == 0
        return count

    def _inflate(self) -> None:
        self.left = None
        self.at_end = False
        self._stream = Stream(self._raw, self._size, self.position)
        self._chunks = iter(self._stream)
        self._rest = memoryview(b"")

    def _take(self, target: memoryview) -> int:
        """Some bytes; none at the end."""
        if self._stream is None:
            return read_into(self._raw, target)
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count
