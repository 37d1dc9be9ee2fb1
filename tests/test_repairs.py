"""Logs repaired by `tbio.repair`, read by TensorBoard's own loader, and what a crash leaves."""

from __future__ import annotations

import errno
import functools
import gzip
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CORPUS, ROOT
from raw_log import events_in
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import tbio
from tbio import backups, repairs
from tbio.event_file import is_event_file
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.record import encode_record
from tbio.record_file import RecordFileReader
from tbio.repairs import FileRepair, RepairReport
from tbio.storage import LocalFile

NAME = "events.out.tfevents.1700000000.host"
KEPT = "events.out.damaged-0.1700000000.host"


def point(step: int) -> bytes:
    values = {"value": [scalar.encode("loss", float(step))]}
    return encode_record(Event(step=step, wall_time=100.0, summary=values).SerializeToString())


SOUND = [point(step) for step in range(6)]
GARBAGE = b"what was never a record"
#: Garbage, a flipped bit in record 2, a record that is no Event.
DAMAGED = b"".join(
    (
        *(SOUND[0], GARBAGE, SOUND[1], SOUND[2][:-1] + bytes([SOUND[2][-1] ^ 8])),
        *(SOUND[3], SOUND[4], encode_record(b"\xff\xff"), SOUND[5]),
    )
)
REPAIRED = b"".join([*SOUND[:2], *SOUND[3:]])
LEFT_OUT = [
    ("length", len(GARBAGE), len(SOUND[0])),
    ("payload", len(SOUND[2]), len(SOUND[0] + GARBAGE + SOUND[1])),
    ("event", 18, len(DAMAGED) - len(SOUND[5]) - 18),
]


def left_out(file: FileRepair) -> list[tuple[str, int, int]]:
    return [(one.kind, one.size, one.examples[0].offset) for one in file.findings]


def tree(folder: Path) -> dict[str, bytes]:
    """Path below a folder -> content, of every file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def by_name(report: RepairReport, root: Path) -> dict[str, FileRepair]:
    return {os.path.relpath(file.path, root): file for file in report.files}


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A log folder with a damaged file, a sound one, and files of other sorts."""
    root = tmp_path / "logs"
    for name, data in {
        f"a/{NAME}": DAMAGED,
        f"b/{NAME}": b"".join(SOUND),
        f"c/{NAME}": b"".join(SOUND)[:-5],
        "a/projector_config.pbtxt": b"embeddings {}",
        "a/plugins/profile/host.xplane.pb": b"\0\1\2",
        f"d/{NAME}.profile-empty": b"marker",
        f"e/{NAME}": b"<html>not an event file</html>",
        f"f/{NAME}": b"",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (1e9, 1e9 + len(data)))
    os.chmod(root / "a" / NAME, 0o640)
    return root


# ------------------------------------------------------------------ elsewhere


def test_a_tree_elsewhere(logs: Path, tmp_path: Path) -> None:
    before, out = tree(logs), tmp_path / "out"
    report = tbio.repair(logs, out)
    assert tree(logs) == before
    assert tree(out) == {
        **{name: data for name, data in before.items() if not name.startswith("e/")},
        f"a/{NAME}": REPAIRED,
        f"c/{NAME}": b"".join(SOUND[:5]),
    }
    files = by_name(report, logs)
    assert {name: file.outcome for name, file in files.items()} == {
        f"a/{NAME}": "repaired",
        "a/plugins/profile/host.xplane.pb": "copied",
        "a/projector_config.pbtxt": "copied",
        f"b/{NAME}": "sound",
        f"c/{NAME}": "repaired",
        f"d/{NAME}.profile-empty": "copied",
        f"e/{NAME}": "left",
        f"f/{NAME}": "sound",
    }
    damaged = files[f"a/{NAME}"]
    assert left_out(damaged) == LEFT_OUT
    assert (damaged.events, damaged.target) == (5, str(out / "a" / NAME))
    assert damaged.lost_bytes == len(DAMAGED) - len(REPAIRED)
    assert left_out(files[f"c/{NAME}"]) == [
        ("truncated", len(SOUND[5]) - 5, sum(map(len, SOUND[:5])))
    ]
    assert files[f"e/{NAME}"].why == "not a single event in it"
    assert not report.complete
    assert (out / "e").is_dir()
    for name in tree(out):
        original, copy = (logs / name).stat(), (out / name).stat()
        assert (copy.st_mode, copy.st_mtime_ns) == (original.st_mode, original.st_mtime_ns)
    assert [event.step for event in events_in(out / "a" / NAME)] == [0, 1, 3, 4, 5]
    assert tbio.repair(out, tmp_path / "again").complete


def test_one_file_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(DAMAGED)
    report = tbio.repair(tmp_path / "renamed", tmp_path / "out" / "deep")
    assert tree(tmp_path / "out") == {"deep/renamed": REPAIRED}
    assert repr(report) == "<RepairReport: 1 files: 1 repaired>"


def test_a_compressed_file_comes_out_plain(tmp_path: Path) -> None:
    data = gzip.compress(DAMAGED)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / f"{NAME}.gz").write_bytes(data[:-8])
    (tmp_path / "logs" / NAME).write_bytes(gzip.compress(b"".join(SOUND)))
    tbio.repair(tmp_path / "logs", tmp_path / "out")
    assert tree(tmp_path / "out") == {NAME: b"".join(SOUND), f"{NAME}.gz": REPAIRED}
    assert len(events_in(tmp_path / "out" / f"{NAME}.gz")) == 5


@pytest.mark.parametrize("in_place", [False, True])
def test_records_without_checksums_get_them_on_request(tmp_path: Path, in_place: bool) -> None:
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    data = b"".join(part[:-4] + b"\x12\x34\x56\x78" for part in SOUND)
    (logs / NAME).write_bytes(data)
    where: dict[str, Any] = {"in_place": True} if in_place else {"destination": out}
    (file,) = tbio.repair(logs, **where).files
    assert (file.outcome, file.why) == ("left", "not a single event in it")
    assert tree(logs) == {NAME: data}
    (file,) = tbio.repair(logs, **where, unverified="read").files
    assert (file.outcome, file.events, file.findings) == ("repaired", len(SOUND), ())
    assert tree(logs if in_place else out)[NAME] == b"".join(SOUND)
    assert tree(logs) == ({NAME: b"".join(SOUND), KEPT: data} if in_place else {NAME: data})


def test_links(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / NAME).write_bytes(SOUND[0])
    (logs / "out_folder").symlink_to(tmp_path / "secret")
    (logs / "out_file").symlink_to(tmp_path / "secret" / NAME)
    (logs / "loop").symlink_to(logs)
    (logs / "best").symlink_to(logs / "a")
    (logs / "b" / "same").symlink_to("../a/projector_config.pbtxt")
    (logs / "b" / "lost").symlink_to(logs / "e" / NAME)
    os.mkfifo(logs / "b" / f"{NAME}.pipe")
    out = tmp_path / "out"
    files = by_name(tbio.repair(logs, out), logs)
    assert {name: file.why for name, file in files.items() if file.outcome == "left"} == {
        f"e/{NAME}": "not a single event in it",
        "out_folder": "a link out of the folder",
        "out_file": "a link out of the folder",
        "b/lost": "a link to nothing, or to what was left",
        f"b/{NAME}.pipe": "no regular file",
    }
    links = {path.name: os.readlink(path) for path in out.rglob("*") if path.is_symlink()}
    assert links == {"loop": ".", "best": "a", "same": "../a/projector_config.pbtxt"}


def test_a_folder_that_is_a_link(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(logs)
    (tmp_path / "real").mkdir()
    (tmp_path / "outlink").symlink_to(tmp_path / "real")
    tbio.repair(tmp_path / "link", tmp_path / "outlink")
    assert tree(tmp_path / "real")[f"a/{NAME}"] == REPAIRED


def test_the_destination(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="new or empty"):
        tbio.repair(logs / "a", logs)
    with pytest.raises(ValueError, match="inside of"):
        tbio.repair(logs, logs / "a" / "new")
    assert not (logs / "a" / "new").exists()
    for destination, in_place in ((None, False), (tmp_path / "x", True)):
        with pytest.raises(ValueError, match="either"):
            tbio.repair(logs, destination, in_place=in_place)
    with pytest.raises(ValueError, match="local disk"):
        tbio.repair(logs, "memory://x")
    with pytest.raises(ValueError, match="local disk"):
        tbio.repair("memory://x", in_place=True)
    with pytest.raises(TypeError, match="source: want a str path"):
        tbio.repair(io.BytesIO(), tmp_path / "x")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        tbio.repair(tmp_path / "nothing", tmp_path / "x")
    with pytest.raises(ValueError, match="examples"):
        tbio.repair(logs, tmp_path / "x", examples=-1)
    assert not (tmp_path / "x").exists()


def test_a_url_and_names_that_lead_out(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as archive:
        archive.writestr(f"logs/run/{NAME}", DAMAGED)
        archive.writestr("logs/run/note.txt", "words")
        archive.writestr("logs/../../../evil.txt", "words")
        archive.writestr(f"logs/x/../../../{NAME}", b"".join(SOUND))
    out = tmp_path / "deep" / "out"
    report = tbio.repair(f"zip://logs::{tmp_path}/logs.zip", out)
    assert tree(out) == {f"run/{NAME}": REPAIRED, "run/note.txt": b"words"}
    assert {name for name in tree(tmp_path) if "out/run" not in name} == {"logs.zip"}
    assert [file.why for file in report.files if file.outcome == "left"] == [
        "its name leads out of the folder"
    ] * 2


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "a//x", "x\0y", "", "."])
def test_no_target_is_outside(tmp_path: Path, name: str) -> None:
    (tmp_path / "logs").mkdir()
    copy = repairs._Copy(
        repairs._Salvager("skip"), str(tmp_path / "logs"), str(tmp_path / "out"), 1
    )
    with pytest.raises(ValueError, match="leads out"):
        copy._target(name)
    assert sorted(os.listdir(tmp_path)) == ["logs", "out"]


@pytest.mark.parametrize("in_place", [False, True])
def test_what_cannot_be_read_is_left(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    opened = LocalFile.open

    def forbidden(file: LocalFile) -> Any:
        if "/b/" in file.name or "note" in file.name:
            raise PermissionError(errno.EACCES, "Permission denied", file.name)
        return opened(file)

    (logs / "note.txt").write_bytes(b"words")
    monkeypatch.setattr(LocalFile, "open", forbidden)
    files = by_name(
        tbio.repair(logs, None if in_place else tmp_path / "out", in_place=in_place), logs
    )
    left = {name: file.why for name, file in files.items() if file.why == "Permission denied"}
    assert set(left) == ({f"b/{NAME}"} if in_place else {f"b/{NAME}", "note.txt"})
    assert files[f"a/{NAME}"].outcome == "repaired"
    assert "note.txt" not in tree(tmp_path / "out")


class _Full(io.BytesIO):
    def write(self, data: Any, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_an_error(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open

    def full(file: Any, mode: str = "r", *more: Any) -> Any:
        if isinstance(file, int):
            os.close(file)
            return _Full()
        return opened(file, mode, *more)

    monkeypatch.setattr(repairs, "open", full, raising=False)
    with pytest.raises(OSError, match="No space left"):
        tbio.repair(logs, tmp_path / "out")
    assert tree(tmp_path / "out") == {}
    before = tree(logs)
    damaged = by_name(tbio.repair(logs, in_place=True), logs)[f"a/{NAME}"]
    assert (damaged.outcome, damaged.why) == ("left", "No space left on device")
    assert tree(logs) == before


# ------------------------------------------------------------------ in place


def states(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    return {
        name: (data, (folder / name).stat().st_mtime_ns, (folder / name).stat().st_ino)
        for name, data in tree(folder).items()
    }


def test_in_place(logs: Path) -> None:
    before = states(logs)
    original = (logs / "a" / NAME).stat()
    report = tbio.repair(logs, in_place=True)
    after = states(logs)
    assert after.pop(f"a/{KEPT}") == before.pop(f"a/{NAME}")  # the very same file
    assert after.pop(f"a/{NAME}")[0] == REPAIRED
    assert after == before
    now = (logs / "a" / NAME).stat()
    assert (now.st_mode, now.st_mtime_ns) == (original.st_mode, original.st_mtime_ns)
    assert not is_event_file(KEPT)
    files = by_name(report, logs)
    assert {name: file.outcome for name, file in files.items()} == {
        f"a/{NAME}": "repaired",
        f"b/{NAME}": "sound",
        f"c/{NAME}": "sound",  # the writer may be about to write the rest
        f"e/{NAME}": "left",
        f"f/{NAME}": "sound",
    }
    assert files[f"a/{NAME}"].backup == str(logs / "a" / KEPT)
    assert left_out(files[f"a/{NAME}"]) == LEFT_OUT
    assert [event.step for event in events_in(logs / "a" / NAME)] == [0, 1, 3, 4, 5]
    assert sorted(tbio.open(logs / "a")["."].scalars["loss"].steps.tolist()) == [0, 1, 3, 4, 5]
    assert tbio.repair(logs / "a", in_place=True).complete  # there is nothing left to do


def test_in_place_a_compressed_file_becomes_plain(tmp_path: Path) -> None:
    data = gzip.compress(DAMAGED)
    (tmp_path / NAME).write_bytes(data)
    sound = gzip.compress(b"".join(SOUND))
    (tmp_path / f"{NAME}.gz").write_bytes(sound)
    assert tbio.repair(tmp_path, in_place=True).count("sound") == 1
    assert tree(tmp_path) == {NAME: REPAIRED, KEPT: data, f"{NAME}.gz": sound}


def test_in_place_again_keeps_every_original(tmp_path: Path) -> None:
    for number in range(2):
        path = tmp_path / "new"
        path.write_bytes(DAMAGED + bytes(20 * (number + 1)))
        os.replace(path, tmp_path / NAME)
        tbio.repair(tmp_path, in_place=True)
    assert tree(tmp_path) == {
        NAME: REPAIRED,
        KEPT: DAMAGED + bytes(20),
        KEPT.replace("0", "1", 1): DAMAGED + bytes(40),
    }


def test_in_place_one_file_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "renamed").write_bytes(DAMAGED)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "renamed")
    assert tbio.repair(tmp_path / "link", in_place=True).count("repaired") == 1
    assert tree(tmp_path / "real") == {"renamed": REPAIRED, "renamed.damaged-0": DAMAGED}
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "real" / NAME).symlink_to(tmp_path / "link")
    (link,) = tbio.repair(tmp_path / "real", in_place=True).files
    assert link.why == "a link; repair what it leads to"


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_name_that_is_taken_keeps_nothing(tmp_path: Path, symbolic: bool) -> None:
    """A link to the log itself, laid out to have it lost; and a file that holds something else."""
    (tmp_path / NAME).write_bytes(DAMAGED)
    if symbolic:
        (tmp_path / KEPT).symlink_to(NAME)
    else:
        (tmp_path / KEPT).write_bytes(b"an older one")
    (file,) = tbio.repair(tmp_path, in_place=True).files
    assert Path(file.backup).name == KEPT.replace("0", "1", 1)
    assert Path(file.backup).read_bytes() == DAMAGED
    assert (tmp_path / NAME).read_bytes() == REPAIRED


def test_without_hard_links_the_original_is_copied(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*names: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    original = (logs / "a" / NAME).stat()
    tbio.repair(logs / "a", in_place=True)
    kept = (logs / "a" / KEPT).stat()
    assert (logs / "a" / KEPT).read_bytes() == DAMAGED
    assert (logs / "a" / NAME).read_bytes() == REPAIRED
    assert (kept.st_mode, kept.st_mtime_ns) == (original.st_mode, original.st_mtime_ns)
    assert stat.S_IMODE(kept.st_mode) == 0o640


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_a_file_that_is_open_for_writing_is_left(logs: Path) -> None:
    before = states(logs)
    with (logs / "a" / NAME).open("ab") as writer:
        damaged = by_name(tbio.repair(logs, in_place=True), logs)[f"a/{NAME}"]
        assert (damaged.outcome, damaged.why) == ("left", "it is being written")
        assert left_out(damaged) == LEFT_OUT
        assert states(logs) == before
        writer.write(SOUND[0])
    tbio.repair(logs, in_place=True)
    assert (logs / "a" / NAME).read_bytes() == REPAIRED + SOUND[0]


@pytest.mark.parametrize("moment", ["link", "replace"])
def test_what_is_appended_meanwhile_is_not_lost(
    logs: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """By a writer that no system tells of, before and behind the last look."""
    monkeypatch.setattr(backups, "has_writer", lambda path: False)
    path = logs / "a" / NAME
    done: Callable[..., None] = getattr(os, moment)
    grown = 0

    def growing(*names: str) -> None:
        nonlocal grown
        if not grown:
            with path.open("ab") as writer:
                grown = writer.write(SOUND[0])
        done(*names)

    monkeypatch.setattr(os, moment, growing)
    (file,) = tbio.repair(logs / "a", in_place=True).files
    assert (file.outcome, file.why) == ("left", "it is being written")
    assert path.read_bytes() == DAMAGED + SOUND[0]
    assert set(tree(logs / "a")) >= {NAME}


def test_a_file_that_grows_while_it_is_read_is_left(
    logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_new = repairs._write_new

    def slowly(salvager: repairs._Salvager, file: LocalFile, path: str) -> None:
        write_new(salvager, file, path)
        with open(file.name, "ab") as writer:
            writer.write(SOUND[0])

    monkeypatch.setattr(repairs, "_write_new", slowly)
    (file,) = tbio.repair(logs / "a", in_place=True).files
    assert file.why == "it is being written"
    assert tree(logs / "a")[NAME] == DAMAGED + SOUND[0]
    assert [name for name in tree(logs / "a") if "events" in name] == [NAME]


#: Repairs each folder in a process of its own, the n-th of which ends behind n calls to the
#: operating system; says how each of them ended.
KILLED = """
import os, sys
from tbio import repair

def refuse(*names):
    raise PermissionError

def scripted(call):
    def counted(*arguments, **more):
        global calls
        calls += 1
        if calls > last:
            os._exit(9)
        return call(*arguments, **more)
    return counted

for last, folder in enumerate(sys.argv[2:]):
    child = os.fork()
    if not child:
        if sys.argv[1] == "copies":
            os.link = refuse
        for name in ("link", "replace", "fsync", "unlink", "open", "chown", "utime", "chmod"):
            setattr(os, name, scripted(getattr(os, name)))
        calls = 0
        repair(folder, in_place=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("way", ["links", "copies"])
def test_a_crash_at_any_step_loses_nothing(tmp_path: Path, way: str) -> None:
    folders = [tmp_path / str(last) for last in range(40)]
    for folder in folders:
        folder.mkdir()
        (folder / NAME).write_bytes(DAMAGED)
    command = [sys.executable, "-c", KILLED, way, *map(str, folders)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    codes = list(map(int, done.stdout.split()))
    killed = codes.index(0)
    assert codes == [9] * killed + [0] * (40 - killed)
    outcomes = []
    for folder in folders:
        files = tree(folder)
        assert files[NAME] in (DAMAGED, REPAIRED)
        kept = [data for name, data in files.items() if "damaged" in name]
        assert DAMAGED in (files[NAME], *kept)
        assert set(kept) <= {DAMAGED}
        assert [name for name in files if is_event_file(name)] == [NAME]
        outcomes.append((files[NAME] == REPAIRED, len(kept)))
        # Done once more, it comes to the same.
        tbio.repair(folder, in_place=True)
        assert tree(folder).items() >= {NAME: REPAIRED, KEPT: DAMAGED}.items()
        assert set(tree(folder)) <= {NAME, KEPT, KEPT.replace("damaged-0", "copying")}
    assert {(False, 0), (False, 1), (True, 1)} == set(outcomes)
    assert killed > 8


# ------------------------------------------------------------------ the corpus


@functools.cache
def damages() -> dict[str, dict[str, Any]]:
    path = CORPUS / "damaged" / "damage.json"
    return dict(json.loads(path.read_bytes())) if path.exists() else {}


@pytest.mark.parametrize("name", damages())
def test_damaged_files_of_the_corpus(corpus: Path, tmp_path: Path, name: str) -> None:
    """What was whole is there, byte for byte, and TensorBoard's loader reads it to the end."""
    damaged = corpus / "damaged" / name
    reader = RecordFileReader(LocalFile(str(damaged)), "ignore")
    sound = [record.payload for record in reader.records()]
    (file,) = tbio.repair(damaged, tmp_path / "out").files
    if file.outcome == "left":
        assert file.why == "not a single event in it"
        assert tree(tmp_path / "out") == {}
        assert not damages()[name]["intact_records"] or "magic_crc" in name
        return
    events = events_in(tmp_path / "out" / name)  # also checks that nothing is left over
    assert len(list(EventFileLoader(file.target).Load())) >= len(events)
    data = Path(file.target).read_bytes()
    assert file.events == len(events)
    assert len(sound) - len(events) == sum(f.count for f in file.findings if f.kind == "event")
    assert data == b"".join(encode_record(payload) for payload in sound if _parses(payload))
    intact = damages()[name]["intact_records"]
    assert len(events) >= intact
    if not file.findings and "gzip" not in name:
        assert data == damaged.read_bytes()


def _parses(payload: bytes) -> bool:
    from tensorboard.compat.proto import event_pb2

    try:
        event_pb2.Event.FromString(payload)
    except Exception:
        return False
    return True


def test_sound_files_of_the_corpus_are_copied_byte_for_byte(corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = tbio.repair(corpus / "peers", out)
    assert tree(out) == tree(corpus / "peers")
    assert report.complete


def test_in_place_a_run_outside_is_told_of(logs: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / NAME).write_bytes(SOUND[0])
    (logs / "linked").symlink_to(tmp_path / "outside")
    (logs / "inside").symlink_to(logs / "a")
    files = by_name(tbio.repair(logs, in_place=True), logs)
    assert (files["linked"].outcome, files["linked"].why) == (
        "left",
        "a link; repair what it leads to",
    )
    assert "inside" not in files
    assert (tmp_path / "outside" / NAME).read_bytes() == SOUND[0]
