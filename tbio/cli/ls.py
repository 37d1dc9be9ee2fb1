"""List the runs of a log folder, and the tags of each: kind, number of points, range of steps.

A run's line says how many event files it has and how large they are. Embeddings, which the
Projector shows, have their names alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence

from tbio.cli import source
from tbio.cli.render import columns, count_of, short, size_of
from tbio.projector import asked_for
from tbio.run import Run

HELP = "list runs and tags"
EXAMPLES = """\
examples:
  tbio ls logs/
  tbio ls logs/ --runs 'seed*' --tags '*loss*'
  tbio ls logs/ --json | jq '.runs[].run'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    asks = arguments.kinds is None or "embeddings" in arguments.kinds
    logs = source.load(source.open_logs(arguments, embeddings=asks))
    wanted = asked_for(source.patterns(arguments, "tags"))
    every = logs.embeddings() if asks else {}
    embeddings = {run: list(filter(wanted, names)) for run, names in every.items()}
    if arguments.tags:
        there = any(run.tags for run in logs.values()) or any(embeddings.values())
        source.check_tags(arguments, there, more=itertools.chain.from_iterable(every.values()))
    alone = {run: names for run, names in embeddings.items() if names and run not in logs}
    if arguments.json:
        runs = [_as_json(run, embeddings.get(run.name, [])) for run in logs.values()]
        runs += [{"run": run, "tags": [], "embeddings": names} for run, names in alone.items()]
        print(json.dumps({"runs": runs}, indent=1))
    else:
        for one in logs.values():
            _print(one, embeddings.get(one.name, []))
        for run, names in alone.items():
            print(f"{short(run)}  (no event files)")
            _print_rows([("  embeddings", short(name)) for name in names])
    return 0 if source.tell_all(logs) else 3


def _as_json(run: Run, embeddings: list[str]) -> dict[str, object]:
    report = run.report
    return {
        "run": run.name,
        "files": [file.path for file in report.files],
        "bytes": report.size,
        "events": report.events,
        "complete": report.complete,
        "tags": [
            {
                "kind": info.kind,
                "tag": info.tag,
                "plugin": info.plugin,
                "count": info.count,
                "first_step": info.first_step,
                "last_step": info.last_step,
            }
            for info in run.tag_infos()
        ],
        "embeddings": embeddings,
    }


def _print(run: Run, embeddings: list[str]) -> None:
    report = run.report
    files = count_of(len(report.files), "file")
    state = "" if report.complete else ", damaged" if report.damages else ", with problems"
    print(f"{short(run.name)}  ({files}, {size_of(report.size)}{state})")
    rows = []
    for info in run.tag_infos():
        steps = f"{info.first_step}"
        if info.last_step != info.first_step:
            steps += f"..{info.last_step}"
        count = f"{info.count:,}"
        rows.append((f"  {info.kind}", short(info.tag), count, f"steps {steps}"))
    _print_rows([*rows, *(("  embeddings", short(name), "", "") for name in embeddings)])


def _print_rows(rows: Sequence[tuple[str, ...]]) -> None:
    for line in columns(rows, right=frozenset({2})):
        print(line)
