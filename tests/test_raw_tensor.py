"""Raw tensors: every dtype of every framework, kept to the bit."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpus_values import truth_of, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.util import tensor_util

from tbio import read_events, tensor
from tbio.errors import DecodeError
from tbio.kinds import raw_tensor
from tbio.proto import tensor_pb2
from tbio.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import TensorProto


def encoded(value: Any) -> TensorProto:
    return raw_tensor.encode("x", raw_tensor.prepare(value)).tensor


def seen(value: Any) -> npt.NDArray[Any]:
    """What TensorBoard's own decoder makes of it."""
    proto = summary_pb2.Summary.Value(tag="x").tensor
    proto.ParseFromString(encoded(value).SerializeToString())
    array: npt.NDArray[Any] = tensor_util.make_ndarray(proto)
    return array


def test_golden() -> None:
    value = raw_tensor.encode("w", raw_tensor.prepare([[1.5], [-2.0]]))
    assert value.SerializeToString() == bytes.fromhex(
        "0a 01 77"  # tag (field 1): "w"
        "42 1e"  # tensor (field 8), 30 bytes
        "08 02"  # dtype: DT_DOUBLE
        "12 08 12020802 12020801"  # tensor_shape: 2, 1
        "22 10 000000000000f83f 00000000000000c0"  # tensor_content
    )


def test_metadata() -> None:
    """Plugin "tensor" as torch's add_tensor, but not thrown away."""
    ours = raw_tensor.metadata("Weights", "of *whom*")
    assert ours == SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(plugin_name="tensor"),
        display_name="Weights",
        summary_description="of *whom*",
        data_class=DATA_CLASS_TENSOR,
    )
    value = Summary.Value(tag="x", metadata=ours, tensor=encoded([1.0]))
    event = event_pb2.Event()
    event.summary.value.add().ParseFromString(value.SerializeToString())
    (event,) = dataclass_compat.migrate_event(event, {})
    assert event.summary.value[0].metadata.data_class == summary_pb2.DATA_CLASS_TENSOR


NUMBERS = [
    "bool",
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (1, 1, 1, 1)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_numpy(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(1, 1 + np.prod(shape)).astype(dtype).reshape(shape)
    for given_array in (array, array.astype(array.dtype.newbyteorder(">")), array.T.copy().T):
        got = seen(given_array)
        assert (got.dtype, got.shape) == (array.dtype, shape)
        assert (got == array).all()


@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_empty(dtype: str, shape: tuple[int, ...]) -> None:
    """TensorBoard's decoder takes no empty uint32; the dtype and the shape are all there is."""
    proto = encoded(np.empty(shape, dtype))
    assert proto.dtype == encoded(np.ones(1, dtype)).dtype
    assert tuple(dim.size for dim in proto.tensor_shape.dim) == shape
    assert not proto.tensor_content


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["float16", "float32", "float64"]), st.binary(min_size=8, max_size=64))
def test_any_bits(dtype: str, content: bytes) -> None:
    """Infinities, minus zero and every NaN."""
    array = np.frombuffer(content[: len(content) // 8 * 8], dtype)
    assert encoded(array).tensor_content == array.tobytes()


def test_a_view_is_stored_as_it_looks() -> None:
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    for view in (array.T, array[::2, ::-1], np.broadcast_to(array[0], (3, 6))):
        assert (seen(view) == view).all()


def test_lists_and_numbers() -> None:
    assert seen(3).dtype == np.int64
    assert seen(0.5).shape == ()
    assert seen([[True], [False]]).tolist() == [[True], [False]]
    assert seen([np.float32(0.5), np.float32(1)]).dtype == np.float32


def test_masked_elements_are_nan() -> None:
    got = seen(np.ma.masked_array([1.0, 2.0], [False, True]))
    assert got[0] == 1
    assert np.isnan(got[1])


def test_long_doubles_become_doubles() -> None:
    got = seen(np.array([0.1], np.longdouble))
    assert (got.dtype.name, got.item()) == ("float64", 0.1)
    assert seen(np.array([0.1j], np.clongdouble)).dtype == np.complex128


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("ä", "ä".encode()),
        (b"\xff", b"\xff"),  # need not be UTF-8, unlike text
        (["a", "bc"], [b"a", b"bc"]),
        ([["a"], [b"b\0"]], [[b"a"], [b"b\0"]]),
        (np.array(["a", "bc"]), [b"a", b"bc"]),
        (np.array([b"a"], object), [b"a"]),
    ],
    ids=repr,
)
def test_strings(value: Any, stored: Any) -> None:
    assert seen(value).tolist() == stored


@dataclasses.dataclass
class Named:
    """A dtype that other libraries' are like: it has a name."""

    name: str


#: The bits that stand for 1.5, and -0.0, by dtype.
BITS = {
    "bfloat16": ([0x3FC0, 0x8000], tensor_pb2.DT_BFLOAT16),
    "float8_e5m2": ([0x3E, 0x80], tensor_pb2.DT_FLOAT8_E5M2),
    "float8_e4m3fn": ([0x3C, 0x80], tensor_pb2.DT_FLOAT8_E4M3FN),
    "float8_e4m3b11fnuz": ([0x5C, 0x00], tensor_pb2.DT_FLOAT8_E4M3B11FNUZ),
    "float8_e4m3fnuz": ([0x44, 0x00], tensor_pb2.DT_FLOAT8_E4M3FNUZ),
    "float8_e5m2fnuz": ([0x42, 0x00], tensor_pb2.DT_FLOAT8_E5M2FNUZ),
}


class TensorFlowTensor:
    """As TensorFlow's: a dtype with a name, and ``numpy()``, which gives an ml_dtypes array."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = Named(array.dtype.name)

    def numpy(self) -> npt.NDArray[Any]:
        return self.array


@pytest.mark.parametrize("name", BITS)
def test_dtypes_that_numpy_lacks_keep_their_bits(name: str) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    bits, number = BITS[name]
    array = np.array([[1.5, -0.0]], getattr(ml_dtypes, name))
    for value in (array, TensorFlowTensor(array), array.T.T[:, ::-1][:, ::-1]):
        proto = encoded(value)
        assert proto.dtype == number
        assert [dim.size for dim in proto.tensor_shape.dim] == [1, 2]
        width = 2 if name == "bfloat16" else 1
        assert proto.tensor_content == b"".join(bit.to_bytes(width, "little") for bit in bits)
        assert tensor.decode(proto).tolist() == [[1.5, 0.0]]
    assert encoded(array[0, 0]).dtype == number  # a scalar of numpy's
    assert encoded(array[0, 0]).tensor_content[:1] == bits[0].to_bytes(2, "little")[:1]


def test_other_dtypes_of_ml_dtypes_become_float32() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    got = seen(np.array([1, -3], ml_dtypes.int4))
    assert (got.dtype.name, got.tolist()) == ("float32", [1, -3])


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (None, TypeError, "want numbers, got NoneType"),
        (object(), TypeError, "want numbers"),
        ([1, None], TypeError, "want numbers"),
        (["a", 1], TypeError, "want text, got int 1"),
        (np.array(["2020"], "M8[D]"), TypeError, r"want numbers, got .* dtype datetime64\[D\]"),
        ([[1, 2], [3]], ValueError, "no array can be made"),
        ([["a", "b"], ["c"]], ValueError, "differing lengths"),
        (
            np.broadcast_to(np.float32(0), 2**29),
            ValueError,
            "a tensor of 2147483648 bytes is too large: an event ends at 2 GiB",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_tensor(value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        raw_tensor.prepare(value)


def test_too_many_strings() -> None:
    long = np.broadcast_to(np.array(b"x" * 2**20, object), 2**11)
    with pytest.raises(ValueError, match="strings of more than 2 GiB"):
        raw_tensor.prepare(long)


def test_the_tensor_is_the_callers_no_more() -> None:
    array = np.ones(3)
    value = raw_tensor.prepare(array)
    array[:] = 0
    assert value.data.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        value.data[0] = 0


# ------------------------------------------------------------------ decoding


def read(value: Summary.Value) -> npt.NDArray[Any]:
    return raw_tensor.decode(value, raw_tensor.metadata())


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NUMBERS), st.lists(st.integers(0, 3), max_size=3), st.data())
def test_what_is_written_is_read(dtype: str, shape: list[int], data: st.DataObject) -> None:
    size = np.dtype(dtype).itemsize * int(np.prod(shape))
    content = data.draw(st.binary(min_size=size, max_size=size))
    if dtype == "bool":
        content = bytes(byte & 1 for byte in content)
    array = np.frombuffer(content, dtype).reshape(shape)
    got = read(raw_tensor.encode("x", raw_tensor.prepare(array)))
    assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, content)
    assert not got.flags.writeable


@pytest.mark.parametrize("name", BITS)
def test_dtypes_that_numpy_lacks_come_as_float32(name: str) -> None:
    bits, number = BITS[name]
    width = 2 if name == "bfloat16" else 1
    content = b"".join(bit.to_bytes(width, "little") for bit in bits)
    shape = {"dim": [{"size": 2}]}
    got = read(
        Summary.Value(tensor={"dtype": number, "tensor_shape": shape, "tensor_content": content})
    )
    assert (got.dtype.name, got.tolist()) == ("float32", [1.5, 0.0])


def test_strings_are_bytes() -> None:
    got = read(raw_tensor.encode("x", raw_tensor.prepare([["é", b"\xff\0"]])))
    assert (got.dtype.name, got.tolist()) == ("object", [["é".encode(), b"\xff\0"]])
    assert not got.flags.writeable


def migrated(value: Summary.Value) -> Any:
    """The array that TensorBoard makes of a value of the old form."""
    theirs = summary_pb2.Summary.Value.FromString(value.SerializeToString())
    return tensor_util.make_ndarray(data_compat.migrate_value(theirs).tensor)


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (Summary.Value(tag="x", simple_value=0.5), "float32", 0.5),
        (
            Summary.Value(
                tag="x", image={"height": 3, "width": 40, "encoded_image_string": b"png\0"}
            ),
            "object",
            [b"40", b"3", b"png\0"],
        ),
        (
            Summary.Value(tag="x", audio={"sample_rate": 8, "encoded_audio_string": b"wav\0"}),
            "object",
            [[b"wav\0", b""]],
        ),
    ],
)
def test_the_old_forms(value: Summary.Value, dtype: str, expected: Any) -> None:
    got = read(value)
    assert (got.dtype.name, got.tolist()) == (dtype, expected)
    assert migrated(value).tolist() == expected
    assert not got.flags.writeable


def test_what_holds_no_tensor() -> None:
    greeting = SummaryMetadata()
    greeting.plugin_data.plugin_name, greeting.plugin_data.content = "greeter", b"hello"
    words = "a tensor: the data of plugin 'greeter' are the 5 bytes of plugin_data.content"
    with pytest.raises(DecodeError, match=words):
        raw_tensor.decode(Summary.Value(tag="x"), greeting)
    with pytest.raises(DecodeError, match="a value without a tensor: it holds nothing"):
        read(Summary.Value())
    with pytest.raises(DecodeError, match="a value without a tensor: it holds histo"):
        read(Summary.Value(histo={}))
    with pytest.raises(DecodeError, match="tensors of DT_INVALID are not supported"):
        read(Summary.Value(tensor={}))
    with pytest.raises(DecodeError, match="tensors of DT_QUINT8 are not supported"):
        read(Summary.Value(tensor={"dtype": tensor_pb2.DT_QUINT8}))


@pytest.mark.parametrize("plugin", ["tensors", "greeter", ""])
def test_the_corpus_as_tensorboard_reads_it(corpus: Path, plugin: str) -> None:
    count = 0
    for path, tags in truth_of(corpus, plugin).items():
        values = values_of(corpus / path)
        for tag, one in tags.items():
            for stored, which in ((values[tag][0], "first"), (values[tag][-1], "last")):
                if "values_without_tensor" in one:
                    continue
                got = raw_tensor.decode(stored, stored.metadata)
                count += 1
                if tag.startswith("dtype/"):  # of what peer_tensorflow.py writes in each dtype
                    name = tag.removeprefix("dtype/")
                    expected = np.array([[0, 1, 2], [3, 4, 5]])
                    assert (got == (expected != 0 if name == "bool" else expected)).all()
                    assert got.dtype.name == ("float32" if name == "bfloat16" else name)
                    continue
                truth = one["arrays"][which]
                assert list(got.shape) == truth["shape"]
                if truth["dtype"] == "string":
                    digest = hashlib.sha256(b"\0".join(got.ravel().tolist())).hexdigest()
                    assert digest == truth["sha256_joined"]
                else:
                    assert got.dtype.name == truth["dtype"]
                    assert hashlib.sha256(got.tobytes()).hexdigest() == truth["sha256_le"]
    assert count >= 2


# ------------------------------------------------------------------ against the others


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    """``tf.summary.write`` of [[0, 1, 2], [3, 4, 5]] in eleven dtypes, to the byte."""
    array = np.array([[0, 1, 2], [3, 4, 5]])
    found = set()
    for path in (corpus / "peers/tensorflow/v2_custom_plugin").iterdir():
        for event in read_events(path):
            for value in event.summary.value:
                kind, _, name = value.tag.partition("/")
                if kind == "dtype" and name != "bfloat16":
                    found.add(name)
                    assert encoded(array.astype(name)) == value.tensor
    assert len(found) == 10


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_torch() -> None:
    import torch

    for name in NUMBERS:
        value = torch.tensor([[1, 0], [1, 1]]).to(getattr(torch, name))
        got = seen(value)
        assert (got.dtype.name, got.tolist()) == (name, [[1, 0], [1, 1]])
    parameter = torch.nn.Parameter(torch.tensor([[1.5, -0.0]]))
    assert seen(parameter).tolist() == [[1.5, -0.0]]
    for name, (bits, number) in BITS.items():
        if hasattr(torch, name):
            for value in (
                parameter.to(getattr(torch, name)),
                parameter.detach().to(getattr(torch, name)).T.T,
            ):
                proto = encoded(value)
                assert proto.dtype == number
                width = 2 if name == "bfloat16" else 1
                assert proto.tensor_content == b"".join(
                    bit.to_bytes(width, "little") for bit in bits
                )
            scalar = torch.tensor(1.5).to(getattr(torch, name))
            assert (len(encoded(scalar).tensor_shape.dim), encoded(scalar).dtype) == (0, number)
    assert encoded(parameter.to(torch.bfloat16).t()).tensor_content.hex() == "c03f0080"
    wide = torch.tensor([[1, 2], [3, 4]], dtype=torch.bfloat16)
    assert tensor.decode(encoded(wide.t())).tolist() == [[1, 3], [2, 4]]
    conjugate = torch.tensor([1 + 2j]).conj()
    assert seen(conjugate).tolist() == [1 - 2j]
    half = torch.tensor([1 + 2j], requires_grad=True).to(torch.complex32)
    assert (seen(half).dtype.name, seen(half).tolist()) == ("complex64", [1 + 2j])
    with pytest.raises(ValueError, match="meta"):
        raw_tensor.prepare(torch.zeros(3, device="meta"))
    with pytest.raises(ValueError, match="meta"):
        raw_tensor.prepare(torch.zeros(3, device="meta", dtype=torch.bfloat16))


@pytest.mark.full
def test_the_tensor_of_torch_is_the_callers_no_more() -> None:
    import torch

    for dtype in (torch.float32, torch.bfloat16):
        weights = torch.ones(3, dtype=dtype)
        value = raw_tensor.prepare(weights)
        before = raw_tensor.encode("x", value)
        weights.zero_()
        assert raw_tensor.encode("x", value) == before


@pytest.mark.full
def test_torch_itself_writes_some_dtypes_so_that_nobody_can_read_them() -> None:
    """float16 and bfloat16 as the bits of a float32, uint8 where none is looked for."""
    import torch
    from torch.utils.tensorboard import summary as torch_summary

    def theirs(value: Any) -> Any:
        return torch_summary.tensor_proto("x", value).value[0].tensor

    good = torch.tensor([[1, -2]], dtype=torch.int16)
    assert tensor_util.make_ndarray(theirs(good)).tolist() == seen(good).tolist() == [[1, -2]]
    with pytest.raises(OverflowError):
        tensor_util.make_ndarray(theirs(good.to(torch.float16)))
    assert seen(good.to(torch.float16)).tolist() == [[1, -2]]
    with pytest.raises(ValueError, match="cannot reshape array of size 0"):
        tensor_util.make_ndarray(theirs(torch.tensor([1, 2], dtype=torch.uint8)))
    assert seen(torch.tensor([1, 2], dtype=torch.uint8)).tolist() == [1, 2]


@pytest.mark.full
def test_jax() -> None:
    import jax.numpy as jnp

    assert seen(jnp.arange(3.0)).tolist() == [0, 1, 2]
    proto = encoded(jnp.array([1.5, -0.0], jnp.bfloat16))
    assert (proto.dtype, proto.tensor_content.hex()) == (tensor_pb2.DT_BFLOAT16, "c03f0080")
    assert encoded(jnp.float8_e5m2(1.5)).dtype == tensor_pb2.DT_FLOAT8_E5M2
