"""Migration: the forms of TF 1 turned into those of TF 2, as TensorBoard does on loading.

Follows tensorboard/data_compat.py (``migrate_value``), field for field. What it makes has the
dtypes and the rounding that TensorBoard's dashboards see: a histogram comes in float32, and the
sample rate of a sound is left to the sound itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tbio import plugins, tensor
from tbio.kinds import histogram
from tbio.proto.plugin_data_pb2 import AudioPluginData, ImagePluginData
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_FLOAT, TensorProto


def migrate(value: Summary.Value) -> Summary.Value:
    """A value of TF 1's forms as a tensor with metadata; any other as it is, the same object.

    The tag stands for a display name that is missing. ``value`` is not changed.

    Raises:
        DecodeError: a histogram that lacks limits (TensorBoard raises ValueError).

    >>> migrated = migrate(Summary.Value(tag="loss", simple_value=0.5))
    >>> migrated.metadata.display_name, migrated.metadata.plugin_data.plugin_name
    ('loss', 'scalars')
    >>> migrated.tensor.float_val
    [0.5]
    """
    form = _FORMS.get(value.WhichOneof("value") or "")
    if form is None:
        return value
    plugin, content, tensor_of = form
    return Summary.Value(
        tag=value.tag,
        metadata=SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content),
            display_name=value.metadata.display_name or value.tag,
            summary_description=value.metadata.summary_description,
        ),
        tensor=tensor_of(value),
    )


def _scalar(value: Summary.Value) -> TensorProto:
    return TensorProto(dtype=DT_FLOAT, tensor_shape={}, float_val=[value.simple_value])


def _histogram(value: Summary.Value) -> TensorProto:
    return tensor.encode(histogram.decode(value, value.metadata).rows)


def _image(value: Summary.Value) -> TensorProto:
    image = value.image
    size = [b"%d" % image.width, b"%d" % image.height]
    return tensor.encode(np.array([*size, image.encoded_image_string], object))


def _audio(value: Summary.Value) -> TensorProto:
    no_label = b""
    return tensor.encode(np.array([[value.audio.encoded_audio_string, no_label]], object))


#: Field of the old value -> plugin, its content, and what makes the tensor.
_FORMS: dict[str, tuple[str, bytes, Callable[[Summary.Value], TensorProto]]] = {
    "simple_value": (plugins.SCALARS, b"", _scalar),
    "histo": (plugins.HISTOGRAMS, b"", _histogram),
    "image": (
        plugins.IMAGES,
        ImagePluginData(converted_to_tensor=True).SerializeToString(),
        _image,
    ),
    "audio": (
        plugins.AUDIO,
        AudioPluginData(encoding=AudioPluginData.WAV, converted_to_tensor=True).SerializeToString(),
        _audio,
    ),
}
