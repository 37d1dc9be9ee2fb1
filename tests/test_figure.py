"""Figures: the pixels that Matplotlib itself makes, and nothing changed about the figure."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt
import tensorboardX.utils as tbx
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from tbio.kinds import figure

Array = npt.NDArray[Any]


def plot(width: float = 3, height: float = 2, **kwargs: Any) -> Figure:
    """A figure that pyplot does not know."""
    made = Figure((width, height), dpi=50, **kwargs)
    made.subplots().plot([3, 1, 2])
    return made


def saved(of: Figure) -> Array:
    """The pixels of a figure by Matplotlib's own PNG file."""
    buffer = io.BytesIO()
    of.savefig(buffer, format="png", dpi=of.dpi, facecolor="auto")
    return np.asarray(Image.open(buffer))


def test_the_pixels_are_matplotlibs() -> None:
    made = plot()
    pixels = figure.prepare(made)
    assert pixels.shape == (100, 150, 3)
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels)) > 20  # there is something on it
    assert np.array_equal(pixels, saved(made)[:, :, :3])


def test_tensorboardx_shows_the_same() -> None:
    made = plot()
    theirs = tbx.figure_to_image(made, close=False)
    assert np.array_equal(figure.prepare(made), theirs.transpose(1, 2, 0))


@pytest.mark.full
def test_torch_shows_the_same() -> None:
    from torch.utils.tensorboard._utils import figure_to_image, make_grid

    figures = [plot(), plot(facecolor="red")]
    theirs = make_grid(figure_to_image(figures, close=False)).transpose(1, 2, 0)
    assert np.array_equal(figure.prepare(figures), theirs)


def test_a_change_afterwards_does_not_matter() -> None:
    made = plot()
    pixels = figure.prepare(made)
    before = pixels.copy()
    made.axes[0].cla()
    made.canvas.draw()
    assert np.array_equal(pixels, before)
    assert not pixels.flags.writeable
    assert not np.array_equal(figure.prepare(made), before)


def test_what_is_transparent_stays_so() -> None:
    made = plot(facecolor=(1, 0, 0, 0.5))
    made.axes[0].set_facecolor("none")
    pixels = figure.prepare(made)
    assert pixels.shape == (100, 150, 4)
    assert pixels[0, 0].tolist() == [255, 0, 0, 128]
    assert np.array_equal(pixels, saved(made))
    # tensorboardX keeps the red and drops that it is half of it
    assert tbx.figure_to_image(made)[:, 0, 0].tolist() == [255, 0, 0]


def test_several_figures_are_a_grid() -> None:
    figures = [plot(facecolor=(0.1 * n, 0, 0)) for n in range(9)]
    pixels = figure.prepare(figures)
    assert pixels.shape == (200, 8 * 150, 3)
    assert np.array_equal(pixels[:100, 150:300], figure.prepare(figures[1]))
    assert np.array_equal(pixels[100:, :150], figure.prepare(figures[8]))
    assert not pixels[100:, 150:].any()
    theirs = tbx.make_grid(tbx.figure_to_image(figures)).transpose(1, 2, 0)
    assert np.array_equal(pixels, theirs)


def test_figures_of_different_sizes_are_a_grid() -> None:
    figures = [plot(3, 2), plot(1, 3)]
    pixels = figure.prepare(tuple(figures))
    assert pixels.shape == (150, 300, 3)
    assert np.array_equal(pixels[:100, :150], figure.prepare(figures[0]))
    assert np.array_equal(pixels[:, 150:200], figure.prepare(figures[1]))
    with pytest.raises(ValueError, match="same shape"):
        tbx.figure_to_image(figures)


def test_the_figure_keeps_its_canvas() -> None:
    made = plot()
    canvas = FigureCanvasSVG(made)
    assert figure.prepare(made).shape == (100, 150, 3)
    assert made.canvas is canvas
    tbx.figure_to_image(made, close=False)
    assert made.canvas is not canvas  # a window would not be told of changes any more


def test_the_figure_keeps_its_canvas_when_drawing_fails() -> None:
    made = plot()
    made.axes[0].set_title("$\\no$")
    canvas = made.canvas
    with pytest.raises(ValueError, match="no"):
        figure.prepare(made)
    assert made.canvas is canvas


@pytest.mark.parametrize("close", [True, False])
def test_close(close: bool) -> None:
    figures = [plt.figure(figsize=(1, 1)) for _ in range(2)]
    try:
        figure.prepare(figures, close)
        assert [plt.fignum_exists(item.number) for item in figures] == [not close] * 2
        figure.prepare(figures[0], close)
    finally:
        plt.close("all")


def test_pyplot_is_not_loaded_for_it() -> None:
    code = """
import sys
from tbio.kinds import figure
assert not any(name.startswith(("matplotlib", "PIL")) for name in sys.modules)
try:
    figure.prepare(None)
except TypeError:
    pass
assert "matplotlib" not in sys.modules
from matplotlib.figure import Figure
print(figure.prepare(Figure((1, 1), dpi=10)).shape, "matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(10, 10, 3) False\n"


@pytest.mark.parametrize("wrong", [None, np.zeros((3, 4, 5)), "figure", [plot(), None]])
def test_what_is_no_figure_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"want a matplotlib\.figure\.Figure, got "):
        figure.prepare(wrong)


def test_no_figures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        figure.prepare([])
