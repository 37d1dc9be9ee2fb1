"""What layers give for some data."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from typing import Any


class Activations:
    """The outputs of layers of one model, functional or sequential.

    Args:
        model: built. The inner layers of a model in it are not looked into.
        layers: the names of those that are wanted; None for all but inputs.

    Attributes:
        names: the layers whose outputs can be had. Of one that is called several times it is the
            first call's, and none if that was in another model.

    Raises:
        ValueError: a model of a class of its own, whose ``call`` nobody sees into; or none of the
            layers.
    """

    def __init__(self, model: Any, layers: Sequence[str] | None = None) -> None:
        import keras

        inputs = getattr(model, "inputs", None)
        if not inputs:
            raise ValueError(
                f"{type(model).__name__} is no functional or sequential model: what its layers give"
                " is not to be seen from outside"
            )
        found: dict[str, list[Any]] = {}
        for layer in model.layers:
            wanted = not isinstance(layer, keras.layers.InputLayer)
            if layer.name in layers if layers is not None else wanted:
                with contextlib.suppress(AttributeError, ValueError):
                    outputs = keras.tree.flatten(layer.output)
                    # Fails where they are another model's. Named, since Keras counts those that are
                    # not, and the user's next model would have another name.
                    keras.Model(inputs, outputs, name=model.name)
                    found[layer.name] = outputs
        self.names = list(found)
        self._counts = [len(outputs) for outputs in found.values()]
        if not found:
            raise ValueError(f"{model.name}: no layer whose output can be had")
        wanted_outputs = [one for outputs in found.values() for one in outputs]
        self._model = keras.Model(inputs, wanted_outputs, name=model.name)

    def of(self, data: Any, batch_size: int) -> Iterator[tuple[str, list[Any]]]:
        """Each layer with its outputs, as arrays with a row for each sample."""
        import keras

        given = self._model.predict(data, batch_size=batch_size, verbose=0)
        arrays = iter(keras.tree.flatten(given))
        for name, count in zip(self.names, self._counts, strict=True):
            yield name, list(itertools.islice(arrays, count))
