"""Building a GraphDef, TensorFlow's message for a graph, as TensorBoard's page draws it.

What the page makes of it is in tensorboard/plugins/graph/tf_graph_common/ (graph.ts, parser.ts):

* "/" in names makes groups that open on a click.
* An input is the name of another node, or ``name:1`` for the second of its outputs; so a name
  itself has no colon. An input that names no node breaks the page.
* The attribute ``_output_shapes`` labels the edges.
* A node whose op has "Const" in it is drawn as a dot at the nodes that use it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tbio.proto import tensor_pb2
from tbio.proto.graph_pb2 import AttrValue, GraphDef, VersionDef
from tbio.proto.tensor_pb2 import TensorShapeProto

#: That of the peers' graphs; TensorBoard shows the same whatever it is.
_PRODUCER = 22
#: Longer texts are cut; TensorBoard leaves attributes of more than 1 KiB out.
_MAX_TEXT = 500

_MAX_FLOAT32 = 2.0**128 - 2.0**104

_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f:"\'\\^]')

#: Names of dtypes, as numpy and torch have them -> TensorFlow's numbers
_DATA_TYPES = {
    "float32": tensor_pb2.DT_FLOAT,
    "float64": tensor_pb2.DT_DOUBLE,
    "float16": tensor_pb2.DT_HALF,
    "bfloat16": tensor_pb2.DT_BFLOAT16,
    "int8": tensor_pb2.DT_INT8,
    "int16": tensor_pb2.DT_INT16,
    "int32": tensor_pb2.DT_INT32,
    "int64": tensor_pb2.DT_INT64,
    "uint8": tensor_pb2.DT_UINT8,
    "uint16": tensor_pb2.DT_UINT16,
    "uint32": tensor_pb2.DT_UINT32,
    "uint64": tensor_pb2.DT_UINT64,
    "int4": tensor_pb2.DT_INT4,
    "uint4": tensor_pb2.DT_UINT4,
    "bool": tensor_pb2.DT_BOOL,
    "string": tensor_pb2.DT_STRING,
    "complex64": tensor_pb2.DT_COMPLEX64,
    "complex128": tensor_pb2.DT_COMPLEX128,
    "float8_e4m3fn": tensor_pb2.DT_FLOAT8_E4M3FN,
    "float8_e5m2": tensor_pb2.DT_FLOAT8_E5M2,
    "float8_e4m3fnuz": tensor_pb2.DT_FLOAT8_E4M3FNUZ,
    "float8_e5m2fnuz": tensor_pb2.DT_FLOAT8_E5M2FNUZ,
}


class Output(NamedTuple):
    """What is known of one output of a node.

    Attributes:
        shape: its sizes, with -1 for one that varies; None when not even their number is known.
        dtype: such as "float32"; "" when it is not known.
    """

    shape: Sequence[int] | None = None
    dtype: str = ""


class GraphBuilder:
    """A GraphDef in the making.

    >>> graph = GraphBuilder()
    >>> x = graph.add("input/x", "IO Node", outputs=[Output([8, 3], "float32")])
    >>> graph.add("Net/relu", "aten::relu", [x]), graph.add("Net/relu", "aten::relu", [x])
    ('Net/relu', 'Net/relu_1')
    >>> [node.name for node in GraphDef.FromString(graph.serialized()).node]
    ['input/x', 'Net/relu', 'Net/relu_1']
    """

    def __init__(self) -> None:
        self._graph = GraphDef(versions=VersionDef(producer=_PRODUCER))
        self._names: dict[str, int] = {}  # how often each was asked for

    def unique(self, name: str) -> str:
        """A name that no node has, and that the page can read; it is taken from now on."""
        parts = [part.strip() for part in _NOT_IN_NAMES.sub("_", name).split("/")]
        name = "/".join(filter(None, parts)) or "unnamed"
        name = name.encode(errors="replace").decode()
        taken = name
        while taken in self._names:
            self._names[name] += 1
            taken = f"{name}_{self._names[name]}"
        self._names[taken] = 0
        return taken

    def add(self, name: str, op: str, inputs: Iterable[str] = (), **about: Any) -> str:
        """Add a node and return the name that it got: this one, with a number if it is taken.

        Args:
            name: what it is to be called.
            op, inputs, about: as for `put`.
        """
        name = self.unique(name)
        self.put(name, op, inputs, **about)
        return name

    def put(
        self,
        name: str,
        op: str,
        inputs: Iterable[str] = (),
        *,
        outputs: Sequence[Output] = (),
        attributes: Mapping[str, Any] | None = None,
        device: str = "",
    ) -> None:
        """Add a node under a name that `unique` has given.

        Args:
            op: what it does.
            inputs: names of nodes, or what `output` makes of them.
            outputs: shapes and dtypes, as far as they are known.
            attributes: numbers, texts, bools, None (left out), and lists of these.
            device: such as "/device:CPU:0".
        """
        node = self._graph.node.add(name=name, op=op, input=inputs, device=device)
        for key, value in (attributes or {}).items():
            if value is not None:
                node.attr[key].CopyFrom(attribute(value))
        if any(output.shape is not None for output in outputs):
            shapes = [_shape(output.shape) for output in outputs]
            node.attr["_output_shapes"].list.shape.extend(shapes)
        data_type = _DATA_TYPES.get(outputs[0].dtype) if outputs else None
        if data_type is not None:
            node.attr["dtype"].type = data_type

    def serialized(self) -> bytes:
        """The GraphDef's bytes, for ``Event.graph_def``."""
        return self._graph.SerializeToString(deterministic=True)


def output(name: str, index: int) -> str:
    """How a node's output is called as an input of another.

    >>> output("lstm", 0), output("lstm", 2)
    ('lstm', 'lstm:2')
    """
    return f"{name}:{index}" if index else name


def _shape(shape: Sequence[int] | None) -> TensorShapeProto:
    if shape is None:
        return TensorShapeProto(unknown_rank=True)
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])


def attribute(value: Any) -> AttrValue:
    """A value as an attribute: a number, bool or text as itself, the like in a list, else its str.

    >>> attribute([1, 2]).list.i, attribute(None).s
    ([1, 2], b'None')
    """
    if isinstance(value, (list, tuple)) and value:
        for kind, field in _FIELDS:
            if all(_is(item, kind) for item in value):
                listed = AttrValue.ListValue(**{field: [_stored(item) for item in value]})
                return AttrValue(list=listed)
    for kind, field in _FIELDS:
        if _is(value, kind):
            return AttrValue(**{field: _stored(value)})
    return AttrValue(s=_stored(str(value)))


_FIELDS: tuple[tuple[type, str], ...] = ((bool, "b"), (int, "i"), (float, "f"), (str, "s"))


def _is(value: Any, kind: type) -> bool:
    if kind is int:
        return type(value) is int and -(2**63) <= value < 2**63
    if kind is float and isinstance(value, float):
        return abs(value) <= _MAX_FLOAT32 or not math.isfinite(value)
    return isinstance(value, kind)


def _stored(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if len(value) > _MAX_TEXT:
        value = f"{value[:_MAX_TEXT]}..."
    return value.encode(errors="replace")
