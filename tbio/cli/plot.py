"""Draw a figure of what is selected, ready for a paper: PNG, SVG or PDF, by the name of the file.

What is drawn is what the selected tags are: scalars as curves, histograms over time, precision over
recall, images as a contact sheet; --of says it where there are several kinds, and asks for
embeddings and hyperparameters. Each tag has a panel. A file that is there is replaced; - is the
standard output.
"""

from __future__ import annotations

import argparse
import inspect
import re
import warnings
from collections.abc import Callable
from math import inf
from typing import Any, get_args

from tbio import plot
from tbio.aggregates import Align, Centre
from tbio.cli import source
from tbio.cli.render import count_of, terminal_at
from tbio.errors import NotFoundError, TagNotFoundError
from tbio.groups import grouped_by_hparams
from tbio.logdir import LogDir
from tbio.optimum import Mode
from tbio.plot.bands import Spread
from tbio.plot.histograms import Form
from tbio.plot.horizontal import X
from tbio.plot.projections import Method
from tbio.plot.saving import format_of
from tbio.plot.scalars import Labels
from tbio.projector import asked_for
from tbio.ranking import hparams, hparams_of, metrics_of
from tbio.tables import Table

HELP = "draw a figure: curves with bands, histograms, PR curves, images, embeddings"
EXAMPLES = """\
examples:
  tbio plot logs/ curves.png --smooth 0.6
  tbio plot logs/ loss.pdf --tags '*loss*' --log-y --x relative
  tbio plot logs/ seeds.svg --group folder --spread stderr
  tbio plot logs/ weights.png --tags 'weights*' --form heatmap
  tbio plot logs/ pr.png --of pr_curves --most 3
  tbio plot logs/ samples.png --of images
  tbio plot logs/ words.png --of embeddings --method tsne --color class
  tbio plot logs/ search.png --of hparams --metric val/accuracy
"""

#: What can be drawn of events, the first that there is first.
_OF_EVENTS = ("scalars", "histograms", "pr_curves", "images")
_OF = (*_OF_EVENTS, "embeddings", "hparams")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument(
        "out", metavar="OUT", help="the file to write: .png, .svg or .pdf; - is the standard output"
    )
    parser.add_argument("--of", choices=_OF, help="what to draw; by default what there is")
    _add_curves(parser.add_argument_group("scalars"))
    group = parser.add_argument_group("the other kinds")
    add = group.add_argument
    add("--form", choices=get_args(Form), help="histograms: ridges (default), heatmap or bands")
    add("--bins", type=int, metavar="N", help="histograms: how many bins (default 80)")
    add("--most", type=int, metavar="N", help="how many steps at most; of embeddings, points")
    add("--samples", type=int, metavar="N", help="images: how many of each step (default 1)")
    add("--height", type=float, metavar="INCHES", help="images: of each (default 1.1)")
    add("--method", choices=get_args(Method), help="embeddings: into the plane by (default pca)")
    add("--color", metavar="COLUMN", help="embeddings: colours by this column of the metadata")
    add("--label", metavar="COLUMN", help="embeddings: labels by this column (default the first)")
    add("--seed", type=int, metavar="N", help="embeddings: of what is drawn at random (default 0)")
    add("--metric", metavar="TAG", help="hparams: what gives the colours")
    add("--mode", choices=get_args(Mode), help="hparams: which end of the metric is best")
    add(
        "--hparam",
        dest="names",
        metavar="NAME",
        action="append",
        help="hparams: an axis for this one; may be given again (default: each that varies)",
    )
    group = parser.add_argument_group("the figure")
    add = group.add_argument
    add("--title", metavar="TEXT", help="over the whole figure")
    add("--columns", type=int, metavar="N", help="how many panels side by side")
    add("--size", type=_pair("x"), metavar="WxH", help="of a panel, inches, such as 3.4x2.3")
    add("--dpi", type=float, default=200, help="dots per inch of a PNG (default 200)")
    add("--format", choices=tuple(plot.SUFFIXES.values()), help="whatever the file is called")
    parser.set_defaults(restarts="session")  # lines that go back are no figure for a paper


def _add_curves(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--x", choices=get_args(X), help="what is across; relative and wall close pauses up")
    add("--smooth", type=float, metavar="0..1", help="as TensorBoard does it, the raw curve behind")
    groups = group.add_mutually_exclusive_group()
    groups.add_argument(
        "--group",
        choices=("folder", "all"),
        help="a line with a band for the runs of a folder, or for all",
    )
    groups.add_argument(
        "--group-regex",
        metavar="REGEX",
        type=_regex,
        help="... for the runs of which it finds the same, such as '(.*)-seed'",
    )
    groups.add_argument(
        "--group-hparam",
        metavar="NAME",
        action="append",
        help="... for the runs with the same value of it; may be given again",
    )
    add("--spread", choices=get_args(Spread), help="what the band shows (default std)")
    add("--centre", "--center", choices=get_args(Centre), help="the line of a group (default mean)")
    add("--align", choices=get_args(Align), help="runs of a group whose steps differ")
    add("--width", type=float, metavar="X", help="of the bins of --align bin")
    add("--members", action="store_true", default=None, help="also the runs of a group, pale")
    add("--pause", type=float, metavar="SECONDS", help="a longer gap is a pause; inf for none")
    add("--log-x", action="store_true", default=None, help="logarithmic")
    add("--log-y", action="store_true", default=None, help="logarithmic")
    add("--x-range", type=_pair(":"), metavar="A:B", help="from A to B; either may be left out")
    add("--y-range", type=_pair(":"), metavar="A:B", help="from A to B; either may be left out")
    add("--labels", choices=get_args(Labels), help="the runs' names: ends (default), legend, none")


def _pair(between: str) -> Callable[[str], tuple[float | None, float | None]]:
    """Two numbers; of a range either may be missing."""

    def pair(text: str) -> tuple[float | None, float | None]:
        parts = text.split(between)
        try:
            first, second = (float(part) if part or between != ":" else None for part in parts)
        except ValueError:
            raise argparse.ArgumentTypeError(f"want A{between}B, got {text!r}") from None
        if between == "x" and not (first and second and 0 < first < inf and 0 < second < inf):
            raise argparse.ArgumentTypeError(f"want more than 0, got {text!r}")
        return first, second

    return pair


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"no regular expression: {error}") from None


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    try:
        format_of(arguments.out, arguments.format)
    except ValueError as error:
        source.say(str(error))
        return 2
    with terminal_at(arguments.out) as terminal:
        if terminal is not None:
            source.say(f"{arguments.out} is a terminal, which takes no figures")
            return 2
    # Hyperparameters come along, and embeddings are in files of their own.
    kinds = {"hparams": "scalars", "embeddings": None}.get(arguments.of, arguments.of)
    logs = source.load(
        source.open_logs(arguments, kinds, embeddings=arguments.of in (None, "embeddings"))
    )
    of = arguments.of or _found_in(logs, arguments)
    draw: Callable[..., Any] = getattr(plot, of)
    options, wrong = _options(arguments, draw, logs)
    if wrong:
        source.say(f"{', '.join(wrong)}: no part of a figure of {of.replace('_', ' ')}")
        return 2
    what: Any = logs
    if of == "embeddings":
        options["names"] = source.patterns(arguments, "tags")
    elif of == "hparams":
        what, options = _searched(logs, options)
    elif not any(len(getattr(run, of)) for run in logs.values()):
        source.check_tags(arguments, found=False)
    figure = draw(what, **options)
    _save(figure, arguments)
    runs = {} if of == "embeddings" else logs
    complete = source.tell({name: run.report for name, run in runs.items()}, logs)
    panels = sum(panel.get_label() != "<colorbar>" for panel in figure.axes)
    source.say(f"{count_of(panels, 'panel')} of {of} drawn to {arguments.out}")
    return 0 if complete else 3


def _found_in(logs: LogDir, arguments: argparse.Namespace) -> str:
    """The kind to draw, of those that there are."""
    kinds = {info.kind for info in logs.tags()}
    found = [kind for kind in _OF_EVENTS if kind in kinds]
    names = [] if found else [name for several in logs.embeddings().values() for name in several]
    if any(map(asked_for(source.patterns(arguments, "tags")), names)):
        return "embeddings"
    if not kinds:
        source.check_tags(arguments, found=False, more=names)
    if not found:
        raise ValueError(
            f"{arguments.logs}: nothing there to draw: want {', '.join(_OF)}, "
            f"there are {', '.join(sorted(kinds)) or 'no data'}"
        )
    if found[1:]:
        source.say(f"drawing {found[0]}; there are also {', '.join(found[1:])} (--of)")
    return found[0]


def _options(
    arguments: argparse.Namespace, draw: Callable[..., Any], logs: LogDir
) -> tuple[dict[str, Any], list[str]]:
    """What was given for the figure, and the flags that it does not take."""
    given = {name: getattr(arguments, name) for name in _FLAGS}
    given = {name: value for name, value in given.items() if value is not None}
    takes = inspect.signature(draw).parameters
    wrong = [_FLAGS[name] for name in given if _KEYWORDS.get(name, name) not in takes]
    if wrong:
        return {}, wrong
    if given.get("group_hparam"):
        groups = grouped_by_hparams(logs, given.pop("group_hparam"))
        given["group"] = {run: group for group, runs in groups.items() for run in runs}.get
    if given.get("group_regex"):
        given["group"] = given.pop("group_regex")
    return given, []


#: Keyword of the functions, or what becomes one -> flag.
_FLAGS = {
    name: f"--{name.replace('_', '-')}"
    for name in (
        *("x", "smooth", "group", "group_regex", "group_hparam", "spread", "centre", "align"),
        *("width", "members", "pause", "log_x", "log_y", "x_range", "y_range", "labels"),
        *("form", "bins", "most", "samples", "height", "method", "color", "label", "seed"),
        *("metric", "mode", "title", "columns", "size"),
    )
} | {"names": "--hparam"}
_KEYWORDS = {"group_regex": "group", "group_hparam": "group"}


def _searched(logs: LogDir, options: dict[str, Any]) -> tuple[Table, dict[str, Any]]:
    """The table of the sessions, and the columns of it to draw."""
    every = logs.hparams()
    if not len(every):
        raise ValueError("there are no hyperparameters in what was selected")
    metrics = metrics_of(every)
    metric = options.get("metric", metrics[0] if len(metrics) == 1 else None)
    if metric is None:
        raise ValueError(f"say which --metric: {', '.join(metrics) or 'there is none'}")
    if metric not in metrics:
        raise TagNotFoundError(metric, metrics, "the metrics of the sessions")
    table = hparams(logs, metric, mode=options.get("mode", "auto"))
    columns = hparams_of(table)
    for name in options.get("names", ()):
        if name not in columns:
            raise NotFoundError(name, columns, "the hyperparameters")
    varying = [name for name in columns if len(set(map(str, table[name].tolist()))) > 1]
    names = options.get("names", varying or columns)
    return table, {**options, "metric": f"{metric}.best", "names": names}


def _save(figure: Any, arguments: argparse.Namespace) -> None:
    import matplotlib

    # Text in a PDF that can be searched and edited; the same file for the same figure.
    settings: Any = {"pdf.fonttype": 42, "svg.hashsalt": "tbio"}
    with matplotlib.rc_context(settings), warnings.catch_warnings(record=True) as caught:
        plot.save(figure, arguments.out, format=arguments.format, dpi=arguments.dpi)
    if any("Glyph" in str(warning.message) for warning in caught):
        source.say("some names have signs that the font lacks: they are boxes")
