"""Log millions of scalars from several threads; see that memory stays flat and nothing is lost.

    python scripts/soak_write.py                   # ten million from eight threads
    python scripts/soak_write.py --scalars 100000 --threads 2

The log is read again with tbio: every step of every thread and tag has to be there once, in order,
with its value. The exit code is 1 if an event is missing or wrong, or if the memory grew.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tbio

_TAGS = 4  # of each thread
_SAMPLE_SECONDS = 0.2
#: The memory grew if its last quarter has this much more than its first, in MiB. (The queue is
#: shorter or longer from one moment to the next.)
_FLAT = 48.0


def main() -> int:
    """Log, measure, read, tell."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--scalars", type=int, default=10_000_000, help="in all (%(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="that log them (%(default)s)")
    parser.add_argument(
        "--writers", type=int, default=10_000, help="to open and close afterwards (%(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where to log, and leave it (a temporary one)")
    options = parser.parse_args()
    print(f"tbio {tbio.__version__}, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        flat = log(folder, options.scalars, options.threads)
        complete = account(folder, options.scalars, options.threads)
    with tempfile.TemporaryDirectory() as temporary:
        clean = open_and_close(Path(temporary), options.writers)
    return 0 if flat and complete and clean else 1


def value_of(thread: int, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """The value at each step: an integer that float32 holds, another one for each thread."""
    return ((steps * 7919 + thread) % 1_000_003).astype(np.float32)


def steps_of(scalars: int, threads: int, thread: int) -> int:
    """How many scalars a thread logs."""
    return scalars // threads + (thread < scalars % threads)


def log(folder: Path, scalars: int, threads: int) -> bool:
    """Log from all threads at once; whether the memory stayed flat."""

    def work(thread: int) -> None:
        for begin in range(0, count := steps_of(scalars, threads, thread), 10_000):
            steps = np.arange(begin, min(begin + 10_000, count))
            values = value_of(thread, steps).tolist()
            for step, value in zip(steps.tolist(), values, strict=True):
                writer.add_scalar(f"{thread}/{step % _TAGS}", value, step)

    began, cpu = time.perf_counter(), time.process_time()
    memory: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_SAMPLE_SECONDS):
            memory.append(resident())

    writer = tbio.SummaryWriter(folder)
    watcher = threading.Thread(target=watch)
    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in (watcher, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    logged = time.perf_counter() - began
    writer.close()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    ended.set()
    watcher.join()
    print(
        f"{scalars:,} scalars from {threads} threads: {logged:.1f} s to log, {seconds:.1f} s until "
        f"closed, {cpu:.1f} s of CPU ({1e6 * cpu / scalars:.2f} us each); {writer.dropped} dropped"
    )
    steady = memory[len(memory) // 10 :]  # behind the warm-up
    if len(steady) < 8:
        print("memory: too short a run to say")
        return writer.dropped == 0
    quarter = len(steady) // 4
    growth = statistics.median(steady[-quarter:]) - statistics.median(steady[:quarter])
    print(
        f"memory: min {min(steady):.0f}, median {statistics.median(steady):.0f}, "
        f"max {max(steady):.0f} MiB; {growth:+.0f} MiB from the first quarter to the last: "
        f"{'flat' if growth < _FLAT else 'IT GROWS'}"
    )
    return growth < _FLAT and writer.dropped == 0


def account(folder: Path, scalars: int, threads: int) -> bool:
    """Read the log; whether each thread's every event is there, once and in order."""
    began = time.perf_counter()
    series = tbio.open(folder, on_damage="raise")["."].scalars
    found = 0
    wrong = sorted(set(series) - {f"{n}/{tag}" for n in range(threads) for tag in range(_TAGS)})
    for thread in range(threads):
        total, sums = 0, 0
        for tag in range(_TAGS):
            expected = np.arange(tag, steps_of(scalars, threads, thread), _TAGS)
            if not len(expected):
                continue
            name = f"{thread}/{tag}"
            points = series.get(name)
            if points is None:
                wrong.append(name)
                continue
            total += len(points)
            sums += int(points.values.sum(dtype=np.float64))
            if not (
                np.array_equal(points.steps, expected)
                and np.array_equal(points.values, value_of(thread, expected))
            ):
                wrong.append(name)
        found += total
        print(f"thread {thread}: {total:,} scalars, their sum {sums:,}")
    print(f"{found:,} of {scalars:,} read again in {time.perf_counter() - began:.1f} s")
    if wrong:
        print(f"NOT as they were logged: {', '.join(wrong)}")
    return not wrong and found == scalars


def open_and_close(folder: Path, writers: int) -> bool:
    """Open and close many writers, one after the other; whether they leave nothing behind."""

    def use(count: int) -> None:
        for number in range(count):
            with tbio.SummaryWriter(folder / str(number % 100)) as writer:
                writer.add_scalar("x", number, number)
        for thread in threading.enumerate():  # one that was told to end may still be about it
            if thread.name.startswith("tbio"):
                thread.join(10)

    def left() -> tuple[int, int]:
        files = Path("/proc/self/fd")
        return len(list(files.iterdir())) if files.is_dir() else 0, threading.active_count()

    use(max(writers // 10, 1))  # the warm-up
    before, memory, began = left(), resident(), time.perf_counter()
    use(writers)
    seconds, gained = time.perf_counter() - began, resident() - memory
    clean = left() == before and gained < _FLAT
    print(
        f"{writers:,} writers opened and closed in {seconds:.1f} s: {gained:+.1f} MiB, open files "
        f"and threads {before} -> {left()}: {'nothing' if clean else 'SOMETHING'} is left behind"
    )
    return clean


def resident() -> float:
    """The memory of this process that is in RAM, in MiB; its peak where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except FileNotFoundError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2 ** (20 if sys.platform == "darwin" else 10)
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
