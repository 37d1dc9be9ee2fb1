"""Single bits of event files flipped, and what that may cost.

The rule that `judge` holds, for any bit of any file that is not compressed as a whole:

1. Every sound record that the bit is not in is read as before, byte for byte.
2. The sound record that it is in, if it is in one, is lost: CRC-32C finds every single bit in what
   it covers, and a flipped checksum is wrong. `tbio.check` names it as a fault: ``length`` where
   the bit is in the length or its checksum, ``payload`` behind these; offset and size are those of
   the record. Where no sound header and no end of the file follows it, the damage goes on to the
   next sound record, over bytes that gave no record before either.
3. No record is read that was not there before. The exceptions are bits in what was damaged
   already: there a flip may make good what an earlier one has spoilt.
4. A bit in bytes that gave no record before is in a stretch that is named as before, perhaps as
   damage of another kind: the tail of a log that is being written has no checksum yet, so that
   nobody can tell a flip in it, and its header's checksum may be wrong from then on.

So it is never two records. (It was once thought that a bit in the frame between two might cost
both. But a record's own checksums decide whether it is sound, and what stands behind it is only
asked when they are wrong.)

What is *in* a record may matter to others: the first value of a tag has its metadata, and a session
start makes points void. Without the record the later values are read, and have no plugin.

A payload that holds whole records itself, as a log within a log has it, is the one way to break
rule 3: with the length of the outer record lost, nothing tells the inner ones from its followers.

In a compressed file a bit may cost all that follows it, since each byte leans on those before, and
it may bring a record twice, where it turns "as there" into "as there instead". It is still never
lost in silence: the stream ends in an error, or early ("cut off"), or with a wrong checksum; or
what it holds is as it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import NamedTuple

import tbio
from tbio.diagnosis import FileDiagnosis
from tbio.record import Record
from tbio.record_file import RecordFileReader
from tbio.storage import ObjectFile


class Held(NamedTuple):
    """What a file held before anything was flipped.

    Attributes:
        records: those that are sound, by offset.
        diagnosis: what `tbio.check` said.
    """

    data: bytes
    records: dict[int, Record]
    diagnosis: FileDiagnosis

    @classmethod
    def of(cls, data: bytes) -> Held:
        return cls(data, {one.offset: one for one in records_of(data)}, checked(data))

    def record_at(self, place: int) -> Record | None:
        """The sound record that a byte is in."""
        for one in self.records.values():
            if one.offset <= place < one.offset + one.size:
                return one
        return None


def records_of(data: bytes) -> list[Record]:
    return list(RecordFileReader(ObjectFile(io.BytesIO(data)), "ignore").records())


def checked(data: bytes) -> FileDiagnosis:
    (file,) = tbio.check(io.BytesIO(data), examples=1000).files
    return file


def covers(file: FileDiagnosis, place: int, faults_only: bool = True) -> bool:
    """Whether damage was named that a byte is in."""
    return any(
        one.offset <= place < one.offset + one.size
        for finding in (file.faults if faults_only else file.findings)
        for one in finding.examples
        if finding.size
    )


def judge(held: Held, bits: Iterable[int]) -> None:
    """Hold the rule for each of some bits of a file."""
    data = bytearray(held.data)
    for bit in bits:
        place = bit // 8
        hit = held.record_at(place)
        data[place] ^= 1 << bit % 8
        flipped = bytes(data)
        data[place] ^= 1 << bit % 8
        found = {one.offset: one for one in records_of(flipped)}
        file = checked(flipped)
        expected = dict(held.records)
        where = f"bit {bit % 8} of byte {place}"
        if hit is not None:
            del expected[hit.offset]
            assert covers(file, place), where
        else:
            assert covers(file, place, faults_only=False) or file.state == "sound", where
            expected |= {at: one for at, one in found.items() if _is_in(place, one)}
        assert found == expected, where
        assert file.records == len(found), where
        if hit is not None and held.diagnosis.state == "sound":
            (fault,) = (one for one in file.faults if one.kind != "no_event_file")
            (example,) = fault.examples
            assert (example.offset, example.size) == (hit.offset, hit.size), where
            assert fault.kind == ("length" if place - hit.offset < 12 else "payload"), where


def _is_in(place: int, record: Record) -> bool:
    return record.offset <= place < record.offset + record.size
