"""The graph of a Keras model: its layers, which TensorBoard calls its conceptual graph.

As Keras writes it (keras/src/callbacks/tensorboard.py): the model as JSON, under the tag "keras".
TensorBoard makes a graph of it when it is asked for (tensorboard/plugins/graph/keras_util.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tbio import plugins
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_STRING, TensorProto

TAG = "keras"
#: TensorBoard ignores any other.
_VERSION = b"1"
_PACKAGES = ("keras.", "tf_keras.", "tensorflow.python.keras.")


def is_keras(model: Any) -> bool:
    """Whether it is a Keras model; imports nothing.

    >>> is_keras({})
    False
    """
    bases = type(model).__mro__
    return hasattr(model, "to_json") and any(
        f"{base.__module__}.".startswith(_PACKAGES) for base in bases
    )


def metadata() -> SummaryMetadata:
    """The metadata of the tag."""
    data = SummaryMetadata.PluginData(plugin_name=plugins.GRAPH_KERAS_MODEL, content=_VERSION)
    return SummaryMetadata(plugin_data=data)


def encode(model: Any) -> Summary.Value:
    """A functional or sequential model as a summary value, with its metadata.

    Raises:
        ValueError: a model of a class of the user's own, whose layers Keras does not know; or one
            that cannot be written as JSON.
    """
    try:
        text = model.to_json()
        config = json.loads(text)
    except Exception as error:
        raise ValueError(f"no graph of {type(model).__name__}: to_json: {error}") from error
    if not _layers(config):
        raise ValueError(
            f"no graph of {type(model).__name__}: Keras knows the layers of functional and "
            "sequential models only"
        )
    if _make_readable(config):
        text = json.dumps(config)
    tensor = TensorProto(dtype=DT_STRING, tensor_shape={}, string_val=[text.encode()])
    return Summary.Value(tag=TAG, metadata=metadata(), tensor=tensor)


def _layers(layer: Any) -> list[Any]:
    config = layer.get("config")
    layers = config.get("layers") if isinstance(config, dict) else None
    return layers if isinstance(layers, list) else []


def _make_readable(model: Any) -> bool:
    """Put the inputs of layers where TensorBoard looks for them; whether anything had to be.

    It wants tensors, and lists of tensors, among the positional arguments: any other (the 2 of
    ``x * 2``) makes it fail, and keyword arguments it does not see.
    """
    changed = False
    for layer in _layers(model):
        changed |= _make_readable(layer)
        for node in layer.get("inbound_nodes") or ():
            if not isinstance(node, dict):  # of Keras 2, where it sees no inputs at all
                continue
            args, kwargs = node.get("args", []), node.get("kwargs", {})
            if list(_tensors(kwargs)) or not all(map(_is_readable, args)):
                node["args"] = list(_tensors([args, kwargs]))
                changed = True
    return changed


def _is_tensor(argument: Any) -> bool:
    config = argument.get("config") if isinstance(argument, dict) else None
    return isinstance(config, dict) and "keras_history" in config


def _is_readable(argument: Any) -> bool:
    if isinstance(argument, list):
        return all(map(_is_tensor, argument))
    return _is_tensor(argument)


def _tensors(argument: Any) -> Iterator[Any]:
    if _is_tensor(argument):
        yield argument
    elif isinstance(argument, dict):
        for item in argument.values():
            yield from _tensors(item)
    elif isinstance(argument, list):
        for item in argument:
            yield from _tensors(item)
