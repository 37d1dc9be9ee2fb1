"""Variables of Keras models on any backend: what they hold, and their tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tbio.keras.names import numbered, tag_of


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

    Keras gives one path to several variables of a model of one's own.
    """
    return numbered(variables, lambda variable: tag_of(variable.path))
