"""Histograms as read: decoded as TensorBoard loads them, and what can be asked of them."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import json
import math
import pickle
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2
from tensorboard.plugins.distribution import compressor
from tensorboard.util import tensor_util

from tbio import tensor
from tbio.errors import DecodeError
from tbio.event_file import EventFileReader
from tbio.kinds import histogram
from tbio.kinds.histogram_arguments import MOST_BUCKETS
from tbio.kinds.histogram_stored import Histogram, of_rows
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto
from tbio.storage import LocalFile

Array = npt.NDArray[Any]


def decode(value: Summary.Value) -> Histogram:
    return histogram.decode(value, SummaryMetadata())


def loaded(value: Summary.Value) -> Array:
    """The rows as TensorBoard's Python loader has them."""
    stored = tensorboard_pb2.Summary.Value.FromString(value.SerializeToString())
    rows: Array = tensor_util.make_ndarray(data_compat.migrate_value(stored).tensor)
    return rows


def check_rows(ours: Histogram, theirs: Array) -> None:
    assert ours.rows.dtype == theirs.dtype
    np.testing.assert_array_equal(ours.rows, theirs)
    columns = np.stack([ours.lefts, ours.rights, ours.counts], axis=1)
    assert columns.dtype == np.float64
    np.testing.assert_array_equal(columns.astype(theirs.dtype), theirs)


# ------------------------------------------------------------------ decode


def test_an_old_one_by_hand() -> None:
    histo = HistogramProto(
        min=-0.1,
        max=5,
        num=8,
        sum=4,
        sum_squares=34,
        bucket_limit=[-1, 1, 2, 3, 4, 1.7e308],
        bucket=[0, 2, 0, 5.5, 1, 0],
    )
    ours = decode(Summary.Value(histo=histo))
    assert ours.lefts.tolist() == [-0.1, 1, 2, 3]  # not rounded to float32
    assert ours.rights.tolist() == [1, 2, 3, 5]
    assert ours.counts.tolist() == [2, 0, 5.5, 1]
    assert ours.edges.tolist() == [-0.1, 1, 2, 3, 5]
    assert (ours.min, ours.max, ours.num, ours.sum, ours.sum_squares) == (-0.1, 5, 8, 4, 34)
    assert ours.count == 8.5
    assert repr(ours) == "<Histogram: 8.5 values in 4 buckets, -0.1 to 5>"
    check_rows(ours, loaded(Summary.Value(histo=histo)))


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<f2", "<i4", "<i8", "u1"])
@pytest.mark.parametrize("field", ["content", "values"])
def test_a_new_one_by_hand(dtype: str, field: str) -> None:
    rows = np.array([[0, 2, 7], [2, 4, 1]], dtype)
    proto = tensor.encode(rows)
    if field == "values":
        proto = TensorProto.FromString(tensor_util.make_tensor_proto(rows).SerializeToString())
        name = {"<f4": "float_val", "<f8": "double_val", "<f2": "half_val"}.get(dtype, "int_val")
        name = "int64_val" if dtype == "<i8" else name
        numbers = rows.view(np.uint16) if dtype == "<f2" else rows
        proto.ClearField("tensor_content")
        proto.ClearField(name)
        getattr(proto, name).extend(numbers.ravel().tolist())
    ours = decode(Summary.Value(tensor=proto))
    assert ours.edges.tolist() == [0, 2, 4]
    assert ours.counts.tolist() == [7, 1]
    assert (ours.min, ours.max, ours.num, ours.sum, ours.sum_squares) == (0, 4, None, None, None)
    check_rows(ours, loaded(Summary.Value(tensor=proto)))


@pytest.mark.parametrize(
    "histo",
    [
        {},
        {"bucket": [0, 0], "bucket_limit": [1, 2]},
        {"min": 1.7976931348623157e308, "max": -1.7976931348623157e308},  # TF 1's
        {"bucket": [-1.0, math.nan], "bucket_limit": [1, 2]},
    ],
    ids=str,
)
def test_an_old_one_of_nothing(histo: dict[str, Any]) -> None:
    value = Summary.Value(histo=HistogramProto(**histo))
    ours = decode(value)
    check_rows(ours, loaded(value))
    assert ours.rows.shape == (0, 3)
    assert (ours.min, ours.max) == (value.histo.min, value.histo.max)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_new_one_of_nothing(dtype: Any) -> None:
    ours = decode(histogram.encode("h", np.zeros((0, 3), dtype)))
    check_rows(ours, np.zeros((0, 3), dtype))
    assert math.isnan(ours.min)
    assert math.isnan(ours.max)
    assert repr(ours) == "<Histogram: 0 values in 0 buckets, nan to nan>"


def test_numbers_of_limits_and_buckets() -> None:
    """data_compat.py takes what it needs; too few are an error there too."""
    for limits in ([1.0, 2], [1.0, 2, 3], [1.0, 2, 3, 4, 5]):
        value = Summary.Value(
            histo=HistogramProto(bucket=[1, 2, 3], bucket_limit=limits, min=0, max=9)
        )
        check_rows(decode(value), loaded(value))
        assert decode(value).edges.tolist() == [0, 1, 2, 9]
    lacking = HistogramProto(bucket=[1, 2, 3], bucket_limit=[1], max=9)
    with pytest.raises(DecodeError, match="a histogram of 1 bucket limits for 3 buckets"):
        decode(Summary.Value(histo=lacking))
    lacking.bucket[1:] = [0, 0]
    assert decode(Summary.Value(histo=lacking)).edges.tolist() == [0, 9]


def dims(*sizes: int) -> tensor_pb2.TensorProto:
    proto = TensorProto(dtype=tensor_pb2.DT_DOUBLE)
    for size in sizes:
        proto.tensor_shape.dim.add().size = size
    return proto


HOSTILE = {
    "nothing": (Summary.Value(), "without buckets: it holds nothing"),
    "a scalar": (Summary.Value(simple_value=1), "without buckets: it holds simple_value"),
    "an image": (Summary.Value(image={"width": 1}), "without buckets: it holds image"),
    "no tensor": (Summary.Value(tensor={}), r"a histogram of shape \[\], want \[k, 3\]"),
    "flat": (Summary.Value(tensor=dims(6)), r"shape \[6\]"),
    "two columns": (Summary.Value(tensor=dims(6, 2)), r"shape \[6, 2\]"),
    "three dimensions": (Summary.Value(tensor=dims(1, 2, 3)), r"shape \[1, 2, 3\]"),
    "endless": (Summary.Value(tensor=dims(2**62, 3)), "4611686018427387904 buckets in 20 bytes"),
    "bomb": (Summary.Value(tensor=dims(MOST_BUCKETS + 1, 3)), "1048577 buckets in"),
    "negative": (Summary.Value(tensor=dims(-1, 3)), "unknown shape"),
    "strings": (
        Summary.Value(tensor=tensor.encode([[b"a", b"b", b"c"]])),
        "a histogram of DT_STRING, want real numbers",
    ),
    "complex": (
        Summary.Value(tensor=tensor.encode(np.zeros((1, 3), np.complex64))),
        "a histogram of DT_COMPLEX64",
    ),
    "bools": (Summary.Value(tensor=tensor.encode(np.zeros((1, 3), bool))), "DT_BOOL"),
    "a dtype of the future": (Summary.Value(tensor={"dtype": 99}), r"shape \[\]"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    value, words = HOSTILE[name]
    with pytest.raises(DecodeError, match=words):
        decode(value)


def test_content_that_does_not_fit() -> None:
    proto = dims(2, 3)
    proto.tensor_content = bytes(47)
    with pytest.raises(DecodeError):
        decode(Summary.Value(tensor=proto))


@settings(max_examples=300)
@given(
    st.integers(0, 30),
    st.lists(st.integers(-1, 5) | st.just(3) | st.just(2**40), max_size=3),
    st.binary(max_size=60),
    st.lists(st.floats(), max_size=7),
)
def test_any_tensor(dtype: int, shape: list[int], content: bytes, doubles: list[float]) -> None:
    """A value whose every question has an answer or a ValueError, or a DecodeError."""
    proto = dims(*shape)
    proto.dtype = dtype  # type: ignore[assignment]
    proto.tensor_content = content
    proto.double_val.extend(doubles)
    try:
        ours = decode(Summary.Value(tensor=proto))
    except DecodeError:
        return
    repr(ours)
    for question in (
        lambda: ours.cdf(),
        lambda: ours.cdf([-1.0, math.nan, math.inf]),
        lambda: ours.percentile([0, 50, 100]),
        lambda: ours.rebin(3),
        lambda: ours.rebin([0, 1]),
        lambda: (ours.mean, ours.std),
    ):
        with contextlib.suppress(ValueError):
            question()


def test_it_is_read_only() -> None:
    ours = decode(histogram.encode("h", np.array([[0.0, 1, 2]])))
    for array in (ours.lefts, ours.rights, ours.counts, ours.rows, ours.edges):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(AttributeError):
        ours.min = 1  # type: ignore[misc]


def test_copies() -> None:
    ours = decode(histogram.encode("h", histogram.of_values([1, 2, 3])[0]))
    for twin in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(twin.rows, ours.rows)
        assert (repr(twin), twin.num) == (repr(ours), 3)


# ------------------------------------------------------------------ write, read


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(allow_infinity=False, width=32), max_size=40),
    st.sampled_from(["tensorflow", "sturges"]) | st.integers(1, 20),
)
def test_old_ones_come_back(values: list[float], bins: Any) -> None:
    written, _ = histogram.of_values(values, bins)
    ours = decode(histogram.encode("h", written))
    assert ours.count == ours.num == written.num
    assert (ours.min, ours.max) == (written.minimum, written.maximum)
    assert (ours.sum, ours.sum_squares) == (written.total, written.squares)
    assert ours.counts.tolist() == written.counts[1:].tolist()  # the first has none
    assert ours.rights[:-1].tolist() == written.limits[1:-1].tolist()
    if not written.num:
        return
    assert (ours.edges[0], ours.edges[-1]) == (written.minimum, written.maximum)
    finite = np.array([value for value in values if math.isfinite(value)])
    np.testing.assert_array_equal(ours.cdf([ours.min - 1e39, ours.max]), [0, 1])
    assert ours.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-300)


@given(st.lists(st.floats(-1e300, 1e300), max_size=40), st.integers(0, 30))
def test_new_ones_come_back(values: list[float], buckets: int) -> None:
    rows, _ = histogram.rows_of_values(values, buckets)
    ours = decode(histogram.encode("h", rows))
    assert ours.rows.dtype == np.float64
    assert ours.rows.tolist() == rows.tolist()
    assert len(ours.edges) == (buckets + 1 if buckets else 0)
    assert ours.count == (len(values) if buckets else 0)


# ------------------------------------------------------------------ corpus


def test_every_histogram_of_the_corpus(corpus: Path) -> None:
    """The numbers that TensorBoard's loader gave, by their digest, file by file and tag by tag."""
    tags = values = 0
    for path in sorted((corpus / "expected").rglob("*.json")):
        truth = json.loads(path.read_bytes())
        wanted = {
            tag: found["histograms"]
            for tag, found in truth.get("tags", {}).items()
            if isinstance(found, dict) and "histograms" in found
        }
        if not wanted or truth["file"]["path"].startswith("damaged/"):
            continue
        got: dict[str, list[Histogram]] = {tag: [] for tag in wanted}
        file = LocalFile(str(corpus / truth["file"]["path"]))
        for stored in EventFileReader(file, "ignore").events():
            for value in stored.event.summary.value:
                if value.tag in got:
                    got[value.tag].append(decode(value))
                    check_rows(got[value.tag][-1], loaded(value))
        for tag, expected in wanted.items():
            whole = b"".join(one.rows.astype("<f8").tobytes() for one in got[tag])
            assert hashlib.sha256(whole).hexdigest() == expected["sha256_all"]
            assert len(got[tag]) == expected["count"]
            first = got[tag][0]
            assert len(first.counts) == expected["first"]["buckets"]
            assert first.count == expected["first"].get("total", 0)
            tags += 1
            values += len(got[tag])
            for one in got[tag]:
                check_answers(one)
    assert (tags, values) == (83, 1433)


def check_answers(ours: Histogram) -> None:
    """What has to hold of any histogram; its bands are TensorBoard's own interpolation."""
    assert len(ours.edges) == len(ours.counts) + 1
    if not ours.count:
        assert math.isnan(ours.percentile(50))
        return
    for point, value in compressor.compress_histogram(
        np.stack([ours.lefts, ours.rights, ours.counts], axis=1)
    ):
        assert ours.percentile(point / 100) == pytest.approx(value, rel=1e-9, abs=1e-12)
    q = np.linspace(0, 100, 21)
    at = ours.percentile(q)
    assert (np.diff(at) >= 0).all()
    assert (ours.cdf(at) >= q / 100 - 1e-12).all()
    assert (ours.cdf(np.nextafter(at, -np.inf)) <= q / 100 + 1e-6).all()
    assert ours.rebin(ours.edges).counts.tolist() == ours.counts.tolist()
    assert ours.rebin(7).count == pytest.approx(ours.count, rel=1e-12)


# ------------------------------------------------------------------ edges


def test_buckets_apart() -> None:
    apart = of_rows(np.array([[0.0, 1, 1], [1, 2, 1], [5, 7, 2]]))
    with pytest.raises(ValueError, match=r"bucket 1 ends at 2.0 and the next one begins at 5.0"):
        apart.edges  # noqa: B018
    with pytest.raises(ValueError, match="bucket 1 ends"):
        apart.cdf()
    assert apart.cdf([1.5, 2, 4, 5, 6]).tolist() == [0.375, 0.5, 0.5, 0.5, 0.75]
    assert apart.percentile([25, 50, 75]).tolist() == [1, 5, 6]
    assert apart.rebin([0, 1.5, 6, 7]).counts.tolist() == [1.5, 1.5, 1]


@pytest.mark.parametrize(
    "rows",
    [
        [[0, 2, 1], [1, 3, 1]],
        [[5, 6, 1], [0, 1, 1]],
        [[2, 1, 1]],
        [[0, 1, -1], [1, 2, 5]],
        [[0, 1, math.nan]],
        [[0, 1, math.inf]],
        [[0, 1, 1e308], [1, 2, 1e308]],
    ],
    ids=str,
)
def test_contradictions(rows: list[list[float]]) -> None:
    ours = of_rows(np.array(rows, np.float64))
    for question in (ours.cdf, lambda: ours.percentile(5), lambda: ours.rebin(2)):
        with pytest.raises(ValueError, match="the histogram has"):
            question()
    assert repr(ours).startswith("<Histogram: ")


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.zeros((30, 3))])
def test_of_nothing(rows: Array) -> None:
    ours = of_rows(rows)
    assert math.isnan(ours.percentile(50))
    assert math.isnan(ours.cdf(0))
    assert np.isnan(ours.cdf([[0, 1]])).tolist() == [[True, True]]
    assert ours.cdf().shape == ours.edges.shape == ((31,) if len(rows) else (0,))
    assert np.isnan(ours.cdf()).all()
    assert math.isnan(ours.mean)
    assert math.isnan(ours.std)
    assert ours.rebin([0, 1, 2]).counts.tolist() == [0, 0]
    assert ours.rebin(2).rows.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_edges_that_are_no_numbers() -> None:
    """TF 2's of data with a NaN."""
    ours = of_rows(np.array([[math.nan, math.nan, 0], [math.nan, math.nan, 5]]))
    assert np.isnan(ours.edges).tolist() == [True] * 3
    assert math.isnan(ours.percentile(50))
    assert math.isnan(ours.cdf(1))
    assert np.isnan(ours.cdf()).all()
    assert math.isnan(ours.mean)
    assert math.isnan(ours.std)
    with pytest.raises(ValueError, match="edges that are no numbers"):
        ours.rebin(3)


# ------------------------------------------------------------------ cdf, percentile

STEPS = of_rows(np.array([[0.0, 1, 2], [1, 1, 4], [1, 3, 0], [3, 5, 2]]))


def test_cdf_by_hand() -> None:
    points = [-1, 0, 0.5, 0.999, 1, 2, 3, 4, 5, 9]
    shares = [0, 0, 0.125, 0.24975, 0.75, 0.75, 0.75, 0.875, 1, 1]
    np.testing.assert_allclose(STEPS.cdf(points), shares, rtol=1e-15)
    assert [STEPS.cdf(point) for point in points] == STEPS.cdf(points).tolist()
    assert STEPS.cdf([[-math.inf, math.inf]]).tolist() == [[0, 1]]
    assert math.isnan(STEPS.cdf(math.nan))
    assert type(STEPS.cdf(2)) is float
    assert STEPS.cdf().tolist() == [0, 0.25, 0.75, 0.75, 1]
    assert STEPS.edges.tolist() == [0, 1, 1, 3, 5]


def test_percentile_by_hand() -> None:
    assert STEPS.percentile([0, 12.5, 25, 50, 75, 87.5, 100]).tolist() == [0, 0.5, 1, 1, 3, 4, 5]
    assert STEPS.percentile(50) == 1
    assert type(STEPS.percentile(50)) is float
    assert STEPS.percentile(np.zeros((2, 1))).shape == (2, 1)
    empty_ends = of_rows(np.array([[-9.0, 0, 0], [0, 1, 1], [1, 9, 0]]))
    assert empty_ends.percentile([0, 100]).tolist() == [0, 1]
    assert empty_ends.cdf([-5, 0.25, 5]).tolist() == [0, 0.25, 1]
    one_value = of_rows(histogram.rows_of_values([2.5] * 4, 3)[0])
    assert one_value.percentile([0, 50, 100]).tolist() == [2.5] * 3
    assert one_value.cdf([2.4, 2.5]).tolist() == [0, 1]
    assert one_value.cdf().tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("q", [-1, 100.1, math.nan, [50, 101]])
def test_percentiles_out_of_range(q: Any) -> None:
    with pytest.raises(ValueError, match="percentile: want 0 to 100"):
        STEPS.percentile(q)


def test_infinite_edges() -> None:
    """What reaches to infinity is there."""
    ours = of_rows(np.array([[-math.inf, 0, 1], [0, 2, 2], [2, math.inf, 1]]))
    assert ours.percentile([0, 10, 25, 50, 75, 80, 100]).tolist() == [
        *(-math.inf, -math.inf, 0, 1, math.inf, math.inf, math.inf)
    ]
    assert ours.cdf([-math.inf, -5, 1, 9, math.inf]).tolist() == [0.25, 0.25, 0.5, 0.75, 1]
    assert ours.rebin([0, 1, 2]).counts.tolist() == [2, 2]
    assert ours.rebin([-math.inf, 0, 2, math.inf]).counts.tolist() == [1, 2, 1]
    with pytest.raises(ValueError, match="reaches to infinity: give edges"):
        ours.rebin(3)
    assert math.isnan(of_rows(np.array([[-math.inf, math.inf, 1]])).percentile(50))


def test_the_whole_range_of_doubles() -> None:
    largest = np.finfo(np.float64).max
    ours = of_rows(np.array([[-largest, largest, 4]]))
    assert ours.cdf(0) == 0.5
    assert ours.percentile([0, 50, 100]).tolist() == [-largest, 0, largest]
    assert ours.rebin(2).rows.tolist() == [[-largest, 0, 2], [0, largest, 2]]
    tiny = of_rows(np.array([[0, 1.5e-323, 3], [1.5e-323, 1, 1]]))  # three of the least steps
    assert tiny.cdf([5e-324, 1e-323, 1]).tolist() == [0.25, 0.5, 1]
    assert tiny.rebin([0, 5e-324, 1e-323, 1]).counts.tolist() == [1, 1, 2]


# ------------------------------------------------------------------ rebin


def test_rebin_by_hand() -> None:
    ours = STEPS.rebin([0, 0.5, 1, 4, 6])
    assert ours.counts.tolist() == [1, 1, 5, 1]  # the point mass begins the bucket of its edge
    assert ours.edges.tolist() == [0, 0.5, 1, 4, 6]
    assert (ours.min, ours.max, ours.num) == (0, 5, None)
    assert ours.rows.dtype == np.float64
    assert STEPS.rebin([2, 3]).counts.tolist() == [8]  # what is beyond is kept
    assert STEPS.rebin([-9, -8, -7]).counts.tolist() == [0, 8]
    assert STEPS.rebin([7, 8, 9]).counts.tolist() == [8, 0]
    assert STEPS.rebin([0, 1, 1, 5]).counts.tolist() == [2, 0, 6]
    assert STEPS.rebin([0, 1]).counts.tolist() == [8]
    assert STEPS.rebin(5).rows.tolist() == [[0, 1, 2], [1, 2, 4], [2, 3, 0], [3, 4, 1], [4, 5, 1]]
    assert of_rows(np.array([[3.0, 3, 2]])).rebin(2).rows.tolist() == [[3, 3, 0], [3, 3, 2]]
    old = decode(histogram.encode("h", histogram.of_values([1, 2, 3])[0])).rebin(2)
    assert (old.num, old.sum, old.sum_squares, old.mean) == (3, 6, 14, 2)


@pytest.mark.parametrize(
    ("wanted", "error", "words"),
    [
        (0, ValueError, "edges_or_number: want 1 to 1048576, got 0"),
        (10**9, ValueError, "edges_or_number: want 1 to 1048576"),
        (2.5, TypeError, "edges_or_number: want an integer"),
        ([1], ValueError, "edges_or_number: want two edges or more"),
        ([2, 1], ValueError, "edges_or_number: want edges in ascending order"),
        ([1, math.nan], ValueError, "edges_or_number: want edges in ascending order"),
        ("auto", TypeError, "edges_or_number: want numbers"),
    ],
    ids=str,
)
def test_rebin_by_what_is_no_edges(wanted: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        STEPS.rebin(wanted)


WHOLE = st.integers(-6, 6)


@st.composite
def any_histograms(draw: st.DrawFn) -> Histogram:
    """Buckets of whole edges, of no width and with gaps among them, some empty."""
    edges = sorted(draw(st.lists(WHOLE, min_size=2, max_size=14)))
    edges = edges[: len(edges) // 2 * 2]
    pairs = draw(st.booleans())
    lefts, rights = (edges[::2], edges[1::2]) if pairs else (edges[:-1], edges[1:])
    counts = [draw(st.integers(0, 5)) for _ in lefts]
    return of_rows(np.array([lefts, rights, counts], np.float64).T)


def exactly_below(ours: Histogram, x: Fraction, with_x: bool) -> Fraction:
    """How many values are below x, point masses at x among them or not."""
    below = Fraction(0)
    for left, right, count in zip(ours.lefts, ours.rights, ours.counts, strict=True):
        low, high, number = Fraction(left), Fraction(right), Fraction(count)
        if high < x or (high == x and (with_x or low < high)):
            below += number
        elif low < x:
            below += number * (x - low) / (high - low)
    return below


@settings(max_examples=300)
@given(any_histograms(), st.lists(st.integers(-28, 28), min_size=2, max_size=8))
def test_exactly(ours: Histogram, quarters: list[int]) -> None:
    total = Fraction(ours.count)
    cuts = sorted(Fraction(quarter, 4) for quarter in quarters)
    edges = [float(cut) for cut in cuts]
    rebinned = ours.rebin(edges)
    inner = [exactly_below(ours, cut, with_x=False) for cut in cuts[1:-1]]
    steps = [Fraction(0), *inner, total]
    counts = [float(b - a) for a, b in itertools.pairwise(steps)]
    np.testing.assert_allclose(rebinned.counts, counts, rtol=1e-13, atol=1e-13)
    assert rebinned.edges.tolist() == edges
    if not total:
        return
    shares = [float(exactly_below(ours, cut, with_x=True) / total) for cut in cuts]
    np.testing.assert_allclose(ours.cdf(edges), shares, rtol=1e-14)
    for percent in (0, 10, 25, 50, 99, 100):
        at = ours.percentile(percent)
        exact = Fraction(at)
        below, up_to = exactly_below(ours, exact, False), exactly_below(ours, exact, True)
        slack = total / 10**12
        assert below - slack <= total * percent / 100 <= up_to + slack


# ------------------------------------------------------------------ mean, std


def test_mean_and_std() -> None:
    values = np.random.default_rng(3).normal(5, 2, 1000)
    old = decode(histogram.encode("h", histogram.of_values(values)[0]))
    assert old.mean == pytest.approx(values.mean(), rel=1e-12)
    assert old.std == pytest.approx(values.std(), rel=1e-9)
    new = of_rows(histogram.rows_of_values(values, 100)[0])
    assert new.mean == pytest.approx(values.mean(), rel=0.01)
    assert new.std == pytest.approx(values.std(), rel=0.01)
    uniform = of_rows(np.array([[0.0, 1, 4], [1, 2, 4]]))
    assert uniform.mean == 1
    assert uniform.std == pytest.approx(2 / math.sqrt(12), rel=1e-15)
    assert (STEPS.mean, of_rows(np.array([[3.0, 3, 2]])).std) == (1.625, 0)


def test_sums_that_are_not_there() -> None:
    """A writer that fills in no sums, and one whose squares are beyond a double."""
    bare = HistogramProto(bucket=[1, 1], bucket_limit=[1, 2], min=0, max=2)
    assert decode(Summary.Value(histo=bare)).mean == 1
    large = HistogramProto(num=2, sum=2e200, sum_squares=math.inf)
    assert decode(Summary.Value(histo=large)).mean == 1e200
    assert math.isnan(decode(Summary.Value(histo=large)).std)
    large.bucket.append(2)
    large.max = 12e100
    assert decode(Summary.Value(histo=large)).std == pytest.approx(12e100 / math.sqrt(12))
    rounded = HistogramProto(num=1, sum=3, sum_squares=8.999)
    assert decode(Summary.Value(histo=rounded)).std == 0


def test_compressed() -> None:
    """Of the rows as TensorBoard has them: in float32 of the old encoding."""
    value = histogram.encode("h", histogram.of_values([0.1, 0.2, 0.7])[0])
    ours = decode(value)
    assert ours.compressed() == compressor.compress_histogram(loaded(value).tolist())
    assert ours.compressed()[0][1] == float(np.float32(0.1)) != ours.min
    assert ours.compressed([5000, 10000])[1] == (10000, float(np.float32(0.7)))
