"""Scalars: the bytes of each encoding by hand, and everything that a log may hold as one."""

from __future__ import annotations

import io
import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.util import tensor_util

import tbio
from tbio import RecordWriter, tensor
from tbio.errors import DecodeError
from tbio.kinds import scalar
from tbio.proto import tensor_pb2
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DataType

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

# ------------------------------------------------------------------ golden bytes

LOSS = "0a 04 6c6f7373"  # tag (field 1): "loss"

#: value, how it is encoded -> the bytes of Summary.Value, and what is read back
GOLDEN: dict[str, tuple[float, dict[str, bool], str, float]] = {
    "old": (
        0.5,
        {},
        "15 0000003f",  # simple_value (field 2, 32 bits)
        0.5,
    ),
    "old, rounded": (0.1, {}, "15 cdcccc3d", 0.10000000149011612),
    "old, beyond float32": (1e300, {}, "15 0000807f", math.inf),
    "new": (
        0.5,
        {"as_tensor": True},
        "42 0a"  # tensor (field 8), 10 bytes
        "08 01"  # dtype: DT_FLOAT
        "12 00"  # tensor_shape: no dimension
        "2a 04 0000003f",  # float_val (field 5, packed)
        0.5,
    ),
    "new, beyond float32": (
        -1e39,
        {"as_tensor": True},
        "42 0a 08 01 12 00 2a 04 000080ff",
        -math.inf,
    ),
    "exact": (
        0.1,
        {"exact": True},
        "42 14"  # tensor, 20 bytes
        "08 01"  # dtype: DT_FLOAT, for those who look there only
        "12 00"
        "2a 04 cdcccc3d"  # float_val: 0.1 as a float32
        "32 08 9a9999999999b93f",  # double_val (field 6, packed): 0.1 as a double
        0.1,
    ),
    "exact, beyond float32": (
        2.0**1000,
        {"exact": True},
        "42 14 08 01 12 00 2a 04 0000807f 32 08 000000000000707e",
        2.0**1000,
    ),
    "exact, both asked for": (
        0.5,
        {"exact": True, "as_tensor": True},
        "42 14 08 01 12 00 2a 04 0000003f 32 08 000000000000e03f",
        0.5,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str) -> None:
    value, how, golden, read = GOLDEN[name]
    stored = bytes.fromhex(LOSS + golden)
    assert scalar.encode("loss", value, **how).SerializeToString(deterministic=True) == stored
    dtype = FLOAT64 if how.get("exact") else FLOAT32
    assert scalar.decode(Summary.Value.FromString(stored)) == (read, dtype)


@pytest.mark.parametrize("name", GOLDEN)
def test_tensorboard_sees_the_float32(name: str) -> None:
    value, how, golden, _ = GOLDEN[name]
    theirs = tensorboard_pb2.Summary.Value.FromString(bytes.fromhex(LOSS + golden))
    with np.errstate(over="ignore"):
        rounded = np.array([value]).astype(np.float32)[0]
    if how:
        number = tensor_util.make_ndarray(theirs.tensor)
        assert (number.shape, number.dtype, number.item()) == ((), FLOAT32, rounded)
    else:
        assert theirs.simple_value == rounded


def test_metadata() -> None:
    assert scalar.metadata().SerializeToString() == bytes.fromhex(
        "0a 09"  # plugin_data, 9 bytes
        "0a 07 7363616c617273"  # plugin_name: "scalars"
        "20 01"  # data_class: DATA_CLASS_SCALAR
    )
    ours = scalar.metadata("Loss", "of *training*")
    theirs = scalar_metadata.create_summary_metadata("Loss", "of *training*")
    theirs.data_class = tensorboard_pb2.DATA_CLASS_SCALAR  # as its dataclass_compat.py adds
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())


def test_the_value_brings_no_metadata() -> None:
    for how in ({}, {"as_tensor": True}, {"exact": True}):
        assert not scalar.encode("loss", 1.0, **how).HasField("metadata")


# ------------------------------------------------------------------ there and back


def bits(value: float) -> bytes:
    return np.float64(value).tobytes()


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False))
def test_any_double(value: float) -> None:
    with np.errstate(over="ignore"):
        rounded = float(np.array([value]).astype(np.float32)[0])
    for how in ({}, {"as_tensor": True}):
        number, dtype = scalar.decode(scalar.encode("x", value, **how))
        assert (bits(number), dtype) == (bits(rounded), FLOAT32)
    number, dtype = scalar.decode(scalar.encode("x", value, exact=True))
    assert (bits(number), dtype) == (bits(value), FLOAT64)


@pytest.mark.parametrize("how", [{}, {"as_tensor": True}, {"exact": True}], ids=str)
def test_nan_and_infinity(how: dict[str, bool]) -> None:
    for value in (math.nan, math.inf, -math.inf):
        number, dtype = scalar.decode(scalar.encode("x", value, **how))
        np.testing.assert_equal(number, value)
        assert dtype == (FLOAT64 if how.get("exact") else FLOAT32)


#: The greatest float32, and half a step more, where rounding to the nearest goes to infinity.
GREATEST, OVERFLOW = 2.0**128 - 2.0**104, 2.0**128 - 2.0**103


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (0.0, True),
        (5e-324, True),  # it becomes 0, which is finite
        (GREATEST, True),
        (math.nextafter(GREATEST, math.inf), True),
        (math.nextafter(OVERFLOW, 0), True),
        (OVERFLOW, False),
        (math.nextafter(OVERFLOW, math.inf), False),
        (2.0**128, False),
        (1.7976931348623157e308, False),
        (math.inf, True),
        (math.nan, True),
    ],
)
def test_fits_float32(value: float, fits: bool, sign: int) -> None:
    value *= sign
    assert scalar.fits_float32(value) is fits
    with np.errstate(over="ignore"):
        rounded = np.array([value]).astype(np.float32)[0]
    if math.isfinite(value):
        assert bool(np.isfinite(rounded)) is fits


@settings(max_examples=200, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(3.4e38, 3.5e38))
def test_fits_as_numpy_rounds(value: float) -> None:
    with np.errstate(over="ignore"):
        assert scalar.fits_float32(value) == np.isfinite(np.array([value]).astype(np.float32)[0])


# ------------------------------------------------------------------ what others write


def of_tensor(dtype: DataType, shape: tuple[int, ...] = (), **fields: Any) -> Summary.Value:
    dims = [{"size": size} for size in shape]
    proto = tensor_pb2.TensorProto(dtype=dtype, tensor_shape={"dim": dims}, **fields)
    return Summary.Value(tag="x", tensor=proto)


@pytest.mark.parametrize("with_metadata", [False, True])
@pytest.mark.parametrize(
    ("number", "dtype"),
    [
        (0.5, "float32"),
        (0.1, "float64"),
        (-2.0, "float16"),
        (-128, "int8"),
        (-(2**15), "int16"),
        (2**31 - 1, "int32"),
        (2**63 - 1, "int64"),
        (255, "uint8"),
        (65535, "uint16"),
        (2**32 - 1, "uint32"),
        (2**64 - 1, "uint64"),
        (True, "bool"),
        (1 + 2j, "complex64"),
        (0.1 - 2j, "complex128"),
    ],
)
def test_every_dtype(number: Any, dtype: str, with_metadata: bool) -> None:
    array = np.array(number, dtype)
    value = Summary.Value(tag="x", tensor=tensor.encode(array))
    if with_metadata:
        value.metadata.CopyFrom(scalar.metadata())
    got = scalar.decode(value)
    assert got == (number, np.dtype(dtype))
    assert type(got[0]) is type(number)
    if dtype not in ("uint32", "uint64"):  # which tensorboard does not take as typed values
        typed = tensor_util.make_tensor_proto(array)
        value.tensor.ParseFromString(typed.SerializeToString())
        assert not value.tensor.tensor_content
        assert scalar.decode(value) == (number, np.dtype(dtype))


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (of_tensor(tensor_pb2.DT_BFLOAT16, half_val=[0x3FC0]), 1.5),
        (of_tensor(tensor_pb2.DT_BFLOAT16, tensor_content=b"\xc0\x3f"), 1.5),
        (of_tensor(tensor_pb2.DT_FLOAT8_E4M3FN, tensor_content=b"\x39"), 1.125),
        (of_tensor(tensor_pb2.DT_FLOAT, float_val=[1.5]), 1.5),
        (of_tensor(tensor_pb2.DT_FLOAT, tensor_content=b"\x00\x00\xc0\x3f"), 1.5),
        (of_tensor(tensor_pb2.DT_FLOAT, (1,), float_val=[1.5]), 1.5),
        (of_tensor(tensor_pb2.DT_FLOAT, (1, 1, 1), float_val=[1.5]), 1.5),
        (of_tensor(tensor_pb2.DT_FLOAT), 0.0),
    ],
)
def test_one_number_as_float32(value: Summary.Value, number: float) -> None:
    assert scalar.decode(value) == (number, FLOAT32)


def test_one_double() -> None:
    content = bytes.fromhex("9a9999999999b93f")
    for value in (
        of_tensor(tensor_pb2.DT_DOUBLE, double_val=[0.1]),
        of_tensor(tensor_pb2.DT_DOUBLE, tensor_content=content),
        # no exact encoding: the dtype says which field counts
        of_tensor(tensor_pb2.DT_DOUBLE, double_val=[0.1], float_val=[0.1]),
    ):
        assert scalar.decode(value) == (0.1, FLOAT64)


@pytest.mark.parametrize(
    ("floats", "doubles"),
    [
        ([0.5], [0.25]),
        ([0.5], [math.nan]),
        ([0.5], [1e300]),
        ([0.5], [0.5, 0.5]),
        ([0.5], [0.5 + 2.0**-20]),  # a float32 holds that difference
        ([0.5], []),
    ],
)
def test_the_float32_counts_where_the_double_is_not_its_own(
    floats: list[float], doubles: list[float]
) -> None:
    value = of_tensor(tensor_pb2.DT_FLOAT, float_val=floats, double_val=doubles)
    assert scalar.decode(value) == (floats[0], FLOAT32)


def test_the_double_counts_where_it_rounds_to_the_float32() -> None:
    close = 0.5 + 2.0**-40
    value = of_tensor(tensor_pb2.DT_FLOAT, float_val=[0.5], double_val=[close])
    assert scalar.decode(value) == (close, FLOAT64)


def test_tensor_content_counts_before_typed_values() -> None:
    # As in Tensor::FromProto and make_ndarray, though the double is that of the float32 beside it.
    content = np.float32(2).tobytes()
    value = of_tensor(
        tensor_pb2.DT_FLOAT, tensor_content=content, float_val=[0.5], double_val=[0.5]
    )
    assert scalar.decode(value) == (2.0, FLOAT32)


# ------------------------------------------------------------------ what is no scalar


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(tag="x"), "a scalar without a number: it holds nothing"),
        (Summary.Value(tag="x", histo={}), "a scalar without a number: it holds histo"),
        (Summary.Value(tag="x", image={}), "a scalar without a number: it holds image"),
        (of_tensor(tensor_pb2.DT_STRING, string_val=[b"1.0"]), "a scalar of DT_STRING"),
        (of_tensor(tensor_pb2.DT_QINT8, int_val=[1]), "a scalar of DT_QINT8"),
        (of_tensor(tensor_pb2.DT_INVALID, float_val=[1]), "a scalar of DT_INVALID"),
        (of_tensor(tensor_pb2.DT_FLOAT, (2,), float_val=[1, 2]), r"a scalar of shape \[2\]"),
        (of_tensor(tensor_pb2.DT_FLOAT, (3,), float_val=[1]), r"a scalar of shape \[3\]"),
        (
            of_tensor(tensor_pb2.DT_FLOAT, (3,), float_val=[1], double_val=[1]),
            r"a scalar of shape \[3\]",
        ),
        (of_tensor(tensor_pb2.DT_FLOAT, (0,)), r"a scalar of shape \[0\]"),
        (of_tensor(tensor_pb2.DT_FLOAT, float_val=[1, 2]), "2 values for a tensor of shape"),
        (of_tensor(tensor_pb2.DT_FLOAT, tensor_content=b"\x00" * 3), "3 bytes of tensor_content"),
        (of_tensor(tensor_pb2.DT_FLOAT, (-1,), float_val=[1]), "unknown shape"),
    ],
)
def test_what_is_no_scalar(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        scalar.decode(value)


@pytest.mark.parametrize("size", [2**24, 2**40])
def test_a_large_shape_is_refused_before_it_is_filled(size: int) -> None:
    value = of_tensor(tensor_pb2.DT_FLOAT, (size,), float_val=[1])
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            scalar.decode(value)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(list(DataType.values())),
    st.lists(st.sampled_from([0, 1, 1, 1, 2, -1, 2**40, 2**63 - 1]), max_size=70),
    st.binary(max_size=9),
    st.lists(st.floats(width=32), max_size=2),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=2),
)
def test_any_tensor_is_a_number_or_refused(
    dtype: DataType, shape: list[int], content: bytes, floats: list[float], ints: list[int]
) -> None:
    value = of_tensor(
        dtype,
        tuple(shape),
        tensor_content=content,
        float_val=floats,
        double_val=floats,
        scomplex_val=floats,
        int_val=ints,
        half_val=ints,
        float8_val=content,
    )
    try:
        number, got = scalar.decode(value)
    except DecodeError:
        return
    assert isinstance(number, (bool, int, float, complex))
    assert got.kind in "biufc"


def test_what_is_no_scalar_is_reported_and_the_rest_is_read() -> None:
    """Contradictions of every sort, between sound values of the same tag and of others."""
    hostile = [
        of_tensor(tensor_pb2.DT_FLOAT, (1,) * 65, float_val=[1]),
        of_tensor(tensor_pb2.DT_FLOAT, (0, 2**62)),
        of_tensor(tensor_pb2.DT_FLOAT, (2**40,), float_val=[1]),
        of_tensor(tensor_pb2.DT_FLOAT, (-1,)),
        of_tensor(tensor_pb2.DT_STRING, string_val=[b"text"]),
        of_tensor(tensor_pb2.DT_VARIANT),
        Summary.Value(tag="x", histo={}),
        Summary.Value(tag="x"),
    ]
    file = io.BytesIO()
    with RecordWriter(file) as writer:
        for step, value in enumerate(hostile):
            value.metadata.CopyFrom(scalar.metadata())
            values = [scalar.encode("before", 1.5), value, scalar.encode("x", step, exact=True)]
            writer.write(Event(step=step, summary={"value": values}).SerializeToString())
    file.seek(0)
    run = tbio.open(file, on_damage="raise")["."]
    steps = list(range(len(hostile)))
    assert run.scalars["before"].steps.tolist() == steps
    assert run.scalars["x"].values.tolist() == steps
    problems = run.report.problems
    assert {(problem.tag, problem.step) for problem in problems} <= {("x", step) for step in steps}
    assert len(problems) >= len(hostile) - 1
