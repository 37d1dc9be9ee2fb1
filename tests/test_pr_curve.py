"""PR curves: counts by hand, the peers' own results, and what they lose."""

from __future__ import annotations

import hashlib
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpus_values import truth_of, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2
from tensorboard.plugins.pr_curve import metadata as pr_curve_metadata
from tensorboard.util import tensor_util
from tensorboardX.summary import compute_curve

from tbio import read_events, tensor
from tbio.errors import DecodeError
from tbio.kinds import pr_curve
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

Array = npt.NDArray[Any]

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.random(1000) > 0.4
SCORES = np.clip(LABELS * 0.3 + RANDOM.normal(0.4, 0.2, 1000), 0, 1)


def counted(labels: Any, predictions: Any, *rest: Any, **named: Any) -> Array:
    """`of_predictions` where there is nothing to tell."""
    curve, note = pr_curve.of_predictions(labels, predictions, *rest, **named)
    assert note == ""
    assert curve.dtype == np.float32
    return curve


# ------------------------------------------------------------------ bytes


def test_bytes() -> None:
    value = pr_curve.encode("p", counted([True, False], [1.0, 0.25], num_thresholds=2))
    stored = value.SerializeToString(deterministic=True)
    rows = [(1, 1), (1, 0), (0, 1), (0, 0), (0.5, 1), (1, 1)]  # at the thresholds 0 and 1
    assert stored.hex() == "".join(
        [
            "0a0170",  # tag (field 1): "p"
            "423e",  # tensor (field 8), 62 bytes
            "0801",  # dtype: DT_FLOAT
            "12081202080612020802",  # tensor_shape: 6, 2
            "2230",  # tensor_content, 48 bytes
            *(struct.pack("<2f", *row).hex() for row in rows),
        ]
    )
    theirs = tensorboard_pb2.Summary.Value.FromString(stored)
    assert tensor_util.make_ndarray(theirs.tensor).tolist() == [list(row) for row in rows]


@pytest.mark.parametrize("number", [2, 127, 128, 201, 100_000])
def test_metadata(number: int) -> None:
    ours = pr_curve.metadata(number, "Validation", "of *two* classes")
    theirs = pr_curve_metadata.create_summary_metadata("Validation", "of *two* classes", number)
    theirs.data_class = tensorboard_pb2.DATA_CLASS_TENSOR  # as dataclass_compat.py adds
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())
    content = pr_curve_metadata.parse_plugin_metadata(ours.plugin_data.content)
    assert (content.version, content.num_thresholds) == (0, number)
    assert not pr_curve.encode("p", np.zeros((6, 2), np.float32)).HasField("metadata")


# ------------------------------------------------------------------ by hand, and as the peers


def test_by_hand() -> None:
    """Of 0.5 and more is true at the threshold 0.5; the least is true at 0 only."""
    labels = [1, 0, 1, 1, 0]
    predictions = [0.9, 0.5, 0.5, 0.2, 0.0]
    curve = counted(labels, predictions, 5)  # 0, 0.25, 0.5, 0.75, 1
    assert curve[:4].tolist() == [
        [3, 2, 2, 1, 0],
        [2, 1, 1, 0, 0],
        [0, 1, 1, 2, 2],
        [0, 1, 1, 2, 3],
    ]
    assert curve[4].tolist() == np.array([3 / 5, 2 / 3, 2 / 3, 1, 0], np.float32).tolist()
    assert curve[5].tolist() == np.array([1, 2 / 3, 2 / 3, 1 / 3, 0], np.float32).tolist()


@pytest.mark.parametrize("weights", [None, 2.5, RANDOM.random(1000)], ids=["none", "one", "each"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("number", [2, 5, 127, 128, 201, 5000])
def test_equal_to_tensorboardx(number: int, dtype: str, weights: Any) -> None:
    """By its own computation: of the number of thresholds its writer makes 127."""
    scores = SCORES.astype(dtype)
    ours = counted(LABELS, scores, number, weights)
    theirs = compute_curve(LABELS, scores, number, weights)
    assert ours.shape == (6, number)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    if weights is None:
        assert (ours == theirs.astype(np.float32)).all()


@pytest.mark.full
def test_equal_to_torch() -> None:
    import torch
    from torch.utils.tensorboard.summary import pr_curve as torchs

    (theirs,) = torchs("p", LABELS, SCORES, 100).value
    ours = counted(torch.from_numpy(LABELS), torch.from_numpy(SCORES).requires_grad_(), 100)
    assert ours.ravel().tolist() == list(theirs.tensor.float_val)
    metadata = SummaryMetadata.FromString(theirs.metadata.SerializeToString())
    assert pr_curve.metadata(100).plugin_data == metadata.plugin_data
    # where they are wrong: 127 at most
    (theirs,) = torchs("p", LABELS, SCORES, 200).value
    assert len(theirs.tensor.float_val) == 6 * 127
    assert counted(LABELS, SCORES, 200).shape == (6, 200)
    # bfloat16
    halves = torch.tensor([0.25, 0.75], dtype=torch.bfloat16)
    assert counted(torch.tensor([0, 1]), halves, 5)[0].tolist() == [1, 1, 1, 1, 0]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]))),
    st.integers(2, 300),
)
def test_every_prediction_at_every_threshold(pairs: list[tuple[bool, float]], number: int) -> None:
    labels, scores = [label for label, _ in pairs], [score for _, score in pairs]
    curve, note = pr_curve.of_predictions(np.array(labels, bool), np.array(scores), number)
    assert bool(note) == (not pairs)
    steps = [math.floor(score * (number - 1)) for score in scores]
    for index in {0, 1, number // 2, number - 1}:
        said = [step >= index for step in steps]
        cases = list(zip(said, labels, strict=True))
        true_positives, false_positives = cases.count((True, True)), cases.count((True, False))
        true_negatives, false_negatives = cases.count((False, False)), cases.count((False, True))
        expected = [true_positives, false_positives, true_negatives, false_negatives]
        assert curve[:4, index].tolist() == expected
        precision = true_positives / max(1, true_positives + false_positives)
        recall = true_positives / max(1, true_positives + false_negatives)
        assert curve[4:, index].tolist() == np.array([precision, recall], np.float32).tolist()


def test_a_float32_reaches_the_threshold_it_was_rounded_from() -> None:
    """As with the peers: 0.7 of 10 steps is 7 in float32, and not 6.9999999."""
    score = np.array([0.7], np.float32)
    assert float(score[0]) < 0.7
    for ours in (counted([1], score, 11), compute_curve(np.array([1]), score, 11)):
        assert ours[0].tolist() == [1] * 8 + [0] * 3
    assert counted([1], score.astype(np.float64), 11)[0].tolist() == [1] * 7 + [0] * 4


def test_float16_is_computed_as_float32() -> None:
    """In float16, as the peers do it, 1000 thresholds cannot be told apart, and 2**17 overflow."""
    scores = np.array([0.9995, 1.0], np.float16)  # the first is 0.99951171875
    curve = counted([1, 1], scores, (1 << 17) + 1)
    step = int(0.99951171875 * (1 << 17))
    assert curve[0, step - 1 : step + 3].tolist() == [2, 2, 1, 1]
    assert curve[0, -1] == 1


# ------------------------------------------------------------------ corpus


def stored_in(corpus: Path, folder: str) -> dict[tuple[str, int], Summary.Value]:
    (file,) = (corpus / "peers" / folder).iterdir()
    events = read_events(file)
    return {(value.tag, event.step): value for event in events for value in event.summary.value}


RAW = (
    [75, 64, 21, 5, 0],
    [150, 105, 18, 0, 0],
    [0, 45, 132, 150, 150],
    [0, 11, 54, 70, 75],
)


def test_corpus_of_tensorflow(corpus: Path) -> None:
    """Its op and its pb, on data drawn again from the seed of corpus/scripts."""
    stored = stored_in(corpus, "tensorflow/v1_pr_curve")
    rng = np.random.default_rng(11)
    for _ in range(3):
        rng.random((2, 7, 11, 3))
    rng.integers(0, 255, (1, 5, 6, 1), dtype="u1")
    rng.random((1, 4, 4, 2))
    rng.integers(0, 255, (1, 8, 8, 4), dtype="u1")
    rng.integers(0, 65535, (1, 3, 10, 3))
    for step in range(5):
        rng.normal(step, 1 + step, 500)
    rng.integers(-100, 100, (4, 5, 6))
    rng.random(800)
    for _ in range(2):
        rng.random((1, 50, 3))
        rng.integers(0, 255, (1, 50, 3))
    of_op = counted(rng.random(200) > 0.5, rng.random(200).astype("f"), 11)
    of_pb = counted(rng.random(50) > 0.3, rng.random(50), 7)
    raw = pr_curve.of_counts(
        *RAW,
        precision=[0.3333333, 0.3786982, 0.5384616, 1.0, 0.0],
        recall=[1.0, 0.8533334, 0.28, 0.0666667, 0.0],
    )
    for (tag, step), ours in (
        (("pr", 0), of_op),
        (("pr", 2), of_op),
        (("pr_pb", 4), of_pb),
        (("pr_raw", 4), raw),
    ):
        theirs = stored[f"{tag}/pr_curves", step]
        assert theirs.tensor.dtype == tensor_pb2.DT_FLOAT
        np.testing.assert_array_almost_equal_nulp(ours, tensor.decode(theirs.tensor), 1)
        if step != 2:
            metadata = pr_curve.metadata(ours.shape[1]).plugin_data
            assert theirs.metadata.plugin_data == metadata


@pytest.mark.parametrize("writer", ["torch", "tensorboardX"])
def test_corpus_of_the_peers(corpus: Path, writer: str) -> None:
    stored = stored_in(corpus, f"{writer}/pr_mesh_layout")
    theirs = stored["pr raw", 2]
    ours = pr_curve.of_counts(*RAW, [0.33, 0.37, 0.53, 1.0, 0.0], [1.0, 0.85, 0.28, 0.06, 0.0])
    assert (ours == tensor.decode(theirs.tensor)).all()
    assert theirs.metadata.plugin_data == pr_curve.metadata(5).plugin_data
    # What they counted holds together by our reading of the rows.
    rows = tensor.decode(stored["pr", 0].tensor)
    assert rows.shape == (6, 127)
    assert (rows[:4].sum(axis=0) == 100).all()
    again = np.maximum(rows[0] + rows[1], 1), np.maximum(rows[0] + rows[3], 1)
    np.testing.assert_allclose(rows[4:], [rows[0] / again[0], rows[0] / again[1]], rtol=1e-6)


# ------------------------------------------------------------------ where the peers are wrong


def test_outside_of_0_to_1() -> None:
    """The peers lose such predictions; TensorFlow's op clips them, and so do we, and say it."""
    labels = np.array([1, 1, 0, 0])
    scores = np.array([1.5, 0.5, -0.5, 0.25])
    theirs = compute_curve(labels, scores, 5)
    assert theirs[:2, 0].tolist() == [1, 1]  # two of four
    curve, note = pr_curve.of_predictions(labels, scores, 5)
    assert note == (
        "2 of 4 predictions are outside of [0, 1] (they go from -0.5 to 1.5) and were clipped"
    )
    assert (curve == counted(labels, [1, 0.5, 0, 0.25], 5)).all()
    assert curve[:4, 0].tolist() == [2, 2, 0, 0]
    assert curve[:4, -1].tolist() == [1, 0, 2, 1]
    curve, note = pr_curve.of_predictions([1, 0], [math.inf, -math.inf], 3)
    assert note.startswith("2 of 2 predictions are outside of [0, 1] (they go from -inf to inf)")
    assert curve[:2].tolist() == [[1, 1, 1], [1, 0, 0]]
    counted([1, 0], [0.0, 1.0])  # which belong to it
    assert pr_curve.of_predictions([1], [math.nextafter(1, 2)])[1] != ""
    assert pr_curve.of_predictions([1], [-5e-324])[1] != ""


def test_not_a_number() -> None:
    labels, scores = [1, 1, 0, 1], [0.5, math.nan, math.nan, 0.75]
    curve, note = pr_curve.of_predictions(labels, scores, 5, weights=[1, 10, 100, 2])
    assert note == "2 of 4 predictions are NaN and were left out"
    assert (curve == counted([1, 1], [0.5, 0.75], 5, weights=[1, 2])).all()
    curve, note = pr_curve.of_predictions([[1, 0], [0, 1]], [[math.nan, 2], [0.5, 0.5]], 3)
    assert note == (
        "1 of 4 predictions are NaN and were left out; "
        "1 of 4 predictions are outside of [0, 1] (they go from 0.5 to 2) and were clipped"
    )
    assert curve[:2].tolist() == [[1, 1, 0], [2, 2, 1]]
    masked = np.ma.array([0.25, 0.5], mask=[True, False])
    curve, note = pr_curve.of_predictions([0, 1], masked, 3)
    assert (note, curve[:2, 0].tolist()) == (
        "1 of 2 predictions are NaN and were left out",
        [1, 0],
    )


@pytest.mark.parametrize(
    ("labels", "scores", "words"),
    [
        ([], [], "there are no predictions: an empty curve is stored"),
        (np.empty((0, 2), bool), np.empty((0, 2)), "there are no predictions"),
        ([0, 1], [math.nan, math.nan], "2 of 2 predictions are NaN and were left out"),
    ],
)
def test_no_prediction(labels: Any, scores: Any, words: str) -> None:
    """A curve of zeros, and no error: it is the data that decides, in the middle of a run."""
    curve, note = pr_curve.of_predictions(labels, scores, 4)
    assert note.startswith(words)
    assert (curve == np.zeros((6, 4))).all()


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only(label: int) -> None:
    curve = counted([label] * 3, [0.1, 0.6, 0.9], 3)
    hits, misses = [3, 2, 0], [0, 1, 3]
    none = [0, 0, 0]
    assert curve[:4].tolist() == (
        [hits, none, none, misses] if label else [none, hits, misses, none]
    )
    assert np.isfinite(curve).all()
    if not label:
        assert curve[4:].tolist() == [none, none]


# ------------------------------------------------------------------ input of every kind


@pytest.mark.parametrize(
    "labels",
    [
        np.array([True, False, True]),
        np.array([1, 0, 1], np.uint8),
        np.array([1, 0, 1], np.int64),
        np.array([1, -0.0, 1], np.float32),
        [1, 0, 1],
        [True, 0, 1.0],
        (1, 0, 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "scores",
    [
        np.array([0.5, 0.25, 1], np.float16),
        np.array([0.5, 0.25, 1], ">f4"),
        np.array([0.5, 0.25, 1], np.longdouble),
        np.array([9, 0.5, 9, 0.25, 9, 1])[1::2],
        [0.5, 0.25, 1],
    ],
    ids=lambda scores: f"{type(scores).__name__} {getattr(scores, 'dtype', '')}",
)
def test_types(labels: Any, scores: Any) -> None:
    assert counted(labels, scores, 5)[:2].tolist() == [[2, 2, 2, 1, 1], [1, 1, 0, 0, 0]]


def test_predictions_that_are_decisions() -> None:
    for scores in ([0, 1, 1], np.array([False, True, True]), np.array([0, 1, 1], np.int8)):
        assert counted([0, 1, 0], scores, 2)[:4].tolist() == [[1, 1], [2, 1], [0, 1], [0, 0]]


def test_shapes_and_weights() -> None:
    labels, scores = np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.8], [0.2, 0.1]])
    flat = counted(labels.ravel(), scores.ravel(), 3)
    assert (counted(labels, scores, 3) == flat).all()
    assert (counted(labels.T, scores.T, 3) == flat).all()
    assert counted(1, 0.75, 5)[0].tolist() == [1, 1, 1, 1, 0]
    assert counted(labels, scores, 3, weights=[[2], [0]])[:2, 0].tolist() == [2, 2]
    assert counted(labels, scores, 3, weights=[2, 0.25])[:2, 0].tolist() == [2.25, 2.25]
    assert counted(labels, scores, 3, weights=np.array(3))[:2, 0].tolist() == [6, 6]
    assert counted(labels, scores, 3, weights=labels == 1)[:2, 0].tolist() == [2, 0]


def test_small_weights() -> None:
    """Precision and recall do not depend on the scale; 1e-7 only stands in for 0."""
    large, small = (counted(LABELS, SCORES, 50, weights) for weights in (1, 1e-6))
    np.testing.assert_allclose(small[4:], large[4:], rtol=1e-6)
    assert large[4, 0] == pytest.approx(LABELS.mean())


def test_default_thresholds() -> None:
    assert counted(LABELS, SCORES).shape == (6, 127)
    assert counted(LABELS, SCORES, None).shape == (6, 127)
    assert counted(LABELS, SCORES, np.int64(7)).shape == (6, 7)


def test_nothing_is_shared() -> None:
    labels, scores = LABELS.copy(), SCORES.copy()
    curve = counted(labels, scores, 10)
    before = curve.tolist()
    labels[:], scores[:] = False, 0
    assert curve.tolist() == before
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    curve = pr_curve.of_counts(*rows)
    rows[:] = -1
    assert curve.ravel().tolist() == list(range(12))


# ------------------------------------------------------------------ wrong arguments

TWO: dict[str, Any] = {"labels": [0, 1], "predictions": [0.5, 0.75]}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"labels": [0, 2]}, ValueError, "labels: want bool, or 0 and 1, got 2"),
        ({"labels": [-1, 1]}, ValueError, "labels: want bool, or 0 and 1, got -1"),
        ({"labels": [0.0, 0.5]}, ValueError, "labels: want bool, or 0 and 1, got 0.5"),
        ({"labels": [0.0, math.nan]}, ValueError, "labels: want bool, or 0 and 1, got nan"),
        ({"labels": [0, 1, 1]}, ValueError, r"labels of shape \(3,\) for predictions of shape"),
        ({"labels": [[0], [1]]}, ValueError, r"labels of shape \(2, 1\) for predictions of shape"),
        ({"labels": ["a", "b"]}, TypeError, "labels: want numbers"),
        ({"labels": None}, TypeError, "labels: want numbers, got NoneType"),
        ({"predictions": "text"}, TypeError, "predictions: want numbers, got str"),
        ({"predictions": [1j, 0]}, TypeError, "predictions: want real numbers"),
        ({"predictions": [[1], [1, 2]]}, ValueError, "predictions: no array"),
        ({"weights": [1, 2, 3]}, ValueError, r"weights of shape \(3,\) for labels of shape \(2,\)"),
        ({"weights": [1, -1]}, ValueError, "weights: want numbers that are not negative"),
        ({"weights": [1, math.nan]}, ValueError, "weights: want numbers that are not negative"),
        ({"weights": math.inf}, ValueError, "weights: want numbers that are not negative"),
        ({"weights": 1e38}, ValueError, r"with a sum below 2\*\*127"),
        ({"weights": "x"}, TypeError, "weights: want numbers"),
        ({"num_thresholds": 1}, ValueError, "num_thresholds: want 2 to 1048576, got 1"),
        ({"num_thresholds": -5}, ValueError, "num_thresholds: want 2 to 1048576, got -5"),
        ({"num_thresholds": 10**9}, ValueError, "num_thresholds: want 2 to 1048576"),
        ({"num_thresholds": 10.0}, TypeError, "num_thresholds: want an integer, got 10.0"),
        ({"num_thresholds": True}, TypeError, "num_thresholds: want an integer, got True"),
    ],
    ids=str,
)
def test_wrong_predictions(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pr_curve.of_predictions(**(TWO | change))


GIVEN: dict[str, Any] = {
    "true_positives": [3, 1],
    "false_positives": [5, 0],
    "true_negatives": [0, 5],
    "false_negatives": [0, 2],
    "precision": [0.375, 1],
    "recall": [1, 0.25],
}


def test_of_counts() -> None:
    curve = pr_curve.of_counts(**GIVEN)
    assert curve.dtype == np.float32
    assert curve.tolist() == list(GIVEN.values())
    # 0 / 0, at the end of most curves, where TensorBoard cuts it off
    curve = pr_curve.of_counts(**(GIVEN | {"precision": [0.375, math.nan]}))
    assert math.isnan(curve[4, 1])
    weighted = pr_curve.of_counts(**(GIVEN | {"true_positives": np.array([2.5, 0.5])}))
    assert weighted[0].tolist() == [2.5, 0.5]


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"recall": [1]},
            ValueError,
            r"the same length, got true_positive_counts \[2\], .*recall \[1\]",
        ),
        ({"recall": [[1, 2]]}, ValueError, r"recall \[1, 2\]"),
        ({key: [[1, 2]] for key in GIVEN}, ValueError, "of one dimension"),
        (dict.fromkeys(GIVEN, 1), ValueError, "of one dimension"),
        ({key: [1] for key in GIVEN}, ValueError, "num_thresholds: want 2 to 1048576, got 1"),
        ({key: [] for key in GIVEN}, ValueError, "num_thresholds: want 2 to 1048576, got 0"),
        ({"true_positives": [1, math.nan]}, ValueError, "true_positive_counts: want finite"),
        ({"false_positives": [1, math.inf]}, ValueError, "false_positive_counts: want finite"),
        ({"true_negatives": [1e39, 1]}, ValueError, "true_negative_counts: want finite float32"),
        ({"false_negatives": [1, -1]}, ValueError, "false_negative_counts: want finite"),
        ({"precision": ["a", "b"]}, TypeError, "precision: want numbers"),
        ({"recall": [1j, 0]}, TypeError, "recall: want real numbers"),
        ({"recall": None}, TypeError, "recall: want numbers, got NoneType"),
    ],
    ids=str,
)
def test_wrong_counts(change: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        pr_curve.of_counts(**(GIVEN | change))


# ------------------------------------------------------------------ decoding


def read(rows: Any) -> pr_curve.PrCurve:
    return pr_curve.decode(Summary.Value(tensor=tensor.encode(rows)), pr_curve.metadata(9))


def test_decode() -> None:
    rows = counted([1, 0, 1, 1], [0.9, 0.6, 0.5, 0.1], 3)
    curve = pr_curve.decode(pr_curve.encode("p", rows), pr_curve.metadata(3))
    assert (curve.num_thresholds, curve.thresholds.tolist()) == (3, [0.0, 0.5, 1.0])
    assert curve.rows.tobytes() == rows.tobytes()
    assert curve.true_positives.tolist() == [3, 2, 0]
    assert curve.false_positives.tolist() == [1, 1, 0]
    assert curve.true_negatives.tolist() == [0, 0, 1]
    assert curve.false_negatives.tolist() == [0, 1, 3]
    assert curve.precision.tolist() == [0.75, np.float32(2 / 3), 0]
    assert curve.recall.tolist() == [1, np.float32(2 / 3), 0]
    for row in (curve.rows, curve.precision, curve.recall, curve.true_positives):
        assert row.dtype == np.float32
        assert not row.flags.writeable
    # (1 - 2/3) * 3/4 + (2/3 - 0) * 2/3
    assert curve.average_precision == pytest.approx(1 / 4 + 4 / 9)
    assert repr(curve) == "<PrCurve of 3 thresholds: average precision 0.6944>"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=30))
def test_average_precision_is_that_of_the_ranking(points: list[tuple[bool, int]]) -> None:
    """By its definition, over scores that lie on thresholds: sum of precision times gain."""
    labels, scores = zip(*points, strict=True)
    positives, expected, before = sum(labels), 0.0, 0
    for score in sorted(set(scores), reverse=True):
        shown = [label for label, other in points if other >= score]
        if positives:
            expected += sum(shown) / len(shown) * (sum(shown) - before) / positives
        before = sum(shown)
    # 2**-5 steps, so that thresholds are exact
    curve = read(counted(labels, np.array(scores) / 32, 33))
    assert curve.average_precision == pytest.approx(expected, abs=1e-6)


def test_precision_that_is_not_defined() -> None:
    rows = np.array([[2, 1, 0], [1, 0, 0], [0, 1, 1], [0, 1, 2], [2 / 3, 1, np.nan], [1, 0.5, 0]])
    curve = read(rows)
    assert math.isnan(curve.precision[2])
    assert curve.average_precision == pytest.approx(0.5 * 2 / 3 + 0.5)
    rows[4, 0] = np.nan
    assert math.isnan(read(rows).average_precision)
    rows[5] = [np.inf, np.inf, -np.inf]
    assert "average precision nan" in repr(read(rows))


@pytest.mark.parametrize("dtype", ["float64", "int32", "float16", "uint8"])
def test_other_numbers_become_float32(dtype: str) -> None:
    curve = read(np.ones((6, 2), dtype))
    assert (curve.rows.dtype.name, curve.rows.tolist()) == ("float32", [[1, 1]] * 6)


def test_curves_of_one_threshold_and_none() -> None:
    assert read(np.ones((6, 1))).thresholds.tolist() == [0]
    none = read(np.ones((6, 0)))
    assert (none.num_thresholds, none.thresholds.tolist(), none.average_precision) == (0, [], 0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(), "a PR curve without a tensor: it holds nothing"),
        (Summary.Value(simple_value=1), "a PR curve without a tensor: it holds simple_value"),
        (
            Summary.Value(tensor=tensor.encode(np.ones((5, 2)))),
            r"DT_DOUBLE of shape \[5, 2\], where",
        ),
        (Summary.Value(tensor=tensor.encode(np.ones(6))), r"DT_DOUBLE of shape \[6\], where six"),
        (Summary.Value(tensor=tensor.encode(np.ones((6, 2, 1)))), r"of shape \[6, 2, 1\], where"),
        (Summary.Value(tensor=tensor.encode(np.ones((6, 2)) * 1j)), "DT_COMPLEX128 of shape"),
        (Summary.Value(tensor=tensor.encode(np.array([["a"]] * 6))), "DT_STRING of shape"),
        (Summary.Value(tensor={"dtype": tensor_pb2.DT_QINT8}), "not supported"),
    ],
)
def test_no_curve(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        pr_curve.decode(value, SummaryMetadata())


def test_doubles_beyond_float32_become_infinite() -> None:
    assert read(np.full((6, 2), 1e300)).rows[0, 0] == math.inf


def test_the_corpus_as_tensorboard_reads_it(corpus: Path) -> None:
    count = 0
    for path, tags in truth_of(corpus, "pr_curves").items():
        values = values_of(corpus / path)
        for tag, one in tags.items():
            for stored, which in ((values[tag][0], "first"), (values[tag][-1], "last")):
                curve = pr_curve.decode(stored, stored.metadata)
                expected = one["pr_curves"][which]
                assert list(curve.rows.shape) == expected["shape"]
                assert hashlib.sha256(curve.rows.tobytes()).hexdigest() == expected["sha256_le"]
                assert curve.num_thresholds == one["pr_curves"]["num_thresholds"]
                count += 1
    assert count >= 10
