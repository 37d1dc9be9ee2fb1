"""Plot: figures for papers, one call each.

Every function takes logs, or what was made of them, and returns a ``matplotlib.figure.Figure``. It
is made without pyplot and touches no global state: threads may plot side by side, and nothing has
to be closed. With ``axes=`` they draw into axes that are there, and return the figure of those;
then size, layout and fonts are their owner's.

Names come out of logs, so they are shown as they are (no mathematics between dollars), without
signs that steer, and shortened where they are long. Colours are safe for the colour-blind; marks,
dashes and labels at the lines' ends tell what is what in grey.
"""

from __future__ import annotations

from tbio.plot.embeddings import embeddings
from tbio.plot.histograms import histograms
from tbio.plot.hparams import hparams
from tbio.plot.images import images
from tbio.plot.pr_curves import pr_curves
from tbio.plot.saving import SUFFIXES, save
from tbio.plot.scalars import scalars

__all__ = [
    "SUFFIXES",
    "embeddings",
    "histograms",
    "hparams",
    "images",
    "pr_curves",
    "save",
    "scalars",
]
