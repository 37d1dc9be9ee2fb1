"""Events: from the payloads of a stretch to the values of their summaries, all at once.

Of an event that holds a summary, protobuf makes this, in the order of the field numbers::

    09 <wall time, 8 bytes>  10 <step, varint>  2a <length> [ 0a <length> <value> ]...

The step is left out when it is 0. Most events have one value. Where there are several they are
walked one by one, by their lengths. Whatever looks different (another sort of event, fields in
another order, a wall time of 0 or none) is left to protobuf: to be *plain*.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbio.bulk.buffer import Buffer, Longs
from tbio.bulk.varints import varints

_WALL_TIME, _STEP, _SUMMARY, _VALUE = 0x09, 0x10, 0x2A, 0x0A
_TIME_END = 9
_HEAD_BYTES = 32  # hold wall time and step
_LEAST_BYTES = 13  # wall time, and a summary of an empty value


@dataclass(frozen=True)
class Events:
    """The events of a stretch, and the values in them.

    Attributes:
        wall_times: float64[n].
        steps: int64[n].
        plain: bool[n], what protobuf is to read; the values of such events are not listed.
        value_events: int64[m], which event each value belongs to; ascending.
        value_begins: int64[m], where in the buffer the value's message begins.
        value_ends: int64[m], and ends.
    """

    wall_times: npt.NDArray[np.float64]
    steps: Longs
    plain: npt.NDArray[np.bool_]
    value_events: Longs
    value_begins: Longs
    value_ends: Longs

    def indexes(self) -> Longs:
        """Which value of its event each value is, int64[m]."""
        fresh = np.ones(len(self.value_events), bool)
        fresh[1:] = self.value_events[1:] != self.value_events[:-1]
        if fresh.all():
            return np.zeros(len(fresh), np.int64)
        every = np.arange(len(fresh))
        indexes: Longs = every - np.maximum.accumulate(np.where(fresh, every, 0))
        return indexes


def events_of(buffer: Buffer, begins: Longs, ends: Longs) -> Events:
    """The events of the payloads that begin and end at these places in the buffer."""
    head = buffer.rows(begins, _HEAD_BYTES)
    wall_times = head[:, 1:_TIME_END].view("<f8")[:, 0].astype(np.float64)
    plain = head[:, 0] != _WALL_TIME
    plain |= ends - begins < _LEAST_BYTES
    plain |= wall_times != wall_times
    steps, at = _steps(head, plain)
    at += begins
    plain |= at >= ends
    # 2a <length> up to the end of the payload
    at, stop = _message(buffer, at, _SUMMARY, plain)
    plain |= stop != ends
    # 0a <length>, and again as long as there is something
    at, stop = _message(buffer, at, _VALUE, plain)
    plain |= stop > ends
    several = np.flatnonzero((stop < ends) & ~plain)
    of = np.flatnonzero(~plain) if plain.any() else np.arange(len(plain))
    if not len(several):
        return Events(wall_times, steps, plain, of, at[of], stop[of])
    first = np.stack([several, at[several], stop[several]], 1)
    more = _further_values(buffer, first, ends, plain)
    of = np.flatnonzero(~plain)
    rows = np.concatenate([np.stack([of, at[of], stop[of]], 1), more])
    rows = rows[~plain[rows[:, 0]]]
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    columns = np.ascontiguousarray(rows.T)
    return Events(wall_times, steps, plain, columns[0], columns[1], columns[2])


def _steps(
    head: npt.NDArray[np.uint8], plain: npt.NDArray[np.bool_]
) -> tuple[Longs, npt.NDArray[np.int64]]:
    """The steps, and where they end, counted from the beginning of the payload."""
    begin = _TIME_END + 1
    words = head[:, begin : begin + 8].view("<u8")[:, 0].astype(np.uint64)
    found = varints(words)
    steps, widths = found.values.view(np.int64), found.widths
    long = np.flatnonzero(widths == 0)
    if len(long):  # 9 bytes, or the 10 of a negative number
        eighth, ninth = head[long, begin + 8].astype(np.uint64), head[long, begin + 9]
        ten = (eighth & np.uint64(0x80)) != 0
        upper = (eighth & np.uint64(0x7F)) << np.uint64(56)
        upper |= np.where(ten, ninth & 1, 0).astype(np.uint64) << np.uint64(63)
        # `last` was none, so that all the eight groups were kept.
        steps[long] |= upper.view(np.int64)
        widths[long] = 9 + ten
        plain[long[ten & (ninth != 1)]] = True
    ends = widths + begin
    missing = head[:, _TIME_END] != _STEP
    if missing.any():
        steps[missing] = 0
        ends[missing] = _TIME_END
    return steps, ends


def _message(
    buffer: Buffer, at: Longs, key: int, plain: npt.NDArray[np.bool_]
) -> tuple[Longs, Longs]:
    """Where the messages in fields of a key begin and end; events that have others get plain."""
    if plain.any():
        at = np.where(plain, 0, at)
    rows = buffer.rows(at, 8)
    plain |= rows[:, 0] != key
    lengths = rows[:, 1].astype(np.int64)
    begins = at + 2
    long = np.flatnonzero(lengths & 0x80)
    if len(long):
        found = varints(rows[long].view("<u8")[:, 0] >> np.uint64(8))
        # 7 bytes are left of the word; no length here has more than 5.
        plain[long[(found.widths == 0) | (found.widths > 5)]] = True
        lengths[long] = found.values.view(np.int64)
        begins[long] = at[long] + 1 + found.widths
    return begins, begins + lengths


def _further_values(
    buffer: Buffer, first: Longs, ends: Longs, plain: npt.NDArray[np.bool_]
) -> Longs:
    """Event, begin and end of all values but the first of events that have several."""
    data = buffer.view
    found: list[tuple[int, int, int]] = []
    for event, _, at in first.tolist():
        end = int(ends[event])
        begun = len(found)
        while at < end:
            if data[at] != _VALUE:
                break
            length, at = _varint(data, at + 1)
            if length < 0:
                at = -1
                break
            found.append((event, at, at + length))
            at += length
        if at != end:  # the buffer goes on, so that a length may be read beyond the event
            del found[begun:]
            plain[event] = True
    return np.array(found, np.int64).reshape(-1, 3)


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A varint of at most 5 bytes, and where it ends; -1 stands for a longer one."""
    value = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    for shift in (7, 14, 21, 28):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    return -1, at
