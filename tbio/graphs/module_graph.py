"""The graph of a torch module in the making: groups named by its modules, and what stands in them.

Groups are called as torch's writer calls them, by class and attribute (``Net/Linear[fc]``), but for
every step of the way: ``Net/ModuleList[blocks]/Block[0]``, where that has ``Net/Block[0]`` and
throws two lists of modules into one group.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from tbio.graphs.graph_def import GraphBuilder, Output, output

#: What a value of torch's graph is in ours: an input for nodes, several of them, or None for what
#: is no tensor.
Value: TypeAlias = "str | tuple[Value, ...] | None"


def flat(value: Value) -> Iterator[str]:
    """The inputs in a value.

    >>> list(flat(("a", None, ("b", "c:1"))))
    ['a', 'b', 'c:1']
    """
    if isinstance(value, str):
        yield value
    elif value is not None:
        for item in value:
            yield from flat(item)


class ModuleGraph:
    """A GraphDef with a group for each module.

    Args:
        classes: path of a module, such as "blocks.0"; "" for the root -> name of its class.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self._builder = GraphBuilder()
        self._classes = classes
        self._parameters: dict[str, str] = {}
        self._outputs: dict[str, Output] = {}  # of what is called so as an input
        self._devices: dict[str, str] = {}

    def scope(self, path: str) -> str:
        """The group of a module.

        >>> ModuleGraph({"": "Net", "blocks": "ModuleList", "blocks.0": "Block"}).scope("blocks.0")
        'Net/ModuleList[blocks]/Block[0]'
        """
        scopes = [self._classes.get("", "Module")]
        names = path.split(".") if path else []
        for depth, name in enumerate(names, 1):
            kind = self._classes.get(".".join(names[:depth]))
            scopes.append(f"{kind}[{name}]" if kind else name)
        return "/".join(scopes)

    def group(self, name: str) -> str:
        """A group that nothing else stands in."""
        return self._builder.unique(name)

    def add(
        self,
        name: str,
        op: str,
        inputs: Iterable[str],
        result: Any = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Value:
        """Add an operation.

        Args:
            name: with its group.
            result: a tensor, or a list of several, with shape, dtype and device but perhaps without
                data; anything else where it is not known.
        """
        several = isinstance(result, (list, tuple))
        tensors = list(result) if several else [result]
        outputs = [_output(tensor) for tensor in tensors]
        device = next(filter(None, map(_device, tensors)), "")
        name = self._builder.add(
            name,
            op,
            inputs,
            outputs=outputs,
            attributes=attributes,
            device=device,
        )
        names = [output(name, index) for index in range(len(tensors))]
        for place, what in zip(names, outputs, strict=True):
            self._outputs[place] = what
            self._devices[place] = device
        return tuple(names) if several else name

    def parameter(self, path: str, op: str, tensor: Any) -> Value:
        """A module's tensor, added at its first use."""
        if path not in self._parameters:
            owner, _, name = path.rpartition(".")
            added = self.add(f"{self.scope(owner)}/{name}", op, (), tensor)
            self._parameters[path] = next(flat(added))
        return self._parameters[path]

    def input(self, name: str, tensor: Any) -> Value:
        """An argument of the root module."""
        return self.add(f"input/{name}", "IO Node", (), tensor)

    def result(self, values: Sequence[Value]) -> None:
        """What the root module returns."""
        for number, name in enumerate(flat(tuple(values)), 1):
            self._builder.add(
                f"output/output.{number}",
                "IO Node",
                [name],
                outputs=[self._outputs[name]],
                device=self._devices[name],
            )

    def serialized(self) -> bytes:
        """The GraphDef's bytes."""
        return self._builder.serialized()


def _output(tensor: Any) -> Output:
    if not (hasattr(tensor, "shape") and hasattr(tensor, "dtype")):
        return Output()
    # A size that varies is no int, but torch's SymInt.
    shape = [size if isinstance(size, int) else -1 for size in tensor.shape]
    return Output(shape, str(tensor.dtype).removeprefix("torch."))


def _device(tensor: Any) -> str:
    """TensorFlow's name for a device; "" for what is on none."""
    device = getattr(tensor, "device", None)
    if device is None:
        return ""
    kind = {"cuda": "GPU"}.get(device.type, device.type.upper())
    return f"/device:{kind}:{device.index or 0}"
