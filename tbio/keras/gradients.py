"""Gradients of a model's weights: those of the last batch, or of one that is given.

On torch the parameters keep theirs until the next batch. On JAX and TensorFlow nobody outside of
the training step ever sees them: there, the loss of a batch of the user's is derived anew. It is
the loss that ``fit`` minimises, regularisation and all, and what a forward pass would change in the
model (moving averages, seeds, metrics) stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tbio import arrays
from tbio.keras.variables import tagged


class Gradients:
    """The gradients of one model.

    Args:
        model: built and compiled.
        data: ``(x, y)`` or ``(x, y, sample_weight)``, a batch; None for the last one, on torch.
    """

    def __init__(self, model: Any, data: Sequence[Any] | None) -> None:
        self._model = model
        self._data = data
        self._derivative: Callable[..., Any] | None = None

    def by_tag(self) -> Iterator[tuple[str, Any]]:
        """``<weight>_grad`` and the gradient, of each weight that has one."""
        weights = list(tagged(self._model.trainable_variables))
        found: Sequence[Any]
        if self._data is None:
            scale = self._loss_scale()
            kept = [variable.value.grad for _, variable in weights]
            found = [one if one is None or scale == 1 else one / scale for one in kept]
        else:
            found = self._derived([variable for _, variable in weights])
        for (tag, _), gradient in zip(weights, found, strict=True):
            if gradient is not None:
                yield f"{tag}_grad", gradient

    def _loss_scale(self) -> float:
        """What the optimizer multiplies the loss by, so that float16 holds the gradients."""
        import keras

        optimizer = self._model.optimizer
        if optimizer is None:
            return 1.0
        return arrays.number(optimizer.scale_loss(keras.ops.ones(())))

    def _derived(self, weights: list[Any]) -> Sequence[Any]:
        import keras

        others = list(self._model.non_trainable_variables)
        data = keras.tree.map_structure(
            lambda one: None if one is None else keras.ops.convert_to_tensor(one),
            tuple(self._data or ()),
        )

        def loss_of(values: Sequence[Any], rest: Sequence[Any], batch: Sequence[Any]) -> Any:
            mapping = list(zip([*weights, *others], [*values, *rest], strict=True))
            x, y, sample_weight = (*batch, None, None)[:3]
            with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
                y_pred = self._model(x, training=True)
                return self._model.compute_loss(
                    x=x, y=y, y_pred=y_pred, sample_weight=sample_weight
                )

        values = [variable.value for variable in weights]
        rest = [variable.value for variable in others]
        backend = keras.backend.backend()
        if backend == "jax":
            if self._derivative is None:
                import jax

                self._derivative = jax.jit(jax.grad(loss_of))
            return list(self._derivative(values, rest, data))
        if backend == "torch":
            import torch

            with torch.enable_grad():
                loss = loss_of(values, rest, data)
                return list(torch.autograd.grad(loss, values, allow_unused=True))
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tensors = [tf.convert_to_tensor(value) for value in values]
            tape.watch(tensors)
            loss = loss_of(tensors, rest, data)
        found = tape.gradient(loss, tensors)  # of an embedding, the rows that were used
        return [one if one is None else tf.convert_to_tensor(one) for one in found]


def can_derive(backend: str, *, with_data: bool) -> bool:
    """Whether there are gradients on a backend, from a batch that is given or from the last one.

    >>> can_derive("jax", with_data=False), can_derive("torch", with_data=False)
    (False, True)
    """
    return backend in ("jax", "tensorflow", "torch") if with_data else backend == "torch"
