"""A file read twice, by the plain path and by the bulk lane, and what tells them apart.

`FileColumns.read` is the truth here: one event at a time through protobuf.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tbio.bulk import Lane
from tbio.column import Column, PlaceColumn
from tbio.columns import FileColumns, Wanted
from tbio.record_file import FileReport
from tbio.storage import File

QUIETLY = Wanted(on_damage="ignore")

# What is looked at.


def bits_of(numbers: Any) -> bytes:
    """The bytes of an array, with one NaN like another.

    A float32 on its way through a double may change the bits of its NaN.
    """
    array = np.array(numbers, ndmin=1)
    if array.dtype.kind in "fc":
        parts = array.view(array.real.dtype)
        parts[np.isnan(parts)] = np.nan
    return bytes(array.tobytes())


def state_of(columns: FileColumns) -> dict[str, Any]:
    """Everything that a `FileColumns` tells, in values that can be compared."""
    starts = len(columns.starts) + 1
    return {
        "report": state_of_report(columns.report),
        "scalars": {
            tag: {
                **state_of_column(column, starts),
                "values": [(piece.dtype.str, bits_of(piece)) for piece in column.values()],
            }
            for tag, column in columns.scalars.items()
        },
        "places": {
            named: state_of_places(column, starts) for named, column in columns.places.items()
        },
        "assumed": {
            tag: state_of_places(column, starts) for tag, column in columns.assumed.items()
        },
        "metadata": {
            tag: metadata.SerializeToString(deterministic=True)
            for tag, metadata in columns.metadata.items()
        },
        "met": [list(found) for found in (columns.scalars, columns.places, columns.metadata)],
        "starts": [
            (step, ordinal, np.float64(last).tobytes()) for step, ordinal, last in columns.starts
        ],
        "session events": [(*one[:1], repr(one[1]), *one[2:]) for one in columns.session_events],
        "log lines": [(*one[:1], repr(one[1]), *one[2:]) for one in columns.log_lines],
        "problems": list(columns.problems),
        "file": (columns.file_version, columns.writer),
        "times": (repr(columns.first_time), repr(columns.last_time)),
        "order": {
            "count": columns.order.count,
            "ordinals": list(columns.order.ordinals),
            "steps": list(columns.order.steps),
            "wall times": np.asarray(columns.order.wall_times, np.float64).tobytes(),
            "mentions": {tag: list(found) for tag, found in columns.order.mentions.items()},
            "versions": [(ordinal, repr(version)) for ordinal, version in columns.order.versions],
            "first NaN": columns.order.first_nan,
        },
    }


def state_of_column(column: Column, starts: int) -> dict[str, Any]:
    return {
        "length": len(column),
        "steps": np.asarray(column.steps, np.int64).tolist(),
        "wall times": np.asarray(column.wall_times, np.float64).tobytes(),
        "ordinals": np.asarray(column.ordinals, np.int64).tolist(),
        "points before": [column.points_before(start) for start in range(1, starts + 1)],
        "starts before": [column.starts_before(at) for at in range(0, len(column), 7)],
    }


def state_of_places(column: PlaceColumn, starts: int) -> dict[str, Any]:
    return {
        **state_of_column(column, starts),
        "offsets": np.asarray(column.offsets, np.int64).tolist(),
        "sizes": np.asarray(column.sizes, np.int64).tolist(),
        "indexes": np.asarray(column.indexes, np.int64).tolist(),
    }


def state_of_report(report: FileReport) -> dict[str, Any]:
    return {
        "settled": list(report.settled),
        "tail": report.tail,
        "damages": report.damages,
        "counts": (report.records, report.events),
        "size": (report.size, report.compression),
        "error": (report.path, report.error),
    }


def assert_same(got: Any, want: Any, way: str = "") -> None:
    """Fail with the first thing that differs, and no more: states are large."""
    if isinstance(want, dict):
        assert isinstance(got, dict)
        for name in want.keys() | got.keys():
            assert name in got, f"{way}: {name!r} is missing"
            assert name in want, f"{way}: {name!r} is too much"
        for name in want:
            assert_same(got[name], want[name], f"{way}/{name}")
    elif isinstance(want, (list, tuple)) and isinstance(got, (list, tuple)):
        for at, (one, other) in enumerate(zip(got, want, strict=False)):
            assert_same(one, other, f"{way}[{at}]")
        if len(got) != len(want):
            raise AssertionError(f"{way}: {len(got)} of them in place of {len(want)}")
    elif got != want:
        raise AssertionError(f"{way}: {brief(got)} in place of {brief(want)}")


def brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 300 else f"{text[:140]} ... {text[-140:]}"


# Who reads.


def outcome(read: Callable[[], None]) -> tuple[str, str]:
    """What a call raised, type and text; and the texts of its warnings."""
    raised = ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read()
        except (ValueError, OSError) as error:
            raised = f"{type(error).__name__}: {error}"
    return raised, "\n".join(f"{one.category.__name__}: {one.message}" for one in caught)


class Pair:
    """A file's columns twice: one to be filled by the plain path, one by a lane.

    Args:
        file: gives the same file, or one like it, each time it is called.
        buffer_bytes: of the lane.
        in_advance: whether another thread reads the next buffer meanwhile.
    """

    def __init__(
        self,
        file: Callable[[], File],
        wanted: Wanted = QUIETLY,
        *,
        buffer_bytes: int = 4096,
        lane: Lane | None = None,
        in_advance: bool = False,
    ) -> None:
        self.plain = FileColumns(file(), wanted)
        self.bulk = FileColumns(file(), wanted)
        self.lane = lane or Lane(buffer_bytes=buffer_bytes, few=16)
        self._in_advance = in_advance

    def read(self, name: str = "") -> None:
        """Read with both; ``name`` begins the message should they differ."""
        want = outcome(self.plain.read)
        got = outcome(lambda: self.lane.read([self.bulk], self._in_advance))
        assert_same(got, want, f"{name}raised, warned")
        assert_same(state_of(self.bulk), state_of(self.plain), name)
