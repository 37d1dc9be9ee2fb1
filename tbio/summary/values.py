"""The values of each kind, with the signatures of ``tf.summary`` and the bytes it writes.

The encodings are those of tensorboard/plugins/*/summary_v2.py: each value is a tensor, and brings
its metadata every time. What an array library can hold is what `tbio.arrays` takes.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError as ProtobufError

from tbio import arrays, device
from tbio.checks import double_of
from tbio.file_writer import message_bytes
from tbio.kinds import audio as _audio
from tbio.kinds import histogram as _histogram
from tbio.kinds import image as _image
from tbio.kinds import layout as _layout
from tbio.kinds import mesh as _mesh
from tbio.kinds import pr_curve as _pr_curve
from tbio.kinds import raw_tensor as _raw_tensor
from tbio.kinds import scalar as _scalar
from tbio.kinds import text as _text
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.run_writer import Late, Part, naming, text_of
from tbio.summary.state import recorder, step_for, tag_for
from tbio.summary.writers import FileSummaryWriter, plain

Array: TypeAlias = npt.NDArray[Any]
#: A value -> what is put into the queue for it, and a note of what was amiss.
_Prepare: TypeAlias = Callable[[Any], tuple[Any, str]]
#: A tag, and what was prepared -> what stands in the event, metadata included.
_Encode: TypeAlias = Callable[[str, Any], Summary.Value | Sequence[Summary.Value]]

#: As many as TensorBoard's own pr_curve makes.
_THRESHOLDS = 201


def scalar(name: str, data: Any, step: Any = None, description: str | None = None) -> bool:
    """Record a number, as float32.

    Args:
        name: the tag, behind the scopes of `tbio.summary.name_scope`; empty for "scalar_summary".
        data: a real number, or an array of rank 0 of any framework. Infinity and NaN are fine. Of a
            complex number only the real part is kept, with a warning.
        step: an integer of 64 bits: a Python or numpy number, an array of one element, a variable
            of Keras. None is the default step of the thread (`tbio.summary.experimental.set_step`,
            `SummaryWriter.as_default`).
        description: Markdown that TensorBoard shows beside the chart.

    Returns:
        Whether it was recorded: False without a default writer in this thread, and where
        `tbio.summary.record_if` says no. Then nothing else was looked at.

    Raises:
        TypeError: no number; a step that is none.
        ValueError: an array of another rank; no step, or several in one.
        SummaryWriterClosedError: the default writer is closed.
    """
    writer = recorder()
    if writer is None:
        return False
    at = step_for(step)
    tag = tag_for(name or "scalar_summary")
    about = "" if description is None else text_of(description, "description")
    if type(data) is float and _scalar.fits_float32(data):
        writer.put_scalar(tag, data, at, about, "")
        return True
    with naming(tag):
        array = arrays.to_numpy(data) if isinstance(data, (list, tuple)) else data
        shape = tuple(getattr(array, "shape", ()))
        if shape:
            raise ValueError(f"Expected scalar shape, got shape {shape}")
        snapshot = device.snapshot(data)
        number, note = (0.0, "") if snapshot else _float32(data)
    writer.put_scalar(tag, Late(snapshot, _late_float32) if snapshot else number, at, about, note)
    return True


def _float32(data: Any) -> tuple[float, str]:
    """A number that fits float32, as far as it is finite; and what was lost."""
    note = ""
    try:
        number = double_of(data)
    except TypeError:
        array = arrays.to_numpy(data)
        if array.dtype.kind != "c":
            raise
        number, note = float(array.real), "of a complex number only the real part is kept"
    if not _scalar.fits_float32(number):
        note = f"{number!r} is beyond float32: stored as infinity"
        number = float(np.copysign(np.inf, number))
    return number, note


def _late_float32(data: Any) -> tuple[tuple[float], str]:
    number, note = _float32(data)
    return (number,), note


def image(
    name: str, data: Any, step: Any = None, max_outputs: int = 3, description: str | None = None
) -> bool:
    """Record a batch of images, which TensorBoard shows as the samples of one step.

    ==============  =============================================================================
    floats          0 is black, 1 is white: ``int(x * 255.5)``, clipped; NaN is black
    uint8           as it is
    bool            black and white
    other integers  by the range of their type, as TensorFlow does it: of int32, 2**31 - 1 is
                    white. But where all are from 0 to 255 in a type of 32 or 64 bits, which would
                    all be black, they are levels as in uint8.
    ==============  =============================================================================

    Args:
        name: see `scalar`; empty for "image_summary".
        data: ``[k, height, width, channels]``; 1 to 4 channels are grey, grey and alpha, RGB, RGBA.
        step: see `scalar`.
        max_outputs: only so many of the first.
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError: no real numbers.
        ValueError: another shape; a negative ``max_outputs``; otherwise as `scalar`.
    """

    def prepare(value: Any) -> tuple[Any, str]:
        array = value if isinstance(value, np.ndarray) else arrays.to_numpy(value)
        if array.ndim != 4:
            raise ValueError(f"want images [k, height, width, channels], got shape {array.shape}")
        most = _count("max_outputs", max_outputs)
        return _image.prepare_samples(_levels(array[:most]))

    encode = _encoder(_image.metadata, _image.encode_samples)
    return _record("image", name, data, step, description, prepare, encode)


def _levels(array: Array) -> Array:
    """Integers as TensorFlow's ``convert_image_dtype`` makes them uint8, saturated."""
    if array.dtype.kind not in "iu" or array.dtype == np.uint8:
        return array
    brightest = int(np.iinfo(array.dtype).max) + 1
    if array.dtype.itemsize >= 4 and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    if brightest < 256:  # int8
        levels: Array = np.maximum(array, 0).astype(np.uint8) * np.uint8(256 // brightest)
    else:
        levels = np.maximum(array // (brightest // 256), 0).astype(np.uint8)
    return levels


def histogram(
    name: str,
    data: Any,
    step: Any = None,
    buckets: int | None = None,
    description: str | None = None,
) -> bool:
    """Record how values are distributed, in buckets of equal width from the least to the greatest.

    Values that are not finite are counted in a warning and left out; in TensorFlow they spoil all
    edges. No values give a histogram of zeros.

    Args:
        name: see `scalar`; empty for "histogram_summary".
        data: real numbers of any shape.
        step: see `scalar`.
        buckets: how many; None is 30, and what is negative is 0.
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError: no real numbers; no whole number of buckets.
        ValueError: as `scalar`.
    """

    def prepare(value: Any) -> tuple[Any, str]:
        number = None if buckets is None else max(0, _index("buckets", buckets))
        return _histogram.prepare_rows(_as_tensor(value), number)

    encode = _encoder(_histogram.metadata, _histogram.encode)
    return _record("histogram", name, data, step, description, prepare, encode)


def text(name: str, data: Any, step: Any = None, description: str | None = None) -> bool:
    """Record text: Markdown, or a table of it.

    Args:
        name: see `scalar`; empty for "text_summary".
        data: a string, or an array or nested list of them, of which TensorBoard shows up to two
            dimensions. ``bytes`` may be anything; TensorBoard takes them for UTF-8.
        step: see `scalar`.
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError: something that is no string.
        ValueError: rows of differing lengths; otherwise as `scalar`.
    """
    encode = _encoder(_text.metadata, _text.encode)
    return _record("text", name, data, step, description, _strings, encode)


def _strings(value: Any) -> tuple[Any, str]:
    if hasattr(value, "numpy"):  # a tensor of TensorFlow
        value = value.numpy()
    return _text.strings(value), ""


def audio(
    name: str,
    data: Any,
    sample_rate: Any,
    step: Any = None,
    max_outputs: int = 3,
    encoding: str | None = None,
    description: str | None = None,
) -> bool:
    """Record sounds, as WAV files of 16 bits.

    Args:
        name: see `scalar`; empty for "audio_summary".
        data: ``[k, frames, channels]``: k clips of floats in [-1, 1]; what is beyond is clipped,
            with a warning. Integers of 8, 16 and 32 bits keep their width.
        sample_rate: frames a second.
        step: see `scalar`.
        max_outputs: only so many of the first.
        encoding: None or "wav".
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError: samples of another dtype.
        ValueError: another encoding; another shape; a negative ``max_outputs``; a sample rate that
            WAV does not have; otherwise as `scalar`.
    """
    if encoding not in (None, "wav"):
        raise ValueError(f"Unknown encoding: {encoding!r}; want 'wav'")

    def prepare(value: Any) -> tuple[Any, str]:
        array = arrays.to_numpy(value)
        if array.ndim != 3:
            raise ValueError(f"want sounds [k, frames, channels], got shape {array.shape}")
        clips = [
            _audio.prepare(clip, sample_rate, channels_last=True)
            for clip in array[: _count("max_outputs", max_outputs)]
        ]
        notes = dict.fromkeys(note for _, note in clips if note)
        return tuple(clip for clip, _ in clips), "; ".join(notes)

    encode = _encoder(partial(_audio.metadata, as_tensor=True), _audio.encode_as_tensor)
    return _record("audio", name, data, step, description, prepare, encode)


def write(
    tag: str,
    tensor: Any,
    step: Any = None,
    metadata: Any = None,
    name: str | None = None,
) -> bool:
    """Record an array as it is, for a plugin of one's own.

    Args:
        tag: as it is: no scope is put in front (`tbio.summary.experimental.summary_scope` does).
        tensor: numbers of any dtype, also bfloat16 and float8, or strings; or a callable that gives
            it, which is called only if it is recorded.
        step: see `scalar`.
        metadata: a SummaryMetadata of any package, or its bytes; None for none, with which
            TensorBoard shows nothing.
        name: TensorFlow's, of no effect.

    Returns:
        See `scalar`.

    Raises:
        TypeError: neither numbers nor strings; metadata that are none.
        ValueError: bytes that are no metadata; otherwise as `scalar`.
    """
    writer = recorder()
    if writer is None:
        return False
    at = step_for(step)
    text_of(tag, "tag")
    described = None if metadata is None else _metadata(metadata)
    value = tensor() if callable(tensor) else tensor
    encode = partial(_with_metadata, _raw_tensor.encode, described)
    _put(writer, "tensor", tag, value, at, _as_it_is, encode)
    return True


def _as_it_is(value: Any) -> tuple[Any, str]:
    return _raw_tensor.prepare(_as_tensor(value)), ""


def _as_tensor(value: Any) -> Any:
    """Python's own numbers as the arrays that TensorFlow makes of them: of 32 bits if they fit."""
    leaf = value
    while isinstance(leaf, (list, tuple)) and leaf:
        leaf = leaf[0]
    if type(leaf) not in (int, float, list, tuple):
        return value
    wide = arrays.to_numpy(value)
    with np.errstate(over="ignore"):
        narrow = wide.astype(np.int32 if wide.dtype.kind == "i" else np.float32)
    if wide.dtype.kind == "i":
        fits = np.array_equal(narrow, wide)
    else:
        fits = np.array_equal(np.isfinite(narrow), np.isfinite(wide))
    return narrow if fits else wide


def _metadata(metadata: Any) -> SummaryMetadata:
    try:
        return SummaryMetadata.FromString(message_bytes(metadata))
    except ProtobufError as error:
        raise ValueError(f"bytes that are no SummaryMetadata: {error}") from error


def graph(graph_data: Any) -> bool:
    """Record a graph, at step 0.

    Args:
        graph_data: a GraphDef of any package, or what has an ``as_graph_def`` (a ``tf.Graph``).

    Returns:
        See `scalar`.

    Raises:
        ValueError: something else.
    """
    writer = recorder()
    if writer is None:
        return False
    if hasattr(graph_data, "as_graph_def"):
        graph_data = graph_data.as_graph_def(add_shapes=True)
    descriptor = getattr(graph_data, "DESCRIPTOR", None)
    if getattr(descriptor, "name", None) != "GraphDef":
        raise ValueError(f"graph_data: want a GraphDef, got {type(graph_data).__name__}")
    writer.put_graph(message_bytes(graph_data))
    return True


# ---- what TensorFlow leaves to TensorBoard's plugins


def pr_curve(
    name: str,
    labels: Any,
    predictions: Any,
    num_thresholds: int | None = None,
    weights: Any = None,
    step: Any = None,
    description: str | None = None,
) -> bool:
    """Record precision and recall of a binary classifier at each of a row of thresholds.

    Args:
        name: see `scalar`; empty for "pr_curve_summary".
        labels: bool, or numbers that are 0 or 1, of any shape.
        predictions: numbers in [0, 1], of the same shape.
        num_thresholds: how many, evenly spaced from 0 to 1; None is 201, as in TensorBoard.
        weights: how much each prediction counts.
        step: see `scalar`.
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError, ValueError: as `scalar`, and see `tbio.kinds.pr_curve.of_predictions`.
    """
    number = _THRESHOLDS if num_thresholds is None else num_thresholds
    return _record(
        "pr_curve",
        name,
        labels,
        step,
        description,
        lambda labels: _pr_curve.of_predictions(labels, predictions, number, weights),
        lambda about: partial(_curve, about),
        deferred=False,
    )


def _curve(about: str, tag: str, curve: _pr_curve.Curve) -> Summary.Value:
    metadata = plain(_pr_curve.metadata(curve.shape[1], description=about))
    return _with_metadata(_pr_curve.encode, metadata, tag, curve)


def mesh(
    name: str,
    vertices: Any,
    faces: Any = None,
    colors: Any = None,
    config_dict: Mapping[str, Any] | None = None,
    step: Any = None,
    description: str | None = None,
) -> bool:
    """Record meshes or point clouds, with the signature of tensorboard.plugins.mesh.summary.

    The parts go into one event, and colors become uint8 whatever they are.

    Args:
        name: see `scalar`; empty for "mesh_summary".
        vertices: coordinates, ``[meshes, vertices, 3]``.
        faces: triangles as three indexes of vertices, ``[meshes, faces, 3]``.
        colors: red, green and blue of each vertex, from 0 to 255.
        config_dict: settings of three.js: "camera", "lights", "material".
        step: see `scalar`.
        description: see `scalar`.

    Returns:
        See `scalar`.

    Raises:
        TypeError, ValueError: as `scalar`, and see `tbio.kinds.mesh.prepare`.
    """
    return _record(
        "mesh",
        name,
        vertices,
        step,
        description,
        lambda vertices: _mesh.prepare(vertices, colors, faces, config_dict),
        lambda about: partial(_mesh_parts, about),
        deferred=False,
    )


def _mesh_parts(about: str, tag: str, made: _mesh.Mesh) -> list[Summary.Value]:
    values = _mesh.encode(tag, made, description=about)
    for value in values:
        plain(value.metadata)
    return values


def custom_scalar(layout: Any) -> bool:
    """Record the layout of the Custom Scalars page, at step 0; TensorBoard takes the newest one.

    Args:
        layout: a Layout message of any package, or ``{category: {chart: [kind, tags]}}``; see
            `tbio.kinds.layout.prepare`.

    Returns:
        See `scalar`.

    Raises:
        TypeError, ValueError: no layout.
    """
    writer = recorder()
    if writer is None:
        return False
    _put(writer, "layout", _layout.TAG, layout, 0, _layout.prepare, _encode_layout)
    return True


def _encode_layout(tag: str, made: Any) -> Summary.Value:
    metadata = plain(_layout.metadata())
    return _with_metadata(lambda tag, made: _layout.encode(made), metadata, tag, made)


# ---- what they have in common


def _encoder(
    metadata: Callable[..., SummaryMetadata], encode: Callable[[str, Any], Summary.Value]
) -> Callable[[str], _Encode]:
    """A description -> how a value of a kind is encoded."""
    return lambda about: partial(_with_metadata, encode, plain(metadata(description=about)))


def _with_metadata(
    encode: Callable[[str, Any], Summary.Value],
    metadata: SummaryMetadata | None,
    tag: str,
    made: Any,
) -> Summary.Value:
    value = encode(tag, made)
    if metadata is not None:
        value.metadata.CopyFrom(metadata)
    return value


def _record(
    kind: str,
    name: str,
    value: Any,
    step: Any,
    description: str | None,
    prepare: _Prepare,
    encode: Callable[[str], _Encode],
    *,
    deferred: bool = True,
) -> bool:
    """Record a value under a name, if anything is recorded.

    Args:
        encode: gives, for the description, how to encode what was prepared.
        deferred: False has a value that is still on a device waited for here.
    """
    writer = recorder()
    if writer is None:
        return False
    at = step_for(step)
    tag = tag_for(name or f"{kind}_summary")
    about = "" if description is None else text_of(description, "description")
    _put(writer, kind, tag, value, at, prepare, encode(about), deferred=deferred)
    return True


def _put(
    writer: FileSummaryWriter,
    kind: str,
    tag: str,
    value: Any,
    step: Any,
    prepare: _Prepare,
    encode: _Encode,
    *,
    deferred: bool = True,
) -> None:
    """Prepare a value, here or, if it is still on a device, on the thread, which does the rest."""
    snapshot = device.snapshot(value) if deferred else None
    if snapshot is None:
        with naming(tag):
            made, note = prepare(value)
        part = Part(kind, tag, None, encode, (made,), arrays.weight(made))
    else:

        def late(value: Any) -> tuple[tuple[Any], str]:
            made, note = prepare(value)
            return (made,), note

        weight, note = int(getattr(snapshot.value, "nbytes", 0)), ""
        part = Part(kind, tag, None, encode, (Late(snapshot, late),), weight)
    writer.put(part, step, note)


def _count(what: str, value: Any) -> int:
    number = _index(what, value)
    if number < 0:
        raise ValueError(f"{what}: want 0 or more, got {number}")
    return number


def _index(what: str, value: Any) -> int:
    try:
        return operator.index(value)
    except TypeError as error:
        raise TypeError(f"{what}: want an integer, got {value!r:.80}") from error
