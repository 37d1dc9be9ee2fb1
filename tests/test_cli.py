"""The command, as a user meets it: a process with arguments, output and an exit code."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tbio
from tbio import SummaryWriter, cli
from tbio.cli.render import columns, printable

GOLDEN = Path(__file__).parent / "golden" / "digits"


def command(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tbio", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **more},
    )


def damage(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_version_and_help() -> None:
    assert command("--version").stdout == f"tbio {tbio.__version__}\n"
    shown = command("--help").stdout
    assert "ls" in shown
    assert "export" in shown
    assert "tbio export logs/ run.csv" in command("export", "--help").stdout


def test_the_installed_command() -> None:
    script = Path(sys.executable).with_name("tbio")
    if not script.exists():
        pytest.skip("tbio is not installed in this environment, only on its path")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"tbio {tbio.__version__}\n"


def test_ls() -> None:
    done = command("ls", GOLDEN)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout == (
        "test  (1 file, 1.8 kB)\n"
        "  scalars  accuracy  20  steps 0..19\n"
        "  scalars  loss      20  steps 0..19\n"
        "train  (1 file, 1.8 kB)\n"
        "  scalars  accuracy  20  steps 0..19\n"
        "  scalars  loss      20  steps 0..19\n"
    )


def test_ls_json() -> None:
    done = command("ls", GOLDEN, "--json", "--runs", "train", "--tags", "l*")
    (run,) = json.loads(done.stdout)["runs"]
    (file,) = run.pop("files")
    assert file.startswith(str(GOLDEN / "train"))
    assert run == {
        "run": "train",
        "bytes": 1804,
        "events": 41,
        "complete": True,
        "tags": [
            {
                "kind": "scalars",
                "tag": "loss",
                "plugin": "scalars",
                "count": 20,
                "first_step": 0,
                "last_step": 19,
            }
        ],
        "embeddings": [],
    }


def test_export(tmp_path: Path) -> None:
    done = command("export", GOLDEN, tmp_path / "out.csv")
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr == f"tbio: 80 rows of 2 runs written to {tmp_path / 'out.csv'}\n"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "run,tag,step,wall_time,value"
    assert lines[21] == "test,loss,0,1700000000.0,2.3025851"
    assert len(lines) == 81


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.feather"])
def test_export_by_suffix(tmp_path: Path, name: str) -> None:
    done = command("export", GOLDEN, tmp_path / name)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"tbio: 80 rows of 2 runs written to {tmp_path / name}\n"
    read = pl.read_parquet if name == "out.parquet" else pl.read_ipc
    assert read(tmp_path / name).equals(tbio.open(GOLDEN).to_polars())


def test_export_of_a_format_to_a_pipe() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tbio", "export", GOLDEN, "-", "--format", "parquet", "--wide"],
        capture_output=True,
        check=True,
    )
    assert pl.read_parquet(io.BytesIO(done.stdout)).columns == ["run", "step", "accuracy", "loss"]


@pytest.mark.parametrize("out", ["-", "/dev/stdout"])
def test_export_to_stdout(out: str) -> None:
    done = command("export", GOLDEN, out, "--runs", "test", "--tags", "loss", "--wide")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:2] == ["run,step,loss", "test,0,2.3025851"]
    assert len(lines) == 21


def test_redirected_dev_stdout_stays(tmp_path: Path) -> None:
    out = tmp_path / "out.txt"
    with out.open("w") as file:
        subprocess.run(
            [sys.executable, "-m", "tbio", "export", GOLDEN, "/dev/stdout"],
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    assert len(out.read_text().splitlines()) == 81
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(50_000):
            writer.add_scalar("x", step, step)
    shell = f"{sys.executable} -m tbio export {tmp_path} - | head -1"
    done = subprocess.run(shell, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "run,tag,step,wall_time,value\n"
    assert done.stderr == ""


def test_damage_gives_exit_code_3(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1, 1)
        writer.add_scalar("x", 2, 2)
    (file,) = tmp_path.iterdir()
    damage(file, file.stat().st_size - 5)
    done = command("export", tmp_path, "-")
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 2
    assert "payload checksum wrong" in done.stderr
    assert "Traceback" not in done.stderr
    shown = command("ls", tmp_path)
    assert shown.returncode == 3
    assert "damaged" in shown.stdout


def test_a_record_still_being_written_is_no_damage(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", 1, 1)
        writer.add_scalar("x", 2, 2)
    (file,) = tmp_path.iterdir()
    os.truncate(file, file.stat().st_size - 5)
    done = command("export", tmp_path, "-")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)


def test_restarts_are_told(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        for step in range(10):
            writer.add_scalar("x", step, step)
    with SummaryWriter(tmp_path, purge_step=6) as writer:
        writer.add_scalar("x", 60, 6)
    done = command("export", tmp_path, "-")
    assert len(done.stdout.splitlines()) == 12
    assert "run .: 4 points that a restart asked to discard: kept" in done.stderr
    done = command("export", tmp_path, "-", "--restarts", "session")
    assert len(done.stdout.splitlines()) == 8
    assert "left out" in done.stderr


MISTAKES = {
    "nothing there": (["ls", "NOWHERE"], 1, "NOWHERE: No such file or directory"),
    "no event files": (["ls", "EMPTY"], 1, "no event files"),
    "no such run": (["ls", "GOLDEN", "--runs", "trian"], 1, "no run 'trian' in"),
    "no such tag": (["export", "GOLDEN", "-", "--tags", "los"], 1, "nearest: 'loss'"),
    "no such kind of it": (
        ["export", "GOLDEN", "-", "--tags", "loss", "--steps", "1000:"],
        1,
        "--tags loss selects scalars (steps 0 to 19), of which nothing is asked for here",
    ),
    "no csv": (["export", "GOLDEN", "out.docx"], 2, "or .feather, got 'out.docx'"),
    "no folder": (["export", "GOLDEN", "EMPTY/no/out.csv"], 1, "No such file or directory"),
    "no command": ([], 2, "required"),
    "no such command": (["exprot"], 2, "invalid choice"),
    "missing": (["export", "GOLDEN"], 2, "OUT"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(tmp_path: Path, mistake: str) -> None:
    arguments, code, words = MISTAKES[mistake]
    places = {"GOLDEN": str(GOLDEN), "EMPTY": str(tmp_path), "NOWHERE": str(tmp_path / "NOWHERE")}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]
    done = command(*arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_embeddings_are_listed(tmp_path: Path) -> None:
    for run in ("a", "b"):
        with SummaryWriter(tmp_path / run) as writer:
            writer.add_embedding(np.eye(2), ["x", "y"], tag=f"words-{run}", global_step=3)
            writer.add_scalar("loss", 1, 1)
    for path in (tmp_path / "b").glob("*tfevents*"):
        path.unlink()
    done = command("ls", tmp_path, "--tags", "words-*")
    assert done.stdout.splitlines()[1:] == [
        "  embeddings  words-a:00003",
        "b  (no event files)",
        "  embeddings  words-b:00003",
    ]
    shown = json.loads(command("ls", tmp_path, "--json", "--tags", "words-a").stdout)
    assert [(run["run"], run["tags"], run["embeddings"]) for run in shown["runs"]] == [
        ("a", [], ["words-a:00003"])
    ]
    assert "embeddings" not in command("ls", tmp_path, "--kinds", "scalars").stdout
    wrong = command("ls", tmp_path, "--tags", "wrods-b")
    assert wrong.returncode == 1
    assert "nearest: 'words-b:00003'" in wrong.stderr


def test_nothing_from_a_log_steers_the_terminal(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("\x1b]0;owned\x07\x1b[31mred", 1, 1)
    done = command("ls", tmp_path)
    assert "\x1b" not in done.stdout
    assert r"\x1b]0;owned\x07\x1b[31mred" in done.stdout


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="no /dev/stdin here")
def test_a_pipe_is_read_like_a_file() -> None:
    (file,) = (GOLDEN / "test").iterdir()
    done = subprocess.run(
        [sys.executable, "-m", "tbio", "export", "/dev/stdin", "-"],
        input=file.read_bytes(),
        capture_output=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 41


def test_a_terminal_that_shows_ascii_only(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("größe", 1, 1)
    done = command("ls", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert r"gr\xf6\xdfe" in done.stdout


@pytest.mark.parametrize("words", [("ls", GOLDEN), ("export", GOLDEN, "-")])
def test_a_closed_output(words: tuple[str, ...]) -> None:
    line = " ".join(map(str, [sys.executable, "-m", "tbio", *words]))
    done = subprocess.run(f"{line} >&-", shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "tbio: the standard output is closed\n")


def test_a_url_without_its_library() -> None:
    done = command("ls", "gopher://host/logs")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "gopher" in done.stderr


def test_terminated_in_the_middle(tmp_path: Path) -> None:
    code = f"""
import os, signal, sys
from tbio import cli
from tbio.exports import csv_file
write = csv_file._block
def stop(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    return write(*arguments)
csv_file._block = stop
sys.exit(cli.main(["export", {str(GOLDEN)!r}, {str(tmp_path / "out.csv")!r}]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 128 + 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("in_thread", [False, True])
def test_called_from_a_program_it_leaves_that_as_it_was(
    in_thread: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def state() -> tuple[object, ...]:
        return signal.getsignal(signal.SIGTERM), warnings.showwarning, list(warnings.filters)

    def call() -> None:
        codes.extend(cli.main(["ls", str(logs)]) for logs in (GOLDEN, GOLDEN / "nowhere"))

    codes: list[int] = []
    before = state()
    if in_thread:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    else:
        call()
    assert codes == [0, 1]
    assert "nowhere" in capsys.readouterr().err
    assert state() == before


def test_printable() -> None:
    assert printable("plain é ☃") == "plain é ☃"
    assert printable("a\tb\x9b\u202e\udcff") == r"a\tb\x9b\u202e\udcff"
    assert columns([("a", "1"), ("bb", "22")], right=frozenset({1})) == ["a    1", "bb  22"]


def test_a_progress_bar_on_a_terminal_only(tmp_path: Path) -> None:
    for run in range(3):
        with SummaryWriter(tmp_path / "logs" / str(run)) as writer:
            writer.add_scalar("x", 1, 1)
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "tbio", "export", tmp_path / "logs", tmp_path / "out.csv"],
        stderr=theirs,
        stdout=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "exporting" in shown
    assert "3 rows of 3 runs written" in shown
    assert done.stdout == b""


def test_the_standard_error_is_closed() -> None:
    line = f"{sys.executable} -m tbio ls {GOLDEN} 2>&-"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == command("ls", GOLDEN).stdout


def test_seconds_that_no_clock_takes() -> None:
    done = command("tail", GOLDEN, "--poll", "1e300")
    assert done.returncode == 2
    assert "want seconds" in done.stderr


@pytest.mark.parametrize("suffix", ["sqlite", "duckdb", "xlsx", "csv", "npz", "parquet"])
def test_a_full_disk_is_told_of_in_a_line(suffix: str, tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "log") as writer:
        for step in range(20_000):
            writer.add_scalar("loss", step**0.5, step)
    line = f"ulimit -f 16; {sys.executable} -m tbio export {tmp_path}/log {tmp_path}/out.{suffix}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("tbio: ")
    assert os.listdir(tmp_path) == ["log"]
