"""Graphs: all that TensorBoard's Graphs page shows, whatever form it was logged in.

The forms, and who writes them (tensorboard/plugins/graph/metadata.py and graphs_plugin.py, and
tensorboard/dataclass_compat.py, which gives events a plugin and a tag):

* "graph_def": the run's own graph, ``Event.graph_def``. TF 1, torch, tensorboardX.
* "meta_graph": ``Event.meta_graph_def``, with the graph in it. TF 1.
* "run_metadata": what a step cost, ``Event.tagged_run_metadata`` (TF 1; torch and tensorboardX
  beside their graphs), or a string tensor of the plugins "graph_run_metadata" and
  "graph_run_metadata_graph", with the graphs of the functions that ran (TF 2).
* "keras": a Keras model as JSON, a string tensor of the plugin "graph_keras_model".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

from google.protobuf import message

from tbio import plugins, tensor
from tbio.errors import DecodeError
from tbio.kinds import keras_model
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event
from tbio.proto.graph_pb2 import FunctionDef, GraphDef, NameAttrList, NodeDef
from tbio.proto.meta_graph_pb2 import MetaGraphDef
from tbio.proto.run_metadata_pb2 import RunMetadata
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_STRING

Form: TypeAlias = Literal["graph_def", "meta_graph", "run_metadata", "keras"]

#: Plugins of summary values -> form.
_FORMS: dict[str, Form] = {
    plugins.GRAPHS: "graph_def",
    plugins.GRAPH_TAGGED_RUN_METADATA: "run_metadata",
    plugins.GRAPH_RUN_METADATA: "run_metadata",
    plugins.GRAPH_RUN_METADATA_GRAPH: "run_metadata",
    plugins.GRAPH_KERAS_MODEL: "keras",
}
#: TensorBoard gives these two no version; of the others it ignores all but this one.
_WITHOUT_VERSION = {plugins.GRAPHS, plugins.GRAPH_TAGGED_RUN_METADATA}
_VERSION = b"1"

#: What is a run's graph, the best first; of each the newest.
_PREFERRED: tuple[Form, ...] = ("graph_def", "meta_graph", "keras", "run_metadata")

_Message = TypeVar("_Message", bound=message.Message)


class Node(NamedTuple):
    """One node of a graph.

    Attributes:
        name: with "/" between the names of the groups that it is in.
        op: what it does; of a Keras model the layer's class.
        inputs: names of nodes; ``name:1`` for the second output of one, ``^name`` for one that only
            has to run before.
    """

    name: str
    op: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Graph:
    """A graph as it was logged; what it holds is parsed when it is asked for.

    Attributes:
        plugin: the plugin under which TensorBoard lists it.
        form: what the bytes are (see the module).
        encoded: the bytes, as logged.

    >>> encoded = GraphDef(node=[NodeDef(name="x", op="Relu")]).SerializeToString()
    >>> graph = Graph("graphs", "graph_def", encoded)
    >>> graph, graph.nodes
    (<Graph: graph_def of 11 bytes>, (Node(name='x', op='Relu', inputs=()),))
    """

    plugin: str
    form: Form
    encoded: bytes

    def __repr__(self) -> str:
        return f"<Graph: {self.form} of {len(self.encoded)} bytes>"

    @cached_property
    def graph_def(self) -> GraphDef:
        """The graph as TensorBoard draws it; do not change it.

        Of run metadata the graphs of all functions, before they were optimised, each in a group of
        its own where there are several (tensorboard/plugins/graph/graph_util.py); where there are
        no functions the graphs of the devices, which TensorBoard does not draw. Of a Keras model a
        node for each layer (`tbio.kinds.keras_model`).

        Raises:
            DecodeError: the bytes are not what they should be; graphs of different versions.
        """
        if self.run_metadata is not None:
            functions = self.run_metadata.function_graphs
            return merged(
                [function.pre_optimization_graph for function in functions]
                or self.run_metadata.partition_graphs
            )
        if self.keras is not None:
            return keras_model.graph_def(self.keras)
        if self.meta_graph is not None:
            return self.meta_graph.graph_def
        return _parsed(GraphDef, self.encoded)

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes of `graph_def`, in its order.

        Raises:
            DecodeError: as for `graph_def`.
        """
        return tuple(Node(node.name, _op(node), tuple(node.input)) for node in self.graph_def.node)

    @cached_property
    def keras(self) -> dict[str, Any] | None:
        """The configuration of a Keras model, from its JSON; None for any other form.

        Raises:
            DecodeError: it is no JSON, or no object.
        """
        if self.form != "keras":
            return None
        try:
            config = json.loads(self.encoded)
        except (ValueError, RecursionError) as error:
            raise DecodeError(f"a Keras model that is no JSON: {error}") from error
        if not isinstance(config, dict):
            raise DecodeError(f"a Keras model that is no JSON object, but {type(config).__name__}")
        return config

    @cached_property
    def run_metadata(self) -> RunMetadata | None:
        """Times, memory and graphs of a step, or of a function's trace; None for any other form.

        Raises:
            DecodeError: the bytes are no RunMetadata.
        """
        return _parsed(RunMetadata, self.encoded) if self.form == "run_metadata" else None

    @cached_property
    def meta_graph(self) -> MetaGraphDef | None:
        """The graph with its signatures, collections and saver; None for any other form.

        Raises:
            DecodeError: the bytes are no MetaGraphDef.
        """
        return _parsed(MetaGraphDef, self.encoded) if self.form == "meta_graph" else None


def _op(node: NodeDef) -> str:
    layer = keras_model.CLASS_ATTRIBUTE
    if node.op or layer not in node.attr:
        return node.op
    return node.attr[layer].s.decode(errors="replace")


def _parsed(kind: type[_Message], encoded: bytes) -> _Message:
    """The message; protobuf itself bounds how deep it may be."""
    try:
        return kind.FromString(encoded)
    except PARSE_ERRORS as error:
        # The last two are what protobuf's pure-Python form says of bad UTF-8 and of depth.
        name = kind.DESCRIPTOR.name
        raise DecodeError(f"{len(encoded)} bytes that are no {name}: {error}") from error


def decode_event(event: Event) -> Graph:
    """The graph of an event that is no summary.

    Raises:
        DecodeError: an event with something else.

    >>> decode_event(Event(graph_def=b"")).form
    'graph_def'
    """
    what = event.WhichOneof("what")
    if what == "graph_def":
        return Graph(plugins.GRAPHS, "graph_def", event.graph_def)
    if what == "meta_graph_def":
        return Graph(plugins.GRAPHS, "meta_graph", event.meta_graph_def)
    if what == "tagged_run_metadata":
        encoded = event.tagged_run_metadata.run_metadata
        return Graph(plugins.GRAPH_TAGGED_RUN_METADATA, "run_metadata", encoded)
    raise DecodeError(f"want an event with a graph, got one with {what or 'nothing'}")


def decode(value: Summary.Value, metadata: SummaryMetadata) -> Graph:
    """The graph of a summary value: the string of its tensor, the first where there are several.

    Args:
        metadata: the tag's; it says which of the plugins it is.

    Raises:
        DecodeError: another plugin, a version of it that is not known, or no string.

    >>> data = SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
    >>> value = Summary.Value(tensor={"dtype": DT_STRING, "string_val": [b"{}"]})
    >>> decode(value, SummaryMetadata(plugin_data=data))
    <Graph: keras of 2 bytes>
    """
    plugin, content = metadata.plugin_data.plugin_name, metadata.plugin_data.content
    form = _FORMS.get(plugin)
    if form is None:
        raise DecodeError(f"want a graph, got a value of the plugin {plugin!r}")
    if content != _VERSION and plugin not in _WITHOUT_VERSION:
        raise DecodeError(f"want version {_VERSION!r} of {plugin}, got {content[:40]!r}")
    proto = tensor.of_value(value, "a graph")
    if proto.dtype != DT_STRING:
        raise DecodeError(f"want a graph as DT_STRING, got {tensor.dtype_name(proto.dtype)}")
    if len(proto.tensor_shape.dim) > 1 or not proto.string_val:
        count, shape = len(proto.string_val), tensor.shape_text(proto)
        raise DecodeError(f"want a graph as one string, got {count} in a tensor of shape {shape}")
    return Graph(plugin, form, proto.string_val[0])


def of_run(graphs: Iterable[Graph]) -> Graph | None:
    """Which of a run's graphs, in the order of the log, is the graph of the run; None for none.

    The newest graph_def, else the newest meta graph, as TensorBoard has it
    (tensorboard/backend/event_processing/plugin_event_accumulator.py, ``_ProcessEvent``). Else the
    newest Keras model, else the newest trace of TF 2's functions; never the metadata of a step.
    """
    known = [graph for graph in graphs if graph.plugin != plugins.GRAPH_TAGGED_RUN_METADATA]
    for form in _PREFERRED:
        for graph in reversed(known):
            if graph.form == form:
                return graph
    return None


# ------------------------------------------------------------------ several graphs in one


def merged(graphs: Sequence[GraphDef]) -> GraphDef:
    """Several graphs in one, each in a group of its own; a single one as it is.

    As tensorboard/plugins/graph/graph_util.py (``merge_graph_defs``), which gets two things wrong
    that this does not: "^" stays in front of an input that is no data, and whatever calls a
    function calls it by its new name.

    Raises:
        DecodeError: graphs of different versions.

    >>> one = GraphDef(node=[NodeDef(name="x"), NodeDef(name="y", input=["x"])])
    >>> [(node.name, node.input) for node in merged([one, one]).node][:2]
    [('graph_1/x', []), ('graph_1/y', ['graph_1/x'])]
    """
    if len(graphs) == 1:
        return graphs[0]
    whole = GraphDef()
    for number, graph in enumerate(graphs, 1):
        if number == 1 and graph.versions.producer:
            whole.versions.CopyFrom(graph.versions)
        if graph.versions.producer != whole.versions.producer:
            versions = [one.versions.producer for one in graphs]
            raise DecodeError(f"graphs of different versions: {sorted(set(versions))}")
        _add(graph, f"graph_{number}", whole)
    return whole


def _add(graph: GraphDef, prefix: str, whole: GraphDef) -> None:
    functions = {
        function.signature.name: f"{prefix}_{function.signature.name}"
        for function in graph.library.function
    }
    for node in graph.node:
        new = whole.node.add()
        new.CopyFrom(node)
        new.name = f"{prefix}/{node.name}"
        new.input[:] = [
            f"^{prefix}/{name[1:]}" if name.startswith("^") else f"{prefix}/{name}"
            for name in node.input
        ]
        _rename_calls(new, functions)
    for function in graph.library.function:
        added: FunctionDef = whole.library.function.add()
        added.CopyFrom(function)
        added.signature.name = functions[function.signature.name]
        for node in added.node_def:
            _rename_calls(node, functions)
    for gradient in graph.library.gradient:
        whole.library.gradient.add(
            function_name=f"{prefix}_{gradient.function_name}",
            gradient_func=f"{prefix}_{gradient.gradient_func}",
        )


def _rename_calls(node: NodeDef, functions: Mapping[str, str]) -> None:
    node.op = functions.get(node.op, node.op)
    for attribute in node.attr.values():
        field = attribute.WhichOneof("value")
        called: Sequence[NameAttrList] = ()
        if field == "func":
            called = [attribute.func]
        elif field == "list":
            called = attribute.list.func
        for function in called:
            function.name = functions.get(function.name, function.name)
