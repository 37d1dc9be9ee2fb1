"""Raw tensors: arrays of any dtype and shape, kept as they are.

No dashboard of TensorBoard's draws them. As torch's ``add_tensor``, they go under plugin "tensor";
unlike there, with a data class, without which TensorBoard's loaders throw them away
(tensorboard/dataclass_compat.py).
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import arrays, tensor
from tbio.errors import DecodeError
from tbio.kinds import text
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata

#: torch's name for the plugin, which has no page of its own.
PLUGIN = "tensor"

#: Dtypes that a TensorProto has and numpy lacks -> their number, and what holds their bits.
_BITS: dict[str, tuple[tensor_pb2.DataType, np.dtype[Any]]] = {
    "bfloat16": (tensor_pb2.DT_BFLOAT16, np.dtype(np.uint16)),
    "float8_e5m2": (tensor_pb2.DT_FLOAT8_E5M2, np.dtype(np.uint8)),
    "float8_e4m3fn": (tensor_pb2.DT_FLOAT8_E4M3FN, np.dtype(np.uint8)),
    "float8_e4m3fnuz": (tensor_pb2.DT_FLOAT8_E4M3FNUZ, np.dtype(np.uint8)),
    "float8_e4m3b11fnuz": (tensor_pb2.DT_FLOAT8_E4M3B11FNUZ, np.dtype(np.uint8)),
    "float8_e5m2fnuz": (tensor_pb2.DT_FLOAT8_E5M2FNUZ, np.dtype(np.uint8)),
}
_MAX_BYTES = tensor.MAX_BYTES - 2**16


class RawTensor(NamedTuple):
    """A tensor as `prepare` leaves it, for `encode`.

    Attributes:
        dtype: the name of the dtype, of numpy or ml_dtypes; "object" is strings.
        data: read-only; for a dtype that numpy lacks, its bits as unsigned integers.
    """

    dtype: str
    data: npt.NDArray[Any]


def prepare(value: Any) -> RawTensor:
    """An array or tensor of any framework, by dtype and bits; it shares no memory with ``value``.

    bfloat16 and float8 stay what they are, complex32 becomes complex64, and other dtypes that numpy
    lacks become float32. Strings, as a numpy array or as (nested) lists, are taken as well.

    Raises:
        TypeError: neither numbers nor strings.
        ValueError: rows of differing lengths, more than 2 GiB, data that cannot be had.

    >>> prepare(np.arange(6, dtype=np.int16).reshape(2, 3)).data.shape
    (2, 3)
    """
    dtype = getattr(value, "dtype", None)
    # numpy's, JAX's and TensorFlow's dtypes have a name; torch's are called "torch.bfloat16"
    name = getattr(dtype, "name", None) or str(dtype).removeprefix("torch.")
    if name in _BITS and not np.ma.isMaskedArray(value):
        try:
            bits = _bits(value, _BITS[name][1])
        except Exception as error:  # sparse tensors, the meta device
            raise ValueError(f"no array can be made of a {name} tensor: {error}") from error
        return RawTensor(name, _own(bits))
    if name == "complex32":  # which numpy lacks
        value = value.to(sys.modules["torch"].complex64)
    if _holds_strings(value):
        data = text.strings(value)
        if sum(map(len, data.flat)) > _MAX_BYTES:
            raise ValueError("strings of more than 2 GiB: an event ends there")
        return RawTensor("object", data)
    data = arrays.to_numpy(value)
    if data.dtype.char in "gG":  # long doubles, which no message holds
        data = data.astype(np.complex128 if data.dtype.kind == "c" else np.float64)
    return RawTensor(data.dtype.name, _own(data))


def _bits(value: Any, bits: np.dtype[Any]) -> npt.NDArray[Any]:
    if hasattr(value, "detach"):  # torch, which is loaded then
        signed = sys.modules["torch"].int16 if bits.itemsize == 2 else sys.modules["torch"].uint8
        return np.asarray(value.detach().cpu().view(signed).numpy()).view(bits)
    array = value.numpy() if hasattr(value, "numpy") else value
    return np.asarray(array).view(bits)


def _own(data: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy that nobody changes."""
    if data.nbytes > _MAX_BYTES:
        raise ValueError(f"a tensor of {data.nbytes} bytes is too large: an event ends at 2 GiB")
    copy = np.array(data, order="C")
    copy.flags.writeable = False
    return copy


def _holds_strings(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "SUOT"
    return isinstance(value, (str, bytes))


def encode(tag: str, value: RawTensor) -> Summary.Value:
    """A tensor; the tag's first value needs `metadata`.

    >>> encode("weights", prepare([0.5, 1.0])).tensor.tensor_content.hex()
    '000000000000e03f000000000000f03f'
    """
    proto = tensor.encode(value.data)
    if value.dtype in _BITS:  # encoded so far as the unsigned integers that its bits are
        proto.dtype = _BITS[value.dtype][0]
    return Summary.Value(tag=tag, tensor=proto)


def decode(value: Summary.Value, metadata: SummaryMetadata) -> npt.NDArray[Any]:
    """The tensor of any plugin, read-only.

    Strings are an object array of ``bytes``; bfloat16 and float8 come as float32, which holds them
    exactly. The old forms of a number, an image and a clip are what TensorBoard makes tensors of
    them (tensorboard/data_compat.py): a float32 of rank 0; [width, height, image];
    [[WAV, label]], the label empty.

    Args:
        metadata: of the tag, for the message of the error.

    Raises:
        DecodeError: a value without a tensor; one that does not make sense, see
            `tbio.tensor.decode`.

    >>> decode(encode("weights", prepare([0.5, 1.0])), metadata())
    array([0.5, 1. ])
    """
    field = value.WhichOneof("value")
    if field == "simple_value":
        array = np.array(value.simple_value, np.float32)
    elif field == "image":
        image = value.image
        size = str(image.width).encode(), str(image.height).encode()
        array = np.array([*size, image.encoded_image_string], object)
    elif field == "audio":
        array = np.array([[value.audio.encoded_audio_string, b""]], object)
    elif field is None and metadata.plugin_data.content:
        plugin = metadata.plugin_data
        raise DecodeError(
            f"a value without a tensor: the data of plugin {plugin.plugin_name!r} are the "
            f"{len(plugin.content)} bytes of plugin_data.content in the tag's metadata"
        )
    else:
        array = tensor.decode(tensor.of_value(value, "a value"))
    array.flags.writeable = False
    return array


def metadata(display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of a raw tensor's tag, for its first value."""
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=PLUGIN),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_TENSOR,
    )
