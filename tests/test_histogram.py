"""Histograms: bytes by hand, the peers' own results, and what is in neither."""

from __future__ import annotations

import bisect
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2 as tensorboard_event_pb2
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.histogram import summary_v2
from tensorboard.util import tensor_util
from tensorboardX.summary import make_histogram as peers_histogram

from tbio import arrays, read_events, tensor
from tbio.kinds import histogram
from tbio.kinds.histogram import Buckets, Uncounted
from tbio.kinds.histogram_bins import DEFAULT_EDGES
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata

Array = npt.NDArray[Any]

RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.normal(size=1000)
NO_VALUES = "there are no values: an empty histogram is stored"


def counted(values: Any, bins: Any = "tensorflow", max_bins: int | None = None) -> Buckets:
    """`of_values` where there is nothing to tell."""
    result, note = histogram.of_values(values, bins, max_bins)
    assert note == ""
    return result


def pairs(result: Buckets) -> list[tuple[float, float]]:
    return list(zip(result.limits.tolist(), result.counts.tolist(), strict=True))


def shown(value: Summary.Value) -> Array:
    """The rows that TensorBoard's Python backend makes of a value."""
    event = tensorboard_event_pb2.Event()
    event.summary.value.add().ParseFromString(value.SerializeToString())
    metadata: dict[str, Any] = {}
    event = data_compat.migrate_event(event)
    (event,) = dataclass_compat.migrate_event(event, metadata)
    (migrated,) = event.summary.value
    assert migrated.metadata.plugin_data.plugin_name == "histograms"
    assert migrated.metadata.data_class == tensorboard_pb2.DATA_CLASS_TENSOR
    rows: Array = tensor_util.make_ndarray(migrated.tensor)
    return rows


# ------------------------------------------------------------------ bytes


def test_old_bytes() -> None:
    value = histogram.encode("h", histogram.of_counts(-1, 5, 3, 6, 30, [0, 5], [1, 2]))
    doubles = [struct.pack("<d", number).hex() for number in (-1, 5, 3, 6, 30)]
    assert value.SerializeToString(deterministic=True).hex() == "".join(
        [
            "0a0168",  # tag (field 1): "h"
            "2a51",  # histo (field 5), 81 bytes
            *("09", doubles[0], "11", doubles[1], "19", doubles[2]),  # min, max, num
            *("21", doubles[3], "29", doubles[4]),  # sum, sum_squares
            *("3210", struct.pack("<dd", 0, 5).hex()),  # bucket_limit, packed
            *("3a10", struct.pack("<dd", 1, 2).hex()),  # bucket, packed
        ]
    )


def test_new_bytes() -> None:
    rows, _ = histogram.rows_of_values([0.0, 1.0, 4.0], buckets=2)
    stored = histogram.encode("h", rows).SerializeToString(deterministic=True)
    assert stored.hex() == "".join(
        [
            "0a0168",
            "423e",  # tensor (field 8), 62 bytes
            "0802",  # dtype: DT_DOUBLE
            "12081202080212020803",  # tensor_shape: 2, 3
            "2230",  # tensor_content, 48 bytes
            struct.pack("<6d", 0, 2, 2, 2, 4, 1).hex(),
        ]
    )
    theirs = tensorboard_pb2.Summary.Value.FromString(stored)
    assert tensor_util.make_ndarray(theirs.tensor).tolist() == [[0, 2, 2], [2, 4, 1]]


def test_metadata() -> None:
    ours = histogram.metadata("Weights", "of *layer 1*")
    theirs = histogram_metadata.create_summary_metadata("Weights", "of *layer 1*")
    theirs.data_class = tensorboard_pb2.DATA_CLASS_TENSOR  # as its dataclass_compat.py adds
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())
    assert ours.plugin_data.content == b""
    assert not histogram.encode("h", counted([1.0])).HasField("metadata")
    assert not histogram.encode("h", np.zeros((0, 3))).HasField("metadata")


# ------------------------------------------------------------------ equal to the peers

EDGES = [-4.0, -1, 0, 0.5, 5]
DATA: dict[str, Array] = {
    "normal": NORMAL,
    "many": RANDOM.normal(size=40_000),
    "one": np.array([0.25]),
    "zeros": np.zeros(10),
    "constant": np.full(5, 2.0),
    "two": np.array([1.0, 2.0]),
    "integers": RANDOM.integers(-100, 100, (4, 5, 6)),
    "sparse": np.where(NORMAL > 1, NORMAL, 0),
    "wide": np.concatenate([10.0 ** np.arange(-15, 20), -(10.0 ** np.arange(-15, 20))]),
    "edges": DEFAULT_EDGES.copy(),
    "float32": NORMAL.astype(np.float32),
    "matrix": RANDOM.random((30, 40)),
}
BINS: dict[str, Any] = {
    "tensorflow": "tensorflow",
    **{rule: rule for rule in histogram.RULES if rule != "stone"},
    "1": 1,
    "10": np.int64(10),
    "1000": 1000,
    "edges": EDGES,
    "edges, as an array": np.array([-5, -1, 0, 0, 3, 5]),
}


def peers(values: Array, bins: Any, max_bins: int | None = None) -> Any:
    edges = DEFAULT_EDGES if isinstance(bins, str) and bins == "tensorflow" else bins
    return peers_histogram(values.astype(float), edges, max_bins)


def check_equal(ours: Buckets, theirs: Any) -> None:
    assert pairs(ours) == list(zip(theirs.bucket_limit, theirs.bucket, strict=True))
    assert (ours.minimum, ours.maximum, ours.num) == (theirs.min, theirs.max, theirs.num)
    assert ours.total == pytest.approx(theirs.sum, rel=1e-12, abs=1e-12)
    assert ours.squares == pytest.approx(theirs.sum_squares, rel=1e-12)


#: Outliers: the rule asks the peers for more memory than there is, see below.
EXPLODING = [("wide", "fd"), ("edges", "fd")]
if len(np.histogram_bin_edges([0] * 1000 + [1], "auto")) < 65:  # before numpy 2.3
    EXPLODING += [("wide", "auto"), ("edges", "auto"), ("sparse", "auto")]
PAIRS = [(name, bins) for name in DATA for bins in BINS if (name, bins) not in EXPLODING]


@pytest.mark.parametrize("max_bins", [None, 1, 7, 100, 2000])
@pytest.mark.parametrize(("name", "bins"), PAIRS)
def test_equal_to_tensorboardx(name: str, bins: str, max_bins: int | None) -> None:
    values = DATA[name]
    if "edges" in bins and (values.min() < -4 or values.max() > 5):
        values = np.clip(values, -4, 5)
    check_equal(counted(values, BINS[bins], max_bins), peers(values, BINS[bins], max_bins))


@pytest.mark.full
@pytest.mark.parametrize("bins", BINS)
def test_equal_to_torch(bins: str) -> None:
    import torch
    from torch.utils.tensorboard.summary import histogram as torchs

    values = torch.from_numpy(np.clip(NORMAL, -4, 5)).requires_grad_()
    edges = DEFAULT_EDGES if bins == "tensorflow" else BINS[bins]
    (theirs,) = torchs("h", values, edges).value
    check_equal(counted(values, BINS[bins]), theirs.histo)


def test_shown_by_tensorboard() -> None:
    value = histogram.encode("h", counted([1, 2, 2, 3.5], bins=[0, 1, 2, 3, 4, 5]))
    assert list(value.histo.bucket_limit) == [1, 2, 3, 4]
    assert list(value.histo.bucket) == [0, 1, 2, 1]
    assert shown(value).tolist() == [[1, 2, 1], [2, 3, 2], [3, 3.5, 1]]


def stored_in(corpus: Path, folder: str) -> dict[tuple[str, int], Summary.Value]:
    """What a peer wrote. Its data are drawn again, from the seeds in corpus/scripts."""
    (file,) = (corpus / "peers" / folder).iterdir()
    events = read_events(file)
    return {(value.tag, event.step): value for event in events for value in event.summary.value}


@pytest.mark.parametrize("writer", ["torch", "tensorboardX"])
def test_corpus_of_the_peers(corpus: Path, writer: str) -> None:
    stored = stored_in(corpus, f"{writer}/histogram")
    rng = np.random.default_rng(5)
    for _ in range(2):
        rng.random((3, 12, 20))
    rng.integers(0, 255, (6, 4, 3), dtype="u1")
    for shape in ((5, 7), (4, 6, 6), (7, 3, 5, 5), (3, 30, 30)):
        rng.random(shape)
    rng.integers(0, 255, (1, 4, 3, 16, 16), dtype="u1")
    for step in range(4):
        check_equal(counted(rng.normal(step, 1, 300)), stored["normal", step].histo)
    check_equal(counted(rng.normal(0, 1, 200), bins="auto"), stored["auto", 0].histo)
    outside = counted(rng.normal(0, 1, 200), bins=[-2, -1, 0, 1, 2])
    check_equal(counted(np.full(5, 2.0)), stored["constant", 0].histo)
    raw = histogram.of_counts(0, 5, 10, 25, 70, [1, 2, 5], [3, 3, 4])
    assert histogram.encode("raw", raw) == stored["raw", 1]
    # They left out of the counts, and not of num, what is beyond the edges.
    theirs = stored["bins", 0].histo
    assert list(theirs.bucket_limit) == [-2, -1, 0, 1, 2]
    assert sum(theirs.bucket) < theirs.num == outside.num == outside.counts.sum() == 200
    assert outside.counts[2:-1].tolist() == list(theirs.bucket)[1:]
    assert outside.limits[1:-1].tolist() == list(theirs.bucket_limit)
    assert (outside.limits[0], outside.limits[-1]) == (theirs.min, theirs.max)


def tensorflow_rng() -> np.random.Generator:
    """The generator of peer_tensorflow.py as it comes to the histograms."""
    rng = np.random.default_rng(11)
    for _ in range(3):
        rng.random((2, 7, 11, 3))
    rng.integers(0, 255, (1, 5, 6, 1), dtype="u1")
    rng.random((1, 4, 4, 2))
    rng.integers(0, 255, (1, 8, 8, 4), dtype="u1")
    rng.integers(0, 65535, (1, 3, 10, 3))
    return rng


def test_corpus_of_tensorflow_2(corpus: Path) -> None:
    stored = stored_in(corpus, "tensorflow/v2_histogram")
    rng = tensorflow_rng()
    data: dict[tuple[str, int], Any] = {
        ("normal", step): rng.normal(step, 1 + step, 500) for step in range(5)
    }
    data["ints", 1] = rng.integers(-100, 100, (4, 5, 6))
    data["empty", 0] = np.array([], "f")
    data["constant", 0] = np.full(10, 3.5)
    data["single", 0] = [1.0]
    data["wide", 0] = np.array([-1e30, 0, 1e-30, 1e30])
    assert set(data) == {key for key in stored if key[0]}
    for (tag, step), values in data.items():
        ours, note = histogram.rows_of_values(values)
        assert note == (NO_VALUES if tag == "empty" else "")
        theirs = stored[tag, step]
        rows = tensor.decode(theirs.tensor)
        assert ours.shape == rows.shape
        assert ours[:, 2].tolist() == rows[:, 2].tolist()
        np.testing.assert_allclose(ours, rows, rtol=1e-14, atol=1e-14)  # its linspace differs
        assert theirs.tensor.dtype == tensor_pb2.DT_DOUBLE
        metadata = theirs.metadata.plugin_data  # which TF repeats with each value
        assert metadata == histogram.metadata().plugin_data


def test_corpus_of_tensorflow_1(corpus: Path) -> None:
    """Its histogram.cc joins empty buckets and closes with DBL_MAX; the others are the same."""
    stored = stored_in(corpus, "tensorflow/v1_all")
    rng = tensorflow_rng()
    for step in range(5):
        rng.normal(step, 1 + step, 500)
    rng.integers(-100, 100, (4, 5, 6))
    rng.random(800)
    for _ in range(2):
        rng.random((1, 50, 3))
        rng.integers(0, 255, (1, 50, 3))
    for size in (200, 200, 50, 50):
        rng.random(size)
    weights = rng.normal(size=(4, 2)).astype("f")
    theirs = stored["weights", 0].histo
    ours = counted(weights)
    occupied = [pair for pair in pairs(ours) if pair[1]]
    limits = zip(theirs.bucket_limit, theirs.bucket, strict=True)
    assert occupied == [pair for pair in limits if pair[1]]
    assert pairs(ours)[0] == (theirs.bucket_limit[0], theirs.bucket[0])
    assert (ours.minimum, ours.maximum, ours.num) == (theirs.min, theirs.max, theirs.num)
    assert ours.total == pytest.approx(theirs.sum, rel=1e-12)
    assert ours.squares == pytest.approx(theirs.sum_squares, rel=1e-12)
    mine = Summary.Value(tag="weights", histo=theirs)
    both = [shown(value) for value in (mine, histogram.encode("weights", ours))]
    occupied_rows = [rows[rows[:, 2] > 0].tolist() for rows in both]
    assert occupied_rows[0] == occupied_rows[1]


# ------------------------------------------------------------------ where the peers are wrong


def test_beyond_the_default_edges() -> None:
    """The peers: "histogram is empty" for one such value, and lost beside others."""
    with pytest.raises(ValueError, match="please file a bug report"):
        peers(np.array([1e21]), "tensorflow")
    last = DEFAULT_EDGES[-1]
    assert pairs(counted([1e21])) == [(last, 0), (1e21, 1)]
    assert pairs(counted([-1e21])) == [(-1e21, 0), (-last, 1)]
    theirs = peers(np.array([1.0, 1e21]), "tensorflow")
    assert (sum(theirs.bucket), theirs.num) == (1, 2)
    ours = counted([-1e300, 1.0, 1e21, 3e38])
    assert pairs(ours)[:2] == [(-1e300, 0), (-last, 1)]
    assert pairs(ours)[-2:] == [(last, 0), (3e38, 2)]
    assert ours.counts.sum() == ours.num == 4
    rows = shown(histogram.encode("h", counted([1.0, 1e21])))
    assert rows[-1].tolist() == np.array([last, 1e21, 1], np.float32).tolist()


def test_the_last_edge_belongs_to_the_last_bucket() -> None:
    last, before = DEFAULT_EDGES[-1], DEFAULT_EDGES[-2]
    assert pairs(counted([last])) == [(before, 0), (last, 1)]
    assert pairs(counted([last, np.nextafter(last, np.inf)]))[-2:] == [
        (last, 0),
        (np.nextafter(last, np.inf), 2),  # the bucket in front is closed no longer
    ]
    assert pairs(counted([1, 2, 3, 3], bins=[1, 2, 3])) == [(1, 0), (2, 1), (3, 3)]
    assert pairs(counted([1, 2, 3, 3, 4], bins=[1, 2, 3])) == [(1, 0), (2, 1), (3, 1), (4, 3)]


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ([0, 1], [(-5, 0), (0, 1), (1, 2), (9, 1)]),
        ([-math.inf, 0, 1, math.inf], [(-5, 0), (0, 1), (1, 2), (9, 1)]),
        ([-math.inf, math.inf], [(-5, 0), (9, 4)]),
        ([20, 30], [(-5, 0), (20, 4)]),
        ([-30, -20], [(-20, 0), (9, 4)]),
        ([0.0, 0.0, 0.5], [(-5, 0), (0, 1), (0, 0), (0.5, 1), (9, 2)]),
    ],
)
def test_beyond_given_edges(edges: list[float], expected: list[tuple[float, float]]) -> None:
    result = counted([-5.0, 0.25, 0.75, 9.0], bins=edges)
    assert pairs(result) == expected
    assert (result.minimum, result.maximum, result.num) == (-5, 9, 4)


@pytest.mark.parametrize("bins", ["tensorflow", "auto", "sturges", 10, [-10, 0, 10]], ids=str)
def test_not_finite(bins: Any) -> None:
    """Left out and told of: the peers raise ValueError, or give NaN for min, max and sum."""
    spoilt = np.concatenate([[np.nan], NORMAL, [np.inf, -np.inf, np.nan]])
    if isinstance(bins, (str, int)) and bins != "tensorflow":
        with pytest.raises(ValueError, match="finite"):
            peers(spoilt, bins)
    else:
        with np.errstate(invalid="ignore"):
            assert math.isnan(peers(spoilt, bins).max)
    for values in (spoilt, spoilt.reshape(4, -1)):
        result, note = histogram.of_values(values, bins)
        assert note == "4 of 1004 values are not finite and were left out"
        clean = counted(NORMAL, bins)
        assert pairs(result) == pairs(clean)
        assert result[:5] == clean[:5]
    rows, note = histogram.rows_of_values(spoilt)
    assert note == "4 of 1004 values are not finite and were left out"
    assert (rows == histogram.rows_of_values(NORMAL)[0]).all()


def test_one_not_finite() -> None:
    result, note = histogram.of_values([1.0, math.nan])
    assert note == "1 of 2 values is not finite and was left out"
    assert (result.minimum, result.maximum, result.num, result.total) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([], NO_VALUES),
        (np.empty((0, 3), np.float32), NO_VALUES),
        ([math.nan], "1 of 1 values is not finite and was left out: an empty histogram is stored"),
        (
            [[math.inf], [-math.inf]],
            "2 of 2 values are not finite and were left out: an empty histogram is stored",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("bins", ["tensorflow", "auto", 3, [0, 1]], ids=str)
def test_no_value(values: Any, note: str, bins: Any) -> None:
    """Empty, and no error: it is the data that decides, in the middle of a run."""
    result, told = histogram.of_values(values, bins, 2)
    assert told == note
    assert (*result[:5], result.limits.tolist(), result.counts.tolist()) == (0, 0, 0, 0, 0, [], [])
    assert shown(histogram.encode("h", result)).shape == (0, 3)
    rows, told = histogram.rows_of_values(values)
    assert told == note
    assert (rows == np.zeros((30, 3))).all()


def test_an_outlier_does_not_take_all_memory() -> None:
    values = np.concatenate([np.linspace(0, 1, 1000), [1e17]])
    with pytest.raises((MemoryError, ValueError)):
        peers(values, "fd")  # 5e17 buckets
    for rule in ("fd", "auto"):
        result = counted(values, rule)
        assert result.num == result.counts.sum() == 1001
        assert pairs(result)[:2] == [(0, 0), (1e17 / 64, 1000)]  # 2 * sqrt(1001), rounded up
        assert len(result.limits) == 65
    # as many as the rule asks for, as long as that can be stored
    values[-1] = 1000.0
    edges = np.histogram_bin_edges(values, "fd")
    assert counted(values, "fd").limits.tolist() == edges.tolist()
    assert 5000 < len(edges) < 16384


def test_equal_values_are_one_bucket() -> None:
    """The mean of three times 0.05 is another double, and "scott" takes that for a spread."""
    values = np.array([0.05, 0.05, 0.05])
    with pytest.raises((MemoryError, ValueError)):
        peers(values, "scott")  # 6e16 buckets
    for rule in histogram.RULES:
        assert pairs(counted(values, rule)) == [(-0.45, 0), (0.55, 3)]


@pytest.mark.parametrize(("name", "rule"), [pair for pair in PAIRS if pair[1] in ("auto", "fd")])
def test_rules_of_our_own_equal_numpys(name: str, rule: str) -> None:
    """ "auto" is that of numpy 2.3, whichever is installed."""
    values = DATA[name].astype(np.float64).ravel()
    expected = np.histogram_bin_edges(values, rule)
    _, edges = histogram._equal_bins(values, values.min(), values.max(), rule)
    assert edges.tolist() == expected.tolist()


LARGEST = float(np.finfo(np.float64).max)
EXTREME: dict[str, list[float]] = {
    "range beyond a double": [-LARGEST, 0.0, LARGEST],
    "the largest": [LARGEST] * 3,
    "the least": [-LARGEST] * 3,
    "subnormal": [0.0, 5e-324, 1e-320],
    "the smallest": [5e-324],
    "neighbours": [1.0, math.nextafter(1.0, 2)],
    "large neighbours": [1e300, math.nextafter(1e300, math.inf)],
    "large and equal": [1e20] * 4,
    "from small to large": [-1e300, -1e-300, 1e-300],
    "below zero": [-1e300, -1e-300],
    "above zero": [1e-300, 1e300],
}


@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize("bins", ["tensorflow", "auto", "fd", "scott", "doane", "sqrt", 1, 2, 30])
def test_extreme(name: str, bins: Any) -> None:
    values = EXTREME[name]
    result = counted(values, bins)
    assert (result.minimum, result.maximum) == (min(values), max(values))
    assert result.counts.sum() == result.num == len(values)
    assert result.total == pytest.approx(math.fsum(v / 2**60 for v in values) * 2.0**60)
    assert result.squares == sum(value * value for value in values)
    assert np.isfinite(result.limits).all()
    assert result.limits.tolist() == sorted(result.limits)
    value = histogram.encode("h", result)
    with np.errstate(over="ignore"):
        assert shown(value)[:, 2].sum() == len(values)


@pytest.mark.parametrize("name", EXTREME)
@pytest.mark.parametrize("buckets", [1, 2, 30])
def test_extreme_rows(name: str, buckets: int) -> None:
    values = EXTREME[name]
    rows, note = histogram.rows_of_values(values, buckets)
    assert note == ""
    assert rows.shape == (buckets, 3)
    assert rows[:, 2].sum() == len(values)
    assert (rows[0, 0], rows[-1, 1]) == (min(values), max(values))
    assert np.isfinite(rows).all()
    assert (rows[:, 0] <= rows[:, 1]).all()
    assert (rows[1:, 0] == rows[:-1, 1]).all()
    assert rows[-1, 2] >= 1  # which the greatest value falls into


def test_extreme_values_by_hand() -> None:
    assert pairs(counted([-LARGEST, 0.0, LARGEST], bins=2)) == [
        (-LARGEST, 0),
        (0, 1),
        (LARGEST, 2),
    ]
    assert histogram.rows_of_values([-LARGEST, 0.0, LARGEST], 2)[0].tolist() == [
        [-LARGEST, 0, 1],
        [0, LARGEST, 2],
    ]
    assert histogram.rows_of_values([0.0, 1e-320, 4e-320], 2)[0][:, 2].tolist() == [2, 1]
    assert counted([LARGEST, LARGEST, -LARGEST, -LARGEST]).total == 0
    assert counted([LARGEST, LARGEST]).total == math.inf
    assert counted([1e200]).squares == math.inf


def test_max_bins() -> None:
    """Merged by whole numbers of neighbours, which the last bucket may have fewer of."""
    edges = [0, 1, 2, 3, 4, 5, 6, 7]
    values = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5]
    assert pairs(counted(values, edges, 3)) == [(0, 0), (2, 2), (4, 2), (6, 2), (7, 1)]
    assert pairs(counted(values, edges, 7)) == pairs(counted(values, edges))
    assert pairs(counted(values, edges, 4)) == pairs(counted(values, edges))  # 7 // 4 is 1
    assert pairs(counted(values, edges, 1)) == [(0, 0), (7, 7)]
    assert pairs(counted([*values, 99], edges, 1)) == [(0, 0), (99, 8)]


# ------------------------------------------------------------------ input of every kind


@pytest.mark.parametrize(
    ("values", "bins", "expected"),
    [
        (np.array([True, False, True]), [0, 1, 2], [(0, 0), (1, 1), (2, 2)]),
        ([True, 2, 0.5], [0, 1, 3], [(0, 0), (1, 1), (3, 2)]),
        (np.array([255, 0], np.uint8), [0, 128, 256], [(0, 0), (128, 1), (256, 1)]),
        (np.array([-128], np.int8), [-128, 0], [(-128, 0), (0, 1)]),
        (np.array([2**64 - 1], np.uint64), [0, 2.0**64], [(0, 0), (2.0**64, 1)]),
        (np.array([-(2**63)], np.int64), [-(2.0**63), 0], [(-(2.0**63), 0), (0, 1)]),
        (np.array([65504, 6e-8], np.float16), [0, 1, 1e5], [(0, 0), (1, 1), (1e5, 1)]),
        (np.array([1, 2], ">f8"), [0, 2, 3], [(0, 0), (2, 1), (3, 1)]),
        (np.array([1, 2], ">i4"), [0, 2, 3], [(0, 0), (2, 1), (3, 1)]),
        (np.array([1, 2], np.longdouble), [0, 2, 3], [(0, 0), (2, 1), (3, 1)]),
        (np.array([[1, 2], [3, 4]]).T, [0, 2, 5], [(0, 0), (2, 1), (5, 3)]),
        (np.arange(10.0)[::-3], [0, 5, 10], [(0, 0), (5, 2), (10, 2)]),
        (np.arange(12.0).reshape(3, 4)[:, ::2], [0, 5, 12], [(0, 0), (5, 3), (12, 3)]),
        (7, [0, 5, 10], [(5, 0), (10, 1)]),
        (np.float32(7), [0, 5, 10], [(5, 0), (10, 1)]),
        ([[1, 2], [3, 4]], (0, 2, 5), [(0, 0), (2, 1), (5, 3)]),
    ],
    ids=str,
)
def test_dtypes(values: Any, bins: Any, expected: list[tuple[float, float]]) -> None:
    assert pairs(counted(values, bins)) == expected


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "g"])
def test_floats_by_the_default_edges(dtype: str) -> None:
    values = NORMAL.astype(dtype)
    for size in (1000, 5000):
        result = counted(np.resize(values, size))
        check_equal(result, peers(np.resize(values, size), "tensorflow"))


def test_masked_values_are_left_out() -> None:
    values = np.ma.masked_greater(np.array([1, 2, 99]), 50)
    result, note = histogram.of_values(values)
    assert note == "1 of 3 values is not finite and was left out"
    assert (result.num, result.maximum, result.total) == (2, 2, 3)


def test_a_longdouble_beyond_a_double_is_not_finite() -> None:
    if np.finfo(np.longdouble).max == LARGEST:
        pytest.skip("longdouble is double here")
    result, note = histogram.of_values(np.array([1, np.longdouble(LARGEST) * 2]))
    assert note == "1 of 2 values is not finite and was left out"
    assert result.maximum == 1


def test_sums_are_of_doubles() -> None:
    values = np.full(3_000_001, 0.1, np.float32)
    result = counted(values)
    exactly = float(np.float32(0.1))
    assert result.total == pytest.approx(3_000_001 * exactly, rel=1e-12)
    assert result.squares == pytest.approx(3_000_001 * exactly**2, rel=1e-12)
    large = np.array([2**53 + 2, -(2**53)], np.int64)
    assert counted(large).total == 2


@pytest.mark.full
def test_tensors() -> None:
    import jax.numpy as jnp
    import ml_dtypes
    import torch

    edges = [0, 1, 999_424, 2e6]
    expected = [(0, 0), (1, 1), (999_424, 1), (2e6, 1)]
    numbers = [0.5, 3.0, 999_424.0]  # all of them bfloat16
    for values in (
        torch.tensor(numbers, dtype=torch.bfloat16, requires_grad=True),
        torch.tensor(numbers, dtype=torch.float64).view(3, 1),
        jnp.array(numbers, jnp.bfloat16),
        np.array(numbers, ml_dtypes.bfloat16),
    ):
        result = counted(values, edges)
        assert (pairs(result), result.maximum) == (expected, 999_424)
        assert histogram.rows_of_values(values, 1)[0].tolist() == [[0.5, 999_424, 3]]
    assert counted(numbers, torch.tensor(edges)).limits.tolist() == edges
    assert len(counted(numbers, torch.tensor(3)).limits) == 4


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u1", "?", ">f8"])
@pytest.mark.parametrize("size", [0, 1, 1000, 20_000])
@pytest.mark.parametrize("max_bins", [None, 9])
def test_counted_later_as_at_once(dtype: str, size: int, max_bins: int | None) -> None:
    """`encode` counts what `prepare` has copied, whatever became of the user's array."""
    values = np.resize(NORMAL * 3, size).astype(dtype).reshape(-1, 1)[::-1]
    for bins in ("tensorflow", "doane", 12, [-1.0, 0.0, 2.0]):
        at_once, note = histogram.of_values(values, bins, max_bins)
        edges = np.array(bins) if isinstance(bins, list) else bins
        theirs = values.copy()
        prepared, told = histogram.prepare(theirs, edges, max_bins)
        theirs[...] = 0
        if isinstance(edges, np.ndarray):
            edges[...] = 0
        assert told == note
        stored = histogram.encode("h", prepared)
        assert stored == histogram.encode("h", prepared) == histogram.encode("h", at_once)
        assert stored.histo.num == size
    at_once_rows, note = histogram.rows_of_values(values, 7)
    theirs = values.copy()
    prepared_rows, told = histogram.prepare_rows(theirs, 7)
    theirs[...] = 0
    assert told == note
    assert histogram.encode("h", prepared_rows) == histogram.encode("h", at_once_rows)


def test_a_prepared_histogram_is_as_heavy_as_its_values() -> None:
    prepared, _ = histogram.prepare(np.zeros((30, 40), np.float32))
    assert isinstance(prepared, Uncounted)
    assert arrays.weight(prepared) == 30 * 40 * 4
    assert arrays.weight(histogram.prepare_rows([1.0, 2.0])[0]) == 16


@given(
    st.lists(st.tuples(st.floats(), st.floats()), max_size=300),
    st.tuples(*[st.floats()] * 5),
)
def test_bytes_are_those_of_the_fields(rows: list[tuple[float, float]], sums: Any) -> None:
    """The parser's short way, and the plain one."""
    limits = np.array([limit for limit, _ in rows], np.float64)
    counts = np.array([number for _, number in rows], np.float64)
    low, high, num, total, squares = sums
    plain = HistogramProto(
        min=low,
        max=high,
        num=num,
        sum=total,
        sum_squares=squares,
        bucket_limit=limits.tolist(),
        bucket=counts.tolist(),
    )
    stored = histogram.encode("h", Buckets(low, high, num, total, squares, limits, counts))
    expected = Summary.Value(tag="h", histo=plain)
    assert stored.SerializeToString() == expected.SerializeToString()


@pytest.mark.parametrize("number", [16, 2048, 1 << 20])
def test_bytes_of_many_buckets(number: int) -> None:
    """Lengths of one byte more each."""
    limits = np.arange(number, dtype=np.float64)
    histo = histogram.encode("h", Buckets(0, 1, 2, 3, 4, limits, limits + 0.5)).histo
    assert (np.array(histo.bucket_limit) == limits).all()
    assert (np.array(histo.bucket) == limits + 0.5).all()


@pytest.mark.parametrize("bins", ["tensorflow", "auto", 10, [-5.0, 0.0, 5.0]], ids=str)
def test_nothing_is_shared(bins: Any) -> None:
    values = NORMAL.copy()
    given = np.array(bins) if isinstance(bins, list) else bins
    result, rows = counted(values, given), histogram.rows_of_values(values)[0]
    before = pairs(result), rows.tolist()
    assert not np.shares_memory(result.limits, DEFAULT_EDGES)
    values[:] = 0
    if isinstance(given, np.ndarray):
        given[:] = 0
    assert (pairs(result), rows.tolist()) == before


def test_nothing_is_shared_with_counts() -> None:
    limits, counts = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    raw = histogram.of_counts(0, 2, 7, 1, 1, limits, counts)
    limits[:], counts[:] = 0, 0
    assert pairs(raw) == [(1, 3), (2, 4)]


# ------------------------------------------------------------------ any values at all

FLOATS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10, 10),
    st.floats(width=32),
    st.sampled_from(DEFAULT_EDGES.tolist()),
    st.sampled_from([0.0, -0.0, 1.0, LARGEST, -LARGEST, 5e-324]),
)
ANY_BINS = st.one_of(
    st.sampled_from(["tensorflow", *(rule for rule in histogram.RULES if rule != "stone")]),
    st.integers(1, 50),
    st.lists(st.floats(allow_nan=False) | st.sampled_from([math.inf, -math.inf]), min_size=2).map(
        sorted
    ),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(FLOATS, max_size=40), ANY_BINS, st.none() | st.integers(1, 20))
def test_every_finite_value_has_its_bucket(
    values: list[float], bins: Any, max_bins: int | None
) -> None:
    result, note = histogram.of_values(values, bins, max_bins)
    finite = sorted(value for value in values if math.isfinite(value))
    assert result.num == len(finite) == result.counts.sum()
    assert bool(note) == (len(finite) < len(values) or not finite)
    assert len(result.limits) == len(result.counts)
    limits = result.limits.tolist()
    assert all(map(math.isfinite, limits))
    assert limits == sorted(limits)
    if not finite:
        return
    assert (result.minimum, result.maximum) == (finite[0], finite[-1])
    assert result.counts[0] == 0 < result.counts[1]
    assert result.counts[-1] > 0
    if isinstance(bins, int) or bins in histogram.RULES:
        largest = max(map(abs, finite))
        if largest and not 2.0**-400 < largest < 2.0**400:
            return  # edges that are scaled back may be rounded
    # [limit, limit), and what is not below the last one in the last that is wide enough
    expected = [0] * len(limits)
    for value in finite:
        expected[min(bisect.bisect_right(limits, value), len(limits) - 1)] += 1
    assert result.counts.tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(FLOATS, max_size=40), st.integers(0, 40))
def test_rows_of_anything(values: list[float], buckets: int) -> None:
    rows, note = histogram.rows_of_values(values, buckets)
    finite = [value for value in values if math.isfinite(value)]
    assert rows.shape == (buckets, 3)
    assert np.isfinite(rows).all()
    assert bool(note) == (len(finite) < len(values) or not finite)
    if finite and buckets:
        assert rows[:, 2].sum() == len(finite)
        assert (rows[0, 0], rows[-1, 1]) == (min(finite), max(finite))
        assert (rows[:, 0] <= rows[:, 1]).all()


#: Within the range in which TensorBoard's arithmetic rounds to all the bits of a double.
MODERATE = st.floats(1e-100, 1e100) | st.floats(-1e100, -1e-100) | st.integers(-50, 50)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(MODERATE, max_size=40),
    st.none() | st.integers(0, 40),
)
def test_rows_equal_tensorboards(values: list[float], buckets: int | None) -> None:
    (theirs,) = summary_v2.histogram_pb("h", values, buckets).value
    ours, _ = histogram.rows_of_values(values, buckets)
    assert ours.tolist() == tensor_util.make_ndarray(theirs.tensor).tolist()
    stored = tensorboard_pb2.Summary.Value.FromString(
        histogram.encode("h", ours).SerializeToString()
    )
    assert tensor_util.make_ndarray(stored.tensor).tolist() == ours.tolist()
    assert stored.tensor.dtype == theirs.tensor.dtype


def test_rows_by_hand() -> None:
    """summary_v2.py: closed-open, the last closed; one value; none."""
    rows, _ = histogram.rows_of_values([0, 1, 2, 3, 4], 2)
    assert rows.tolist() == [[0, 2, 2], [2, 4, 3]]
    rows, _ = histogram.rows_of_values(np.full((2, 3), -2.5), 3)
    assert rows.tolist() == [[-2.5, -2.5, 0], [-2.5, -2.5, 0], [-2.5, -2.5, 6]]
    assert histogram.rows_of_values([1.0])[0].shape == (30, 3)
    assert histogram.rows_of_values([1.0], 0)[0].shape == (0, 3)
    assert histogram.rows_of_values([1.0, math.inf], 1)[0].tolist() == [[1, 1, 1]]


# ------------------------------------------------------------------ wrong arguments


@pytest.mark.parametrize(
    ("values", "bins", "max_bins", "error", "words"),
    [
        ("text", "tensorflow", None, TypeError, "values: want numbers, got str"),
        (None, "tensorflow", None, TypeError, "values: want numbers, got NoneType"),
        ([1j], "tensorflow", None, TypeError, "values: want real numbers, got dtype complex128"),
        ([[1], [1, 2]], "tensorflow", None, ValueError, "values: no array"),
        ([1], "freedman", None, ValueError, r'bins: want "tensorflow" or one of auto, .*freedman'),
        ([], "freedman", None, ValueError, "freedman"),
        ([1], 0, None, ValueError, "bins: want 1 to 1048576, got 0"),
        ([1], -3, None, ValueError, "bins: want 1 to 1048576, got -3"),
        ([1], 10**10, None, ValueError, "bins: want 1 to 1048576, got 10000000000"),
        ([1], 2.5, None, TypeError, "bins: want an integer, got 2.5"),
        ([1], True, None, TypeError, "bins: want an integer, got True"),
        ([1], None, None, TypeError, "bins: want numbers, got NoneType"),
        ([1], [1], None, ValueError, "bins: want two edges or more, got 1"),
        ([1], [], None, ValueError, "bins: want two edges or more, got 0"),
        ([1], [2, 1], None, ValueError, "bins: want edges in ascending order"),
        ([1], [0, math.nan, 1], None, ValueError, "bins: want edges in ascending order"),
        ([1], [[0, 1]], None, ValueError, r"bins: want one dimension, got shape \(1, 2\)"),
        ([1], ["a", "b"], None, TypeError, "bins: want numbers"),
        ([1], [1j, 2], None, TypeError, "bins: want real numbers"),
        ([1], 10, 0, ValueError, "max_bins: want 1 to 1048576, got 0"),
        ([1], 10, 1.5, TypeError, "max_bins: want an integer, got 1.5"),
    ],
    ids=str,
)
def test_wrong_values(
    values: Any, bins: Any, max_bins: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        histogram.of_values(values, bins, max_bins)


@pytest.mark.parametrize(
    ("buckets", "error", "words"),
    [
        (-1, ValueError, "buckets: want 0 to 1048576, got -1"),
        (10**9, ValueError, "buckets: want 0 to 1048576"),
        (3.0, TypeError, "buckets: want an integer, got 3.0"),
        (False, TypeError, "buckets: want an integer, got False"),
        ("3", TypeError, "buckets: want an integer, got '3'"),
    ],
)
def test_wrong_buckets(buckets: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        histogram.rows_of_values([1.0], buckets)


RAW: dict[str, Any] = {
    "minimum": 0,
    "maximum": 5,
    "num": 10,
    "total": 25,
    "squares": 70,
    "limits": [1, 2, 5],
    "counts": [3, 3, 4],
}


def test_of_counts() -> None:
    raw = histogram.of_counts(**RAW)
    value = histogram.encode("raw", raw)
    assert shown(value).tolist() == [[0, 1, 3], [1, 2, 3], [2, 5, 4]]
    assert (value.histo.num, value.histo.sum, value.histo.sum_squares) == (10, 25, 70)


@pytest.mark.parametrize(
    "change",
    [
        {"limits": [1, 2, math.inf]},
        {"limits": [1, 2, LARGEST]},
        {"limits": np.array([1, 1, 1])},
        {"counts": np.array([0.5, 0, 2.25], np.float32)},
        {"squares": math.inf},
        {"limits": [], "counts": []},
        # TF's of nothing
        {"num": 0, "minimum": LARGEST, "maximum": -LARGEST, "counts": [0, 0, 0]},
        {"minimum": np.float32(0), "maximum": np.array([5])},
    ],
    ids=str,
)
def test_what_others_may_have_counted(change: dict[str, Any]) -> None:
    given = RAW | change
    histo = histogram.encode("raw", histogram.of_counts(**given)).histo
    assert list(histo.bucket_limit) == list(given["limits"])
    assert list(histo.bucket) == list(given["counts"])
    assert (histo.min, histo.max, histo.num) == (given["minimum"], given["maximum"], given["num"])
    assert (histo.sum, histo.sum_squares) == (given["total"], given["squares"])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"limits": [0, 1, 2, 5]}, ValueError, "4 bucket_limits for 3 bucket_counts"),
        ({"limits": [1, 5, 2]}, ValueError, "bucket_limits: want them in ascending order"),
        ({"limits": [-math.inf, 1, 2]}, ValueError, "bucket_limits: want finite"),
        ({"limits": [1, math.nan, 2]}, ValueError, "bucket_limits: want finite"),
        ({"limits": [1, 2, math.nan]}, ValueError, "bucket_limits: want finite"),
        ({"limits": [1, math.inf, math.inf]}, ValueError, "bucket_limits: want finite"),
        ({"limits": [[1, 2, 5]]}, ValueError, "bucket_limits: want one dimension"),
        ({"limits": "abc"}, TypeError, "bucket_limits: want numbers"),
        ({"limits": [1j, 2, 3]}, TypeError, "bucket_limits: want real numbers"),
        ({"counts": [1, -1, 1]}, ValueError, "bucket_counts: want finite"),
        ({"counts": [1, math.inf, 1]}, ValueError, "bucket_counts: want finite"),
        ({"counts": [1, math.nan, 1]}, ValueError, "bucket_counts: want finite"),
        ({"counts": None}, TypeError, "bucket_counts: want numbers"),
        ({"minimum": math.nan}, ValueError, "min and max: want finite numbers"),
        ({"maximum": math.inf}, ValueError, "min and max: want finite numbers"),
        ({"minimum": 6}, ValueError, r"min 6.0 is greater than max 5.0"),
        ({"minimum": "x"}, TypeError, "min: want a number"),
        ({"maximum": [1, 2]}, ValueError, "max: want one number"),
        ({"num": -1}, ValueError, "num: want a finite number"),
        ({"num": math.inf}, ValueError, "num: want a finite number"),
        ({"num": 10**400}, ValueError, "num: an integer too large"),
        ({"total": math.nan}, ValueError, "sum and sum_squares: want numbers"),
        ({"squares": None}, TypeError, "sum_squares: want a number"),
    ],
    ids=str,
)
def test_wrong_counts(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        histogram.of_counts(**(RAW | change))
