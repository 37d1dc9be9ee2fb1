"""A resumed run: what is to be done again disappears from TensorBoard, and from nowhere else.

The truth about what is shown is TensorBoard's own (`tensorboard_readers`, `tensorboard_server`).
What is lost by a crash is counted after one at every operation on the file system.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from generated_logs import LogRun, runs, write_run
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard_readers import Shown, by_plugin_accumulator, by_rustboard
from tensorboard_server import BACKENDS, Backend, TensorBoardServer

import tbio
from tbio import EventFileWriter, SummaryWriter, WriterError, backups, read_events, resuming
from tbio.kinds import scalar, text
from tbio.proto.event_pb2 import Event, SessionLog, TaggedRunMetadata
from tbio.proto.graph_pb2 import GraphDef
from tbio.proto.summary_pb2 import Summary
from tbio.record import encode_record
from tbio.resuming import resume

READERS = [by_plugin_accumulator, by_rustboard]
each_reader = pytest.mark.parametrize("reader", READERS)
Reader: TypeAlias = Callable[[Path], dict[str, Shown]]


def value(tag: str, number: float = 0.5) -> Summary.Value:
    return scalar.encode(tag, number)


def event(step: int, *values: Summary.Value) -> Event:
    """A summary, by default of one scalar "loss"."""
    return Event(
        wall_time=1e9 + step, step=step, summary=Summary(value=values or (value("loss", step),))
    )


def write(folder: Path, *events: Event, name: str = "events.out.tfevents.1") -> Path:
    """A file of these events and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(b"".join(encode_record(e.SerializeToString()) for e in events))
    return path


VERSION = Event(wall_time=1e9, file_version="brain.Event:2")


def go_on(folder: Path, *steps: int, tag: str = "loss") -> None:
    with EventFileWriter(folder) as writer:
        for step in steps:
            writer.add_event(event(step, value(tag, 1000 + step)))


def steps_of(path: Path) -> list[int]:
    """The steps of the summaries of a file or folder."""
    events = read_events(path, on_damage="raise")
    return [e.step for e in events if e.WhichOneof("what") == "summary"]


def shown_steps(shown: Shown) -> dict[str, dict[str, list[int]]]:
    return {
        plugin: {tag: [point.step for point in points] for tag, points in tags.items()}
        for plugin, tags in shown.items()
    }


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def identity(path: Path) -> tuple[int, int, int]:
    info = path.stat()
    return info.st_ino, info.st_mtime_ns, info.st_size


# ---- what TensorBoard shows


def of_tbio(folder: Path) -> None:
    with SummaryWriter(folder) as writer:
        for step in range(12):
            writer.add_scalar("loss", step, step)
            writer.add_scalar("accuracy", -step, step, new_style=True)
            writer.add_histogram("weights", np.arange(step + 2.0), step)


def copied(place: str) -> Callable[[Path, Path], None]:
    def copy(folder: Path, corpus: Path) -> None:
        shutil.copytree(corpus / place, folder, copy_function=shutil.copyfile)
        folder.chmod(0o755)

    return copy


RUNS: dict[str, tuple[Callable[[Path, Path], None], int]] = {
    "tbio": (lambda folder, corpus: of_tbio(folder), 5),
    "torch, resumed before": (copied("peers/torch/purge"), 5),
    "tensorboardX, resumed before": (copied("peers/tensorboardX/purge"), 5),
    "tensorboardX, histograms": (copied("peers/tensorboardX/histogram"), 2),
    "TensorFlow 2, scalars": (copied("peers/tensorflow/v2_scalar"), 5),
    "TensorFlow 2, histograms": (copied("peers/tensorflow/v2_histogram"), 2),
    "TensorFlow 2, images": (copied("peers/tensorflow/v2_image"), 1),
    "Keras": (copied("peers/tensorflow/keras/train"), 1),
    "TensorFlow 1": (copied("peers/tensorflow/v1_all"), 1),
}


@each_reader
@pytest.mark.parametrize("case", RUNS)
def test_both_back_ends_show_the_run_as_resumed(
    case: str, reader: Reader, tmp_path: Path, corpus: Path
) -> None:
    make, step = RUNS[case]
    folder = tmp_path / "run"
    make(folder, corpus)
    before = reader(folder)["."]
    goes = [p for tags in before.values() for points in tags.values() for p in points]
    assert any(point.step >= step for point in goes)
    untouched = tmp_path / "untouched"
    shutil.copytree(folder, untouched)

    resumed = resume(folder, step)
    assert resumed.next_step == step
    assert resumed.events_cut > 0
    for place in (folder, untouched):
        # not at the very step, which would void a tag's later ones in the data server's eyes
        go_on(place, step + 1, step + 3, tag="continued")
    expected: Shown = {
        plugin: {
            tag: [p for p in points if p.step < step or plugin == "graphs"]
            for tag, points in tags.items()
        }
        for plugin, tags in before.items()
    }
    shown = reader(folder)["."]
    continued = shown["scalars"].pop("continued")
    assert [(p.step, p.value) for p in continued] == [
        (step + 1, 1001 + step),
        (step + 3, 1003 + step),
    ]
    assert comparable(shown) == comparable(expected)

    # without it, the points that were to go are all there
    shown = reader(untouched)["."]
    del shown["scalars"]["continued"]
    assert comparable(shown) == comparable(before)


def comparable(shown: Shown) -> dict[tuple[str, str], str]:
    """A NaN as equal to itself."""
    return {
        (plugin, tag): repr(points)
        for plugin, tags in shown.items()
        for tag, points in tags.items()
        if points
    }


@each_reader
def test_the_same_tag_goes_on(reader: Reader, tmp_path: Path) -> None:
    write(tmp_path / "run", VERSION, *map(event, range(10)))
    shutil.copytree(tmp_path / "run", tmp_path / "untouched")
    assert resume(tmp_path / "run", 4).last_step == 3
    expected = [0, 1, 2, 3, 6, 8]
    for place, steps in (("run", expected), ("untouched", None)):
        go_on(tmp_path / place, 6, 8)
        shown = shown_steps(reader(tmp_path / place)["."])["scalars"]["loss"]
        assert shown == (steps or shown)
        assert (shown == expected) == (place == "run")


def all_kinds(folder: Path) -> None:
    """Every kind at steps 0 to 9, and at no step what describes the run."""
    with SummaryWriter(folder) as writer:
        writer.add_hparams({"lr": 0.1}, {}, run_name=".")
        writer.add_custom_scalars({"losses": {"both": ["Multiline", ["loss", "accuracy"]]}})
        for step in range(10):
            writer.add_scalar("loss", step, step)
            writer.add_histogram("weights", np.arange(5.0), step)
            writer.add_image("photo", np.zeros((3, 2, 2), np.uint8), step)
            writer.add_audio("sound", np.zeros(8, np.float32), step)
            writer.add_text("words", "word", step)
            writer.add_pr_curve("curve", np.array([0, 1]), np.array([0.1, 0.9]), step)
            writer.add_mesh("cube", np.zeros((1, 3, 3), np.float32), global_step=step)
            writer.add_tensor("tensor", np.zeros(3), step)
    run_metadata = TaggedRunMetadata(tag="step1", run_metadata=b"")
    with EventFileWriter(folder) as file:
        file.add_event(Event(graph_def=GraphDef().SerializeToString()))
        file.add_event(Event(tagged_run_metadata=run_metadata))
        file.add_event(Event(step=9, session_log=SessionLog(status=SessionLog.STOP)))
        run_metadata.tag = "step9"
        file.add_event(Event(step=9, tagged_run_metadata=run_metadata))


STEPLESS = ("hparams", "custom_scalars", "graphs")
OTHERS = ("file_version", "session_log", "graph_def")


@each_reader
@pytest.mark.parametrize("step", [4, 0, -1])
def test_every_kind_goes_and_what_describes_the_run_stays(
    step: int, reader: Reader, tmp_path: Path
) -> None:
    all_kinds(tmp_path)
    [before] = reader(tmp_path).values()
    assert {"hparams", "custom_scalars", "graphs", "mesh", "audio", "text"} <= set(before)
    others = [e for e in read_events(tmp_path) if e.WhichOneof("what") in OTHERS]
    assert len(others) >= 4
    resumed = resume(tmp_path, step)
    assert resumed.last_step == (3 if step > 0 else None)
    [after] = reader(tmp_path).values()
    for plugin, tags in before.items():
        for tag, points in tags.items():
            stays = plugin in STEPLESS or tag == "step1"
            kept = [point for point in points if stays or point.step < step]
            assert after.get(plugin, {}).get(tag, []) == kept, (plugin, tag)
    assert [e for e in read_events(tmp_path) if e.WhichOneof("what") in OTHERS] == others


@each_reader
def test_what_was_cut_is_a_run_of_its_own(reader: Reader, tmp_path: Path) -> None:
    """Under another name TensorBoard shows it, each tag as what it was."""
    all_kinds(tmp_path / "run")
    [before] = reader(tmp_path / "run").values()
    resumed = resume(tmp_path / "run", 4)
    for number, path in enumerate(map(Path, resumed.cut)):
        (tmp_path / "cut").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "cut" / f"events.out.tfevents.{number}")
    [cut] = reader(tmp_path / "cut").values()
    expected: Shown = {
        plugin: {tag: [p for p in points if p.step >= 4] for tag, points in tags.items()}
        for plugin, tags in before.items()
        if plugin not in STEPLESS
    }
    assert len(expected) > 7
    assert comparable(cut) == comparable(expected)


def test_tbio_opens_what_was_cut(tmp_path: Path) -> None:
    all_kinds(tmp_path)
    run = tbio.open(resume(tmp_path, 4).cut[0])["."]
    late = list(range(4, 10))
    assert list(run.scalars["loss"].steps) == late
    assert list(run.histograms["weights"].steps) == late
    assert run.images["photo"][0].to_array().shape == (2, 2, 3)
    assert list(run.texts) == ["words"]
    assert list(run.pr_curves) == ["curve"]
    assert list(run.meshes) == ["cube"]
    assert not run.report.damages


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_real_server_shows_the_run_as_resumed(backend: Backend, tmp_path: Path) -> None:
    for run in ("resumed", "untouched"):
        of_tbio(tmp_path / run)
    resume(tmp_path / "resumed", 5)
    for run in ("resumed", "untouched"):
        go_on(tmp_path / run, 6, 7)
    with TensorBoardServer(tmp_path, backend) as server:
        server.wait_for(
            "/data/plugin/scalars/tags", lambda runs: {"resumed", "untouched"} <= set(runs)
        )

        def steps(run: str, tag: str) -> list[int]:
            points = server.wait_for(
                "/data/plugin/scalars/scalars", lambda points: len(points) > 4, run=run, tag=tag
            )
            return [step for _, step, _ in points]

        assert steps("resumed", "loss") == [0, 1, 2, 3, 4, 6, 7]
        assert steps("resumed", "accuracy") == [0, 1, 2, 3, 4]
        assert steps("untouched", "loss") != [0, 1, 2, 3, 4, 6, 7]
        assert steps("untouched", "accuracy") == list(range(12))


# ---- which events go, and where to


def test_by_step_wherever_an_event_stands(tmp_path: Path) -> None:
    first = write(tmp_path, VERSION, *map(event, (0, 7, 3, 9, -5, 4)), name="a.tfevents")
    second = write(tmp_path, *map(event, (8, 2, 5)), name="b.tfevents")
    resumed = resume(tmp_path, 5)
    assert resumed[:3] == (5, 4, 4)
    assert resumed.cut == (str(tmp_path / "a.cut-0"), str(tmp_path / "b.cut-0"))
    assert resumed.last_name == "b.tfevents"
    assert steps_of(first) == [0, 3, -5, 4]
    assert steps_of(second) == [2]
    assert [steps_of(Path(path)) for path in resumed.cut] == [[7, 9], [8, 5]]


def test_an_event_of_several_values_goes_as_a_whole(tmp_path: Path) -> None:
    several = [event(step, value("a"), value("_hparams_/experiment")) for step in range(3)]
    path = write(tmp_path, *several)
    resume(tmp_path, 1)
    assert list(read_events(path)) == several[:1]


@each_reader
def test_metadata_of_a_tag_come_along(reader: Reader, tmp_path: Path) -> None:
    """The value that brings them goes, others of the tag stay."""
    plain = text.encode("words", text.prepare("early"))
    described = text.encode("words", text.prepare("late"))
    described.metadata.CopyFrom(text.metadata())
    known = text.encode("known", text.prepare("early"))
    known.metadata.CopyFrom(text.metadata())
    more = text.encode("known", text.prepare("more"))
    late = event(8, described, value("loss"))
    rest = (event(1, plain), event(2, plain, more))
    path = write(tmp_path, VERSION, event(0, known), late, *rest)
    resume(tmp_path, 5)
    assert shown_steps(reader(tmp_path)["."]) == {"text": {"known": [0, 2], "words": [1, 2]}}
    first = event(1, plain)
    first.summary.value[0].metadata.CopyFrom(text.metadata())
    assert list(read_events(path)) == [VERSION, event(0, known), first, rest[1]]


def test_nothing_to_cut_touches_nothing(tmp_path: Path) -> None:
    paths = [
        write(tmp_path, VERSION, *map(event, range(5)), name="1.tfevents"),
        write(tmp_path, name="2.tfevents"),
        write(tmp_path, event(20), name="not-for-tensorboard"),
        write(tmp_path, event(20), name="3.tfevents.profile-empty"),
    ]
    before = [identity(path) for path in paths]
    for step in (None, 5, 2**70):
        resumed = resume(tmp_path, step)
        assert resumed == (5 if step is None else step, 4, 0, (), "2.tfevents")
    assert [identity(path) for path in paths] == before
    assert len(list(tmp_path.iterdir())) == len(paths)


def test_only_the_files_that_must_change(tmp_path: Path) -> None:
    early = write(tmp_path, *map(event, range(5)), name="1.tfevents")
    late = write(tmp_path, *map(event, range(3, 9)), name="2.tfevents")
    data, before, inode = late.read_bytes(), identity(early), late.stat().st_ino
    resumed = resume(tmp_path, 5)
    assert identity(early) == before
    assert late.stat().st_ino == inode, "cut short, not written anew"
    assert data.startswith(late.read_bytes())
    assert [Path(path).name for path in resumed.cut] == ["2.cut-0"]


@pytest.mark.parametrize("step", [None, 7])
@pytest.mark.parametrize("exists", [True, False])
def test_a_run_that_does_not_exist_yet(step: int | None, exists: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    if exists:
        folder.mkdir()
    assert resume(folder, step) == (step or 0, None, 0, (), "")
    assert folder.exists() == exists


def test_last_step_is_of_what_has_a_step(tmp_path: Path) -> None:
    session = Event(step=99, session_log=SessionLog(status=SessionLog.START))
    write(tmp_path, Event(step=98, file_version="brain.Event:2"), session, name="1.tfevents")
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1}, {}, run_name=".")
    assert resume(tmp_path)[:2] == (0, None)
    write(tmp_path, event(-3), name="2.tfevents")
    assert resume(str(tmp_path))[:2] == (-2, -3)
    write(tmp_path, event(6), event(2), name="0.tfevents")
    assert resume(tmp_path)[:2] == (7, 6)


def test_resumed_again_and_again(tmp_path: Path) -> None:
    path = write(tmp_path, VERSION, *map(event, range(10)))
    cut = [resume(tmp_path, step).cut for step in (8, 5, 5, 2)]
    names = [[Path(path).name for path in paths] for paths in cut]
    assert names == [
        *(["events.out.cut-0.1"], ["events.out.cut-1.1"], [], ["events.out.cut-2.1"]),
    ]
    assert [steps_of(Path(paths[0])) for paths in cut if paths] == [[8, 9], [5, 6, 7], [2, 3, 4]]
    assert steps_of(path) == [0, 1]


def test_permissions_are_those_of_the_log(tmp_path: Path) -> None:
    whole = write(tmp_path, *map(event, (0, 9)), name="1.tfevents")
    mixed = write(tmp_path, *map(event, (9, 0)), name="2.tfevents")
    for path in (whole, mixed):
        path.chmod(0o660)
    cut = resume(tmp_path, 5).cut
    assert {stat.stat().st_mode & 0o777 for stat in (whole, mixed, *map(Path, cut))} == {0o660}


def test_links(tmp_path: Path) -> None:
    """One that leads elsewhere stays one; a second name of a file keeps all of it."""
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    for name, steps in (("1", (0, 9)), ("2", (9, 0))):
        target = write(elsewhere, *map(event, steps), name=name)
        (run / f"{name}.tfevents").symlink_to(target)
    (run / "1-again.tfevents").symlink_to(run / "1.tfevents")
    backup = write(tmp_path, *map(event, (0, 9)), name="backup")
    os.link(backup, run / "3.tfevents")
    assert resume(run, 5).events_cut == 3
    assert all((run / f"{name}.tfevents").is_symlink() for name in ("1", "2", "1-again"))
    assert steps_of(elsewhere / "1") == steps_of(elsewhere / "2") == [0]
    assert sorted(path.name for path in elsewhere.iterdir()) == ["1", "2"]
    assert sorted(p.name for p in run.iterdir() if "cut" in p.name) == [
        *("1-again.cut-0", "2.cut-0", "3.cut-0")
    ]
    assert steps_of(run / "3.tfevents") == [0]
    assert steps_of(backup) == [0, 9]


# ---- damage

WHOLE = [VERSION, *map(event, range(5))]
LAST = encode_record(event(5).SerializeToString())
TAILS = {
    "cut in the header": LAST[:7],
    "cut in the payload": LAST[:-9],
    "zeros": bytes(4096),
    "cut, then zeros": LAST[:20] + bytes(4096),
    "a payload never written": LAST[:12] + bytes(len(LAST) - 12),
    "garbage": random.Random(0).randbytes(100),
    "two torn places": LAST[:-1] + b"\1" + LAST + LAST[:15] + b"x" * 20,
}


@pytest.mark.parametrize("step", [None, 3])
@pytest.mark.parametrize("tail", TAILS)
def test_torn_tail(tail: str, step: int | None, tmp_path: Path) -> None:
    path = write(tmp_path, *WHOLE)
    sound = path.read_bytes()
    with path.open("ab") as file:
        file.write(TAILS[tail])
    torn = TAILS[tail]
    if tail == "two torn places":  # behind the first, a sound record
        at = len(LAST)
        sound, torn = sound + torn[: 2 * at], torn[2 * at :]
    resumed = resume(tmp_path, step)
    log, kept = path.read_bytes(), [Path(name).read_bytes() for name in resumed.cut]
    if step is None:
        assert log == sound
        assert resumed.next_step == (6 if tail == "two torn places" else 5)
        assert resumed.events_cut == 0
        assert len(kept) == (tail != "zeros")
    else:
        assert sound.startswith(log)
        assert steps_of(path) == [0, 1, 2]
    if tail != "zeros":
        assert kept[0].endswith(torn)
    elif step is not None:
        assert kept[0].endswith(encode_record(event(4).SerializeToString()))
    # nothing is left to be done
    assert resume(tmp_path, step)[2:4] == (0, ())


@each_reader
@pytest.mark.parametrize("tail", ["cut in the payload", "zeros", "garbage"])
def test_back_ends_read_on_behind_a_torn_tail(tail: str, reader: Reader, tmp_path: Path) -> None:
    shown = []
    for repair in (True, False):
        folder = tmp_path / str(repair)
        path = write(folder, *WHOLE)
        with path.open("ab") as file:
            file.write(TAILS[tail])
        if repair:
            resume(folder)
        with path.open("ab") as file:
            file.write(LAST)
        shown.append(shown_steps(reader(folder)["."])["scalars"]["loss"])
    assert shown == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4]]


def test_damage_in_the_middle(tmp_path: Path) -> None:
    """It goes with the record behind it, byte for byte."""
    records = [encode_record(event(step).SerializeToString()) for step in (0, 9, 1, 8, 2)]
    damage = [b"", b"first" * 9, b"second" * 9, b"", b"third" * 9]
    path = tmp_path / "1.tfevents"
    path.write_bytes(b"".join(d + r for d, r in zip(damage, records, strict=True)))
    before = identity(path)
    assert resume(tmp_path) == (10, 9, 0, (), "1.tfevents")
    assert identity(path) == before
    [kept] = map(Path, resume(tmp_path, 5).cut)
    assert path.read_bytes() == records[0] + damage[2] + records[2] + damage[4] + records[4]
    assert kept.read_bytes().endswith(damage[1] + records[1] + records[3])


def test_what_is_no_event_stays(tmp_path: Path) -> None:
    path = tmp_path / "1.tfevents"
    no_event = encode_record(b"\xff\xff no proto")
    path.write_bytes(b"".join((LAST, no_event, encode_record(b""), LAST)))
    resume(tmp_path, 0)
    assert path.read_bytes() == no_event + encode_record(b"")


@pytest.mark.parametrize("content", [b"", LAST[:5], bytes(100), b"no event file at all" * 50])
def test_what_may_be_no_event_file_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "1.tfevents"
    path.write_bytes(content)
    before = identity(path)
    for step in (None, 0):
        assert resume(tmp_path, step) == (0, None, 0, (), "1.tfevents")
    assert identity(path) == before


def test_a_compressed_file_is_never_cut(tmp_path: Path) -> None:
    write(tmp_path, *map(event, range(3)), name="0.tfevents")
    path = write(tmp_path, *map(event, range(5)), name="1.tfevents")
    path.write_bytes(gzip.compress(path.read_bytes())[:-3])
    before = files_in(tmp_path)
    assert resume(tmp_path).next_step == 5
    assert resume(tmp_path, 5).cut == ()
    with pytest.raises(WriterError, match=r"1\.tfevents .*compressed"):
        resume(tmp_path, 2)
    assert files_in(tmp_path) == before


# ---- arguments, and what the operating system refuses


def test_arguments(tmp_path: Path) -> None:
    write(tmp_path, *map(event, range(5)))
    wrong: Any
    for wrong in (True, 1.5, "3"):
        with pytest.raises(TypeError):
            resume(tmp_path, wrong)
    with pytest.raises(ValueError, match="local disk"):
        resume("memory://run")
    assert steps_of(tmp_path) == [0, 1, 2, 3, 4]
    number: Any = np.int32(3)
    assert type(resume(tmp_path, number).next_step) is int
    assert steps_of(tmp_path) == [0, 1, 2]


@pytest.mark.skipif(sys.platform == "win32", reason="has no permissions of this kind")
@pytest.mark.parametrize("read_only", ["file", "folder"])
def test_no_permission(read_only: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, *map(event, (0, 9)), name="1.tfevents")
        second = write(folder, *map(event, (9, 0)), name="2.tfevents")
        before = files_in(folder)
        with somebody_else(folder):
            (folder if read_only == "folder" else second).chmod(0o555)
            with pytest.raises(PermissionError, match=r"[12]\.(tfevents|cut-0)"):
                resume(folder, 5)
        assert files_in(folder) == before


@contextlib.contextmanager
def somebody_else(folder: Path) -> Iterator[None]:
    """For root, who may do everything: be somebody else, whose folder it is."""
    if os.geteuid():
        yield
        return
    for path in (folder, *folder.iterdir()):
        os.chown(path, 12345, -1)
    os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed_run(tmp_path)
    before = files_in(tmp_path)
    left = [600]
    real = os.write

    def write_some(file: int, data: Any) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(file, bytes(data)[: min(left[0], 90)])
        left[0] -= written
        return written

    monkeypatch.setattr(os, "write", write_some)
    with pytest.raises(OSError, match="No space left"):
        resume(tmp_path, 5)
    assert left == [0]
    assert files_in(tmp_path) == before
    left[0] = 10**9
    resume(tmp_path, 5)
    assert steps_of(tmp_path) == [0, 1, 2, 3, 4, 0, 4, 1, 4]


@pytest.mark.parametrize("fails", ["ftruncate", "replace"])
def test_a_change_that_fails_when_others_are_made(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed_run(tmp_path)
    original = events_of(tmp_path)
    logs = {path.name: path.read_bytes() for path in tmp_path.glob("*tfevents")}

    def fail(*args: Any) -> None:
        raise PermissionError(errno.EPERM, "somebody holds it")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, fail)
        with pytest.raises(PermissionError, match="somebody holds it"):
            resume(tmp_path, 5)
    changed = {
        path.name for path in tmp_path.glob("*tfevents") if path.read_bytes() != logs[path.name]
    }
    assert changed == (set() if fails == "ftruncate" else {"1.tfevents"})
    # what is out of the log, or may be, is kept; what was not begun is as if it had never been
    kept = {path.name for path in tmp_path.iterdir() if "tfevents" not in path.name}
    assert kept == {"backup", "1.cut-0", *(["2.cut-0"] if fails == "replace" else [])}
    assert original <= events_of(tmp_path)
    resume(tmp_path, 5)
    assert steps_of(tmp_path) == [0, 1, 2, 3, 4, 0, 4, 1, 4]


def test_somebody_writes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, *map(event, range(9)))
    real = backups.sync_folder

    def sync_folder(folder: str) -> None:
        with path.open("ab") as file:
            file.write(LAST)
        real(folder)

    with monkeypatch.context() as patch:
        patch.setattr(resuming, "sync_folder", sync_folder)
        with pytest.raises(WriterError, match="was written to while"):
            resume(tmp_path, 5)
    assert steps_of(tmp_path) == [*range(9), 5]
    assert os.listdir(tmp_path) == [path.name]
    assert resume(tmp_path, 5).events_cut == 5


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    blob = Summary.Value(tag="blob", simple_value=1, node_name="x" * 100_000)
    write(tmp_path, *(event(step, blob) for step in range(160)), name="1.tfevents")
    write(tmp_path, *(event(step, blob) for step in range(160, 0, -1)), name="2.tfevents")
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    resume(tmp_path)  # whatever is loaded at the first time
    tracemalloc.start()
    try:
        resume(tmp_path, 40)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000 < size / 3


# ---- crashes


def mixed_run(folder: Path) -> None:
    """A file to be cut short, one to be written anew, one of two names, one torn, one to stay."""
    write(folder, VERSION, *map(event, range(9)), name="1.tfevents")
    write(folder, VERSION, *map(event, (0, 9, 4, 8)), name="2.tfevents")
    other = write(folder, *map(event, (1, 7)), name="3.tfevents")
    os.link(other, folder / "backup")
    write(folder, event(4), name="4.tfevents")
    with (folder / "4.tfevents").open("ab") as file:
        file.write(LAST[:-5])
    write(folder, *map(event, ()), name="5.tfevents")


def events_of(folder: Path) -> Counter[bytes]:
    """The summaries in the folder's files, under whatever name, a backup's excepted."""
    return Counter(
        e.SerializeToString()
        for path in sorted(folder.iterdir())
        if path.name != "backup"
        for e in read_events(path, on_damage="ignore")
        if e.WhichOneof("what") == "summary"
    )


class Crash(BaseException):
    """The process is gone."""


class FileSystem:
    """The operations that change files; dead from one of them on, of which half may be done."""

    NAMES = ("open", "write", "fsync", "ftruncate", "replace", "unlink", "chmod", "close")

    def __init__(self, patch: pytest.MonkeyPatch, dies_at: float = float("inf")) -> None:
        self.done: list[tuple[str, tuple[Any, ...], Any]] = []
        self._dies_at = dies_at
        for name in self.NAMES:
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            if len(self.done) >= self._dies_at:
                if name == "write" and len(self.done) == self._dies_at:
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                    self._dies_at = -1
                if name == "close":
                    real(*args)  # for the test's sake; a dead process has no open files
                raise Crash
            result = real(*args, **options)
            self.done.append((name, args, result))
            return result

        return operation


def operations(folder: Path) -> list[tuple[str, tuple[Any, ...], Any]]:
    """Those of resuming a copy of `mixed_run` without a crash."""
    mixed_run(folder)
    with pytest.MonkeyPatch.context() as patch:
        filesystem = FileSystem(patch)
        resume(folder, 5)
    return filesystem.done


def check_after_crash(folder: Path, original: Counter[bytes], finished: dict[str, bytes]) -> None:
    """Nothing is lost, nothing new is shown, and doing it again finishes it."""
    assert original <= events_of(folder)
    events_before = {path.name: path.read_bytes() for path in folder.glob("*tfevents*")}
    assert set(events_before) == set(finished)
    resume(folder, 5)
    assert original <= events_of(folder)
    assert {path.name: path.read_bytes() for path in folder.glob("*tfevents*")} == finished
    assert not list(folder.glob("*.rest"))
    assert b"".join(files_in(folder).values()).count(LAST[:-5]) >= 1, "the torn record is kept"
    assert resume(folder, 5).cut == ()


def test_a_crash_at_every_operation_loses_nothing(tmp_path: Path) -> None:
    count = len(operations(tmp_path / "whole"))
    assert count > 30
    finished = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*tfevents*")}
    assert steps_of(tmp_path / "whole") == [0, 1, 2, 3, 4, 0, 4, 1, 4]
    for at in range(count):
        folder = tmp_path / str(at)
        mixed_run(folder)
        original = events_of(folder)
        with pytest.MonkeyPatch.context() as patch:
            FileSystem(patch, at)
            with pytest.raises(Crash):
                resume(folder, 5)
        check_after_crash(folder, original, finished)


def test_a_power_cut_loses_nothing(tmp_path: Path) -> None:
    """Before an event file is changed, all that was written is on the disk, names and content."""
    unsynced: set[str] = set()  # files with content, folders with names, that are in memory only
    path_of: dict[int, str] = {}
    changes = 0
    for name, args, result in operations(tmp_path):
        if name == "open":
            path_of[result] = str(args[0])
            if args[1] & os.O_CREAT:
                unsynced |= {str(args[0]), os.path.dirname(args[0])}
        elif name == "write":
            unsynced.add(path_of[args[0]])
        elif name == "fsync":
            unsynced.discard(path_of[args[0]])
        elif name in ("ftruncate", "replace"):
            changes += 1
            assert not unsynced
            unsynced.add(path_of[args[0]] if name == "ftruncate" else os.path.dirname(args[1]))
    assert changes == 4
    assert not unsynced


KILLED = """
import os, signal, sys
from tbio.resuming import resume
left = int(sys.argv[2])
def wrapped(real):
    def operation(*args, **options):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*args, **options)
    return operation
for name in sys.argv[3].split():
    setattr(os, name, wrapped(getattr(os, name)))
resume(sys.argv[1], 5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGKILL")
def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    done = operations(tmp_path / "whole")
    finished = {path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*tfevents*")}
    changes = [at for at, (name, *_) in enumerate(done) if name in ("ftruncate", "replace")]
    for at in (8, changes[0] + 1, changes[1], changes[2] + 1):
        folder = tmp_path / str(at)
        mixed_run(folder)
        original = events_of(folder)
        command = [sys.executable, "-c", KILLED, str(folder), str(at), " ".join(FileSystem.NAMES)]
        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
        check_after_crash(folder, original, finished)


# ---- any run


def stays(e: Event, step: int) -> bool:
    """The rule, once more: summaries and run metadata go by their steps."""
    what = e.WhichOneof("what")
    if what == "tagged_run_metadata":
        return e.step < step or e.step == 0
    return what != "summary" or e.step < step


@given(run=runs(), step=st.integers(-3, 10), tail=st.sampled_from(["", *TAILS]))
@settings(max_examples=60, deadline=None)
def test_any_run(run: LogRun, step: int, tail: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, run)
        before = {path: list(read_events(path)) for path in folder.iterdir()}
        last = sorted(before)[-1]
        if before[last] and tail and tail != "two torn places":  # with an event in between
            last.write_bytes(last.read_bytes() + TAILS[tail])
        resumed = resume(folder, step)
        assert {path for path in folder.iterdir() if "tfevents" in path.name} == set(before)
        kept = {
            Path(path).name: list(read_events(path, on_damage="ignore"))[1:] for path in resumed.cut
        }
        for path, events in before.items():
            log = list(read_events(path, on_damage="raise"))
            assert bare(log) == bare([e for e in events if stays(e, step)])
            cut = kept.pop(path.name.replace("tfevents", "cut-0"), [])
            assert bare(cut) == bare([e for e in events if not stays(e, step)])
            for file in (log, cut):
                assert described(file) >= described(events) & tags_of(file)
        assert not kept
        steps = [e.step for events in before.values() for e in events if has_step(e)]
        early = [s for s in steps if s < step]
        assert resumed[:3] == (step, max(early, default=None), count_cut(before, step))


def bare(events: list[Event]) -> list[Event]:
    """The events without the metadata of their values."""
    copies = [Event.FromString(e.SerializeToString()) for e in events]
    for copy in copies:
        for one in copy.summary.value:
            one.ClearField("metadata")
    return copies


def described(events: list[Event]) -> set[str]:
    """The tags whose first value has metadata."""
    first: dict[str, Summary.Value] = {}
    for e in events:
        for v in e.summary.value:
            first.setdefault(v.tag, v)
    return {tag for tag, v in first.items() if v.HasField("metadata")}


def tags_of(events: list[Event]) -> set[str]:
    return {v.tag for e in events for v in e.summary.value}


def has_step(e: Event) -> bool:
    what = e.WhichOneof("what")
    return what == "summary" or (what == "tagged_run_metadata" and e.step != 0)


def count_cut(before: dict[Path, list[Event]], step: int) -> int:
    return sum(not stays(e, step) for events in before.values() for e in events)
