"""The graph of a torch module, by running it once on example inputs.

Three ways, in this order:

1. ``torch.export`` runs the module on tensors without data. It takes dicts, None and nested inputs,
   and knows shapes, parameters, and to which module each operation belongs.
2. ``torch.fx.symbolic_trace``, where there are no inputs: layers in place of operations, no shapes.
3. ``torch.jit.trace``, the way of torch's and tensorboardX's writers, runs the module on real data,
   and so follows it where it branches by what these are.

The module comes back as it was: mode, attributes, buffers, gradients, and the random numbers to
come are those that they were before.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tbio.graphs import fx_graph, jit_graph

#: Classes behind which the user's own module stands, in this attribute.
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "OptimizedModule": "_orig_mod",  # of torch.compile
}
#: The attribute of what is given to torch.jit.trace that is the user's module.
_PREFIX = "model"


class _Call(NamedTuple):
    """One way to understand what was given as the inputs."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def is_torch(model: Any) -> bool:
    """Whether it is a module, a scripted function or an exported program; imports nothing.

    >>> is_torch(3)
    False
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    program = getattr(sys.modules.get("torch.export"), "ExportedProgram", ())
    return isinstance(model, (torch.nn.Module, torch.jit.ScriptFunction, program))


def encode(
    model: Any, input_to_model: Any = None, *, verbose: bool = False, use_strict_trace: bool = True
) -> bytes:
    """The GraphDef of a module, serialized.

    Args:
        model: what `is_torch` takes; wrapped by DataParallel, DistributedDataParallel or
            torch.compile too.
        input_to_model: a tuple or list of the positional arguments, or a dict of keyword
            arguments, as far as ``forward`` takes them; anything else is the one argument. None:
            there are no inputs.
        verbose: print torch's own form of the graph.
        use_strict_trace: handed to ``torch.jit.trace``, if it comes to that.

    Raises:
        ValueError: no way led to a graph; the message says what each of them met.
    """
    import torch

    while type(model).__name__ in _WRAPPERS:
        model = getattr(model, _WRAPPERS[type(model).__name__])
    if not isinstance(model, (torch.nn.Module, torch.jit.ScriptFunction)):
        return _converted(model, {}, verbose)
    classes = _classes(model)

    def export(call: _Call) -> bytes:
        with _quietly():
            program = torch.export.export(model, call.args, call.kwargs, strict=False)
        return _converted(program, classes, verbose)

    def trace(call: _Call) -> bytes:
        return _jit_traced(model, call, classes, verbose, use_strict_trace)

    def trace_symbolically(call: _Call) -> bytes:
        module = torch.fx.symbolic_trace(model)
        if verbose:
            print(module.graph)
        return fx_graph.from_symbolic_trace(module, classes)

    ways: list[Callable[[_Call], bytes]] = [export, trace]
    names = ["torch.export", "torch.jit.trace"]
    if input_to_model is None:
        ways, names = [export, trace_symbolically], ["torch.export", "torch.fx.symbolic_trace"]
    met: list[str] = []
    with _unchanged(model), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of deprecation, of attributes that export has seen set
        for call in _calls(model, input_to_model):
            for name, way in zip(names, ways, strict=True):
                try:
                    return way(call)
                except Exception as error:
                    met.append(f"{name}: {_first_line(error)}")
    hint = "" if input_to_model is not None else "; input_to_model was not given"
    raise ValueError(f"no graph of {type(model).__name__}{hint}; {'; '.join(met)}")


def _converted(program: Any, classes: Mapping[str, str], verbose: bool) -> bytes:
    if verbose:
        print(program)
    return fx_graph.from_program(program, classes)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]:.200}" if lines else type(error).__name__


def _classes(model: Any) -> dict[str, str]:
    if not hasattr(model, "named_modules"):
        return {"": "Function"}
    return {
        path: getattr(module, "original_name", type(module).__name__)
        for path, module in model.named_modules(remove_duplicate=False)
    }


# ------------------------------------------------------------------ inputs


def _calls(model: Any, given: Any) -> list[_Call]:
    """What ``input_to_model`` may mean, the likeliest first."""
    if given is None:
        return [_Call((), {})]
    calls = [_Call((given,), {})]
    if isinstance(given, Mapping) and all(isinstance(key, str) for key in given):
        calls.insert(0, _Call((), dict(given)))
    elif isinstance(given, tuple):
        calls = [_Call(given, {})]
    elif isinstance(given, list):
        calls.insert(0, _Call(tuple(given), {}))
    return [call for call in calls if _fits(model, call)] or calls


def _fits(model: Any, call: _Call) -> bool:
    try:
        signature = inspect.signature(getattr(model, "forward", model))
    except (TypeError, ValueError):  # a scripted one
        return True
    try:
        signature.bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    return True


# ------------------------------------------------------------------ torch.jit.trace


def _jit_traced(
    model: Any, call: _Call, classes: Mapping[str, str], verbose: bool, strict: bool
) -> bytes:
    import torch
    from torch.utils import _pytree as pytree

    # A trace has tensors for inputs and outputs, and nothing else: so the rest stays outside.
    leaves, structure = pytree.tree_flatten((call.args, call.kwargs))
    places = [place for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.training = False  # and not the model by train(), see _unchanged
            setattr(self, _PREFIX, model)

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            filled = list(leaves)
            for place, tensor in zip(places, tensors, strict=True):
                filled[place] = tensor
            args, kwargs = pytree.tree_unflatten(filled, structure)
            return tuple(_tensors(getattr(self, _PREFIX)(*args, **kwargs)))

    inputs = tuple(leaves[place] for place in places)
    with _kept(list(model.buffers()) if hasattr(model, "buffers") else []):
        traced = torch.jit.trace(Flat(), inputs, strict=strict, check_trace=False)
    graph = traced.inlined_graph
    if verbose:
        print(graph)
    tensors = {}
    if hasattr(model, "named_parameters"):
        tensors.update(model.named_buffers(remove_duplicate=False))
        tensors.update(model.named_parameters(remove_duplicate=False))
    return jit_graph.from_trace(graph, _names(model, call), tensors, classes, _PREFIX)


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors in what a module returns, whatever holds them."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif dataclasses.is_dataclass(value):
        yield from _tensors(list(vars(value).values()))


def _names(model: Any, call: _Call) -> list[str]:
    """A name for each tensor among the inputs, such as "batch_x" for ``batch["x"]``."""
    import torch
    from torch.utils import _pytree as pytree

    try:
        bound = inspect.signature(getattr(model, "forward", model)).bind(*call.args, **call.kwargs)
        named = dict(bound.arguments)
    except (TypeError, ValueError):  # a scripted one
        named = {f"argument.{number}": value for number, value in enumerate(call.args, 1)}
        named |= call.kwargs
    return [
        "_".join(str(getattr(key, "key", getattr(key, "idx", key))) for key in path)
        for path, leaf in pytree.tree_flatten_with_path(named)[0]
        if isinstance(leaf, torch.Tensor)
    ]


# ------------------------------------------------------------------ leaving no trace


@contextlib.contextmanager
def _unchanged(model: Any) -> Iterator[None]:
    """Let a module run, to no effect: in evaluation mode, and afterwards as it was before."""
    import torch

    modules = list(model.modules()) if hasattr(model, "modules") else []
    # Not by train(), which some modules have made to do more, and which puts all of them into the
    # mode of the first.
    modes = [module.training for module in modules]
    states = [_State(module) for module in modules]
    devices = {
        tensor.device.index or 0
        for module in modules
        for tensor in module.parameters(recurse=False)
        if tensor.device.type == "cuda"
    }
    # With gradients, as in training: without them some modules take a short cut, in one operation.
    with torch.enable_grad(), torch.random.fork_rng(devices=sorted(devices)):
        try:
            for module in modules:
                module.training = False
            yield
        finally:
            for module, mode, state in zip(modules, modes, states, strict=True):
                module.training = mode
                state.restore()


class _State:
    """The attributes of an object, and what is in those that are lists and dicts."""

    def __init__(self, owner: Any) -> None:
        self._attributes = vars(owner)
        self._before = dict(self._attributes)
        self._contents = [
            (value, value.copy())
            for value in self._before.values()
            if isinstance(value, (list, dict))
        ]

    def restore(self) -> None:
        """Make them what they were, and leave alone what has not changed."""
        for value, before in self._contents:
            if not _same(value, before):
                value.clear()
                if isinstance(value, list):
                    value.extend(before)
                else:
                    value.update(before)
        if not _same(self._attributes, self._before):
            self._attributes.clear()
            self._attributes.update(self._before)


def _same(left: Any, right: Any) -> bool:
    """Whether two lists or dicts hold the same objects."""
    if len(left) != len(right):
        return False
    if isinstance(left, dict):
        left, right = [*left, *left.values()], [*right, *right.values()]
    return all(one is other for one, other in zip(left, right, strict=True))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep to ourselves what torch logs and prints of a failure: there is another way to try."""
    thread = threading.get_ident()

    def of_others(record: logging.LogRecord) -> bool:
        return record.thread != thread

    handlers = {
        handler
        for name, logger in list(logging.root.manager.loggerDict.items())
        if name.partition(".")[0] == "torch"
        for handler in getattr(logger, "handlers", ())
    }
    for handler in handlers:
        handler.addFilter(of_others)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            yield
        sys.stderr.write(printed.getvalue())
    finally:
        for handler in handlers:
            handler.removeFilter(of_others)


@contextlib.contextmanager
def _kept(tensors: list[Any]) -> Iterator[None]:
    """Undo what is done to the data of tensors."""
    import torch

    copies = [tensor.clone() for tensor in tensors]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, copy in zip(tensors, copies, strict=True):
                if not torch.equal(tensor, copy):
                    tensor.copy_(copy)
