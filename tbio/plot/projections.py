"""Projections: points of many dimensions as points of two."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tbio.extras import require

Doubles = npt.NDArray[np.float64]

#: By linear algebra; by scikit-learn; by umap-learn.
Method: TypeAlias = Literal["pca", "tsne", "umap"]

#: t-SNE is given as many principal components, as its authors advise.
_MOST_DIMENSIONS = 50


def projected(points: Doubles, method: Method = "pca", seed: int = 0) -> tuple[Doubles, list[str]]:
    """Points in the plane, float64 [n, 2], and what the two axes are called.

    Args:
        points: [n, d], finite.
        seed: of what t-SNE and UMAP draw at random.

    Raises:
        MissingExtraError: t-SNE needs scikit-learn, UMAP umap-learn.

    >>> flat, names = projected(np.array([[0.0, 0, 0], [2, 0, 0], [4, 0, 1]]))
    >>> flat.shape, names
    ((3, 2), ['PC 1 (98 %)', 'PC 2 (2 %)'])
    """
    if method == "pca":
        flat, shares = principal(points, 2)
        return flat, [f"PC {at} ({100 * share:.0f} %)" for at, share in enumerate(shares, 1)]
    if len(points) < 4:  # neither has anything to go by
        return principal(points, 2)[0], ["", ""]
    if method == "tsne":
        require("sklearn")
        from sklearn.manifold import TSNE

        few, _ = principal(points, min(_MOST_DIMENSIONS, *points.shape))
        perplexity = min(30.0, (len(points) - 1) / 3)
        model: Any = TSNE(2, perplexity=perplexity, init="pca", random_state=seed)
        names = ["t-SNE 1", "t-SNE 2"]
    else:
        umap = require("umap")
        few, names = points, ["UMAP 1", "UMAP 2"]
        model = umap.UMAP(n_neighbors=min(15, len(points) - 1), random_state=seed)
    with warnings.catch_warnings():
        # UMAP warns that it takes one thread, the seed being given.
        warnings.filterwarnings("ignore", message="n_jobs value")
        return np.asarray(model.fit_transform(few), np.float64), names


def principal(points: Doubles, number: int) -> tuple[Doubles, list[float]]:
    """The first principal components, float64 [n, number], and each one's share of the variance.

    The largest loading of each is positive, so that the same points always look the same. Where
    there are fewer dimensions, the rest is 0.
    """
    centred = points - points.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    number_found = min(number, len(sizes))
    largest = np.abs(right[:number_found]).argmax(axis=1)
    signs = np.sign(right[np.arange(number_found), largest])
    found = np.zeros((len(points), number))
    found[:, :number_found] = left[:, :number_found] * sizes[:number_found] * signs
    variances = np.zeros(number)
    variances[:number_found] = sizes[:number_found] ** 2
    total = float((sizes**2).sum()) or 1.0
    return found, (variances / total).tolist()
