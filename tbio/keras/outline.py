"""The conceptual graph of any Keras model.

Keras describes functional and sequential models. A model of a class of its own is called once with
symbols in the place of data: if its ``call`` is made of layers and ``keras.ops`` alone, that gives
its layers and how they are connected. If it is not, its layers are shown unconnected.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tbio.graphs import keras_graph
from tbio.proto.summary_pb2 import Summary


def summary(model: Any) -> Summary | None:
    """The graph as a summary, for step 0; None for a model whose layers are not known yet.

    Those of a class of its own are known when it was built, that is after its first batch.

    Raises:
        ValueError: a model that cannot be written as JSON.
    """
    try:
        value = keras_graph.encode(model)
    except ValueError:
        if type(model).__name__ in ("Functional", "Sequential"):
            raise
        if not (model.built and model.layers):
            return None
        try:
            value = keras_graph.encode(_traced(model))
        except Exception:  # whatever a call does with symbols that it takes for data
            value = keras_graph.encode(_Outline(model))
    return Summary(value=[value])


def _traced(model: Any) -> Any:
    """A functional model of the layers that a model passes its inputs through."""
    import keras

    if getattr(model, "inputs", None):  # a class of its own, but made of its inputs and outputs
        return keras.Model(model.inputs, model.outputs, name=model.name)
    inputs = list(_inputs(model.get_build_config()))
    outputs = model.call(*inputs)
    return keras.Model(inputs, outputs, name=model.name)


def _inputs(config: Any) -> Iterator[Any]:
    """Symbols of the shapes that a model was built with, whatever the size of the batch."""
    import keras

    shapes = config.get("shapes_dict") or {"inputs": config["input_shape"]}
    for name, shape in shapes.items():
        yield keras.Input(shape[1:], name=name.removesuffix("_shape"))


class _Outline:
    """What `keras_graph` describes a model by: its layers, without their connections."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def to_json(self) -> str:
        layers = [
            {
                "class_name": type(layer).__name__,
                "config": {"name": layer.name, "dtype": layer.dtype},
                "inbound_nodes": [],
            }
            for layer in self._model.layers
        ]
        config = {"name": self._model.name, "layers": layers}
        return json.dumps({"class_name": type(self._model).__name__, "config": config})
