"""Bands: the same bits as TensorBoard's compressor, on generated histograms and the corpus's."""

from __future__ import annotations

import math
import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2
from tensorboard.plugins.distribution import compressor
from tensorboard.util import tensor_util

from tbio.errors import DecodeError
from tbio.event_file import EventFileReader
from tbio.kinds import histogram
from tbio.kinds.histogram_bands import NORMAL_BASIS_POINTS, Bands, compress, compress_proto
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tbio.storage import LocalFile


def quietly(compress_them: Callable[..., Any], *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of inf - inf and the like
        return compress_them(*arguments)


def bits(bands: Sequence[tuple[float, float]]) -> list[tuple[float, bytes]]:
    """All bits of the values, but those in which one NaN differs from another."""
    return [
        (point, b"nan" if math.isnan(value) else struct.pack("<d", value)) for point, value in bands
    ]


def check(ours: Bands, theirs: Any) -> None:
    assert bits(ours) == bits(theirs)
    assert all(type(value) is float for _, value in ours)


def check_rows(rows: Any, points: Sequence[float] = NORMAL_BASIS_POINTS) -> None:
    theirs = quietly(compressor.compress_histogram, rows.tolist(), points)
    check(compress(rows, points), theirs)


def check_proto(histo: HistogramProto, points: Sequence[float] = NORMAL_BASIS_POINTS) -> None:
    stored = tensorboard_pb2.HistogramProto.FromString(histo.SerializeToString())
    theirs = quietly(compressor.compress_histogram_proto, stored, points)
    check(compress_proto(histo, points), theirs)


def test_the_basis_points_are_theirs() -> None:
    assert NORMAL_BASIS_POINTS == compressor.NORMAL_HISTOGRAM_BPS


def test_by_hand() -> None:
    rows = np.array([[0.0, 10.0, 5.0], [10.0, 10.0, 0.0], [10.0, 30.0, 5.0]])
    assert compress(rows, (0, 2500, 5000, 7500, 10000)) == [
        (0, 0.0),
        (2500, 5.0),
        (5000, 10.0),
        (7500, 20.0),
        (10000, 30.0),
    ]
    assert compress(np.zeros((0, 3)), (0, 10000)) == [(0, 0.0), (10000, 0.0)]
    assert compress(rows, ()) == []


EDGES = st.floats(-100, 100) | st.integers(-3, 3).map(float) | st.floats()
COUNTS = st.integers(0, 3).map(float) | st.floats(0, 100) | st.floats()
POINTS = st.one_of(
    st.just(NORMAL_BASIS_POINTS),
    st.lists(st.integers(0, 10000), min_size=1, max_size=5).map(sorted),
    st.lists(st.floats(-5, 20000), min_size=1, max_size=5),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(EDGES, EDGES, COUNTS), max_size=8), POINTS)
def test_any_rows(rows: list[tuple[float, float, float]], points: Sequence[float]) -> None:
    check_rows(np.array(rows).reshape(-1, 3), points)


@settings(max_examples=300)
@given(
    st.lists(COUNTS, max_size=8),
    st.lists(EDGES, min_size=8, max_size=9),
    st.booleans(),
    EDGES,
    EDGES,
    COUNTS,
    POINTS,
)
def test_any_proto(
    counts: list[float],
    limits: list[float],
    ascending: bool,
    low: float,
    high: float,
    num: float,
    points: Sequence[float],
) -> None:
    limits = sorted(limits) if ascending else limits
    histo = HistogramProto(bucket=counts, bucket_limit=limits, min=low, max=high, num=num)
    check_proto(histo, points)


@settings(max_examples=200)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50), st.integers(1, 20))
def test_what_tbio_writes(values: list[float], buckets: int) -> None:
    check_rows(histogram.rows_of_values(values, buckets)[0])
    value = histogram.encode("h", histogram.of_values(values, buckets)[0])
    check_proto(value.histo)
    check_rows(histogram.decode(value, SummaryMetadata()).rows)


def test_limits_that_lack() -> None:
    lacking = HistogramProto(bucket=[1, 1], bucket_limit=[1], num=2, max=2)
    with pytest.raises(IndexError):
        check_proto(lacking)
    with pytest.raises(DecodeError, match="1 bucket limits for 2 buckets"):
        compress_proto(lacking)
    check_proto(HistogramProto(bucket=[1, 0], bucket_limit=[1], num=1, max=2))


def test_every_histogram_of_the_corpus(corpus: Path) -> None:
    """As the dashboard shows it, and as the EventAccumulator gives it."""
    old = new = 0
    paths = sorted(path for f in ("real", "peers") for path in (corpus / f).rglob("*tfevents*"))
    for path in filter(Path.is_file, paths):
        for stored in EventFileReader(LocalFile(str(path)), "ignore").events():
            for value in stored.event.summary.value:
                if value.WhichOneof("value") == "histo":
                    old += 1
                    check_proto(value.histo)
                elif value.metadata.plugin_data.plugin_name == "histograms":
                    new += 1
                else:
                    continue
                ours = histogram.decode(value, SummaryMetadata()).compressed()
                check(ours, compressor.compress_histogram(loaded(value).tolist()))
    assert (old, new) == (1215, 218)


def loaded(value: Summary.Value) -> Any:
    stored = tensorboard_pb2.Summary.Value.FromString(value.SerializeToString())
    return tensor_util.make_ndarray(data_compat.migrate_value(stored).tensor)
