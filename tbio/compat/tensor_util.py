"""Arrays out of tensor protos, in place of TensorBoard's ``tensor_util``."""

from __future__ import annotations

from typing import Any, Protocol

import numpy.typing as npt

from tbio.proto.tensor_pb2 import TensorProto
from tbio.tensor import decode


class AnyTensorProto(Protocol):
    """A TensorProto of tbio, tensorboard, tensorboardX or TensorFlow."""

    def SerializeToString(self) -> bytes:
        """The message as bytes."""


def make_ndarray(tensor: AnyTensorProto) -> npt.NDArray[Any]:
    """The array of a tensor proto, in place of TensorBoard's function and ``tf.make_ndarray``.

    bfloat16 and float8 come as float32, strings as objects (``bytes``). The array may be written
    to.

    Raises:
        DecodeError: a dtype that has no array here, or data that do not fit the shape.

    >>> make_ndarray(TensorProto(dtype="DT_FLOAT", float_val=[0.5]))
    array(0.5, dtype=float32)
    """
    if not isinstance(tensor, TensorProto):
        tensor = TensorProto.FromString(tensor.SerializeToString())
    array = decode(tensor)
    return array if array.flags.writeable else array.copy()
