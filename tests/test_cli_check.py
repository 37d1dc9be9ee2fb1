"""``tbio check`` and ``tbio repair``, as a user meets them."""

from __future__ import annotations

import json
import math
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tbio.cli import main
from tbio.kinds import scalar
from tbio.proto.event_pb2 import Event
from tbio.record import encode_record

NAME = "events.out.tfevents.1700000000.host"


def point(step: int, value: float = 1.0, tag: str = "loss") -> bytes:
    event = Event(step=step, wall_time=100.0, summary={"value": [scalar.encode(tag, value)]})
    return encode_record(event.SerializeToString())


SOUND = b"".join(point(step) for step in range(1, 4))
SIZE = len(SOUND) // 3


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tbio", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """As `command`, without a process of its own: exit code, output, words."""

    def called(*arguments: str | Path) -> tuple[int, str, str]:
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return called


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name, data in {
        f"bad/{NAME}": point(1) + b"garbage" + point(2) + point(2, math.nan) + point(3),
        f"good/{NAME}": SOUND[:-9],
        "good/note.txt": b"words",
    }.items():
        (tmp_path / "logs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "logs" / name).write_bytes(data)
    return tmp_path / "logs"


def test_check(logs: Path) -> None:
    done = command("check", logs)
    assert done.returncode == 3
    assert done.stdout == (
        f"{logs}/bad/{NAME}  damaged (4 events, {4 * SIZE + 7} B)\n"
        f"  fault   1 stretch without a sound record (7 bytes): byte {SIZE}, 7 bytes\n"
        f"  remark  1 point of a step that was there: byte {2 * SIZE + 7}, tag 'loss', step 2\n"
        f"  remark  1 NaN: byte {2 * SIZE + 7}, tag 'loss', step 2\n"
        f"{logs}/good/{NAME}  cut off (2 events, {3 * SIZE - 9} B)\n"
        f"  remark  1 record cut off at the end ({SIZE - 9} bytes): "
        f"byte {2 * SIZE}, {SIZE - 9} bytes\n"
    )
    assert done.stderr == "tbio: 2 event files: 1 damaged, 1 cut off\n"


def test_a_folder_that_cannot_be_looked_into(
    logs: Path, call: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def forbidding(path: str) -> object:
        if os.fspath(path).endswith("bad"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidding)
    code, output, _ = call("check", logs)
    assert code == 3
    assert output.splitlines()[-1] == f"{logs}/bad  cannot be looked into: Permission denied"
    code, output, _ = call("check", logs, "--json")
    assert json.loads(output)["unlisted"] == {f"{logs}/bad": "Permission denied"}


def test_remarks_are_no_faults(logs: Path) -> None:
    done = command("check", logs, "--runs", "good", "--tags", "l*")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 2


def test_check_as_json(logs: Path) -> None:
    done = command("check", logs, "--runs", "bad", "--json", "--examples", "1")
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    (file,) = shown.pop("files")
    assert shown == {"sound": False, "unlisted": {}}
    fault, *remarks = file.pop("findings")
    assert file == {
        "run": "bad",
        "path": f"{logs}/bad/{NAME}",
        "state": "damaged",
        "bytes": 4 * SIZE + 7,
        "compression": "",
        "records": 4,
        "events": 4,
        "unverified": "",
        "unverified_records": 0,
        "lost_bytes": 7,
    }
    assert fault == {
        "kind": "length",
        "fault": True,
        "count": 1,
        "bytes": 7,
        "examples": [{"offset": SIZE, "bytes": 7, "tag": "", "step": None, "what": ""}],
    }
    assert [(one["kind"], one["fault"]) for one in remarks] == [
        ("duplicate", False),
        ("nan", False),
    ]


def test_one_file_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"<html><body>no event file</body></html>")
    done = command("check", tmp_path / "page.html")
    assert done.returncode == 3
    assert "page.html  no event file (0 events, 39 B)\n  fault  no event file: not" in done.stdout
    (tmp_path / "renamed").write_bytes(SOUND)
    done = command("check", tmp_path / "renamed")
    assert (done.returncode, done.stderr) == (0, "tbio: 1 event file: 1 sound\n")


def test_failures_and_usage(
    logs: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, code, words in (
        ((tmp_path / "gone",), 1, "No such file"),
        ((tmp_path / "empty",), 1, "no event files"),
        ((logs, "--runs", "god"), 1, "no run 'god'"),
        ((logs, "--tags", "los"), 1, "no tag 'los'"),
        ((logs, "--examples", "-1"), 2, "want a number of 0 or more"),
        ((), 2, "LOGS"),
    ):
        ended, output, told = call("check", *arguments)
        assert (ended, output) == (code, "")
        assert words in told


def test_nothing_steers_the_terminal(tmp_path: Path) -> None:
    run = tmp_path / "logs" / "run\x1b[2J\n\u202e"
    run.mkdir(parents=True)
    nasty = point(2, tag="\x1b]0;title\x07\r\n\u202e" + "x" * 5000) * 2
    (run / f"{NAME}.\x1b[31m").write_bytes(nasty + b"\xff" * 30 + nasty)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "logs" / "l\x1bnk").symlink_to(tmp_path / "elsewhere")
    shown = [
        command("check", tmp_path / "logs"),
        command("repair", tmp_path / "logs", tmp_path / "out"),
        command("repair", tmp_path / "logs", "--in-place"),
    ]
    assert [done.returncode for done in shown] == [3, 3, 3]
    for done in shown:
        lines = (done.stdout + done.stderr).split("\n")
        assert all(line.isprintable() and len(line) < 1000 for line in lines)
        assert len(lines) < 9


def test_repair(logs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command("repair", logs, out)
    assert done.returncode == 3
    assert done.stdout == (
        f"{logs}/bad/{NAME}  repaired (4 events)\n"
        f"  fault  1 stretch without a sound record (7 bytes): byte {SIZE}, 7 bytes\n"
        f"{logs}/good/{NAME}  repaired (2 events)\n"
        f"  remark  1 record cut off at the end ({SIZE - 9} bytes): "
        f"byte {2 * SIZE}, {SIZE - 9} bytes\n"
    )
    assert done.stderr == "tbio: 3 files: 2 repaired, 1 copied\n"
    assert (out / "good" / "note.txt").read_bytes() == b"words"
    assert (out / "good" / NAME).read_bytes() == SOUND[: 2 * SIZE]
    assert command("check", out).returncode == 0
    again = command("repair", out, tmp_path / "again")
    assert (again.returncode, again.stdout) == (0, "")
    refused = command("repair", logs, out)
    assert (refused.returncode, refused.stderr) == (1, f"tbio: {out}: want a new or empty folder\n")


def test_repair_as_json(logs: Path, tmp_path: Path) -> None:
    done = command("repair", logs, tmp_path / "out", "--json")
    assert done.returncode == 3
    shown = json.loads(done.stdout)
    assert shown["complete"] is False
    bad, good, note = shown["files"]
    assert bad["target"] == f"{tmp_path}/out/bad/{NAME}"
    assert [(one["kind"], one["bytes"]) for one in bad["left_out"]] == [("length", 7)]
    assert (bad["lost_bytes"], good["lost_bytes"]) == (7, 0)
    assert (note["path"], note["outcome"]) == (f"{logs}/good/note.txt", "copied")


def test_repair_in_place(logs: Path) -> None:
    done = command("repair", logs, "--in-place")
    assert done.returncode == 3
    backup = logs / "bad" / "events.out.damaged-0.1700000000.host"
    assert done.stdout.splitlines()[0] == (
        f"{logs}/bad/{NAME}  repaired (4 events; the original is {backup})"
    )
    assert b"garbage" in backup.read_bytes()
    assert sorted(os.listdir(logs / "good")) == [NAME, "note.txt"]
    again = command("repair", logs, "--in-place")
    assert again.returncode == 0
    assert again.stderr == "tbio: 2 files: 2 sound\n"


TEXT = {"dtype": 7, "tensor_shape": {"dim": [{"size": 1}]}, "string_val": [b"words"]}
WRONG = {"tag": "wrong", "metadata": {"plugin_data": {"plugin_name": "scalars"}}, "tensor": TEXT}
ODD: dict[str, bytes] = {
    "a wall time": encode_record(Event(step=1, wall_time=math.nan).SerializeToString()),
    "a value": encode_record(
        Event(step=1, wall_time=1.0, summary={"value": [{"tag": "nothing"}]}).SerializeToString()
    ),
    "a tail": point(1)[:-3],
}


@pytest.mark.parametrize("odd", ODD)
def test_all_commands_go_by_the_same_rule(
    tmp_path: Path, odd: str, call: Callable[..., tuple[int, str, str]]
) -> None:
    """What is a remark for one is none of a fault for another."""
    (tmp_path / NAME).write_bytes(SOUND + ODD[odd])
    for arguments in (("check", tmp_path), ("ls", tmp_path), ("export", tmp_path, "-")):
        assert call(*arguments)[0] == 0, arguments
    wrong = Event(step=1, wall_time=1.0, summary={"value": [WRONG]})
    (tmp_path / f"{NAME}.2").write_bytes(encode_record(wrong.SerializeToString()))
    for arguments in (("check", tmp_path), ("ls", tmp_path), ("export", tmp_path, "-")):
        assert call(*arguments)[0] == 3, arguments


def test_options_that_mean_nothing_here(call: Callable[..., tuple[int, str, str]]) -> None:
    for name in ("check", "repair"):
        _, told, _ = call(name, "--help")
        assert "--restarts" not in told
        assert "--unverified" in told
    assert "--restarts" in call("ls", "--help")[1]


def test_a_million_of_one_sort_are_a_line(
    tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    nan = b"".join(point(step, math.nan) for step in range(3000))
    clocks = encode_record(Event(step=1, wall_time=math.nan).SerializeToString()) * 3000
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / NAME).write_bytes(nan + clocks + encode_record(b"\xff") * 3000)
    code, output, _ = call("check", tmp_path / "logs")
    assert code == 3
    assert len(output) < 1500
    assert [line.split(":")[0] for line in output.splitlines()[1:]] == [
        "  fault   3,000 sound records that are no Events (51,000 bytes)",
        "  remark  3,000 NaNs",
        "  remark  3,000 wall times that are no numbers",
    ]
    _, output, _ = call("check", tmp_path / "logs", "--json")
    assert [one["count"] for one in json.loads(output)["files"][0]["findings"]] == [3000] * 3
    code, output, _ = call("repair", tmp_path / "logs", tmp_path / "out")
    assert code == 3
    assert len(output) < 1500
    code, _, told = call("ls", tmp_path / "logs")
    assert code == 3
    assert len(told.splitlines()) < 30


@pytest.mark.parametrize(("words", "said"), [("check", "checking"), ("repair", "repairing")])
def test_a_progress_bar_on_a_terminal(logs: Path, tmp_path: Path, words: str, said: str) -> None:
    ours, theirs = pty.openpty()
    more = [tmp_path / "out"] if words == "repair" else []
    done = subprocess.run(
        [sys.executable, "-m", "tbio", words, logs, *more],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 3
    assert f"{said} files" in shown
    assert said.encode() not in done.stdout


def test_images_that_cannot_be_decoded(
    tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    value = {"tag": "i", "image": {"width": 1, "height": 1, "encoded_image_string": b"<html>"}}
    event = Event(step=7, wall_time=1.0, summary={"value": [value]})
    (tmp_path / NAME).write_bytes(SOUND + encode_record(event.SerializeToString()))
    assert call("check", tmp_path)[0] == 0
    code, output, _ = call("check", tmp_path, "--decode")
    assert code == 3
    assert f"value that cannot be decoded: byte {len(SOUND)}, tag 'i', step 7, 6 by" in output


def test_records_that_cannot_be_verified(
    tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    data = b"".join(SOUND[at : at + SIZE - 4] + b"same" for at in range(0, 3 * SIZE, SIZE))
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / NAME).write_bytes(data)
    code, output, _ = call("check", logs)
    assert code == 3
    assert "cannot be verified" in output
    code, output, _ = call("check", logs, "--unverified", "read")
    assert code == 0
    assert output == f"{logs}/{NAME}  sound (3 events, {3 * SIZE} B, 3 not verified)\n"
    out = tmp_path / "out"
    assert call("repair", logs, out, "--unverified", "read")[0] == 0
    assert (out / NAME).read_bytes() == SOUND


def test_repair_usage(
    logs: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    assert call("repair", logs)[0] == 2
    assert call("repair", logs, tmp_path / "out", "--in-place")[0] == 2
    assert call("repair", tmp_path / "gone", tmp_path / "out")[0] == 1
