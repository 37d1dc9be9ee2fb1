"""TensorProto and arrays, both ways, against TensorBoard's tensor_util and by hand."""

from __future__ import annotations

import tracemalloc
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorboard.compat.proto import tensor_pb2 as tensorboard_pb2
from tensorboard.util import tensor_util

from tbio import tensor
from tbio.errors import DecodeError
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import DataType, TensorProto

Array = npt.NDArray[Any]

NUMBERS = {
    "float32": tensor_pb2.DT_FLOAT,
    "float64": tensor_pb2.DT_DOUBLE,
    "float16": tensor_pb2.DT_HALF,
    "int8": tensor_pb2.DT_INT8,
    "int16": tensor_pb2.DT_INT16,
    "int32": tensor_pb2.DT_INT32,
    "int64": tensor_pb2.DT_INT64,
    "uint8": tensor_pb2.DT_UINT8,
    "uint16": tensor_pb2.DT_UINT16,
    "uint32": tensor_pb2.DT_UINT32,
    "uint64": tensor_pb2.DT_UINT64,
    "bool": tensor_pb2.DT_BOOL,
    "complex64": tensor_pb2.DT_COMPLEX64,
    "complex128": tensor_pb2.DT_COMPLEX128,
}
#: tensorboard's make_ndarray takes these two only as tensor_content.
NOT_TYPED_IN_TENSORBOARD = {"uint32", "uint64"}


def proto(dtype: DataType, shape: tuple[int, ...], **fields: Any) -> TensorProto:
    dims = [{"size": size} for size in shape]
    return TensorProto(dtype=dtype, tensor_shape={"dim": dims}, **fields)


def as_tensorboard(ours: TensorProto) -> tensorboard_pb2.TensorProto:
    return tensorboard_pb2.TensorProto.FromString(ours.SerializeToString())


def from_tensorboard(theirs: tensorboard_pb2.TensorProto) -> TensorProto:
    return TensorProto.FromString(theirs.SerializeToString())


def same(one: Array, other: Array) -> None:
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------ against tensor_util


def arrays(dtypes: st.SearchStrategy[np.dtype[Any]]) -> st.SearchStrategy[Array]:
    return hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


DTYPES = st.sampled_from([np.dtype(name) for name in NUMBERS])


@settings(max_examples=200, deadline=None)
@given(arrays(DTYPES))
def test_what_tensorboard_writes(array: Array) -> None:
    written = tensor_util.make_tensor_proto(array)
    same(tensor.decode(from_tensorboard(written)), array)


@settings(max_examples=200, deadline=None)
@given(arrays(DTYPES))
def test_what_tensorboard_reads(array: Array) -> None:
    ours = tensor.encode(array)
    same(tensor.decode(ours), array)
    if array.size or array.dtype.name not in NOT_TYPED_IN_TENSORBOARD:
        same(tensor_util.make_ndarray(as_tensorboard(ours)), array)


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(object, hnp.array_shapes(min_dims=0, min_side=0), elements=st.binary(max_size=9)))
def test_strings_both_ways(array: Array) -> None:
    array = np.array(array, object)
    same(tensor.decode(tensor.encode(array)), array)
    theirs = tensor_util.make_ndarray(as_tensorboard(tensor.encode(array)))
    assert theirs.tolist() == array.tolist()
    if array.size:
        written = tensor_util.make_tensor_proto(array.tolist())
        assert tensor.decode(from_tensorboard(written)).tolist() == array.tolist()


@pytest.mark.parametrize("name", NUMBERS)
def test_the_number_of_each_dtype(name: str) -> None:
    array = np.array([0, 1, 1], name)
    ours = tensor.encode(array)
    assert ours.dtype == NUMBERS[name] == tensor_util.make_tensor_proto(array).dtype
    assert ours.tensor_content == array.tobytes()
    same(tensor.decode(ours), array)


@pytest.mark.parametrize("order", ["<", ">"])
def test_bytes_are_stored_little_endian(order: str) -> None:
    ours = tensor.encode(np.array([1, 258], f"{order}u4"))
    assert ours.tensor_content == bytes.fromhex("01000000 02010000")
    assert tensor.decode(ours).dtype.isnative


def test_arrays_of_any_layout() -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for view in (array.T, array[:, ::-1], array[::2, 1:, 3], np.asfortranarray(array)):
        same(tensor.decode(tensor.encode(view)), np.ascontiguousarray(view))


# ------------------------------------------------------------------ typed fields

#: dtype, its typed field, values in it, the array that they are
TYPED: list[tuple[DataType, str, list[Any], Array]] = [
    (tensor_pb2.DT_FLOAT, "float_val", [0.5, -1, np.inf], np.array([0.5, -1, np.inf], np.float32)),
    (
        tensor_pb2.DT_DOUBLE,
        "double_val",
        [0.1, 1e300, -0.0],
        np.array([0.1, 1e300, -0.0], np.float64),
    ),
    # sign, 5 bits of exponent, 10 of fraction
    (
        tensor_pb2.DT_HALF,
        "half_val",
        [0x3C00, 0xC000, 0x7BFF],
        np.array([1, -2, 65504], np.float16),
    ),
    # the upper half of a float32: 0x3f80 is 1.0, 0x3fc0 1.5, 0xc000 -2
    (
        tensor_pb2.DT_BFLOAT16,
        "half_val",
        [0x3F80, 0x3FC0, 0xC000],
        np.array([1, 1.5, -2], np.float32),
    ),
    (tensor_pb2.DT_INT8, "int_val", [-128, 0, 127], np.array([-128, 0, 127], np.int8)),
    (
        tensor_pb2.DT_INT16,
        "int_val",
        [-(2**15), 0, 2**15 - 1],
        np.array([-(2**15), 0, 2**15 - 1], np.int16),
    ),
    (
        tensor_pb2.DT_INT32,
        "int_val",
        [-(2**31), 0, 2**31 - 1],
        np.array([-(2**31), 0, 2**31 - 1], np.int32),
    ),
    (
        tensor_pb2.DT_INT64,
        "int64_val",
        [-(2**63), 0, 2**63 - 1],
        np.array([-(2**63), 0, 2**63 - 1]),
    ),
    (tensor_pb2.DT_UINT8, "int_val", [0, 1, 255], np.array([0, 1, 255], np.uint8)),
    (tensor_pb2.DT_UINT16, "int_val", [0, 1, 65535], np.array([0, 1, 65535], np.uint16)),
    (tensor_pb2.DT_UINT32, "uint32_val", [0, 1, 2**32 - 1], np.array([0, 1, 2**32 - 1], np.uint32)),
    (tensor_pb2.DT_UINT64, "uint64_val", [0, 1, 2**64 - 1], np.array([0, 1, 2**64 - 1], np.uint64)),
    (tensor_pb2.DT_BOOL, "bool_val", [True, False, True], np.array([True, False, True])),
    (
        tensor_pb2.DT_COMPLEX64,
        "scomplex_val",
        [1, 2, 0, -0.5, 3, 0],
        np.array([1 + 2j, -0.5j, 3], np.complex64),
    ),
    (
        tensor_pb2.DT_COMPLEX128,
        "dcomplex_val",
        [0.1, 1e300, 0, -0.5, 3, 0],
        np.array([0.1 + 1e300j, -0.5j, 3], np.complex128),
    ),
    (
        tensor_pb2.DT_STRING,
        "string_val",
        [b"one", b"", b"\xff\x00"],
        np.array([b"one", b"", b"\xff\x00"], object),
    ),
]
FIELDS = pytest.mark.parametrize(
    ("dtype", "field", "values", "array"), TYPED, ids=[DataType.Name(row[0]) for row in TYPED]
)


@FIELDS
def test_typed_values(dtype: DataType, field: str, values: list[Any], array: Array) -> None:
    same(tensor.decode(proto(dtype, (3,), **{field: values})), array)
    same(tensor.decode(proto(dtype, (3, 1), **{field: values})), array.reshape(3, 1))
    known = array.dtype.name not in NOT_TYPED_IN_TENSORBOARD and dtype != tensor_pb2.DT_BFLOAT16
    if known:
        theirs = tensor_util.make_ndarray(as_tensorboard(proto(dtype, (3,), **{field: values})))
        assert theirs.tolist() == array.tolist()


@FIELDS
def test_one_value_fills_the_tensor(
    dtype: DataType, field: str, values: list[Any], array: Array
) -> None:
    one = values[: len(values) // 3]
    filled = tensor.decode(proto(dtype, (2, 3), **{field: one}))
    same(filled, np.full((2, 3), array[0], array.dtype))
    same(tensor.decode(proto(dtype, (), **{field: one})), array[:1].reshape(()))


@FIELDS
def test_the_last_value_is_repeated(
    dtype: DataType, field: str, values: list[Any], array: Array
) -> None:
    # As TensorFlow does (Tensor::FromProto); tensorboard's make_ndarray raises.
    filled = tensor.decode(proto(dtype, (5,), **{field: values}))
    same(filled, array[[0, 1, 2, 2, 2]])


@FIELDS
def test_no_values_are_zeros(dtype: DataType, field: str, values: list[Any], array: Array) -> None:
    zero = b"" if dtype == tensor_pb2.DT_STRING else 0
    same(tensor.decode(proto(dtype, (2,))), np.full(2, zero, array.dtype))


@FIELDS
def test_empty(dtype: DataType, field: str, values: list[Any], array: Array) -> None:
    same(tensor.decode(proto(dtype, (0,))), array[:0])
    same(tensor.decode(proto(dtype, (3, 0, 2))), np.empty((3, 0, 2), array.dtype))


@FIELDS
def test_too_many_values(dtype: DataType, field: str, values: list[Any], array: Array) -> None:
    for shape in ((2,), (), (0,), (1, 1)):
        with pytest.raises(DecodeError, match=r"3 values for a tensor of shape"):
            tensor.decode(proto(dtype, shape, **{field: values}))


@pytest.mark.parametrize(
    ("dtype", "field", "values"),
    [
        (tensor_pb2.DT_INT8, "int_val", [128]),
        (tensor_pb2.DT_INT8, "int_val", [0, -129]),
        (tensor_pb2.DT_UINT8, "int_val", [-1]),
        (tensor_pb2.DT_UINT8, "int_val", [256]),
        (tensor_pb2.DT_INT16, "int_val", [2**15]),
        (tensor_pb2.DT_UINT16, "int_val", [2**16]),
        (tensor_pb2.DT_HALF, "half_val", [2**16]),
        (tensor_pb2.DT_HALF, "half_val", [-1]),
        (tensor_pb2.DT_HALF, "half_val", [0x47800000]),  # 65536 as a float32: beyond a half
        (tensor_pb2.DT_HALF, "half_val", [0x3F801000]),  # more digits than a half has
        (tensor_pb2.DT_BFLOAT16, "half_val", [2**16 + 1]),
        (tensor_pb2.DT_BFLOAT16, "half_val", [0x3F800000, 1]),
    ],
)
def test_values_out_of_range(dtype: DataType, field: str, values: list[int]) -> None:
    with pytest.raises(DecodeError, match=f"{field} holds values that are no "):
        tensor.decode(proto(dtype, (len(values),), **{field: values}))


def test_what_torch_writes_in_another_way() -> None:
    """half_to_int of torch/utils/tensorboard/summary.py: the bits of the float32, signed."""
    numbers = [1.5, -2.0, 0.0, np.inf, np.nan, 2.0**-24]
    bits = np.array(numbers, np.float32).view(np.int32).tolist()
    same(
        tensor.decode(proto(tensor_pb2.DT_HALF, (6,), half_val=bits)),
        np.array(numbers, np.float16),
    )
    same(
        tensor.decode(proto(tensor_pb2.DT_BFLOAT16, (6,), half_val=bits)),
        np.array(numbers, np.float32),
    )
    same(
        tensor.decode(proto(tensor_pb2.DT_UINT8, (3,), uint32_val=[0, 7, 255])),
        np.array([0, 7, 255], np.uint8),
    )
    with pytest.raises(DecodeError, match="int_val holds values that are no uint8"):
        tensor.decode(proto(tensor_pb2.DT_UINT8, (1,), uint32_val=[256]))


@pytest.mark.full
@pytest.mark.parametrize(
    "name",
    [
        *("float16", "bfloat16", "float32", "float64", "bool", "complex64", "complex128"),
        *("int8", "uint8", "int16", "int32", "int64"),
    ],
)
def test_tensors_of_torch(name: str) -> None:
    """What its add_tensor writes, all of it."""
    import torch
    from torch.utils.tensorboard import summary as torch_summary

    value = torch.tensor([[0, 1, 2], [3, 100, 0.0]]).to(getattr(torch, name))
    theirs = torch_summary.tensor_proto("x", value).value[0].tensor
    array = tensor.decode(from_tensorboard(theirs))
    expected = value.float() if name == "bfloat16" else value
    same(array, expected.numpy())


def test_half_of_a_complex_number() -> None:
    with pytest.raises(DecodeError, match="an odd number of values in scomplex_val"):
        tensor.decode(proto(tensor_pb2.DT_COMPLEX64, (2,), scomplex_val=[1, 2, 3]))


@pytest.mark.parametrize("name", NUMBERS)
def test_content_of_a_wrong_length(name: str) -> None:
    size = np.dtype(name).itemsize
    for length in {1, size - 1, size, 3 * size, 2 * size + 1} - {0, 2 * size}:
        content = b"\x01" * length
        with pytest.raises(DecodeError, match=f"{length} bytes of tensor_content for {name}"):
            tensor.decode(proto(NUMBERS[name], (2,), tensor_content=content))


# ------------------------------------------------------------------ shapes that cannot be


@pytest.mark.parametrize("name", [*NUMBERS, "string"])
@pytest.mark.parametrize("shape", [(2**40,), (2**20, 2**20), (2**62, 4), (2**63 - 1,) * 3])
def test_absurd_shapes_cost_no_memory(name: str, shape: tuple[int, ...]) -> None:
    dtype = NUMBERS.get(name, tensor_pb2.DT_STRING)
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="values for a tensor of"):
            tensor.decode(proto(dtype, shape))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("shape", [(-1,), (2, -1), (0, -1), (-1, -1)])
def test_negative_sizes(shape: tuple[int, ...]) -> None:
    with pytest.raises(DecodeError, match="unknown shape"):
        tensor.decode(proto(tensor_pb2.DT_FLOAT, shape, float_val=[1]))


def test_unknown_rank() -> None:
    unknown = TensorProto(dtype=tensor_pb2.DT_FLOAT, tensor_shape={"unknown_rank": True})
    with pytest.raises(DecodeError, match="unknown shape"):
        tensor.decode(unknown)


@pytest.mark.parametrize("shape", [(0, 2**62), (2**40, 0, 2**40), (0, 2**63 - 1, 2**63 - 1)])
@pytest.mark.parametrize("dtype", [tensor_pb2.DT_FLOAT, tensor_pb2.DT_STRING])
def test_shapes_that_numpy_refuses_though_they_are_empty(
    dtype: DataType, shape: tuple[int, ...]
) -> None:
    with pytest.raises(DecodeError):
        tensor.decode(proto(dtype, shape))


@pytest.mark.parametrize("size", [0, 1])
def test_more_dimensions_than_numpy_has(size: int) -> None:
    with pytest.raises(DecodeError):
        tensor.decode(proto(tensor_pb2.DT_FLOAT, (size,) * 65))


@pytest.mark.parametrize("rank", [65, 20_000])
def test_endless_shapes_cost_no_time(rank: int) -> None:
    """Their product alone would have a million bits."""
    with pytest.raises(DecodeError, match=f"a tensor of {rank} dimensions"):
        tensor.decode(proto(tensor_pb2.DT_FLOAT, (2**62,) * rank))


@pytest.mark.parametrize(
    ("dtype", "most"), [(tensor_pb2.DT_BOOL, 1 << 24), (tensor_pb2.DT_STRING, 1 << 16)]
)
def test_few_values_do_not_become_endless(dtype: DataType, most: int) -> None:
    assert tensor.decode(proto(dtype, (most,))).shape == (most,)
    for field in ({}, {"bool_val": [True, False]}, {"string_val": [b"a", b"b"]}):
        with pytest.raises(DecodeError, match=rf"values for a tensor of shape \[{most + 1}\]"):
            tensor.decode(proto(dtype, (most + 1,), **field))
    whole = proto(tensor_pb2.DT_BOOL, (1 << 25,), tensor_content=bytes(1 << 25))
    assert tensor.decode(whole).shape == (1 << 25,)  # which are all there


# ------------------------------------------------------------------ strings as text


def test_text() -> None:
    table = tensor.encode(np.array([["né", b"a\xffb"], [b"", b"\xe4"]], object))
    same(tensor.decode_text(table), np.array([["né", r"a\xffb"], ["", r"\xe4"]], object))
    filled = proto(tensor_pb2.DT_STRING, (2,), string_val=[b"x"])
    same(tensor.decode_text(filled), np.array(["x", "x"], object))
    same(tensor.decode_text(proto(tensor_pb2.DT_STRING, (1,))), np.array([""], object))
    assert tensor.decode_text(tensor.encode("a")).item() == "a"
    with pytest.raises(DecodeError, match="a tensor of DT_FLOAT, where strings belong"):
        tensor.decode_text(proto(tensor_pb2.DT_FLOAT, (1,), float_val=[1]))
    with pytest.raises(DecodeError, match="2 values for a tensor"):
        tensor.decode_text(proto(tensor_pb2.DT_STRING, (1,), string_val=[b"a", b"b"]))


def test_the_tensor_of_a_value() -> None:
    value = Summary.Value(tag="x", tensor=tensor.encode([1.0]))
    assert tensor.of_value(value, "a thing") == value.tensor
    for other, held in (
        (Summary.Value(tag="x"), "nothing"),
        (Summary.Value(simple_value=1), "simple_value"),
        (Summary.Value(histo={}), "histo"),
    ):
        with pytest.raises(DecodeError, match=f"a thing without a tensor: it holds {held}"):
            tensor.of_value(other, "a thing")


# ------------------------------------------------------------------ dtypes without a meaning here

SUPPORTED = {row[0] for row in TYPED} | {
    tensor_pb2.DT_FLOAT8_E5M2,
    tensor_pb2.DT_FLOAT8_E4M3FN,
    tensor_pb2.DT_FLOAT8_E4M3FNUZ,
    tensor_pb2.DT_FLOAT8_E4M3B11FNUZ,
    tensor_pb2.DT_FLOAT8_E5M2FNUZ,
}


@pytest.mark.parametrize(
    "name", [name for name, number in DataType.items() if number not in SUPPORTED]
)
def test_unsupported_dtypes(name: str) -> None:
    dtype = cast(DataType, DataType.Value(name))
    with pytest.raises(DecodeError, match=f"tensors of {name} are not supported"):
        tensor.decode(proto(dtype, (1,), tensor_content=b"\x00"))


def test_quantised_numbers_are_refused_for_a_reason() -> None:
    with pytest.raises(DecodeError, match="DT_QINT8 are not supported: numbers on a scale that"):
        tensor.decode(proto(tensor_pb2.DT_QINT8, (1,), tensor_content=b"\x00"))


def test_a_dtype_of_the_future() -> None:
    future = TensorProto.FromString(bytes.fromhex("08 e707"))  # dtype: 999
    with pytest.raises(DecodeError, match="tensors of dtype 999 are not supported"):
        tensor.decode(future)
    assert not tensor.is_numeric(future)


def test_is_numeric() -> None:
    for name, number in DataType.items():
        expected = number in SUPPORTED and number != tensor_pb2.DT_STRING
        assert tensor.is_numeric(TensorProto(dtype=cast(DataType, number))) == expected, name


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(DataType.values())),
    st.lists(st.integers(-1, 4) | st.integers(2**33, 2**63 - 1), max_size=70),
    st.binary(max_size=20),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    st.lists(st.floats(width=32), max_size=3),
)
def test_any_proto_is_decoded_or_refused(
    dtype: DataType, shape: list[int], content: bytes, ints: list[int], floats: list[float]
) -> None:
    anything = proto(
        dtype,
        tuple(shape),
        tensor_content=content,
        int_val=ints,
        half_val=ints,
        int64_val=ints,
        float_val=floats,
        double_val=floats,
        scomplex_val=floats,
        float8_val=content,
        string_val=[content],
    )
    try:
        array = tensor.decode(anything)
    except DecodeError:
        return
    assert list(array.shape) == shape


# ------------------------------------------------------------------ the small floats, by hand

#: number of the dtype -> byte -> value
FLOAT8: dict[DataType, dict[int, float]] = {
    tensor_pb2.DT_FLOAT8_E5M2: {  # s eeeee mm, bias 15
        0x00: 0.0,
        0x01: 2.0**-16,  # the least subnormal: 1/4 * 2**-14
        0x04: 2.0**-14,
        0x3C: 1.0,
        0x3D: 1.25,
        0xC0: -2.0,
        0x7B: 57344.0,  # 1.75 * 2**15, the greatest
        0x7C: np.inf,
        0xFC: -np.inf,
        0x7D: np.nan,
        0xFF: np.nan,
    },
    tensor_pb2.DT_FLOAT8_E4M3FN: {  # s eeee mmm, bias 7, no infinity
        0x01: 2.0**-9,
        0x08: 2.0**-6,
        0x38: 1.0,
        0x39: 1.125,
        0xB8: -1.0,
        0x78: 256.0,
        0x7E: 448.0,  # 1.75 * 2**8, the greatest
        0x7F: np.nan,
        0xFF: np.nan,
    },
    tensor_pb2.DT_FLOAT8_E4M3FNUZ: {  # bias 8, NaN in the place of minus zero
        0x01: 2.0**-10,
        0x40: 1.0,
        0x7F: 240.0,  # 1.875 * 2**7
        0xFF: -240.0,
        0x80: np.nan,
    },
    tensor_pb2.DT_FLOAT8_E4M3B11FNUZ: {  # bias 11
        0x58: 1.0,
        0x7F: 30.0,  # 1.875 * 2**4
        0x80: np.nan,
    },
    tensor_pb2.DT_FLOAT8_E5M2FNUZ: {  # bias 16
        0x40: 1.0,
        0x7F: 57344.0,  # 1.75 * 2**15
        0x80: np.nan,
    },
}
#: ml_dtypes' name of each
SMALL_FLOATS = {
    tensor_pb2.DT_BFLOAT16: "bfloat16",
    tensor_pb2.DT_FLOAT8_E5M2: "float8_e5m2",
    tensor_pb2.DT_FLOAT8_E4M3FN: "float8_e4m3fn",
    tensor_pb2.DT_FLOAT8_E4M3FNUZ: "float8_e4m3fnuz",
    tensor_pb2.DT_FLOAT8_E4M3B11FNUZ: "float8_e4m3b11fnuz",
    tensor_pb2.DT_FLOAT8_E5M2FNUZ: "float8_e5m2fnuz",
}


@pytest.mark.parametrize("dtype", FLOAT8, ids=SMALL_FLOATS.get)
def test_float8(dtype: DataType) -> None:
    content, values = bytes(FLOAT8[dtype]), np.array(list(FLOAT8[dtype].values()), np.float32)
    same(tensor.decode(proto(dtype, (len(values),), tensor_content=content)), values)
    same(tensor.decode(proto(dtype, (len(values),), float8_val=content)), values)
    same(
        tensor.decode(proto(dtype, (len(values) + 2,), float8_val=content)),
        np.append(values, [values[-1]] * 2),
    )


def test_bfloat16_content() -> None:
    content = bytes.fromhex("803f 4940 0080 c07f 7f7f")
    array = tensor.decode(proto(tensor_pb2.DT_BFLOAT16, (5,), tensor_content=content))
    same(array, np.array([1.0, 3.140625, -0.0, np.nan, 255 * 2.0**120], np.float32))
    assert np.signbit(array[2])


@pytest.mark.full
@pytest.mark.parametrize("dtype", SMALL_FLOATS, ids=SMALL_FLOATS.get)
def test_small_floats_of_ml_dtypes(dtype: DataType) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    name = SMALL_FLOATS[dtype]
    bits = np.arange(2**16, dtype="<u2") if name == "bfloat16" else np.arange(256, dtype=np.uint8)
    theirs = bits.view(getattr(ml_dtypes, name))
    encoded = tensor.encode(theirs)
    assert encoded.dtype == dtype
    assert encoded.tensor_content == bits.tobytes()
    same(tensor.decode(encoded), theirs.astype(np.float32))


# ------------------------------------------------------------------ encoding by hand

#: array -> its TensorProto, byte by byte
GOLDEN: dict[str, tuple[Any, str]] = {
    "a number": (
        np.float32(0.5),
        "08 01"  # dtype: DT_FLOAT
        "12 00"  # tensor_shape, without a dimension
        "22 04 0000003f",  # tensor_content
    ),
    "a row": (
        np.array([[1, -2]], np.int16),
        "08 05"  # dtype: DT_INT16
        "12 08 12 02 08 01 12 02 08 02"  # tensor_shape: dim 1, dim 2
        "22 04 0100 feff",
    ),
    "text": (
        ["né", "b"],
        "08 07"  # dtype: DT_STRING
        "12 04 12 02 08 02"
        "42 03 6ec3a9"  # string_val, UTF-8
        "42 01 62",
    ),
    "bytes": (b"\xff\xfe", "08 07 12 00 42 02 fffe"),
    # a size of 0 is the default, and not on the wire
    "nothing": (np.empty(0, np.float64), "08 02 12 02 12 00"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_encode_golden(name: str) -> None:
    array, golden = GOLDEN[name]
    assert tensor.encode(array).SerializeToString(deterministic=True) == bytes.fromhex(golden)


@pytest.mark.parametrize("name", ["a number", "bytes"])
def test_tensorboard_writes_an_empty_shape_too(name: str) -> None:
    array, _ = GOLDEN[name]
    theirs = tensor_util.make_tensor_proto(array)
    assert theirs.HasField("tensor_shape")
    assert tensor.decode(from_tensorboard(theirs)) == array


@pytest.mark.parametrize(
    "array",
    [
        np.array(["2020-01-01"], "datetime64[D]"),
        np.zeros(2, [("a", int)]),
        np.array([1, None], object),
        np.array([b"one", 2], object),
        np.zeros(2, np.longdouble),
        None,
    ],
    ids=["datetime", "record", "None inside", "mixed", "long double", "None"],
)
def test_what_is_no_tensor(array: Any) -> None:
    with pytest.raises(TypeError):
        tensor.encode(array)


def test_strings_in_tensor_content_are_refused() -> None:
    """TensorFlow's form for checkpoints: not to be taken for a tensor of empty strings."""
    proto = TensorProto(dtype=tensor_pb2.DT_STRING, tensor_content=b"\x01\x01ab")
    proto.tensor_shape.dim.add(size=2)
    for decode in (tensor.decode, tensor.decode_text):
        with pytest.raises(DecodeError, match="strings in tensor_content"):
            decode(proto)
