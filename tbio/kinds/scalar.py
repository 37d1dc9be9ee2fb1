"""Scalars: one number a step.

Two encodings are in use (tensorboard/plugins/scalar/, formats of every writer since 2015):

* *old*: ``Summary.Value.simple_value``, a float32, without metadata. torch, tensorboardX, TF 1.
* *new*: a tensor of rank 0 with plugin "scalars" on the tag's first value. TF 2, Keras.

TensorBoard shows float32 only: its data server drops a DT_DOUBLE scalar
(tensorboard/data/server/data_compat.rs). tbio's *exact* encoding therefore is a DT_FLOAT tensor
that holds the float32 in ``float_val``, where every reader looks, and the double in ``double_val``,
where tbio looks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tbio import plugins, tensor
from tbio.errors import DecodeError
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import DATA_CLASS_SCALAR, Summary, SummaryMetadata

_FLOAT32 = np.dtype(np.float32)
_FLOAT64 = np.dtype(np.float64)
#: The least magnitude that rounds to a float32 infinity: half a step beyond the largest float32.
_FLOAT32_OVERFLOW = 2.0**128 - 2.0**103


def fits_float32(value: float) -> bool:
    """Whether a finite value stays finite as a float32; inf and NaN fit as they are.

    >>> fits_float32(3.4e38), fits_float32(3.5e38), fits_float32(float("inf"))
    (True, False, True)
    """
    return abs(value) < _FLOAT32_OVERFLOW or value in (np.inf, -np.inf) or value != value


def metadata(display_name: str = "", description: str = "") -> SummaryMetadata:
    """The metadata of a scalar tag, for its first value."""
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name=plugins.SCALARS),
        display_name=display_name,
        summary_description=description,
        data_class=DATA_CLASS_SCALAR,
    )


def encode(tag: str, value: float, as_tensor: bool = False, exact: bool = False) -> Summary.Value:
    """One scalar as a summary value, without metadata.

    Args:
        as_tensor: the new encoding in place of the old; the tag's first value then needs
            `metadata`.
        exact: the new encoding with the double beside the float32.

    >>> encode("loss", 0.5)
    tag: "loss"
    simple_value: 0.5
    """
    if not (as_tensor or exact):
        return Summary.Value(tag=tag, simple_value=_as_float32(value))
    proto = tensor_pb2.TensorProto(dtype=tensor_pb2.DT_FLOAT, tensor_shape={})
    proto.float_val.append(_as_float32(value))
    if exact:
        proto.double_val.append(value)
    return Summary.Value(tag=tag, tensor=proto)


def _as_float32(value: float) -> float:
    # Not left to protobuf: its pure-Python form raises where its C form gives inf.
    return value if fits_float32(value) else float(np.copysign(np.inf, value))


def decode(value: Summary.Value) -> tuple[Any, np.dtype[Any]]:
    """The number of a scalar value, as a Python number, and the dtype in which the log holds it.

    bfloat16 and float8 come as float32, which holds them exactly; tbio's exact encoding as float64.

    Raises:
        DecodeError: a tensor of more than one element, or not of numbers; no value at all.

    >>> decode(encode("loss", 0.1))
    (0.10000000149011612, dtype('float32'))
    >>> decode(encode("loss", 0.1, exact=True))
    (0.1, dtype('float64'))
    """
    field = value.WhichOneof("value")
    if field == "simple_value":
        return value.simple_value, _FLOAT32
    if field != "tensor":
        raise DecodeError(f"a scalar without a number: it holds {field or 'nothing'}")
    proto = value.tensor
    if not tensor.is_numeric(proto):
        raise DecodeError(f"a scalar of {tensor.dtype_name(proto.dtype)}")
    rank = len(proto.tensor_shape.dim)
    if rank > tensor.MAX_RANK:
        raise DecodeError(f"a scalar of rank {rank}")
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if math.prod(shape) != 1 and min(shape, default=0) >= 0:
        raise DecodeError(f"a scalar of shape {shape}")
    if _may_be_exact(proto):
        double = proto.double_val[0]
        with np.errstate(over="ignore"):
            rounded = np.array([double]).astype(np.float32)
        if np.array_equal(rounded, np.array(proto.float_val, np.float32), equal_nan=True):
            return double, _FLOAT64
    array = tensor.decode(proto)
    return array.item(), array.dtype


def _may_be_exact(proto: tensor_pb2.TensorProto) -> bool:
    """Whether a tensor of one element has the form of tbio's exact encoding."""
    return (
        proto.dtype == tensor_pb2.DT_FLOAT
        and not proto.tensor_content
        and len(proto.float_val) == len(proto.double_val) == 1
    )
