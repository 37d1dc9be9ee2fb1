"""torch's TorchScript graphs, from ``torch.jit.trace``, as a GraphDef."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tbio.graphs.module_graph import ModuleGraph, Value, flat

_CONSTRUCTS = ("prim::ListConstruct", "prim::TupleConstruct")
_UNPACKS = ("prim::ListUnpack", "prim::TupleUnpack")


@dataclass(frozen=True)
class _Tensor:
    """What a trace knows of a tensor."""

    shape: Sequence[int]
    dtype: Any
    device: Any


def from_trace(
    graph: Any,
    input_names: Sequence[str],
    tensors: Mapping[str, Any],
    classes: Mapping[str, str],
    prefix: str,
) -> bytes:
    """The GraphDef of a traced graph whose methods are inlined.

    Args:
        input_names: of its inputs, but for the module itself.
        tensors: path of each parameter and buffer in the user's module -> itself.
        classes: as for `ModuleGraph`.
        prefix: the attribute of the traced module that is the user's.
    """
    converter = _Converter(ModuleGraph(classes), tensors, prefix)
    module, *arguments = graph.inputs()
    converter.paths[module.debugName()] = ""
    for name, value in zip(input_names, arguments, strict=True):
        converter.values[value.debugName()] = converter.into.input(name, _tensor(value))
    for node in graph.nodes():
        converter.convert(node)
    converter.into.result([converter.values.get(value.debugName()) for value in graph.outputs()])
    return converter.into.serialized()


class _Converter:
    """What the values of the graph stand for, by their names: tensors, modules, or constants."""

    def __init__(self, into: ModuleGraph, tensors: Mapping[str, Any], prefix: str) -> None:
        self.into = into
        self.values: dict[str, Value] = {}
        self.paths: dict[str, str] = {}
        self._constants: dict[str, Any] = {}
        self._tensors = tensors
        self._prefix = prefix

    def convert(self, node: Any) -> None:
        """Take one more node."""
        kind = node.kind()
        inputs = [value.debugName() for value in node.inputs()]
        outputs = [value.debugName() for value in node.outputs()]
        if kind == "prim::GetAttr":
            self._attribute(inputs[0], node.s("name"), outputs[0])
        elif kind == "prim::Constant":
            self._constant(node, outputs[0])
        elif kind in _CONSTRUCTS:
            self.values[outputs[0]] = tuple(self.values.get(name) for name in inputs)
            self._constants[outputs[0]] = [self._constants.get(name) for name in inputs]
        elif kind in _UNPACKS and isinstance(several := self.values.get(inputs[0]), tuple):
            self.values.update(zip(outputs, several, strict=False))
        else:
            self._operation(node, kind, inputs)

    def _attribute(self, owner: str, name: str, output: str) -> None:
        path = ".".join(filter(None, (self.paths.get(owner), name)))
        self.paths[output] = path
        inside = path.removeprefix(self._prefix).removeprefix(".")
        tensor = self._tensors.get(inside)
        if tensor is not None:
            is_parameter = type(tensor).__name__ == "Parameter"
            op = "Parameter" if is_parameter else "Buffer"
            self.values[output] = self.into.parameter(inside, op, tensor)

    def _constant(self, node: Any, output: str) -> None:
        constant = node.output().toIValue()
        if hasattr(constant, "dtype"):
            name = f"{self._scope(node)}/constant"
            self.values[output] = self.into.add(name, "Constant", (), constant)
        else:
            self._constants[output] = constant

    def _operation(self, node: Any, kind: str, inputs: Sequence[str]) -> None:
        results = list(node.outputs())
        names = [value.debugName() for value in results]
        if len(results) == 1:
            users = [use.user for use in results[0].uses()]
            if users and users[0].kind() in _UNPACKS:  # it tells what is in the list
                results = list(users[0].outputs())
        known = [_tensor(value) for value in results]
        value = self.into.add(
            f"{self._scope(node)}/{kind.rpartition(':')[2]}",
            kind,
            flat(tuple(self.values.get(name) for name in inputs)),
            known if len(known) > 1 else next(iter(known), None),
            self._attributes(node, inputs),
        )
        if len(names) == 1:
            self.values[names[0]] = value
        elif isinstance(value, tuple):
            self.values.update(zip(names, value, strict=True))

    def _scope(self, node: Any) -> str:
        # "__module.model/__module.model.fc": the innermost stands last
        path = node.scopeName().rpartition("/")[2].removeprefix("__module.")
        return self.into.scope(path.removeprefix(self._prefix).removeprefix("."))

    def _attributes(self, node: Any, inputs: Iterable[str]) -> dict[str, Any]:
        """The arguments of an operation that are no tensors, by name."""
        import torch

        try:
            schema = torch._C.parse_schema(node.schema())
            names = [argument.name for argument in schema.arguments]
        except RuntimeError:  # it has none
            names = []
        inputs = list(inputs)
        names += [f"argument {number}" for number in range(len(names), len(inputs))]
        return {
            name: self._constants[value]
            for name, value in zip(names, inputs, strict=False)
            if value in self._constants and not list(flat(self.values.get(value)))
        }


def _tensor(value: Any) -> _Tensor | None:
    if not value.isCompleteTensor():
        return None
    kind = value.type()
    return _Tensor(kind.sizes(), kind.dtype(), kind.device())
