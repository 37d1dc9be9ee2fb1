"""Frames by speculation: where the records of a stretch begin, without going from one to the next.

A record says how long it is, so that the next one is found only behind it: more than 100 ns a step
in Python, even when all that is done with a header is to look it up in a dictionary of those met
before. But a training loop logs the same tags again and again, and the lengths of its records
repeat. So a few are read one by one; when the last lengths have occurred before, those that
followed them then are supposed to follow now, round and round. The headers at the places that
follow are compared all at once, and what fits is taken: some 10 ns a record. Behind the first that
does not fit, some are read one by one again.

Where nothing repeats, one does go from header to header, but from a thousand places at once. Near
each of them something is looked for that looks like a header: a small length, that is zeros in its
upper bytes, with the right checksum. It was one if the records from the place before end there.

A guess that was wrong costs time and nothing else: only headers that stand there are taken.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import Buffer, Longs
from tbio.masked_crc import MASK_DELTA, crc32c, masked_crc
from tbio.record import FOOTER_BYTES, HEADER_BYTES, MAX_PAYLOAD_BYTES

#: Bytes of a record beside its payload.
FRAME_BYTES = HEADER_BYTES + FOOTER_BYTES
_FEW, _MANY = 64, 1 << 12  # records that are read one by one before the next guess
_MANY_AT_ONCE = 256  # of a file, for which it is worth to look at all of them at once
_PATIENCE = 2  # guesses in vain
_FIRST_GUESS, _LARGEST_GUESS = 1 << 11, 1 << 16
_TAIL = 8  # so many lengths must have occurred before, in this order
_REMEMBERED = 1 << 14  # lengths
_NEAR = 1 << 8  # of them are looked at first
_KNOWN = 1 << 16  # headers
_PLACES = 1 << 11  # at most, from where records are followed at once
_LOOKED_AT = 1 << 7  # bytes behind such a place, for a header
_PIECE = 1 << 16  # bytes that are looked at one by one without a new copy

_WALL_TIME = 0x09  # the first byte of an event: the key of Event.wall_time
_NEVER = 1 << 62  # bytes of what is no record

_Headers: TypeAlias = npt.NDArray[np.uint32]


class Frames(NamedTuple):
    """The records of a stretch.

    Attributes:
        offsets: int64[n + 1], where each record begins in the buffer, and where the last one ends.
        needed: how many bytes the record behind them has; 0 if its header is not whole, or no
            header.
    """

    offsets: Longs
    needed: int


class Past:
    """The last numbers of a sequence that may repeat itself.

    >>> past = Past()
    >>> past.extend(np.array([9, 1, 2, 3] * 3))
    >>> past.cycle()
    array([9, 1, 2, 3])
    """

    def __init__(self) -> None:
        self._numbers: Longs = np.empty(4 * _REMEMBERED, np.int64)
        self._count = 0

    def extend(self, numbers: Longs) -> None:
        """Add what followed."""
        numbers = numbers[-_REMEMBERED:]
        count = self._count + len(numbers)
        if count > len(self._numbers):
            kept = self._numbers[self._count - _REMEMBERED : self._count].copy()
            self._numbers[:_REMEMBERED] = kept
            self._count, count = _REMEMBERED, _REMEMBERED + len(numbers)
        self._numbers[self._count : count] = numbers
        self._count = count

    def cycle(self) -> Longs | None:
        """What is supposed to follow, round and round; None without a guess.

        It is what followed the last numbers where they occurred before.
        """
        end = self._count
        past = self._numbers[max(end - _REMEMBERED, 0) : end]
        for size in (_NEAR, _REMEMBERED):  # where the cycle is short, there is less to look at
            part = past[-size:]
            if len(part) <= _TAIL:
                return None
            same = part[_TAIL - 1 : -1] == part[-1]
            for back in range(1, _TAIL):
                same &= part[_TAIL - 1 - back : -1 - back] == part[-1 - back]
            at = np.flatnonzero(same)
            if len(at):
                return part[at[-1] + _TAIL :].copy()
        return None


class FrameFinder:
    """Finds frames; what it learns in one stretch serves for the next.

    Attributes:
        is_irregular: whether most records of the last stretch were followed one by one, in many
            places at once.

    >>> from tbio.record import encode_record
    >>> buffer = Buffer(100)
    >>> data = encode_record(b"one") + encode_record(b"three") + encode_record(b"cut off")[:20]
    >>> buffer.view[: len(data)] = data
    >>> FrameFinder().find(buffer, 0, len(data))
    Frames(offsets=array([ 0, 19, 40]), needed=23)
    """

    def __init__(self) -> None:
        self._sizes: dict[bytes, int] = {}  # header -> bytes of its record
        self._headers: dict[int, bytes] = {}  # and back
        self.is_irregular = False
        self._past = Past()
        self._guess = _FIRST_GUESS  # records; more after a guess that was right
        self._first: Longs = np.empty(0, np.int64)  # the first sizes of a file of many records
        self._first_headers: _Headers = np.empty((0, 3), np.uint32)

    def find(self, buffer: Buffer, begin: int, end: int, fresh: bool = False) -> Frames:
        """The records that stand in the buffer from ``begin`` on, whole before ``end``.

        Their headers are right; their payloads were not looked at.

        Args:
            fresh: whether it is the beginning of a file: it may be like the one before it.
        """
        found: list[Longs] = []
        at, in_vain, followed = begin, 0, 0
        if fresh and len(self._first):
            sizes, _ = self._follow(buffer, at, end, self._first, self._first_headers, 1)
            at = self._take(found, at, sizes)
        while True:
            sizes, needed = self._one_by_one(buffer, at, end, _FEW)
            at = self._take(found, at, sizes)
            if len(sizes) < _FEW:
                break
            before = at
            cycle = self._past.cycle()
            if cycle is not None:
                headers = self._headers_of(cycle)
                while True:
                    rounds = -(-self._guess // len(cycle))
                    sizes, was_right = self._follow(buffer, at, end, cycle, headers, rounds)
                    at = self._take(found, at, sizes)
                    if len(sizes) < rounds * len(cycle):
                        break
                    self._guess = min(2 * self._guess, _LARGEST_GUESS)
                if not was_right:
                    self._guess = _FIRST_GUESS
            in_vain = 0 if at > before else in_vain + 1
            if in_vain <= _PATIENCE:
                continue
            sizes = self._in_many_places(buffer, at, end)
            at = self._take(found, at, sizes)
            followed += len(sizes)
            if len(sizes) >= _MANY:
                continue
            sizes, needed = self._one_by_one(buffer, at, end, _MANY)
            at = self._take(found, at, sizes)
            if len(sizes) < _MANY:
                break
        sizes = np.concatenate(found) if found else np.empty(0, np.int64)
        if fresh and len(sizes) > _MANY_AT_ONCE and not _begins_alike(sizes, self._first):
            self._first = sizes[:_REMEMBERED].copy()
            self._first_headers = self._headers_of(self._first)
        self.is_irregular = 2 * followed > len(sizes)
        offsets = np.empty(1 + len(sizes), np.int64)
        offsets[0] = begin
        np.cumsum(sizes, out=offsets[1:])
        offsets[1:] += begin
        return Frames(offsets, needed)

    def _take(self, found: list[Longs], at: int, sizes: Longs) -> int:
        """Note records of these sizes; where the last one ends."""
        if not len(sizes):
            return at
        found.append(sizes)
        self._past.extend(sizes)
        return at + int(sizes.sum())

    def _one_by_one(self, buffer: Buffer, at: int, end: int, count: int) -> tuple[Longs, int]:
        """The sizes of the next records, ``count`` at most; and what is needed where they end."""
        known = self._sizes
        sizes: list[int] = []
        add = sizes.append
        needed = 0
        while len(sizes) < count:
            # A copy as bytes: its slices can be looked up in a dictionary.
            piece = bytes(buffer.view[at : min(at + _PIECE, end)])
            place = 0
            while True:
                try:
                    for _ in range(count - len(sizes)):
                        size = known[piece[place : place + HEADER_BYTES]]
                        add(size)
                        place += size
                    break
                except KeyError:
                    if not self._learn(piece[place : place + HEADER_BYTES]):
                        break
            at += place
            if at > end:  # the last one is not whole
                needed = sizes.pop()
                break
            header = bytes(buffer.view[at : min(at + HEADER_BYTES, end)])
            if header not in known and not self._learn(header):
                break
        return np.array(sizes, np.int64), needed

    def _learn(self, header: bytes) -> bool:
        """Take note of a header; whether it is one."""
        size = _size_of(header)
        if size:
            if len(self._sizes) >= _KNOWN:
                self._sizes.clear()
                self._headers.clear()
            self._sizes[header] = size
            self._headers[size] = header
        return size > 0

    def _follow(
        self, buffer: Buffer, at: int, end: int, cycle: Longs, headers: _Headers, rounds: int
    ) -> tuple[Longs, bool]:
        """The sizes of some rounds, as many as the records at ``at`` have; whether all have."""
        rounds = min(rounds, (end - at) // int(cycle.sum()) + 1)
        sizes = _round_and_round(cycle, rounds)
        ends = np.cumsum(sizes)
        ends += at
        count = int(np.searchsorted(ends, end, "right"))  # of those that would be whole
        begins = ends[:count] - sizes[:count]
        there = buffer.rows(begins, HEADER_BYTES).view("<u4")
        wrong = there[:, 0] != _round_and_round(headers[:, 0], rounds)[:count]
        wrong |= there[:, 1] != 0  # no record here has 4 GiB
        wrong |= there[:, 2] != _round_and_round(headers[:, 2], rounds)[:count]
        was_right = not wrong.any()
        return sizes[: count if was_right else int(wrong.argmax())], was_right

    def _in_many_places(self, buffer: Buffer, at: int, end: int) -> Longs:
        """The sizes of the next records, from header to header in many places at once.

        None where there are too few places to begin at.
        """
        begins = np.concatenate([[at], _headers_among(buffer, at, end)])
        if len(begins) < _PLACES // 16:
            return begins[:0]
        limits = np.append(begins[1:], end)
        places, which = begins, np.arange(len(begins), dtype=np.uint16)
        stops = begins.copy()
        sizes_found, which_found = [], []
        while len(which):
            words = buffer.rows(places, HEADER_BYTES).view("<u4")
            right = (words[:, 0] < len(_CRC_OF_LENGTH)) & (words[:, 1] == 0)
            right &= _CRC_OF_LENGTH[words[:, 0] & np.uint32(len(_CRC_OF_LENGTH) - 1)] == words[:, 2]
            sizes = words[:, 0].astype(np.int64) + FRAME_BYTES
            for odd in np.flatnonzero(~right).tolist():  # long, or no header
                sizes[odd] = _size_of(words[odd].tobytes()) or _NEVER
            following = places + sizes
            whole = following <= end
            if not whole.all():
                sizes, which, following = sizes[whole], which[whole], following[whole]
            sizes_found.append(sizes)
            which_found.append(which)
            stops[which] = following
            more = following < limits[which]
            places, which = following[more], which[more]
        # Where one stops just where the next began, that began at a record.
        joined = stops[:-1] == limits[:-1]
        count = len(begins) if joined.all() else int(joined.argmin()) + 1
        of = np.concatenate(which_found)
        found: Longs = np.concatenate(sizes_found)[np.argsort(of, kind="stable")]
        return found[: np.count_nonzero(of < count)]

    def _headers_of(self, sizes: Longs) -> _Headers:
        """The headers of records of some sizes, as words of 4 bytes."""
        lengths = sizes - FRAME_BYTES
        if lengths.max() < len(_CRC_OF_LENGTH):
            words = np.zeros((len(sizes), 3), np.uint32)
            words[:, 0] = lengths
            words[:, 2] = _CRC_OF_LENGTH[lengths]
            return words
        headers = b"".join(map(self._header, sizes.tolist()))
        return np.frombuffer(headers, "<u4").reshape(-1, 3)

    def _header(self, size: int) -> bytes:
        header = self._headers.get(size)
        if header is None:
            length = (size - FRAME_BYTES).to_bytes(8, "little")
            header = self._headers[size] = length + masked_crc(length).to_bytes(4, "little")
        return header


def _headers_among(buffer: Buffer, at: int, end: int) -> Longs:
    """Places between two others, not too near to each other, where a header seems to stand."""
    apart = max((end - at) // _PLACES, 2 * _LOOKED_AT)
    places = np.arange(at + apart, end - _LOOKED_AT, apart)
    rows = buffer.rows(places, _LOOKED_AT).reshape(-1)
    # Bytes 2 to 7 of a length that is not large, and an event that begins with its wall time.
    zero = rows == 0
    pairs = zero[2:-1] & zero[3:]
    looks = rows == _WALL_TIME
    looks[:-HEADER_BYTES] = looks[HEADER_BYTES:]
    looks[-HEADER_BYTES:] = False
    for byte in (0, 2, 4):
        looks[:-HEADER_BYTES] &= pairs[byte : byte + len(looks) - HEADER_BYTES]
    # Words of 8 are looked at instead of bytes.
    some = np.flatnonzero(looks.view(np.uint64))
    which = np.flatnonzero(looks.reshape(-1, 8)[some])
    row, column = np.divmod((some[which >> 3] << 3) + (which & 7), _LOOKED_AT)
    begins: Longs = places[row] + column
    words = buffer.rows(begins, HEADER_BYTES).view("<u4")
    right = (words[:, 0] < len(_CRC_OF_LENGTH)) & (words[:, 1] == 0)
    right &= _CRC_OF_LENGTH[words[:, 0] & np.uint32(len(_CRC_OF_LENGTH) - 1)] == words[:, 2]
    row, first = np.unique(row[right], return_index=True)
    found: Longs = begins[right][first]
    return found


def _begins_alike(sizes: Longs, first: Longs) -> bool:
    """Whether they begin with these, as far as any are remembered."""
    return len(first) == min(len(sizes), _REMEMBERED) and bool((sizes[: len(first)] == first).all())


def _round_and_round(numbers: npt.NDArray[Any], rounds: int) -> npt.NDArray[Any]:
    """The numbers so many times, one time behind the other."""
    if rounds == 1:
        return numbers
    return np.broadcast_to(numbers, (rounds, len(numbers))).reshape(-1)


def _crcs_of_lengths(count: int) -> npt.NDArray[np.uint32]:
    """The masked checksums of the lengths up to a power of two, by the linearity of CRCs."""
    zero = crc32c(bytes(8))
    crcs = np.array([zero], np.uint32)
    while len(crcs) < count:
        bit = crc32c(len(crcs).to_bytes(8, "little")) ^ zero
        crcs = np.concatenate([crcs, crcs ^ np.uint32(bit)])
    return (crcs >> np.uint32(15) | crcs << np.uint32(17)) + np.uint32(MASK_DELTA)


_CRC_OF_LENGTH = _crcs_of_lengths(1 << 16)


def _size_of(header: bytes) -> int:
    """The bytes of a whole record, by its header; 0 if it is not whole, or no header."""
    length = int.from_bytes(header[:8], "little")
    crc = int.from_bytes(header[8:], "little")
    if len(header) < HEADER_BYTES or length > MAX_PAYLOAD_BYTES or masked_crc(header[:8]) != crc:
        return 0
    return length + FRAME_BYTES
