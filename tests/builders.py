"""Values that several tests build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import ScalarSeries
from tbio.proto.event_pb2 import Event, SessionLog


def series(
    values: Sequence[float] | npt.NDArray[Any],
    *,
    run: str = "r",
    tag: str = "t",
    steps: Sequence[int] | npt.NDArray[Any] | None = None,
    wall_times: Sequence[float] | None = None,
    dtype: npt.DTypeLike = np.float32,
) -> ScalarSeries:
    """A series with steps 0, 1, ... and wall times 100, 101, ... unless they are given."""
    return ScalarSeries(
        run,
        tag,
        np.array(range(len(values)) if steps is None else steps, np.int64),
        np.array(np.arange(len(values)) + 100.0 if wall_times is None else wall_times, np.float64),
        np.array(values, dtype),
    )


def is_fresh_start(event: Event) -> bool:
    """Whether it is the session start with which every fresh run of tbio begins."""
    return event.session_log.status == SessionLog.START and event.step == 2**63 - 1
