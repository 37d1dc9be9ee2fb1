"""The graph of an ONNX file, read without the onnx package.

An ONNX model is a protobuf message (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), of
which a graph needs little: so the few fields are picked from the wire format by hand, and weights
are passed over where they lie.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from tbio.graphs.graph_def import GraphBuilder, Output, output

#: What a model may be given as: a path, the file's bytes, an open binary file, or the onnx
#: package's own message.
Source: TypeAlias = "str | os.PathLike[str] | bytes | Any"

#: Graphs within graphs, the branches of If and the bodies of Loop.
_MAX_DEPTH = 32

#: TensorProto.DataType, by number.
_DTYPES = (
    *("", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"),
    *("float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "uint4", "int4"),
)


def encode(source: Source) -> bytes:
    """The GraphDef of an ONNX model, serialized.

    Nodes have the groups that their names say ("/conv1/Conv"), or that torch's exporter has left in
    their metadata; weights are drawn as dots at the nodes that use them.

    Raises:
        ValueError: no ONNX model, or a damaged one.
        OSError: the file cannot be read.
    """
    model = _Message(_content(source))
    if not (model.integer(1) > 0 and model.has(7)):  # ir_version, graph
        raise ValueError("no ONNX model: it has no version or no graph")
    converter = _Converter()
    converter.take(_Graph(model.message(7)), "", {}, 0)
    return converter.builder.serialized()


def _content(source: Source) -> memoryview:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise ValueError("no ONNX model: the file is empty")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if hasattr(source, "SerializeToString"):
        source = source.SerializeToString()
    elif hasattr(source, "read"):
        source = source.read()
    if not isinstance(source, (bytes, bytearray, memoryview)):
        raise TypeError(f"want a path or the bytes of an ONNX model, got {type(source).__name__}")
    return memoryview(source)


# ------------------------------------------------------------------ protobuf's wire format


class _Message:
    """The fields of a message, by number; those of a kind that is not asked for are left alone.

    Raises:
        ValueError: bytes that are no message; a field that is not of the kind asked for.
    """

    def __init__(self, data: memoryview) -> None:
        self._fields: dict[int, list[int | memoryview]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def has(self, number: int) -> bool:
        return number in self._fields

    def integers(self, number: int) -> list[int]:
        """Signed, one a field or packed into one."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                found.append(value)
            else:
                offset = 0
                while offset < len(value):
                    one, offset = _varint(value, offset)
                    found.append(one)
        return [value - (1 << 64) if value >> 63 else value for value in found]

    def integer(self, number: int) -> int:
        return (self.integers(number) or [0])[-1]

    def floats(self, number: int) -> list[float]:
        found: list[float] = []
        for value in self._blobs(number):
            if len(value) % 4:
                raise ValueError(f"field {number}: {len(value)} bytes of floats")
            found.extend(struct.unpack(f"<{len(value) // 4}f", value))
        return found

    def texts(self, number: int) -> list[str]:
        return [bytes(value).decode(errors="replace") for value in self._blobs(number)]

    def text(self, number: int) -> str:
        return (self.texts(number) or [""])[-1]

    def messages(self, number: int) -> list[_Message]:
        return [_Message(value) for value in self._blobs(number)]

    def message(self, number: int) -> _Message:
        """An empty one, if there is none."""
        return (self.messages(number) or [_Message(memoryview(b""))])[-1]

    def _blobs(self, number: int) -> list[memoryview]:
        blobs = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                raise ValueError(f"field {number}: a number, where there should be none")
            blobs.append(value)
        return blobs


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an integer, or bytes."""
    offset = 0
    while offset < len(data):
        key, offset = _varint(data, offset)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field of number 0")
        if kind == 0:
            integer, offset = _varint(data, offset)
            yield number, integer
            continue
        if kind == 2:
            size, offset = _varint(data, offset)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if size > len(data) - offset:
            raise ValueError(f"a field of {size} bytes, of which {len(data) - offset} are there")
        yield number, data[offset : offset + size]
        offset += size


def _varint(data: memoryview, offset: int) -> tuple[int, int]:
    """An unsigned integer of 64 bits, and where it ends."""
    value = shift = 0
    while offset < len(data) and shift < 70:
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, offset
        shift += 7
    raise ValueError("an integer that does not end")


# ------------------------------------------------------------------ ONNX's messages


class _Node(NamedTuple):
    """NodeProto."""

    name: str
    op: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    graphs: dict[str, _Graph]
    metadata: dict[str, str]


class _Graph:
    """GraphProto.

    Attributes:
        inputs, outputs, initializers: names of tensors.
        known: what is known of tensors, by name.
    """

    def __init__(self, message: _Message) -> None:
        self._message = message
        self.inputs = [value.text(1) for value in message.messages(11)]
        self.outputs = [value.text(1) for value in message.messages(12)]
        self.known: dict[str, Output] = {}
        for field in (13, 11, 12):  # value_info, input, output
            for value in message.messages(field):
                self.known[value.text(1)] = _output(value.message(2))
        self.initializers: list[str] = []
        for tensor in message.messages(5):
            self.initializers.append(tensor.text(8))
            self.known[tensor.text(8)] = Output(tensor.integers(1), _dtype(tensor.integer(2)))
        for sparse in message.messages(15):
            name = sparse.message(1).text(8)  # of its values
            self.initializers.append(name)
            kind = _dtype(sparse.message(1).integer(2))
            self.known[name] = Output(sparse.integers(3), kind)

    def nodes(self) -> Iterator[_Node]:
        for node in self._message.messages(1):
            attributes, graphs = {}, {}
            for attribute in node.messages(5):
                name = attribute.text(1)
                if attribute.has(6):
                    graphs[name] = _Graph(attribute.message(6))
                else:
                    attributes[name] = _attribute(attribute)
            yield _Node(
                name=node.text(3),
                op=node.text(4),
                inputs=node.texts(1),
                outputs=node.texts(2),
                attributes=attributes,
                graphs=graphs,
                metadata={pair.text(1): pair.text(2) for pair in node.messages(9)},
            )


def _dtype(number: int) -> str:
    return _DTYPES[number] if 0 <= number < len(_DTYPES) else ""


def _output(kind: _Message) -> Output:
    """TypeProto; of what is no dense tensor, nothing."""
    tensor = kind.message(1)
    if not tensor.has(2):
        return Output(None, _dtype(tensor.integer(1)))
    # A dimension has a number, or a name when it varies.
    shape = [dim.integer(1) if dim.has(1) else -1 for dim in tensor.message(2).messages(1)]
    return Output(shape, _dtype(tensor.integer(1)))


def _attribute(attribute: _Message) -> Any:
    """The value of an AttributeProto, None if it is of no simple kind."""
    for field in (2, 7):  # f, floats
        if attribute.has(field):
            floats = attribute.floats(field)
            return floats if field == 7 else floats[-1]
    for field in (3, 8):  # i, ints
        if attribute.has(field):
            return attribute.integers(field) if field == 8 else attribute.integer(field)
    for field in (4, 9):  # s, strings
        if attribute.has(field):
            return attribute.texts(field) if field == 9 else attribute.text(field)
    if attribute.has(5):  # t
        tensor = attribute.message(5)
        return f"{_dtype(tensor.integer(2))} of shape {tensor.integers(1)}"
    return None


# ------------------------------------------------------------------ the graph


class _Converter:
    def __init__(self) -> None:
        self.builder = GraphBuilder()

    def take(self, graph: _Graph, scope: str, outer: Mapping[str, str], depth: int) -> list[str]:
        """Add a graph's nodes.

        Args:
            scope: the group around it, with a slash; "" for the outermost graph.
            outer: tensors of the graphs around it -> the inputs that they are for nodes.

        Returns:
            What its outputs are for nodes.
        """
        if depth > _MAX_DEPTH:
            raise ValueError(f"more than {_MAX_DEPTH} graphs, one in the other")
        nodes = list(graph.nodes())
        places = [self.builder.unique(f"{scope}{_path(node)}") for node in nodes]
        tensors = dict(outer)
        for name in graph.inputs:
            if name not in graph.initializers:  # some exporters list these too
                known = [graph.known[name]]
                tensors[name] = self.builder.add(f"{scope}input/{name}", "Input", outputs=known)
        for node, place in zip(nodes, places, strict=True):
            for index, name in enumerate(node.outputs):
                tensors[name] = output(place, index)
        weights = set(graph.initializers)
        for node, place in zip(nodes, places, strict=True):
            for name in node.inputs:
                if name and (name in weights or name not in tensors):
                    weights.discard(name)
                    tensors[name] = self._weight(name, graph, place)
            self._node(node, place, graph, tensors, depth)
        results = [
            tensors[name] if name in tensors else self._weight(name, graph, scope)
            for name in graph.outputs
        ]
        if depth == 0:
            for name, result in zip(graph.outputs, results, strict=True):
                known = [graph.known[name]]
                self.builder.add(f"output/{name}", "Output", [result], outputs=known)
        return results

    def _weight(self, name: str, graph: _Graph, user: str) -> str:
        """Add a tensor that no node makes, in the group of the first one that uses it."""
        is_there = name in graph.initializers
        return self.builder.add(
            "/".join((*user.split("/")[:-1], name)),
            "Constant" if is_there else "Undefined",  # the page draws a Constant as a dot
            outputs=[graph.known[name]] if is_there else (),
        )

    def _node(
        self, node: _Node, place: str, graph: _Graph, tensors: Mapping[str, str], depth: int
    ) -> None:
        inputs = [tensors[name] for name in node.inputs if name]  # "": left out
        for name, inner in node.graphs.items():
            inputs += self.take(inner, f"{place}/{name}/", tensors, depth + 1)
        known = [graph.known.get(name, Output()) for name in node.outputs]
        self.builder.put(place, node.op, inputs, outputs=known, attributes=node.attributes)


def _path(node: _Node) -> str:
    """What a node is to be called, with its groups."""
    name = node.name or node.op
    # torch.onnx: ": __main__.Net/fc: torch.nn.modules.linear.Linear/linear: aten.linear.default"
    *groups, _ = node.metadata.get("namespace", "").split("/")
    labels = []
    for group in groups:
        path, colon, kind = group.partition(": ")
        if not colon:
            return name
        kind, path = kind.rpartition(".")[2], path.rpartition(".")[2]
        labels.append(f"{kind}[{path}]" if path else kind)
    return "/".join((*labels, name))
