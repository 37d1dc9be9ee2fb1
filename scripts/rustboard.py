"""Measure TensorBoard's data server, "rustboard": its load cycle, as its own log tells it."""

from __future__ import annotations

import importlib
import os
import re
import resource
import subprocess
import time
from collections.abc import Iterator

from big_logs import Log, grow
from read_once import Measured, memory

#: Rust's form of a duration: the largest unit that leaves something before the point.
_CYCLE = re.compile(r"Finished load cycle \(([\d.]+)(ns|µs|ms|s)\)")
_UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def binary() -> str:
    """Where the server is.

    Raises:
        ImportError: the package tensorboard-data-server is not installed.
    """
    return str(importlib.import_module("tensorboard_data_server").server_binary())


def load(log: Log, *, checksum: bool, follow: bool = False) -> Measured:
    """One load cycle of a server of its own.

    The server keeps every scalar, since everybody else does too; of the other kinds it keeps what
    it keeps by default.

    Args:
        checksum: have it look at the payloads' checksums; by default it looks at those of the
            lengths only.
        follow: measure the first cycle after the log has grown (`big_logs.grow`), in place of the
            first one of all.

    Raises:
        RuntimeError: the server ended before.
    """
    command = [
        *(binary(), "--verbose", "--checksum" if checksum else "--no-checksum"),
        *(f"--logdir={log.path}", f"--reload={1 if follow else 'once'}"),
        *("--samples-per-plugin=scalars=all", "--host=127.0.0.1", "--port=0", "--die-after-stdin"),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RUST_LOG"}
    cpu, began = _cpu_of_children(), time.perf_counter()
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as server:
        lines = iter(server.stderr or ())
        seconds = _cycle(lines)
        if follow:
            grow(log)
            for line in lines:
                if "Starting load cycle" in line:
                    break
            seconds = _cycle(lines)
        process = time.perf_counter() - began
        peak = memory(server.pid).get("peak")
        server.communicate()  # closes its stdin, which is what it ends with
    # The CPU time is that of the server's whole life, and says nothing of a later cycle.
    used = None if follow else _cpu_of_children() - cpu
    return Measured(seconds, used, peak, process=process)


def _cycle(lines: Iterator[str]) -> float:
    for line in lines:
        if cycle := _CYCLE.search(line):
            return float(cycle[1]) * _UNITS[cycle[2]]
    raise RuntimeError("the data server ended before its load cycle did")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
