"""One trial of a search, with a run and a row of TensorBoard's HParams page of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any

from tbio.kinds import hparams
from tbio.proto.summary_pb2 import Summary
from tbio.writer import SummaryWriter


def write_trial(
    log_dir: str | os.PathLike[str],
    params: Mapping[str, Any],
    points: Iterable[tuple[str, Any, int]],
    status: hparams.Status,
    *,
    started: float | None = None,
    ended: float | None = None,
) -> None:
    """Write a trial that is over.

    Args:
        log_dir: the trial's folder.
        params: see `tbio.SummaryWriter.set_hparams`.
        points: tag, number and step of each.
        status: how it ended.
        started, ended: seconds since the epoch; None is now.

    Raises:
        TypeError, ValueError: parameters or numbers that are none.
    """
    now = time.time()
    started, ended = (now if at is None else at for at in (started, ended))
    start = hparams.encode_start(hparams.prepare(params), start_time=started)
    end = hparams.encode_end(status, end_time=ended)
    with SummaryWriter(log_dir) as writer:
        file = writer._get_file_writer()
        file.add_summary(Summary(value=[start]), walltime=started)
        for tag, value, step in points:
            writer.add_scalar(tag, value, step, walltime=ended)
        file.add_summary(Summary(value=[end]), walltime=ended)
