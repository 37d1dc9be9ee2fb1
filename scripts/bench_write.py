"""What logging costs a training loop, beside torch's SummaryWriter and tensorboardX's.

    python scripts/bench_write.py             # a few minutes; a table in Markdown
    python scripts/bench_write.py --quick     # less of everything, for a first look
    python scripts/bench_write.py --only image --json

Two figures a row: what a call takes of the caller's time, and what an event costs in CPU time in
all, with the writer's own threads and its close(). Each row is measured several times, the
libraries in turn, each time in a fresh folder; the table has the medians. A simulated training step
sleeps, so that threads can work meanwhile as they do while a GPU is waited for.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from benchmarks import duration, machine, markdown
from matplotlib import cbook
from PIL import Image

#: ``log(writer, step)`` makes the calls of one training step.
Log: TypeAlias = Callable[[Any, int], None]

LIBRARIES = {
    "tbio": "tbio",
    "torch": "torch.utils.tensorboard",
    "tensorboardX": "tensorboardX",
}
PEERS = ["torch", "tensorboardX"]


class Work(NamedTuple):
    """One row: what is logged, and what is to be reached.

    Attributes:
        log: the calls of a step, the same for each library unless ``ours`` is given.
        events: how many of what the row counts a step logs.
        steps: of one measurement.
        pause: how long a step sleeps, in seconds.
        ours: what tbio does in place of ``log``.
        caller: how many times less than each of ``against`` the caller is to wait.
        cpu: and how many times less the CPU is to be used.
    """

    name: str
    log: Log
    events: int
    steps: int
    pause: float = 0.0
    ours: Log | None = None
    caller: float | None = None
    cpu: float | None = None
    against: tuple[str, ...] = ("torch", "tensorboardX")


class Cost(NamedTuple):
    """Seconds a call: of the caller's time, and of CPU time in all."""

    caller: float
    cpu: float


def photo(size: int = 256) -> npt.NDArray[np.uint8]:
    """A real photo [3, size, size], which Matplotlib brings along for its examples."""
    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        width = min(picture.size)
        square = picture.convert("RGB").crop((0, 0, width, width)).resize((size, size))
    return np.ascontiguousarray(np.moveaxis(np.asarray(square), 2, 0))


def works(quick: bool) -> Iterator[Work]:
    """The rows."""

    def count(steps: int) -> int:
        return max(steps // 10, 3) if quick else steps

    tags = [f"train/metric_{number}" for number in range(20)]
    metrics = {tag: 0.1 * number for number, tag in enumerate(tags)}
    curves = {f"expert_{number}": 0.1 * number for number in range(100)}
    weights = np.random.default_rng(0).normal(0, 0.05, 100_000).astype(np.float32)
    picture = photo()
    words = "the **quick** brown fox\n\n" * 8

    def scalars(writer: Any, step: int) -> None:
        for tag, value in metrics.items():
            writer.add_scalar(tag, value, step)

    def one_scalar(writer: Any, step: int) -> None:
        writer.add_scalar("train/loss", 0.25, step)

    yield Work(
        "`add_scalar`, 20 in each training step",
        *(scalars, 20, count(300), 0.003),
        caller=40,
    )
    yield Work(
        "`add_scalar`, 100 000 on end", one_scalar, 1, 100_000 // (10 if quick else 1), cpu=20
    )
    yield Work(
        "20 numbers of a step: `log(dict)`; peers: 20 `add_scalar`",
        *(scalars, 1, count(300), 0.003),
        ours=lambda writer, step: writer.log(metrics, step),
    )
    yield Work(
        "`add_scalars` with 100 keys",
        *(lambda writer, step: writer.add_scalars("load", curves, step), 1, count(50), 0.02),
    )
    yield Work(
        "`add_histogram`, 100 000 float32",
        *(lambda writer, step: writer.add_histogram("weights", weights, step), 1, count(60), 0.005),
        cpu=15,
    )
    yield Work(
        "`add_image`, photo 3x256x256 uint8",
        *(lambda writer, step: writer.add_image("sample", picture, step), 1, count(40), 0.02),
        caller=20,
        cpu=4,
        against=("tensorboardX",),
    )
    yield Work(
        "`add_text`, 200 characters",
        *(lambda writer, step: writer.add_text("sample", words, step), 1, count(300), 0.001),
    )


def measure(make: Callable[[str], Any], log: Log, work: Work) -> Cost:
    """One measurement, in a folder of its own."""
    calls: list[float] = []
    asleep = 0.0  # CPU time of going to sleep, which is the training step's own
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        writer = make(folder)
        cpu = time.process_time()
        if work.pause:
            for step in range(work.steps):
                began = time.perf_counter()
                log(writer, step)
                calls.append(time.perf_counter() - began)
                before = time.thread_time()
                time.sleep(work.pause)
                asleep += time.thread_time() - before
            caller = statistics.median(calls)
        else:
            began = time.perf_counter()
            for step in range(work.steps):
                log(writer, step)
            caller = (time.perf_counter() - began) / work.steps
        writer.close()
        cpu = (time.process_time() - cpu - asleep) / work.steps
    return Cost(caller / work.events, cpu / work.events)


def compared(work: Work, makers: dict[str, Callable[[str], Any]], rounds: int) -> dict[str, Cost]:
    """The medians of each library, measured in turn; the first round only warms up."""
    costs: dict[str, list[Cost]] = {library: [] for library in makers}
    for number in range(rounds + 1):
        for library, make in makers.items():
            log = work.ours if work.ours and library == "tbio" else work.log
            few = work._replace(steps=max(work.steps // 20, 2)) if number == 0 else work
            cost = measure(make, log, few)
            if number:
                costs[library].append(cost)
    return {
        library: Cost(*(statistics.median(column) for column in zip(*each, strict=True)))
        for library, each in costs.items()
    }


def installed() -> dict[str, Callable[[str], Any]]:
    """The libraries that there are; the others are told of."""
    makers: dict[str, Callable[[str], Any]] = {}
    for library, module in LIBRARIES.items():
        try:
            makers[library] = importlib.import_module(module).SummaryWriter
        except ImportError as error:
            print(f"{library} is left out: {error}", file=sys.stderr)
    return makers


class Row(NamedTuple):
    """One line of the table: a work, and one of the two figures of its costs."""

    work: str
    figure: str
    seconds: dict[str, float]
    target: float | None
    against: tuple[str, ...]

    @property
    def ratios(self) -> dict[str, float]:
        """Peer -> how many times more it takes than tbio."""
        ours = self.seconds["tbio"]
        return {peer: self.seconds[peer] / ours for peer in PEERS if peer in self.seconds}

    @property
    def met(self) -> bool | None:
        """Whether the target is reached against each peer that it names; None if it is open."""
        ratios = [ratio for peer, ratio in self.ratios.items() if peer in self.against]
        return None if self.target is None or not ratios else min(ratios) >= self.target

    def cells(self) -> list[str]:
        """The line."""
        times = [duration(self.seconds[it]) if it in self.seconds else "-" for it in LIBRARIES]
        ratios = [f"{self.ratios[peer]:.1f}x" if peer in self.ratios else "-" for peer in PEERS]
        target = "" if self.target is None else f"{self.target:g}x"
        met = {None: "", True: "met", False: "NOT met"}[self.met]
        return [self.work, self.figure, *times, *ratios, target, met]


def main() -> int:
    """Measure and print; the exit code says nothing of the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, fewer rounds")
    parser.add_argument("--rounds", type=int, help="measurements a library (5; quick: 3)")
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument(
        "--json", action="store_true", help="figures in seconds in place of a table"
    )
    options = parser.parse_args()
    rounds = options.rounds or (3 if options.quick else 5)
    makers = installed()
    rows: list[Row] = []
    for work in works(options.quick):
        if options.only not in work.name:
            continue
        print(f"{work.name} ...", file=sys.stderr)
        costs = compared(work, makers, rounds)
        for figure, target in (("caller", work.caller), ("cpu", work.cpu)):
            seconds = {library: getattr(cost, figure) for library, cost in costs.items()}
            rows.append(Row(work.name, figure, seconds, target, work.against))
    if options.json:
        listed = [{**row._asdict(), "ratios": row.ratios, "met": row.met} for row in rows]
        print(json.dumps({"machine": machine(), "rounds": rounds, "rows": listed}, indent=2))
        return 0
    print(f"Medians of {rounds} rounds on {machine()}.\n")
    heads = ["per call", "of", *LIBRARIES, *(f"against {peer}" for peer in PEERS), "reach", ""]
    print(markdown(heads, [row.cells() for row in rows], texts=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
