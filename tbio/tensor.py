"""TensorProto and numpy arrays, both ways from one table of dtypes.

Follows tensorflow/core/framework/tensor.cc (``Tensor::FromProto``) and
tensorboard/util/tensor_util.py: the data stand in ``tensor_content`` as raw little-endian bytes, or
in the typed field that the table names. Where that field holds fewer values than the shape has
elements, the last one is repeated, and where it holds none the tensor is zero.

numpy has no bfloat16 and no float8. Their values are given as float32, which holds each of them
exactly; arrays whose dtype bears such a name (that of the ml_dtypes package, which JAX and
TensorFlow use) are written as what they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio.errors import DecodeError
from tbio.proto import tensor_pb2
from tbio.proto.tensor_pb2 import DataType, TensorProto

Array = npt.NDArray[Any]

#: A tensor that would take more than this is refused: no message can hold so much data, and a
#: shape alone costs a few bytes.
MAX_BYTES = 2**31


class _Dtype(NamedTuple):
    """A row of the table.

    Attributes:
        number: TensorFlow's number for the dtype.
        name: numpy's name, or that of ml_dtypes.
        stored: the dtype of the raw bytes.
        field: the typed field of TensorProto.
        widen: stored bits -> numbers, for dtypes that numpy does not have.
    """

    number: DataType
    name: str
    stored: np.dtype[Any]
    field: str
    widen: Callable[[Array], Array] | None = None


def _bfloat16(bits: Array) -> Array:
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def _float8(exponent_bits: int, bias: int, specials: str) -> Callable[[Array], Array]:
    """A table look-up for one of the float8 forms.

    ``specials``: "ieee" has inf and NaN in the highest exponent; "fn" has NaN in the highest code
    only; "fnuz" has one NaN, in the place of minus zero.
    """
    mantissa_bits = 7 - exponent_bits
    table = np.empty(256, np.float32)
    for code in range(256):
        exponent = (code & 0x7F) >> mantissa_bits
        fraction = (code & ((1 << mantissa_bits) - 1)) / (1 << mantissa_bits)
        if specials == "ieee" and exponent == (1 << exponent_bits) - 1:
            magnitude = math.nan if fraction else math.inf
        elif (specials == "fn" and code & 0x7F == 0x7F) or (specials == "fnuz" and code == 0x80):
            magnitude = math.nan
        elif exponent:
            magnitude = (1 + fraction) * 2.0 ** (exponent - bias)
        else:
            magnitude = fraction * 2.0 ** (1 - bias)
        table[code] = -magnitude if code & 0x80 else magnitude
    return lambda bits: table[bits]


def _row(
    number: DataType,
    name: str,
    field: str,
    stored: str | None = None,
    widen: Callable[[Array], Array] | None = None,
) -> _Dtype:
    return _Dtype(number, name, np.dtype(stored or name).newbyteorder("<"), field, widen)


_TABLE = (
    _row(tensor_pb2.DT_FLOAT, "float32", "float_val"),
    _row(tensor_pb2.DT_DOUBLE, "float64", "double_val"),
    _row(tensor_pb2.DT_HALF, "float16", "half_val"),
    _row(tensor_pb2.DT_INT8, "int8", "int_val"),
    _row(tensor_pb2.DT_INT16, "int16", "int_val"),
    _row(tensor_pb2.DT_INT32, "int32", "int_val"),
    _row(tensor_pb2.DT_INT64, "int64", "int64_val"),
    _row(tensor_pb2.DT_UINT8, "uint8", "int_val"),
    _row(tensor_pb2.DT_UINT16, "uint16", "int_val"),
    _row(tensor_pb2.DT_UINT32, "uint32", "uint32_val"),
    _row(tensor_pb2.DT_UINT64, "uint64", "uint64_val"),
    _row(tensor_pb2.DT_BOOL, "bool", "bool_val"),
    _row(tensor_pb2.DT_COMPLEX64, "complex64", "scomplex_val"),
    _row(tensor_pb2.DT_COMPLEX128, "complex128", "dcomplex_val"),
    _row(tensor_pb2.DT_BFLOAT16, "bfloat16", "half_val", "uint16", _bfloat16),
    _row(tensor_pb2.DT_FLOAT8_E5M2, "float8_e5m2", "float8_val", "uint8", _float8(5, 15, "ieee")),
    _row(tensor_pb2.DT_FLOAT8_E4M3FN, "float8_e4m3fn", "float8_val", "uint8", _float8(4, 7, "fn")),
    _row(
        tensor_pb2.DT_FLOAT8_E4M3FNUZ,
        "float8_e4m3fnuz",
        "float8_val",
        "uint8",
        _float8(4, 8, "fnuz"),
    ),
    _row(
        tensor_pb2.DT_FLOAT8_E4M3B11FNUZ,
        "float8_e4m3b11fnuz",
        "float8_val",
        "uint8",
        _float8(4, 11, "fnuz"),
    ),
    _row(
        tensor_pb2.DT_FLOAT8_E5M2FNUZ,
        "float8_e5m2fnuz",
        "float8_val",
        "uint8",
        _float8(5, 16, "fnuz"),
    ),
)
_BY_NUMBER = {row.number: row for row in _TABLE}
_BY_NAME = {row.name: row for row in _TABLE}


def dtype_name(number: int) -> str:
    """TensorFlow's name of a dtype number, for messages.

    >>> dtype_name(1), dtype_name(999)
    ('DT_FLOAT', 'dtype 999')
    """
    names = DataType.DESCRIPTOR.values_by_number
    return names[number].name if number in names else f"dtype {number}"


def is_numeric(proto: TensorProto) -> bool:
    """Whether `decode` gives numbers (or bools) for a tensor of this dtype."""
    return proto.dtype in _BY_NUMBER


def decode(proto: TensorProto) -> Array:
    """The tensor as an array of its own shape, in native byte order; treat it as read-only.

    Strings give an object array of ``bytes``; bfloat16 and float8 give float32.

    Raises:
        DecodeError: a dtype without a meaning here (quantised, resource, variant, reference, of
            less than eight bits), or data that do not fit the shape.

    >>> decode(encode(np.arange(6, dtype=np.int16).reshape(2, 3)))
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int16)
    """
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise DecodeError(f"a tensor of unknown shape {list(shape)}")
    count = math.prod(shape)
    if proto.dtype == tensor_pb2.DT_STRING:
        strings = np.empty(len(proto.string_val), object)
        strings[:] = list(proto.string_val)
        return _spread(strings, shape, count, b"")
    row = _BY_NUMBER.get(proto.dtype)
    if row is None:
        raise DecodeError(f"tensors of {dtype_name(proto.dtype)} are not supported")
    if proto.tensor_content:
        content = proto.tensor_content
        if len(content) != count * row.stored.itemsize:
            raise DecodeError(
                f"{len(content)} bytes of tensor_content for {row.name} of shape {list(shape)}"
            )
        flat = np.frombuffer(content, row.stored)
    else:
        flat = _typed_values(proto, row)
    if row.widen is not None:
        flat = row.widen(flat)
    return _spread(flat.astype(flat.dtype.newbyteorder("="), copy=False), shape, count, 0)


def _typed_values(proto: TensorProto, row: _Dtype) -> Array:
    values = getattr(proto, row.field)
    if row.field == "float8_val":
        return np.frombuffer(values, np.uint8)
    if row.field in ("scomplex_val", "dcomplex_val"):
        pairs = np.array(values, np.float64)
        if len(pairs) % 2:
            raise DecodeError(f"an odd number of values in {row.field}")
        return pairs.view(np.complex128).astype(row.stored)
    # half_val holds the bits of a half or a bfloat16
    held = np.dtype("<u2") if row.field == "half_val" else row.stored
    if held.kind in "iu" and values:
        limits = np.iinfo(held)
        if min(values) < limits.min or max(values) > limits.max:
            raise DecodeError(f"{row.field} holds values that are no {row.name}")
    return np.array(values, held).view(row.stored)


def _spread(flat: Array, shape: tuple[int, ...], count: int, default: Any) -> Array:
    """``flat`` in its shape, the last value repeated where there are too few."""
    if len(flat) > count or count * flat.itemsize > MAX_BYTES:
        raise DecodeError(f"{len(flat)} values for a tensor of shape {list(shape)}")
    if len(flat) < count:
        full = np.empty(count, flat.dtype)
        full.fill(flat[-1] if len(flat) else default)
        full[: len(flat)] = flat
        flat = full
    try:
        return flat.reshape(shape)
    except ValueError as error:  # more dimensions than numpy has, or an empty but endless one
        raise DecodeError(f"a tensor of {len(shape)} dimensions: {error}") from error


def encode(array: npt.ArrayLike) -> TensorProto:
    """An array as a TensorProto: numbers in ``tensor_content``, strings in ``string_val``.

    ``str`` is stored as UTF-8. The dtypes are those of `decode`, with those of ml_dtypes by name.

    Raises:
        TypeError: an array of another dtype.

    >>> encode(np.float32(0.5)).tensor_content.hex()
    '0000003f'
    """
    data = np.asarray(array)
    proto = TensorProto()
    proto.tensor_shape.SetInParent()  # rank 0 is a shape, not the lack of one
    for size in data.shape:
        proto.tensor_shape.dim.add().size = size
    if data.dtype.kind in "SUO":
        proto.dtype = tensor_pb2.DT_STRING
        proto.string_val.extend(_as_bytes(item) for item in data.ravel().tolist())
        return proto
    row = _BY_NAME.get(data.dtype.name)
    if row is None:
        raise TypeError(f"an array of dtype {data.dtype} cannot be stored as a tensor")
    proto.dtype = row.number
    raw = data.astype(data.dtype, order="C") if row.widen else data.astype(row.stored, order="C")
    proto.tensor_content = raw.tobytes()
    return proto


def _as_bytes(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise TypeError(f"want str or bytes in an array of strings, got {type(item).__name__}")
