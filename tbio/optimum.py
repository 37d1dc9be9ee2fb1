"""Best: which value of a series is the best one, told by the words of its tag."""

from __future__ import annotations

import re
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

Mode: TypeAlias = Literal["auto", "min", "max"]

_LESS = (
    "loss losses error err perplexity ppl mse mae rmse mape nll bce crossentropy wer cer fid lpips"
)
_MORE = (
    "acc accuracy auc auroc f1 precision recall bleu rouge iou miou dice ap map ndcg mrr "
    "reward return score psnr ssim r2"
)
#: Words of a tag that say: the less, the better.
LESS_IS_BETTER = frozenset(_LESS.split())
#: Words of a tag that say: the more, the better.
MORE_IS_BETTER = frozenset(_MORE.split())
#: In a piece of camelCase: MSE and Loss in MSELoss, val and F1 in valF1.
_CAMEL = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*")


def best(values: npt.NDArray[Any], tag: str, mode: Mode = "auto") -> int:
    """The index of the best finite value, the first one among equals.

    Args:
        values: [n] real numbers, Python objects among them.
        mode: "min", "max", or "auto": as the tag says, see `mode_of`.

    Raises:
        TypeError: complex values.
        ValueError: no value is finite; another mode; a tag that does not tell.

    >>> best(np.array([0.5, 0.25, 0.25, float("nan")]), "val/loss")
    1
    """
    if mode not in get_args(Mode):
        raise ValueError(f'mode: want "auto", "min" or "max", got {mode!r}')
    if mode == "auto":
        mode = mode_of(tag)
    if np.iscomplexobj(values):
        raise TypeError(f"{tag!r}: complex numbers have no best one")
    finite = np.flatnonzero(np.isfinite(values.astype(np.float64)))
    if not len(finite):
        raise ValueError(f"{tag!r}: no value is finite")
    candidates = values[finite]  # in their own dtype: integers of 64 bits are compared exactly
    return int(finite[candidates.argmin() if mode == "min" else candidates.argmax()])


def mode_of(tag: str) -> Literal["min", "max"]:
    """Whether the least or the greatest value of a tag is the best one.

    Whole words count: what stands between signs such as ``/ _ - .`` and blanks, or the pieces of it
    where a capital letter begins one; a plural, or a number behind it, makes no difference. The
    last word that tells decides: ``reward_loss`` is a loss.

    Raises:
        ValueError: no word of the tag is in `LESS_IS_BETTER` or `MORE_IS_BETTER`.

    >>> mode_of("eval/top5_accuracy"), mode_of("valMSELoss"), mode_of("test-f1")
    ('max', 'min', 'max')
    """
    for piece in reversed(re.split(r"[\W_]+", tag)):
        for word in (piece, *reversed(_CAMEL.findall(piece))):
            bare = word.lower().rstrip("0123456789")
            for form in (word.lower(), bare, bare.removesuffix("s")):
                if form in LESS_IS_BETTER:
                    return "min"
                if form in MORE_IS_BETTER:
                    return "max"
    raise ValueError(f'the tag {tag!r} does not tell what is best: want mode "min" or "max"')
