"""Accelerate's `TensorBoardTracker`, on tbio.

Handed to the Accelerator as an object::

    from tbio.adapters.accelerate import TensorBoardTracker

    accelerator = Accelerator(log_with=TensorBoardTracker("my_run", "runs"))
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_Base: Any = require("accelerate.tracking").TensorBoardTracker


class TensorBoardTracker(_Base):  # type: ignore[misc]
    """Logs what `Accelerator.log` is given, and the configuration of `init_trackers`.

    Numbers become scalars, strings texts, dicts of numbers curves of one chart, and `log_images`
    images. The configuration is on the HParams page and in a ``hparams.yml``.

    Args:
        run_name: the run's folder in ``logging_dir``.
        logging_dir: the folder of all runs.
        options: see `tbio.SummaryWriter`.

    Attributes:
        logging_dir: the run's folder.
    """

    def __init__(self, run_name: str, logging_dir: str | os.PathLike[str], **options: Any) -> None:
        super(_Base, self).__init__()  # past the library's own, which leaves ours to `start`
        self.run_name = run_name
        self.logging_dir = os.path.join(logging_dir, run_name)
        self._options = options

    @cached_property
    def writer(self) -> SummaryWriter:
        """The writer, made when it is asked for: the main process alone does that."""
        return SummaryWriter(self.logging_dir, **self._options)

    def start(self) -> None:
        """Nothing, since the writer is made when something is logged."""
