"""Stable-Baselines3's `TensorBoardOutputFormat` and `configure`, on tbio.

In the place of those of ``stable_baselines3.common.logger``::

    from tbio.adapters.stable_baselines3 import configure

    model.set_logger(configure("runs/ppo", ["stdout", "tensorboard"]))
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tbio.extras import require
from tbio.writer import SummaryWriter

_sb3: Any = require("stable_baselines3.common.logger")
_Base: Any = _sb3.TensorBoardOutputFormat


class TensorBoardOutputFormat(_Base):  # type: ignore[misc]
    """Logs what the library's `Logger` records: numbers, text, arrays as histograms, `Image`,
    `Figure`, `Video` and `HParam`.

    Of an `HParam` the metrics need not be named: TensorBoard's HParams page shows every number.

    Args:
        folder: the run's.
        options: see `tbio.SummaryWriter`.

    Attributes:
        writer: the `tbio.SummaryWriter`.
    """

    def __init__(self, folder: str, **options: Any) -> None:
        super(_Base, self).__init__()  # past the library's own, which wants tensorboard
        self.writer = SummaryWriter(folder, **options)
        self._is_closed = False

    def write(
        self,
        key_values: dict[str, Any],
        key_excluded: Mapping[str, tuple[str, ...] | None],
        step: int = 0,
    ) -> None:
        """Log what was recorded by key, but for what is not for "tensorboard"."""
        hparams = {key for key, value in key_values.items() if isinstance(value, _sb3.HParam)}
        for key in hparams:
            if "tensorboard" not in (key_excluded.get(key) or ()):
                self.writer.set_hparams(key_values[key].hparam_dict)
        super().write(
            {key: value for key, value in key_values.items() if key not in hparams},
            {key: value for key, value in key_excluded.items() if key not in hparams},
            step,
        )


def configure(
    folder: str | None = None, format_strings: list[str] | None = None, **options: Any
) -> Any:
    """The library's `configure`: a `Logger` for ``model.set_logger``, "tensorboard" being tbio's.

    Args:
        folder: where to log; by default as the library does.
        format_strings: of "stdout", "log", "json", "csv" and "tensorboard"; by default as the
            library does.
        options: see `tbio.SummaryWriter`.
    """
    if format_strings is None:
        format_strings = os.getenv("SB3_LOG_FORMAT", "stdout,log,csv").split(",")
    others = [name for name in format_strings if name != "tensorboard"]
    logger = _sb3.configure(folder, others)
    if "tensorboard" in format_strings:
        logger.output_formats.append(TensorBoardOutputFormat(logger.dir, **options))
    return logger
