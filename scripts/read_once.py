"""One measurement of `bench_read`, in the process that this starts; prints it as JSON.

    python scripts/read_once.py READER TASK FOLDER

READER imports its library, and does what the task needs first; then the clock starts. FOLDER is
that of a log of `big_logs`. The answer is held against the log's account, so that a reader that
leaves something out is no fast reader.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from big_logs import Log, Points, grow

#: Steps, wall times and values of one series.
Arrays: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
#: What a task gives: the scalar series, how many runs or tags there are, or a table's file.
Answer: TypeAlias = list[Arrays] | int | Path
#: What is measured.
Work: TypeAlias = Callable[[], Answer]


class Measured(NamedTuple):
    """What one measurement took; None where nobody says.

    Attributes:
        seconds: from the call to the answer.
        cpu: CPU time in that while, of all threads.
        peak: bytes in memory of the process at its highest.
        before: bytes in memory when the clock started.
        process: seconds from the start of the process to its end.
    """

    seconds: float
    cpu: float | None
    peak: int | None
    before: int | None = None
    process: float | None = None


BUFFER_BYTES = 8 << 20


def tbio(log: Log, task: str) -> Work:
    """tbio, by its public names."""
    import tbio

    open_log = tbio.open  # loads what reading needs

    def arrays(logs: Any) -> list[Arrays]:
        return [
            (series.steps, series.wall_times, series.values)
            for run in logs.values()
            for series in run.scalars.values()
        ]

    if task == "names":
        return lambda: len(list(open_log(log.path)))
    if task == "tags":
        return lambda: sum(tag.kind == "scalars" for tag in open_log(log.path).tags())
    if task in ("csv", "parquet"):
        out = log.folder / f"tbio.{task}"
        export = tbio.export
        if task == "parquet":
            import pyarrow.parquet  # noqa: F401

        def exported() -> Answer:
            export(open_log(log.path), out)
            return out

        return exported
    if task == "follow":
        logs = open_log(log.path)
        arrays(logs)
        grow(log)

        def follow() -> Answer:
            logs.reload()
            return arrays(logs)

        return follow
    kinds = "scalars" if task == "only scalars" else None
    return lambda: arrays(open_log(log.path, kinds=kinds).load())


def tensorboard(log: Log, task: str) -> Work:
    """EventAccumulator for one run, EventMultiplexer for several."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
    from tensorboard.util import tensor_util

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    path = os.fspath(log.path)
    everything = {"scalars": 0, "tensors": 0}

    def of_run(run: Any) -> list[Arrays]:
        if log.tensors:
            return [_of_events(run.Tensors(tag), of_tensor) for tag in run.Tags()["tensors"]]
        return [_of_events(run.Scalars(tag), lambda it: it.value) for tag in run.Tags()["scalars"]]

    def of_tensor(event: Any) -> float:
        return float(tensor_util.make_ndarray(event.tensor_proto).item())

    def multiplexer() -> Any:
        return EventMultiplexer(size_guidance=everything).AddRunsFromDirectory(path)

    if task == "names":
        return lambda: len(multiplexer().Runs())
    if task == "tags":
        return lambda: sum(len(tags["scalars"]) for tags in multiplexer().Reload().Runs().values())
    if task == "follow":
        known = EventAccumulator(path, everything).Reload()
        grow(log)
        return lambda: of_run(known.Reload())
    if log.runs == 1:
        return lambda: of_run(EventAccumulator(path, everything).Reload())

    def of_runs() -> Answer:
        loaded = multiplexer().Reload()
        return [it for run in loaded.Runs() for it in of_run(loaded.GetAccumulator(run))]

    return of_runs


def _of_events(events: list[Any], value: Callable[[Any], float]) -> Arrays:
    count = len(events)
    return (
        np.fromiter((event.step for event in events), np.int64, count),
        np.fromiter((event.wall_time for event in events), np.float64, count),
        np.fromiter((value(event) for event in events), np.float32, count),
    )


def tbparse(log: Log, task: str) -> Work:
    """tbparse, asked for nothing but scalars."""
    from tbparse import SummaryReader

    field = "tensors" if log.tensors else "scalars"
    columns = {"wall_time", "dir_name"} if log.runs > 1 else {"wall_time"}

    def frame() -> Any:
        reader = SummaryReader(os.fspath(log.path), extra_columns=columns, event_types={field})
        return getattr(reader, field)

    def arrays() -> Answer:
        found = frame()
        values = found["value"].to_numpy()
        if values.dtype == object:
            values = np.array([value.item() for value in values], np.float32)
        return [(found["step"].to_numpy(), found["wall_time"].to_numpy(), values)]

    def export() -> Answer:
        out = log.folder / f"tbparse.{task}"
        found = frame()
        if task == "csv":
            found.to_csv(out, index=False)
        else:
            found.to_parquet(out, index=False)
        return out

    if task == "parquet":
        import pyarrow.parquet  # noqa: F401
    return export if task in ("csv", "parquet") else arrays


def tensorflow(log: Log, task: str) -> Work:
    """TensorFlow's summary_iterator, a loop in Python around a reader in C++."""
    from tensorflow import make_ndarray
    from tensorflow.compat.v1.train import summary_iterator

    def arrays() -> Answer:
        rows = [
            (event.step, event.wall_time, _number(value))
            for path in log.files
            for event in summary_iterator(os.fspath(path))
            for value in event.summary.value
            if value.WhichOneof("value") in ("simple_value", "tensor")
        ]
        steps, wall_times, values = zip(*rows, strict=True)
        return [(np.array(steps), np.array(wall_times), np.array(values, np.float32))]

    def _number(value: Any) -> float:
        if value.HasField("simple_value"):
            return float(value.simple_value)
        return float(make_ndarray(value.tensor).item())

    return arrays


def system_calls(log: Log, task: str) -> Work:
    """Finding the files and reading their bytes through one buffer: what nobody can do without."""

    def names() -> Answer:
        return sum(any("tfevents" in file for file in files) for *_, files in os.walk(log.path))

    buffer = bytearray(BUFFER_BYTES)

    def read() -> Answer:
        for folder, _, files in os.walk(log.path):
            for name in files:
                with open(os.path.join(folder, name), "rb", buffering=0) as file:
                    while file.readinto(buffer):
                        pass
        return _expected(log, task)

    if task == "follow":
        (path,) = log.files
        size = path.stat().st_size
        grow(log)

        def read_on() -> Answer:
            with path.open("rb", buffering=0) as file:
                file.seek(size)
                file.read()
            return _expected(log, task)

        return read_on
    return names if task == "names" else read


def _expected(log: Log, task: str) -> int:
    return {"names": log.runs, "tags": log.tags}.get(task, log.points.count)


READERS: dict[str, Callable[[Log, str], Work]] = {
    "tbio": tbio,
    "tensorboard": tensorboard,
    "tbparse": tbparse,
    "tensorflow": tensorflow,
    "system calls": system_calls,
}


def agrees(answer: Answer, log: Log, task: str) -> bool:
    """Whether that is what the log holds."""
    if isinstance(answer, Path):
        return _rows_in(answer) == log.points.count
    if isinstance(answer, int):
        return answer == _expected(log, task)
    read, written = Points(), Points(**vars(log.points))
    for series in answer:
        read.add(*series)
    if task == "follow":
        for name, number in vars(log.more).items():
            setattr(written, name, getattr(written, name) + number)
    return written.agree(read)


def _rows_in(table: Path) -> int:
    if table.suffix == ".csv":
        with table.open("rb") as file:
            return sum(1 for _ in file) - 1
    import pyarrow.parquet

    return int(pyarrow.parquet.read_metadata(table).num_rows)


def memory(pid: str | int = "self") -> dict[str, int]:
    """Bytes of a process that are in memory: "peak" and "now"; nothing but on Linux."""
    status = Path(f"/proc/{pid}/status")
    if not status.is_file():
        return {}
    found = dict(re.findall(r"^Vm(HWM|RSS):\s*(\d+) kB", status.read_text(), re.MULTILINE))
    return {name: 1024 * int(found[vm]) for name, vm in (("peak", "HWM"), ("now", "RSS"))}


def main(arguments: Iterable[str]) -> int:
    """Measure once."""
    reader, task, folder = arguments
    log = Log.load(Path(folder))
    work = READERS[reader](log, task)
    before = memory().get("now")
    cpu, began = time.process_time(), time.perf_counter()
    answer = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = memory().get("peak")
    if not agrees(answer, log, task):
        print(f"{reader} reads something else than was written to {folder}", file=sys.stderr)
        return 1
    print(json.dumps(Measured(seconds, cpu, peak, before)._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
