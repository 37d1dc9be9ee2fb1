"""Figures: what is drawn, against numpy by hand and the corpus; and how it looks, against pictures.

The pictures in golden/plots were looked at. `python tests/test_plot.py` makes them anew.
"""

from __future__ import annotations

import io
import itertools
import math
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image, ImageFilter

import tbio
import tbio.plot
from tbio import SummaryWriter, extras
from tbio.errors import MissingExtraError, NotFoundError
from tbio.plot import style
from tbio.plot.bands import band
from tbio.plot.end_labels import EndLabels, spread
from tbio.plot.horizontal import find_pauses
from tbio.plot.projections import principal, projected
from tbio.plot.thinned import thinned

Array = npt.NDArray[Any]

GOLDEN = Path(__file__).parent / "golden"
DIGITS = GOLDEN / "digits"
HOUR = 3600.0


def log(
    folder: Path,
    tag: str,
    points: Sequence[tuple[int, float]],
    times: Sequence[float] | None = None,
) -> None:
    with SummaryWriter(folder) as writer:
        for at, (step, value) in enumerate(points):
            writer.add_scalar(tag, value, step, times[at] if times else 1.7e9 + at)


def curve(line: Line2D) -> tuple[Array, Array]:
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def drawn(figure: Figure) -> Array:
    """Its pixels, uint8[height, width, 4]."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def words_of(axes: Any) -> list[str]:
    (labels,) = (child for child in axes.get_children() if isinstance(child, EndLabels))
    return [end.text for end in labels.ends]


# ------------------------------------------------------------------ scalars


def test_a_panel_for_each_tag_and_a_line_for_each_run() -> None:
    logs = tbio.open(DIGITS)
    figure = tbio.plot.scalars(logs)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["accuracy", "loss"]
    for axes in figure.axes:
        tag = axes.get_title(loc="left")
        assert words_of(axes) == ["test", "train"]
        for line, run in zip(axes.lines, ("test", "train"), strict=True):
            x, y = curve(line)
            np.testing.assert_array_equal(x, logs[run].scalars[tag].steps)
            np.testing.assert_array_equal(y, logs[run].scalars[tag].values)


def test_the_raw_curve_stands_behind_the_smoothed_one() -> None:
    logs = tbio.open(DIGITS, runs="train", tags="loss")
    raw, smooth = tbio.plot.scalars(logs, smooth=0.6).axes[0].lines
    values = logs["train"].scalars["loss"].values.astype(float)
    np.testing.assert_array_equal(curve(raw)[1], values)
    last, expected = 0.0, []  # classicSmoothing of TensorBoard's data_transformer.ts
    for number, value in enumerate(values.tolist(), 1):
        last = last * 0.6 + 0.4 * value
        expected.append(last / (1 - 0.6**number))
    np.testing.assert_allclose(curve(smooth)[1], expected, rtol=1e-12)
    assert raw.get_alpha() == 0.3
    assert raw.get_zorder() < smooth.get_zorder()


def test_corpus_values_are_those_of_tensorboard(corpus: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util import tensor_util

    source = max((corpus / "real" / "thu-ml+tianshou").rglob("*tfevents*"), key=str)
    (run,) = tbio.open(source).values()
    tag = max(run.scalars, key=lambda tag: len(run.scalars[tag]))
    one = tbio.open(source, tags=tag, restarts="keep")
    points = [
        (event.step, float(tensor_util.make_ndarray(value.tensor)))
        for event in EventFileLoader(str(source)).Load()
        for value in event.summary.value
        if value.tag == tag
    ]
    assert len(points) > 100
    (line,) = tbio.plot.scalars(one).axes[0].lines
    x, y = curve(line)
    expected = np.array(points)
    kept = thinned(expected[:, 0], expected[:, 1])
    np.testing.assert_array_equal(np.column_stack([x, y]), expected[kept])


def test_a_group_has_its_mean_and_band(tmp_path: Path) -> None:
    values = np.array([[1.0, 2, 6], [3, 2, 0], [2, 5, 3]], np.float32)
    for seed, row in enumerate(values):
        log(tmp_path / "a" / f"seed{seed}", "loss", list(enumerate(row)))
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), group="folder").axes
    (line,) = axes.lines
    np.testing.assert_allclose(curve(line)[1], values.mean(0))
    path: Any = axes.collections[0].get_paths()[0]
    ends = {tuple(point) for point in path.vertices.round(5)}
    deviation = values.astype(float).std(0, ddof=1)
    for at in range(3):
        assert (at, round(values[:, at].mean() - deviation[at], 5)) in ends
        assert (at, round(values[:, at].mean() + deviation[at], 5)) in ends
    assert words_of(axes) == ["a"]


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("minmax", lambda v: v.min(0), lambda v: v.max(0)),
        ("iqr", lambda v: np.percentile(v, 25, axis=0), lambda v: np.percentile(v, 75, axis=0)),
        (
            "stderr",
            lambda v: v.mean(0) - v.std(0, ddof=1) / math.sqrt(len(v)),
            lambda v: v.mean(0) + v.std(0, ddof=1) / math.sqrt(len(v)),
        ),
    ],
)
def test_bands_are_what_numpy_says(
    name: Any, low: Callable[[Array], Array], high: Callable[[Array], Array]
) -> None:
    values = np.random.default_rng(0).normal(size=(6, 40))
    found = band([(np.arange(40.0), row) for row in values], name)
    np.testing.assert_allclose(found.centre, values.mean(0))
    np.testing.assert_allclose(found.low, low(values))
    np.testing.assert_allclose(found.high, high(values))


def test_the_bootstrap_band_is_about_two_standard_errors() -> None:
    values = np.random.default_rng(1).normal(size=(30, 20))
    found = band([(np.arange(20.0), row) for row in values], "bootstrap")
    error = values.std(0, ddof=1) / math.sqrt(30)
    np.testing.assert_allclose((found.high - found.low) / error, 2 * 1.96, rtol=0.15)


def test_groups_align_steps_that_differ(tmp_path: Path) -> None:
    log(tmp_path / "s0", "loss", [(0, 0.0), (10, 10.0)])
    log(tmp_path / "s1", "loss", [(0, 0.0), (5, 15.0), (10, 20.0)])
    logs = tbio.open(tmp_path)
    (line,) = tbio.plot.scalars(logs, group="all").axes[0].lines
    assert curve(line)[1].tolist() == [0, 10, 15]
    (line,) = tbio.plot.scalars(logs, group="all", align="exact").axes[0].lines
    assert curve(line)[1].tolist() == [0, 15, 15]


def test_relative_time_closes_the_pause_of_a_resumed_run(tmp_path: Path) -> None:
    work = [60.0 * at for at in range(100)]
    times = [1.7e9 + second + (9 * HOUR if at >= 50 else 0) for at, second in enumerate(work)]
    log(tmp_path, "loss", [(at, 1.0) for at in range(100)], times)
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), x="relative").axes
    np.testing.assert_allclose(curve(axes.lines[0])[0], np.array(work) / 60, atol=1e-6)
    assert axes.get_xlabel() == "time (min), pauses closed up"
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), x="relative", pause=math.inf).axes
    assert curve(axes.lines[0])[0][-1] == pytest.approx(9 + 99 / 60)
    assert axes.get_xlabel() == "time (h)"


def test_wall_time_closes_the_pauses_and_has_right_dates(tmp_path: Path) -> None:
    begin = 1_700_006_400.0  # 2023-11-15 00:00 UTC
    times = [begin + 60 * at + (24 * HOUR if at >= 60 else 0) for at in range(120)]
    log(tmp_path, "loss", [(at, float(at)) for at in range(120)], times)
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), x="wall").axes
    ticks = dict(
        zip([label.get_text() for label in axes.get_xticklabels()], axes.get_xticks(), strict=True)
    )
    assert ticks["00:00\nNov 15"] == begin
    assert ticks["01:00\nNov 16"] == begin + HOUR  # a day later, closed up
    assert ticks["01:30"] == begin + 1.5 * HOUR


def test_steps_since_the_first(tmp_path: Path) -> None:
    log(tmp_path, "loss", [(1000, 1.0), (1010, 2.0)])
    (line,) = tbio.plot.scalars(tbio.open(tmp_path), x="relative-step").axes[0].lines
    assert curve(line)[0].tolist() == [0, 10]


def test_what_is_not_finite_has_marks(tmp_path: Path) -> None:
    log(tmp_path, "loss", [(0, 1.0), (1, math.nan), (2, 3.0), (3, math.inf), (4, -math.inf)])
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path)).axes
    marks = {line.get_marker(): curve(line) for line in axes.lines[1:]}
    assert {mark: (x.tolist(), y.tolist()) for mark, (x, y) in marks.items()} == {
        "x": ([1], [1]),  # where the line was last
        "^": ([3], [0.98]),
        "v": ([4], [0.02]),
    }
    assert any("NaN" in text.get_text() for text in axes.texts)


def test_names_are_no_mathematics_and_steer_nothing(tmp_path: Path) -> None:
    log(tmp_path / "$x_{$", "a$\\frac$\x1b[2J", [(0, 1.0), (1, 2.0)])
    log(tmp_path / "b", "a$\\frac$\x1b[2J", [(0, 1.0), (1, 2.0)])
    figure = tbio.plot.scalars(tbio.open(tmp_path), title="$\\oops$")
    assert figure.axes[0].get_title(loc="left") == "a$\\frac$ [2J"
    drawn(figure)  # would raise for mathematics that is none
    drawn(tbio.plot.scalars(tbio.open(tmp_path), labels="legend"))


def test_labels_do_not_overlap_whatever_the_axes_become(tmp_path: Path) -> None:
    for run in range(12):
        log(tmp_path / f"run{run:02}", "loss", [(0, 1.0), (1, 2.0 + 1e-3 * run)])
    figure = tbio.plot.scalars(tbio.open(tmp_path))
    (axes,) = figure.axes
    (labels,) = (child for child in axes.get_children() if isinstance(child, EndLabels))
    for scale, width in (("linear", 3.4), ("log", 3.4), ("log", 7.0)):
        axes.set_yscale(scale)
        figure.set_size_inches(width, 2.6)
        picture = drawn(figure)
        shown = [text for text in labels._texts if text.get_visible()]
        boxes: list[Any] = [text.get_window_extent() for text in shown]
        assert len(boxes) == 12
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        height, width = picture.shape[:2]
        assert all(box.x0 >= axes.bbox.x1 and box.x1 <= width for box in boxes)
        assert all(box.y0 >= 0 and box.y1 <= height for box in boxes)


def test_labels_stand_where_the_lines_leave_the_range(tmp_path: Path) -> None:
    log(tmp_path / "a", "loss", [(step, float(step)) for step in range(10)])
    log(tmp_path / "b", "loss", [(8, 1.0), (9, 2.0)])
    logs = tbio.open(tmp_path)
    for x_range, expected in (
        ((None, 5.5), [("a", 5.0, 5.0)]),
        ((2, None), [("a", 9.0, 9.0), ("b", 9.0, 2.0)]),
    ):
        (axes,) = tbio.plot.scalars(logs, x_range=x_range).axes
        (labels,) = (child for child in axes.get_children() if isinstance(child, EndLabels))
        assert [(end.text, end.x, end.y) for end in labels.ends] == expected


def test_labels_that_have_no_room_are_counted(tmp_path: Path) -> None:
    for run in range(40):
        log(tmp_path / f"run{run:02}", "loss", [(0, 1.0), (1, float(run))])
    figure = tbio.plot.scalars(tbio.open(tmp_path), size=(3.4, 2.0))
    drawn(figure)
    (labels,) = (c for c in figure.axes[0].get_children() if isinstance(c, EndLabels))
    shown = [text.get_text() for text in labels._texts if text.get_visible()]
    assert shown[-1] == f"+ {40 - (len(shown) - 1)} more"
    assert {"run00", "run39"} <= set(shown)


@pytest.mark.parametrize("seed", range(20))
def test_spread_is_the_nearest_that_fits(seed: int) -> None:
    random = np.random.default_rng(seed)
    wanted = np.sort(random.uniform(0, 100, random.integers(1, 8)))
    places = spread(wanted, 10, 0, 100)
    assert (np.diff(places) >= 10 - 1e-9).all()
    assert places[0] >= 0
    assert places[-1] <= 100
    if (np.diff(wanted) >= 10).all():
        np.testing.assert_allclose(places, wanted)
    # No other arrangement that fits is nearer, of many near this one.
    for _ in range(200):
        other = np.sort(np.clip(places + random.normal(0, 3, len(places)), 0, 100))
        if (np.diff(other) >= 10).all():
            assert ((places - wanted) ** 2).sum() <= ((other - wanted) ** 2).sum() + 1e-6


def test_a_million_points_are_thinned_without_losing_an_extreme() -> None:
    random = np.random.default_rng(0)
    x, y = np.arange(1e6), random.normal(size=1_000_000)
    y[[123_456, 777_777]] = [50, -50]
    y[500_000] = math.nan
    kept = thinned(x, y)
    assert len(kept) <= 4 * 2000
    assert {0, 123_456, 777_777, 999_999} <= set(kept.tolist())
    for column in np.split(np.arange(1_000_000), 2000):
        ours = y[kept[(kept >= column[0]) & (kept <= column[-1])]]
        assert np.nanmax(ours) == np.nanmax(y[column])
        assert np.nanmin(ours) == np.nanmin(y[column])


def test_a_line_that_goes_back_is_followed() -> None:
    x = np.concatenate([np.arange(20_000.0), np.arange(10_000.0, 30_000.0)])
    kept = thinned(x, np.zeros(40_000), 100)
    assert {19_999, 20_000} <= set(kept.tolist())


def test_pauses_of_several_series_are_those_of_all_of_them() -> None:
    fast = np.concatenate([np.arange(0, 3000, 10.0), np.arange(30_000, 33_000, 10.0)])
    slow = np.array([0.0, 2500, 31_000, 33_000])  # its own gap is no pause of the run
    pauses = find_pauses([fast, slow])
    assert pauses.begins.tolist() == [2990]
    assert pauses.ends.tolist() == [30_000]
    assert pauses.close_up(np.array([0.0, 2990, 15_000, 30_000, 31_000])).tolist() == [
        *(0, 2990, 3000),  # 10 seconds are left of it
        *(3000, 4000),
    ]
    with pytest.raises(ValueError, match="positive number of seconds"):
        find_pauses([fast], -1)


def test_log_axes(tmp_path: Path) -> None:
    log(tmp_path, "loss", [(10**at, 10.0**-at) for at in range(5)])
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), log_x=True, log_y=True).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    log(tmp_path, "loss", [(0, 1.0)])  # the first step of many logs
    (axes,) = tbio.plot.scalars(tbio.open(tmp_path), log_x=True).axes
    assert axes.get_xscale() == "symlog"


def test_into_axes_of_the_users() -> None:
    figure = Figure()
    axes = figure.subplots(1, 2)
    logs = tbio.open(DIGITS)
    before = axes[0].spines["top"].get_visible()
    assert tbio.plot.scalars(logs, axes=axes) is figure
    assert len(axes[1].lines) == 2
    assert axes[0].spines["top"].get_visible() == before  # the looks are the owner's
    with pytest.raises(ValueError, match="an axes for each tag: 2 of them, got 1"):
        tbio.plot.scalars(logs, axes=axes[0])
    parts: Any = Figure().subfigures(1, 2)
    inner = parts[0].subplots(1, 2)
    assert tbio.plot.scalars(logs, axes=inner) is parts[0].figure


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"x": "steps"}, "x: want one of step, relative, wall, relative-step, got 'steps'"),
        ({"spread": "sd"}, "spread: want one of std"),
        ({"smooth": 2}, "smooth: want a number from 0 to 1, got 2"),
        ({"labels": "left"}, "labels: want one of ends"),
        ({"centre": "mode"}, "centre: want one of mean"),
    ],
)
def test_wrong_arguments(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tbio.plot.scalars(tbio.open(DIGITS), **wrong)


def test_nothing_to_draw_and_too_much(tmp_path: Path) -> None:
    for function, what in (
        (tbio.plot.histograms, "histogram"),
        (tbio.plot.pr_curves, "PR curve"),
        (tbio.plot.images, "image"),
        (tbio.plot.embeddings, "embedding"),
    ):
        with pytest.raises(ValueError, match=f"there is no {what} to draw"):
            function(tbio.open(DIGITS))
    with SummaryWriter(tmp_path) as writer:
        for tag in range(70):
            writer.add_scalar(f"tag{tag}", 1.0, 0)
    with pytest.raises(ValueError, match="70 panels, one a tag, are too many"):
        tbio.plot.scalars(tbio.open(tmp_path))


def test_no_global_state_is_touched_and_threads_draw_alike() -> None:
    before = dict(matplotlib.rcParams)
    logs = tbio.open(DIGITS)
    expected = drawn(tbio.plot.scalars(logs, smooth=0.5))
    found: list[Array] = []
    threads = [
        threading.Thread(target=lambda: found.append(drawn(tbio.plot.scalars(logs, smooth=0.5))))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all((picture == expected).all() for picture in found)
    assert dict(matplotlib.rcParams) == before


def test_looks_differ_in_grey() -> None:
    looks = [style.look(at) for at in range(28)]
    assert len(set(map(str, looks))) == 28
    assert len({(look.marker, str(look.dashes)) for look in looks}) == 28  # without any colour


# ------------------------------------------------------------------ the other kinds


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    make_kinds(folder)
    return folder


def make_kinds(folder: Path) -> None:
    """Logs of everything that is drawn."""
    random = np.random.default_rng(0)
    for run in ("a", "b"):
        with SummaryWriter(folder / run) as writer:
            for step in range(0, 50, 10):
                values = np.linspace(-1, 1, 1001) ** 3 * (1 + step / 20) + step / 50
                writer.add_histogram("weights", values, step)
                image = np.zeros((3, 8, 12))
                image[0, :, : step // 5] = 1
                writer.add_image("bar", image, step)
            labels = np.arange(200) % 2
            scores = (
                0.5 + (0.3 if run == "a" else 0.1) * (labels - 0.5) + 0.002 * np.arange(200) / 2
            )
            writer.add_pr_curve("class", labels, scores, 7)
    with SummaryWriter(folder / "words") as writer:
        points = np.repeat(np.eye(3, 6) * 8, 20, axis=0) + random.normal(size=(60, 6))
        rows = [[f"w{at}", "abc"[at // 20]] for at in range(60)]
        writer.add_embedding(points, rows, metadata_header=["word", "class"])


def test_ridges_have_the_shares_of_the_values(kinds: Path) -> None:
    logs = tbio.open(kinds, runs="a")
    (axes,) = tbio.plot.histograms(logs, bins=20).axes
    assert axes.get_title(loc="left") == "weights"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "10", "20", "30", "40"]
    # The ridge of step 0 is the last one of the axis; its area stands to the others' as 1 to 1.
    areas = [curve(line)[1] - base for line, base in zip(axes.lines, range(4, -1, -1), strict=True)]
    sums = [area.sum() for area in areas]
    np.testing.assert_allclose(sums, sums[0], rtol=0.01)
    assert areas[0].argmax() < areas[-1].argmax()  # they wander to the right


def test_heat_map_against_numpy(kinds: Path) -> None:
    logs = tbio.open(kinds, runs="a")
    figure = tbio.plot.histograms(logs, form="heatmap", bins=30)
    mesh: Any = figure.axes[0].collections[0]
    shares = np.asarray(mesh.get_array()).reshape(30, 5) ** 2
    edges = mesh.get_coordinates()[:, 0, 1]
    values = np.linspace(-1, 1, 1001) ** 3 * (1 + 40 / 20) + 40 / 50
    counts, _ = np.histogram(values, edges)
    np.testing.assert_allclose(shares[:, -1], counts / 1001, atol=0.05)  # the peak is spread
    assert np.abs(shares[:, -1] - counts / 1001).mean() < 0.005


def test_bands_are_tensorboards_percentiles(kinds: Path) -> None:
    from tensorboard.plugins.distribution import compressor

    logs = tbio.open(kinds, runs="a")
    (axes,) = tbio.plot.histograms(logs, form="bands").axes
    series = logs["a"].histograms["weights"]
    expected = [compressor.compress_histogram(one.rows)[4][1] for one in series]
    np.testing.assert_allclose(curve(axes.lines[0])[1], expected, atol=1e-6)
    assert expected[-1] == pytest.approx(0.8, abs=0.01)


def test_an_empty_histogram_has_no_ridge(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer, pytest.warns(tbio.TbioWarning):
        writer.add_histogram("h", np.array([math.nan]), 0)
        writer.add_histogram("h", np.arange(5.0), 1)
    (axes,) = tbio.plot.histograms(tbio.open(tmp_path)).axes
    assert len(axes.lines) == 1


def test_pr_curves(kinds: Path) -> None:
    logs = tbio.open(kinds)
    (axes,) = tbio.plot.pr_curves(logs).axes
    for line, run in zip(axes.lines, "ab", strict=True):
        stored = logs[run].pr_curves["class"][0]
        recall, precision = curve(line)
        reached = stored.true_positives + stored.false_positives > 0
        np.testing.assert_array_equal(recall, stored.recall[reached])
        np.testing.assert_array_equal(precision, stored.precision[reached])
    precisions = {run: logs[run].pr_curves["class"][0].average_precision for run in "ab"}
    assert sorted(words_of(axes)) == [f"{run} (AP {precisions[run]:.3f})" for run in "ab"]


def test_images_are_those_of_the_log(kinds: Path) -> None:
    logs = tbio.open(kinds)
    figure = tbio.plot.images(logs, most=3)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["bar · a", "bar · b"]
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "20", "40"]
    series = logs["a"].images["bar"]
    for shown, at in zip(axes.images, (0, 2, 4), strict=True):
        np.testing.assert_array_equal(shown.get_array(), series[at].to_array())
        left, right, bottom, top = shown.get_extent()
        assert (right - left) / (top - bottom) == pytest.approx(12 / 8)


def test_large_images_are_drawn_smaller(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("i", np.full((1, 900, 1300), 0.5), 0)
    (shown,) = tbio.plot.images(tbio.open(tmp_path)).axes[0].images
    assert np.asarray(shown.get_array()).shape == (300, 433)


def test_a_very_wide_image_does_not_make_the_figure_so(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("i", np.zeros((1, 2, 200)), 0)
    figure = tbio.plot.images(tbio.open(tmp_path))
    assert figure.get_figwidth() < 5
    left, right, bottom, top = figure.axes[0].images[0].get_extent()
    assert (right - left) / (top - bottom) == pytest.approx(100)


def test_embeddings_have_their_classes_beside_them(kinds: Path) -> None:
    (axes,) = tbio.plot.embeddings(tbio.open(kinds)).axes
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    stored = tbio.open(kinds).embeddings()["words"]["default:00000"].tensor.astype(float)
    values, vectors = np.linalg.eigh(np.cov(stored.T))
    expected = (stored - stored.mean(0)) @ vectors[:, [-1, -2]]
    points = np.vstack([dots.get_offsets() for dots in axes.collections])
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-5)
    assert axes.get_xlabel() == f"PC 1 ({100 * values[-1] / values.sum():.0f} %)"


def test_embeddings_by_name_and_by_tag(kinds: Path) -> None:
    for names in ("default", "default:00000", ["d*t"], re.compile("^default$")):
        assert len(tbio.plot.embeddings(tbio.open(kinds), names=names).axes) == 1
    for wrong in ("defualt", ["defualt"]):
        with pytest.raises(NotFoundError, match=r"no name 'defualt' in .*nearest: 'default:00000'"):
            tbio.plot.embeddings(tbio.open(kinds), names=wrong)


def test_a_mistyped_column_is_told_with_the_nearest(kinds: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no name 'clas' in .*nearest: 'class'"):
        tbio.plot.embeddings(tbio.open(kinds), color="clas")


def test_principal_components_do_not_depend_on_signs() -> None:
    points = np.random.default_rng(0).normal(size=(20, 5))
    flat, shares = principal(points, 2)
    mirrored, _ = principal(-points, 2)
    np.testing.assert_allclose(mirrored, -flat)
    assert 1 > shares[0] > shares[1] > 0
    assert principal(points[:, :1], 2)[0].shape == (20, 2)


@pytest.mark.full
def test_tsne_keeps_neighbours_together() -> None:
    pytest.importorskip("sklearn")
    points = np.repeat(np.eye(2, 4) * 50, 15, axis=0)
    points += np.random.default_rng(0).normal(size=points.shape)
    flat, _ = projected(points, "tsne")
    apart = np.linalg.norm(flat[:15].mean(0) - flat[15:].mean(0))
    assert apart > 3 * np.linalg.norm(flat[:15].std(axis=0))


def test_without_the_library_the_extra_is_named(
    kinds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method, module in (("tsne", "sklearn"), ("umap", "umap")):
        monkeypatch.setitem(sys.modules, module, None)
        monkeypatch.setitem(extras.EXTRAS, module, "embeddings")
        with pytest.raises(MissingExtraError, match=r"tbio\[embeddings\]"):
            tbio.plot.embeddings(tbio.open(kinds), method=method)  # type: ignore[arg-type]


ROWS = [
    {"lr": 1e-4, "optimizer": "adam", "depth": 2, "accuracy": 0.7},
    {"lr": 1e-2, "optimizer": "sgd", "depth": 4, "accuracy": 0.9},
    {"lr": 1e-3, "optimizer": "adam", "depth": 3, "accuracy": math.nan},
]


def test_parallel_coordinates() -> None:
    (axes,) = tbio.plot.hparams(ROWS, metric="accuracy").axes
    names = [label.get_text() for label in axes.get_xticklabels()]
    assert names == ["lr", "optimizer", "depth", "accuracy"]
    lines = [curve(line)[1].tolist() for line in axes.lines[:3]]
    assert lines[0] == [0, 0, 0, 0]
    assert lines[1] == pytest.approx([1, 1, 1, 1])
    assert lines[2][:3] == [pytest.approx(0.5), 0, 0.5]  # the learning rate is logarithmic
    widths = [line.get_linewidth() for line in axes.lines[:3]]
    assert widths.index(max(widths)) == 1  # the best
    with pytest.raises(NotFoundError, match="nearest: 'accuracy'"):
        tbio.plot.hparams(ROWS, metric="acuracy")
    with pytest.raises(ValueError, match="no rows"):
        tbio.plot.hparams([], metric="accuracy")


# ------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("suffix", "begin"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF-")]
)
def test_files_appear_whole_and_are_always_the_same(
    tmp_path: Path, suffix: str, begin: bytes
) -> None:
    logs = tbio.open(DIGITS)
    with matplotlib.rc_context({"svg.hashsalt": "tbio"}):
        for name in ("one", "two"):
            tbio.plot.save(tbio.plot.scalars(logs), tmp_path / f"{name}.{suffix}")
    one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("one", "two"))
    assert one.startswith(begin)
    assert one == two
    assert len(list(tmp_path.iterdir())) == 2


def test_a_figure_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"before")
    figure = tbio.plot.scalars(tbio.open(DIGITS))
    figure.axes[0].set_xlabel("$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        tbio.plot.save(figure, file)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]
    with pytest.raises(ValueError, match=r"ends in \.png, \.svg, \.pdf, got 'a\.jpg'"):
        tbio.plot.save(figure, "a.jpg")


# ------------------------------------------------------------------ looks


def make_curves(folder: Path) -> None:
    """Seeds of two experiments."""
    for name, speed in (("slow", 0.01), ("fast", 0.03)):
        for seed in range(4):
            random = np.random.default_rng([seed, len(name)])
            with SummaryWriter(folder / name / f"seed{seed}") as writer:
                for step in range(0, 200, 4):
                    value = math.exp(-speed * step) + random.normal(0, 0.05) + 0.1 * seed / 4
                    writer.add_scalar("loss", value, step, 1.7e9 + step)
                    writer.add_scalar("accuracy", 1 - 0.8 * value, step, 1.7e9 + step)


#: Name -> the figure, of the folder with the curves and that of the other kinds.
LOOKS: dict[str, Callable[[Path, Path], Figure]] = {
    "runs": lambda curves, _: tbio.plot.scalars(tbio.open(curves), smooth=0.6),
    "groups": lambda curves, _: tbio.plot.scalars(tbio.open(curves), group="folder", log_y=True),
    "ridges": lambda _, kinds: tbio.plot.histograms(tbio.open(kinds)),
    "heatmap": lambda _, kinds: tbio.plot.histograms(tbio.open(kinds), form="heatmap"),
    "pr_curves": lambda _, kinds: tbio.plot.pr_curves(tbio.open(kinds)),
    "images": lambda _, kinds: tbio.plot.images(tbio.open(kinds)),
    "embeddings": lambda _, kinds: tbio.plot.embeddings(tbio.open(kinds)),
    "hparams": lambda *_: tbio.plot.hparams(ROWS, metric="accuracy"),
}
_DPI = 60


def picture(figure: Figure) -> Image.Image:
    file = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        tbio.plot.save(figure, file, dpi=_DPI)
    return Image.open(file).convert("RGB")


def distance(one: Image.Image, other: Image.Image) -> float:
    """How different two pictures look, in grey levels: of their coarse forms, root mean square.

    Fonts and layouts differ by some pixels between versions of Matplotlib.
    """
    pixels = [
        np.asarray(image.filter(ImageFilter.GaussianBlur(image.width / 60)).resize((48, 32)), float)
        for image in (one, other)
    ]
    return float(np.sqrt(((pixels[0] - pixels[1]) ** 2).mean()))


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curves")
    make_curves(folder)
    return folder


@pytest.mark.parametrize("name", LOOKS)
def test_it_looks_as_it_did(name: str, curves: Path, kinds: Path) -> None:
    expected = {path.stem: Image.open(path) for path in (GOLDEN / "plots").glob("*.png")}
    assert set(expected) == set(LOOKS)
    found = picture(LOOKS[name](curves, kinds))
    stored = expected[name].convert("RGB")
    assert abs(found.width / stored.width - 1) < 0.05
    distances = {other: distance(found, image.convert("RGB")) for other, image in expected.items()}
    own, others = distances.pop(name), min(distances.values())
    assert others > 8  # the measure tells figures apart
    assert own < max(4, 0.1 * others)  # those that are full of colour differ by more


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        make_curves(Path(folder) / "curves")
        make_kinds(Path(folder) / "kinds")
        for name, figure in LOOKS.items():
            image = picture(figure(Path(folder) / "curves", Path(folder) / "kinds"))
            image.quantize(256).save(GOLDEN / "plots" / f"{name}.png", optimize=True)
