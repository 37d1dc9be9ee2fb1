"""Embeddings of a model, for the Projector: which layers, their points, and the words on them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tbio.keras import names, words
from tbio.keras.activations import Activations
from tbio.keras.variables import value_of
from tbio.keras.words import Labels


class Embeddings:
    """The embeddings of one model.

    Args:
        model: as Keras handed it to the callback.
        folder: what paths of labels are relative to.
        layers: names; None or nothing for every layer with an embedding. Of several layers of one
            name, in models and layers of the model, the second has ``_2`` behind it, and so on.
        metadata: labels, for all layers or by their names; see `tbio.keras.words.labels`.
        data: what to show the layers' outputs of; None for their weights.

    Raises:
        ValueError: layers that there are not.
    """

    def __init__(
        self, model: Any, folder: str, layers: Sequence[str] | None, metadata: Any, data: Any
    ) -> None:
        self._model, self._folder, self._data = model, folder, data
        self._wanted = [layers] if isinstance(layers, str) else list(layers or ())
        self._metadata = metadata
        self._by_layer = isinstance(metadata, Mapping) and not words.is_vocabulary(metadata)
        self._activations: Activations | None = None
        self._layers = dict(names.numbered(_layers(model), lambda layer: layer.name))
        self._names = self._wanted or [
            name for name, layer in self._layers.items() if _is_embedding(layer)
        ]
        asked = [*self._wanted, *(metadata if self._by_layer else ())]
        unknown = [name for name in asked if name not in self._layers]
        if unknown:
            known = ", ".join(map(repr, self._layers))
            raise ValueError(f"no layer {unknown[0]!r} for an embedding; there are {known}")

    def points(self, batch_size: int) -> Iterator[tuple[str, Any, Labels | None, str]]:
        """Each embedding: its layer's name, points ``[n, d]``, labels, and what is amiss with them.

        Raises:
            ValueError: no layer with an embedding, or one without; outputs that cannot be had.
        """
        for name, points in self._points(batch_size):
            labels, note = None, ""
            try:
                metadata = self._metadata
                if self._by_layer:
                    metadata = metadata.get(name)
                if metadata is not None:
                    labels, note = words.labels(metadata, int(points.shape[0]), self._folder)
            except (OSError, TypeError, ValueError) as error:
                note = f"no labels: {error}"
            yield name, points, labels, note

    def _points(self, batch_size: int) -> Iterator[tuple[str, Any]]:
        if not self._names:
            raise ValueError(
                "no layer of the model is an Embedding; with embeddings_layer_names and "
                "embeddings_data the outputs of others are shown"
            )
        if self._data is None:
            for name in self._names:
                table = getattr(self._layers[name], "embeddings", None)
                if table is None:
                    raise ValueError(
                        f"the layer {name!r} has no embedding; with embeddings_data its outputs "
                        "are shown"
                    )
                yield name, value_of(_rows(self._layers[name], table))
            return
        if self._activations is None:
            activations = Activations(self._model, self._names)
            lost = [name for name in self._names if name not in activations.names]
            if lost:
                raise ValueError(f"what the layer {lost[0]!r} gives cannot be had")
            self._activations = activations
        for name, outputs in self._activations.of(self._data, batch_size):
            for number, output in enumerate(outputs):
                tag = name if len(outputs) == 1 else f"{name}_{number}"
                yield tag, output.reshape(len(output), -1)


def _layers(model: Any) -> Iterator[Any]:
    """The layers of a model, and those inside of them."""
    # A layer that is made of others tells of them under no public name.
    direct = getattr(model, "_flatten_layers", None)
    inside = direct(include_self=False, recursive=False) if direct else getattr(model, "layers", ())
    for layer in inside:
        yield layer
        yield from _layers(layer)


def _rows(layer: Any, table: Any) -> Any:
    """The points of an embedding: of a quantized one, the table has integers and needs scales."""
    if not getattr(layer, "quantization_mode", None):
        return table
    import keras

    rows = layer(keras.ops.arange(layer.input_dim, dtype="int32"))
    return keras.ops.stop_gradient(rows)


def _is_embedding(layer: Any) -> bool:
    import keras

    return isinstance(layer, keras.layers.Embedding)


def checked(metadata: Any) -> Any:
    """What can be labels: a path, words, or a mapping.

    Raises:
        TypeError: something else.
    """
    if metadata is None or isinstance(metadata, (str, os.PathLike, Mapping, Sequence)):
        return metadata
    if hasattr(metadata, "get_vocabulary"):
        return metadata
    raise TypeError(
        "embeddings_metadata: want a path, a list of words, a mapping of words and indexes, or a "
        f"mapping of layers to these, got {type(metadata).__name__}"
    )
