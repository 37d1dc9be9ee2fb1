"""Write what another tool has logged as event files, in OUT, a new or empty folder.

csv, tsv, jsonl, parquet: tables of scalars, a column a tag (Keras's CSVLogger, Lightning's
metrics.csv) or a point a row (run, tag, step, wall_time, value: what tbio export writes). Steps are
in a column such as step, global_step, iteration or epoch, else they are the numbers of the rows.
json: a History of Keras, trainer_state.json of Hugging Face, or rows. wandb: a folder with runs of
Weights & Biases, or one .wandb file. mlflow: a folder mlruns, or mlflow.db.

Of a folder every file or run becomes a run. Points that have no wall time there get none, which
TensorBoard shows as 1970. What cannot be imported is listed. Exit codes: 0 done, 1 failed, 2 wrong
usage, 3 something was damaged.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import get_args

import tbio
from tbio.cli import source
from tbio.cli.render import columns, count_of, printable
from tbio.imports import Format, ImportReport

NAME = "import"
HELP = "turn what other tools have logged into event files"
EXAMPLES = """\
examples:
  tbio import training.csv logs/
  tbio import lightning_logs/ logs/ --format csv
  tbio import output/checkpoint-500/trainer_state.json logs/hf
  tbio import wandb/ logs/ && tensorboard --logdir logs/
  tbio import mlflow.db logs/
  tbio import results.csv logs/ --step samples_seen
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="a file, or a folder of files or runs")
    parser.add_argument("out", metavar="OUT", help="a new or empty folder to write to")
    parser.add_argument(
        "--format", choices=get_args(Format), help="what it is, whatever it is called"
    )
    parser.add_argument("--step", metavar="COLUMN", help="the column of a table with the steps")
    parser.add_argument(
        "--wall-time", metavar="COLUMN", help="the column of a table with the wall times"
    )
    parser.add_argument(
        "--double-precision",
        action="store_true",
        help="keep doubles that float32 does not hold; TensorBoard shows them rounded",
    )
    parser.add_argument("--json", action="store_true", help="every run, as JSON, for programs")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    with source.progress(None, "importing") as progress:
        report = tbio.import_logs(
            arguments.source,
            arguments.out,
            format=arguments.format,
            step=arguments.step,
            wall_time=arguments.wall_time,
            double_precision=arguments.double_precision,
            progress=progress,
        )
    if arguments.json:
        print(json.dumps(_as_json(report), indent=1))
    else:
        _print(report)
    for words in (*report.remarks, *map(str, report.skipped)):
        source.say(words)
    untimed = sum(run.scalars + run.texts - run.timed for run in report.runs)
    if untimed:
        source.say(f"{count_of(untimed, 'point')} without a wall time")
    runs = count_of(len(report.runs), "run")
    points = count_of(sum(run.scalars for run in report.runs), "scalar")
    source.say(f"{points} of {runs} written to {arguments.out}")
    return 0 if report.complete else 3


def _print(report: ImportReport) -> None:
    rows = [
        (
            printable(run.name),
            count_of(run.scalars, "scalar"),
            count_of(run.tags, "tag"),
            count_of(run.hparams, "hparam"),
        )
        for run in report.runs
    ]
    for line in columns(rows) if rows else ():
        print(line)


def _as_json(report: ImportReport) -> dict[str, object]:
    return {
        "complete": report.complete,
        "format": report.format,
        "runs": [asdict(run) for run in report.runs],
        "skipped": [asdict(one) for one in report.skipped],
        "remarks": report.remarks,
    }
