"""Device: values that are not here yet, on their way to the thread.

A tensor on a GPU, or a JAX array that is still being computed, can be asked for its numbers, but
the asker waits until the device has caught up with everything that was queued before. A training
loop must not wait. So the caller only takes a `Snapshot`, which costs no synchronisation, and the
writer's thread waits in its place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from tbio.extras import is_of


class Snapshot(NamedTuple):
    """A value on a device, as it will have been at the time of the call.

    Attributes:
        value: a tensor of torch that nobody else has, or an array of JAX, which nobody can change.
        wait: returns when the value is complete.
    """

    value: Any
    wait: Callable[[], object]

    def get(self) -> Any:
        """The value, when it is complete."""
        self.wait()
        return self.value


def snapshot(value: Any) -> Snapshot | None:
    """A snapshot of a value that cannot be read at once; None for one that can.

    That is a tensor of torch on any device but the CPU, and an array of JAX on another device or
    still being computed. An array that is donated to a later computation is lost, as for everybody.

    >>> snapshot(0.5) is None
    True
    """
    if is_of(value, "torch", "Tensor"):
        return _of_torch(sys.modules["torch"], value)
    if is_of(value, "jax", "Array"):
        return _of_jax(sys.modules["jax"], value)
    return None


def _of_torch(torch: Any, tensor: Any) -> Snapshot | None:
    device = tensor.device.type
    if device in ("cpu", "meta"):
        return None
    # A copy, on the device and in its queue: the training loop may change the tensor in place.
    copy = tensor.detach().clone()
    if device != "cuda":
        return Snapshot(copy, _nothing)
    # The thread has a stream of its own, which knows nothing of the caller's.
    done = torch.cuda.current_stream(tensor.device).record_event()
    return Snapshot(copy, done.synchronize)


def _of_jax(jax: Any, array: Any) -> Snapshot | None:
    if isinstance(array, jax.core.Tracer):
        return None
    if array.is_ready() and all(device.platform == "cpu" for device in array.devices()):
        return None
    array.copy_to_host_async()
    return Snapshot(array, array.block_until_ready)


def _nothing() -> None:
    """There is nothing to wait for."""
