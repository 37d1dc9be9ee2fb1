"""Make the pictures of the README's gallery, each by one command.

    python scripts/gallery.py [FOLDER]

The logs are made up, but look like those of real trainings, and are written with tbio. The pictures
go to FOLDER, by default docs/gallery; the commands that made them are printed, as the README has
them.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tbio import SummaryWriter
from tbio.cli import main

Array = npt.NDArray[Any]

#: Name of the picture -> the command that makes it, without the file.
COMMANDS = {
    "seeds": "tbio plot logs/rl OUT --group folder --smooth 0.6",
    "pauses": "tbio plot logs/resumed OUT --x relative --log-y --smooth 0.6",
    "histograms": "tbio plot logs/mlp OUT --of histograms",
    "pr_curves": "tbio plot logs/detector OUT --of pr_curves",
    "images": "tbio plot logs/diffusion OUT --of images",
    "embeddings": "tbio plot logs/words OUT --of embeddings",
}
#: Dots per inch: pictures of less than 100 kB.
DPI = "100"
START = 1_700_000_000.0


def make_logs(folder: Path) -> None:
    """Write the logs of all pictures."""
    _rl(folder / "rl")
    _resumed(folder / "resumed")
    _mlp(folder / "mlp")
    _detector(folder / "detector")
    _diffusion(folder / "diffusion")
    _words(folder / "words")


def _rl(folder: Path) -> None:
    """Three algorithms, five seeds of each: return and length of the episodes."""
    traits = {"ppo": (210.0, 90.0), "sac": (255.0, 140.0), "dqn": (150.0, 60.0)}
    for number, (name, (best, half)) in enumerate(traits.items()):
        for seed in range(5):
            random = np.random.default_rng([number, seed])
            peak, lag = best * random.normal(1, 0.08), half * random.normal(1, 0.18)
            with SummaryWriter(folder / name / f"seed{seed}") as writer:
                for step in range(0, 400, 2):
                    rise = 1 / (1 + math.exp(-(step - 1.3 * lag) / (0.35 * lag)))
                    episode = peak * rise + random.normal(0, 9)
                    time = START + 30.0 * step
                    writer.add_scalar("episode/return", episode, 1000 * step, time)
                    length = 60 + 140 * rise + random.normal(0, 8)
                    writer.add_scalar("episode/length", length, 1000 * step, time)


def _resumed(folder: Path) -> None:
    """Two models; the job of one was stopped for nine hours, and a loss was NaN for a moment."""
    for name, floor, speed, pause in (("base", 1.9, 0.004, 9), ("large", 1.55, 0.0028, 0)):
        random = np.random.default_rng(len(name))
        with SummaryWriter(folder / name) as writer:
            time = START
            for step in range(3000):
                time += 4.0 + random.exponential(0.3) + (3600 * pause if step == 1400 else 0)
                loss = floor + 8 * math.exp(-speed * step) + 1.2 / (1 + step / 300)
                loss += random.normal(0, 0.12)
                if name == "large" and step in (700, 701):
                    loss = math.nan
                writer.add_scalar("train/loss", loss, step, time)
                if step % 100 == 0:
                    writer.add_scalar("val/loss", loss * 1.05 + 0.05, step, time)


def _mlp(folder: Path) -> None:
    """Weights that spread out, and activations that split in two."""
    random = np.random.default_rng(0)
    noise = random.normal(0, 1, 4000)
    with SummaryWriter(folder) as writer:
        for step in range(0, 3000, 100):
            done = step / 3000
            weights = noise * (0.05 + 0.25 * done) + 0.15 * done * np.sign(noise)
            writer.add_histogram("layer1/weights", weights, step, walltime=START + step)
            gates = np.where(noise > 0.3, 1.0, -0.8) * done + random.normal(0, 0.25, 4000)
            writer.add_histogram("layer1/activations", gates, step, walltime=START + step)


def _detector(folder: Path) -> None:
    """Three detectors of two classes."""
    for name, skill in (("small", 1.0), ("medium", 1.7), ("large", 2.3)):
        random = np.random.default_rng(len(name))
        with SummaryWriter(folder / name) as writer:
            for tag, ease in (("cat", 0.2), ("traffic light", -0.3)):
                labels = random.random(4000) < 0.3
                scores = random.normal(0, 1, 4000) + (skill + ease) * (labels - 0.5)
                writer.add_pr_curve(tag, labels, 1 / (1 + np.exp(-scores)), 9000, walltime=START)


def _diffusion(folder: Path) -> None:
    """Pictures that come out of noise."""
    y, x = np.mgrid[0:40, 0:40] / 39
    random = np.random.default_rng(0)
    noise = random.random((40, 40, 3))
    hills = 0.5 + 0.12 * np.sin(9 * x) + 0.06 * np.sin(23 * x + 1)
    sky = np.stack([0.9 - 0.5 * (1 - y), 0.55 + 0.1 * y, 0.45 + 0.4 * (1 - y)], -1)
    ground = np.stack([0.12 + 0.1 * y, 0.25 + 0.15 * y, 0.2 + 0 * y], -1)
    landscape = np.where((y > hills)[..., None], ground, sky)
    landscape[(x - 0.7) ** 2 + (y - 0.25) ** 2 < 0.012] = (1.0, 0.95, 0.7)
    rings = 0.5 + 0.5 * np.cos(18 * np.hypot(x - 0.5, y - 0.5))
    flower = np.stack([rings, 0.35 * rings + 0.2, 0.8 - 0.5 * rings], -1)
    with SummaryWriter(folder) as writer:
        for step in range(0, 1001, 100):
            share = (step / 1000) ** 0.7
            for tag, picture in (("samples/a", landscape), ("samples/b", flower)):
                image = share * picture + (1 - share) * noise
                writer.add_image(tag, image, step, START + step, dataformats="HWC")


def _words(folder: Path) -> None:
    """Vectors of words in six classes."""
    random = np.random.default_rng(5)
    classes = ["animals", "colours", "cities", "verbs", "numbers", "tools"]
    centres = random.normal(0, 1.0, (6, 48)) * 1.6
    rows, labels = [], []
    for name, centre in zip(classes, centres, strict=True):
        rows.append(centre + random.normal(0, 0.9, (150, 48)))
        labels += [[f"{name[:-1]} {number}", name] for number in range(150)]
    with SummaryWriter(folder) as writer:
        writer.add_embedding(
            np.vstack(rows), labels, tag="word vectors", metadata_header=["word", "class"]
        )


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def make_pictures(pictures: Path) -> None:
    """Make the logs and run the commands."""
    pictures = pictures.resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
        make_logs(Path("logs"))
        for name, command in COMMANDS.items():
            words = shlex.split(command.replace("OUT", str(pictures / f"{name}.png")))
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                code = main([*words[1:], "--dpi", DPI])
            if code:
                raise SystemExit(f"{command}: exit code {code}\n{said.getvalue()}")
            size = (pictures / f"{name}.png").stat().st_size
            print(f"{command.replace('OUT', f'{name}.png')}   ({size / 1000:.0f} kB)")


if __name__ == "__main__":
    here = Path(__file__).parent.parent / "docs" / "gallery"
    make_pictures(Path(sys.argv[1]) if len(sys.argv) > 1 else here)
