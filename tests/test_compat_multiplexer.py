"""tbio.compat.EventMultiplexer has the runs and values that TensorBoard's has."""

from __future__ import annotations

import inspect
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing import event_multiplexer
from test_compat_event_accumulator import (
    EVERYTHING,
    METHODS,
    VERSION,
    answer,
    log,
    plain,
    public,
    scalar,
    state,
    value,
)

from tbio import RunNotFoundError, TbioWarning
from tbio.compat import EventAccumulator, EventMultiplexer
from tbio.proto.event_pb2 import Event, SessionLog
from tbio.proto.graph_pb2 import GraphDef

Theirs = event_multiplexer.EventMultiplexer


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of runs: itself, two deep ones, and one with a profiler's marker only."""
    graph = GraphDef(node=[{"name": "x"}]).SerializeToString()
    values = [value(field[0], field, 3, "mine") for field in ("histo", "image", "audio", "tensor")]
    writer = Event(source_metadata={"writer": "someone"}, file_version="brain.Event:2", wall_time=7)
    for folder in (".", "a/train", "a/test", "b"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    log(tmp_path, VERSION, scalar("loss", 1, 0.5))
    log(tmp_path / "a/train", writer, scalar("loss", 1, 0.25), Event(summary={"value": values}))
    log(tmp_path / "a/train", VERSION, scalar("loss", 2, 1), name="events.out.tfevents.6")
    log(tmp_path / "a/test", VERSION, Event(graph_def=graph), Event(meta_graph_def=b""))
    log(tmp_path / "a/test", Event(tagged_run_metadata={"tag": "m", "run_metadata": b""}))
    log(tmp_path / "b", VERSION, name="events.out.tfevents.7.profile-empty")
    assets = tmp_path / "a/train/plugins/mine"
    assets.mkdir(parents=True)
    (assets / "note.txt").write_text("hello")
    return tmp_path


def both(*arguments: Any, **options: Any) -> tuple[EventMultiplexer, Any]:
    theirs = {"size_guidance": EVERYTHING} | options
    return EventMultiplexer(*arguments, **options), Theirs(*arguments, **theirs)


def states(multiplexer: Any) -> dict[str, Any]:
    return {run: state(multiplexer.GetAccumulator(run)) for run in multiplexer.Runs()}


@pytest.mark.parametrize("name", [None, "x", "x/y"])
def test_the_runs_of_a_folder(tree: Path, name: str | None) -> None:
    mine, original = both()
    for one in (mine, original):
        assert one.AddRunsFromDirectory(str(tree), name) is one
    assert mine.Runs() == original.Runs()
    names = [".", "a/test", "a/train", "b"]
    assert sorted(mine.Runs()) == [f"{name}/{run}" if name else run for run in names]
    assert mine.RunPaths() == original.RunPaths()
    for one in (mine, original):
        assert one.Reload() is one
    assert mine.Runs() == original.Runs()
    assert states(mine) == states(original)


def test_the_runs_of_the_corpus(corpus: Path) -> None:
    folder = str(corpus / "peers/tensorflow")
    mine, original = both(purge_orphaned_data=False)
    for one in (mine, original):
        one.AddRunsFromDirectory(folder).Reload()
    assert len(mine.Runs()) > 5
    assert states(mine) == states(original)


def test_every_method(tree: Path) -> None:
    assert public(Theirs()) <= public(EventMultiplexer())
    mine, original = both()
    for one in (mine, original):
        one.AddRunsFromDirectory(str(tree)).Reload()
    tags = {"Scalars": "loss", "RunMetadata": "m", "SummaryMetadata": "h"}
    tags |= {"Histograms": "h", "CompressedHistograms": "h", "Images": "i", "Audio": "a"}
    tags |= {"Tensors": "t"}
    answered = set()
    for name in sorted(public(Theirs) | {"__init__"}):
        method, other = getattr(mine, name), getattr(original, name)
        parameters = list(inspect.signature(other).parameters.values())
        assert [(one.name, one.default) for one in parameters] == [
            (one.name, one.default) for one in inspect.signature(method).parameters.values()
        ]
        if not parameters or parameters[0].name != "run" or name == "SerializedGraph":
            continue
        rest: tuple[Any, ...] = ("mine", "note.txt") if name == "RetrievePluginAsset" else ()
        rest = (tags[name],) if name in tags else rest
        for run in (".", "a/train", "a/test", "b"):
            if name == "GetAccumulator":
                assert isinstance(method(run), EventAccumulator)
                continue
            got, wanted = answer(method, run, *rest), answer(other, run, *rest)
            if isinstance(wanted, list):
                got, wanted = list(map(plain, got)), list(map(plain, wanted))
            assert got == wanted
            if wanted is not KeyError and wanted is not ValueError:
                answered.add(name)
        with pytest.raises(RunNotFoundError, match="nearest: 'a/train'"):
            method("a/trai", *rest)
    assert answered == {*METHODS.values(), *tags, "Graph", "MetaGraph"} | {
        "FirstEventTimestamp",
        "GetSourceWriter",
        "RetrievePluginAsset",
    }
    assert mine.SerializedGraph("a/test") == mine.Graph("a/test").SerializeToString()
    for plugin in ("mine", "other"):
        assert mine.PluginAssets(plugin) == original.PluginAssets(plugin)
        assert mine.PluginRunToTagToContent(plugin) == original.PluginRunToTagToContent(plugin)
    assert list(mine.PluginRunToTagToContent("mine")) == ["a/train"]


def test_runs_by_name(tree: Path) -> None:
    paths = {"one": str(tree / "a/train"), "two": str(tree / "a/train/events.out.tfevents.6")}
    mine, original = both(paths)
    assert mine.Runs() == original.Runs()
    assert list(mine.Runs()) == ["one", "two"]
    assert states(mine.Reload()) == states(original.Reload())
    assert [event.step for event in mine.Scalars("two", "loss")] == [2]


def test_limits_and_purging_are_handed_on(tmp_path: Path) -> None:
    start = Event(step=50, session_log={"status": SessionLog.START})
    log(tmp_path, VERSION, *(scalar("a", step, 0) for step in range(100)), start)
    runs = {"r": str(tmp_path)}
    mine, original = both(runs, size_guidance={"scalars": 7}, purge_orphaned_data=False)
    steps = [event.step for event in mine.Reload().Scalars("r", "a")]
    assert steps == [event.step for event in original.Reload().Scalars("r", "a")]
    assert (len(steps), steps[-1]) == (7, 99)
    with pytest.warns(TbioWarning, match="50 values left out"):
        everything = EventMultiplexer(runs).Reload()
    assert [event.step for event in everything.Scalars("r", "a")] == list(range(50))


def test_a_run_added_twice(tree: Path) -> None:
    path = str(tree / "a/train")
    multiplexer = EventMultiplexer().AddRun(path).Reload()
    assert list(multiplexer.Runs()) == [path]  # the name of a run without a name
    first = multiplexer.GetAccumulator(path)
    assert multiplexer.AddRun(path).GetAccumulator(path) is first


def test_a_run_of_the_same_name(tree: Path) -> None:
    multiplexer = EventMultiplexer({"r": str(tree)}).Reload()
    with pytest.warns(TbioWarning, match="run 'r': .*train takes the place of"):
        multiplexer.AddRun(str(tree / "a/train"), "r")
    assert multiplexer.RunPaths() == {"r": str(tree / "a/train")}
    assert len(multiplexer.Scalars("r", "loss")) == 2  # read at once, since Reload was called


def test_a_tree_that_changes(tree: Path) -> None:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(tree).Reload()
    log(tree, scalar("loss", 3, 0.125))
    (tree / "c").mkdir()
    log(tree / "c", VERSION, scalar("loss", 1, 1))
    multiplexer.AddRunsFromDirectory(tree)
    assert len(multiplexer.Scalars("c", "loss")) == 1
    assert len(multiplexer.Scalars(".", "loss")) == 1
    assert len(multiplexer.Reload().Scalars(".", "loss")) == 2
    shutil.rmtree(tree / "c")
    with pytest.warns(TbioWarning, match="run 'c' is dropped"):
        multiplexer.Reload()
    assert sorted(multiplexer.Runs()) == [".", "a/test", "a/train", "b"]
    (tree / "c").mkdir()
    log(tree / "c", VERSION, scalar("loss", 5, 1))
    (event,) = multiplexer.AddRunsFromDirectory(tree).Scalars("c", "loss")
    assert event.step == 5


def test_a_run_that_cannot_be_read_costs_no_other(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(tree)

    def forbidden() -> None:
        raise PermissionError("not you")

    monkeypatch.setattr(multiplexer.GetAccumulator("."), "Reload", forbidden)
    with pytest.warns(TbioWarning, match=r"run '\.': not you"):
        multiplexer.Reload()
    assert len(multiplexer.Runs()) == 4
    assert len(multiplexer.Scalars("a/train", "loss")) == 2


def test_no_folder(tmp_path: Path) -> None:
    mine, original = both()
    for one in (mine, original):
        assert one.AddRunsFromDirectory(str(tmp_path / "nowhere")).Runs() == {}
        path = log(tmp_path, VERSION)
        with pytest.raises(ValueError, match="not a directory"):
            one.AddRunsFromDirectory(str(path))


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/run\xff")
    os.mkdir(folder)
    log(Path(folder), VERSION, scalar("a", 1, 0))
    multiplexer = EventMultiplexer().AddRunsFromDirectory(tmp_path).Reload()
    assert list(multiplexer.Runs()) == ["run\\xff"]
    assert len(multiplexer.Scalars("run\\xff", "a")) == 1
