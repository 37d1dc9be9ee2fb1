"""Traces: TensorFlow's record of its own graphs and of its profiler, neither of which tbio has.

The functions are here since callers call them; they keep TensorFlow's state and its one error.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from tbio.run_writer import warn


class _Trace:
    """Of the whole process, as TensorFlow's."""

    is_on = False
    lock = threading.Lock()


def trace_on(
    graph: bool = True,
    profiler: bool = False,
    profiler_outdir: str | os.PathLike[str] | None = None,
) -> None:
    """Begin a trace, which will be empty: a warning says so.

    For a model's graph there is `tbio.SummaryWriter.add_graph`; profilers of JAX and torch write
    for TensorBoard themselves.

    Args:
        graph, profiler, profiler_outdir: TensorFlow's, of no effect.
    """
    with _Trace.lock:
        was_on, _Trace.is_on = _Trace.is_on, True
    if was_on:
        warn("trace_on: a trace is on already")
    elif graph or profiler:
        warn("trace_on: tbio traces neither graphs nor the profiler; nothing will be exported")


def trace_export(
    name: str, step: Any = None, profiler_outdir: str | os.PathLike[str] | None = None
) -> None:
    """End the trace. There is nothing to write.

    Args:
        name, step, profiler_outdir: TensorFlow's, of no effect.

    Raises:
        ValueError: without `trace_on`.
    """
    with _Trace.lock:
        was_on, _Trace.is_on = _Trace.is_on, False
    if not was_on:
        raise ValueError("trace_export: the trace must be enabled before by trace_on()")


def trace_off() -> None:
    """End the trace, if there is one."""
    with _Trace.lock:
        _Trace.is_on = False
