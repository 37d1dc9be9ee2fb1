"""Histograms: how many values fall into each of a row of buckets.

Two encodings are in use (tensorboard/plugins/histogram/):

* *old*: ``Summary.Value.histo``, a HistogramProto: the sums, and for each bucket its upper limit
  and its count, without metadata. torch, tensorboardX, TF 1. Here `Buckets`, of `of_values`
  or `of_counts`.
* *new*: a tensor of doubles of shape [k, 3] with the rows left edge, right edge, count, and plugin
  "histograms" on the tag's first value. TF 2, Keras. Here `Rows`, of `rows_of_values`.

Counting takes ten times as long as copying. So `prepare` and `prepare_rows` only check and copy, in
the caller, and `encode` counts, on the writer's thread.

When TensorBoard reads the old one it takes ``min`` for the first left edge and ``max`` for the last
right one (data_compat.py, which also drops empty buckets at the ends; data/server/data_compat.rs,
which keeps them, and gives up the value if there are not as many limits as counts). `decode` does
as the former, in float64.

Values that are not finite are left out, counted, and have no part in edges and sums. Where no value
is left the histogram is an empty one rather than an error: whether an array is empty, or a gradient
all NaN, depends on the data, and logging must not stop a training run for it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import plugins, tensor
from tbio.errors import DecodeError
from tbio.kinds import histogram_bins, histogram_stored, histogram_values
from tbio.kinds.histogram_arguments import (
    MOST_BUCKETS,
    double,
    doubles,
    edges_or_number,
    whole_number,
)
from tbio.kinds.histogram_stored import Histogram
from tbio.kinds.histogram_values import Doubles, Values
from tbio.proto.plugin_data_pb2 import HistogramPluginData
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, HistogramProto, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto

#: A histogram of the new encoding: float64 [k, 3], a row a bucket: left edge, right edge, count.
Rows: TypeAlias = Doubles

#: How many buckets TF 2 makes.
DEFAULT_BUCKETS = 30
#: The rules of `numpy.histogram_bin_edges`.
RULES = ("auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges")

_MOST_BY_RULE = 1 << 14  # that the spread of the data may ask for
_SAFE_EXPONENT = 500  # up to 2**500, squares and differences of values stay in range
_LARGEST = np.finfo(np.float64).max


class Buckets(NamedTuple):
    """A histogram of the old encoding.

    Attributes:
        minimum: the least value.
        maximum: the greatest one.
        num: how many values there are.
        total: their sum, in float64.
        squares: the sum of their squares, in float64; infinite if that is beyond it.
        limits: float64 [k], the upper limit of each bucket, ascending.
        counts: float64 [k], how many values each has.
    """

    minimum: float
    maximum: float
    num: float
    total: float
    squares: float
    limits: Doubles
    counts: Doubles


class Uncounted(NamedTuple):
    """A histogram of the old encoding that is still to be counted; `prepare` makes it.

    Attributes:
        values: what is counted.
        bins: as `prepare` takes them, checked.
        max_bins: likewise.
    """

    values: Values
    bins: str | int | Doubles
    max_bins: int | None


class UncountedRows(NamedTuple):
    """A histogram of the new encoding that is still to be counted; `prepare_rows` makes it.

    Attributes:
        values: what is counted.
        buckets: how many.
    """

    values: Values
    buckets: int


def metadata(display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of a histogram tag, for its first value. The old encoding needs none."""
    content = HistogramPluginData(version=0).SerializeToString()
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.HISTOGRAMS, content=content),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_TENSOR,
    )


def encode(tag: str, histogram: Buckets | Rows | Uncounted | UncountedRows) -> Summary.Value:
    """One histogram as a summary value, without metadata; counted first if it is not.

    `Rows` need `metadata` on the tag's first value.

    >>> encode("h", prepare([1.0, 2.0], bins=1)[0]).histo.bucket_limit
    [1.0, 2.0]
    """
    if isinstance(histogram, Uncounted):
        histogram = _count(histogram)
    elif isinstance(histogram, UncountedRows):
        histogram = _count_rows(histogram)
    if isinstance(histogram, Buckets):
        return Summary.Value(tag=tag, histo=_to_proto(histogram))
    return Summary.Value(tag=tag, tensor=tensor.encode(histogram))


def _to_proto(histogram: Buckets) -> HistogramProto:
    """The same as setting the fields, in a sixth of the time.

    The limits and counts have in the message the form that they have in memory; for what begins as
    an array, protobuf's parser is quicker than its setters, which want Python's floats.
    """
    proto = HistogramProto(
        min=histogram.minimum,
        max=histogram.maximum,
        num=histogram.num,
        sum=histogram.total,
        sum_squares=histogram.squares,
    )
    proto.MergeFromString(
        _packed(HistogramProto.BUCKET_LIMIT_FIELD_NUMBER, histogram.limits)
        + _packed(HistogramProto.BUCKET_FIELD_NUMBER, histogram.counts)
    )
    return proto


def _packed(field: int, numbers: Doubles) -> bytes:
    """A repeated field of doubles: its number and type, its length as a varint, the doubles."""
    body = numbers.astype("<f8").tobytes()
    size = len(body)  # 2**24 at the most: four times 7 bits, the lowest first
    length = (size & 127 | 128, size >> 7 & 127 | 128, size >> 14 & 127 | 128, size >> 21)
    return bytes((field << 3 | 2, *length)) + body


def decode(value: Summary.Value, metadata: SummaryMetadata) -> Histogram:
    """The histogram of a summary value, of either encoding.

    What is odd but has the form of a histogram comes as it is: edges that are NaN, counts that are
    negative.

    Args:
        metadata: the tag's; nothing in it matters.

    Raises:
        DecodeError: a value of another kind, or none; a tensor that is not [k, 3] real numbers, or
            much larger than what it holds; limits that lack for buckets with something in them.

    >>> value = encode("h", of_values([1, 2, 2, 4], bins=[0, 1, 2, 3, 4])[0])
    >>> decode(value, SummaryMetadata()).rows
    array([[1., 2., 1.],
           [2., 3., 2.],
           [3., 4., 1.]], dtype=float32)
    """
    field = value.WhichOneof("value")
    if field == "histo":
        return _of_proto(value.histo)
    if field == "tensor":
        return _of_tensor(value.tensor)
    raise DecodeError(f"a histogram without buckets: it holds {field or 'nothing'}")


def _of_proto(histo: HistogramProto) -> Histogram:
    limits = np.array(histo.bucket_limit, np.float64)
    counts = np.array(histo.bucket, np.float64)
    held = np.flatnonzero(counts > 0)
    rows = np.empty((0, 3))
    if len(held):
        first, last = int(held[0]), int(held[-1])
        if last > len(limits):  # that of the last bucket is not needed
            raise DecodeError(
                f"a histogram of {len(limits)} bucket limits for {len(counts)} buckets"
            )
        rows = np.empty((last + 1 - first, 3))
        rows[0, 0], rows[-1, 1] = histo.min, histo.max
        rows[1:, 0] = rows[:-1, 1] = limits[first:last]
        rows[:, 2] = counts[first : last + 1]
    lefts, rights, counts = rows.T.copy()
    with np.errstate(over="ignore"):
        rounded = rows.astype(np.float32)
    return Histogram(
        lefts,
        rights,
        counts,
        rounded,
        histo.min,
        histo.max,
        histo.num,
        histo.sum,
        histo.sum_squares,
    )


def _of_tensor(proto: TensorProto) -> Histogram:
    dims = proto.tensor_shape.dim
    if len(dims) != 2 or dims[1].size != 3:
        raise DecodeError(f"a histogram of shape {tensor.shape_text(proto)}, want [k, 3]")
    if dims[0].size > max(MOST_BUCKETS, proto.ByteSize()):
        raise DecodeError(f"a histogram of {dims[0].size} buckets in {proto.ByteSize()} bytes")
    rows = tensor.decode(proto)
    if rows.dtype.kind not in "iuf":
        raise DecodeError(f"a histogram of {tensor.dtype_name(proto.dtype)}, want real numbers")
    return histogram_stored.of_rows(rows)


# ------------------------------------------------------------------ old encoding


def prepare(
    values: Any, bins: Any = "tensorflow", max_bins: int | None = None
) -> tuple[Uncounted, str]:
    """Values that `encode` will count into buckets, as torch's and tensorboardX's do.

    The buckets are ``[edge, next edge)``, the last one closed. Empty ones at both ends are left
    out, but for one of count 0 in front, whose limit is the left edge of the next: HistogramProto
    has no other place for it. No finite value is lost: what lies beyond the first or last edge has
    a bucket of its own, up to the least or greatest value (the peers leave it out of the counts, or
    raise an error).

    Args:
        values: real numbers of any framework, of any shape.
        bins: "tensorflow": the edges 0 and +-1e-12 * 1.1**k up to 1e20; a rule of
            `numpy.histogram_bin_edges` (see `RULES`), of which one that asks for more than 16384
            buckets (one outlier is enough for "fd") gets 2 * sqrt(n), numpy 2.3's own bound for
            "auto"; a number of buckets of equal width; or the edges, ascending (infinite ones
            stand for what is beyond the others).
        max_bins: where there are more buckets, ``number // max_bins`` neighbours become one. As
            with the peers, that leaves up to twice as many as ``max_bins``.

    Returns:
        What `encode` takes, which shares no memory with ``values``; and what has to be told of it:
        values left out, or none at all.

    Raises:
        TypeError: values or edges that are not real numbers; bins of another type.
        ValueError: an unknown rule; edges that do not ascend; no bucket, or more than 2**20.

    >>> prepare([1, 2, float("nan")])[1]
    '1 of 3 values is not finite and was left out'
    """
    if not isinstance(bins, str):
        bins = edges_or_number("bins", bins)
    elif bins != "tensorflow" and bins not in RULES:
        raise ValueError(f'bins: want "tensorflow" or one of {", ".join(RULES)}, got {bins!r}')
    if max_bins is not None:
        max_bins = whole_number("max_bins", max_bins, 1)
    finite, note = histogram_values.prepare(values)
    return Uncounted(finite, bins, max_bins), note


def of_values(
    values: Any, bins: Any = "tensorflow", max_bins: int | None = None
) -> tuple[Buckets, str]:
    """Count values into buckets, at once; see `prepare`.

    Returns:
        The histogram, and what has to be told of it.

    >>> histogram, note = of_values([1, 2, 2, 9, float("nan")], bins=[0, 1, 2, 3, 4])
    >>> histogram.limits, histogram.counts
    (array([1., 2., 3., 4., 9.]), array([0., 1., 2., 0., 1.]))
    >>> note
    '1 of 5 values is not finite and was left out'
    """
    uncounted, note = prepare(values, bins, max_bins)
    return _count(uncounted), note


def _count(uncounted: Uncounted) -> Buckets:
    (numbers, low, high), bins, max_bins = uncounted
    if not numbers.size:
        return Buckets(0, 0, 0, 0, 0, np.empty(0), np.empty(0))
    counts, edges = _bin(numbers, low, high, bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, edges = _merge(counts, edges, len(counts) // max_bins)
    occupied = np.flatnonzero(counts)
    first, last = int(occupied[0]), int(occupied[-1])
    limits = edges[first : last + 2]
    counts = np.concatenate([[0.0], counts[first : last + 1]])
    return Buckets(low, high, numbers.size, *histogram_values.sums(numbers), limits, counts)


def of_counts(
    minimum: Any,
    maximum: Any,
    num: Any,
    total: Any,
    squares: Any,
    limits: Any,
    counts: Any,
) -> Buckets:
    """A histogram that was counted elsewhere, as for ``add_histogram_raw``, in its order.

    Args:
        minimum: the least value; TensorBoard takes it for the left edge of the first bucket.
        maximum: the greatest value.
        num: how many values there are.
        total: their sum.
        squares: the sum of their squares.
        limits: [k], the upper limit of each bucket, ascending. TensorBoard takes ``maximum`` in
            place of the last one, which may be infinite.
        counts: [k], how many values each bucket has; fractions are fine.

    Raises:
        TypeError: something that is not a real number, or not an array of such.
        ValueError: not as many limits as counts; limits that do not ascend; something that is not
            finite (the sums may be infinite), or negative where it counts.

    >>> of_counts(0, 5, 10, 25, 70, [1, 2, 5], [3, 3, 4]).counts
    array([3., 3., 4.])
    """
    low, high = double("min", minimum), double("max", maximum)
    number = double("num", num)
    sums = double("sum", total), double("sum_squares", squares)
    limits, counts = doubles("bucket_limits", limits), doubles("bucket_counts", counts)
    if len(limits) != len(counts):
        raise ValueError(
            f"{len(limits)} bucket_limits for {len(counts)} bucket_counts: want the upper limit of "
            "each bucket, and not the left edge of the first"
        )
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"min and max: want finite numbers, got {low} and {high}")
    if low > high and counts.any():
        raise ValueError(f"min {low} is greater than max {high}")
    if not 0 <= number < math.inf:
        raise ValueError(f"num: want a finite number that is not negative, got {number}")
    if any(map(math.isnan, sums)):
        raise ValueError(f"sum and sum_squares: want numbers, got {sums[0]} and {sums[1]}")
    if not (np.isfinite(limits[:-1]).all() and (limits[-1:] > -math.inf).all()):
        raise ValueError("bucket_limits: want finite numbers (the last one may be infinite)")
    if (limits[1:] < limits[:-1]).any():
        raise ValueError("bucket_limits: want them in ascending order")
    if not ((counts >= 0) & (counts < math.inf)).all():
        raise ValueError("bucket_counts: want finite numbers that are not negative")
    return Buckets(low, high, number, *sums, limits, counts)


def _bin(
    numbers: npt.NDArray[Any], low: float, high: float, bins: str | int | Doubles
) -> tuple[npt.NDArray[Any], Doubles]:
    """Counts and edges (new arrays) of buckets that hold all values; even end ones may be empty."""
    if isinstance(bins, np.ndarray):
        finite = np.append(bins[np.isfinite(bins)], [low, high])
        edges = np.clip(bins, finite.min(), finite.max())  # the infinite ones
        counts = histogram_bins.count(histogram_values.doubles(numbers), edges)
    elif bins == "tensorflow":
        edges, counts = histogram_bins.DEFAULT_EDGES, histogram_bins.count_default(numbers)
    else:
        return _equal_bins(histogram_values.doubles(numbers), low, high, bins)
    if high == edges[-1]:  # the last bucket is closed
        counts[-2] += counts[-1]
        counts[-1] = 0
    # What is beyond the edges has a bucket of its own, if there is any.
    start, stop = int(counts[0] == 0), len(counts) - int(counts[-1] == 0)
    return counts[start:stop], np.concatenate([[low], edges, [high]])[start : stop + 1]


def _equal_bins(
    values: Doubles, low: float, high: float, bins: str | int
) -> tuple[npt.NDArray[Any], Doubles]:
    """`numpy.histogram` with buckets of equal width, for any finite values."""
    # To scale by a power of two is exact, and keeps what the rules compute (ranges, squares) from
    # overflow and underflow.
    exponent = math.frexp(max(-low, high))[1]
    if abs(exponent) > _SAFE_EXPONENT:
        low, high = math.ldexp(low, -exponent), math.ldexp(high, -exponent)
        counts, edges = _equal_bins(np.ldexp(values, -exponent), low, high, bins)
        with np.errstate(over="ignore", under="ignore"):
            return counts, np.clip(np.ldexp(edges, exponent), -_LARGEST, _LARGEST)
    if low == high:
        # All rules mean one bucket; numpy's "scott" may take the mean's rounding for a spread.
        bins = bins if isinstance(bins, int) else 1
        # numpy's own half to either side is nothing to a large number.
        low = min(low - 0.5, math.nextafter(low, -math.inf))
        high = max(high + 0.5, math.nextafter(high, math.inf))
    elif bins in ("auto", "fd"):
        bins = _freedman_diaconis(values, high - low, bounded=bins == "auto")
    try:
        return np.histogram(values, bins, (low, high))
    except ValueError:  # between the ends there are not as many doubles as buckets asked for
        number = bins if isinstance(bins, int) else values.size
        return np.histogram(values, np.unique(np.linspace(low, high, number + 1)))


def _freedman_diaconis(values: Doubles, spread: float, bounded: bool) -> int:
    """The number of buckets by numpy's rule "fd", or by "auto" as of numpy 2.3, which is bounded.

    numpy itself makes all the edges before anyone can say that these are too many: one outlier,
    with most of the others close together, can ask for more memory than there is.
    """
    quartiles = np.percentile(values, [25, 75])
    width = 2.0 * float(quartiles[1] - quartiles[0]) * values.size ** (-1.0 / 3.0)
    if bounded:
        width = max(width, spread / math.sqrt(values.size) / 2)
        width = min(width, spread / (math.log2(values.size) + 1.0))
    number = spread / width if width else 1.0
    return math.ceil(number if number <= _MOST_BY_RULE else 2 * math.sqrt(values.size))


def _merge(
    counts: npt.NDArray[Any], edges: Doubles, neighbours: int
) -> tuple[npt.NDArray[Any], Doubles]:
    """Make one bucket of so many neighbours; the last one may have fewer."""
    starts = np.arange(0, len(counts), neighbours)
    return np.add.reduceat(counts, starts), np.append(edges[starts], edges[-1])


# ------------------------------------------------------------------ new encoding


def prepare_rows(values: Any, buckets: int | None = None) -> tuple[UncountedRows, str]:
    """Values that `encode` will count into buckets of equal width, as ``tf.summary.histogram``.

    The rules are those of tensorboard/plugins/histogram/summary_v2.py: bucket
    ``floor((value - min) / width)``, the last one closed; where all values are equal, so are all
    edges, and the last row has the count; where there are no values, all rows are zero.

    Args:
        values: real numbers of any framework, of any shape.
        buckets: how many; None is 30.

    Returns:
        What `encode` takes, which shares no memory with ``values``; and what has to be told of it:
        values left out, or none at all.

    Raises:
        TypeError: values that are not real numbers, or a number of buckets that is no integer.
        ValueError: a negative number of buckets, or one above 2**20.
    """
    number = DEFAULT_BUCKETS if buckets is None else whole_number("buckets", buckets, 0)
    finite, note = histogram_values.prepare(values)
    return UncountedRows(finite, number), note


def rows_of_values(values: Any, buckets: int | None = None) -> tuple[Rows, str]:
    """Count values into buckets of equal width, at once; see `prepare_rows`.

    Returns:
        The rows, and what has to be told of them.

    >>> rows_of_values([0.0, 1.0, 1.5, 4.0], buckets=2)[0]
    array([[0., 2., 3.],
           [2., 4., 1.]])
    """
    uncounted, note = prepare_rows(values, buckets)
    return _count_rows(uncounted), note


def _count_rows(uncounted: UncountedRows) -> Rows:
    (numbers, low, high), number = uncounted
    rows: Rows = np.zeros((number, 3))
    if not (numbers.size and number):
        return rows
    if low == high:
        rows[:, :2] = low
        rows[-1, 2] = numbers.size
        return rows
    finite = histogram_values.doubles(numbers)
    exponent = math.frexp(max(-low, high))[1]
    if abs(exponent) > _SAFE_EXPONENT:  # as in `_equal_bins`
        scaled = Values(
            np.ldexp(finite, -exponent), math.ldexp(low, -exponent), math.ldexp(high, -exponent)
        )
        rows = _count_rows(UncountedRows(scaled, number))
        rows[:, :2] = np.ldexp(rows[:, :2], exponent)
        rows[0, 0], rows[-1, 1] = low, high  # one may have been scaled down to nothing
        return rows
    index = ((finite - low) / ((high - low) / number)).astype(np.intp)
    edges = np.linspace(low, high, number + 1)
    rows[:, 0], rows[:, 1] = edges[:-1], edges[1:]
    rows[:, 2] = np.bincount(np.minimum(index, number - 1), minlength=number)
    return rows
