"""tbio and the others' own code read each other's event files, value for value.

TensorBoard's loaders read what tbio writes; tbio reads what tensorboardX, TensorBoard's own writer
and torch write; the same calls on each of the writers give logs of the same scalars.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorboard.summary
import tensorboardX
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import (
    EventFileLoader,
    LegacyEventFileLoader,
    RawEventFileLoader,
)
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.util.tensor_util import make_ndarray

import tbio
from tbio.proto.event_pb2 import Event

T = 1_700_000_000.25
EVERYTHING = {"scalars": 0, "tensors": 0}  # as size_guidance: no sampling

Point = tuple[int, float, float]  # step, wall time, value


def the_file(folder: Path) -> str:
    (path,) = folder.glob("*tfevents*")
    return str(path)


def scalars_of(accumulator: Any) -> dict[str, list[Point]]:
    """Tag -> points, of both encodings."""
    points = {
        tag: [(e.step, e.wall_time, e.value) for e in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    for tag in accumulator.Tags()["tensors"]:
        # One that the tag changed its encoding for stands in both lists.
        points.setdefault(tag, []).extend(
            (e.step, e.wall_time, make_ndarray(e.tensor_proto).item())
            for e in accumulator.Tensors(tag)
        )
    return points


def accumulated(folder: Path) -> dict[str, list[Point]]:
    return scalars_of(EventAccumulator(str(folder), EVERYTHING).Reload())


def runs_of(logdir: Path) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Run -> tag -> (step, value) as TensorBoard has them, without runs that hold no scalars."""
    multiplexer = EventMultiplexer(size_guidance=EVERYTHING)
    multiplexer.AddRunsFromDirectory(str(logdir)).Reload()
    runs = {run: scalars_of(multiplexer.GetAccumulator(run)) for run in multiplexer.Runs()}
    return {
        run: {tag: [(step, value) for step, _, value in tags[tag]] for tag in tags}
        for run, tags in runs.items()
        if tags
    }


def tbio_points(folder: Path, run: str = ".") -> dict[str, list[Point]]:
    return {
        tag: list(
            zip(
                series.steps.tolist(),
                series.wall_times.tolist(),
                series.values.tolist(),
                strict=True,
            )
        )
        for tag, series in tbio.open(folder)[run].scalars.items()
    }


# What tbio writes, by TensorBoard's loaders.


@pytest.mark.parametrize("make", [tbio.SummaryWriter, tbio.EventFileWriter])
def test_first_event_names_version_and_writer(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    before = time.time()
    make(tmp_path).close()
    after = time.time()
    event, *more = EventFileLoader(the_file(tmp_path)).Load()
    starts = [(one.session_log.status, one.step) for one in more]
    assert starts == ([(1, 2**63 - 1)] if make is tbio.SummaryWriter else [])  # a fresh run's
    assert event.file_version == "brain.Event:2"
    assert event.source_metadata.writer == "tbio"
    assert event.step == 0
    assert before <= event.wall_time <= after


def test_raw_loader_gives_the_bytes_that_were_written(tmp_path: Path) -> None:
    events = [Event(step=step, wall_time=T, graph_def=bytes([step]) * step) for step in range(100)]
    with tbio.EventFileWriter(tmp_path) as writer:
        for event in events:
            writer.add_event(event)
    _, *payloads = RawEventFileLoader(writer.path).Load()
    assert payloads == [event.SerializeToString() for event in events]


def test_event_file_writer_event_for_event(tmp_path: Path) -> None:
    with tbio.EventFileWriter(tmp_path) as writer:
        for step in (-(2**63), -1, 0, 2**63 - 1):
            value = {"tag": "loss", "simple_value": step / 3}
            writer.add_event(Event(step=step, wall_time=T + 1e-6, summary={"value": [value]}))
        # What is whole can be read at once, and the loader goes on where it stopped.
        loader = EventFileLoader(writer.path)
        _, *events = loader.Load()
        writer.add_event(Event(step=5, wall_time=T, log_message={"message": "hello"}))
        (last,) = loader.Load()
    found = [
        (event.step, event.wall_time, value.tag, make_ndarray(value.tensor).item())
        for event in events
        for value in event.summary.value
    ]
    assert found == [
        (step, T + 1e-6, "loss", float(np.float32(step / 3)))
        for step in (-(2**63), -1, 0, 2**63 - 1)
    ]
    assert (last.step, last.log_message.message) == (5, "hello")


def test_summary_writer_value_for_value(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logged = [
        (tag, step, T + rng.random(), float(value))
        for step in range(200)
        for tag, value in zip(("a", "b/c", "größe"), rng.normal(size=3), strict=True)
    ]
    with tbio.SummaryWriter(tmp_path) as writer:
        for tag, step, wall_time, value in logged:
            writer.add_scalar(tag, value, step, wall_time)
    _, _, *events = LegacyEventFileLoader(the_file(tmp_path)).Load()
    found = [(e.summary.value[0], e.step, e.wall_time) for e in events]
    assert all(len(event.summary.value) == 1 for event in events)
    assert [
        (value.tag, step, wall_time, value.simple_value) for value, step, wall_time in found
    ] == [
        (tag, step, wall_time, float(np.float32(value))) for tag, step, wall_time, value in logged
    ]


def test_accumulator_reads_every_encoding(tmp_path: Path) -> None:
    with tbio.SummaryWriter(tmp_path) as writer:
        for step, value in enumerate((0.1, -math.inf, 1e-45)):
            writer.add_scalar("old", value, step, T)
            writer.add_scalar("new", value, step, T, new_style=True)
            writer.add_scalar("double", value, step, T, double_precision=True)
        writer.add_scalar("beyond", 3.4e38, 0, T, double_precision=True)
        with pytest.warns(tbio.TbioWarning, match="beyond float32"):
            writer.add_scalar("beyond", 1e300, 1, T)
    points = [(0, T, 0.10000000149011612), (1, T, -math.inf), (2, T, 1.401298464324817e-45)]
    assert accumulated(tmp_path) == {
        "old": points,
        "new": points,
        "double": points,
        "beyond": [(0, T, 3.3999999521443642e38), (1, T, math.inf)],
    }


def test_nan_stays_nan(tmp_path: Path) -> None:
    with tbio.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("old", math.nan, 0, T)
        writer.add_scalar("new", math.nan, 0, T, new_style=True)
        writer.add_scalar("double", math.nan, 0, T, double_precision=True)
    values = {tag: points[0][2] for tag, points in accumulated(tmp_path).items()}
    assert values.keys() == {"old", "new", "double"}
    assert all(math.isnan(value) for value in values.values())


def test_the_exact_double_stands_beside_the_float32(tmp_path: Path) -> None:
    with tbio.SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 0.1, double_precision=True)
    _, _, event = LegacyEventFileLoader(the_file(tmp_path)).Load()
    tensor = event.summary.value[0].tensor
    assert list(tensor.float_val) == [0.10000000149011612]
    assert list(tensor.double_val) == [0.1]
    assert (tensor.dtype, len(tensor.tensor_shape.dim)) == (1, 0)  # DT_FLOAT, rank 0
    assert tbio_points(tmp_path)["x"][0][2] == 0.1


def test_metadata_stands_with_the_first_value_of_a_tag_in_a_file(tmp_path: Path) -> None:
    for _ in range(2):
        with tbio.SummaryWriter(tmp_path) as writer:
            for step in range(2):
                writer.add_scalar("old", 1, step)
                writer.add_scalar("named", 1, step, display_name="N", summary_description="D")
                writer.add_scalar("new", 1, step, new_style=True)
                writer.add_scalar("double", 1, step, double_precision=True)
    for path in sorted(tmp_path.iterdir()):
        events = LegacyEventFileLoader(str(path)).Load()
        values = [(event.step, event.summary.value[0]) for event in events if event.summary.value]
        with_metadata = [(step, v.tag) for step, v in values if v.HasField("metadata")]
        assert with_metadata == [(0, "named"), (0, "new"), (0, "double")]
        metadata = {v.tag: v.metadata for step, v in values if step == 0}
        assert metadata["named"].display_name == "N"
        assert metadata["named"].summary_description == "D"
        for tag in ("named", "new", "double"):
            assert metadata[tag].plugin_data.plugin_name == "scalars"
            assert metadata[tag].data_class == 1  # DATA_CLASS_SCALAR


def test_purge_step_is_a_session_start_that_the_accumulator_heeds(tmp_path: Path) -> None:
    with tbio.SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", 1, step, T)
    with tbio.SummaryWriter(tmp_path, purge_step=5) as writer:
        writer.add_scalar("x", 2, 5, T)
    second = sorted(tmp_path.iterdir())[-1]
    first, start, _ = EventFileLoader(str(second)).Load()
    assert first.file_version == "brain.Event:2"
    assert (start.step, start.session_log.status) == (5, 1)  # START
    # EventAccumulator purges at every START; see test_tensorboard_server.py for the two servers.
    assert accumulated(tmp_path)["x"] == [*((step, T, 1) for step in range(5)), (5, T, 2)]


def test_add_scalars_makes_a_run_of_each_key(tmp_path: Path) -> None:
    with tbio.SummaryWriter(tmp_path) as writer:
        writer.add_scalars("a/b", {"x": 1, "y": 2}, 3)
    assert runs_of(tmp_path) == {"a_b_x": {"a/b": [(3, 1)]}, "a_b_y": {"a/b": [(3, 2)]}}


# What others write, by tbio.


def test_reads_tensorboardx(tmp_path: Path) -> None:
    writer = tensorboardX.SummaryWriter(str(tmp_path))
    for step in range(100):
        writer.add_scalar("loss", step / 7, step, T + step)
        writer.add_scalar("acc", -step, 2 * step, T, "Accuracy", "of *all*")
    writer.add_scalars("both", {"x": 1, "y": 2}, 3, T)
    writer.close()
    assert tbio_points(tmp_path) == {
        "acc": [(2 * step, T, -step) for step in range(100)],
        "loss": [(step, T + step, float(np.float32(step / 7))) for step in range(100)],
    }
    acc = tbio.open(tmp_path)["."].scalars["acc"]
    assert (acc.display_name, acc.description) == ("Accuracy", "of *all*")
    assert tbio_points(tmp_path, "both/x") == {"both": [(3, T, 1)]}
    assert tbio_points(tmp_path, "both/y") == {"both": [(3, T, 2)]}


def test_reads_tensorboards_own_writer(tmp_path: Path) -> None:
    writer = tensorboard.summary.Writer(str(tmp_path))
    for step in range(100):
        writer.add_scalar("loss", step / 7, step, wall_time=T + step, description="of *all*")
        writer.add_scalar("inf", math.inf, -step, wall_time=T)
    writer.close()
    assert tbio_points(tmp_path) == {
        "inf": [(-step, T, math.inf) for step in range(100)],
        "loss": [(step, T + step, float(np.float32(step / 7))) for step in range(100)],
    }
    assert tbio.open(tmp_path)["."].scalars["loss"].description == "of *all*"


@pytest.mark.full
def test_reads_torch(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in range(100):
            writer.add_scalar("old", step / 7, step, T + step)
            writer.add_scalar("new", step / 7, step, T, new_style=True)
            writer.add_scalar("double", step / 7, step, T, new_style=True, double_precision=True)
        writer.add_scalars("a/b", {"x": 1, "y": 2}, 3, T)
    assert tbio_points(tmp_path) == {
        "double": [(step, T, step / 7) for step in range(100)],
        "new": [(step, T, float(np.float32(step / 7))) for step in range(100)],
        "old": [(step, T + step, float(np.float32(step / 7))) for step in range(100)],
    }
    assert tbio_points(tmp_path, "a_b_x") == {"a/b": [(3, T, 1)]}
    assert tbio_points(tmp_path, "a_b_y") == {"a/b": [(3, T, 2)]}


# The same calls on every writer.


def log_scalars(writer: Any) -> None:
    for step in range(20):
        writer.add_scalar("loss", 1 / (step + 1), step)
        writer.add_scalar("lr/group_0", np.float32(0.1) * step, global_step=step)
        writer.add_scalar(tag="array", scalar_value=np.array([step]), global_step=np.int64(step))
        writer.add_scalar("late", step, step, T + step)
        writer.add_scalar("walltime", step, step, walltime=T + step)
    for value in (math.inf, -math.inf, 1e-40, True, 7):
        writer.add_scalar("no_step", value)
    writer.flush()


def log_as_torch(writer: Any) -> None:
    log_scalars(writer)
    for step in range(5):
        writer.add_scalar("größe [m]", step, step)  # tensorboardX would change this tag
        writer.add_scalar("new", step / 3, step, new_style=True)
        writer.add_scalars("loss/all", {"train": step, "a/b": np.float64(0.5)}, step)
        writer.add_scalars(
            main_tag="m", tag_scalar_dict={"k": step}, global_step=step, walltime=T + step
        )


def test_same_scalars_as_tensorboardx(tmp_path: Path) -> None:
    for name, make in (("theirs", tensorboardX.SummaryWriter), ("ours", tbio.SummaryWriter)):
        writer = make(str(tmp_path / name))
        log_scalars(writer)
        writer.close()
    theirs, ours = runs_of(tmp_path / "theirs"), runs_of(tmp_path / "ours")
    assert ours == theirs
    assert ours["."]["no_step"] == [
        (0, value) for value in (math.inf, -math.inf, 9.999946101114759e-41, 1, 7)
    ]
    assert len(ours["."]) == 6


@pytest.mark.full
def test_same_runs_and_scalars_as_torch(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for name, make in (("theirs", SummaryWriter), ("ours", tbio.SummaryWriter)):
        writer = make(str(tmp_path / name))
        log_as_torch(writer)
        writer.close()
    theirs, ours = runs_of(tmp_path / "theirs"), runs_of(tmp_path / "ours")
    assert ours == theirs
    assert sorted(ours) == [".", "loss_all_a/b", "loss_all_train", "m_k"]


@pytest.mark.full
def test_same_wall_times_as_torch(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    for name, make in (("theirs", SummaryWriter), ("ours", tbio.SummaryWriter)):
        writer = make(str(tmp_path / name))
        for step in range(5):
            writer.add_scalar("x", step, step, T + step / 3)
        writer.close()
    assert accumulated(tmp_path / "ours") == accumulated(tmp_path / "theirs")
