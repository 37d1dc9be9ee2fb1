"""Precision-recall curves: how a binary classifier does at each of a row of thresholds.

One encoding is in use (tensorboard/plugins/pr_curve/metadata.py and summary.py): a tensor of floats
of shape [6, T] with the rows true positives, false positives, true negatives, false negatives,
precision and recall, and plugin "pr_curves" on the tag's first value. The thresholds are not
stored: there are T of them, evenly spaced from 0 to 1 (pr_curves_plugin.py). What is
read is a `PrCurve`.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio import arrays, plugins, tensor
from tbio.errors import DecodeError
from tbio.proto.plugin_data_pb2 import PrCurvePluginData
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

Array: TypeAlias = npt.NDArray[Any]
#: float32 [6, T]: true and false positives, true and false negatives, precision, recall.
Curve: TypeAlias = npt.NDArray[np.float32]

#: As many as torch and tensorboardX make.
DEFAULT_THRESHOLDS = 127

_MOST_THRESHOLDS = 1 << 20
_LARGEST_SUM = 2.0**127  # a float32 holds it
_LEAST_COUNT = 1e-7  # in place of 0 as a divisor, as in summary.py


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PrCurve:
    """How a binary classifier does that says "true" where its score reaches a threshold.

    The counts are floats, since predictions may have weights. Where no prediction reaches a
    threshold precision is not defined; writers put 0 there, some NaN. At the end of the curve
    TensorBoard leaves such thresholds out (``_make_pr_entry``); here they stay.

    Attributes:
        rows: float32 [6, T], read-only: the curve as it is stored.

    >>> curve = PrCurve(of_predictions([0, 1, 1], [0.4, 0.6, 0.9], num_thresholds=3)[0])
    >>> curve
    <PrCurve of 3 thresholds: average precision 1>
    >>> curve.thresholds, curve.recall
    (array([0. , 0.5, 1. ]), array([1., 1., 0.], dtype=float32))
    """

    rows: Curve

    def __repr__(self) -> str:
        ap = self.average_precision
        return f"<PrCurve of {self.num_thresholds} thresholds: average precision {ap:.4g}>"

    @property
    def num_thresholds(self) -> int:
        """T, the number of thresholds."""
        return len(self._row(0))

    def _row(self, index: int) -> Curve:
        row: Curve = self.rows[index]
        return row

    @property
    def thresholds(self) -> npt.NDArray[np.float64]:
        """float64 [T], evenly spaced from 0 to 1."""
        return np.linspace(0.0, 1.0, self.num_thresholds).astype(np.float64, copy=False)

    @property
    def true_positives(self) -> Curve:
        """float32 [T]: the weight of the positives that reach each threshold."""
        return self._row(0)

    @property
    def false_positives(self) -> Curve:
        """float32 [T]: the weight of the negatives that reach each threshold."""
        return self._row(1)

    @property
    def true_negatives(self) -> Curve:
        """float32 [T]: the weight of the negatives that stay below."""
        return self._row(2)

    @property
    def false_negatives(self) -> Curve:
        """float32 [T]: the weight of the positives that stay below."""
        return self._row(3)

    @property
    def precision(self) -> Curve:
        """float32 [T]: true positives of all that reach the threshold."""
        return self._row(4)

    @property
    def recall(self) -> Curve:
        """float32 [T]: true positives of all that are positive."""
        return self._row(5)

    @property
    def average_precision(self) -> float:
        """The area under the curve as steps: the mean of precision over recall.

        At each threshold, precision times what recall it has beyond the next higher one, without
        interpolation. That is scikit-learn's ``average_precision_score``, but of scores rounded
        down to the thresholds. NaN where recall changes at a precision of NaN.
        """
        recall = np.append(self.recall.astype(np.float64), 0.0)
        with np.errstate(invalid="ignore", over="ignore"):  # of a log with infinities
            gained = recall[:-1] - recall[1:]
            counts = gained != 0  # where nothing is gained, a precision of NaN is none's loss
            return float((gained[counts] * self.precision[counts]).sum())


def decode(value: Summary.Value, metadata: SummaryMetadata) -> PrCurve:
    """The curve of a summary value.

    Args:
        metadata: of the tag, of no effect here: TensorBoard takes the number of thresholds from the
            shape as well.

    Raises:
        DecodeError: no tensor of real numbers of shape [6, T].

    >>> curve, _ = of_predictions([0, 1, 1], [0.4, 0.6, 0.9], num_thresholds=3)
    >>> decode(encode("pr", curve), metadata(3)).precision
    array([0.6666667, 1.       , 0.       ], dtype=float32)
    """
    proto = tensor.of_value(value, "a PR curve")
    rows = tensor.decode(proto)
    if rows.dtype.kind not in "biuf" or rows.ndim != 2 or len(rows) != 6:
        raise DecodeError(
            f"a PR curve of {tensor.dtype_name(proto.dtype)} of shape {list(rows.shape)}, "
            "where six rows of numbers belong"
        )
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float32, copy=False)
    rows.flags.writeable = False
    return PrCurve(rows)


def metadata(num_thresholds: int, display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of a tag with PR curves, for its first value."""
    content = PrCurvePluginData(version=0, num_thresholds=num_thresholds).SerializeToString()
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.PR_CURVES, content=content),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_TENSOR,
    )


def encode(tag: str, curve: Curve) -> Summary.Value:
    """One curve as a summary value, without metadata: the tag's first value needs `metadata`."""
    return Summary.Value(tag=tag, tensor=tensor.encode(curve))


def of_predictions(
    labels: Any,
    predictions: Any,
    num_thresholds: int | None = DEFAULT_THRESHOLDS,
    weights: Any = None,
) -> tuple[Curve, str]:
    """The curve of a classifier that says "true" where ``prediction >= threshold``.

    The rules are those of tensorboard/plugins/pr_curve/summary.py. Its ``op`` clips predictions
    outside of [0, 1]; its ``pb``, torch and tensorboardX lose them. Here they are clipped and told
    of. A prediction that is NaN is left out.

    Args:
        labels: bool, or numbers that are 0 or 1, of any shape.
        predictions: numbers in [0, 1], of the same shape.
        num_thresholds: two or more; None is 127.
        weights: how much each prediction counts: numbers that are not negative, of a shape that
            broadcasts to that of ``labels``.

    Returns:
        The curve, and what has to be told of it: predictions clipped or left out, or none at all.
        It shares no memory with the arguments.

    Raises:
        TypeError: something that is not real numbers; a number of thresholds that is no integer.
        ValueError: labels that are neither 0 nor 1; shapes that differ; weights as described;
            fewer than two thresholds, or more than 2**20.

    >>> curve, note = of_predictions([0, 1, 1], [0.4, 0.6, 0.9], num_thresholds=3)
    >>> curve[4:]  # precision and recall at 0, 0.5 and 1
    array([[0.6666667, 1.       , 0.       ],
           [1.       , 1.       , 0.       ]], dtype=float32)
    """
    number = _thresholds(DEFAULT_THRESHOLDS if num_thresholds is None else num_thresholds)
    truth, scores = _truth(labels), arrays.real_numbers("predictions", predictions)
    if truth.shape != scores.shape:
        raise ValueError(f"labels of shape {truth.shape} for predictions of shape {scores.shape}")
    weight = np.ones(truth.size) if weights is None else _weights(weights, truth.shape)
    # In float32 where the predictions are no wider, as with the peers: a float32 0.7 is just below
    # the threshold 0.7, and yet reaches it.
    wide = scores.dtype.kind != "f" or scores.dtype.itemsize > 4
    scores = scores.astype(np.float64 if wide else np.float32).ravel()
    kept, scores, note = _into_range(scores)
    return _curve(truth.ravel()[kept], scores, weight[kept], number), note


def _curve(truth: Array, scores: Array, weight: Array, number: int) -> Curve:
    steps = np.floor(scores * scores.dtype.type(number - 1)).astype(np.intp)
    true_positives = _not_below(np.bincount(steps, np.where(truth, weight, 0), number))
    false_positives = _not_below(np.bincount(steps, np.where(truth, 0, weight), number))
    true_negatives = false_positives[0] - false_positives
    false_negatives = true_positives[0] - true_positives
    shown, real = true_positives + false_positives, true_positives + false_negatives
    rows = (
        true_positives,
        false_positives,
        true_negatives,
        false_negatives,
        true_positives / np.maximum(_LEAST_COUNT, shown),
        true_positives / np.maximum(_LEAST_COUNT, real),
    )
    return np.array(rows, np.float32)


def of_counts(
    true_positives: Any,
    false_positives: Any,
    true_negatives: Any,
    false_negatives: Any,
    precision: Any,
    recall: Any,
) -> Curve:
    """A curve that was computed elsewhere, as for ``add_pr_curve_raw``.

    Args:
        true_positives: [T], at thresholds evenly spaced from 0 to 1; two or more of them.
        false_positives: [T].
        true_negatives: [T].
        false_negatives: [T].
        precision: [T]; NaN is fine where it is not defined.
        recall: [T]; likewise.

    Raises:
        TypeError: something that is not real numbers.
        ValueError: shapes other than [T]; counts that are not finite (TensorBoard fails at them),
            or negative.

    >>> of_counts([3, 1], [5, 0], [0, 5], [0, 2], [0.375, 1], [1, 1 / 3]).shape
    (6, 2)
    """
    given = {
        "true_positive_counts": true_positives,
        "false_positive_counts": false_positives,
        "true_negative_counts": true_negatives,
        "false_negative_counts": false_negatives,
        "precision": precision,
        "recall": recall,
    }
    rows = {what: arrays.real_numbers(what, values) for what, values in given.items()}
    shapes = {what: row.shape for what, row in rows.items()}
    if len(set(shapes.values())) > 1 or any(len(shape) != 1 for shape in shapes.values()):
        words = ", ".join(f"{what} {list(shape)}" for what, shape in shapes.items())
        raise ValueError(f"want six arrays of one dimension and the same length, got {words}")
    _thresholds(len(rows["recall"]))
    with np.errstate(over="ignore"):
        curve = np.array(list(rows.values())).astype(np.float32)
    for what, row in zip(list(rows)[:4], curve, strict=False):
        if not ((row >= 0) & (row < np.inf)).all():
            raise ValueError(f"{what}: want finite float32 numbers that are not negative")
    return curve


def _not_below(counts: Array) -> Array:
    """Counts by the highest threshold reached -> counts by threshold of all that reach it."""
    return np.cumsum(counts[::-1])[::-1]


def _into_range(scores: Array) -> tuple[Array | slice, Array, str]:
    """Which of the predictions are kept, these within [0, 1], and what has to be told."""
    everything = slice(None)
    if not scores.size:
        return everything, scores, "there are no predictions: an empty curve is stored"
    if scores.min() >= 0 and scores.max() <= 1:  # which NaN would not be
        return everything, scores, ""
    kept = ~np.isnan(scores)
    given, total, notes = scores[kept], scores.size, []
    inside = np.clip(given, 0, 1)
    if given.size < total:
        notes.append(f"{total - given.size} of {total} predictions are NaN and were left out")
    if clipped := np.count_nonzero(inside != given):
        notes.append(
            f"{clipped} of {total} predictions are outside of [0, 1] (they go from "
            f"{given.min():.6g} to {given.max():.6g}) and were clipped"
        )
    return kept, inside, "; ".join(notes)


def _truth(labels: Any) -> Array:
    array = arrays.real_numbers("labels", labels)
    truth: Array = array != 0
    wrong = array[truth & (array != 1)]
    if wrong.size:
        raise ValueError(f"labels: want bool, or 0 and 1, got {wrong.flat[0]}")
    return truth


def _weights(weights: Any, shape: tuple[int, ...]) -> Array:
    array = arrays.real_numbers("weights", weights).astype(np.float64)
    try:
        array = np.broadcast_to(array, shape).ravel()
    except ValueError as error:
        raise ValueError(f"weights of shape {array.shape} for labels of shape {shape}") from error
    if not ((array >= 0).all() and array.sum() < _LARGEST_SUM):
        raise ValueError("weights: want numbers that are not negative, with a sum below 2**127")
    return array


def _thresholds(number: Any) -> int:
    if isinstance(number, (bool, np.bool_)):
        raise TypeError(f"num_thresholds: want an integer, got {number!r}")
    try:
        count = operator.index(number)
    except TypeError as error:
        raise TypeError(f"num_thresholds: want an integer, got {number!r:.80}") from error
    if not 2 <= count <= _MOST_THRESHOLDS:
        raise ValueError(f"num_thresholds: want 2 to {_MOST_THRESHOLDS}, got {count}")
    return count
