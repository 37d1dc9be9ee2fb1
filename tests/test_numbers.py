"""`add_scalar` takes one number of any framework, and says what is wrong with anything else."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tbio


class Logger:
    """Logs a value as an exact double, and gives what the file then holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = tbio.SummaryWriter(folder)

    def __call__(self, value: Any) -> float:
        self.writer.add_scalar("x", value, double_precision=True)
        self.writer.flush()
        *_, event = tbio.read_events(self.folder)
        (number,) = event.summary.value[0].tensor.double_val
        return number

    def steps(self) -> list[int]:
        steps: list[int] = tbio.open(self.folder)["."].scalars["x"].steps.tolist()
        return steps


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Logger]:
    logger = Logger(tmp_path)
    with logger.writer:
        yield logger


class Level(enum.IntEnum):
    HIGH = 3


class WithFloat:
    def __float__(self) -> float:
        return 2.5


class LikeCuPy:
    """An array on a device: it must be asked for, and does not come by itself."""

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)
        self.shape = self._data.shape
        self.dtype = self._data.dtype

    def item(self) -> Any:
        return self._data.item()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")


class LikeTensorFlow:
    """An eager tensor: ``numpy()`` and no ``item()``."""

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)
        self.shape = self._data.shape
        self.dtype = self._data.dtype

    def numpy(self) -> Any:
        return self._data


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.1, 0.1),
        (-0.0, 0.0),
        (5e-324, 5e-324),
        (3, 3.0),
        (2**53 + 2, 9007199254740994.0),
        (True, 1.0),
        (False, 0.0),
        (Level.HIGH, 3.0),
        (Decimal("0.1"), 0.1),
        (Fraction(1, 3), 0.3333333333333333),
        (WithFloat(), 2.5),
        ([0.1], 0.1),
        ((7,), 7.0),
        ([[0.1]], 0.1),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
    ],
    ids=repr,
)
def test_python_numbers(logged: Logger, value: Any, number: float) -> None:
    assert logged(value) == number


NUMPY_NUMBERS = [
    (np.bool_(True), 1.0),
    (np.int8(-128), -128.0),
    (np.int16(-32768), -32768.0),
    (np.int32(-(2**31)), -2147483648.0),
    (np.int64(-(2**63)), -9223372036854775808.0),
    (np.uint8(255), 255.0),
    (np.uint16(65535), 65535.0),
    (np.uint32(2**32 - 1), 4294967295.0),
    (np.uint64(2**53 + 2), 9007199254740994.0),
    (np.float16(0.1), 0.0999755859375),
    (np.float32(0.1), 0.10000000149011612),
    (np.float64(0.1), 0.1),
    (np.longdouble(0.5), 0.5),
]


@pytest.mark.parametrize(
    ("value", "number"), NUMPY_NUMBERS, ids=[value.dtype.name for value, _ in NUMPY_NUMBERS]
)
def test_numpy_numbers_and_arrays_of_one(logged: Logger, value: Any, number: float) -> None:
    assert logged(value) == number
    for shape in ((), (1,), (1, 1), (1, 1, 1)):
        array = np.full(shape, value)
        assert array.dtype == value.dtype
        assert logged(array) == number
        if shape:
            assert logged(LikeTensorFlow(array)) == number
        assert logged(LikeCuPy(array)) == number
    assert logged([value]) == number


def test_numpy_arrays_of_other_layouts(logged: Logger) -> None:
    assert logged(np.array(0.1, ">f4")) == 0.10000000149011612
    assert logged(np.arange(6.0).reshape(2, 3)[1:, 2:]) == 5
    assert logged(np.array(Decimal("0.1"), object)) == 0.1


@pytest.mark.parametrize(
    "value",
    [math.nan, np.float16("nan"), np.array([np.nan]), Decimal("nan"), LikeTensorFlow(np.nan)],
    ids=lambda value: type(value).__name__,
)
def test_nan(logged: Logger, value: Any) -> None:
    assert math.isnan(logged(value))


def test_a_number_beyond_float32_is_kept_with_one_warning_a_tag(logged: Logger) -> None:
    with pytest.warns(tbio.TbioWarning, match=r"^'x': 1e\+300 is beyond float32") as warned:
        for value in (1e300, np.float64(-1e300), 10**300, np.array([3.5e38])):
            logged.writer.add_scalar("x", value)
    assert len(warned) == 1
    logged.writer.close()
    values = tbio.open(logged.folder)["."].scalars["x"].values
    assert values.tolist() == [1e300, -1e300, 1e300, 3.5e38]
    assert logged(1e300) == 1e300  # no warning where the double is asked for


WRONG = [
    (None, TypeError, "want a number, got NoneType"),
    ("3", TypeError, "want a number, got str '3'"),
    (b"3", TypeError, "want a number, got bytes b'3'"),
    (np.str_("3"), TypeError, r"numpy.str_ of shape \(\) and dtype <U1"),
    (1 + 2j, TypeError, "want a number, got complex"),
    (np.complex64(1), TypeError, r"numpy.complex64 of shape \(\) and dtype complex64"),
    (np.array([1j]), TypeError, r"numpy.ndarray of shape \(1,\) and dtype complex128"),
    (np.array(None), TypeError, r"numpy.ndarray of shape \(\) and dtype object"),
    (np.array(["a"]), TypeError, r"numpy.ndarray of shape \(1,\) and dtype <U1"),
    (np.datetime64(1, "s"), TypeError, r"numpy.datetime64 of shape \(\) and dtype datetime64\[s\]"),
    ({"a": 1}, TypeError, "want a number, got dict"),
    (object(), TypeError, "want a number, got object"),
    ([], ValueError, "want one number, got list of 0"),
    ([1, 2], ValueError, "want one number, got list of 2"),
    ([[1], [2, 3]], ValueError, "want one number, got list of 2"),
    ([[1, 2]], ValueError, "want one number, got list of 2"),
    (float, TypeError, "want a number, got the type float"),
    (np.datetime64(1, "ns"), TypeError, r"numpy.datetime64 of shape \(\)"),
    (np.timedelta64(5, "ns"), TypeError, r"numpy.timedelta64 of shape \(\)"),
    (np.ma.masked, ValueError, "that is masked"),
    (np.ma.array([7], mask=[True]), ValueError, r"of shape \(1,\) and dtype int64 that is masked"),
    (np.zeros(2), ValueError, r"got numpy.ndarray of shape \(2,\) and dtype float64"),
    (np.zeros((1, 2), np.int8), ValueError, r"of shape \(1, 2\) and dtype int8"),
    (np.zeros((0, 3), np.float32), ValueError, r"of shape \(0, 3\) and dtype float32"),
    (10**400, ValueError, "too large for a double"),
    (LikeCuPy([1, 2]), ValueError, r"LikeCuPy of shape \(2,\) and dtype int64"),
    (LikeTensorFlow(np.zeros(0)), ValueError, r"LikeTensorFlow of shape \(0,\) and dtype float64"),
    (LikeTensorFlow("a"), TypeError, r"LikeTensorFlow of shape \(\) and dtype <U1"),
]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    WRONG,
    ids=[f"{type(value).__name__}-{number}" for number, (value, *_) in enumerate(WRONG)],
)
def test_what_is_not_one_number_is_refused_by_name(
    logged: Logger, value: Any, error: type[Exception], message: str
) -> None:
    logged.writer.add_scalar("x", 0.5, 1)
    with pytest.raises(error, match=f"^'loss/train': .*{message}") as raised:
        logged.writer.add_scalar("loss/train", value, 2)
    assert raised.type is error
    logged.writer.add_scalar("x", 0.5, 3)
    logged.writer.close()
    assert logged.steps() == [1, 3]


def test_add_scalars_refuses_all_of_a_call_or_nothing(logged: Logger) -> None:
    logged.writer.add_scalars("m", {"a": 1, "b": np.float32(2)}, 1)
    with pytest.raises(ValueError, match=r"^'m': .* of shape \(2,\) and dtype float64"):
        logged.writer.add_scalars("m", {"a": 1, "b": np.zeros(2)}, 2)
    logged.writer.add_scalars("m", {"a": 1, "b": 2}, 3)
    logged.writer.close()
    logs = tbio.open(logged.folder)
    assert [logs[run].scalars["m"].steps.tolist() for run in ("m_a", "m_b")] == [[1, 3], [1, 3]]


@pytest.mark.parametrize(
    ("value", "step"),
    [
        (None, 0),
        (7, 7),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
        (True, 1),
        (5.0, 5),
        (np.int8(-3), -3),
        (np.uint64(2**63 - 1), 2**63 - 1),
        (np.float32(4), 4),
        (np.array([2**53 + 1]), 2**53 + 1),
        (LikeCuPy(6), 6),
        (LikeTensorFlow(6), 6),
    ],
    ids=lambda value: f"{type(value).__name__}-{value!r:.30}",
)
def test_steps(logged: Logger, value: Any, step: int) -> None:
    logged.writer.add_scalar("x", 1, value)
    logged.writer.close()
    assert logged.steps() == [step]


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        ("5", TypeError, "want a number, got str '5'"),
        (math.nan, ValueError, "want an integer of 64 bits, got nan"),
        (math.inf, ValueError, "want an integer of 64 bits, got inf"),
        (2**63, ValueError, "want an integer of 64 bits, got 9223372036854775808"),
        (np.uint64(2**63), ValueError, "want an integer of 64 bits"),
        (np.arange(2), ValueError, r"numpy.ndarray of shape \(2,\) and dtype int64"),
        (10**400, ValueError, "want an integer of 64 bits"),
    ],
    ids=lambda value: f"{value!r:.20}",
)
def test_wrong_steps_are_refused_by_name(
    logged: Logger, step: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^'x', step: .*{message}"):
        logged.writer.add_scalar("x", 1, step)
    logged.writer.add_scalar("x", 1, 9)
    logged.writer.close()
    assert logged.steps() == [9]


@pytest.mark.full
def test_ml_dtypes(logged: Logger) -> None:
    import ml_dtypes

    for dtype, number in (
        (ml_dtypes.bfloat16, 0.10009765625),
        (ml_dtypes.float8_e4m3fn, 0.1015625),
        (ml_dtypes.float8_e5m2, 0.09375),
        (ml_dtypes.int4, 0),
    ):
        assert logged(dtype(0.1)) == number
        assert logged(np.array([0.1], dtype)) == number
        assert logged([dtype(0.1)]) == number


@pytest.mark.full
def test_torch(logged: Logger) -> None:
    import torch

    assert logged(torch.tensor(0.1)) == 0.10000000149011612
    assert logged(torch.tensor([0.1], dtype=torch.float64)) == 0.1
    assert logged(torch.tensor([[0.1]], dtype=torch.float16)) == 0.0999755859375
    assert logged(torch.tensor(1e6, dtype=torch.bfloat16)) == 999424.0  # torch's writer: inf
    assert logged(torch.tensor(1.5).to(torch.float8_e4m3fn)) == 1.5
    assert logged(torch.tensor(1.5).to(torch.float8_e5m2)) == 1.5
    assert logged(torch.tensor(True)) == 1
    assert logged(torch.tensor(2**53 + 2)) == 9007199254740994.0
    assert logged(torch.tensor(255, dtype=torch.uint8)) == 255
    assert logged(torch.tensor(0.5, requires_grad=True)) == 0.5
    assert logged(torch.tensor([0.5], requires_grad=True) * 3) == 1.5
    assert logged(torch.nn.Parameter(torch.tensor(2.5))) == 2.5


@pytest.mark.full
def test_lists_of_one_tensor(logged: Logger) -> None:
    import jax.numpy as jnp
    import torch

    assert logged([torch.tensor(0.5)]) == 0.5
    assert logged([torch.tensor(0.5, requires_grad=True)]) == 0.5
    assert logged([torch.tensor(0.5, dtype=torch.bfloat16)]) == 0.5
    assert logged([jnp.array(0.5, jnp.bfloat16)]) == 0.5


@pytest.mark.full
def test_torch_tensors_that_are_not_one_number(logged: Logger) -> None:
    import torch

    for value, error, message in (
        (torch.zeros(2), ValueError, r"torch.Tensor of shape \(2,\) and dtype torch.float32"),
        (torch.zeros(0), ValueError, r"torch.Tensor of shape \(0,\) and dtype torch.float32"),
        (torch.tensor(1j), TypeError, r"torch.Tensor of shape \(\) and dtype torch.complex64"),
        (torch.ones(1, device="meta"), ValueError, r"of shape \(1,\) and dtype .*meta"),
    ):
        with pytest.raises(error, match=f"^'loss': .*{message}"):
            logged.writer.add_scalar("loss", value)
    assert logged(torch.tensor(0.5)) == 0.5


@pytest.mark.full
def test_jax(logged: Logger) -> None:
    import jax.numpy as jnp

    assert logged(jnp.float32(0.1)) == 0.10000000149011612
    assert logged(jnp.array([[0.1]])) == 0.10000000149011612
    assert logged(jnp.bfloat16(1e6)) == 999424.0
    assert logged(jnp.array([1e6], jnp.bfloat16)) == 999424.0
    assert logged(jnp.array(0.1, jnp.float16)) == 0.0999755859375
    assert logged(jnp.array(1.5, jnp.float8_e4m3fn)) == 1.5
    assert logged(jnp.array(-7)) == -7
    assert logged(jnp.array(True)) == 1
    with pytest.raises(ValueError, match=r"^'loss': .* of shape \(2,\) and dtype bfloat16"):
        logged.writer.add_scalar("loss", jnp.zeros(2, jnp.bfloat16))
    with pytest.raises(TypeError, match=r"^'loss': .* of shape \(\) and dtype complex64"):
        logged.writer.add_scalar("loss", jnp.array(1j))
    assert logged(jnp.array(0.5)) == 0.5
