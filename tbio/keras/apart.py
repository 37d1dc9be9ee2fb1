"""Forward passes beside a training, of which it is not to notice anything."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """A block that leaves the random numbers of the training as they are.

    On torch, dropout without a seed of its own and every loop over data draw from the one global
    generator, which also shuffles the next epoch. The other backends have none.
    """
    import keras

    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    with torch.random.fork_rng([torch.cuda.current_device()] if cuda else []):
        yield
