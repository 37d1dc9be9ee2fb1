"""Sessions: what TensorBoard's own hparams plugin makes of the same logs, and what goes beyond."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import series
from tensorboard import context
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.plugins import base_plugin
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

import tbio
from tbio import EventFileWriter, ScalarSeries, read_events
from tbio.errors import DecodeError, TbioError, TbioWarning
from tbio.kinds import hparams, scalar
from tbio.kinds.hparams import Experiment, RunHParams, SessionEnd, SessionStart
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.sessions import RunLike, sessions


@dataclass
class FakeRun:
    """A run that is what it was told to be."""

    hparams: RunHParams | None = None
    scalars: Mapping[str, ScalarSeries] = field(default_factory=dict)
    first_time: float | None = None
    last_time: float | None = None


def started(values: dict[str, Any] | None = None, **more: Any) -> RunHParams:
    return RunHParams(SessionStart(values or {}, **more))


#: What torch and tensorboardX write: all three at once.
def added(values: dict[str, Any]) -> RunHParams:
    return RunHParams(SessionStart(values), SessionEnd("success"), Experiment())


def run(info: RunHParams | None = None, **scalars: Any) -> FakeRun:
    """A run with these scalars at steps 0, 1, ...; from 100 s to 200 s."""
    return FakeRun(
        info, {tag: series(values, tag=tag) for tag, values in scalars.items()}, 100, 200
    )


# ------------------------------------------------------------------ against TensorBoard


def read_runs(folder: Path) -> dict[str, RunLike]:
    """The runs below a folder, straight from their events."""
    found: dict[str, RunLike] = {}
    for place in sorted({path.parent for path in folder.rglob("*tfevents*")}):
        metadata: dict[str, SummaryMetadata] = {}
        points: dict[str, list[tuple[int, float, float]]] = {}
        times = []
        for path in sorted(place.glob("*tfevents*")):
            for event in read_events(path):
                times.append(event.wall_time)
                for value in event.summary.value:
                    if value.HasField("metadata"):
                        metadata.setdefault(value.tag, value.metadata)
                    plugin = metadata.get(value.tag, SummaryMetadata()).plugin_data.plugin_name
                    if plugin == "scalars" or value.WhichOneof("value") == "simple_value":
                        number, _ = scalar.decode(value)
                        points.setdefault(value.tag, []).append(
                            (event.step, event.wall_time, number)
                        )
        scalars = {
            tag: series(
                np.array([number for *_, number in some], np.float32),
                tag=tag,
                steps=[step for step, *_ in some],
            )
            for tag, some in points.items()
        }
        name = place.relative_to(folder).as_posix()
        found[name] = FakeRun(hparams.of_run(metadata), scalars, min(times), max(times))
    return found


def tensorboards_sessions(folder: Path, listed: bool) -> dict[str, dict[str, Any]]:
    """Session -> group, status, hparams, metrics, as TensorBoard's own plugin finds them.

    Args:
        listed: only the metrics that an experiment lists, as its page does; otherwise all that it
            finds where there is no experiment.
    """
    multiplexer = plugin_event_multiplexer.EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = data_provider.MultiplexerDataProvider(multiplexer, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    ctx = context.RequestContext()
    if not listed:
        backend._find_experiment_tag = lambda *_: None
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=1000, allowed_statuses=[0, 1, 2, 3]
    )
    answer = list_session_groups.Handler(ctx, backend, "", request).run()
    return {
        session.name: {
            "group": group.name,
            "status": api_pb2.Status.Name(session.status),
            "start_time": session.start_time_secs,
            "end_time": session.end_time_secs,
            "hparams": {
                name: getattr(value, value.WhichOneof("kind"))
                for name, value in group.hparams.items()
            },
            "metrics": {
                "/".join(filter(None, (metric.name.group, metric.name.tag))): (
                    metric.value,
                    metric.training_step,
                )
                for metric in session.metric_values
            },
        }
        for group in answer.session_groups
        for session in group.sessions
    }


def check_against_tensorboard(folder: Path) -> dict[str, dict[str, Any]]:
    table = sessions(read_runs(folder))
    mine = {row["session"]: row for row in table}
    metrics = {name.removesuffix(".last") for name in table.columns if name.endswith(".last")}
    everything = tensorboards_sessions(folder, listed=False)
    assert set(mine) == set(everything)
    assert metrics == {name for one in everything.values() for name in one["metrics"]}
    values = set(table.columns) - {
        f"{name}.{statistic}{what}"
        for name in metrics
        for statistic in ("last", "best", "min", "max")
        for what in ("", "_step")
    }
    for listed in (everything, tensorboards_sessions(folder, listed=True)):
        for name, theirs in listed.items():
            row = mine[name]
            assert (row["group"] or name) == theirs["group"]
            assert f"STATUS_{row['status'].upper()}" == theirs["status"]
            if theirs["start_time"]:
                assert row["start_time"] == theirs["start_time"]
            if theirs["end_time"]:
                assert row["end_time"] == theirs["end_time"]
            fixed = ("run", "session", "group", "status", "start_time", "end_time", "duration")
            assert theirs["hparams"] == {
                column: row[column]
                for column in values - set(fixed)
                if row[column] is not None and row[column] == row[column]
            }
            for metric, (value, step) in theirs["metrics"].items():
                np.testing.assert_equal(row[f"{metric}.last"], value)
                assert row[f"{metric}.last_step"] == step
    for name, theirs in everything.items():
        missing = {metric for metric in metrics if mine[name][f"{metric}.last"] is None}
        assert metrics - missing == set(theirs["metrics"])
    return mine


FOLDERS = {
    "peers/torch/hparams": 2,
    "peers/tensorboardX/hparams": 2,
    "peers/tensorflow/v2_hparams": 4,
    "peers/frameworks/lightning": 2,
    "real/Alwaysproblem+tensorboard-review/log/text_hp": 1,
    "real/Alwaysproblem+tensorboard-review/logs": 4,
    "real/PacktPublishing+Deep-Learning-with-PyTorch-Lightning/Chapter09": 2,
    "real/AllenCell+aics-ml-segmentation": 2,
    "real/unit8co+darts/examples": 1,
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_as_tensorboard_finds_them(corpus: Path, folder: str) -> None:
    assert len(check_against_tensorboard(corpus / folder)) == FOLDERS[folder]


@pytest.mark.parametrize("folder", FOLDERS)
def test_of_a_log_folder(corpus: Path, folder: str) -> None:
    """The runs of `tbio.open` are what is wanted of a run, and give the same."""
    mine, theirs = tbio.open(corpus / folder).hparams(), sessions(read_runs(corpus / folder))
    assert list(mine.columns) == list(theirs.columns)
    for mine_row, their_row in zip(mine, theirs, strict=True):
        np.testing.assert_equal(mine_row, their_row)


def test_keras_in_a_tree(corpus: Path) -> None:
    folder = corpus / "real/Alwaysproblem+tensorboard-review/log/text_hp"
    (row,) = sessions(read_runs(folder))
    assert row["run"] == row["session"] == "hparam_tuning/run-0"
    assert row["optimizers"] == "RMSprop"
    assert row["status"] == "success"
    assert 0 < row["duration"] < 60
    assert row["train/epoch_loss.best"] == row["train/epoch_loss.min"]
    assert row["validation/epoch_loss.last_step"] == row["train/epoch_loss.last_step"]
    # Opened further down, the session is that of the log folder itself: TensorBoard has none of
    # the metrics then.
    (inside,) = sessions(read_runs(folder / "hparam_tuning/run-0"))
    assert inside["run"] == "."
    assert inside.keys() == row.keys()
    assert {**inside, "run": row["run"], "session": row["session"]} == row


def test_lightnings_placeholder_is_a_metric_like_any_other(corpus: Path) -> None:
    table = sessions(read_runs(corpus / "peers/frameworks/lightning"))
    assert table["hp_metric.last"].tolist() == [-1.0, -1.0]
    assert table["hp_metric.best"].tolist() == [None, None]  # its name does not tell
    assert table["hp_metric.best"].dtype == np.float64


def write_run(folder: Path, info: list[Summary.Value], scalars: Mapping[str, list[float]]) -> None:
    with EventFileWriter(folder) as writer:
        for value in info:
            writer.add_event(Event(wall_time=1.0, summary=Summary(value=[value])))
        for tag, numbers in scalars.items():
            for step, number in enumerate(numbers):
                value = scalar.encode(tag, number)
                writer.add_event(Event(wall_time=2.0 + step, step=step, summary={"value": [value]}))


def test_trees_of_sessions_as_tensorboard_finds_them(tmp_path: Path) -> None:
    """Sessions within sessions, groups, runs that belong to none, values of mixed types."""
    nan = math.nan
    tree: dict[str, tuple[dict[str, Any] | None, dict[str, list[float]]]] = {
        "a": ({"lr": 0.5, "x": True, "nan": nan}, {"loss": [3, 1, 2], "deep/loss": [7.0]}),
        "a/train": (None, {"loss": [nan, 5], "acc": [0.5]}),
        "a/train/fold": (None, {"loss": [9]}),
        "a/inner": ({"lr": 1}, {"loss": [4]}),
        "a/inner/eval": (None, {"loss": [6]}),
        "ab": (None, {"loss": [1.0]}),  # begins like a session, and is none
        "b": ({"opt": "sgd", "x": "no"}, {"loss": [nan]}),
        "c/d": ({"lr": 2.0, "x": 1.5}, {}),
        "none": (None, {"other": [1.0]}),
    }
    for name, (values, scalars) in tree.items():
        info = []
        if values is not None:
            group = "twice" if name in ("b", "c/d") else ""
            info = [hparams.encode_start(hparams.prepare(values), start_time=5, group_name=group)]
            if name == "b":
                info.append(hparams.encode_end("FAILURE", end_time=9))
        write_run(tmp_path / name, info, scalars)
    # A group has the hyperparameters of its first session: that is for another table.
    theirs = tensorboards_sessions(tmp_path, listed=False)
    table = sessions(read_runs(tmp_path))
    mine = {row["session"]: row for row in table}
    assert list(mine) == ["a", "a/inner", "b", "c/d"]
    assert theirs.keys() == mine.keys()
    for name, one in theirs.items():
        assert mine[name]["group"] == (None if name == one["group"] else one["group"])
        assert f"STATUS_{mine[name]['status'].upper()}" == one["status"]
        for metric, (value, step) in one["metrics"].items():
            np.testing.assert_equal(mine[name][f"{metric}.last"], value)
            assert mine[name][f"{metric}.last_step"] == step
    assert sum(len(one["metrics"]) for one in theirs.values()) == sum(
        mine[name][column] is not None
        for name in mine
        for column in table.columns
        if column.endswith(".last")
    )
    assert [one["x"] for one in table] == [True, None, "no", 1.5]
    assert [one["lr"] for one in table] == [0.5, 1.0, None, 2.0]
    a, b = mine["a"], mine["b"]
    assert (a["loss.min"], a["loss.min_step"], a["loss.max"], a["loss.max_step"]) == (1, 1, 3, 0)
    assert (a["loss.best"], a["loss.best_step"]) == (1.0, 1)
    assert math.isnan(a["nan"])
    assert a["train/fold/loss.last"] == 9
    assert (a["start_time"], a["duration"]) == (5, a["end_time"] - 5)
    assert (b["end_time"], b["duration"], b["group"]) == (9, 4, "twice")
    assert math.isnan(b["loss.last"])
    assert (b["loss.last_step"], b["loss.min"], b["loss.best"]) == (0, None, None)


# ------------------------------------------------------------------ torch's runs below a run


def test_a_single_session_below_its_parent_has_the_parents_scalars() -> None:
    parent = FakeRun(None, {"loss": series([3, 1, 2]), "acc": series([0.25])}, 50, 190)
    child = FakeRun(added({"lr": 0.1}), {"acc": series([0.75], steps=[0])}, 180, 181)
    runs = {"p": parent, "p/1700000000.1234567": child, "p/loss_eval": run(loss=[9])}
    (row,) = sessions(runs)
    assert (row["run"], row["session"]) == ("p", "p/1700000000.1234567")
    assert (row["start_time"], row["end_time"], row["duration"]) == (50, 200, 150)
    assert (row["loss.last"], row["loss.min"]) == (2, 1)
    assert row["acc.last"] == 0.75  # its own
    assert row["loss_eval/loss.last"] == 9
    assert (row["lr"], row["status"]) == (0.1, "success")


def test_of_several_nobody_can_tell_whose_the_parents_scalars_are() -> None:
    runs = {
        "p": run(loss=[3, 1]),
        "p/1700000000.1": run(added({"lr": 0.1}), acc=[0.5]),
        "p/1700000001.25": run(added({"lr": 0.2}), acc=[0.75]),
    }
    table = sessions(runs)
    assert table["run"].tolist() == ["p", "p"]
    assert table["session"].tolist() == ["p/1700000000.1", "p/1700000001.25"]
    assert table["acc.last"].tolist() == [0.5, 0.75]
    assert "loss.last" not in table.columns
    everything = sessions(runs, all_runs=True)
    assert everything["session"].tolist() == ["p", "p/1700000000.1", "p/1700000001.25"]
    assert everything["loss.last"].tolist() == [1, None, None]


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ({".": run(), "1700000000.1": run(added({}))}, [(".", "1700000000.1")]),
        ({"1700000000.1": run(added({}))}, [("1700000000.1", "1700000000.1")]),  # no parent
        ({"a": run(), "a/trial": run(added({}))}, [("a/trial", "a/trial")]),
        ({"a": run(), "a/17.5": run(added({}))}, [("a/17.5", "a/17.5")]),
        (  # a training in a folder of such a name
            {".": run(), "1700000000.1": run(started())},
            [("1700000000.1", "1700000000.1")],
        ),
        (  # the parent is a session itself
            {"a": run(started()), "a/1700000000.1": run(added({}))},
            [("a", "a"), ("a", "a/1700000000.1")],
        ),
    ],
    ids=["root", "alone", "named", "short", "training", "session above"],
)
def test_names_of_runs_and_sessions(runs: dict[str, RunLike], names: list[tuple[str, str]]) -> None:
    assert [(row["run"], row["session"]) for row in sessions(runs)] == names


def test_a_parent_that_is_a_session_keeps_its_scalars() -> None:
    runs = {"a": run(started(), loss=[1]), "a/1700000000.1": run(added({}), acc=[0.5])}
    first, second = sessions(runs)
    assert (first["loss.last"], first["acc.last"]) == (1, None)
    assert (second["loss.last"], second["acc.last"]) == (None, 0.5)


@pytest.mark.parametrize("peer", ["torch", "tensorboardX", "tbio"])
@pytest.mark.full
def test_what_the_peers_write_by_themselves(peer: str, tmp_path: Path) -> None:
    writer: Any
    more: dict[str, Any] = {}
    if peer == "torch":
        from torch.utils.tensorboard import SummaryWriter as TorchWriter

        writer = TorchWriter(str(tmp_path))
    elif peer == "tensorboardX":
        from tensorboardX import SummaryWriter as TensorboardXWriter

        writer = TensorboardXWriter(str(tmp_path))
    else:
        from tbio import SummaryWriter

        writer, more = SummaryWriter(str(tmp_path)), {"nested": True}
    for step in range(3):
        writer.add_scalar("loss", 3.0 - step, step, walltime=1000.0 + step)
    writer.add_hparams({"lr": 0.1, "opt": "adam"}, {"accuracy": 0.5}, **more)
    writer.close()
    runs = read_runs(tmp_path)
    (row,) = sessions(runs)
    assert row["run"] == "."
    assert set(runs) == {".", row["session"]}
    assert (row["lr"], row["opt"], row["status"]) == (0.1, "adam", "success")
    assert (row["loss.best"], row["loss.best_step"]) == (1.0, 2)
    assert (row["accuracy.last"], row["accuracy.last_step"]) == (0.5, 0)
    assert row["start_time"] == 1000.0
    assert row["duration"] > 0


# ------------------------------------------------------------------ the columns


def test_columns_in_order() -> None:
    runs = {"r": run(started({"b": 1.0, "a": "x"}), loss=[1.0], acc=[1.0]), "r/s": run(z=[1])}
    statistics = ["last", "last_step", "best", "best_step", "min", "min_step", "max", "max_step"]
    assert list(sessions(runs).columns) == [
        *("run", "session", "group", "status", "start_time", "end_time", "duration", "a", "b"),
        *(f"{name}.{statistic}" for name in ("acc", "loss", "s/z") for statistic in statistics),
    ]


def test_types_of_columns() -> None:
    runs = {
        "a": run(started({"flag": True, "lr": 1.0, "opt": "x", "mixed": True}), loss=[0.1]),
        "b": run(started({"lr": 2.0, "opt": "y", "mixed": 1.0, "null": None, "list": [1.0]})),
    }
    table = sessions(runs)
    kinds = {name: table[name].dtype for name in table.columns}
    assert [kinds[name] for name in ("flag", "lr", "opt", "mixed", "null", "list")] == [
        np.bool_,
        np.float64,
        *[object] * 4,
    ]
    assert kinds["loss.last"] == np.float32
    assert kinds["loss.last_step"] == np.int64
    assert table["flag"].tolist() == [True, None]
    assert table["list"].tolist() == [None, [1.0]]


def test_names_that_are_taken() -> None:
    taken = {"run": 1.0, "loss.last": 2.0, "hparam:run": 3.0, "loss": 4.0}
    runs = {"r": run(started(taken), loss=[9], **{"s/z": [1]}), "r/s": run(z=[2])}
    (row,) = sessions(runs)
    assert (row["run"], row["hparam:run"], row["hparam:hparam:run"]) == ("r", 3.0, 1.0)
    assert (row["loss.last"], row["hparam:loss.last"], row["loss"]) == (9, 2.0, 4.0)
    assert (row["s/z.last"], row["metric:s/z.last"]) == (1, 2)


def test_times_and_status() -> None:
    runs = {
        "said": run(RunHParams(SessionStart({}, start_time=10), SessionEnd("running", 15))),
        "half": run(started(start_time=150)),
        "events": run(started()),
        "nothing": FakeRun(started(), {}, math.nan, None),
        "below": FakeRun(started(), {}, 5, 6),
        "below/x": FakeRun(None, {}, 7, 8),
    }
    got = [
        (row["status"], row["start_time"], row["end_time"], row["duration"])
        for row in sessions(runs)
    ]
    assert got == [
        ("running", 10, 15, 5),
        ("unknown", 150, 200, 50),
        ("unknown", 100, 200, 100),
        ("unknown", None, None, None),
        ("unknown", 5, 8, 3),
    ]


def test_statistics_pass_over_what_is_not_finite() -> None:
    values = [math.inf, 2, math.nan, -1, 2, -math.inf, -1, math.nan]
    steps = [10, 20, 30, 40, 50, 60, 70, 80]
    acc = FakeRun(started(), {"acc": series(values, steps=steps)})
    (row,) = sessions({"r": acc})
    assert math.isnan(row["acc.last"])
    assert row["acc.last_step"] == 80
    assert (row["acc.min"], row["acc.min_step"]) == (-1, 40)
    assert (row["acc.max"], row["acc.max_step"]) == (2, 20)
    assert (row["acc.best"], row["acc.best_step"]) == (2, 20)


def test_values_of_other_types() -> None:
    scalars = {
        "big": series(np.array([2**60 + 1, 5]), dtype=np.int64),
        "complex": series(np.array([1 + 2j]), dtype=np.complex64),
        "empty": series([]),
        "flag": series(np.array([True, False]), dtype=bool),
        "object": series(np.array([2**63, 0.5], object), dtype=object),
    }
    (row,) = sessions({"r": FakeRun(started(), scalars)})
    assert row["big.max"] == 2**60 + 1
    assert (row["complex.last"], row["complex.min"]) == (1 + 2j, None)
    assert "empty.last" not in row
    assert (row["flag.last"], row["flag.max"]) == (False, True)
    assert (row["object.last"], row["object.max"]) == (0.5, 2**63)
    assert sessions({"r": FakeRun(started(), scalars)}).to_arrow()["complex.last"].to_pylist() == [
        "(1+2j)"
    ]


def test_modes() -> None:
    runs = {"r": run(started(), level=[1, 3, 2], loss=[1, 3, 2]), "r/s": run(level=[5, 4])}
    (row,) = sessions(runs)
    assert (row["level.best"], row["loss.best"]) == (None, 1)
    (row,) = sessions(runs, {"s/*": "min", "*level": "max", "loss": "max"})
    assert (row["level.best"], row["level.best_step"]) == (3, 1)
    assert (row["loss.best"], row["s/level.best"]) == (3, 4)
    with pytest.raises(ValueError, match="modes: want \"min\" or \"max\" for 'x', got 'least'"):
        sessions(runs, {"x": "least"})  # type: ignore[dict-item]


def test_runs_without_hyperparameters() -> None:
    runs = {
        ".": FakeRun(RunHParams(experiment=Experiment("e")), {}, 1, 2),
        "a": run(started({"lr": 0.1}), loss=[1]),
        "a/train": run(loss=[2]),
        "b": run(loss=[3]),
    }
    assert sessions(runs)["run"].tolist() == ["a"]
    everything = sessions(runs, all_runs=True)
    assert everything["run"].tolist() == [".", "a", "b"]
    assert everything["lr"].tolist() == [None, 0.1, None]
    assert everything["loss.last"].tolist() == [None, 1, 3]
    assert everything["status"].tolist() == [None, "unknown", None]
    assert everything["duration"].tolist() == [1, 100, 100]


def test_nothing() -> None:
    table = sessions({})
    assert len(table) == 0
    assert list(table.columns)[:2] == ["run", "session"]
    assert table.to_arrow().num_rows == 0
    assert [str(type_) for type_ in table.to_polars().dtypes] == ["String"] * 4 + ["Float64"] * 3


def test_hyperparameters_that_cannot_be_decoded() -> None:
    class Broken:
        scalars: Mapping[str, ScalarSeries] = {}
        first_time = last_time = 1.0

        @property
        def hparams(self) -> RunHParams | None:
            raise DecodeError("of version 3", tag="_hparams_/experiment")

    runs: dict[str, RunLike] = {"a": Broken(), "b": run(started({"lr": 1.0}))}
    what = "run 'a': its hyperparameters are left out: _hparams_/experiment: of version 3"
    with pytest.warns(TbioWarning, match=what):
        assert sessions(runs)["run"].tolist() == ["b"]


def test_absolute_and_outside_names() -> None:
    """Sources in a list are named by their paths: the log folder's session is not above them."""
    runs = {
        ".": run(started()),
        "/logs/a": run(loss=[1]),
        "../b": run(loss=[2]),
        "c/d": run(loss=[3]),
    }
    (row,) = sessions(runs)
    assert [name for name in row if name.endswith(".last")] == ["c/d/loss.last"]
    runs["/logs"] = run(started())
    assert sessions(runs)["a/loss.last"].tolist() == [None, 1]


def test_too_many_metrics_for_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small log can ask for runs by metrics of which nearly none is there."""
    monkeypatch.setattr("tbio.sessions._MOST_CELLS", 100)
    few = {f"r{at}": run(started(), **{f"m{at}": [1]}) for at in range(64)}
    assert len(sessions(few)) == 64
    many = {f"r{at}": run(started(), **{f"m{at}": [1]}) for at in range(65)}
    with pytest.raises(TbioError, match="65 metrics of 65 runs, of which each has few"):
        sessions(many)
