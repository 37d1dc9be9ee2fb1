"""A Keras model's JSON as a graph: a node for each layer, in groups for the models within.

Follows tensorboard/plugins/graph/keras_util.py (``keras_model_to_graph_def``): the same nodes, in
the same order, under the same names. It has edges where that has none, or wrong ones: inputs of
Keras 2's form, inputs given by keyword or beside constants, each call of a layer that is called
several times, and models within models, whatever they take and give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tbio.errors import DecodeError
from tbio.proto import tensor_pb2
from tbio.proto.graph_pb2 import GraphDef

#: The attribute of a node that has the layer's class, as TensorBoard names it.
CLASS_ATTRIBUTE = "keras_class"

#: A few bytes of JSON can ask for long names over and over, as those of nested models are, and for
#: any number of short ones, where a model has many outputs.
_MAX_NAMES = 1 << 26
_LEAST_NAME = 256  # what one costs in any case

_DATA_TYPES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}


class _Tensor(NamedTuple):
    """An output of a layer, as JSON refers to it."""

    layer: str
    output: int


class _Names:
    """Makes names, but not without end."""

    def __init__(self) -> None:
        self._left = _MAX_NAMES

    def joined(self, scope: str, name: str) -> str:
        """A name in a scope, "" for none."""
        self._left -= max(len(scope) + len(name), _LEAST_NAME)
        if self._left < 0:
            raise DecodeError(f"a Keras model with names of more than {_MAX_NAMES} characters")
        return f"{scope}/{name}" if scope else name


class _Layer:
    """A layer, or a model of layers.

    Attributes:
        name: inside of the model that it is in.
        path: its name with those of all models that it is in.
        layers: those within; None for a plain layer.
    """

    def __init__(self, json: Any, scope: str, names: _Names) -> None:
        if not isinstance(json, dict) or not isinstance(json.get("config"), dict):
            raise DecodeError("a Keras model with a layer that has no config")
        self.json = json
        self.config: dict[str, Any] = json["config"]
        self.name = _text(self.config.get("name") or json.get("name") or json.get("class_name"))
        self.path = names.joined(scope, self.name)
        inner = self.config.get("layers")
        self.layers: list[_Layer] | None = None
        if isinstance(inner, list):
            self.layers = [_Layer(layer, self.path, names) for layer in inner]

    def ends(self, key: str) -> list[_Tensor]:
        """The "input_layers" or "output_layers" of a functional model; of another there are none.

        One is ``[name, node, tensor]``; several are a list or a dict of these.
        """
        return list(_listed(self.config.get(key)))

    def inbound(self) -> list[_Tensor] | None:
        """What it is called with, call by call; None in a sequential model."""
        nodes = self.json.get("inbound_nodes")
        if not isinstance(nodes, list):
            return None
        found: list[_Tensor] = []
        for node in nodes:
            if isinstance(node, dict):
                args = list(_keras_tensors(node.get("args")))
                known = set(args)  # tbio writes those by keyword there too (keras_graph.py)
                found += args
                found += [one for one in _keras_tensors(node.get("kwargs")) if one not in known]
            else:
                found += _listed(node)
        return found


def graph_def(model: Mapping[str, Any]) -> GraphDef:
    """The graph of a model, from what its ``to_json`` gives, parsed.

    A node has no op, but attributes: `CLASS_ATTRIBUTE`, and "dtype" where TensorFlow has it.

    Raises:
        DecodeError: no model at all; a layer without a config; models nested without end.

    >>> dense = {"class_name": "Dense", "config": {"name": "a"}}
    >>> relu = {"class_name": "ReLU", "config": {"name": "b"}}
    >>> layers = {"name": "m", "layers": [dense, relu]}
    >>> model = {"class_name": "Sequential", "config": layers}
    >>> [(node.name, node.input) for node in graph_def(model).node]
    [('m/a', []), ('m/b', ['m/a'])]
    """
    names = _Names()
    try:
        root = _Layer(model, "", names)
        drawing = _Drawing(names)
        drawing.find_outputs(root)
        drawing.add(root, [])
    except RecursionError as error:
        raise DecodeError("a Keras model of models nested too deep") from error
    return drawing.graph


class _Drawing:
    """The graph in the making."""

    def __init__(self, names: _Names) -> None:
        self.graph = GraphDef()
        self._names = names
        self._outputs: dict[str, list[str]] = {}  # path of a model -> the nodes that give them

    def find_outputs(self, layer: _Layer) -> list[str]:
        """The nodes that a layer's results come from; to be asked for all layers, first of all."""
        if layer.layers is None:
            return [layer.path]
        nodes: list[str] = []
        for inner in layer.layers:
            nodes = self.find_outputs(inner)
        ends = layer.ends("output_layers")
        if ends:
            nodes = [self._source(layer, end) for end in ends]
        return self._outputs.setdefault(layer.path, nodes or [layer.path])

    def _source(self, model: _Layer, tensor: _Tensor) -> str:
        """The node that a tensor in a model comes from: a layer, or one within, if that is a model.

        The page knows no output of a layer by its number.
        """
        path = self._names.joined(model.path, tensor.layer)
        nodes = self._outputs.get(path, [path])
        return nodes[tensor.output if 0 <= tensor.output < len(nodes) else -1]

    def add(self, layer: _Layer, fed: list[str]) -> None:
        """Add a layer, or all layers of a model.

        Args:
            fed: the nodes that it is called with.
        """
        if layer.layers is None:
            self._add_node(layer, fed)
            return
        inputs = layer.ends("input_layers")
        into: dict[str, list[str]] = {}  # call by call, each input gets one
        for place, node in enumerate(fed if inputs else ()):
            into.setdefault(inputs[place % len(inputs)].layer, []).append(node)
        before = fed
        for inner in layer.layers:
            called = inner.inbound()
            if called is None:
                self.add(inner, into.get(inner.name, []) if inputs else before)
            else:
                sources = [self._source(layer, tensor) for tensor in called]
                self.add(inner, sources + into.get(inner.name, []))
            before = self._outputs.get(inner.path, [inner.path])

    def _add_node(self, layer: _Layer, fed: list[str]) -> None:
        node = self.graph.node.add(name=layer.path)
        for name in fed:
            node.input.append(self._names.joined("", name))
        if isinstance(layer.json.get("class_name"), str):
            node.attr[CLASS_ATTRIBUTE].s = _text(layer.json["class_name"]).encode()
        dtype = layer.config.get("dtype")
        if isinstance(dtype, dict):  # a policy
            policy = dtype.get("config")
            dtype = policy.get("name") if isinstance(policy, dict) else None
        if isinstance(dtype, str):
            name = f"DT_{_DATA_TYPES.get(dtype, dtype.upper())}"
            number = getattr(tensor_pb2, name, None)
            if number is not None:
                node.attr["dtype"].type = number


def _text(value: object) -> str:
    """A name as protobuf takes it, without halves of surrogate pairs."""
    return str(value).encode(errors="replace").decode()


def _keras_tensors(argument: Any) -> Iterator[_Tensor]:
    """The tensors in an argument of a Keras 3 layer."""
    if isinstance(argument, dict):
        config = argument.get("config")
        history = config.get("keras_history") if isinstance(config, dict) else None
        if history is not None:
            yield from _listed(history)
        else:
            for item in argument.values():
                yield from _keras_tensors(item)
    elif isinstance(argument, list):
        for item in argument:
            yield from _keras_tensors(item)


def _listed(argument: Any) -> Iterator[_Tensor]:
    """The tensors in nested lists and dicts, each as ``[layer, node, tensor]`` and more."""
    if isinstance(argument, dict):
        for item in argument.values():
            yield from _listed(item)
    elif isinstance(argument, list):
        if [type(part) for part in argument[:3]] == [str, int, int]:
            if argument[1] >= 0:  # ["_CONSTANT_VALUE", -1, ...] is none
                yield _Tensor(_text(argument[0]), argument[2])
            argument = argument[3:]  # of Keras 2: arguments by name
        for item in argument:
            yield from _listed(item)
