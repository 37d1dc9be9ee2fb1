from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tbio.optimum import LESS_IS_BETTER, MORE_IS_BETTER, best, mode_of

#: Tags whose least value is the best one, and whose greatest is.
LESS = (
    "loss Loss train/loss val_loss valLoss MSELoss loss2 rpn_loss_cls losses/total err "
    "top1_err error_rate errors val-rmse eval.WER fid50k kl/FID accuracy/loss reward_loss "
    "score_loss f1/error cross_entropy_loss eval/perplexity LPIPS"
)
MORE = (
    "acc val_acc top5_acc acc@1 epoch_accuracy valAccuracy loss/accuracy AUC auc_1 f1 F1 "
    "macroF1 F1Score test-f1 r2 R2 val_R2_test mAP mAP50 metrics/mAP50-95(B) IoU mIoU rougeL "
    "ROUGE-1 BLEU4 rollout/ep_rew_mean/reward mean_rewards returns psnr SSIM loss_precision "
    "eval/recall error/score"
)
NAMES = "lr learning_rate epoch glossary macchiato f2 r time/fps mapper 1 // précision"
#: Tags that do not tell.
SILENT = ["", *NAMES.split()]


@pytest.mark.parametrize(
    ("values", "least", "greatest"),
    [
        (np.array([2.0, 1.0, 3.0]), 1, 2),
        (np.array([1.0, 3.0, 1.0, 3.0]), 0, 1),  # the first among equals
        (np.array([math.nan, -math.inf, 5, 4, math.inf], np.float32), 3, 2),
        (np.array([5, -5, 7], np.int8), 1, 2),
        (np.array([2**53 + 1, 2**53, 2**53 + 1]), 1, 0),
        (np.array([2**60, 2**60 + 1, 0.5, math.nan, 2**60 + 1], object), 2, 1),
        (np.array([True, False]), 1, 0),
        (np.array([7.0]), 0, 0),
    ],
)
def test_best(values: npt.NDArray[Any], least: int, greatest: int) -> None:
    assert (best(values, "x", "min"), best(values, "x", "max")) == (least, greatest)
    assert (best(values, "loss"), best(values, "accuracy")) == (least, greatest)
    assert best(values, "loss", mode="max") == greatest
    assert type(best(values, "loss")) is int


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_nothing_finite(values: list[float]) -> None:
    with pytest.raises(ValueError, match="'val/loss': no value is finite"):
        best(np.array(values, np.float64), "val/loss")


@pytest.mark.parametrize("tag", LESS.split())
def test_less_is_better(tag: str) -> None:
    assert mode_of(tag) == "min"


@pytest.mark.parametrize("tag", MORE.split())
def test_more_is_better(tag: str) -> None:
    assert mode_of(tag) == "max"


@pytest.mark.parametrize("tag", SILENT)
def test_tags_that_do_not_tell(tag: str) -> None:
    with pytest.raises(ValueError, match='does not tell what is best: want mode "min"'):
        best(np.array([1.0]), tag)
    assert best(np.array([1.0]), tag, "min") == 0


def test_words_say_one_thing() -> None:
    assert not LESS_IS_BETTER & MORE_IS_BETTER
    for word in LESS_IS_BETTER:
        assert mode_of(f"val/{word.upper()}") == mode_of(f"{word}_3") == "min"
    for word in MORE_IS_BETTER:
        assert mode_of(f"val/{word.upper()}") == mode_of(f"{word}_3") == "max"


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="mode: want"):
        best(np.array([1.0]), "loss", "least")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="complex"):
        best(np.array([1j]), "loss")
