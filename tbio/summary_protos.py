"""Summaries as messages: what torch's and tensorboardX's ``summary`` modules give.

Libraries that write through a `FileWriter` of their own import these. The messages are tbio's
own, which tbio's ``add_summary`` takes, and every other that asks a message for its bytes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbio.checks import double_of
from tbio.kinds import audio as _audio
from tbio.kinds import histogram as _histogram
from tbio.kinds import hparams as _hparams
from tbio.kinds import image as _image
from tbio.kinds import layout as _layout
from tbio.kinds import mesh as _mesh
from tbio.kinds import pr_curve as _pr_curve
from tbio.kinds import raw_tensor as _raw_tensor
from tbio.kinds import scalar as _scalar
from tbio.kinds import text as _text
from tbio.kinds import video as _video
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

__all__ = [
    "audio",
    "custom_scalars",
    "histogram",
    "histogram_raw",
    "hparams",
    "image",
    "image_boxes",
    "mesh",
    "pr_curve",
    "pr_curve_raw",
    "scalar",
    "tensor_proto",
    "text",
    "video",
]


def _summary(value: Summary.Value, metadata: SummaryMetadata | None = None) -> Summary:
    if metadata is not None:
        value.metadata.CopyFrom(metadata)
    return Summary(value=[value])


def hparams(
    hparam_dict: Any,
    metric_dict: Mapping[str, Any],
    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None = None,
) -> tuple[Summary, Summary, Summary]:
    """Experiment, session start and session end.

    >>> [summary.value[0].tag for summary in hparams({"lr": 0.1}, {"loss": 1})][1]
    '_hparams_/session_start_info'
    """
    return _hparams.summaries(hparam_dict, metric_dict, hparam_domain_discrete)


def scalar(
    name: str,
    tensor: Any,
    collections: object = None,
    new_style: bool | str = False,
    double_precision: bool = False,
    display_name: str = "",
    summary_description: str = "",
) -> Summary:
    """A number; see `SummaryWriter.add_scalar`. ``collections`` has no meaning any more.

    tensorboardX has ``display_name`` and ``summary_description`` in the third and fourth place:
    there, a string is understood so.

    >>> scalar("loss", 0.5)
    value {
      tag: "loss"
      simple_value: 0.5
    }
    """
    if isinstance(collections, str):
        display_name = collections
    if isinstance(new_style, str):
        summary_description, new_style = new_style, False
    value = _scalar.encode(name, double_of(tensor), new_style, double_precision)
    if new_style or double_precision or display_name or summary_description:
        return _summary(value, _scalar.metadata(display_name, summary_description))
    return _summary(value)


def histogram(name: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """The distribution of values; see `tbio.kinds.histogram.of_values`."""
    return _summary(_histogram.encode(name, _histogram.of_values(values, bins, max_bins)[0]))


def histogram_raw(
    name: str,
    min: Any,
    max: Any,
    num: Any,
    sum: Any,
    sum_squares: Any,
    bucket_limits: Any,
    bucket_counts: Any,
) -> Summary:
    """A histogram that was counted elsewhere; see `tbio.kinds.histogram.of_counts`."""
    counted = _histogram.of_counts(min, max, num, sum, sum_squares, bucket_limits, bucket_counts)
    return _summary(_histogram.encode(name, counted))


def image(tag: str, tensor: Any, rescale: float = 1, dataformats: str | None = None) -> Summary:
    """An image or a grid of them; see `tbio.kinds.image.prepare`.

    Args:
        dataformats: by default NCHW as in torch, and CHW as in tensorboardX where there are three
            axes.
    """
    if dataformats is None:
        dataformats = "CHW" if len(getattr(tensor, "shape", ())) == 3 else "NCHW"
    if rescale != 1:
        return image_boxes(tag, tensor, [], rescale, dataformats)
    return _summary(_image.encode(tag, _image.prepare(tensor, dataformats)[0]))


def image_boxes(
    tag: str,
    tensor_image: Any,
    tensor_boxes: Any,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: str | Sequence[str] | None = None,
) -> Summary:
    """An image with boxes; see `tbio.kinds.image.prepare_boxes`."""
    boxed, _ = _image.prepare_boxes(tensor_image, tensor_boxes, rescale, dataformats, labels)
    return _summary(_image.encode(tag, boxed))


def video(tag: str, tensor: Any, fps: float = 4, dataformats: str = "NTCHW") -> Summary:
    """A video as an animated PNG; see `tbio.kinds.video.prepare`."""
    return _summary(_video.encode(tag, _video.prepare(tensor, fps, dataformats)[0]))


def audio(tag: str, tensor: Any, sample_rate: int = 44100) -> Summary:
    """A sound as WAV; see `tbio.kinds.audio.prepare`."""
    return _summary(_audio.encode(tag, _audio.prepare(tensor, sample_rate)[0]), _audio.metadata())


def text(tag: str, text: Any) -> Summary:
    """Markdown text or a table of it; see `tbio.kinds.text.prepare`."""
    return _summary(_text.encode(tag, _text.prepare(text)), _text.metadata())


def tensor_proto(tag: str, tensor: Any) -> Summary:
    """An array as it is; see `tbio.kinds.raw_tensor.prepare`."""
    return _summary(_raw_tensor.encode(tag, _raw_tensor.prepare(tensor)), _raw_tensor.metadata())


def custom_scalars(layout: Any) -> Summary:
    """The arrangement of the Custom Scalars page; see `tbio.kinds.layout.prepare`."""
    return _summary(_layout.encode(_layout.prepare(layout)[0]), _layout.metadata())


def pr_curve(
    tag: str, labels: Any, predictions: Any, num_thresholds: int = 127, weights: Any = None
) -> Summary:
    """Precision and recall; see `tbio.kinds.pr_curve.of_predictions`."""
    curve, _ = _pr_curve.of_predictions(labels, predictions, num_thresholds, weights)
    return _summary(_pr_curve.encode(tag, curve), _pr_curve.metadata(curve.shape[1]))


def pr_curve_raw(
    tag: str,
    tp: Any,
    fp: Any,
    tn: Any,
    fn: Any,
    precision: Any,
    recall: Any,
    num_thresholds: int = 127,
    weights: Any = None,
) -> Summary:
    """A curve that was computed elsewhere; see `tbio.kinds.pr_curve.of_counts`."""
    curve = _pr_curve.of_counts(tp, fp, tn, fn, precision, recall)
    return _summary(_pr_curve.encode(tag, curve), _pr_curve.metadata(curve.shape[1]))


def mesh(
    tag: str,
    vertices: Any,
    colors: Any = None,
    faces: Any = None,
    config_dict: Mapping[str, Any] | None = None,
    display_name: str = "",
    description: str = "",
) -> Summary:
    """A mesh or a point cloud, a value for each of its parts; see `tbio.kinds.mesh.prepare`."""
    prepared, _ = _mesh.prepare(vertices, colors, faces, config_dict)
    return Summary(value=_mesh.encode(tag, prepared, display_name, description))
