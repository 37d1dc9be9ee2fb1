"""What reading logs costs, beside TensorBoard's readers, its data server, tbparse and TensorFlow.

    python scripts/bench_read.py                    # some twenty minutes; tables in Markdown
    python scripts/bench_read.py --quick            # logs of a tenth, fewer rounds
    python scripts/bench_read.py --only growing --follow 1000 --json
    python scripts/bench_read.py --keep logs        # make the logs once, and use them again

Each measurement is a process of its own, which knows nothing of the one before; only the files are
in the page cache, for everybody alike. Time runs from the call to the answer, arrays of every
scalar as a rule, without the imports. The data server's time is its load cycle as its own log tells
it, first to last byte; it is measured with checksums off, its default, and on. All the others
verify every checksum. CPU time is that of all threads (the data server's: of its whole life), and
memory the highest of the process, interpreter and libraries included. The libraries take turns, and
the tables have the medians; TensorBoard's Python readers and tbparse, which take from 15 seconds
to a minute, are measured once. Every answer is held against what was written.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import big_logs
import read_once
import rustboard
from benchmarks import digits, duration, machine, markdown
from big_logs import Log, Make
from read_once import Measured

#: Reader -> the head of its column.
READERS = {
    "tbio": "tbio",
    "rustboard": "rustboard",
    "rustboard --checksum": "rustboard --checksum",
    "tensorboard": "EventAccumulator, EventMultiplexer",
    "tbparse": "tbparse",
    "tensorflow": "TensorFlow's summary_iterator",
    "system calls": "system calls alone",
}
_RUSTBOARDS = ("rustboard", "rustboard --checksum")
_SLOW = ("tensorboard", "tbparse")
_POINT_BYTES = 20  # int64, float64, float32
_MB = 1_000_000


class Reach(NamedTuple):
    """Be ``times`` times as fast as a reader: at this work, or at another one."""

    times: float
    reader: str
    work: str = ""


class Work(NamedTuple):
    """One row: what is done with which log, and what is to be reached.

    Attributes:
        log: the name of the log, and ``make`` what makes it.
        task: what `read_once` is to do.
        readers: who can.
        memory: the bytes that tbio may have in all.
        spare: or the bytes that it may have beyond what its process had before, and the arrays.
        events: of the log, in the rows that show how cost grows.
    """

    name: str
    log: str
    make: Make
    readers: tuple[str, ...]
    task: str = "arrays"
    reach: tuple[Reach, ...] = ()
    memory: int | None = None
    spare: int | None = None
    events: int | None = None


def works(part: int, follow: int) -> Iterator[Work]:
    """The rows.

    Args:
        part: how much smaller the logs are than they should be: 1 or 10.
        follow: bytes of the log that grows.
    """
    million = 1_000_000 // part
    quick = (*_RUSTBOARDS, "tensorflow", "system calls")
    all_readers = ("tbio", *quick, *_SLOW)
    fast_readers = ("tbio", *quick)

    one = (f"scalars_{million}", big_logs.one_file(million))
    reach = (Reach(8, "rustboard"), Reach(80, "tensorboard"))
    yield Work(
        f"{amount(million)} scalars, one file, as torch writes them",
        *(*one, all_readers),
        reach=reach,
        memory=150 * _MB,
        events=million,
    )
    yield Work(
        "the same, as TF 2 does (`tensor_content`)",
        *(f"tensors_{million}", big_logs.one_file(million, "tensor_content"), all_readers),
        reach=reach,
    )
    yield Work(
        "the same, as torch's new style does (`float_val`)",
        *(f"float_vals_{million}", big_logs.one_file(million, "float_val"), fast_readers),
        reach=reach[:1],
    )
    yield Work(
        f"{500 // part} runs of 2000 scalars",
        *(f"runs_{500 // part}", big_logs.many_runs(500 // part, 2000), all_readers),
        reach=(Reach(1.5, "rustboard"), Reach(60, "tensorboard")),
    )
    yield Work(
        f"irregular: {amount(million)} events, 50 tags, 1 % histograms",
        *(f"irregular_{million}", big_logs.irregular(million), all_readers),
        reach=(Reach(3, "rustboard"), Reach(25, "tensorboard")),
    )
    count = 3000 // part
    yield Work(
        f"the scalars out of {count} images and {30 * count} scalars, {count // 10} MB",
        *(f"images_{count}", big_logs.images(count), all_readers, "only scalars"),
        reach=(
            *(Reach(1.3, "rustboard"), Reach(6, "rustboard --checksum")),
            Reach(200, "tensorboard"),
        ),
    )
    for table, times in (("CSV", 6), ("Parquet", 25)):
        yield Work(
            f"export of {amount(million)} scalars to {table}",
            *(*one, ("tbio", "tbparse"), table.lower(), (Reach(times, "tbparse"),)),
        )
    for events in (10_000 // part, 100_000 // part, 10_000_000 // part):
        yield Work(
            f"{amount(events)} scalars, one file",
            *(f"scalars_{events}", big_logs.one_file(events)),
            all_readers if events < million else fast_readers,
            spare=100 * _MB if events > million else None,
            events=events,
        )
    growing = "`reload()` of a growing log, 1000 scalars after {}B".format
    small, big = growing(amount(follow // 100)), growing(amount(follow))
    followers = ("tbio", "rustboard", "system calls")
    yield Work(small, *_growing(follow // 100), (*followers, "tensorboard"), "follow")
    at_most_twice = Reach(0.5, "tbio", small)
    yield Work(big, *_growing(follow), followers, "follow", (at_most_twice,))
    yield Work(
        f"reading the growing log of {amount(follow)}B anew", *_growing(follow), fast_readers
    )
    runs = 10_000 // part
    tree = (f"small_{runs}", big_logs.many_runs(runs, 20, big_logs.TAGS[:2]))
    listers = ("tbio", "system calls", "tensorboard")
    twice = (Reach(0.5, "system calls"),)
    yield Work(f"the names of {amount(runs)} runs in small files", *tree, listers, "names", twice)
    readers = (*listers, *_RUSTBOARDS)
    yield Work(f"the tags of {amount(runs)} runs in small files", *tree, readers, "tags")


def _growing(size: int) -> tuple[str, Make]:
    return f"follow_{size}", big_logs.one_file(size // 53, more=1000)


def amount(number: int) -> str:
    """With a prefix.

    >>> amount(10_000), amount(1_000_000)
    ('10 k', '1 M')
    """
    for size, prefix in ((1_000_000, " M"), (1000, " k")):
        if number >= size:
            return f"{number / size:.3g}{prefix}"
    return f"{number} "


def installed() -> set[str]:
    """The readers that there are; the others are told of."""
    found = {"tbio", "system calls"}
    for package in ("tensorboard", "tbparse", "tensorflow"):
        if importlib.util.find_spec(package):
            found.add(package)
    with contextlib.suppress(ImportError):
        rustboard.binary()
        found.update(_RUSTBOARDS)
    for reader in READERS.keys() - found:
        print(f"{reader} is left out: it is not installed", file=sys.stderr)
    return found


def measure(reader: str, task: str, log: Log) -> Measured | None:
    """One measurement; None if it failed, which is told."""
    changing = big_logs.restored(log) if task == "follow" else contextlib.nullcontext()
    with changing:
        if reader in _RUSTBOARDS:
            try:
                return rustboard.load(log, checksum=reader != "rustboard", follow=task == "follow")
            except RuntimeError as error:
                print(f"  {reader}: {error}", file=sys.stderr)
                return None
        began = time.perf_counter()
        command = [sys.executable, read_once.__file__, reader, task, str(log.folder)]
        child = subprocess.run(command, capture_output=True, text=True)
        process = time.perf_counter() - began
    if child.returncode:
        said = child.stderr.strip().splitlines()
        print(f"  {reader}: {said[-1] if said else child.returncode}", file=sys.stderr)
        return None
    return Measured(**json.loads(child.stdout.splitlines()[-1]))._replace(process=process)


def compared(work: Work, log: Log, readers: Sequence[str], rounds: int) -> dict[str, Measured]:
    """The medians of each reader, measured in turn."""
    for path in log.files:
        path.read_bytes()  # into the page cache
    found: dict[str, list[Measured]] = {}
    failed: set[str] = set()
    for number in range(rounds):
        for reader in readers:
            if reader in failed or (reader in _SLOW and number):
                continue
            measured = measure(reader, work.task, log)
            if measured is None:
                failed.add(reader)
            else:
                found.setdefault(reader, []).append(measured)
    return {reader: _median(each) for reader, each in found.items()}


def _median(measurements: list[Measured]) -> Measured:
    def of(column: Sequence[Any]) -> Any:
        known = [number for number in column if number is not None]
        return statistics.median(known) if known else None

    return Measured(*map(of, zip(*measurements, strict=True)))


class Result(NamedTuple):
    """A row that was measured."""

    work: Work
    log: Log
    measured: dict[str, Measured]

    def times(self, reader: str) -> float | None:
        """How many times tbio's time a reader takes."""
        ours, theirs = self.measured.get("tbio"), self.measured.get(reader)
        return theirs.seconds / ours.seconds if ours and theirs else None

    def outcomes(self, results: dict[str, Result]) -> Iterator[tuple[str, str, bool]]:
        """For each figure to reach: which line it belongs to, its words, and whether it is."""
        ours = self.measured.get("tbio")
        if ours is None:
            return
        for times, reader, work in self.work.reach:
            other = results.get(work, self)
            theirs = other.measured.get(reader)
            if theirs and (not work or work in results):
                whose = READERS[reader].partition(",")[0]
                if work:
                    whose = f"that of {other.log.bytes / _MB:.2g} MB"
                words = f"{times:g}x {whose}" if times >= 1 else f"at most {1 / times:g}x {whose}"
                yield "time", words, theirs.seconds / ours.seconds >= times
        limit = self.work.memory
        if self.work.spare is not None and ours.before is not None:
            limit = ours.before + self.log.points.count * _POINT_BYTES + self.work.spare
        if limit is not None and ours.peak is not None:
            yield "memory", f"at most {limit / _MB:.0f} MB", ours.peak <= limit

    def lines(self, readers: Sequence[str], results: dict[str, Result]) -> Iterator[list[str]]:
        """Its lines of the table."""
        figures = ["time", "CPU", "memory"]
        if self.work.task in ("csv", "parquet"):
            figures.insert(1, "process")
        for figure in figures:
            cells = [self._cell(reader, figure) for reader in readers]
            outcomes = [
                f"{words}: {'met' if met else 'NOT met'}"
                for line, words, met in self.outcomes(results)
                if line == figure
            ]
            yield [self.work.name, figure, *cells, ", ".join(outcomes)]

    def _cell(self, reader: str, figure: str) -> str:
        measured = self.measured.get(reader)
        if measured is None:
            return "-"
        if figure == "memory":
            return "-" if measured.peak is None else f"{measured.peak / _MB:.0f} MB"
        if figure == "CPU":
            return "-" if measured.cpu is None else duration(measured.cpu)
        if figure == "process":
            return duration(measured.process or 0.0)
        times = None if reader in ("tbio", "system calls") else self.times(reader)
        compared = "" if times is None else f" ({digits(times)}x)"
        return duration(measured.seconds) + compared

    def as_data(self, results: dict[str, Result]) -> dict[str, Any]:
        """For --json."""
        return {
            "work": self.work.name,
            "bytes": self.log.bytes,
            "scalars": self.log.points.count,
            "measured": {reader: it._asdict() for reader, it in self.measured.items()},
            "times tbio's": {reader: self.times(reader) for reader in self.measured},
            "reach": [{"figure": f, "words": w, "met": m} for f, w, m in self.outcomes(results)],
        }


def growth(results: Sequence[Result], readers: Sequence[str]) -> str:
    """How the cost of an event grows with the log, and the memory at the peak."""
    rows = []
    for result in sorted(
        (it for it in results if it.work.events), key=lambda it: it.log.points.count
    ):
        row = [amount(result.log.points.count).strip()]
        for reader in readers:
            measured = result.measured.get(reader)
            cell = "-"
            if measured is not None:
                cell = f"{digits(1e6 * measured.seconds / result.log.points.count)} us"
                cell += "" if measured.peak is None else f", {measured.peak / _MB:.0f} MB"
            row.append(cell)
        rows.append([*row, f"{result.log.bytes / _MB:.3g} MB"])
    return markdown(["scalars", *(READERS[reader] for reader in readers), "file"], rows, texts=1)


def main() -> int:
    """Measure and print; the exit code says nothing of the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="logs of a tenth, fewer rounds")
    parser.add_argument("--rounds", type=int, help="measurements a reader (5; quick: 3)")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--readers", default=",".join(READERS), help="comma-separated (all)")
    parser.add_argument("--follow", type=int, metavar="MB", help="of the growing log (200)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="of the logs, made or to make")
    parser.add_argument("--json", action="store_true", help="figures as data in place of tables")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    rounds = options.rounds or (3 if options.quick else 5)
    follow = (options.follow or 200 // part) * _MB
    chosen = set(options.readers.split(","))
    if unknown := chosen - READERS.keys():
        parser.error(
            f"no such readers: {', '.join(sorted(unknown))}; there are {', '.join(READERS)}"
        )
    there = installed() & chosen
    results: dict[str, Result] = {}
    with contextlib.ExitStack() as stack:
        root = options.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for work in works(part, follow):
            readers = [reader for reader in READERS if reader in there & set(work.readers)]
            if options.only not in work.name or not readers:
                continue
            print(f"{work.name} ...", file=sys.stderr)
            log = big_logs.made(root, work.log, work.make)
            results[work.name] = Result(work, log, compared(work, log, readers, rounds))
    if options.json:
        rows = [result.as_data(results) for result in results.values()]
        print(json.dumps({"machine": machine(), "rounds": rounds, "rows": rows}, indent=2))
        return 0
    shown = [name for name in READERS if any(name in it.measured for it in results.values())]
    heads = ["work", "of", *(READERS[reader] for reader in shown), "reach"]
    lines = [line for result in results.values() for line in result.lines(shown, results)]
    print(f"Medians of {rounds} rounds on {machine()}; in brackets, times tbio's.")
    print(f"Measured once: {', '.join(READERS[reader] for reader in _SLOW)}.\n")
    print(markdown(heads, lines, texts=2))
    if any(result.work.events for result in results.values()):
        print("\nThe cost of a scalar, and memory at the peak:\n")
        print(growth([*results.values()], shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
