"""restarts="tensorboard" and "rustboard" show what TensorBoard's two back ends show.

The truth is TensorBoard's own: the plugin accumulator (backend/event_processing/
plugin_event_accumulator.py) and the data server (data/server/run.rs and reservoir.rs), which read
the same files. See `tensorboard_readers` and `generated_logs`.

The data server also hides values for reasons that are not their steps. They make others void all
the same, so the rule counts them, but tbio shows what of them can be shown. But for values that
hold nothing, the logs here have none of these:

- in a tag of scalars whatever is no float32 of rank 0 (a double, an integer, a half, an image);
- in a tag of images or audio whatever is no list of strings; in one of other plugins' tensors a
  scalar of TF 1's form;
- a value that holds nothing, but in a tag of tensors it is shown as an empty one;
- all values of a tag whose first has neither metadata nor a form of TF 1, or names a plugin that is
  not TensorBoard's own.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import pytest
from generated_logs import Event, LogRun, Value, one_file, runs, start, summary, version, write_run
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard_readers import Point, Shown, by_plugin_accumulator, by_rustboard

import tbio
from tbio import plugins
from tbio.rules import Restarts

Rule: TypeAlias = Literal["tensorboard", "rustboard"]
TRUTH: dict[Rule, Callable[[str], dict[str, Shown]]] = {
    "tensorboard": by_plugin_accumulator,
    "rustboard": by_rustboard,
}
#: The plugins whose series are compared point by point, and where tbio shows them.
SERIES = {"scalars": "scalars", "histograms": "histograms", "images": "images", "text": "texts"}


def by_tbio(logdir: str, rule: Rule) -> dict[str, Shown]:
    return all_shown(tbio.open(logdir, restarts=rule))


def all_shown(logs: tbio.LogDir) -> dict[str, Shown]:
    """What tbio shows of the plugins in `SERIES`."""
    return {name: dict(_shown(run)) for name, run in logs.items()}


def _shown(run: tbio.Run) -> Iterator[tuple[str, dict[str, list[Point]]]]:
    for plugin, kind in SERIES.items():
        tags = {}
        for tag, series in getattr(run, kind).items():
            values = series.values.tolist() if kind == "scalars" else itertools.repeat(None)
            points = zip(series.steps.tolist(), series.wall_times.tolist(), values, strict=False)
            if len(series):
                tags[tag] = list(map(Point._make, points))
        if tags:
            yield plugin, tags


def counted_by_tbio(logdir: str, rule: Rule) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    """(run, plugin, tag) -> count, first and last step, graphs among them."""
    return {
        (info.run, info.plugin, info.tag): (info.count, info.first_step, info.last_step)
        for run in tbio.open(logdir, restarts=rule).values()
        for info in run.tag_infos()
        if info.tag != plugins.META_GRAPH_TAG  # TensorBoard has no tag for it
    }


def counted(
    truth: dict[str, Shown],
) -> dict[tuple[str, str, str], tuple[int, int, int]]:
    return {
        (run, plugin, tag): (
            len(points),
            min(point.step for point in points),
            max(point.step for point in points),
        )
        for run, shown in truth.items()
        for plugin, tags in shown.items()
        for tag, points in tags.items()
    }


def check(logdir: str, rule: Rule) -> None:
    """tbio and TensorBoard show the same of each run."""
    truth = TRUTH[rule](logdir)
    shown = by_tbio(logdir, rule)
    for run in truth.keys() | shown.keys():
        series = {plugin: tags for plugin, tags in truth.get(run, {}).items() if plugin in SERIES}
        assert shown.get(run, {}) == series, run
    assert counted_by_tbio(logdir, rule) == counted(truth)


@given(runs(empty_blobs=True))
@settings(max_examples=250, deadline=None)
def test_any_log_is_read_as_by_the_python_back_end(run: LogRun) -> None:
    with tempfile.TemporaryDirectory() as logdir:
        write_run(Path(logdir), run)
        check(logdir, "tensorboard")


@given(st.lists(runs(), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_log_is_read_as_by_the_data_server(logs: list[LogRun]) -> None:
    with tempfile.TemporaryDirectory() as logdir:
        for number, run in enumerate(logs):
            write_run(Path(logdir, f"run{number}"), run)
        check(logdir, "rustboard")


RULES: tuple[Restarts, ...] = get_args(Restarts)


@given(runs(), st.sampled_from(RULES))
@settings(max_examples=80, deadline=None)
def test_a_selection_shows_the_same_points(run: LogRun, rule: Restarts) -> None:
    """Also where what makes them void is not in it."""
    with tempfile.TemporaryDirectory() as logdir:
        write_run(Path(logdir), run)
        whole = all_shown(tbio.open(logdir, restarts=rule))["."]
        part = tbio.open(logdir, tags=["a", "t"], steps=slice(1, 5), restarts=rule)
        expected: Shown = {}
        for plugin, tags in whole.items():
            for tag in tags.keys() & {"a", "t"}:
                if points := [point for point in tags[tag] if 1 <= point.step < 5]:
                    expected.setdefault(plugin, {})[tag] = points
        assert all_shown(part)["."] == expected


@given(runs(), st.sampled_from(RULES), st.sampled_from(RULES))
@settings(max_examples=80, deadline=None)
def test_rules_may_change_after_reading(run: LogRun, first: Restarts, second: Restarts) -> None:
    with tempfile.TemporaryDirectory() as logdir:
        write_run(Path(logdir), run)
        logs = tbio.open(logdir, restarts=first)
        before = all_shown(logs)
        assert all_shown(logs.with_rules(restarts=second)) == all_shown(
            tbio.open(logdir, restarts=second)
        )
        assert all_shown(logs) == before


@dataclass(frozen=True)
class Case:
    """A log and the steps of each tag that are shown of it.

    Attributes:
        run: its files, or the events of its only one.
    """

    run: LogRun | tuple[Event, ...]
    tensorboard: dict[str, list[int]]
    rustboard: dict[str, list[int]]


def a(*steps: int) -> tuple[Event, ...]:
    """Points of the tag a."""
    return tuple(summary(step, "a") for step in steps)


OLD_FORMS, TENSORS = ("h", "i"), ("h", "i", "t")
CASES = {
    "steps that go back are no restart with version 2": Case(
        (version(), *a(0, 1, 2, 1, 2, 3)),
        {"a": [0, 1, 2, 1, 2, 3]},
        {"a": [0, 1, 2, 3]},
    ),
    "steps that go back are one without a version": Case(
        a(0, 1, 2, 3, 1, 2),
        {"a": [0, 1, 2]},
        {"a": [0, 1, 2]},
    ),
    "steps that repeat are none": Case(
        a(0, 0, 1, 1, 1, 2),
        {"a": [0, 0, 1, 1, 1, 2]},
        {"a": [0, 1, 2]},
    ),
    "negative steps": Case(
        a(-5, -3, -4, 0),
        {"a": [-5, -4, 0]},
        {"a": [-5, -4, 0]},
    ),
    "the first START opens the run": Case(
        (version(), *a(0, 1, 2), start(1), *a(1)),
        {"a": [0, 1, 2, 1]},
        {"a": [0, 1]},
    ),
    "a later START purges all tags, whatever their form": Case(
        (
            *(version(), start(0)),
            *(summary(step, "a", "b", "h", "i") for step in range(4)),
            *(summary(step, "t", form="tensor") for step in range(4)),
            *(start(2), *a(2)),
        ),
        {"a": [0, 1, 2], "b": [0, 1], "h": [0, 1], "i": [0, 1], "t": [0, 1]},
        {"a": [0, 1, 2], **{tag: [0, 1, 2, 3] for tag in "bhit"}},
    ),
    "other session logs do not": Case(
        (
            *(version(), start(0), *a(0, 1)),
            *(Event(0, "session_log", "STOP"), Event(0, "session_log", "CHECKPOINT")),
        ),
        {"a": [0, 1]},
        {"a": [0, 1]},
    ),
    "START says nothing without a version, and does not count as the first": Case(
        (start(0), start(0), *a(0, 1), start(0), version(), start(0), *a(2)),
        {"a": [0, 1, 2]},
        {"a": [0, 1, 2]},
    ),
    "the version may change midway": Case(
        (
            *(version("brain.Event:1"), *a(0, 1, 2, 1)),
            *(version(), *a(0)),
            *(version("brain.Event:1"), *a(0)),
        ),
        {"a": [0, 1, 0, 0]},
        {"a": [0]},
    ),
    "a version that is no number is none": Case(
        (version("brain.Event:two"), *a(0, 1, 0)),
        {"a": [0]},
        {"a": [0]},
    ),
    "a version may come without its prefix": Case(
        (version("2"), *a(0, 1, 0)),
        {"a": [0, 1, 0]},
        {"a": [0]},
    ),
    "without a version, what went back is told by all tags together": Case(
        # b has no 3 or later behind a's 5; a's 4 is after b's 3.
        (*(summary(4, "b"), summary(5, "a")), *(summary(3, "b"), summary(4, "a"))),
        {"a": [5, 4], "b": [3]},
        {"a": [4], "b": [3]},
    ),
    "an empty summary has a step too": Case(
        (*a(5), summary(1), *a(3)),
        {"a": [5, 3]},
        {"a": [3]},
    ),
    "so have a graph and run metadata": Case(
        (*a(5), Event(1, "graph_def"), *a(3), Event(0, "tagged_run_metadata", "r"), *a(2)),
        {"a": [5, 3, 2], "__run_graph__": [1], "r": [0]},
        {"a": [2], "__run_graph__": [1], "r": [0]},
    ),
    "but not a meta graph, a session log or a log message": Case(
        (*a(5), Event(0, "meta_graph_def"), start(0), Event(0, "log_message"), *a(3)),
        {"a": [3]},
        {"a": [3]},
    ),
    "graphs are purged like any tag": Case(
        (Event(0, "graph_def"), Event(2, "graph_def"), Event(1, "graph_def")),
        {"__run_graph__": [0, 1]},
        {"__run_graph__": [0, 1]},
    ),
    "a value that holds nothing purges": Case(
        (*a(0, 1, 2), summary(1, "a", form="nothing")),
        {"a": [0]},
        {"a": [0]},
    ),
    "several values of a tag in one event": Case(
        (*a(0), summary(1, "a", "b", "a")),
        {"a": [0, 1, 1], "b": [1]},
        {"a": [0, 1], "b": [1]},
    ),
    "one of them holds nothing": Case(
        (
            *a(0),
            Event(1, "summary", (Value("a", "nothing"), Value("a"))),
            Event(2, "summary", (Value("a"), Value("a", "nothing"))),
        ),
        {"a": [0, 1, 2]},
        {"a": [0, 1]},
    ),
    "every kind goes back by itself": Case(
        (
            *(summary(step, *OLD_FORMS) for step in (0, 1, 2, 1)),
            *(summary(step, *TENSORS, form="tensor") for step in (1, 4, 3)),
        ),
        {"h": [0, 1, 1, 3], "i": [0, 1, 1, 3], "t": [1, 3]},
        {"h": [0, 1, 3], "i": [0, 1, 3], "t": [1, 3]},
    ),
    "files follow each other by name": Case(
        {
            "events.out.tfevents.9": a(2, 3),
            "events.out.tfevents.10": a(3, 4),
            "events.out.tfevents.8": a(0, 1, 2),
        },
        # 10: 3, 4; then 8: 0, 1, 2; then 9: 2, 3
        {"a": [0, 1, 2, 2, 3]},
        {"a": [0, 1, 2, 3]},
    ),
    "files with version 2 and no START only overlap": Case(
        {
            "events.out.tfevents.1": (version(), *a(0, 1, 2, 3)),
            "events.out.tfevents.2": (version(), *a(2, 3, 4)),
        },
        {"a": [0, 1, 2, 3, 2, 3, 4]},
        {"a": [0, 1, 2, 3, 4]},
    ),
    "a file without a version has that of the file before": Case(
        {
            "events.out.tfevents.1": (version(), start(0), *a(0, 1, 2, 3)),
            "events.out.tfevents.2": (start(2), *a(3, 2)),
        },
        {"a": [0, 1, 3, 2]},
        {"a": [0, 1, 2]},
    ),
    "what restarted writers of torch leave": Case(
        # No START in the first file, since purge_step was not given there: nothing is purged.
        {
            "events.out.tfevents.1": (version(), *a(0, 1, 2, 3)),
            "events.out.tfevents.2": (version(), version(step=2), start(2), summary(2, "b")),
        },
        {"a": [0, 1, 2, 3], "b": [2]},
        {"a": [0, 1, 2, 3], "b": [2]},
    ),
    "an infinite wall time": Case(
        (
            *(*a(0, 1, 2), summary(0, "a", wall_time=math.inf)),
            *(summary(1, "b", wall_time=-math.inf), summary(3, "a")),
        ),
        {"a": [0, 3], "b": [1]},
        {"a": [0, 1, 2, 3]},
    ),
    "a wall time that is no number": Case(
        {
            "events.out.tfevents.1": (*a(0, 1), summary(2, "a", wall_time=math.nan), *a(3)),
            "events.out.tfevents.2": a(4),
        },
        {"a": [0, 1, 2, 3, 4]},
        {"a": [0, 1, 4]},
    ),
}


@pytest.mark.parametrize("rule", list(TRUTH))
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, rule: Rule, tmp_path: Path) -> None:
    case, logdir = CASES[name], os.fspath(tmp_path)
    write_run(tmp_path, case.run if isinstance(case.run, dict) else one_file(*case.run))
    expected: dict[str, list[int]] = getattr(case, rule)
    truth = TRUTH[rule](logdir)
    assert steps_by_tag(truth) == expected
    graphs = steps_by_tag({run: _without_series(shown) for run, shown in truth.items()})
    assert steps_by_tag(by_tbio(logdir, rule)) | graphs == expected
    assert counted_by_tbio(logdir, rule) == counted(truth)


def steps_by_tag(shown: dict[str, Shown]) -> dict[str, list[int]]:
    return {
        tag: [point.step for point in points]
        for tags in shown.get(".", {}).values()
        for tag, points in tags.items()
    }


def _without_series(shown: Shown) -> Shown:
    return {plugin: tags for plugin, tags in shown.items() if plugin not in SERIES}
