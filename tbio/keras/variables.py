"""Variables of Keras models on any backend, and their numbers as the writer takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tbio.keras.names import tag_of


def value_of(variable: Any) -> Any:
    """The numbers of a variable, or of a tensor: a tensor of the backend that nobody changes.

    JAX gives the memory of a variable to the next training step, before the writer's thread may
    have read it: so it is a copy there, made on its device.
    """
    import keras

    value = variable.value if isinstance(variable, keras.Variable) else variable
    return value.copy() if keras.backend.backend() == "jax" else value


def tagged(variables: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """Each variable, once, with a tag of its own.

    Keras gives one path to several variables of a model of one's own; a number tells them apart.
    """
    seen: set[int] = set()
    times: dict[str, int] = {}
    for variable in variables:
        if id(variable) in seen:
            continue
        seen.add(id(variable))
        tag = tag_of(variable.path)
        number = times[tag] = times.get(tag, 0) + 1
        yield tag if number == 1 else f"{tag}_{number}", variable


def number_of(value: Any) -> float:
    """One number: itself, or that of a variable or tensor."""
    if isinstance(value, (float, int)):
        return value
    import keras

    return float(keras.ops.convert_to_numpy(value))
