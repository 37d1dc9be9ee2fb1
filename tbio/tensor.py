"""TensorProto and numpy arrays, both ways from one table of dtypes.

Follows tensorflow/core/framework/tensor.cc (``Tensor::FromProto``) and
tensorboard/util/tensor_util.py: the data stand in ``tensor_content`` as raw little-endian bytes, or
in the typed field that the table names. Where that field holds fewer values than the shape has
elements, the last one is repeated, and where it holds none the tensor is zero.

torch's ``add_tensor`` writes half and bfloat16 as the bits of the float32, and uint8 into
``uint32_val`` (torch/utils/tensorboard/summary.py). There can be no doubt what is meant, so that is
read too.

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
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import DataType, TensorProto

Array = npt.NDArray[Any]

#: No message holds so much data.
MAX_BYTES = 2**31
#: That of numpy's arrays; before version 2 it has 32.
MAX_RANK = 64
#: So many elements may be made of fewer values. TensorFlow's summaries hold all their values; more
#: than this is a few bytes that ask for much memory. A string will be an object of its own.
_MOST_REPEATED = 1 << 24
_MOST_REPEATED_STRINGS = 1 << 16
_SHOWN_DIMS = 8


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


def shape_text(proto: TensorProto) -> str:
    """The shape as it is stored, for messages: a log may hold a million dimensions.

    >>> shape_text(encode(np.zeros((2, 3)))), shape_text(encode(np.zeros((1,) * 30)))
    ('[2, 3]', '[1, 1, 1, 1, 1, 1, 1, 1, ... (30 dimensions)]')
    """
    dims = proto.tensor_shape.dim
    sizes = [str(dim.size) for dim in dims[:_SHOWN_DIMS]]
    if len(dims) > _SHOWN_DIMS:
        sizes.append(f"... ({len(dims)} dimensions)")
    return f"[{', '.join(sizes)}]"


def is_numeric(proto: TensorProto) -> bool:
    """Whether `decode` gives numbers (or bools) for a tensor of this dtype."""
    return proto.dtype in _BY_NUMBER


def of_value(value: Summary.Value, what: str) -> TensorProto:
    """The tensor of a summary value; ``what`` begins the message of an error.

    Raises:
        DecodeError: it holds something else, or nothing.
    """
    field = value.WhichOneof("value")
    if field != "tensor":
        raise DecodeError(f"{what} without a tensor: it holds {field or 'nothing'}")
    return value.tensor


def decode(proto: TensorProto) -> Array:
    """The tensor as an array of its own shape, in native byte order; treat it as read-only.

    Strings give an object array of ``bytes``; bfloat16 and float8 give float32.

    Raises:
        DecodeError: a dtype without a meaning here (quantised, resource, variant, reference, of
            less than eight bits), data that do not fit the shape, or a large shape with few data.

    >>> decode(encode(np.arange(6, dtype=np.int16).reshape(2, 3)))
    array([[0, 1, 2],
           [3, 4, 5]], dtype=int16)
    """
    if proto.dtype == tensor_pb2.DT_STRING:
        return _strings(proto, list(proto.string_val), b"")
    shape = _shape(proto)
    count = math.prod(shape)
    row = _BY_NUMBER.get(proto.dtype)
    if row is None:
        name = dtype_name(proto.dtype)
        why = ": numbers on a scale that the log does not hold" if "_Q" in name else ""
        raise DecodeError(f"tensors of {name} are not supported{why}")
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
    return _spread(flat.astype(flat.dtype.newbyteorder("="), copy=False), shape, 0, _MOST_REPEATED)


def decode_text(proto: TensorProto) -> Array:
    """The strings of a tensor as an object array of ``str``, of its own shape.

    Bytes that are not UTF-8 are shown as ``\\xff``.

    Raises:
        DecodeError: a tensor of something else; data that do not fit the shape, as in `decode`.

    >>> decode_text(encode([b"a", b"b\\xff"]))
    array(['a', 'b\\\\xff'], dtype=object)
    """
    if proto.dtype != tensor_pb2.DT_STRING:
        raise DecodeError(f"a tensor of {dtype_name(proto.dtype)}, where strings belong")
    return _strings(proto, [to_text(item) for item in proto.string_val], "")


def to_text(data: bytes) -> str:
    """UTF-8 as ``str``; what is not UTF-8 as backslash, x and two digits for each byte."""
    return data.decode("utf-8", "backslashreplace")


def _shape(proto: TensorProto) -> tuple[int, ...]:
    rank = len(proto.tensor_shape.dim)
    if rank > MAX_RANK:
        raise DecodeError(f"a tensor of {rank} dimensions")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
        raise DecodeError(f"a tensor of unknown shape {list(shape)}")
    return shape


def _strings(proto: TensorProto, items: list[Any], default: bytes | str) -> Array:
    if proto.tensor_content:  # TensorFlow's form for checkpoints; no summary has it
        raise DecodeError("strings in tensor_content, where string_val belongs")
    strings = np.empty(len(items), object)
    strings[:] = items
    return _spread(strings, _shape(proto), default, _MOST_REPEATED_STRINGS)


def _typed_values(proto: TensorProto, row: _Dtype) -> Array:
    values = getattr(proto, row.field)
    if row.field == "half_val":
        return _half_bits(np.array(values, np.int64), row).astype("<u2").view(row.stored)
    if row.number == tensor_pb2.DT_UINT8 and not values:
        values = proto.uint32_val  # torch's
    if row.field == "float8_val":
        return np.frombuffer(values, np.uint8)
    if row.field in ("scomplex_val", "dcomplex_val"):
        with np.errstate(invalid="ignore"):  # of a signalling NaN
            pairs = np.array(values, np.float64)
        if len(pairs) % 2:
            raise DecodeError(f"an odd number of values in {row.field}")
        return pairs.view(np.complex128).astype(row.stored)
    if row.stored.kind in "iu" and values:
        limits = np.iinfo(row.stored)
        if min(values) < limits.min or max(values) > limits.max:
            raise DecodeError(f"{row.field} holds values that are no {row.name}")
    return np.array(values, row.stored)


def _half_bits(values: Array, row: _Dtype) -> Array:
    """The bits of halves or bfloat16s, where torch may have written those of float32s."""
    if not len(values) or (values.min() >= 0 and values.max() <= 0xFFFF):
        return values
    single = values.astype(np.uint32)
    if row.number == tensor_pb2.DT_BFLOAT16:
        bits, lost = single >> 16, single & 0xFFFF
    else:
        numbers = single.view(np.float32)
        with np.errstate(over="ignore"):
            halves = numbers.astype(np.float16)
        lost = (single & 0x1FFF) | ((halves != numbers) & (numbers == numbers))
        bits = halves.view(np.uint16)
    if lost.any():
        raise DecodeError(f"half_val holds values that are no {row.name}")
    return bits


def _spread(flat: Array, shape: tuple[int, ...], default: Any, most: int) -> Array:
    """``flat`` in its shape, the last value repeated for up to ``most`` elements."""
    count = math.prod(shape)
    if len(flat) > count or (len(flat) < count and count > most):
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
