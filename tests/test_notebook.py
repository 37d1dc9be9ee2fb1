"""What notebooks show: small tables and curves, and nothing of a log as markup."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from builders import series
from doc_pages import run_page

import tbio
from tbio import notebook
from tbio.tables import Table, column

EVIL = "<script>alert('x')</script>\x1b[2J\u202e"


def parsed(html: str) -> ET.Element:
    """As XML, which it is as well: whatever is not escaped would be an element or an error."""
    return ET.fromstring(f"<all>{html}</all>")


def cells(html: str) -> list[list[str]]:
    """The texts of the tables' cells, row by row."""
    return [
        ["".join(cell.itertext()) for cell in row if cell.tag in ("th", "td")]
        for row in parsed(html).iter("tr")
    ]


def heights(html: str) -> list[list[float]]:
    """The y of the points of each line that is drawn."""
    return [
        [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        for line in parsed(html).iter("polyline")
    ]


def logged(folder: Path) -> tbio.LogDir:
    with tbio.SummaryWriter(folder / "train") as writer:
        for step in range(10):
            writer.add_scalar("loss", 1 / (step + 1), step)
            writer.add_scalar(EVIL, step, step)
        writer.add_text("note", EVIL, 3)
    with tbio.SummaryWriter(folder / "eval") as writer:
        writer.add_scalar("loss", 0.5, 9)
    return tbio.open(folder)


def test_a_curve() -> None:
    (line,) = heights(notebook.sparkline(np.array([0.0, 1.0, 0.5])))
    assert line == [22.0, 2.0, 12.0]  # y goes down
    with_gap = heights(notebook.sparkline(np.array([0.0, np.nan, 1.0, 1.0])))
    assert with_gap == [[22.0, 22.0], [2.0, 2.0]]
    assert heights(notebook.sparkline(np.array([3.0]))) == [[12.0, 12.0]]


def test_a_curve_of_many_points_keeps_its_extremes() -> None:
    values = np.zeros(100_000, np.float32)
    values[777], values[54_321] = 1, -1
    (line,) = heights(notebook.sparkline(values))
    assert (min(line), max(line)) == (2.0, 22.0)
    assert len(line) < 250


@pytest.mark.parametrize(
    "values",
    [
        np.array([], np.float32),
        np.array([np.nan, np.inf]),
        np.array([1j]),
        np.array([10**400], object),
        np.array(["a"], object),
    ],
    ids=str,
)
def test_no_curve(values: np.ndarray) -> None:
    assert notebook.sparkline(values) == ""


def test_a_curve_of_the_largest_numbers() -> None:
    most = np.finfo(np.float64).max
    assert heights(notebook.sparkline(np.array([-most, most]))) == [[22.0, 2.0]]


def test_a_log(tmp_path: Path) -> None:
    html = logged(tmp_path)._repr_html_()
    head, *rows = cells(html)
    assert head[:5] == ["run", "event files", "scalars", "other tags", "last step"]
    assert rows == [
        ["eval", "1", "1", "0", "9", "loss", ""],
        ["train", "1", "2", "1", "9", rows[1][5], ""],
    ]
    assert rows[1][5].startswith("<script>")  # as a text
    assert len(heights(html)) == 2


def test_a_run(tmp_path: Path) -> None:
    html = logged(tmp_path)["train"]._repr_html_()
    kinds, tags = cells(html)[1:3], cells(html)[4:]
    assert [row[:2] for row in kinds] == [["scalars", "2"], ["texts", "1"]]
    assert tags[1] == ["loss", "10", "9", "0.1", ""]
    assert "run with 1 event file" in html


def test_series(tmp_path: Path) -> None:
    run = logged(tmp_path)["train"]
    html = run.scalars["loss"]._repr_html_()
    assert cells(html) == [
        ["curve", "first", "last", "least", "largest"],
        ["", "1", "0.1", "0.1", "1"],
    ]
    assert "10 points, steps 0 to 9" in html
    assert "1 point, steps 3 to 3" in run.texts["note"]._repr_html_()
    assert "no points" in run.scalars["loss"][:0]._repr_html_()
    assert len(heights(run.scalars._repr_html_())) == 2


def test_what_a_log_says_is_no_markup(tmp_path: Path) -> None:
    logs = logged(tmp_path)
    run = logs["train"]
    table = logs.scalar_table()
    for shown in (logs, run, run.scalars, run.scalars[EVIL], table, table.wide(), logs.tags()):
        html = shown._repr_html_()
        assert {one.tag for one in parsed(html).iter()} <= {
            *("all", "div", "b", "span", "table", "thead", "tbody", "tr", "th", "td"),
            *("svg", "polyline"),
        }
        assert "\x1b" not in html
        assert "\u202e" not in html


def test_tables(tmp_path: Path) -> None:
    html = Table({"name": column(["a", "b"]), "lr": column([0.1, None])})._repr_html_()
    assert cells(html) == [["name", "lr"], ["a", "0.1"], ["b", "-"]]
    long = Table({"n": column(list(range(1000)))})._repr_html_()
    assert [row[0] for row in cells(long)] == [
        *("n", "0", "1", "2", "3", "4", "...", "995", "996", "997", "998", "999"),
    ]
    many = Table({f"c{at}": column([at]) for at in range(50)})._repr_html_()
    assert "and 30 more columns" in many
    wide = logged(tmp_path).scalar_table().wide()._repr_html_()
    assert cells(wide)[0][:2] == ["run", "step"]
    assert cells(wide)[1][0] == "eval"
    assert "-" in cells(wide)[1]  # no such tag in that run


def test_large_logs_are_listed_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged(tmp_path)
    monkeypatch.setattr("tbio.logdir._SHOWN_BYTES", 10)
    logs = tbio.open(tmp_path)
    assert cells(logs._repr_html_())[1:] == [["eval", "1"], ["train", "1"]]
    assert not logs["train"].is_begun
    assert len(logs["train"].tags) == 2  # reads it
    assert [len(row) for row in cells(logs._repr_html_())[1:]] == [2, 7]


def test_numbers_of_a_series() -> None:
    shown = series([0.25, np.nan, 0.5])._repr_html_()
    assert re.findall(r"<td[^>]*>([0-9.]+)</td>", shown) == ["0.25", "0.5", "0.25", "0.5"]


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
def test_the_page_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code, and between its blocks what stands there: TensorBoard's magic on the same log."""
    names = run_page("notebooks.md", tmp_path)
    assert (names["last"].step, names["last"].value) == (100, pytest.approx(1e-3))
    with tensorboard_of_a_notebook(tmp_path / "logs", tmp_path, monkeypatch) as port:
        assert last_shown(port, lambda step: step == 100) == 100
        writer = names["writer"]
        writer.add_scalar("train/loss", 0.5, 101)
        writer.flush()  # and it is still open
        assert last_shown(port, lambda step: step == 101) == 101
        writer.close()


@contextlib.contextmanager
def tensorboard_of_a_notebook(
    logdir: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """What ``%tensorboard --logdir`` starts, by the function behind it; its port."""
    from tensorboard import manager
    from tensorboard import notebook as magic

    monkeypatch.setenv("TENSORBOARD_BINARY", str(Path(sys.executable).with_name("tensorboard")))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    magic.start(f"--logdir {logdir} --host 127.0.0.1 --port 0 --reload_interval 1")
    (info,) = manager.get_all()
    try:
        yield info.port
    finally:
        os.kill(info.pid, signal.SIGTERM)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(info.pid, 0)


def last_shown(port: int, is_there: Callable[[int], bool]) -> int:
    """The last step of the log's scalar, as soon as it is what is waited for."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    url = f"http://127.0.0.1:{port}/data/plugin/scalars/scalars?run=run1&tag=train%2Floss"
    until, last = time.monotonic() + 60, -1
    while not is_there(last) and time.monotonic() < until:
        time.sleep(0.1)
        with contextlib.suppress(urllib.error.HTTPError), opener.open(url) as answer:
            last = json.load(answer)[-1][1]
    return last
