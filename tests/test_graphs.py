"""Graphs of every source: the nodes that they become, and those that TensorBoard gives back."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorboardX
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto import graph_pb2 as tensorboard_graph_pb2
from tensorboard.compat.proto import summary_pb2 as tensorboard_summary_pb2
from tensorboard.plugins.graph import keras_util
from tensorboard_server import BACKENDS, Backend, TensorBoardServer

from tbio import EventFileWriter, graphs
from tbio.graphs import keras_graph, onnx_graph, openvino_graph, torch_graph
from tbio.graphs.graph_def import GraphBuilder, Output, attribute
from tbio.proto.event_pb2 import Event
from tbio.proto.graph_pb2 import AttrValue, GraphDef, NodeDef
from tbio.proto.tensor_pb2 import (
    DT_FLOAT,
    DT_HALF,
    DT_INT64,
    DT_INVALID,
    DT_STRING,
    DataType,
)

# ------------------------------------------------------------------ looking at graphs


def nodes_of(serialized: bytes, check: bool = True) -> dict[str, NodeDef]:
    """The nodes by name, after a look whether the page can draw them."""
    graph = GraphDef.FromString(serialized)
    nodes = {node.name: node for node in graph.node}
    if not check:  # what torch's writer makes has inputs from nowhere
        return nodes
    assert len(nodes) == len(graph.node), "a name stands twice"
    for node in graph.node:
        assert node.op
        assert node.name == node.name.strip("/")
        assert not set(node.name) & set(':"\\\n')
        for source in node.input:
            name, _, index = source.partition(":")
            assert name in nodes, f"{node.name} has an input from nowhere, {source!r}"
            assert not index or int(index) > 0
    return nodes


def shapes_of(node: NodeDef) -> list[list[int] | None]:
    """The shapes of its outputs; None for one of unknown rank."""
    shapes = node.attr["_output_shapes"].list.shape if "_output_shapes" in node.attr else ()
    return [None if shape.unknown_rank else [dim.size for dim in shape.dim] for shape in shapes]


def dtype_of(node: NodeDef) -> DataType:
    return node.attr["dtype"].type if "dtype" in node.attr else DT_INVALID


def attributes_of(node: NodeDef) -> dict[str, Any]:
    """Everything else that is known of it."""
    found: dict[str, Any] = {}
    for key, value in node.attr.items():
        if key in ("_output_shapes", "dtype"):
            continue
        field = value.WhichOneof("value")
        assert field is not None
        if field == "list":
            ((name, listed),) = [
                (name.name, list(items)) for name, items in value.list.ListFields()
            ]
            found[key] = [item.decode() for item in listed] if name == "s" else listed
        else:
            content = getattr(value, field)
            found[key] = content.decode() if field == "s" else content
    return found


def wiring(serialized: bytes) -> dict[str, tuple[str, list[str]]]:
    """name -> op and inputs."""
    return {name: (node.op, list(node.input)) for name, node in nodes_of(serialized).items()}


# ------------------------------------------------------------------ the builder


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("a/b", "a/b"),
        ("/a//b/", "a/b"),
        (" a / b", "a/b"),
        ("kernel:0", "kernel_0"),  # "kernel:0" would be the output 0 of a node "kernel"
        ("^a", "_a"),  # "^a" would be a dependency without data
        ("a\"b\\c'd", "a_b_c_d"),
        ("a\nb\tc\x00", "a_b_c_"),
        ("Größe 学习", "Größe 学习"),
        ("\udc80", "?"),
        ("", "unnamed"),
        ("//", "unnamed"),
    ],
)
def test_names(name: str, called: str) -> None:
    graph = GraphBuilder()
    assert graph.add(name, "op") == called
    assert list(nodes_of(graph.serialized())) == [called]


def test_names_that_are_taken() -> None:
    graph = GraphBuilder()
    names = ["a", "a", "a_1", "a", "a_1", "b:0", "b_0"]
    got = [graph.add(name, "op") for name in names]
    assert got == ["a", "a_1", "a_1_1", "a_2", "a_1_2", "b_0", "b_0_1"]
    assert len(nodes_of(graph.serialized())) == len(names)


def as_text(serialized: bytes) -> str:
    """As TensorBoard hands a graph to its page."""
    return text_format.MessageToString(tensorboard_graph_pb2.GraphDef.FromString(serialized))


def test_what_a_node_looks_like_to_the_page() -> None:
    graph = GraphBuilder()
    graph.add("x", "In", outputs=[Output([2, -1], "float32"), Output(), Output([])])
    graph.add("y", "Out", ["x", "x:2"], attributes={"k": 3, "none": None}, device="/device:CPU:0")
    want = """
        node {
          name: "x"
          op: "In"
          attr { key: "dtype" value { type: DT_FLOAT } }
          attr {
            key: "_output_shapes"
            value {
              list {
                shape { dim { size: 2 } dim { size: -1 } }
                shape { unknown_rank: true }
                shape { }
              }
            }
          }
        }
        node {
          name: "y"
          op: "Out"
          input: "x"
          input: "x:2"
          device: "/device:CPU:0"
          attr { key: "k" value { i: 3 } }
        }
        versions { producer: 22 }
    """
    theirs = text_format.Parse(want, tensorboard_graph_pb2.GraphDef())
    assert tensorboard_graph_pb2.GraphDef.FromString(graph.serialized()) == theirs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "b: true"),
        (0, "i: 0"),
        (-(2**63), "i: -9223372036854775808"),
        (2**63, 's: "9223372036854775808"'),
        (0.5, "f: 0.5"),
        (1e300, 's: "1e+300"'),
        (float("inf"), "f: inf"),
        ("same", 's: "same"'),
        ("\udc80", 's: "?"'),
        ([1, 2], "list { i: 1 i: 2 }"),
        ((0.5, 2.0), "list { f: 0.5 f: 2 }"),
        (["a", "b"], 'list { s: "a" s: "b" }'),
        ([True, False], "list { b: true b: false }"),
        ([1, "a"], "s: \"[1, 'a']\""),
        ([[1], [2]], 's: "[[1], [2]]"'),
        ([], 's: "[]"'),
        ({"k": 1}, "s: \"{'k': 1}\""),
    ],
)
def test_attributes(value: Any, text: str) -> None:
    assert attribute(value) == text_format.Parse(text, AttrValue())


def test_long_attributes_are_cut() -> None:
    """TensorBoard leaves out what is longer than 1 KiB."""
    assert attribute("x" * 5000).s == b"x" * 500 + b"..."


# ------------------------------------------------------------------ ONNX

Field = tuple[int, "int | float | str | bytes | Sequence[int]"]


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    encoded = b""
    while value >= 0x80:
        encoded += bytes([value & 0x7F | 0x80])
        value >>= 7
    return encoded + bytes([value])


def message(*fields: Field) -> bytes:
    """A protobuf message: integers as varints, floats as float32, lists of integers packed."""
    encoded = b""
    for number, value in fields:
        if isinstance(value, int):
            encoded += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            encoded += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            if isinstance(value, str):
                value = value.encode()
            elif not isinstance(value, bytes):
                value = b"".join(map(varint, value))
            encoded += varint(number << 3 | 2) + varint(len(value)) + value
    return encoded


# The numbers of the fields are those of onnx.proto.


def onnx_tensor(name: str, dims: Sequence[int], dtype: int = 1, data: bytes = b"") -> bytes:
    return message((1, dims), (2, dtype), (8, name), (9, data))


def onnx_value(name: str, dims: Sequence[int | str] | None, dtype: int = 1) -> bytes:
    tensor: list[Field] = [(1, dtype)]
    if dims is not None:
        each = (message((1, dim) if isinstance(dim, int) else (2, dim)) for dim in dims)
        tensor.append((2, message(*((1, dim) for dim in each))))
    return message((1, name), (2, message((1, message(*tensor)))))


def onnx_node(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    name: str = "",
    attributes: Sequence[bytes] = (),
    namespace: str = "",
) -> bytes:
    fields: list[Field] = [(1, name) for name in inputs]
    fields += [(2, name) for name in outputs]
    fields += [(3, name), (4, op)]
    fields += [(5, attribute) for attribute in attributes]
    if namespace:
        fields.append((9, message((1, "namespace"), (2, namespace))))
    return message(*fields)


def onnx_graph_of(
    nodes: Sequence[bytes] = (),
    inputs: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
    weights: Sequence[bytes] = (),
    values: Sequence[bytes] = (),
) -> bytes:
    fields: list[Field] = [(1, node) for node in nodes]
    fields += [(2, "main"), *((5, weight) for weight in weights)]
    fields += [(11, value) for value in inputs]
    fields += [(12, value) for value in outputs]
    fields += [(13, value) for value in values]
    return message(*fields)


def onnx_model(graph: bytes) -> bytes:
    return message((1, 9), (2, "a producer"), (7, graph), (8, message((2, 17))))


MODEL = onnx_model(
    onnx_graph_of(
        inputs=[onnx_value("x", ["batch", 3]), onnx_value("fc.weight", [3, 4])],
        outputs=[onnx_value("left", ["batch", 2]), onnx_value("right", None)],
        weights=[
            onnx_tensor("fc.weight", [3, 4], data=bytes(48)),
            onnx_tensor("sizes", [2], dtype=7),
            onnx_tensor("unused", [9]),
        ],
        values=[onnx_value("h", ["batch", 4], dtype=10)],
        nodes=[
            # before what makes its input: no order is taken for granted
            onnx_node("Split", ["h", "sizes"], ["left", "right"], "/Split"),
            onnx_node(
                "Gemm",
                ["x", "fc.weight", ""],  # the bias is left out
                ["h"],
                "/fc/Gemm",
                [
                    message((1, "alpha"), (2, 0.5), (20, 1)),
                    message((1, "transB"), (3, -1), (20, 2)),
                    message((1, "mode"), (4, "same"), (20, 3)),
                    message((1, "value"), (5, onnx_tensor("", [2, 3], 11)), (20, 4)),
                    message((1, "scales"), (7, struct.pack("<2f", 1.5, -2)), (20, 6)),
                    message((1, "axes"), (8, [0, -1]), (20, 7)),
                    message((1, "pads"), (8, 1), (8, 2), (20, 7)),  # not packed
                    message((1, "names"), (9, "a"), (9, "b"), (20, 8)),
                    message((1, "none"), (20, 9)),
                ],
            ),
        ],
    )
)


def test_onnx() -> None:
    serialized = onnx_graph.encode(MODEL)
    assert wiring(serialized) == {
        "input/x": ("Input", []),
        "fc/fc.weight": ("Constant", []),
        "sizes": ("Constant", []),
        "fc/Gemm": ("Gemm", ["input/x", "fc/fc.weight"]),
        "Split": ("Split", ["fc/Gemm", "sizes"]),
        "output/left": ("Output", ["Split"]),
        "output/right": ("Output", ["Split:1"]),
    }
    nodes = nodes_of(serialized)
    known = {name: (shapes_of(node), dtype_of(node)) for name, node in nodes.items()}
    assert known == {
        "input/x": ([[-1, 3]], DT_FLOAT),
        "fc/fc.weight": ([[3, 4]], DT_FLOAT),
        "sizes": ([[2]], DT_INT64),
        "fc/Gemm": ([[-1, 4]], DT_HALF),
        "Split": ([[-1, 2], None], DT_FLOAT),
        "output/left": ([[-1, 2]], DT_FLOAT),
        "output/right": ([], DT_FLOAT),
    }
    assert attributes_of(nodes["fc/Gemm"]) == {
        "alpha": 0.5,
        "transB": -1,
        "mode": "same",
        "value": "float64 of shape [2, 3]",
        "scales": [1.5, -2],
        "axes": [0, -1],
        "pads": [1, 2],
        "names": ["a", "b"],
    }


def test_onnx_sources(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(MODEL)
    want = onnx_graph.encode(MODEL)
    assert onnx_graph.encode(path) == onnx_graph.encode(str(path)) == want
    assert onnx_graph.encode(bytearray(MODEL)) == onnx_graph.encode(io.BytesIO(MODEL)) == want


NAMESPACE = ": __main__.Net/conv: torch.nn.modules.container.Sequential/conv.0: a.Conv2d/c: aten.c"


@pytest.mark.parametrize(
    ("name", "namespace", "called"),
    [
        ("n", NAMESPACE, "Net/Sequential[conv]/Conv2d[0]/n"),  # as torch's own graphs
        ("n", ": __main__.Net/relu: aten.relu.default", "Net/n"),
        ("n", "alone: aten.relu.default", "n"),
        ("n", "not/such a/thing", "n"),
        ("/layer1/layer1.0/conv1/Conv", "", "layer1/layer1.0/conv1/Conv"),
        ("kernel:0", "", "kernel_0"),
        ("", "", "Relu"),
    ],
)
def test_onnx_groups(name: str, namespace: str, called: str) -> None:
    node = onnx_node("Relu", ["w"], ["y"], name, namespace=namespace)
    graph = onnx_graph_of([node], weights=[onnx_tensor("w", [1])])
    nodes = wiring(onnx_graph.encode(onnx_model(graph)))
    assert nodes[called] == ("Relu", ["/".join((*called.split("/")[:-1], "w"))])


def test_onnx_graphs_in_graphs() -> None:
    """The branches of an If stand inside of it, and see the tensors around it."""
    then = onnx_graph_of(
        [onnx_node("Mul", ["x", "two"], ["t"])],
        outputs=[onnx_value("t", [1])],
        weights=[onnx_tensor("two", [])],
    )
    otherwise = onnx_graph_of(outputs=[onnx_value("x", [1])])
    branches = [
        message((1, "then_branch"), (6, then), (20, 5)),
        message((1, "else_branch"), (6, otherwise), (20, 5)),
    ]
    graph = onnx_graph_of(
        [onnx_node("If", ["c"], ["y"], "if", branches)],
        inputs=[onnx_value("x", [1]), onnx_value("c", [], dtype=9)],
        outputs=[onnx_value("y", [1])],
    )
    assert wiring(onnx_graph.encode(onnx_model(graph))) == {
        "input/x": ("Input", []),
        "input/c": ("Input", []),
        "if/then_branch/two": ("Constant", []),
        "if/then_branch/Mul": ("Mul", ["input/x", "if/then_branch/two"]),
        "if": ("If", ["input/c", "if/then_branch/Mul", "input/x"]),
        "output/y": ("Output", ["if"]),
    }


def test_onnx_tensors_from_nowhere() -> None:
    """They would break the page: so they are shown as what they are."""
    graph = onnx_graph_of(
        [onnx_node("Relu", ["lost"], ["y"], "a/Relu")], outputs=[onnx_value("gone", [1])]
    )
    assert wiring(onnx_graph.encode(onnx_model(graph))) == {
        "a/lost": ("Undefined", []),
        "a/Relu": ("Relu", ["a/lost"]),
        "gone": ("Undefined", []),
        "output/gone": ("Output", ["gone"]),
    }


def test_onnx_weights_are_passed_over(tmp_path: Path) -> None:
    """A gigabyte of them, which lies on no disk."""
    size = 1 << 30
    path = tmp_path / "large.onnx"
    tensor = message((1, [size >> 2]), (2, 1), (8, "w"))
    tensor_head = tensor + varint(9 << 3 | 2) + varint(size)
    rest = message((1, onnx_node("Relu", ["w"], ["y"])), (11, onnx_value("x", [1])))
    graph_head = varint(5 << 3 | 2) + varint(len(tensor_head) + size) + tensor_head
    model = message((1, 9)) + varint(7 << 3 | 2) + varint(len(graph_head) + size + len(rest))
    with path.open("wb") as file:
        file.write(model + graph_head)
        file.seek(size, os.SEEK_CUR)
        file.write(rest)
    nodes = wiring(onnx_graph.encode(path))
    assert nodes == {
        "input/x": ("Input", []),
        "w": ("Constant", []),
        "Relu": ("Relu", ["w"]),
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no version or no graph"),
        (message((1, 9)), "no version or no graph"),
        (message((7, onnx_graph_of())), "no version or no graph"),
        (MODEL[:-1], "a field of .* bytes, of which .* are there"),
        (b"\x08", "an integer that does not end"),
        (b"\x08" + b"\xff" * 20 + b"\x01", "an integer that does not end"),
        (b"\x00\x00", "a field of number 0"),
        (b"\x0b\x0c", "a field of wire type 3"),
        (message((1, 9), (7, 5)), "field 7: a number, where there should be none"),
        (b"PK\x03\x04 a zip file", "a field of number 0"),
        (b"<?xml version='1.0'?>", "wire type|bytes|end"),
        (onnx_model(message((1, message((5, message((1, "a"), (7, b"123"))))))), "bytes of floats"),
    ],
)
def test_what_is_no_onnx(content: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        onnx_graph.encode(content)


def test_onnx_without_a_source(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        onnx_graph.encode(tmp_path / "none.onnx")
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ValueError, match="the file is empty"):
        onnx_graph.encode(tmp_path / "empty.onnx")
    with pytest.raises(TypeError, match="want a path or the bytes of an ONNX model, got int"):
        onnx_graph.encode(3)


def test_onnx_graphs_too_deep() -> None:
    graph = onnx_graph_of()
    for _ in range(100):
        graph = onnx_graph_of([onnx_node("Loop", [], [], "n", [message((1, "body"), (6, graph))])])
    with pytest.raises(ValueError, match="more than 32 graphs"):
        onnx_graph.encode(onnx_model(graph))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_onnx_is_drawn_or_refused(data: st.DataObject) -> None:
    content = bytearray(MODEL)
    for place in data.draw(st.lists(st.integers(0, len(MODEL) - 1), min_size=1, max_size=5)):
        content[place] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        serialized = onnx_graph.encode(content)
    except ValueError:
        return
    nodes_of(serialized)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_drawn_or_refused(content: bytes) -> None:
    for prefix in (b"", message((1, 9)) + varint(7 << 3 | 2) + varint(len(content))):
        try:
            serialized = onnx_graph.encode(prefix + content)
        except ValueError:
            continue
        nodes_of(serialized)


@pytest.mark.full
class TestOnnxOfThePackage:
    def model(self) -> Any:
        import onnx
        from onnx import TensorProto, helper

        floats = TensorProto.FLOAT
        branch = helper.make_graph(
            [helper.make_node("Identity", ["h"], ["b"])],
            "branch",
            [],
            [helper.make_tensor_value_info("b", floats, ["n", 4])],
        )
        graph = helper.make_graph(
            [
                helper.make_node("MatMul", ["x", "w"], ["h"], name="mm"),
                helper.make_node("If", ["c"], ["i"], "if", then_branch=branch, else_branch=branch),
                helper.make_node("TopK", ["i", "k"], ["v", "p"], name="top", axis=-1, largest=1),
                helper.make_node("Gather", ["x", "p"], ["y"]),
            ],
            "graph",
            [
                helper.make_tensor_value_info("x", floats, ["n", 3]),
                helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            ],
            [
                helper.make_tensor_value_info("v", floats, ["n", 1]),
                helper.make_tensor_value_info("y", floats, ["n", 1, 3]),
            ],
            [
                helper.make_tensor("w", floats, [3, 4], np.ones(12)),
                helper.make_tensor("k", TensorProto.INT64, [1], [1]),
            ],
        )
        model = helper.make_model(graph)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)

    def test_its_model(self) -> None:
        model = self.model()
        serialized = onnx_graph.encode(model)
        assert wiring(serialized) == {
            "input/x": ("Input", []),
            "input/c": ("Input", []),
            "w": ("Constant", []),
            "mm": ("MatMul", ["input/x", "w"]),
            "if/then_branch/Identity": ("Identity", ["mm"]),
            "if/else_branch/Identity": ("Identity", ["mm"]),
            "if": ("If", ["input/c", "if/else_branch/Identity", "if/then_branch/Identity"]),
            "k": ("Constant", []),
            "top": ("TopK", ["if", "k"]),
            "Gather": ("Gather", ["input/x", "top:1"]),
            "output/v": ("Output", ["top"]),
            "output/y": ("Output", ["Gather"]),
        }
        nodes = nodes_of(serialized)
        assert shapes_of(nodes["top"]) == [[-1, 1], [-1, 1]]
        assert shapes_of(nodes["output/y"]) == [[-1, 1, 3]]
        assert graphs.event(model) == (Event(graph_def=serialized), "")

    @pytest.mark.parametrize("name", ["FLOAT", "INT64", "BOOL", "DOUBLE", "BFLOAT16", "STRING"])
    def test_dtypes(self, name: str) -> None:
        import onnx

        number = onnx.TensorProto.DataType.Value(name)
        graph = onnx_graph_of(inputs=[onnx_value("x", [], dtype=number)])
        node = nodes_of(onnx_graph.encode(onnx_model(graph)))["input/x"]
        assert DataType.Name(dtype_of(node)) == f"DT_{name}"

    def test_every_dtype_by_its_name(self) -> None:
        import onnx

        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        for number, ours in enumerate(onnx_graph._DTYPES[1:], 1):
            theirs = names[number].lower()
            same = {"float": "float32", "double": "float64"}
            assert ours == same.get(theirs, theirs).replace("float8e", "float8_e")

    @pytest.mark.filterwarnings("ignore")
    def test_where_torch_is_wrong(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """torch: prints names; takes ONNX's dtypes for TensorFlow's; loses weights and outputs."""
        import onnx
        from torch.utils.tensorboard._onnx_graph import load_onnx_graph

        path = tmp_path / "model.onnx"
        onnx.save(self.model(), path)
        theirs = {node.name: node for node in load_onnx_graph(str(path)).node}
        assert capsys.readouterr().out.split() == ["x", "c", "v", "y", "h", "i", "v", "y"]
        assert {source for node in theirs.values() for source in node.input} - set(theirs) == {
            "w",
            "k",
            "p",
        }
        assert DataType.Name(theirs["c"].attr["dtype"].type) == "DT_INT64"
        ours = nodes_of(onnx_graph.encode(path))
        assert capsys.readouterr().out == ""
        operations = {node.op for node in ours.values()} - {"Input", "Output", "Constant"}
        assert operations == {"MatMul", "If", "TopK", "Gather", "Identity"}
        assert operations - {"Identity"} == {node.op for node in theirs.values()} - {"Variable"}


# ------------------------------------------------------------------ OpenVINO

OPENVINO = """<?xml version="1.0"?>
<net name="model" version="11">
  <layers>
    <layer id="0" name="data" type="Parameter" version="opset1">
      <data shape="?,3" element_type="f32"/>
      <output><port id="0" precision="FP32"><dim>-1</dim><dim>3</dim></port></output>
    </layer>
    <layer id="1" name="block/weights" type="Const" version="opset1">
      <output><port id="0" precision="FP16"><dim>3</dim><dim>4</dim></port></output>
    </layer>
    <layer id="2" name="block/MatMul" type="MatMul" version="opset1">
      <data transpose_a="false"/>
      <input><port id="0"/><port id="1"/></input>
      <output><port id="2" precision="FP32"><dim>-1</dim><dim>4</dim></port></output>
    </layer>
    <layer id="3" name="Split" type="Split" version="opset1">
      <input><port id="0"/></input>
      <output>
        <port id="1" precision="FP32"><dim>-1</dim><dim>2</dim></port>
        <port id="2" precision="FP32"><dim>-1</dim><dim>2</dim></port>
      </output>
    </layer>
    <layer id="4" name="Result" type="Result" version="opset1"><input><port id="0"/></input></layer>
    <layer id="5" name="Result" type="Result" version="opset1"><input><port id="0"/></input></layer>
  </layers>
  <edges>
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
    <edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
    <edge from-layer="3" from-port="1" to-layer="4" to-port="0"/>
    <edge from-layer="3" from-port="2" to-layer="5" to-port="0"/>
  </edges>
</net>
"""


def test_openvino(tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_text(OPENVINO)
    serialized = openvino_graph.encode(path)
    assert wiring(serialized) == {
        "data": ("Parameter", []),
        "block/weights": ("Const", []),
        "block/MatMul": ("MatMul", ["data", "block/weights"]),
        "Split": ("Split", ["block/MatMul"]),
        "Result": ("Result", ["Split"]),
        "Result_1": ("Result", ["Split:1"]),
    }
    nodes = nodes_of(serialized)
    assert shapes_of(nodes["Split"]) == [[-1, 2], [-1, 2]]
    assert dtype_of(nodes["block/weights"]) == DT_HALF
    assert attributes_of(nodes["data"]) == {"shape": "?,3", "element_type": "f32"}
    assert openvino_graph.encode(io.BytesIO(OPENVINO.encode())) == serialized


def test_openvino_as_tensorboardx(tmp_path: Path) -> None:
    """Its edges are ours; its nodes stand there once an edge, those without input not at all."""
    path = tmp_path / "model.xml"
    path.write_text(OPENVINO.replace('id="5" name="Result"', 'id="5" name="Result_1"'))
    theirs = tensorboardX.openvino_graph.load_openvino_graph(str(path)).node
    edges = {(node.input[0], node.name) for node in theirs}
    ours = wiring(openvino_graph.encode(path))
    assert edges == {
        (source.partition(":")[0], name) for name, (_, inputs) in ours.items() for source in inputs
    }
    assert set(ours) - {node.name for node in theirs} == {"data", "block/weights"}


BILLION_LAUGHS = """<!DOCTYPE net [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><net>&b;</net>"""
EXTERNAL = """<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]><net>&x;</net>"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no OpenVINO model: no element found"),
        ("not XML", "no OpenVINO model: syntax error"),
        ("<net><layers>", "no OpenVINO model: no element found"),
        ("<net/>", "want a net with layers"),
        ("<html><layers/></html>", "want a net with layers"),
        (BILLION_LAUGHS, "declares a document type"),
        (EXTERNAL, "declares a document type"),
        (OPENVINO.replace('name="data"', ""), "lacks 'name'"),
        (OPENVINO.replace('from-port="1"', 'from-port="7"'), r"lacks \('3', '7'\)"),
        (OPENVINO.replace("<dim>4</dim>", "<dim>four</dim>"), "'four' where a number should be"),
    ],
)
def test_what_is_no_openvino(content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        openvino_graph.encode(io.BytesIO(content.encode()))


# ------------------------------------------------------------------ Keras


class ModelOf:
    """What of a Keras model is looked at."""

    def __init__(self, config: Any) -> None:
        self.config = config

    def to_json(self) -> str:
        return json.dumps(self.config)


def keras_tensor(layer: str) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}


def keras_layer(kind: str, name: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
    nodes = [{"args": list(args), "kwargs": kwargs}] if args or kwargs else []
    return {"class_name": kind, "config": {"name": name}, "inbound_nodes": nodes}


def keras_model(*layers: Any, name: str = "model") -> dict[str, Any]:
    return {
        "class_name": "Functional",
        "config": {
            "name": name,
            "layers": list(layers),
            "input_layers": [["a", 0, 0]],
            "output_layers": [[layers[-1]["config"]["name"], 0, 0]],
        },
    }


A, B, C = keras_tensor("a"), keras_tensor("b"), keras_tensor("c")


def conceptual(value: Any) -> dict[str, list[str]]:
    """The layers and their inputs, as TensorBoard makes them of the value."""
    config = json.loads(value.tensor.string_val[0])
    graph = keras_util.keras_model_to_graph_def(config)
    return {node.name: list(node.input) for node in graph.node}


def test_keras_value() -> None:
    model = ModelOf(keras_model(keras_layer("InputLayer", "a"), keras_layer("Dense", "b", A)))
    value = keras_graph.encode(model)
    want = """
        tag: "keras"
        metadata { plugin_data { plugin_name: "graph_keras_model" content: "1" } }
        tensor { dtype: DT_STRING tensor_shape { } }
    """
    theirs = text_format.Parse(want, tensorboard_summary_pb2.Summary.Value())
    theirs.tensor.string_val.append(model.to_json().encode())
    assert tensorboard_summary_pb2.Summary.Value.FromString(value.SerializeToString()) == theirs
    assert value.tensor.dtype == DT_STRING
    assert conceptual(value) == {"model/a": [], "model/b": ["model/a"]}


@pytest.mark.parametrize(
    ("layers", "inputs"),
    [
        ([keras_layer("Add", "c", [A, B])], {"model/c": ["model/a", "model/b"]}),
        # TensorBoard fails: x * 2
        ([keras_layer("Multiply", "c", A, 2)], {"model/c": ["model/a"]}),
        ([keras_layer("Multiply", "c", None, A)], {"model/c": ["model/a"]}),
        ([keras_layer("Stack", "c", [A, [B, 1.0]])], {"model/c": ["model/a", "model/b"]}),
        # TensorBoard does not see them
        (
            [keras_layer("Attention", "c", query=A, value=B, training=False)],
            {"model/c": ["model/a", "model/b"]},
        ),
        ([keras_layer("Masked", "c", A, mask=B)], {"model/c": ["model/a", "model/b"]}),
        ([keras_layer("Dict", "c", {"x": A, "y": [B]})], {"model/c": ["model/a", "model/b"]}),
    ],
)
def test_keras_inputs(layers: Sequence[Any], inputs: dict[str, list[str]]) -> None:
    model = keras_model(keras_layer("InputLayer", "a"), keras_layer("InputLayer", "b"), *layers)
    got = conceptual(keras_graph.encode(ModelOf(model)))
    assert got == {"model/a": [], "model/b": [], **inputs}


def test_keras_models_in_models() -> None:
    inner = keras_model(
        keras_layer("InputLayer", "a"), keras_layer("Multiply", "m", A, 2), name="inner"
    )
    inner["inbound_nodes"] = [{"args": [A], "kwargs": {}}]
    model = keras_model(keras_layer("InputLayer", "a"), inner)
    got = conceptual(keras_graph.encode(ModelOf(model)))
    assert got["model/inner/m"] == ["model/inner/a"]


def test_keras_json_that_is_readable_stays_as_it_is() -> None:
    text = json.dumps(keras_model(keras_layer("InputLayer", "a"), keras_layer("Dense", "b", A)))
    text = text.replace(": ", ":   ")
    model = ModelOf(None)
    model.to_json = lambda: text  # type: ignore[method-assign]
    assert keras_graph.encode(model).tensor.string_val[0].decode() == text


@pytest.mark.parametrize(
    "config", [{}, {"config": {}}, {"config": None}, {"config": {"layers": []}}]
)
def test_keras_models_without_layers(config: Any) -> None:
    with pytest.raises(ValueError, match="no graph of ModelOf: Keras knows the layers of"):
        keras_graph.encode(ModelOf(config))


def test_keras_models_that_are_no_json() -> None:
    with pytest.raises(ValueError, match="no graph of ModelOf: to_json: Object of type object"):
        keras_graph.encode(ModelOf(object()))


# ------------------------------------------------------------------ what is given as it is

GRAPH = GraphDef(node=[NodeDef(name="a", op="In"), NodeDef(name="b", op="Out", input=["a"])])


class GraphOfTensorflow:
    def as_graph_def(self) -> GraphDef:
        return GRAPH


@pytest.mark.parametrize(
    "given",
    [
        GRAPH,
        GRAPH.SerializeToString(),
        bytearray(GRAPH.SerializeToString()),
        tensorboard_graph_pb2.GraphDef.FromString(GRAPH.SerializeToString()),
        tensorboardX.proto.graph_pb2.GraphDef.FromString(GRAPH.SerializeToString()),
        GraphOfTensorflow(),
    ],
    ids=["ours", "bytes", "bytearray", "tensorboard", "tensorboardX", "tensorflow"],
)
def test_graphs_of_others(given: Any) -> None:
    assert graphs.event(given) == (Event(graph_def=GRAPH.SerializeToString()), "")


@pytest.mark.parametrize("given", ["model", 3, None, {}, Event(step=1), object])
def test_what_is_no_model(given: Any) -> None:
    with pytest.raises(
        TypeError, match="want a torch module, a Keras model, an ONNX model or a Gr"
    ):
        graphs.event(given)


def test_bytes_that_are_no_graph() -> None:
    with pytest.raises(ValueError, match="want the bytes of a GraphDef"):
        graphs.event(b"\xff\xff")


def test_nothing_is_imported_to_find_out() -> None:
    code = """
import sys
from tbio import graphs
from tbio.proto.graph_pb2 import GraphDef
try:
    graphs.event(object())
except TypeError:
    pass
graphs.event(GraphDef())
print([name for name in ("torch", "keras", "onnx", "tensorflow") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------ torch

full = pytest.mark.full


def groups_of(serialized: bytes, check: bool = True) -> set[str]:
    return {name.rpartition("/")[0] for name in nodes_of(serialized, check)}


def operations_of(serialized: bytes, check: bool = True) -> list[tuple[str, str]]:
    """Group and op of every operation of torch's, in order."""
    return [
        (name.rpartition("/")[0], node.op)
        for name, node in nodes_of(serialized, check).items()
        if node.op.startswith("aten::")
    ]


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def nets(torch: Any) -> Any:
    """Modules of every difficulty."""
    nn = torch.nn

    class Mlp(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 4)
            self.rest = nn.Sequential(nn.ReLU(), nn.Linear(4, 2))

        def forward(self, x: Any) -> Any:
            return self.rest(self.first(x))

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4)
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x: Any) -> Any:
            return self.norm(x) * self.scale

    class Lists(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.left = nn.ModuleList([Block()])
            self.right = nn.ModuleList([Block()])

        def forward(self, x: Any) -> Any:
            return self.left[0](x) + self.right[0](x)

    class Inputs(nn.Module):  # type: ignore[misc, name-defined]
        """Nested inputs, None, keyword arguments; a dict for an output."""

        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, batch: Any, mask: Any = None, *, scale: float = 2.0) -> Any:
            x, y = batch["pair"]
            z = self.fc(x + y) * scale
            if mask is not None:
                z = z * mask
            return {"z": z, "halves": z.split(2, -1)}

    class Branches(nn.Module):  # type: ignore[misc, name-defined]
        """Where it goes depends on the data: torch.export refuses that."""

        def __init__(self) -> None:
            super().__init__()
            self.inputs = Inputs()
            self.register_buffer("calls", torch.zeros(1))
            self.counts: list[int] = []
            self.noise = nn.Dropout(0.5)

        def forward(self, batch: Any, mask: Any = None) -> Any:
            self.calls += 1
            self.counts.append(1)
            self.last = torch.rand(2)
            out = self.inputs(batch, mask)
            if out["z"].sum() > 1e9:
                out["z"] = out["z"] * 2
            return {**out, "rand": self.noise(out["z"]) + torch.rand(4)}

    class Modes(nn.Module):  # type: ignore[misc, name-defined]
        """Other modes of gradients and precision inside, a branch for torch.cond."""

        def __init__(self) -> None:
            super().__init__()
            self.frozen = nn.Linear(3, 3)
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                x = self.frozen(x)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                x = self.fc(x)
            x = x.float()
            return torch.cond(x.sum() > 0, lambda y: torch.sin(y), lambda y: y + 1, (x,))

    class Keeps(nn.Module):  # type: ignore[misc, name-defined]
        """Keeps what it has seen, in every way that one can."""

        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(3, 4)
            self.history: list[Any] = []
            self.cache: dict[str, Any] = {"old": 1}
            self.count = 0
            self.state = torch.zeros(1)

        def forward(self, x: Any) -> Any:
            y, (h, c) = self.rnn(x)
            self.history.append(y)
            self.cache["y"] = y
            self.count += 1
            self.state = y
            self.fresh = y
            self.rnn.seen = y
            return y, h, c

    class Nets:
        pass

    for kind in (Mlp, Block, Lists, Inputs, Branches, Modes, Keeps):
        setattr(Nets, kind.__name__, kind)
    return Nets


def batch_for(torch: Any) -> dict[str, Any]:
    return {"pair": [torch.rand(5, 3), torch.rand(5, 3)]}


@full
class TestTorch:
    def test_the_whole_of_a_small_one(self, torch: Any, nets: Any) -> None:
        serialized = torch_graph.encode(nets.Mlp(), torch.rand(5, 3))
        assert wiring(serialized) == {
            "Mlp/Linear[first]/weight": ("Parameter", []),
            "Mlp/Linear[first]/bias": ("Parameter", []),
            "Mlp/Sequential[rest]/Linear[1]/weight": ("Parameter", []),
            "Mlp/Sequential[rest]/Linear[1]/bias": ("Parameter", []),
            "input/x": ("IO Node", []),
            "Mlp/Linear[first]/linear": (
                "aten::linear",
                ["input/x", "Mlp/Linear[first]/weight", "Mlp/Linear[first]/bias"],
            ),
            "Mlp/Sequential[rest]/ReLU[0]/relu": ("aten::relu", ["Mlp/Linear[first]/linear"]),
            "Mlp/Sequential[rest]/Linear[1]/linear": (
                "aten::linear",
                [
                    "Mlp/Sequential[rest]/ReLU[0]/relu",
                    "Mlp/Sequential[rest]/Linear[1]/weight",
                    "Mlp/Sequential[rest]/Linear[1]/bias",
                ],
            ),
            "output/output.1": ("IO Node", ["Mlp/Sequential[rest]/Linear[1]/linear"]),
        }
        nodes = nodes_of(serialized)
        assert {name: shapes_of(node) for name, node in nodes.items()} == {
            "Mlp/Linear[first]/weight": [[4, 3]],
            "Mlp/Linear[first]/bias": [[4]],
            "Mlp/Sequential[rest]/Linear[1]/weight": [[2, 4]],
            "Mlp/Sequential[rest]/Linear[1]/bias": [[2]],
            "input/x": [[5, 3]],
            "Mlp/Linear[first]/linear": [[5, 4]],
            "Mlp/Sequential[rest]/ReLU[0]/relu": [[5, 4]],
            "Mlp/Sequential[rest]/Linear[1]/linear": [[5, 2]],
            "output/output.1": [[5, 2]],
        }
        assert {node.device for node in nodes.values()} == {"/device:CPU:0"}
        assert {dtype_of(node) for node in nodes.values()} == {DT_FLOAT}

    @pytest.mark.filterwarnings("ignore")
    def test_as_torchs_own(self, torch: Any, nets: Any) -> None:
        """The same operations, in the same groups, wired the same, with the same shapes."""
        from torch.utils.tensorboard._pytorch_graph import graph

        model, x = nets.Mlp(), torch.rand(5, 3)
        theirs = graph(model, x)[0].SerializeToString()
        ours = torch_graph.encode(model, x)
        assert operations_of(ours) == operations_of(theirs, check=False)

        def place(name: str) -> str:
            """A node of torch's is a number in its group."""
            return name if name.startswith(("input", "output")) else name.rpartition("/")[0]

        def edges(serialized: bytes) -> set[tuple[str, str]]:
            nodes = nodes_of(serialized, check=False)
            drawn = {"IO Node", "aten::linear", "aten::relu"}
            return {
                (place(source), place(name))
                for name, node in nodes.items()
                for source in node.input
                if node.op in drawn and source in nodes and nodes[source].op in drawn
            }

        assert edges(ours) == edges(theirs)
        assert len(edges(ours)) == 4
        shapes = [
            {
                place(name): shapes_of(node)
                for name, node in nodes_of(serialized, check=False).items()
                if node.op in ("aten::linear", "aten::relu", "IO Node")
            }
            for serialized in (ours, theirs)
        ]
        # torch knows no shape of what comes out of the last one
        assert shapes[0] == {**shapes[1], "output/output.1": [[5, 2]]}

    def test_attributes(self, torch: Any) -> None:
        model = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
        nodes = nodes_of(torch_graph.encode(model, torch.rand(1, 3, 8, 8)))
        assert attributes_of(nodes["Conv2d/conv2d"]) == {"stride": [2, 2], "padding": [1, 1]}

    def test_what_it_is_made_of_several_outputs(self, torch: Any, nets: Any) -> None:
        nodes = nodes_of(torch_graph.encode(nets.Keeps(), torch.rand(2, 5, 3)))
        assert shapes_of(nodes["Keeps/LSTM[rnn]/lstm"]) == [[2, 5, 4], [1, 5, 4], [1, 5, 4]]
        assert [list(nodes[f"output/output.{n}"].input) for n in (1, 2, 3)] == [
            ["Keeps/LSTM[rnn]/lstm"],
            ["Keeps/LSTM[rnn]/lstm:1"],
            ["Keeps/LSTM[rnn]/lstm:2"],
        ]

    @pytest.mark.parametrize(
        ("wrap", "inputs"),
        [
            (lambda batch, mask: (batch, mask), ["batch_pair_0", "batch_pair_1", "mask"]),
            (lambda batch, mask: (batch, None), ["batch_pair_0", "batch_pair_1"]),
            (lambda batch, mask: (batch,), ["batch_pair_0", "batch_pair_1"]),
            (lambda batch, mask: [batch, mask], ["batch_pair_0", "batch_pair_1", "mask"]),
            (lambda batch, mask: batch, ["batch_pair_0", "batch_pair_1"]),  # no keywords
            (
                lambda batch, mask: {"mask": mask, "batch": batch},
                ["batch_pair_0", "batch_pair_1", "mask"],
            ),
        ],
        ids=["tuple", "None", "single", "list", "dict", "keywords"],
    )
    @pytest.mark.parametrize("kind", ["Inputs", "Branches"])
    def test_inputs(
        self, torch: Any, nets: Any, kind: str, wrap: Callable[..., Any], inputs: list[str]
    ) -> None:
        given = wrap(batch_for(torch), torch.ones(4))
        serialized = torch_graph.encode(getattr(nets, kind)(), given)
        names = [name for name in nodes_of(serialized) if name.startswith("input/")]
        assert sorted(names) == [f"input/{name}" for name in inputs]
        multiplied = operations_of(serialized).count((f"{kind}/Inputs[inputs]", "aten::mul"))
        multiplied += operations_of(serialized).count(("Inputs", "aten::mul"))
        assert multiplied == (2 if "mask" in inputs else 1)

    def test_keyword_arguments_that_are_no_tensors(self, torch: Any, nets: Any) -> None:
        given = {"batch": batch_for(torch), "scale": 7.5}
        nodes = nodes_of(torch_graph.encode(nets.Inputs(), given))
        assert attributes_of(nodes["Inputs/mul"])["other"] == 7.5

    def test_one_that_takes_a_list(self, torch: Any) -> None:
        class Sum(torch.nn.Module):  # type: ignore[misc]
            def forward(self, tensors: Any) -> Any:
                return sum(tensors[1:], tensors[0])

        serialized = torch_graph.encode(Sum(), [torch.ones(2), torch.ones(2), torch.ones(2)])
        assert operations_of(serialized) == [("Sum", "aten::add")] * 2

    @pytest.mark.filterwarnings("ignore")
    def test_where_torch_export_gives_up(self, torch: Any, nets: Any) -> None:
        with pytest.raises(Exception, match=r"[Dd]ata-dependent"):
            torch.export.export(nets.Branches().eval(), (batch_for(torch),), strict=False)
        serialized = torch_graph.encode(nets.Branches(), batch_for(torch))
        nodes = nodes_of(serialized)
        assert wiring(serialized)["Branches/Inputs[inputs]/Linear[fc]/linear"] == (
            "aten::linear",
            [
                "Branches/Inputs[inputs]/add",
                "Branches/Inputs[inputs]/Linear[fc]/weight",
                "Branches/Inputs[inputs]/Linear[fc]/bias",
            ],
        )
        assert shapes_of(nodes["Branches/Inputs[inputs]/split"]) == [[5, 2], [5, 2]]
        assert attributes_of(nodes["Branches/Inputs[inputs]/split"]) == {"split_size": 2, "dim": -1}
        assert nodes["Branches/calls"].op == "Buffer"
        assert shapes_of(nodes["output/output.1"]) == [[5, 4]]
        assert list(nodes["output/output.3"].input) == ["Branches/Inputs[inputs]/split:1"]
        assert ("Branches/Dropout[noise]", "aten::dropout") in operations_of(serialized)

    def test_modes_and_branches_inside(self, torch: Any, nets: Any) -> None:
        serialized = torch_graph.encode(nets.Modes(), torch.rand(2, 3))
        got = wiring(serialized)
        frozen, fc = "Modes/Linear[frozen]", "Modes/Linear[fc]"
        assert got[f"{frozen}/linear"][1] == ["input/x", f"{frozen}/weight", f"{frozen}/bias"]
        assert got[f"{fc}/linear"][1] == [f"{frozen}/linear", f"{fc}/weight", f"{fc}/bias"]
        (converted,) = [name for name in got if name.startswith("Modes/to")]
        assert got[converted][1] == [f"{fc}/linear"]
        operation, inputs = got["Modes/cond/cond"]
        assert operation == "cond"
        assert inputs[1:] == [
            converted,
            "Modes/cond/true_graph_0/sin",
            "Modes/cond/false_graph_0/add",
        ]
        assert got["Modes/cond/true_graph_0/sin"] == ("aten::sin", [converted])
        assert got["output/output.1"][1] == ["Modes/cond/cond"]
        assert not [name for name in got if "wrap" in name or "assert" in name]

    def test_without_inputs(self, torch: Any, nets: Any) -> None:
        """Layers in the place of operations."""
        assert wiring(torch_graph.encode(nets.Mlp())) == {
            "input/x": ("IO Node", []),
            "Mlp/Linear[first]/weight": ("Parameter", []),
            "Mlp/Linear[first]/bias": ("Parameter", []),
            "Mlp/Linear[first]/linear": (
                "Linear",
                ["input/x", "Mlp/Linear[first]/weight", "Mlp/Linear[first]/bias"],
            ),
            "Mlp/Sequential[rest]/ReLU[0]/relu": ("ReLU", ["Mlp/Linear[first]/linear"]),
            "Mlp/Sequential[rest]/Linear[1]/weight": ("Parameter", []),
            "Mlp/Sequential[rest]/Linear[1]/bias": ("Parameter", []),
            "Mlp/Sequential[rest]/Linear[1]/linear": (
                "Linear",
                [
                    "Mlp/Sequential[rest]/ReLU[0]/relu",
                    "Mlp/Sequential[rest]/Linear[1]/weight",
                    "Mlp/Sequential[rest]/Linear[1]/bias",
                ],
            ),
            "output/output.1": ("IO Node", ["Mlp/Sequential[rest]/Linear[1]/linear"]),
        }

    def test_symbolic_operations(self, torch: Any) -> None:
        class Net(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.scale = torch.nn.Parameter(torch.ones(2))

            def forward(self, x: Any, unused: Any = None) -> Any:
                y = (x * self.scale).split(2, dim=-1)
                return torch.relu(y[0]), y[1:]

        assert wiring(torch_graph.encode(Net())) == {
            "input/x": ("IO Node", []),
            "Net/scale": ("Parameter", []),
            "Net/mul": ("mul", ["input/x", "Net/scale"]),
            "Net/split": ("split", ["Net/mul"]),
            "Net/getitem": ("getitem", ["Net/split"]),
            "Net/relu": ("relu", ["Net/getitem"]),
            "Net/getitem_1": ("getitem", ["Net/split"]),
            "output/output.1": ("IO Node", ["Net/relu"]),
            "output/output.2": ("IO Node", ["Net/getitem_1"]),
        }

    def test_one_without_parameters_or_inputs(self, torch: Any) -> None:
        class Constant(torch.nn.Module):  # type: ignore[misc]
            def forward(self) -> Any:
                return torch.zeros(3) + 1

        serialized = torch_graph.encode(Constant())
        assert operations_of(serialized) == [
            ("Constant", "aten::zeros"),
            ("Constant", "aten::add"),
        ]

    @pytest.mark.filterwarnings("ignore")
    def test_what_else_is_a_model(self, torch: Any, nets: Any) -> None:
        model, x = nets.Mlp().eval(), torch.rand(5, 3)
        want = operations_of(torch_graph.encode(model, x))
        for other in (
            torch.export.export(model, (x,)),
            torch.compile(model),
            torch.nn.DataParallel(model),
            torch.fx.symbolic_trace(model),
        ):
            assert torch_graph.is_torch(other)
            event, trouble = graphs.event(other, x)
            assert trouble == ""
            assert event is not None
            operations = operations_of(event.graph_def)
            if isinstance(other, torch.fx.GraphModule):  # it has modules of other classes
                assert [op for _, op in operations] == [op for _, op in want]
            else:
                assert operations == want

    @pytest.mark.filterwarnings("ignore")
    def test_what_is_scripted(self, torch: Any) -> None:
        x = torch.rand(5, 3)
        module = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()))
        assert torch_graph.is_torch(module)
        module.train()
        assert wiring(torch_graph.encode(module, x)) == {
            "input/input": ("IO Node", []),
            "Sequential/Linear[0]/weight": ("Parameter", []),
            "Sequential/Linear[0]/bias": ("Parameter", []),
            "Sequential/linear": (
                "aten::linear",
                ["input/input", "Sequential/Linear[0]/weight", "Sequential/Linear[0]/bias"],
            ),
            "Sequential/relu": ("aten::relu", ["Sequential/linear"]),
            "output/output.1": ("IO Node", ["Sequential/relu"]),
        }
        assert module.training
        assert module[0].training
        function = torch.jit.script(torch.nn.functional.relu6)
        assert torch_graph.is_torch(function)
        assert "Function" in groups_of(torch_graph.encode(function, x))

    def test_short_cuts_are_not_taken(self, torch: Any) -> None:
        """Without gradients, a whole layer of a transformer would be a single operation.

        torch's own add_graph fails on this model, since it runs it twice, and differently.
        """
        layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        model = torch.nn.TransformerEncoder(layer, 2)
        want = torch_graph.encode(model, torch.rand(2, 5, 8))
        operations = operations_of(want)
        group = "TransformerEncoder/ModuleList[layers]/TransformerEncoderLayer[1]"
        attention = (f"{group}/MultiheadAttention[self_attn]", "aten::scaled_dot_product_attention")
        assert attention in operations
        with torch.no_grad():
            assert torch_graph.encode(model, torch.rand(2, 5, 8)) == want

        class Branches(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer

            def forward(self, x: Any) -> Any:
                x = self.layer(x)
                return x + 1 if x.sum() > 1e9 else x

        # as with torch.jit.trace, so here
        operations = operations_of(torch_graph.encode(Branches(), torch.rand(2, 5, 8)))
        assert "aten::scaled_dot_product_attention" in {op for _, op in operations}

    def test_weights_that_are_shared(self, torch: Any) -> None:
        class Tied(torch.nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.into = torch.nn.Linear(3, 3, bias=False)
                self.out = torch.nn.Linear(3, 3, bias=False)
                self.out.weight = self.into.weight

            def forward(self, x: Any) -> Any:
                return self.out(self.into(self.into(x)))

        nodes = nodes_of(torch_graph.encode(Tied(), torch.rand(3)))
        weights = [name for name, node in nodes.items() if node.op == "Parameter"]
        assert len(weights) == 1
        linear = [name for name, node in nodes.items() if node.op == "aten::linear"]
        assert linear == [
            "Tied/Linear[into]/linear",
            "Tied/Linear[into]/linear_1",
            "Tied/Linear[out]/linear",
        ]
        assert all(weights[0] in nodes[name].input for name in linear)

    def test_verbose(self, torch: Any, nets: Any, capsys: pytest.CaptureFixture[str]) -> None:
        torch_graph.encode(nets.Mlp(), torch.rand(5, 3), verbose=True)
        assert "aten.linear" in capsys.readouterr().out
        torch_graph.encode(nets.Mlp(), verbose=True)
        assert "call_module" in capsys.readouterr().out
        torch_graph.encode(nets.Branches(), batch_for(torch), verbose=True)
        assert "aten::linear" in capsys.readouterr().out
        torch_graph.encode(nets.Mlp(), torch.rand(5, 3))
        torch_graph.encode(nets.Branches(), batch_for(torch))
        assert capsys.readouterr() == ("", "")


def photograph(model: Any) -> dict[str, Any]:
    """Everything of a module that could change; its tensors as they are and by their content."""
    found: dict[str, Any] = {}
    for path, module in model.named_modules():
        for key, value in vars(module).items():
            found[f"{path}:{key}"] = id(value) if hasattr(value, "dtype") else repr(value)
            if isinstance(value, dict):
                found[f"{path}:{key} content"] = [(name, id(item)) for name, item in value.items()]
    for path, tensor in [*model.named_parameters(), *model.named_buffers()]:
        found[f"{path} content"] = tensor.tolist()
        found[f"{path} gradient"] = tensor.grad
    return found


@full
@pytest.mark.filterwarnings("ignore")
class TestTheModelComesBackAsItWas:
    @pytest.mark.parametrize("kind", ["Mlp", "Lists", "Branches", "Modes", "Keeps"])
    @pytest.mark.parametrize("training", [True, False])
    def test_it(self, torch: Any, nets: Any, kind: str, training: bool) -> None:
        model = getattr(nets, kind)().train(training)
        inputs = {
            "Mlp": torch.rand(5, 3),
            "Lists": torch.rand(5, 4),
            "Branches": batch_for(torch),
            "Modes": torch.rand(5, 3),
            "Keeps": torch.rand(2, 5, 3),
        }
        before = photograph(model)
        random = torch.random.get_rng_state()
        torch_graph.encode(model, inputs[kind])
        assert photograph(model) == before
        assert torch.equal(torch.random.get_rng_state(), random)
        assert model(inputs[kind]) is not None  # it still works, on tensors with data

    def test_after_a_failure(self, torch: Any, nets: Any) -> None:
        model = nets.Keeps()
        before = photograph(model)
        with pytest.raises(ValueError, match="no graph of Keeps"):
            torch_graph.encode(model, torch.rand(2, 5, 99))
        assert photograph(model) == before

    def test_each_module_its_own_mode(self, torch: Any, nets: Any) -> None:
        """torch: puts all of them into the mode of the first; so frozen layers train again."""
        model = nets.Lists().train()
        model.left.eval()
        torch_graph.encode(model, torch.rand(5, 4))
        assert model.training
        assert model.right[0].norm.training
        assert not model.left[0].norm.training

    def test_train_is_not_called(self, torch: Any, nets: Any) -> None:
        class Merges(nets.Mlp):  # type: ignore[misc]
            def train(self, mode: bool = True) -> Any:
                raise AssertionError("some modules merge their weights here")

        torch_graph.encode(Merges(), torch.rand(5, 3))

    def test_hooks_are_called_and_stay(self, torch: Any, nets: Any) -> None:
        model = nets.Mlp()
        called = []
        model.first.register_forward_hook(lambda *args: called.append(len(args)))
        torch_graph.encode(model, torch.rand(5, 3))
        assert called == [3]
        model(torch.rand(5, 3))
        assert called == [3, 3]


@full
class TestWhatCannotBeDrawn:
    @pytest.mark.parametrize("verbose", [False, True])
    def test_inputs_that_do_not_fit(
        self, torch: Any, nets: Any, verbose: bool, capfd: pytest.CaptureFixture[str]
    ) -> None:
        event, trouble = graphs.event(nets.Mlp(), torch.rand(5, 99), verbose=verbose)
        assert event is None
        assert trouble.startswith("no graph of Mlp; torch.export: RuntimeError: ")
        assert "; torch.jit.trace: RuntimeError: mat1 and mat2 shapes cannot be mul" in trouble
        assert len(trouble) < 600
        assert capfd.readouterr() == ("", "")  # torch would print pages

    def test_inputs_that_nothing_can_be_made_of(self, torch: Any, nets: Any) -> None:
        event, trouble = graphs.event(nets.Inputs(), [1, 2, 3])
        assert event is None
        assert trouble.count("torch.export: ") == trouble.count("torch.jit.trace: ") == 1

    def test_without_inputs(self, nets: Any) -> None:
        event, trouble = graphs.event(nets.Branches())
        assert event is None
        assert trouble.startswith("no graph of Branches; input_to_model was not given; ")
        assert "torch.fx.symbolic_trace: TraceError" in trouble


@full
@pytest.mark.filterwarnings("ignore")
class TestWhereTorchIsWrong:
    """Models on which torch's own way fails, or gives something else."""

    def graph(self, *args: Any) -> bytes:
        from torch.utils.tensorboard._pytorch_graph import graph

        return bytes(graph(*args)[0].SerializeToString())

    def test_dicts_and_none(
        self, torch: Any, nets: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(RuntimeError, match="cannot be traced"):
            self.graph(nets.Inputs(), (batch_for(torch), None))
        assert "Error occurs, No graph saved" in capsys.readouterr().out
        assert nodes_of(torch_graph.encode(nets.Inputs(), (batch_for(torch), None)))

    def test_two_lists_of_modules(self, torch: Any, nets: Any) -> None:
        theirs = groups_of(self.graph(nets.Lists(), torch.rand(5, 4)), check=False)
        ours = groups_of(torch_graph.encode(nets.Lists(), torch.rand(5, 4)))
        assert {name for name in ours if name.endswith("Block[0]")} == {
            "Lists/ModuleList[left]/Block[0]",
            "Lists/ModuleList[right]/Block[0]",
        }
        assert "Lists/Block[0]" in theirs

    def test_frozen_layers(self, torch: Any, nets: Any) -> None:
        model = nets.Lists().train()
        model.left.eval()
        self.graph(model, torch.rand(5, 4))
        assert model.left[0].norm.training


# ------------------------------------------------------------------ Keras itself


@pytest.fixture
def keras(torch: Any) -> Any:
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras")


@full
@pytest.mark.filterwarnings("ignore")
class TestKeras:
    def test_functional(self, keras: Any) -> None:
        layers = keras.layers
        a, b = keras.Input((8,), name="a"), keras.Input((8,), name="b")
        scaled = layers.Dense(4, name="dense")(a) * 2
        added = layers.Add(name="add")([scaled, layers.Dense(4, name="other")(b)])
        row = keras.ops.expand_dims(added, 1)
        attention = layers.MultiHeadAttention(2, 2, name="attention")(query=row, value=row)
        model = keras.Model([a, b], attention, name="net")
        assert keras_graph.is_keras(model)
        event, trouble = graphs.event(model)
        assert trouble == ""
        assert event is not None
        inputs = conceptual(event.summary.value[0])
        (times,) = inputs["net/add"][:1]
        assert inputs["net/dense"] == ["net/a"]
        assert inputs["net/add"] == [times, "net/other"]
        assert inputs[times] == ["net/dense"]
        (expanded,) = set(inputs["net/attention"])
        assert inputs[expanded] == ["net/add"]

    def test_sequential(self, keras: Any) -> None:
        model = keras.Sequential(
            [keras.Input((3,), name="x"), keras.layers.Dense(2, name="d")], name="net"
        )
        value = keras_graph.encode(model)
        assert value.tensor.string_val[0].decode() == model.to_json()
        assert conceptual(value) == {"net/x": [], "net/d": ["net/x"]}

    def test_a_class_of_the_users(self, keras: Any) -> None:
        class Net(keras.Model):  # type: ignore[misc]
            pass

        event, trouble = graphs.event(Net())
        assert event is None
        assert trouble.startswith("no graph of Net: ")

    def test_what_is_no_keras_model(self, keras: Any) -> None:
        assert not keras_graph.is_keras(keras.layers.Dense(1))
        assert not keras_graph.is_keras(keras.Sequential)
        assert not keras_graph.is_keras(ModelOf({}))


# ------------------------------------------------------------------ the real TensorBoard

KERAS = ModelOf(keras_model(keras_layer("InputLayer", "a"), keras_layer("Multiply", "times", A, 2)))
#: run -> its graph
RUNS: Mapping[str, Callable[[], bytes]] = {
    "given": GRAPH.SerializeToString,
    "deep/onnx": lambda: onnx_graph.encode(MODEL),
    "openvino": lambda: openvino_graph.encode(io.BytesIO(OPENVINO.encode())),
}


def write_event(folder: Path, event: Event) -> None:
    event.wall_time = 1_700_000_000.0
    with EventFileWriter(folder) as writer:
        writer.add_event(event)


def shown_graph(server: TensorBoardServer, **query: str) -> tensorboard_graph_pb2.GraphDef:
    body = server.get("/data/plugin/graphs/graph", **query).decode()
    return text_format.Parse(body, tensorboard_graph_pb2.GraphDef())


def serve(folder: Path, backend: Backend, runs: Mapping[str, Event]) -> Iterator[TensorBoardServer]:
    for run, event in runs.items():
        write_event(folder / run, event)
    with TensorBoardServer(folder, backend) as running:
        running.wait_for("/data/plugin/graphs/info", lambda info: set(info) == set(runs))
        yield running


@pytest.fixture(scope="module", params=BACKENDS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TensorBoardServer]:
    runs = {run: Event(graph_def=graph()) for run, graph in RUNS.items()}
    runs["keras"] = Event(summary={"value": [keras_graph.encode(KERAS)]})
    yield from serve(tmp_path_factory.mktemp("graphs"), request.param, runs)


def test_tensorboard_lists_the_graphs(server: TensorBoardServer) -> None:
    info = server.json("/data/plugin/graphs/info")
    want: dict[str, Any] = {run: {"run": run, "tags": {}, "run_graph": True} for run in RUNS}
    tag = {"tag": "keras", "conceptual_graph": True, "op_graph": False, "profile": False}
    want["keras"] = {"run": "keras", "tags": {"keras": tag}, "run_graph": False}
    assert info == want


@pytest.mark.parametrize("run", RUNS)
def test_tensorboard_shows_the_graph(server: TensorBoardServer, run: str) -> None:
    want = tensorboard_graph_pb2.GraphDef.FromString(RUNS[run]())
    # as the page asks for it
    got = shown_graph(server, run=run, limit_attr_size="1024", large_attrs_key="_too_large_attrs")
    assert got == want
    assert shown_graph(server, run=run, conceptual="false") == want


def test_tensorboard_shows_the_layers(server: TensorBoardServer) -> None:
    graph = shown_graph(server, run="keras", tag="keras", conceptual="true")
    nodes = {node.name: list(node.input) for node in graph.node}
    assert nodes == {"model/a": [], "model/times": ["model/a"]}


@full
@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_shows_modules(tmp_path: Path, backend: Backend, torch: Any, nets: Any) -> None:
    given = {
        "Mlp": torch.rand(5, 3),
        "Branches": batch_for(torch),
        "Modes": torch.rand(5, 3),
        "Lists": torch.rand(5, 4),
    }
    runs = {}
    for kind, inputs in given.items():
        event, trouble = graphs.event(getattr(nets, kind)(), inputs)
        assert trouble == ""
        assert event is not None
        runs[kind] = event
    for server in serve(tmp_path, backend, runs):
        for run, event in runs.items():
            want = tensorboard_graph_pb2.GraphDef.FromString(event.graph_def)
            assert len(want.node) > 5
            assert shown_graph(server, run=run) == want
