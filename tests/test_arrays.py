"""number and to_numpy: whatever holds numbers, by protocol."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tbio.arrays import number, to_numpy

Array = npt.NDArray[Any]


class FakeCuPy:
    """An array on a device: numpy must not touch it, `get` brings it."""

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)
        self.shape, self.dtype = self._data.shape, self._data.dtype

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (1, False), "version": 3}

    def __array__(self, *args: Any, **more: Any) -> Array:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __iter__(self) -> Any:
        return (FakeCuPy(item) for item in self._data)

    def __len__(self) -> int:
        return len(self._data)

    def get(self) -> Array:
        return self._data

    def item(self) -> Any:
        return self._data.item()


class FakeTensorFlow:
    """An eager tensor, without ``__array__``."""

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)
        self.shape, self.dtype = self._data.shape, self._data.dtype

    def numpy(self) -> Any:
        return self._data[()]  # of rank 0 a numpy scalar, as TensorFlow's


class OnlyDlpack:
    """Another framework's tensor, of which no more is known."""

    def __init__(self, data: Array, shape: bool = True) -> None:
        self._data = data
        if shape:
            self.shape = data.shape

    def __dlpack__(self, **more: Any) -> Any:
        return self._data.__dlpack__(**more)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()


class OnlyArray:
    """What has ``__array__`` alone: pandas' and xarray's objects, and others."""

    def __init__(self, data: Any) -> None:
        self._data = np.asarray(data)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        return self._data


SQUARE = np.array([[1.0, 2.0], [3.0, 4.0]])
#: What is given, and the array that it is.
GIVEN: dict[str, tuple[Any, Array]] = {
    "int": (3, np.array(3)),
    "float": (0.5, np.array(0.5)),
    "bool": (True, np.array(True)),
    "complex": (1j, np.array(1j)),
    "list": ([1, 2], np.array([1, 2])),
    "nested lists": ([[1, 2], (3, 4)], np.array([[1, 2], [3, 4]])),
    "empty": ([], np.array([])),
    "range": (range(3), np.arange(3)),
    "numpy": (SQUARE, SQUARE),
    "numpy scalar": (np.float16(0.5), np.array(0.5, np.float16)),
    "uint8": (np.array([255], np.uint8), np.array([255], np.uint8)),
    "big endian": (np.array([1, 2], ">i4"), np.array([1, 2], np.int32)),
    "list of arrays": ([SQUARE[0], SQUARE[1]], SQUARE),
    "list of 0-d arrays": ([np.array(1.0), 2.0], np.array([1.0, 2.0])),
    "list of lists of arrays": ([list(SQUARE[0]), list(SQUARE[1])], SQUARE),
    "Pillow, RGB": (Image.new("RGB", (3, 2), (1, 2, 3)), np.full((2, 3, 3), (1, 2, 3), np.uint8)),
    "Pillow, L": (Image.new("L", (3, 2), 7), np.full((2, 3), 7, np.uint8)),
    "CuPy": (FakeCuPy(SQUARE), SQUARE),
    "list of CuPy": ([FakeCuPy(1.0), FakeCuPy(2.0)], np.array([1.0, 2.0])),
    "nested CuPy": ([[FakeCuPy(1.0), FakeCuPy(2.0)], [FakeCuPy(3.0), FakeCuPy(4.0)]], SQUARE),
    "TensorFlow": (FakeTensorFlow(SQUARE), SQUARE),
    "TensorFlow, 0-d": (FakeTensorFlow(0.5), np.array(0.5)),
    "list of TensorFlow": ([FakeTensorFlow(SQUARE[0]), FakeTensorFlow(SQUARE[1])], SQUARE),
    "nested TensorFlow": (
        [[FakeTensorFlow(1.0), FakeTensorFlow(2.0)], [FakeTensorFlow(3.0), FakeTensorFlow(4.0)]],
        SQUARE,
    ),
    "DLPack": (OnlyDlpack(SQUARE), SQUARE),
    "DLPack without a shape": (OnlyDlpack(SQUARE, shape=False), SQUARE),
    "list of DLPack": ([OnlyDlpack(SQUARE[0]), OnlyDlpack(SQUARE[1])], SQUARE),
    "__array__": (OnlyArray(SQUARE), SQUARE),
    "list of __array__": ([OnlyArray(SQUARE[0]), OnlyArray(SQUARE[1])], SQUARE),
}


@pytest.mark.parametrize("name", GIVEN)
def test_to_numpy(name: str) -> None:
    given, want = GIVEN[name]
    array = to_numpy(given)
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype.kind) == (want.shape, want.dtype.kind)
    assert array.dtype.itemsize == want.dtype.itemsize
    assert array.tolist() == want.tolist()


def test_to_numpy_does_not_copy() -> None:
    for given in (SQUARE, FakeCuPy(SQUARE), OnlyDlpack(SQUARE), OnlyArray(SQUARE)):
        assert np.shares_memory(to_numpy(given), SQUARE)


@pytest.mark.parametrize(
    ("name", "bits", "values"),
    [
        # by hand from the formats: 1.0, -2.0, and the greatest finite number
        ("bfloat16", [0x3F80, 0xC000, 0x7F7F], [1.0, -2.0, 3.3895313892515355e38]),
        ("float8_e4m3fn", [0x38, 0xC0, 0x7E], [1.0, -2.0, 448.0]),
        ("float8_e5m2", [0x3C, 0xC0, 0x7B], [1.0, -2.0, 57344.0]),
    ],
)
def test_what_numpy_lacks(name: str, bits: list[int], values: list[float]) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    given = np.array(bits, f"u{dtype.itemsize}").view(dtype)
    for value in (given, FakeTensorFlow(given), [given[:1], given[1:2], given[2:]]):
        array = to_numpy(value)
        assert array.dtype == np.float32
        assert array.ravel().tolist() == values
    assert [number(item) for item in given] == values


def test_masked() -> None:
    floats = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False], dtype=np.float32)
    array = to_numpy(floats)
    assert type(array) is np.ndarray
    assert array.dtype == np.float32
    assert np.array_equal(array, [1, np.nan, 3], equal_nan=True)
    integers = to_numpy(np.ma.array([1, 2], mask=[False, True]))
    assert integers.dtype == np.float64
    assert np.array_equal(integers, [1, np.nan], equal_nan=True)
    complexes = to_numpy(np.ma.array([1j, 2j], mask=[False, True]))
    assert complexes.dtype == np.complex128
    assert np.isnan(complexes[1])
    nothing = to_numpy(np.ma.array([1, 2], mask=[False, False]))
    assert type(nothing) is np.ndarray
    assert nothing.tolist() == [1, 2]
    assert nothing.dtype.kind == "i"
    assert floats.data.tolist() == [1, 2, 3]  # the user's are left alone
    assert np.isnan(to_numpy(np.ma.masked))


def test_a_list_of_masked_arrays() -> None:
    rows = [
        np.ma.array([1.0, 2.0], mask=[False, True]),
        np.ma.array([3.0, 4.0], mask=[True, False]),
    ]
    assert np.array_equal(to_numpy(rows), [[1, np.nan], [np.nan, 4]], equal_nan=True)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "want numbers, got NoneType"),
        ("text", TypeError, "want numbers, got str 'text'"),
        (b"text", TypeError, "want numbers, got bytes b'text'"),
        (["a", "b"], TypeError, "want numbers, got list of 2"),
        ({"a": 1}, TypeError, "want numbers, got dict"),
        (object(), TypeError, "want numbers, got object"),
        (int, TypeError, "want numbers, got type"),
        ([1, None], TypeError, "want numbers, got list of 2"),
        (10**400, TypeError, "want numbers, got int"),
        (np.array(["a"]), TypeError, r"numpy.ndarray of shape \(1,\) and dtype <U1"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, r"dtype datetime64\[D\]"),
        (np.zeros(2, [("a", "f4"), ("b", "f4")]), TypeError, "want numbers"),
        ([[1, 2], [3]], ValueError, "no array can be made of list of 2: .*inhomogeneous"),
        ([np.zeros(2), np.zeros(3)], ValueError, "no array can be made of list of 2: all input"),
    ],
)
def test_to_numpy_refuses(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        to_numpy(value)


def test_an_error_of_the_framework_is_told() -> None:
    class Lost(FakeTensorFlow):
        def numpy(self) -> Any:
            raise RuntimeError("the device is gone")

    with pytest.raises(ValueError, match=r"from .*Lost of shape \(2,\).*: the device is gone|no a"):
        to_numpy(Lost([1, 2]))
    with pytest.raises(ValueError, match=r"no number can be read from .*the device is gone"):
        number(Lost(1.0))


NUMBERS: list[tuple[Any, float | int]] = [
    (3, 3),
    (True, 1),
    (np.bool_(True), 1),
    (np.float32(0.1), 0.10000000149011612),
    (np.int64(2**62 + 1), 2**62 + 1),
    (np.array([[0.5]]), 0.5),
    ([[(0.5,)]], 0.5),
    (FakeCuPy(0.5), 0.5),
    (FakeTensorFlow([0.5]), 0.5),
    (OnlyArray([0.5]), 0.5),
    (OnlyDlpack(np.array([0.5])), 0.5),
    (Decimal("0.25"), 0.25),
    (Fraction(1, 4), 0.25),
    (np.longdouble(0.25), 0.25),
    (10**400, 10**400),
]


@pytest.mark.parametrize(("value", "want"), NUMBERS)
def test_number(value: Any, want: float) -> None:
    found = number(value)
    assert (found, type(found)) == (want, type(want))


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "want a number, got NoneType"),
        ("7", TypeError, "want a number, got str '7'"),
        (1j, TypeError, "want a number, got complex"),
        (np.complex64(1j), TypeError, "want a number"),
        (float, TypeError, "want a number, got the type float"),
        ({}, TypeError, "want a number, got dict"),
        (np.datetime64("2020"), TypeError, "want a number"),
        (np.array(["a"]), TypeError, "want a number"),
        ([], ValueError, "want one number, got list of 0"),
        ([1, 2], ValueError, "want one number, got list of 2"),
        (np.zeros((0, 3)), ValueError, r"want one number, got .* of shape \(0, 3\)"),
        (np.zeros(2), ValueError, r"want one number, got numpy.ndarray of shape \(2,\) and dtype"),
        (FakeTensorFlow([1, 2]), ValueError, "want one number"),
        (np.ma.masked, ValueError, "that is masked"),
        (np.ma.array([1.0], mask=[True]), ValueError, "that is masked"),
    ],
)
def test_number_refuses(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        number(value)


def test_nothing_is_imported_to_find_out() -> None:
    code = """
import sys, numpy
from tbio import arrays
arrays.to_numpy([numpy.zeros(3)]); arrays.number([1])
print([name for name in ("torch", "jax", "tensorflow", "cupy", "PIL") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------ the frameworks themselves


@pytest.mark.full
class TestTorch:
    @pytest.mark.parametrize("nested", [False, True])
    @pytest.mark.parametrize(
        ("name", "dtype"),
        [
            ("float32", "float32"),
            ("float64", "float64"),
            ("float16", "float16"),
            ("bfloat16", "float32"),
            ("float8_e4m3fn", "float32"),
            ("float8_e5m2", "float32"),
            ("int8", "int8"),
            ("uint8", "uint8"),
            ("uint16", "uint16"),
            ("int64", "int64"),
            ("bool", "bool"),
            ("complex64", "complex64"),
            ("complex128", "complex128"),
            ("complex32", "complex64"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
    def test_dtypes(self, name: str, dtype: str, nested: bool) -> None:
        import torch

        kind = getattr(torch, name)
        tensor = torch.tensor([[1.0, 0.0], [1.0, 1.0]]).to(kind)
        rows: Any = [[*row] for row in tensor] if nested else tensor
        if nested and name in ("float8_e4m3fn", "float8_e5m2", "complex32", "uint16"):
            rows = list(tensor)  # torch itself does not take all of these apart
        array = to_numpy(rows)
        assert array.dtype == dtype
        assert array.tolist() == np.array([[1, 0], [1, 1]], dtype).tolist()

    def test_bfloat16_is_exact(self) -> None:
        import torch

        # torch's own writer goes through float16, and so writes infinity
        tensor = torch.tensor([1e6, 1e-30, 3e38], dtype=torch.bfloat16)
        assert to_numpy(tensor).tolist() == tensor.double().tolist()
        assert number(tensor[0]) == 999424.0

    @pytest.mark.parametrize("nested", ["tensor", "list", "lists"])
    def test_gradients(self, nested: str) -> None:
        import torch

        tensor = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        given: Any = {
            "tensor": tensor,
            "list": [tensor[0], tensor[1]],
            "lists": [[tensor[0, 0], tensor[0, 1]], [tensor[1, 0], tensor[1, 1]]],
        }[nested]
        assert to_numpy(given).tolist() == SQUARE.tolist()
        assert tensor.requires_grad
        assert number(tensor[1, 1]) == 4

    def test_parameter_views_conj_and_neg(self) -> None:
        import torch

        tensor = torch.tensor([[1 + 2j, 3 - 4j]])
        assert to_numpy(tensor.conj()).tolist() == [[1 - 2j, 3 + 4j]]
        assert to_numpy(tensor.conj().imag).tolist() == [[-2, 4]]
        assert to_numpy(tensor.mH).tolist() == [[1 - 2j], [3 + 4j]]
        assert to_numpy(torch.nn.Parameter(torch.ones(2))).tolist() == [1, 1]
        assert to_numpy(torch.arange(6).reshape(2, 3).T).tolist() == [[0, 3], [1, 4], [2, 5]]

    def test_meta(self) -> None:
        import torch

        tensor = torch.empty(1, device="meta")
        with pytest.raises(ValueError, match=r"no array can be made of torch.Tensor of shape \(1,"):
            to_numpy(tensor)
        with pytest.raises(ValueError, match="no number can be read from torch"):
            number(tensor)

    def test_sparse(self) -> None:
        import torch

        with pytest.raises(ValueError, match="no array can be made of torch"):
            to_numpy(torch.eye(2).to_sparse())


@pytest.mark.full
class TestJax:
    @pytest.mark.parametrize(
        ("name", "dtype"),
        [
            ("float32", "float32"),
            ("bfloat16", "float32"),
            ("float16", "float16"),
            ("float8_e4m3fn", "float32"),
            ("int32", "int32"),
            ("uint8", "uint8"),
            ("bool_", "bool"),
            ("complex64", "complex64"),
        ],
    )
    @pytest.mark.parametrize("nested", [False, True])
    def test_dtypes(self, name: str, dtype: str, nested: bool) -> None:
        import jax.numpy as jnp

        given = jnp.array([[1, 0], [1, 1]]).astype(getattr(jnp, name))
        array = to_numpy([list(row) for row in given] if nested else given)
        assert array.dtype == dtype
        assert array.tolist() == np.array([[1, 0], [1, 1]], dtype).tolist()

    def test_numbers(self) -> None:
        import jax.numpy as jnp

        assert number(jnp.array(0.1)) == 0.10000000149011612
        assert number(jnp.array([3], jnp.bfloat16)) == 3

    def test_a_tracer_is_refused(self) -> None:
        import jax

        def step(x: Any) -> Any:
            reads: list[Callable[[Any], Any]] = [to_numpy, number]
            for read in reads:
                with pytest.raises(ValueError, match=r"no (array|number) can be"):
                    read(x)
            return x

        jax.jit(step)(1.0)
