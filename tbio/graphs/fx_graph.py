"""torch's fx graphs, from ``torch.export`` or ``torch.fx``, as a GraphDef."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tbio.graphs.module_graph import ModuleGraph, Value, flat

#: Operations that do no more than call the graph that they are given: in another mode of gradients,
#: of precision, with checkpoints.
_CALLS = ("wrap", "tag_activation_checkpoint", "invoke_subgraph")


def from_program(program: Any, classes: Mapping[str, str]) -> bytes:
    """The GraphDef of a ``torch.export.ExportedProgram``.

    Args:
        classes: as for `ModuleGraph`; what the program says of its modules is added.
    """
    graph = program.graph_module.graph
    converter = _Converter(ModuleGraph({**_classes_in(graph), **classes}), program.graph_module)
    for spec, node in zip(program.graph_signature.input_specs, _placeholders(graph), strict=True):
        converter.take_argument(node, spec.kind.name, spec.target)
    results = converter.convert(graph, program.graph_module)
    kinds = [spec.kind.name for spec in program.graph_signature.output_specs]
    wanted = [value for kind, value in zip(kinds, results, strict=True) if kind == "USER_OUTPUT"]
    converter.into.result(wanted)
    return converter.into.serialized()


def from_symbolic_trace(module: Any, classes: Mapping[str, str]) -> bytes:
    """The GraphDef of a ``torch.fx.GraphModule``: a node for each layer, and no shapes."""
    converter = _Converter(ModuleGraph(classes), module)
    for node in _placeholders(module.graph):
        converter.take_argument(node, "USER_INPUT", None)
    converter.into.result(converter.convert(module.graph, module))
    return converter.into.serialized()


def _placeholders(graph: Any) -> list[Any]:
    return [node for node in graph.nodes if node.op == "placeholder"]


def _classes_in(graph: Any) -> dict[str, str]:
    """The modules that the graph's nodes belong to."""
    return {
        path: (kind if isinstance(kind, str) else kind.__name__).rpartition(".")[2]
        for node in graph.nodes
        for path, kind in (node.meta.get("nn_module_stack") or {}).values()
    }


_PARAMETER_OPS = {"PARAMETER": "Parameter", "BUFFER": "Buffer"}


class _Converter:
    def __init__(self, into: ModuleGraph, root: Any) -> None:
        self.into = into
        self._root = root
        self._values: dict[Any, Value] = {}

    def take_argument(self, node: Any, kind: str, target: str | None) -> None:
        """A placeholder of the outermost graph: an input, or a tensor of the module."""
        tensor = node.meta.get("val")
        if kind == "USER_INPUT":
            # Numbers and None are placeholders too; without values, whether it is used has to do.
            if hasattr(tensor, "shape") or ("val" not in node.meta and node.users):
                self._values[node] = self.into.input(str(node.target), tensor)
        elif node.users and target is not None:
            op = _PARAMETER_OPS.get(kind, "Constant")
            self._values[node] = self.into.parameter(target, op, tensor)

    def convert(self, graph: Any, module: Any, scope: str = "") -> Sequence[Value]:
        """Add a graph's nodes; what it returns.

        Args:
            module: whose attributes its nodes speak of.
            scope: the group of nodes that do not say theirs; "" is the root's.
        """
        for node in graph.nodes:
            if node.op == "output":
                returned = node.args[0]
                items = returned if isinstance(returned, (list, tuple)) else (returned,)
                return [self._value(item) for item in items]
            if node.op == "get_attr":
                self._values[node] = self._attribute(node, module)
            elif node.op == "call_module":
                self._values[node] = self._layer(node)
            elif node.op in ("call_function", "call_method"):
                self._values[node] = self._operation(node, module, scope)
        return ()

    def _value(self, argument: Any) -> Value:
        """What an argument of a node stands for."""
        if isinstance(argument, (list, tuple)):
            return tuple(self._value(item) for item in argument)
        if isinstance(argument, dict):
            return tuple(self._value(item) for item in argument.values())
        if isinstance(argument, slice):
            return self._value((argument.start, argument.stop, argument.step))
        return self._values.get(argument) if hasattr(argument, "users") else None

    def _inputs(self, node: Any) -> Iterator[str]:
        return flat((self._value(node.args), self._value(node.kwargs)))

    def _scope(self, node: Any, default: str) -> str:
        modules = node.meta.get("nn_module_stack")
        if modules:
            path = list(modules.values())[-1][0]
            return self.into.scope(path.partition("@")[0])  # fc@1: its second call
        return default or self.into.scope("")

    def _attribute(self, node: Any, module: Any) -> Value:
        found = _at(module, node.target)
        if not hasattr(found, "dtype"):  # a graph, for the operation that calls it
            return None
        is_parameter = type(found).__name__ == "Parameter"
        return self.into.parameter(node.target, "Parameter" if is_parameter else "Buffer", found)

    def _layer(self, node: Any) -> Value:
        layer = _at(self._root, node.target)
        parameters = [
            self.into.parameter(f"{node.target}.{name}", "Parameter", parameter)
            for name, parameter in layer.named_parameters()
        ]
        kind = type(layer).__name__
        name = f"{self.into.scope(node.target)}/{kind.lower()}"
        return self.into.add(name, kind, [*self._inputs(node), *flat(tuple(parameters))])

    def _operation(self, node: Any, module: Any, scope: str) -> Value:
        if node.target is operator.getitem:
            source = self._values.get(node.args[0])
            if isinstance(source, tuple) and isinstance(node.args[1], int):
                return source[node.args[1]]  # one of several outputs
        graphs = {
            name: found
            for name in map(_graph_name, node.args)
            if name and hasattr(found := _at(module, name), "graph")
        }
        if graphs:
            return self._call(node, graphs, self._scope(node, scope))
        op = _op(node)
        if op.startswith("aten::_assert") and not node.users:  # torch.export's own
            return None
        name = f"{self._scope(node, scope)}/{op.rpartition(':')[2]}"
        result = node.meta.get("val")
        return self.into.add(name, op, self._inputs(node), result, _attributes(node))

    def _call(self, node: Any, graphs: Mapping[str, Any], scope: str) -> Value:
        """An operation on graphs, such as torch.cond: with all of them inside."""
        op = _op(node)
        is_call = len(graphs) == 1 and op.startswith(_CALLS)
        group = "" if is_call else self.into.group(f"{scope}/{op}")
        *_, last = (place for place, item in enumerate(node.args) if _graph_name(item) in graphs)
        operands = list(map(self._value, _flat_once(node.args[last + 1 :])))
        results: list[Value] = []
        for name, called in graphs.items():
            placeholders = _placeholders(called.graph)
            self._values.update(zip(placeholders, operands, strict=False))
            inner = scope if is_call else f"{group}/{name}"
            results.extend(self.convert(called.graph, called, inner))
        if is_call:
            return tuple(results)
        inputs = [*self._inputs(node), *flat(tuple(results))]
        return self.into.add(f"{group}/{op}", op, inputs, node.meta.get("val"))


def _graph_name(argument: Any) -> str:
    """The attribute that an argument of a node is taken from, if it is."""
    return str(argument.target) if getattr(argument, "op", "") == "get_attr" else ""


def _flat_once(arguments: Sequence[Any]) -> Iterator[Any]:
    for argument in arguments:
        yield from argument if isinstance(argument, (list, tuple)) else (argument,)


def _at(module: Any, path: str) -> Any:
    for name in path.split("."):
        module = getattr(module, name)
    return module


def _op(node: Any) -> str:
    """What a node does: "aten::linear", "add", "cond"."""
    if isinstance(node.target, str):
        return node.target
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return str(schema.name)
    name = getattr(node.target, "__name__", None) or getattr(node.target, "_name", None)
    return str(name or node.target)


def _attributes(node: Any) -> dict[str, Any]:
    """The arguments of an operation that are no tensors, by name."""
    schema = getattr(node.target, "_schema", None)
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    names += [f"argument {number}" for number in range(len(names), len(node.args))]
    arguments = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
    return {name: value for name, value in arguments.items() if not _has_node(value)}


def _has_node(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_has_node, value))
    return hasattr(value, "users")
