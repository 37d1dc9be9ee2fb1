"""The scalar lane against protobuf: the same bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbio.event_file import EventFileWriter
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record
from tbio.scalar_lane import LARGEST, ScalarEntry, ScalarLane, varint
from tbio.tag_book import TagBook

FILE: Any = None  # the lane does not look at it
TAGS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = st.floats(-LARGEST, LARGEST)
STEPS = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 300)
TIMES = st.floats() | st.sampled_from([0.0, -0.0, 1.7e9])
ONE = st.tuples(TAGS, VALUES)
SEVERAL = st.lists(ONE, max_size=5).map(
    lambda pairs: (tuple(tag for tag, _ in pairs), tuple(value for _, value in pairs))
)
ENTRIES = st.lists(
    st.builds(
        lambda named, step, time: ScalarEntry(FILE, named[0], named[1], step, time),
        ONE | SEVERAL,
        STEPS,
        TIMES,
    ),
    max_size=20,
)


def by_protobuf(entry: ScalarEntry) -> bytes:
    tags = (entry.tags,) if isinstance(entry.tags, str) else entry.tags
    values = (entry.values,) if isinstance(entry.values, float) else entry.values
    summary = Summary(value=[scalar.encode(*pair) for pair in zip(tags, values, strict=True)])
    event = Event(wall_time=entry.wall_time, step=entry.step, summary=summary)
    return encode_record(event.SerializeToString())


@given(ENTRIES, ENTRIES)
def test_the_same_bytes(first: list[ScalarEntry], second: list[ScalarEntry]) -> None:
    lane = ScalarLane()
    for entries in (first, second, first, first * 20 + second):  # the last one is many
        assert lane.encode(TagBook(), entries) == b"".join(map(by_protobuf, entries))


@given(STEPS)
def test_varint(number: int) -> None:
    assert Event(step=number).SerializeToString()[1:] == (varint(number) if number else b"")


def test_by_hand() -> None:
    (entry,) = [ScalarEntry(FILE, "a", 1.0, 300, 2.0)]
    payload = "09 0000000000000040 10 ac02 2a 0a 0a08 0a01 61 15 0000803f"
    assert ScalarLane().encode(TagBook(), [entry]) == encode_record(bytes.fromhex(payload))


@pytest.mark.parametrize("value", [LARGEST, -LARGEST, 1e-45, 5e-324, 0.0, -0.0, 0.1])
def test_values_round_as_numpy_rounds(value: float) -> None:
    records = ScalarLane().encode(TagBook(), [ScalarEntry(FILE, "a", value, 0, 1.0)])
    (stored,) = Event.FromString(records[12:-4]).summary.value
    assert np.float32(stored.simple_value).tobytes() == np.float32(value).tobytes()


def test_the_book_is_told(tmp_path: Path) -> None:
    """Of new tags, of steps that go back, and of tags of two kinds."""
    book = TagBook()
    book.meet("b", "text", 5)
    book.news()
    ScalarLane().encode(
        book,
        [
            ScalarEntry(FILE, "a", 1.0, 7, 1.0),
            ScalarEntry(FILE, "a", 1.0, 3, 1.0),
            ScalarEntry(FILE, ("b", "c"), (1.0, 2.0), 4, 1.0),
        ],
    )
    news = book.news()
    assert news.tags == ["a", "c"]
    behind = "TensorBoard may hide the points in between"
    assert news.remarks == [
        f"'a': step 3 after step 7; {behind}",
        f"'b': step 4 after step 5; {behind}",
        "'b': scalar after text; TensorBoard shows a tag as one kind only",
    ]


def test_an_entry_holds_its_file(tmp_path: Path) -> None:
    file = EventFileWriter(os.fspath(tmp_path))
    entry = ScalarEntry(file, "a", 1.0, 0, 1.0)
    assert entry[0] is file
    file.close()
