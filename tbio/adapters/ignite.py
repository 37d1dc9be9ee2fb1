"""Ignite's `TensorboardLogger`, on tbio.

In the place of ``ignite.handlers.TensorboardLogger``, whose handlers want it or a subclass::

    from tbio.adapters.ignite import TensorboardLogger

    logger = TensorboardLogger(log_dir="runs/ignite")
"""

from __future__ import annotations

from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_Base: Any = require("ignite.handlers.tensorboard_logger").TensorboardLogger


class TensorboardLogger(_Base):  # type: ignore[misc]
    """Logs what handlers give it; every method of the writer is one of the logger, too.

    Args:
        args, kwargs: as of `tbio.SummaryWriter`.

    Attributes:
        writer: the `tbio.SummaryWriter`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.writer = SummaryWriter(*args, **kwargs)
