"""Reduction: against NumPy by hand, against tensorboard-reducer, and read by TensorBoard."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorboard_readers
from tensorboardX import SummaryWriter as OtherWriter

import tbio
from tbio import EventFileWriter, SummaryWriter
from tbio.errors import NotFoundError
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event

NAN = math.nan
Points = Sequence[tuple[int, float]]


def write(folder: Path, runs: Mapping[str, Mapping[str, Points]], begin: float = 1000.0) -> Path:
    """Runs with these points; each run takes a second a point."""
    for run, tags in runs.items():
        with EventFileWriter(folder / run) as writer:
            for tag, points in tags.items():
                for at, (step, value) in enumerate(points):
                    event = Event(step=step, wall_time=begin + at)
                    event.summary.value.append(scalar.encode(tag, value))
                    writer.add_event(event)
        begin += 100
    return folder


def points(*values: float, steps: Sequence[int] | None = None) -> Points:
    return list(zip(steps or range(len(values)), values, strict=True))


@pytest.fixture
def seeds(tmp_path: Path) -> tbio.LogDir:
    """Two seeds of one experiment and one of another; a tag that only one of them has."""
    return tbio.open(
        write(
            tmp_path / "logs",
            {
                "a/seed0": {"loss": points(4, 2, 1), "only": points(5)},
                "a/seed1": {"loss": points(2, 4)},
                "b/seed0": {"loss": points(8, 8, 8)},
            },
        )
    )


def rows(reduction: tbio.Reduction, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in reduction.table]


# ------------------------------------------------------------------ by hand


def test_groups_by_folder_and_runs_of_different_lengths(seeds: tbio.LogDir) -> None:
    reduction = tbio.reduce(seeds, ["mean", "std", "max", "count"])
    assert reduction.groups == {"a": ("a/seed0", "a/seed1"), "b": ("b/seed0",)}
    names = ["group", "tag", "step", "relative_time", "count", "mean", "std", "max"]
    assert list(reduction.table.columns) == names
    expected = [
        ("a", "loss", 0, 0, 2, 3, math.sqrt(2), 4),
        ("a", "loss", 1, 1, 2, 3, math.sqrt(2), 4),
        ("a", "loss", 2, 2, 1, 1, NAN, 1),
        ("a", "only", 0, 0, 1, 5, NAN, 5),
        ("b", "loss", 0, 0, 1, 8, NAN, 8),
        ("b", "loss", 1, 1, 1, 8, NAN, 8),
        ("b", "loss", 2, 2, 1, 8, NAN, 8),
    ]
    found = rows(reduction, *names)
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    numbers = [row[3:] for row in expected]
    np.testing.assert_allclose([row[3:] for row in found], numbers, rtol=1e-15)
    assert reduction.table["count"].dtype == reduction.table["step"].dtype == np.int64
    assert [one.runs for one in reduction.series] == [
        ("a/seed0", "a/seed1"),
        ("a/seed0",),
        ("b/seed0",),
    ]


def test_min_runs(seeds: tbio.LogDir) -> None:
    two = tbio.reduce(seeds, "mean", min_runs=2)
    assert rows(two, "group", "tag", "step") == [("a", "loss", 0), ("a", "loss", 1)]
    every = tbio.reduce(seeds, "mean", min_runs="all")
    steps = [(row[0], row[2]) for row in rows(every, "group", "tag", "step") if row[1] == "loss"]
    assert steps == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2)]
    assert len(tbio.reduce(seeds, "mean", min_runs=3)) == 0


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        ("all", {"all": ("a/seed0", "a/seed1", "b/seed0")}),
        (re.compile(r"^(\w)/"), {"a": ("a/seed0", "a/seed1"), "b": ("b/seed0",)}),
        (re.compile(r"(seed\d)"), {"seed0": ("a/seed0", "b/seed0"), "seed1": ("a/seed1",)}),
        (re.compile(r"(a)/seed(1)"), {"a 1": ("a/seed1",)}),
        ({"mine": "a/*"}, {"mine": ("a/seed0", "a/seed1")}),
        (["*0", "b/*"], {"*0": ("a/seed0", "b/seed0"), "b/*": ("b/seed0",)}),
        (lambda run: run[-1] if run > "a/seed0" else None, {"1": ("a/seed1",), "0": ("b/seed0",)}),
    ],
)
def test_groups(seeds: tbio.LogDir, group: Any, expected: dict[str, tuple[str, ...]]) -> None:
    reduction = tbio.reduce(seeds, "mean", group=group)
    assert reduction.groups == expected
    assert {one.group for one in reduction.series} == set(expected)
    members = {run for runs in expected.values() for run in runs}
    assert reduction.ungrouped == tuple(run for run in seeds if run not in members)


def test_hparams_and_what_is_below_or_joined_to_a_session(tmp_path: Path) -> None:
    for seed, rate in enumerate((0.1, 0.1, 0.01)):
        with SummaryWriter(tmp_path / f"{seed}") as writer:
            writer.set_hparams({"lr": rate, "depth": 32})
            writer.add_scalar("loss", seed, 0)
        write(tmp_path, {f"{seed}/validation": {"loss": points(seed + 10)}})
        # as torch's add_hparams: a run of its own, below
        write(tmp_path, {f"torch{seed}": {"loss": points(seed + 100)}})
        with OtherWriter(str(tmp_path / f"torch{seed}")) as other:
            other.add_hparams({"lr": rate}, {"loss": 55.0}, name=f"17000000{seed}0.125")
    write(tmp_path, {"other": {"loss": points(1)}})
    reduction = tbio.reduce(tbio.open(tmp_path), "mean", hparams=["lr"])
    assert reduction.groups == {
        "lr=0.1": ("0", "1", "torch0", "torch1"),
        "lr=0.1/validation": ("0/validation", "1/validation"),
        "lr=0.01": ("2", "torch2"),
        "lr=0.01/validation": ("2/validation",),
    }
    assert rows(reduction, "group", "count", "mean") == [
        ("lr=0.1", 4, 50.5),
        ("lr=0.1/validation", 2, 10.5),
        ("lr=0.01", 2, 52.0),
        ("lr=0.01/validation", 1, 12.0),
    ]
    assert set(reduction.ungrouped) == {
        "other",
        *(f"torch{at}/17000000{at}0.125" for at in range(3)),
    }
    both = tbio.reduce(tbio.open(tmp_path, runs=["?", "torch*"]), hparams=["depth", "lr"])
    assert set(both.groups) == {
        "depth=32,lr=0.1",
        "depth=32,lr=0.01",
        "depth=none,lr=0.1",
        "depth=none,lr=0.01",
    }
    with pytest.raises(NotFoundError, match="no name 'lrr' in the hyperparameters; nearest: 'lr'"):
        tbio.reduce(tbio.open(tmp_path), hparams=["lrr"])
    with pytest.raises(ValueError, match="no run has hyperparameters"):
        tbio.reduce(tbio.open(tmp_path, runs="other"), hparams=["lr"])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(0, 1, 0.0), (5, 1, 1.5), (10, 2, 2.0), (15, 1, 5.0)]),
        # At 5 the other run is between 0 and 2.
        ({"align": "interpolate"}, [(0, 1, 0.0), (5, 2, 1.25), (10, 2, 2.0), (15, 1, 5.0)]),
        # From 10 on one run has 2, the other one 2 and 5.
        ({"align": "bin", "width": 10}, [(0, 2, 0.75), (10, 2, 2.75)]),
    ],
)
def test_steps_that_differ(tmp_path: Path, options: Any, expected: list[tuple[Any, ...]]) -> None:
    logs = {
        "0": {"x": points(0, 2, steps=[0, 10])},
        "1": {"x": points(1.5, 2, 5, steps=[5, 10, 15])},
    }
    found = tbio.reduce(tbio.open(write(tmp_path, logs)), "mean", **options)
    assert rows(found, "step", "count", "mean") == expected


def test_duplicates_and_restarts(tmp_path: Path) -> None:
    for run, late in (("0", 30.0), ("1", 50.0)):
        write(tmp_path, {run: {"x": [(0, 1), (1, 2), (1, 4), (2, 9)]}})
        with SummaryWriter(tmp_path / run, purge_step=2) as writer:
            writer.add_scalar("x", late, 3)
    resumed = tbio.reduce(tbio.open(tmp_path), "mean")  # step 2 was made void
    assert rows(resumed, "step", "mean") == [(0, 1), (1, 4), (3, 40)]
    assert resumed.duplicates == 2
    kept = tbio.reduce(tbio.open(tmp_path, restarts="keep", duplicates="mean"), "mean")
    assert rows(kept, "step", "mean") == [(0, 1), (1, 3), (2, 9), (3, 40)]
    assert kept.duplicates == 0
    first = tbio.reduce(tbio.open(tmp_path, duplicates="first"), "mean")
    assert rows(first, "step", "mean")[1] == (1, 2)


def test_nan(tmp_path: Path) -> None:
    logs = tbio.open(
        write(
            tmp_path,
            {"0": {"x": points(1, NAN, NAN)}, "1": {"x": points(3, 4, NAN)}},
        )
    )
    omitted = tbio.reduce(logs, ["mean", "max"])
    assert rows(omitted, "step", "count", "mean", "max") == [(0, 2, 2, 3), (1, 1, 4, 4)]
    spread = tbio.reduce(logs, ["mean", "max"], nan="propagate")
    assert rows(spread, "step", "count") == [(0, 2), (1, 2), (2, 2)]
    np.testing.assert_array_equal(spread.table["mean"], [2, NAN, NAN])
    np.testing.assert_array_equal(spread.table["relative_time"], [0, 1, 2])


def test_an_interval_has_two_columns(seeds: tbio.LogDir) -> None:
    reduction = tbio.reduce(seeds, [], interval="median", level=0.5, resamples=100, seed=7)
    assert list(reduction.table.columns)[5:] == ["median_low", "median_high"]
    one = reduction.series[0]
    low, high = one.aligned.interval("median", level=0.5, resamples=100, seed=7)
    np.testing.assert_array_equal(one.columns["median_low"], low)
    np.testing.assert_array_equal(one.columns["median_high"], high)
    assert low[0] < high[0]


def test_the_ways_out(seeds: tbio.LogDir) -> None:
    reduction = tbio.reduce(seeds, "mean")
    frame = reduction.to_pandas()
    assert frame["mean"].tolist() == [3, 3, 1, 5, 8, 8, 8]
    assert reduction.to_polars()["group"].to_list() == frame["group"].tolist()
    assert reduction.to_arrow().column("count").to_pylist() == [2, 2, 1, 1, 1, 1, 1]
    assert repr(reduction).startswith("<Reduction: 7 rows, 2 groups of 3 runs>\ngroup  tag")
    assert repr(reduction.series[0]) == "<ReducedSeries 'loss' of group 'a': 3 steps of 2 runs>"


def test_no_scalars(tmp_path: Path) -> None:
    logs = tbio.open(write(tmp_path, {"0": {}}))
    reduction = tbio.reduce(logs)
    assert len(reduction) == len(reduction.table) == 0
    assert list(reduction.table.columns)[:5] == ["group", "tag", "step", "relative_time", "count"]
    with pytest.raises(ValueError, match="there are no scalars to write"):
        reduction.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"statistics": ["mean", "mode"]}, "statistics: want some of mean, .*got 'mode'"),
        ({"statistics": []}, "statistics: want at least one"),
        ({"min_runs": 0}, 'min_runs: want a number from 1 or "all", got 0'),
        ({"nan": "drop"}, "nan: want one of omit, propagate, got 'drop'"),
        ({"interval": "max"}, "interval: want one of"),
        ({"align": "snap"}, "align: want one of"),
        ({"width": 5}, "width: .*has none"),
        ({"group": "seed"}, 'group: want "folder", "all", a compiled regex'),
        ({"group": re.compile("q")}, "no run belongs to a group"),
        ({"group": "all", "hparams": ["lr"]}, "want either group or hparams"),
        ({"hparams": "lr"}, "hparams: want a list of at least one name, got 'lr'"),
    ],
)
def test_wrong_arguments(seeds: tbio.LogDir, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tbio.reduce(seeds, **arguments)


def test_a_group_of_another_form(seeds: tbio.LogDir) -> None:
    with pytest.raises(TypeError, match=r"group: want .*got 3"):
        tbio.reduce(seeds, group=3)  # type: ignore[arg-type]


# ------------------------------------------------------------------ event files


def test_event_files_that_tensorboard_shows(seeds: tbio.LogDir, tmp_path: Path) -> None:
    out = tmp_path / "out"
    runs = tbio.reduce(seeds, ["mean", "std", "max"], group="all").write(out)
    assert runs == [f"all/{name}" for name in ("mean", "std", "max", "mean+std", "mean-std")]
    mean, deviation = np.float32(14 / 3), np.float32(np.std([4, 2, 8], ddof=1))
    for read in (tensorboard_readers.by_plugin_accumulator, tensorboard_readers.by_rustboard):
        shown = {run: plugins["scalars"] for run, plugins in read(out).items()}
        assert set(shown) == set(runs)
        # Each run took a second a step; the first of them began at 1000.
        assert shown["all/mean"] == {
            "loss": [(0, 1000.0, mean), (1, 1001.0, mean), (2, 1002.0, 4.5)],
            "only": [(0, 1000.0, 5.0)],
        }
        assert set(shown["all/std"]) == {"loss"}  # of a single value nothing is known
        assert shown["all/std"]["loss"][0].value == deviation
        assert [point.value for point in shown["all/max"]["loss"]] == [8, 8, 8]
        upper, lower = (shown[f"all/mean{sign}std"]["loss"][0].value for sign in "+-")
        assert upper == pytest.approx(mean + deviation)
        assert lower == pytest.approx(mean - deviation)


def test_statistics_as_tags(seeds: tbio.LogDir, tmp_path: Path) -> None:
    runs = tbio.reduce(seeds, ["mean", "std", "count"]).write(tmp_path / "out", layout="tags")
    assert runs == ["a", "b"]
    written = tbio.open(tmp_path / "out")
    assert {run: list(one.scalars) for run, one in written.items()} == {
        "a": ["loss/count", "loss/mean", "loss/std", "only/count", "only/mean"],
        "b": ["loss/count", "loss/mean"],
    }
    assert written["a"].scalars["loss/count"].values.tolist() == [2, 2, 1]
    with pytest.raises(ValueError, match="layout: want one of runs, tags"):
        tbio.reduce(seeds).write(tmp_path / "more", layout="files")  # type: ignore[arg-type]


def test_runs_of_the_log_folder_itself(tmp_path: Path) -> None:
    logs = write(tmp_path / "logs", {"0": {"x": points(1)}, "1": {"x": points(3)}})
    assert tbio.reduce(tbio.open(logs), "mean").write(tmp_path / "out") == ["mean"]
    assert tbio.open(tmp_path / "out")["mean"].scalars["x"].values.tolist() == [2]


# ------------------------------------------------------------------ tensorboard-reducer


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples that tensorboard-reducer comes with, by its recipe: tests/runs/ of its sources.

    "strict" has equal tags and steps, "lax" differing tags and lengths, "duplicate_steps" ten steps
    that each run has twice; three runs of each, of random numbers.
    """
    folder = tmp_path_factory.mktemp("examples")
    random = np.random.default_rng(0).random
    for run in (1, 2, 3):
        kinds = {
            "strict": [("strict/foo", 5 * step) for step in range(100)],
            "lax": [
                (tag, step)
                for step in range(100 + run * 10)
                for tag in ("lax/foo", f"lax/bar_{run}", f"lax/bar_{run + 1}")
            ],
            "duplicate_steps": [
                (tag, step)
                for step in [*range(100), *range(90, 200)]
                for tag in ("dup_steps/foo", "dup_steps/bar")
            ],
        }
        for kind, values in kinds.items():
            with OtherWriter(str(folder / kind / f"run_{run}")) as writer:
                for tag, step in values:
                    writer.add_scalar(tag, random() + run, step)
    return folder


def reduced_by_theirs(folder: Path, **options: Any) -> dict[str, dict[str, Any]]:
    theirs = pytest.importorskip("tensorboard_reducer")  # it wants Python 3.11
    events = theirs.load_tb_events(sorted(map(str, folder.glob("run_*"))), **options)
    found: dict[str, dict[str, Any]] = theirs.reduce_events(events, STATISTICS)
    return found


STATISTICS = ["mean", "median", "std", "min", "max"]


@pytest.mark.parametrize(
    ("kind", "ours", "mine", "theirs"),
    [
        ("strict", {}, {}, {}),
        ("lax", {}, {"min_runs": "all"}, {"strict_tags": False, "strict_steps": False}),
        *(
            (
                "lax",
                {},
                {"min_runs": count},
                {"strict_tags": False, "strict_steps": False, "min_runs_per_step": count},
            )
            for count in (1, 2, 3, 4)
        ),
        ("duplicate_steps", {}, {}, {"handle_dup_steps": "keep-last"}),
        ("duplicate_steps", {"duplicates": "first"}, {}, {"handle_dup_steps": "keep-first"}),
        ("duplicate_steps", {"duplicates": "mean"}, {}, {"handle_dup_steps": "mean"}),
    ],
)
def test_against_tensorboard_reducer(
    examples: Path, kind: str, ours: Any, mine: Any, theirs: dict[str, Any]
) -> None:
    reduction = tbio.reduce(tbio.open(examples / kind, **ours), STATISTICS, **mine)  # type: ignore[arg-type]
    expected = reduced_by_theirs(examples / kind, **theirs)
    found = {one.tag: one for one in reduction.series}
    assert set(found) == {tag for tag, values in expected["mean"].items() if len(values)}
    for statistic, tags in expected.items():
        for tag, values in tags.items():
            if tag in found:
                one = found[tag]
                assert one.steps.tolist() == values.index.tolist()
                # Theirs take the mean of duplicates and of runs in another order.
                np.testing.assert_allclose(one.columns[statistic], values.to_numpy(), rtol=1e-6)


@pytest.mark.full
def test_event_files_as_tensorboard_reducer_writes_them(examples: Path, tmp_path: Path) -> None:
    theirs = pytest.importorskip("tensorboard_reducer")
    theirs.write_tb_events(reduced_by_theirs(examples / "strict"), str(tmp_path / "theirs"))
    logs = tbio.open(examples / "strict")
    tbio.reduce(logs, ["mean", "median", "std", "min", "max"]).write(tmp_path / "mine")
    mine = tbio.open(tmp_path / "mine")
    names = {path.name.removeprefix("theirs-") for path in tmp_path.glob("theirs-*")}
    assert names == {"mean", "median", "min", "max", "mean+std", "mean-std"}
    for name in names:
        expected = tbio.open(tmp_path / f"theirs-{name}")["."].scalars["strict/foo"]
        found = mine[name].scalars["strict/foo"]
        assert found.steps.tolist() == expected.steps.tolist()
        np.testing.assert_allclose(found.values, expected.values, rtol=1e-6)
