"""``tbio edit`` as a user meets it: options, what it prints, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from raw_log import steps_in

from tbio import cli
from tbio.cli import edit
from tbio.writer import SummaryWriter


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command alone, whichever others there are."""
    monkeypatch.setattr(cli, "COMMANDS", (edit,))


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for run in ("a", "b"):
        with SummaryWriter(tmp_path / "logs" / run) as writer:
            for step in range(10):
                writer.add_scalar("train_loss", step, step)
                writer.add_scalar("debug/x", step, step)
                writer.add_text("note", "words", step)
    return tmp_path / "logs"


def run(*arguments: str | Path) -> int:
    return cli.main(["edit", *map(str, arguments)])


@pytest.mark.usefixtures("command")
def test_elsewhere(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    # fmt: off
    assert run(
        logs, out, "--rename-tag", "train_loss", "train/loss", "--rename-run", "b", "../b",
    ) == 1
    assert capsys.readouterr().err == "tbio: '../b' is no path inside of the folder\n"
    assert run(
        logs, out, "--drop-tags", "debug/*", "--rename-tag", "train_loss", "train/loss",
        "--rename-run", "b", "deep/b", "--every", "3", "--shift-steps", "100",
        "--drop-steps", "8:", "--last", "0",
    ) == 0
    # fmt: on
    assert steps_in(out / "a") == steps_in(out / "deep/b") == {"train/loss": [100, 103, 106]}
    told = capsys.readouterr()
    assert told.err == "tbio: 2 files: 2 edited\n"
    assert [line.partition("  ")[2] for line in told.out.splitlines()] == [
        "edited (5 events, 27 values dropped)"
    ] * 2


@pytest.mark.usefixtures("command")
def test_regexes_and_json(logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    renames = ["--rename-tag", "^train_(.*)", r"train/\1", "--rename-run", "^", "exp/"]
    assert run(logs, out, "--regex", *renames, "--tags", "loss$", "--merge", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["tags"] == {"train_loss": "train/loss"}
    assert printed["runs"] == {"a": "exp/a", "b": "exp/b"}
    assert [(file["kept"], file["dropped"]) for file in printed["files"]] == [(10, 20)] * 2
    assert steps_in(out / "exp/a") == {"train/loss": list(range(10))}


@pytest.mark.usefixtures("command")
def test_in_place_and_damage(logs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [file] = (logs / "a").iterdir()
    data = bytearray(file.read_bytes())
    data[data.index(b"train_loss", len(data) // 2)] ^= 1
    file.write_bytes(data)
    assert run(logs, "--in-place", "--drop-kinds", "texts", "--runs", "[ab]") == 3
    told = capsys.readouterr()
    assert "fault  1 record with a wrong checksum" in told.out
    assert "the original is " in told.out
    assert sorted(path.name.split(".")[2] for path in (logs / "b").iterdir()) == [
        "edited-0",
        "tfevents",
    ]


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--drop-tags", "debg/x"], 1, "no tag 'debg/x'"),
        (["--rename-run", "c", "d"], 1, "no run 'c'"),
        (["--drop-kinds", "scalar"], 2, "invalid choice: 'scalar'"),
        (["--drop-steps", "x"], 2, "want FIRST:STOP:STRIDE"),
        (["--regex", "--rename-tag", "(", "x"], 1, "'(' is no regular expression"),
        (["--in-place"], 2, "not allowed with argument OUT"),
    ],
)
def test_mistakes(
    logs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    try:
        got = run(logs, tmp_path / "out", *arguments)
    except SystemExit as error:
        got = int(error.code or 0)
    assert got == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
