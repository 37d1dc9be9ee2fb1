"""GlobalSummaryWriter: one for a program and its forks, which counts the steps."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tbio
from tbio import GlobalSummaryWriter
from tbio.proto.event_pb2 import Event

IMAGE = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.fixture(autouse=True)
def _none_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(GlobalSummaryWriter, "_one", None)
    yield
    if GlobalSummaryWriter._one is not None:
        GlobalSummaryWriter._one.close()


def events_in(folder: Path) -> list[Event]:
    events = tbio.read_events(folder, on_damage="raise")
    return [event for event in events if event.HasField("summary")]


def steps_in(folder: Path) -> dict[str, list[int]]:
    """Tag -> steps as they stand in the files, one behind the other."""
    steps: dict[str, list[int]] = {}
    for event in events_in(folder):
        for value in event.summary.value:
            steps.setdefault(value.tag, []).append(event.step)
    return steps


def test_each_tag_counts_its_own(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)
    for value in (5, 6, 7):
        writer.add_scalar("a", value, 1.5)
    writer.add_scalar("b", 8)
    writer.add_text("a text", "*words*", 2.5)
    writer.add_text("a text", "more")
    writer.add_image("an image", IMAGE, 3.5)
    writer.add_image("an image", IMAGE.transpose(1, 2, 0), None, "HWC")
    writer.close()
    assert steps_in(tmp_path) == {"a": [0, 1, 2], "b": [0], "a text": [0, 1], "an image": [0, 1]}
    events = events_in(tmp_path)
    assert [event.summary.value[0].simple_value for event in events[:4]] == [5, 6, 7, 8]
    assert [events[at].wall_time for at in (0, 4, 6)] == [1.5, 2.5, 3.5]
    assert events[4].summary.value[0].tensor.string_val == [b"*words*"]
    for event in events[6:]:
        png = event.summary.value[0].image.encoded_image_string
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), IMAGE.transpose(1, 2, 0))


@pytest.mark.filterwarnings("ignore:'x'. .* after :tbio.TbioWarning")
def test_each_kind_counts_its_own(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)  # as with tensorboardX
    writer.add_scalar("x", 1)
    writer.add_text("x", "words")
    writer.add_scalar("x", 1)
    writer.close()
    assert steps_in(tmp_path) == {"x": [0, 0, 1]}


def test_the_one_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = GlobalSummaryWriter.getSummaryWriter()
    assert GlobalSummaryWriter.getSummaryWriter() is first
    assert re.match(r"runs/", first.smw.log_dir)
    first.close()
    second = GlobalSummaryWriter(tmp_path / "run", "", None, 10, 120, ".mine")
    assert GlobalSummaryWriter.getSummaryWriter() is second
    assert second.smw.log_dir == str(tmp_path / "run")
    assert second.smw.filename_suffix == ".mine"
    second.close()
    third = GlobalSummaryWriter(log_dir=tmp_path / "other")
    assert third.smw.log_dir == str(tmp_path / "other")


def test_the_counts_outlive_the_file(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)
    assert writer.file_writer is writer.smw.file_writer
    writer.add_scalar("x", 1)
    writer.flush()
    assert steps_in(tmp_path) == {"x": [0]}
    writer.close()
    writer.close()
    GlobalSummaryWriter.getSummaryWriter().add_scalar("x", 2)
    writer.close()
    assert steps_in(tmp_path) == {"x": [0, 1]}
    assert len(list(tmp_path.iterdir())) == 2


def test_another_writer_counts_from_0(tmp_path: Path) -> None:
    for run in ("a", "b"):
        writer = GlobalSummaryWriter(tmp_path / run)
        writer.add_scalar("x", 1)
        writer.close()
        assert steps_in(tmp_path / run) == {"x": [0]}


@pytest.mark.parametrize("shared", [True, False])
def test_threads(tmp_path: Path, shared: bool) -> None:
    # No warning either: the steps of a tag are written in their order.
    writer = GlobalSummaryWriter(tmp_path, coalesce_process=shared)
    start = threading.Barrier(8)

    def work(name: str) -> None:
        start.wait()
        for _ in range(100):
            writer.add_scalar("all", 1)
            writer.add_scalar(name, 1)

    threads = [threading.Thread(target=work, args=(f"own/{at}",)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    steps = steps_in(tmp_path)
    assert steps.pop("all") == list(range(800))
    assert steps == {f"own/{at}": list(range(100)) for at in range(8)}


def test_steps_are_written_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that is held up between its step and its event must not come behind the next one:
    TensorBoard's data server would drop the points in between."""
    writer = GlobalSummaryWriter(tmp_path)
    add_scalar, first_is_in, go_on = writer.smw.add_scalar, threading.Event(), threading.Event()

    def held_up(tag: str, value: Any, step: Any, walltime: Any) -> None:
        if step == 0:
            first_is_in.set()
            go_on.wait(0.3)
        add_scalar(tag, value, step, walltime)

    monkeypatch.setattr(writer.smw, "add_scalar", held_up)

    def second() -> None:
        first_is_in.wait(10)
        writer.add_scalar("x", 1)
        go_on.set()

    thread = threading.Thread(target=second)
    thread.start()
    writer.add_scalar("x", 0)
    thread.join()
    writer.flush()
    assert steps_in(tmp_path) == {"x": [0, 1]}


def test_wrong_input_takes_no_step(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)
    for _ in range(2):
        with pytest.raises(TypeError, match="'x': want a number"):
            writer.add_scalar("x", None)
        with pytest.raises(ValueError, match="'i': "):
            writer.add_image("i", np.zeros((2, 2)))
        with pytest.raises(TypeError, match="'t': want text"):
            writer.add_text("t", 3)
        with pytest.raises(TypeError, match="tag: want a str, got int"):
            writer.add_scalar(3, 1)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"tag: .*UTF-8"):
            writer.add_scalar("\udc80", 1)
        writer.add_scalar("x", 1)
        writer.add_image("i", IMAGE)
        writer.add_text("t", "words")
    writer.close()
    assert steps_in(tmp_path) == {"x": [0, 1], "i": [0, 1], "t": [0, 1]}


def test_many_tags(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path)
    for _ in range(2):
        for at in range(5000):
            writer.add_scalar(f"layer {at}/größe", 1)
    writer.close()
    steps = steps_in(tmp_path)
    assert len(steps) == 5000
    assert all(found == [0, 1] for found in steps.values())


def test_without_a_disk(tmp_path: Path) -> None:
    writer = GlobalSummaryWriter(tmp_path / "run", write_to_disk=False)
    writer.add_scalar("x", 1)
    writer.flush()
    writer.close()
    assert writer.file_writer is None
    assert list(tmp_path.iterdir()) == []


def test_comet_is_told_of_where_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.warns(tbio.TbioWarning, match="does not mirror to Comet") as caught:
        GlobalSummaryWriter(tmp_path, comet_config={"disabled": False})
    assert [warning.filename for warning in caught] == [__file__]


FORKS = """
import multiprocessing, os, sys
from tbio import GlobalSummaryWriter

folder, shared, how = sys.argv[1], sys.argv[2] == "True", sys.argv[3]
writer = GlobalSummaryWriter(folder, coalesce_process=shared)
writer.add_scalar("x", 0)

def work(number=0):
    for _ in range(50):
        GlobalSummaryWriter.getSummaryWriter().add_scalar("x", number)

if how == "os.fork":
    children = []
    for number in range(3):
        child = os.fork()
        if not child:
            work(number)
            writer.close()
            os._exit(0)
        children.append(child)
    work()
    for child in children:
        os.waitpid(child, 0)
elif how == "Process":
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=work, args=(number,)) for number in range(3)]
    for process in processes:
        process.start()
    work()
    for process in processes:
        process.join()
else:
    work()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(work, range(3), chunksize=1)
        pool.close()
        pool.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.parametrize("how", ["os.fork", "Process", "Pool"])
@pytest.mark.parametrize("shared", [True, False])
def test_forked_processes(tmp_path: Path, shared: bool, how: str) -> None:
    words = [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path), str(shared), how]
    subprocess.run(words, timeout=60, check=True)
    files = list(tmp_path.iterdir())
    assert 2 <= len(files) <= 4  # a pool may give all its work to one
    steps = steps_in(tmp_path)["x"]
    if shared:
        assert sorted(steps) == list(range(201))
    else:
        assert len(steps) == 201
        if how != "Pool":  # whose workers go on from where the parent was
            assert steps.count(1) == 4
        each = {path: [e.step for e in events_in(path)] for path in files}
        assert all(found == sorted(set(found)) for found in each.values())
