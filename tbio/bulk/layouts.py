"""Layouts: where in the message of a value its number stands, and what stands around it.

The message of a scalar is the same each time but for the number::

    0a <length> <tag>  15 <float, 4 bytes>                                           (TF 1, torch)
    0a <length> <tag>  42 <length> 08 01 12 00 2a 04 <float, 4 bytes>  4a <length> ...      (TF 2)

So a tag's first message goes to protobuf, and is *learned*: it is parsed again with other bytes in
the place where the number ought to be, and only if these come out as the number, and nothing else
has changed, the place is right, whatever bytes will stand there. From then on a message that has
the same bytes everywhere else is known to hold that tag, these metadata, and the number in that
place.

Messages are sorted by their length and that of the tag first. Among those of one sort, where there
are many tags, the right layout is looked up by a hash of the tag; but it is always all of the bytes
that decide.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import MAX_ROW, Buffer, Longs, Words
from tbio.errors import DecodeError
from tbio.kinds import scalar
from tbio.proto import PARSE_ERRORS
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

#: Longer messages are no scalars, or not such as anybody writes.
MAX_BYTES = MAX_ROW
#: So many layouts of one sort are tried one after the other; more are looked up by hash.
_FEW = 3
#: What does not pay: so many layouts learned in one go that fit hardly any message but their own.
_TRIALS, _ROWS_EACH = 64, 1.5
_MOST_OF_A_TAG = 32  # layouts: each message of the tag may be compared with all of them
_FAILURES = 4  # messages that cannot be learned, before the rest of their sort has to wait
_MAX_HOPELESS = 1 << 10
_MAX_SORTS = 1 << 14

_FLOAT, _DOUBLE = struct.Struct("<f"), struct.Struct("<d")
#: What stands before a number: the keys of simple_value and of the fields of TensorProto, packed or
#: not, and of tensor_content.
_BEFORE_FLOAT = (b"\x15", b"\x2a\x04", b"\x22\x04", b"\x2d")
_BEFORE_DOUBLE = (b"\x32\x08", b"\x22\x08", b"\x31")
_TRIAL_NUMBERS = (-0.8046875, 2.0**40)  # float32 holds them
_HASH = np.uint64(0x9E3779B97F4A7C15)  # odd, of the golden ratio


@dataclass(frozen=True, eq=False)
class Layout:
    """The message of a scalar.

    Attributes:
        tag: what it is logged under.
        metadata: what it brings; None without.
        is_tensor: whether the number stands in a tensor of rank 0.
        dtype: float32 or float64, little-endian.
        at: where the number stands.
        float_at: in tbio's exact encoding (`kinds.scalar`), where the float32 beside it stands.
        fixed: uint64[w], the bytes that never change; 0 where they do.
        mask: uint64[w], where they do not.
        length: the bytes of the message.
    """

    tag: str
    metadata: SummaryMetadata | None
    is_tensor: bool
    dtype: np.dtype[Any]
    at: int
    float_at: int | None
    fixed: Words = field(repr=False)
    mask: Words = field(repr=False)
    length: int

    def fits(self, words: Words) -> npt.NDArray[np.bool_]:
        """Which of the messages have it, bool[n]; words beyond their end have to be cut off."""
        differs = (words[:, 0] ^ self.fixed[0]) & self.mask[0]
        for at in range(1, len(self.fixed)):
            differs |= (words[:, at] ^ self.fixed[at]) & self.mask[at]
        if self.float_at is None:
            return np.asarray(differs == 0)
        doubles, floats = self.values(words), column_of(words, self.float_at, np.dtype("<f4"))
        with np.errstate(over="ignore"):
            same = doubles.astype(np.float32) == floats
        same |= np.isnan(doubles) & np.isnan(floats)
        return np.asarray((differs == 0) & same)

    def values(self, words: Words) -> npt.NDArray[Any]:
        """The numbers, in native byte order."""
        values = column_of(words, self.at, self.dtype)
        return values.astype(self.dtype.newbyteorder("="))


def column_of(words: Words, at: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The numbers that begin so many bytes behind the beginning of each row, [n]."""
    column: npt.NDArray[Any] = words.view(np.uint8)[:, at : at + dtype.itemsize].view(dtype)[:, 0]
    return column


def learn(message: bytes, tag_end: int) -> Layout | None:
    """The layout of a value's message whose tag ends at a place; None if it is no such scalar."""
    plain = _Plain.of(message)
    if plain is None or not plain.tag or not message[:tag_end].endswith(plain.tag.encode()):
        return None
    for dtype, at, float_at in _places(message, tag_end, plain.is_double):
        if all(_holds(message, plain, dtype, at, float_at, number) for number in _TRIAL_NUMBERS):
            return _layout(message, plain, dtype, at, float_at)
    return None


class _Plain(NamedTuple):
    """A scalar as the plain path reads it."""

    tag: str
    metadata: SummaryMetadata | None
    is_tensor: bool
    number: float
    is_double: bool

    @classmethod
    def of(cls, message: bytes) -> _Plain | None:
        try:
            value = Summary.Value.FromString(message)
            is_tensor = value.WhichOneof("value") == "tensor"
            if is_tensor and value.tensor.tensor_shape.dim:
                return None
            number, dtype = scalar.decode(value)
        except (DecodeError, *PARSE_ERRORS):
            return None
        if dtype not in (np.float32, np.float64) or value.node_name:
            return None
        if dtype == np.float32 and value.tensor.double_val:
            return None  # another float may be the rounded double, which is the exact encoding
        metadata = value.metadata if value.HasField("metadata") else None
        return cls(value.tag, metadata, is_tensor, number, dtype == np.float64)


def _places(
    message: bytes, begin: int, is_double: bool
) -> Iterator[tuple[np.dtype[Any], int, int | None]]:
    """Where the number may stand: dtype, place, and the place of the float beside it."""
    floats = [at for key in _BEFORE_FLOAT for at in _behind(message, key, begin, 4)]
    if not is_double:
        yield from ((np.dtype("<f4"), at, None) for at in floats)
        return
    for at in (at for key in _BEFORE_DOUBLE for at in _behind(message, key, begin, 8)):
        yield np.dtype("<f8"), at, None
        yield from ((np.dtype("<f8"), at, beside) for beside in floats)


def _behind(message: bytes, key: bytes, begin: int, size: int) -> Iterator[int]:
    at = message.find(key, begin)
    while at >= 0 and at + len(key) + size <= len(message):
        yield at + len(key)
        at = message.find(key, at + 1)


def _holds(
    message: bytes,
    plain: _Plain,
    dtype: np.dtype[Any],
    at: int,
    float_at: int | None,
    number: float,
) -> bool:
    """Whether another number in that place is read as such, and all else is as it was."""
    other = bytearray(message)
    other[at : at + dtype.itemsize] = (_FLOAT if dtype.itemsize == 4 else _DOUBLE).pack(number)
    if float_at is not None:
        other[float_at : float_at + 4] = _FLOAT.pack(number)
    return _Plain.of(bytes(other)) == plain._replace(number=number)


def _layout(
    message: bytes, plain: _Plain, dtype: np.dtype[Any], at: int, float_at: int | None
) -> Layout:
    mask = bytearray(b"\xff" * len(message))
    mask[at : at + dtype.itemsize] = bytes(dtype.itemsize)
    if float_at is not None:
        mask[float_at : float_at + 4] = bytes(4)
    masks = _words(bytes(mask))
    fixed = _words(message) & masks
    return Layout(
        *(plain.tag, plain.metadata, plain.is_tensor),
        *(dtype, at, float_at),
        *(fixed, masks, len(message)),
    )


def _words(data: bytes) -> Words:
    return np.frombuffer(data + bytes(-len(data) % 8), "<u8").astype(np.uint64)


class Found(NamedTuple):
    """The values of one layout.

    Attributes:
        rows: int64[n], which of the values they are; ascending.
        values: float32[n] or float64[n].
    """

    layout: Layout
    rows: Longs
    values: npt.NDArray[Any]


class Layouts:
    """The layouts that were learned so far, for all files.

    Attributes:
        tags: of all of them.
    """

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self._sorts: list[_Sort] = []
        # (length of the message, of its beginning up to the tag's end) -> place in the list; -1
        self._sort_of = np.full(MAX_BYTES * MAX_BYTES, -1, np.int16)

    def find(
        self, buffer: Buffer, begins: Longs, lengths: Longs, tag_ends: Longs, rows: Longs
    ) -> tuple[list[Found], Longs]:
        """The values by their layouts, and the rows of those that have none.

        Args:
            begins: int64[n], where each message begins.
            lengths: int64[n], its bytes, fewer than `MAX_BYTES`.
            tag_ends: int64[n], how many of them the tag ends behind.
            rows: int64[n], numbers for the values; ascending.
        """
        found: list[Found] = []
        strays: list[Longs] = []
        if not len(rows):
            return found, rows
        keys = lengths * MAX_BYTES + tag_ends
        sorts = self._sort_of[keys]
        if sorts.min() < 0:
            # Asked for the places as well, numpy does not load its masked arrays to look for some.
            fresh, _ = np.unique(keys[sorts < 0], return_index=True)
            for key in fresh.tolist():
                if len(self._sorts) < _MAX_SORTS:
                    self._sort_of[key] = len(self._sorts)
                    length, tag_end = divmod(key, MAX_BYTES)
                    self._sorts.append(_Sort(length, tag_end, self.tags))
            sorts = self._sort_of[keys]
        order = np.argsort(sorts, kind="stable")  # 16 bits: a radix sort
        counts = np.bincount(sorts.astype(np.int64) + 1, minlength=1)
        end = int(counts[0])
        if end:
            strays.append(rows[order[:end]])
        for which in (np.flatnonzero(counts[1:])).tolist():
            begin, end = end, end + int(counts[which + 1])
            part = order[begin:end]
            strays.append(self._sorts[which].find(buffer, begins[part], rows[part], found))
        return found, np.concatenate(strays)


class _Sort:
    """The layouts of one length, whose tags are of one length too."""

    def __init__(self, length: int, tag_end: int, tags: set[str]) -> None:
        self._tags = tags
        self._length = length
        self._tag_end = tag_end
        self._count = -(-length // 8)
        self._last = np.uint64((1 << 8 * (length - 8 * (self._count - 1))) - 1)
        self._tag_mask = _words(b"\xff" * tag_end)
        self._layouts: list[Layout] = []
        self._hashes: list[int] = []  # of their tags
        self._table = _Table([], [], self._count)
        self._of_tag: Counter[int] = Counter()  # layouts learned, by hashes of tags
        self._hopeless: set[int] = set()  # hashes of tags that no layout could be learned of

    def find(self, buffer: Buffer, begins: Longs, rows: Longs, found: list[Found]) -> Longs:
        """Add what was found; the rows of values without a layout."""
        words = buffer.words(begins, self._count)
        words[:, -1] &= self._last
        if len(self._layouts) > _FEW:
            words, rows = self._look_up(words, rows, found)
        else:
            for layout in self._layouts:
                words, rows = _take(layout, words, rows, found)
                if not len(rows):
                    break
        return self._learn(words, rows, found) if len(rows) else rows

    def _hash(self, words: Words) -> Words:
        """A number for each tag, of the words that hold it."""
        hashes: Words = (words[:, 0] & self._tag_mask[0]) * _HASH
        for at in range(1, len(self._tag_mask)):
            hashes ^= hashes >> np.uint64(29)
            hashes += words[:, at] & self._tag_mask[at]
            hashes *= _HASH
        return hashes

    def _look_up(self, words: Words, rows: Longs, found: list[Found]) -> tuple[Words, Longs]:
        """Add what fits one of many layouts; the messages and rows of the others."""
        if len(self._table) != len(self._layouts):
            new = self._layouts[len(self._hashes) :]
            self._hashes += [int(self._hash(one.fixed.reshape(1, -1))[0]) for one in new]
            self._table = _Table(self._layouts, self._hashes, self._count)
        which = self._table.find(words, self._hash(words))
        order = np.argsort(
            which.astype(np.int16 if len(self._layouts) < 2**15 else np.int64), kind="stable"
        )
        counts = np.bincount(which + 1, minlength=len(self._layouts) + 1)
        end = int(counts[0])  # of those without a layout, which come first
        left = order[:end]
        sorted_rows, values = rows[order], self._table.values(words, order)
        for at in np.flatnonzero(counts[1:]).tolist():
            begin, end = end, end + int(counts[at + 1])
            layout, part = self._layouts[at], slice(begin, end)
            if values is not None:
                found.append(Found(layout, sorted_rows[part], values[part]))
                continue
            own = words[order[part]]
            fits = layout.fits(own)
            if fits.any():
                own_rows = sorted_rows[part]
                found.append(Found(layout, own_rows[fits], layout.values(own[fits])))
            if not fits.all():
                left = np.concatenate([left, order[part][~fits]])
        left = np.sort(left)
        return words[left], rows[left]

    def _learn(self, words: Words, rows: Longs, found: list[Found]) -> Longs:
        """Learn from what is not known, tag by tag; the rows that are left over."""
        learned = matched = failed = 0
        strays: list[Longs] = []
        hashes, which = np.unique(self._hash(words), return_inverse=True)
        order = np.argsort(which, kind="stable")
        cuts = np.cumsum(np.bincount(which))[:-1]
        for tag, part in zip(hashes.tolist(), np.split(order, cuts), strict=True):
            own, own_rows = words[part], rows[part]
            while len(own_rows) and tag not in self._hopeless and failed < _FAILURES:
                if learned >= _TRIALS and matched < _ROWS_EACH * learned:
                    break
                if self._of_tag[tag] >= _MOST_OF_A_TAG:
                    break
                layout = learn(own[0].astype("<u8").tobytes()[: self._length], self._tag_end)
                before = len(own_rows)
                if layout is not None:
                    own, own_rows = _take(layout, own, own_rows, found)
                if layout is None or len(own_rows) == before:
                    failed += 1
                    if len(self._hopeless) < _MAX_HOPELESS:
                        self._hopeless.add(tag)
                    break
                learned += 1
                self._of_tag[tag] += 1
                matched += before - len(own_rows)
                self._layouts.append(layout)
                self._tags.add(layout.tag)
            strays.append(own_rows)
        return np.concatenate(strays)


class _Table:
    """The layouts of one sort side by side, so that each message is compared with its own."""

    def __init__(self, layouts: Sequence[Layout], hashes: Sequence[int], words: int) -> None:
        # Layouts whose tags have the same hash follow each other, and are tried in turn.
        order = sorted(range(len(layouts)), key=lambda at: hashes[at])
        self._places = np.array(order, np.int64)
        self._hashes = np.array([hashes[at] for at in order], np.uint64)
        shape = (len(layouts), words)
        fixed = np.array([layouts[at].fixed for at in order], np.uint64).reshape(shape)
        mask = np.array([layouts[at].mask for at in order], np.uint64).reshape(shape)
        self._fixed, self._mask = np.ascontiguousarray(fixed.T), np.ascontiguousarray(mask.T)
        forms = {(one.dtype, one.at, one.float_at) for one in layouts}
        self._form = forms.pop() if len(forms) == 1 else None

    def __len__(self) -> int:
        return len(self._places)

    def find(self, words: Words, hashes: Words) -> Longs:
        """The place of the layout of each message; -1 where none fits but for the number."""
        places = np.full(len(words), -1, np.int64)
        at = np.searchsorted(self._hashes, hashes)
        left = np.arange(len(words))
        while True:
            same = (at < len(self)) & (self._hashes[np.minimum(at, len(self) - 1)] == hashes)
            if not same.all():
                at, hashes, left, words = at[same], hashes[same], left[same], words[same]
            if not len(left):
                return places
            differs = (words[:, 0] ^ self._fixed[0][at]) & self._mask[0][at]
            for column in range(1, len(self._fixed)):
                differs |= (words[:, column] ^ self._fixed[column][at]) & self._mask[column][at]
            fits = differs == 0
            if fits.all():
                places[left] = self._places[at]
                return places
            places[left[fits]] = self._places[at[fits]]
            at, hashes, left, words = at[~fits] + 1, hashes[~fits], left[~fits], words[~fits]

    def values(self, words: Words, order: Longs) -> npt.NDArray[Any] | None:
        """The numbers of messages in some order; None if they stand in several places."""
        if self._form is None or self._form[2] is not None:
            return None
        dtype, at, _ = self._form
        values: npt.NDArray[Any] = column_of(words, at, dtype)[order].astype(
            dtype.newbyteorder("=")
        )
        return values


def _take(layout: Layout, words: Words, rows: Longs, found: list[Found]) -> tuple[Words, Longs]:
    """Add the values that a layout fits; the messages and rows of the others."""
    fits = layout.fits(words)
    if fits.all():
        found.append(Found(layout, rows, layout.values(words)))
        return words[:0], rows[:0]
    if fits.any():
        found.append(Found(layout, rows[fits], layout.values(words[fits])))
        return words[~fits], rows[~fits]
    return words, rows
