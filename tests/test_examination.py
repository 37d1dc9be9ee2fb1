"""What is found by the batch against what is found event by event, whatever the bytes.

Event by event is the truth here: what that finds is held by ``test_diagnosis.py``.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
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
    log_bytes,
    record_logs,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tbio.bulk.batches import Batch, BatchLane
from tbio.event_file import EventFileReader, StoredEvent
from tbio.examination import FileExamination, RunExamination, SeenSteps
from tbio.findings import Findings
from tbio.record import encode_record
from tbio.record_file import FileReport
from tbio.selection import matcher
from tbio.storage import ObjectFile

BUFFERS = st.sampled_from([256, 4096, 4096, 1 << 16, 1 << 22])


class Both:
    """Looks at events, and copies their bytes, as `tbio.check` and `tbio.repair` do."""

    def __init__(self, run: RunExamination, findings: Findings) -> None:
        self.examination = FileExamination(run, findings)
        self.data = b""
        self.events_in_batches = 0

    def take_batch(self, batch: Batch) -> None:
        self.examination.take_batch(batch)
        self.data += batch.data
        self.events_in_batches += len(batch)

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        self.examination.take_event(stored, payload)
        self.data += encode_record(payload)


def account(report: FileReport, findings: Findings, run: RunExamination, data: bytes) -> Any:
    findings.settle(report)
    counts = report.size, report.records, report.events, report.compression
    return counts, findings.all(), sorted(run.tags()), data


def compare(*files: bytes, buffer_bytes: int = 1 << 22, tags: str | None = None) -> int:
    """Hold the two ways equal over the files of one run; how many events came in batches."""
    lane, in_batches = BatchLane(buffer_bytes, few=5), 0
    runs = [RunExamination(matcher(tags, "tags")) for _ in range(2)]
    for data in files:
        findings = Findings(4)
        reader = EventFileReader(ObjectFile(io.BytesIO(data)), "ignore")
        findings.listen(reader.report)
        plain = Both(runs[0], findings)
        for record in reader.records():
            stored = reader.parse(record)
            if stored is not None:
                plain.take_event(stored, record.payload)
        truth = account(reader.report, findings, runs[0], plain.data)

        findings, report = Findings(4), FileReport("<file object>")
        findings.listen(report)
        taker = Both(runs[1], findings)
        lane.read(ObjectFile(io.BytesIO(data)), report, taker)
        assert account(report, findings, runs[1], taker.data) == truth
        in_batches += taker.events_in_batches
    return in_batches


def test_metadata_that_come_late() -> None:
    """They are known to the next file, although a layout without them was met first."""
    image = Odd("image", "tag00000")
    first = (Rhythm(60, 1), image, image, Rhythm(2, 1, described="first"))
    compare(log_bytes(first), log_bytes((image, Rhythm(60, 1, form="mixed"))), buffer_bytes=4096)
    changing = (Rhythm(60, 1), Rhythm(60, 1, described="changing"))
    compare(log_bytes(changing), log_bytes((Rhythm(60, 1, form="mixed"),)), buffer_bytes=1 << 20)


@settings(max_examples=60, deadline=None)
@given(st.lists(record_logs(largest=4), max_size=2), BUFFERS, st.sampled_from([None, "tag*1"]))
def test_random_logs(logs: list[RecordLog], buffer_bytes: int, tags: str | None) -> None:
    compare(*map(log_bytes, logs), buffer_bytes=buffer_bytes, tags=tags)


@settings(max_examples=60, deadline=None)
@given(record_logs(largest=4), damages(), BUFFERS)
def test_damaged_logs(log: RecordLog, damagings: Sequence[Damaging], buffer_bytes: int) -> None:
    compare(damaged(log, damagings), buffer_bytes=buffer_bytes)


@pytest.mark.parametrize("name", ODD_RECORDS)
def test_an_odd_record_amid_plain_ones(name: str) -> None:
    odd, late = Odd(name, "tag00001", step=4), Odd(name, "tag00001", step=-5, wall_time=0.0)
    rhythm = Rhythm(40, 3)
    log = (odd, rhythm, odd, rhythm, Odd(name, "other"), rhythm, late, rhythm)
    assert compare(log_bytes(log)) or name == "node name"


@pytest.mark.parametrize("form", sorted(NUMBER_FORMS))
def test_odd_numbers_come_in_batches(form: str) -> None:
    """NaN and infinity, steps in any order: that is what large logs have."""
    rhythm = Rhythm(600, 3, form=form, described="first", order="random", odd_numbers=True)
    data = log_bytes((rhythm, rhythm))
    if form in USUAL_FORMS:
        assert compare(data, data) > 1000
    else:
        compare(data, data)


@given(
    st.lists(
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 12), min_size=1, max_size=20),
        max_size=8,
    ),
    st.randoms(use_true_random=False),
)
def test_steps_seen_by_the_batch(batches: list[list[int]], chance: random.Random) -> None:
    seen, met = SeenSteps(), set[int]()
    for steps in batches:
        expected = []
        for step in steps:
            expected.append(step in met)
            met.add(step)
        if chance.random() < 0.5:
            assert [not seen.add(step) for step in steps] == expected
        else:
            assert seen.add_many(np.array(steps)).tolist() == expected
        assert seen.last == steps[-1]
    assert sum(map(len, seen._stretches)) == len(met)
