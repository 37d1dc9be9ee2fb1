"""``tbio plot``, as a user meets it."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbio import SummaryWriter
from tbio.cli import main

DIGITS = Path(__file__).parent / "golden" / "digits"

Call = Callable[..., tuple[int, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """The command without a process of its own: exit code, and words on the standard error."""

    def called(*arguments: str | Path) -> tuple[int, str]:
        try:
            code = main(["plot", *map(str, arguments)])
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        assert said.out == ""
        return code, said.err

    return called


@pytest.fixture(scope="module")
def every_kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for run, rate in (("a", 0.1), ("b", 0.01)):
        with SummaryWriter(folder / run) as writer:
            writer.set_hparams({"lr": rate, "same": 1})
            for step in range(3):
                writer.add_scalar("val/accuracy", rate * step, step)
                writer.add_histogram("weights", np.arange(9.0), step)
                writer.add_image("picture", np.zeros((3, 4, 4)), step)
                writer.add_pr_curve("cats", [0, 1], [0.2, 0.9], step)
            writer.add_embedding(np.eye(3), list("xyz"))
    return folder


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


def test_a_figure(tmp_path: Path) -> None:
    out = tmp_path / "a.png"
    command = [
        sys.executable,
        "-m",
        "tbio",
        "plot",
        str(DIGITS),
        str(out),
        "--smooth",
        "0.6",
        "--dpi",
        "100",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"tbio: 2 panels of scalars drawn to {out}\n"
    assert size_of(out) == (680, 230)  # two panels of 3.4 by 2.3 inches
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_to_the_standard_output() -> None:
    command = [sys.executable, "-m", "tbio", "plot", str(DIGITS), "-", "--format", "svg"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert done.stdout.startswith(b"<?xml")
    assert done.stdout.endswith(b"</svg>\n")
    png = subprocess.run(command[:-2], capture_output=True, check=True, timeout=60).stdout
    assert Image.open(io.BytesIO(png)).format == "PNG"


def test_a_pdf_has_text_that_can_be_found(tmp_path: Path, call: Call) -> None:
    out = tmp_path / "a.pdf"
    assert call(DIGITS, out)[0] == 0
    assert b"/FontFile2" in out.read_bytes()  # TrueType and not the outlines of Type 3


@pytest.mark.parametrize(
    ("of", "panels"),
    [
        ("scalars", 1),
        ("histograms", 2),
        ("pr_curves", 1),
        ("images", 2),
        ("embeddings", 2),
        ("hparams", 1),
    ],
)
def test_each_kind(of: str, panels: int, every_kind: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "a.png"
    code, said = call(every_kind, out, "--of", of, "--dpi", "50")
    noun = "panel" if panels == 1 else "panels"
    assert (code, said) == (0, f"tbio: {panels} {noun} of {of} drawn to {out}\n")
    assert size_of(out)[0] > 100


def test_what_is_selected_is_what_is_drawn(every_kind: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "a.png"
    code, said = call(every_kind, out, "--dpi", "50")
    assert code == 0
    assert said.startswith("tbio: drawing scalars; there are also histograms, pr_curves, images")
    assert "2 panels of histograms" in call(every_kind, out, "--tags", "weights", "--dpi", "50")[1]
    assert "1 panel of images" in call(every_kind, out, "--tags", "pic*", "--runs", "a")[1]


def test_options_reach_the_figure(every_kind: Path, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "a.png"
    options = ("--of", "scalars", "--size", "5x3", "--dpi", "50", "--group-regex", "(a|b)")
    assert call(every_kind, out, *options)[0] == 0
    assert size_of(out) == (250, 150)
    for more in (
        ("--x", "relative", "--log-y", "--y-range", "0.001:"),
        ("--group", "all", "--spread", "bootstrap", "--members", "--labels", "legend"),
        ("--group-hparam", "lr", "--centre", "median", "--align", "bin", "--width", "2"),
        ("--x", "wall", "--pause", "60", "--title", "All of it"),
    ):
        assert call(every_kind, out, "--of", "scalars", *more)[0] == 0, more


def test_options_of_another_kind_are_wrong_usage(
    every_kind: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "a.png"
    code, said = call(every_kind, out, "--of", "pr_curves", "--smooth", "0.5", "--log-y")
    assert (code, said) == (2, "tbio: --smooth, --log-y: no part of a figure of pr curves\n")
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.jpg",), "ends in .png, .svg, .pdf, got 'a.jpg'"),
        (("a.png", "--size", "3"), "want AxB, got '3'"),
        (("a.png", "--x-range", "a:b"), "want A:B, got 'a:b'"),
        (("a.png", "--group-regex", "("), "no regular expression"),
        (("a.png", "--group", "all", "--group-regex", "x"), "not allowed with argument --group"),
        (("a.png", "--size", "0x3"), "want more than 0, got '0x3'"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], words: str, call: Call) -> None:
    code, said = call(DIGITS, *arguments)
    assert code == 2
    assert words in said


def test_the_scales_of_heat_maps_are_no_panels(
    every_kind: Path, tmp_path: Path, call: Call
) -> None:
    code, said = call(every_kind, tmp_path / "a.png", "--of", "histograms", "--form", "heatmap")
    assert (code, said) == (0, f"tbio: 2 panels of histograms drawn to {tmp_path / 'a.png'}\n")


def test_mistyped_names_are_told_with_the_nearest(
    every_kind: Path, tmp_path: Path, call: Call
) -> None:
    out = tmp_path / "a.png"
    for arguments, words in (
        (("--tags", "wieghts"), "no tag 'wieghts' in"),
        (("--tags", "wieghts"), "nearest: 'weights'"),
        (("--of", "hparams", "--metric", "acuracy"), "nearest: 'val/accuracy'"),
        (("--of", "hparams", "--hparam", "rl"), "nearest: 'lr'"),
        (("--of", "embeddings", "--color", "lable"), "nearest: 'label'"),
        (("--of", "scalars", "--tags", "weights"), "selects histograms (steps"),
        (("--of", "embeddings", "--tags", "defualt"), "nearest: 'default:00000'"),
    ):
        code, said = call(every_kind, out, *arguments)
        assert code == 1
        assert words in said
        assert "Traceback" not in said
    assert not out.exists()


def test_damage_is_told_and_the_rest_drawn(tmp_path: Path, call: Call) -> None:
    with SummaryWriter(tmp_path / "run") as writer:
        for step in range(20):
            writer.add_scalar("loss", 1.0, step)
    (file,) = (tmp_path / "run").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    code, said = call(tmp_path, tmp_path / "a.png", "--dpi", "50")
    assert code == 3
    assert "1 panel of scalars" in said
    assert size_of(tmp_path / "a.png")[0] > 100


def test_only_a_projector_folder(tmp_path: Path, call: Call) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(np.eye(3), list("xyz"))
    code, said = call(tmp_path, tmp_path / "a.png", "--dpi", "50")
    assert (code, said) == (0, f"tbio: 1 panel of embeddings drawn to {tmp_path / 'a.png'}\n")
    for file in tmp_path.glob("*tfevents*"):
        file.unlink()
    assert call(tmp_path, tmp_path / "b.png", "--of", "embeddings")[0] == 0


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["plot", "--help"])
    assert "tbio plot logs/ curves.png --smooth 0.6" in capsys.readouterr().out


def test_a_terminal_gets_no_figure(call: Call) -> None:
    master, slave = pty.openpty()
    try:
        code, said = call(DIGITS, os.ttyname(slave), "--format", "png")
    finally:
        os.close(master)
        os.close(slave)
    assert (code, "is a terminal, which takes no figures" in said) == (2, True)
