"""Average runs, such as the seeds of an experiment: statistics by group, tag and step.

OUT says what becomes of them: a table (.csv, .tsv, .json, .parquet), a figure (.png, .svg, .pdf),
or event files in a new folder, a run for each group and statistic, which TensorBoard shows. A file
that is there is replaced. - is the standard output, and gets CSV. Without OUT there is a line for
each group and tag, about its last step.

Each row says how many runs it is made of (count). Several points of a run at one step: the last one
counts. NaN counts as not logged. std is that of a sample (divided by n - 1).
"""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, get_args

import tbio
from tbio.aggregates import STATISTICS, Align, Centre, NanRule
from tbio.cli import source, tables
from tbio.cli.render import count_of, short
from tbio.reduction import Layout, ReducedSeries, Reduction, reduce

HELP = "average runs by step: table, figure or event files"
EXAMPLES = """\
examples:
  tbio reduce logs/ seeds.csv
  tbio reduce logs/ averaged/ --stats mean,min,max --tags '*loss*' && tensorboard --logdir averaged/
  tbio reduce logs/ iqm.parquet --stats iqm --interval iqm --group-regex '(.*)_seed[0-9]+'
  tbio reduce logs/ by_lr.png --group-hparam lr --align interpolate
  tbio reduce logs/ --stats median,min,max --json | jq '.[-1]'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    add = parser.add_argument
    add("out", metavar="OUT", nargs="?", help="the file or the folder to write; see above")
    add(
        "--stats",
        metavar="LIST",
        type=_statistics,
        default=("mean", "std"),
        help=f"any of {', '.join(STATISTICS)}, with commas between (default: mean,std)",
    )
    groups = parser.add_argument_group("which runs belong together").add_mutually_exclusive_group()
    groups.add_argument(
        "--group", choices=("folder", "all"), help="those of one folder (default), or all"
    )
    groups.add_argument(
        "--group-regex",
        metavar="REGEX",
        type=_regex,
        help="those of which it finds the same, such as '(.*)_seed'; the group is called what the "
        "parentheses find",
    )
    groups.add_argument(
        "--group-hparam",
        metavar="NAME",
        action="append",
        help="those with the same value of this hyperparameter; may be given again",
    )
    add = parser.add_argument_group("steps that differ").add_argument
    add(
        "--align",
        choices=get_args(Align),
        default="exact",
        help="exact: each step, of the runs that have it (default); interpolate: straight lines "
        "between a run's points; bin: stretches of --width steps, of each run the mean in it",
    )
    add("--width", metavar="N", type=float, help="of the bins, or between steps to interpolate at")
    add(
        "--min-runs",
        metavar="N",
        type=_min_runs,
        default=1,
        help='leave out steps of fewer runs; "all" for all that have the tag (default: 1)',
    )
    add(
        "--nan",
        choices=get_args(NanRule),
        default="omit",
        help="NaN: omit, as if it had not been logged (default), or propagate, as numpy does",
    )
    add = parser.add_argument_group("bootstrap intervals").add_argument
    add("--interval", choices=get_args(Centre), help="an interval of the mean, median or iqm")
    add("--level", type=float, default=0.95, help="of confidence (default: 0.95)")
    add("--resamples", metavar="N", type=int, default=1000, help="draws (default: 1000)")
    add("--seed", metavar="N", type=int, default=0, help="of the draws (default: 0)")
    add = parser.add_argument_group("output").add_argument
    add(
        "--layout",
        choices=get_args(Layout),
        default="runs",
        help="event files: a run for each group and statistic (default), or tags <tag>/<statistic>",
    )
    add("--json", action="store_true", help="the table as JSON, for programs")
    parser.set_defaults(restarts="session")


def _statistics(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in STATISTICS:
            raise argparse.ArgumentTypeError(f"want some of {', '.join(STATISTICS)}, got {name!r}")
    return names


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"no regular expression: {error}") from None


def _min_runs(text: str) -> int | str:
    if text == "all":
        return text
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f'want a number from 1 or "all", got {text!r}')
    return number


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    out = arguments.out
    wrong = _wrong(arguments)
    if wrong:
        source.say(wrong)
        return 2
    logs = source.load(source.open_logs(arguments, kinds="scalars"))
    reduction = reduce(
        logs,
        arguments.stats,
        group=arguments.group_regex or arguments.group or "folder",
        hparams=arguments.group_hparam or (),
        align=arguments.align,
        width=arguments.width,
        min_runs=arguments.min_runs,
        nan=arguments.nan,
        interval=arguments.interval,
        level=arguments.level,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )
    if not reduction.series:
        source.check_tags(arguments, any(one.scalars for one in logs.values()))
        raise ValueError(f"{arguments.logs}: there is nothing to reduce: no scalars, or too few")
    if arguments.json:
        print(tables.as_json(reduction.table))
    elif out is None:
        _print(reduction)
    else:
        _write(reduction, logs, arguments)
    complete = source.tell_all(logs)
    _tell(reduction)
    return 0 if complete else 3


#: What a figure has no say in, and the defaults.
_NOT_DRAWN = {"min_runs": 1, "nan": "omit", "level": 0.95, "resamples": 1000, "seed": 0}


def _is_folder(out: str) -> bool:
    if out == "-" or out.startswith("/dev/"):
        return False
    return not tables.suffix_of(out) or out.endswith(("/", os.sep)) or os.path.isdir(out)


def _wrong(arguments: argparse.Namespace) -> str:
    """What is wrong with how the command was used; "" if nothing is."""
    out = arguments.out
    if out and _is_folder(out) and not arguments.json:
        return ""
    wrong = tables.wrong_output(out, arguments.json, tables.FIGURES)
    if wrong:
        return f"{wrong}; a folder's in /" if wrong.startswith("want a name") else wrong
    others = [
        f"--{name.replace('_', '-')}"
        for name, default in _NOT_DRAWN.items()
        if getattr(arguments, name) != default
    ]
    if others and out and tables.suffix_of(out) in tables.FIGURES:
        return f"{', '.join(others)}: no part of a figure"
    return ""


def _write(reduction: Reduction, logs: tbio.LogDir, arguments: argparse.Namespace) -> None:
    out: str = arguments.out
    if tables.suffix_of(out) in tables.FIGURES and not _is_folder(out):
        _draw(reduction, logs, arguments)
        source.say(f"{count_of(len(reduction.groups), 'group')} drawn to {out}")
    elif not _is_folder(out):
        tables.write(reduction.table, out)
        source.say(f"{count_of(len(reduction), 'row')} written to {out}")
    else:
        runs = reduction.write(out, layout=arguments.layout)
        source.say(f"{count_of(len(runs), 'run')} written to {out}")


def _draw(reduction: Reduction, logs: tbio.LogDir, arguments: argparse.Namespace) -> None:
    """The first of the statistics that is a centre, and around it what else was asked for."""
    from tbio import plot  # which loads Matplotlib

    group_of = {run: group for group, runs in reduction.groups.items() for run in runs}
    stats = reduction.statistics
    centre = arguments.interval or next((name for name in stats if name in get_args(Centre)), None)
    options: dict[str, Any] = {"group": group_of.get, "align": arguments.align}
    options["centre"] = centre or "mean"
    options["width"] = arguments.width
    options["spread"] = (
        "bootstrap"
        if arguments.interval
        else "stderr"
        if "stderr" in stats
        else "std"
        if "std" in stats
        else "minmax"
        if {"min", "max"} <= set(stats)
        else "none"
    )
    plot.save(plot.scalars(logs, **options), arguments.out)


def _print(reduction: Reduction) -> None:
    """A line for each group and tag, about its last step."""
    rows = [
        {"group": one.group, "tag": one.tag, "runs": len(one.runs), **_last(one)}
        for one in reduction.series
    ]
    for line in tables.lines(rows, list(rows[0])):
        print(line)


def _last(one: ReducedSeries) -> dict[str, Any]:
    numbers = {name: values[-1].item() for name, values in one.columns.items() if name != "count"}
    return {"step": one.steps[-1].item(), "count": one.count[-1].item(), **numbers}


def _tell(reduction: Reduction) -> None:
    """What the numbers do not show by themselves."""
    if reduction.ungrouped:
        names = [
            *map(short, reduction.ungrouped[:3]),
            *(["..."] if reduction.ungrouped[3:] else []),
        ]
        runs = count_of(len(reduction.ungrouped), "run")
        source.say(f"{runs} of no group: {', '.join(names)}")
    if reduction.duplicates:
        points = count_of(reduction.duplicates, "point")
        source.say(f"{points} gave way to a later one of the same run, tag and step")
    for run, tag in reduction.unusable:
        source.say(f"run {short(run)}, tag {short(tag)}: complex numbers, left out")
    uneven = sum(bool((one.count < len(one.runs)).any()) for one in reduction.series)
    if uneven:
        tags = count_of(uneven, "curve")
        source.say(f"{tags} with steps that not all runs have (--align, --min-runs)")
