"""Transformers' `TensorBoardCallback`, on tbio.

In the place of ``transformers.integrations.TensorBoardCallback``, which wants tensorboard or
tensorboardX installed even where it is given a writer::

    from tbio.adapters.transformers import TensorBoardCallback

    trainer = Trainer(..., args=TrainingArguments(..., report_to="none"),
                      callbacks=[TensorBoardCallback()])
"""

from __future__ import annotations

import os
from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_Base: Any = require("transformers.integrations").TensorBoardCallback


class TensorBoardCallback(_Base):  # type: ignore[misc]
    """Logs what a `Trainer` does: its metrics, its arguments and the model's configuration.

    The arguments and the configuration are the texts ``args`` and ``model_config``. In a search for
    hyperparameters the trial's are on the HParams page, too.

    Args:
        tb_writer: the writer to use; it is closed at the end of the training, and what comes later
            goes into its folder, too. By default one for the folder that
            ``TENSORBOARD_LOGGING_DIR`` names, else ``<output_dir>/runs/<time>_<host>``.
    """

    def __init__(self, tb_writer: SummaryWriter | None = None) -> None:
        super(_Base, self).__init__()  # past the library's own, which asks for a TensorBoard
        self._SummaryWriter = SummaryWriter
        self.tb_writer = tb_writer
        folder = os.getenv("TENSORBOARD_LOGGING_DIR")
        # Where the library goes on after a training, as with `Trainer.evaluate`.
        self.logging_dir = tb_writer.log_dir if tb_writer else folder and os.path.expanduser(folder)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Log the arguments, and open the writer if need be."""
        super().on_train_begin(args, state, control, **kwargs)
        if self.tb_writer is not None and state.is_world_process_zero and state.trial_params:
            self.tb_writer.set_hparams(state.trial_params)
