"""Graphs: a model as TensorBoard's Graphs page shows it.

A graph is an event of its own, one a file (the newest counts): ``Event.graph_def``, which
TensorBoard lists as the run's graph; or, of a Keras model, a summary value under the tag "keras".
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from tbio.graphs import keras_graph, onnx_graph, torch_graph
from tbio.proto.event_pb2 import Event
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.summary_pb2 import Summary


def event(
    model: Any, input_to_model: Any = None, *, verbose: bool = False, use_strict_trace: bool = True
) -> tuple[Event | None, str]:
    """A model's graph as an event without a wall time; or None, and why there is none.

    Args:
        model: a torch module (`torch_graph.encode`), a Keras model (`keras_graph.encode`), a model
            of the onnx package (`onnx_graph.encode`); or a GraphDef as it is: bytes, any object
            with ``SerializeToString``, or one with ``as_graph_def`` (TensorFlow's Graph).
        input_to_model: inputs for a torch module.
        verbose: print torch's own form of the graph.
        use_strict_trace: handed to ``torch.jit.trace``, if it comes to that.

    Raises:
        TypeError: nothing of all that.
        ValueError: bytes that are no GraphDef.

    >>> from tbio.proto.graph_pb2 import NodeDef
    >>> graph = GraphDef(node=[NodeDef(name="a", op="Add")])
    >>> event(graph) == (Event(graph_def=graph.SerializeToString()), "")
    True
    """
    try:
        if keras_graph.is_keras(model):
            return Event(summary=Summary(value=[keras_graph.encode(model)])), ""
        if torch_graph.is_torch(model):
            graph = torch_graph.encode(
                model, input_to_model, verbose=verbose, use_strict_trace=use_strict_trace
            )
            return Event(graph_def=graph), ""
        if type(model).__module__.partition(".")[0] == "onnx":
            return Event(graph_def=onnx_graph.encode(model)), ""
    except ValueError as error:
        return None, str(error)
    return Event(graph_def=serialized(model)), ""


def serialized(graph: Any) -> bytes:
    """The bytes of a GraphDef that somebody else has made, as they are.

    Raises:
        TypeError: it is none.
        ValueError: bytes of something else.
    """
    if hasattr(graph, "as_graph_def"):
        graph = graph.as_graph_def()
    message = getattr(getattr(graph, "DESCRIPTOR", None), "name", "GraphDef")
    if hasattr(graph, "SerializeToString") and message == "GraphDef":
        return bytes(graph.SerializeToString())
    if not isinstance(graph, (bytes, bytearray, memoryview)):
        raise TypeError(
            "want a torch module, a Keras model, an ONNX model or a GraphDef, got "
            f"{type(graph).__module__}.{type(graph).__qualname__}"
        )
    try:
        GraphDef.FromString(bytes(graph))
    except DecodeError as error:
        raise ValueError(f"want the bytes of a GraphDef: {error}") from error
    return bytes(graph)
