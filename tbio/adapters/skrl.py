"""A writer for skrl's agents, on tbio.

An agent makes a writer of its own when it is initialized, and goes on with the one that it is given
then::

    from tbio.adapters.skrl import SummaryWriter

    trainer = SequentialTrainer(env=env, agents=agent)
    agent.writer = SummaryWriter(agent.experiment_dir)
"""

from __future__ import annotations

from typing import Any

import tbio.writer


class SummaryWriter(tbio.writer.SummaryWriter):
    """`tbio.SummaryWriter`, whose `add_scalar` also knows skrl's names: ``value``, ``timestep``."""

    def add_scalar(
        self,
        tag: str,
        scalar_value: Any = None,
        global_step: Any = None,
        *args: Any,
        value: Any = None,
        timestep: Any = None,
        **kwargs: Any,
    ) -> None:
        """Log one number; see `tbio.SummaryWriter.add_scalar`.

        Args:
            value: skrl's name for ``scalar_value``.
            timestep: skrl's name for ``global_step``.
        """
        number = value if scalar_value is None else scalar_value
        step = timestep if global_step is None else global_step
        super().add_scalar(tag, number, step, *args, **kwargs)
