"""Fuzz the readers, guided by coverage: atheris, which is libFuzzer for Python.

    python scripts/fuzz.py --list
    python scripts/fuzz.py images --seconds 600         # findings in build/fuzz/images/
    python scripts/fuzz.py all --seconds 600            # one target after the other
    python scripts/fuzz.py images --input build/fuzz/images/found/AssertionError-...

What is fuzzed, and what counts as a finding, stands in tests/fuzzing (``targets``). A finding does
not end the run: it is saved under the name of the place where it arose, the shortest input of each
place, cut down at the end, with the traceback beside it. Inputs that take too long or too much
memory are findings as well. What covers something new is kept in a corpus, with which the next run
of the target goes on. The exit code is 1 when there were findings.

Needs the extra ``fuzz`` (Linux and macOS, CPython 3.11 to 3.13).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import os
import random
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

if TYPE_CHECKING:
    from fuzzing.targets import Target

_FUZZER: str = "atheris"  # loaded where it fuzzes only
_MOST_BYTES = 1 << 17  # of an input
_SLOW = 10.0  # seconds of CPU that an input may take
_HANGS = 120  # seconds after which it is ended; instrumented code takes its time
_MEMORY = 2 << 30  # bytes beyond those of the interpreter and what it has loaded
_SHORTENING = 20.0  # seconds for each finding
_RUNS_EACH = 10_000  # inputs that one process tries: the fuzzer itself keeps some memory of each
_BEGINNING = 5.0  # seconds within which a process ends that cannot even begin
_RUNS = re.compile(rb"stat::number_of_executed_units:\s*(\d+)")


class SlowError(Exception):
    """An input takes too long."""


class Findings:
    """The findings of one target: the shortest input of each place, and its traceback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes = {path.name: path.stat().st_size for path in self.inputs()}

    def inputs(self) -> list[Path]:
        """The inputs, by the names of their places."""
        return sorted(path for path in self.folder.iterdir() if path.suffix != ".txt")

    def add(self, data: bytes, error: BaseException) -> str:
        """Keep an input, unless a shorter one came to the same; the name of the place."""
        name = place_of(error)
        if len(data) < self._sizes.get(name, sys.maxsize):
            self._sizes[name] = len(data)
            (self.folder / name).write_bytes(data)
            lines = traceback.format_exception(type(error), error, error.__traceback__)
            (self.folder / f"{name}.txt").write_text("".join(lines), errors="backslashreplace")
        return name


def place_of(error: BaseException) -> str:
    """A name for what went wrong: the error, and where in this project it arose."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(f"{ROOT}{os.sep}")]
    where = f"{Path(ours[-1].filename).stem}-{ours[-1].name.strip('<>')}" if ours else "nowhere"
    if isinstance(error, AssertionError):  # of the oracle: what it says tells more
        where += re.sub(r"[^a-z]+", "-", f" {error}".lower())[:50].rstrip("-")
    return f"{type(error).__name__}-{where}"


def tried(run: Callable[[bytes], None], data: bytes) -> BaseException | None:
    """What a target says of an input; None for nothing."""
    begin = time.process_time()
    try:
        run(data)
        if time.process_time() - begin > _SLOW:
            raise SlowError(f"{time.process_time() - begin:.1f} s of CPU for {len(data)} bytes")
    except (Exception, SystemExit) as error:
        return error
    return None


def shortened(run: Callable[[bytes], None], data: bytes, place: str) -> bytes:
    """An input of which nothing more can be left out that comes to the same place."""
    until = time.monotonic() + _SHORTENING
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size :]
            if time.monotonic() > until:
                return data
            error = tried(run, less)
            if error is not None and place_of(error) == place:
                data = less
            else:
                at += size
        size //= 2
    return data


# ---------------------------------------------------------------------- the process that fuzzes


def work(target: Target, findings: Findings, corpus: Path, seconds: int) -> NoReturn:
    """Fuzz a target; libFuzzer ends the process."""
    from fuzzing.mutations import Mutator

    atheris = importlib.import_module(_FUZZER)

    def one(data: bytes) -> None:
        error = tried(target.run, data)
        if error is not None:
            findings.add(data, error)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        def change(part: bytes) -> bytes:
            return bytes(atheris.Mutate(part, len(part) + 64))

        changed = target.mutate(Mutator(random.Random(seed), change), data)
        return changed if len(changed) <= most else bytes(atheris.Mutate(data, most))

    limit_memory()
    options = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={seconds}",
        f"-runs={_RUNS_EACH}",
        f"-timeout={_HANGS}",
        f"-max_len={_MOST_BYTES}",
        "-len_control=0",  # the mutators know what is long
        "-rss_limit_mb=0",  # see `limit_memory`, by which an input ends and not the process
        f"-artifact_prefix={findings.folder}{os.sep}",
        "-print_final_stats=1",
    ]
    atheris.Setup(options, one, custom_mutator=mutate)
    atheris.Fuzz()
    sys.exit()


def limit_memory() -> None:
    """Let what asks for much more memory than there is now fail: a MemoryError is a finding."""
    import resource  # of POSIX

    with contextlib.suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


# ---------------------------------------------------------------------- the process that is called


def fuzz(name: str, target: Target, folder: Path, seconds: float, more: Sequence[Path]) -> int:
    """Fuzz a target for a time, in processes of its own; how many places were found."""
    findings, corpus = Findings(folder / "found"), folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    given = [path.read_bytes() for one in more for path in sorted(one.rglob("*")) if path.is_file()]
    for data in (*target.seeds(), *given):
        (corpus / hashlib.sha1(data).hexdigest()).write_bytes(data[:_MOST_BYTES])
    before = {path.name for path in findings.inputs()}
    runs, log = 0, folder / "log"
    until = time.monotonic() + seconds
    with log.open("wb") as words:
        while (left := until - time.monotonic()) >= 1:  # one that hangs or crashes ends a process
            worker = [sys.executable, __file__, name, "--work", "--folder", str(folder.parent)]
            begun = time.monotonic()
            done = subprocess.run(
                [*worker, "--seconds", str(int(left))], check=False, stdout=words, stderr=words
            )
            told = _RUNS.findall(log.read_bytes())
            if len(told) == runs and done.returncode and time.monotonic() - begun < _BEGINNING:
                break  # it does not even begin
            runs = len(told)
    findings = Findings(findings.folder)
    fresh = [path for path in findings.inputs() if path.name not in before]
    for path in fresh:
        shorten(target, findings, path)
    total = sum(map(int, _RUNS.findall(log.read_bytes())))
    print(f"{name}: {total:,} runs, {len(fresh)} new findings in {findings.folder}", flush=True)
    for path in fresh:
        print(f"  {path.name} ({path.stat().st_size} bytes)")
    if not total:
        print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
        return max(1, len(fresh))
    return len(fresh)


def shorten(target: Target, findings: Findings, path: Path) -> None:
    """Cut the input of a finding down, unless it takes long or the whole process."""
    if path.name.startswith(("timeout-", "crash-", "oom-", "leak-", "slow-unit-", "SlowError")):
        return
    data = shortened(target.run, path.read_bytes(), path.name)
    error = tried(target.run, data)
    if error is not None and place_of(error) == path.name:
        findings.add(data, error)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="?", help='its name in the list, or "all"')
    parser.add_argument("--list", action="store_true", help="list the targets")
    parser.add_argument("--seconds", type=int, default=600, help="for each target (default: 600)")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build" / "fuzz", help="for findings and corpora"
    )
    parser.add_argument(
        "--seeds", type=Path, action="append", default=[], help="a folder with more to begin with"
    )
    parser.add_argument("--input", type=Path, help="run the target on one input, and say the error")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if arguments.work:
            atheris = importlib.import_module(_FUZZER)
            stack.enter_context(atheris.instrument_imports(include=["tbio"]))
        from fuzzing.targets import TARGETS

        if arguments.list:
            for name, target in TARGETS.items():
                print(f"{name:15}{target.about}")
            return 0
        if arguments.target not in (*TARGETS, "all"):
            parser.error("want a target: see --list")
        names = list(TARGETS) if arguments.target == "all" else [arguments.target]
        if arguments.input is not None:
            TARGETS[names[0]].run(arguments.input.read_bytes())
            return 0
        folder: Path = arguments.folder.resolve()
        if arguments.work:
            inner = folder / names[0]
            target = TARGETS[names[0]]
            work(target, Findings(inner / "found"), inner / "corpus", arguments.seconds)
        found = 0
        for name in names:
            found += fuzz(name, TARGETS[name], folder / name, arguments.seconds, arguments.seeds)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
