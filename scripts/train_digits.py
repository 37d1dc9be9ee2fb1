"""Train softmax regression on scikit-learn's handwritten digits, logging with tbio.

    python scripts/train_digits.py LOGDIR

Every learning rate gets a folder with two runs, train and test, as TensorBoard likes them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

from tbio import SummaryWriter

Array = npt.NDArray[Any]


def loss_and_accuracy(weights: Array, images: Array, labels: Array) -> tuple[float, float]:
    """Mean cross-entropy and the share of right answers."""
    probabilities = softmax(images @ weights)
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(right).mean()), float((probabilities.argmax(1) == labels).mean())


def softmax(logits: Array) -> Array:
    """The rows of ``logits`` as probabilities."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    probabilities: Array = powers / powers.sum(1, keepdims=True)
    return probabilities


def train(
    logdir: Path,
    learning_rate: float,
    epochs: int,
    clock: Callable[[int], float | None] = lambda epoch: None,
) -> float:
    """Train for some epochs of gradient descent, a point an epoch; the accuracy on the test set.

    ``clock`` gives the wall time to log for an epoch; None is now.
    """
    pixels, digits = load_digits(return_X_y=True)
    images = np.hstack([pixels / 16, np.ones((len(pixels), 1))])
    sets = {"train": slice(0, 1400), "test": slice(1400, None)}
    images_seen, labels_seen = images[sets["train"]], digits[sets["train"]]
    weights = np.zeros((images.shape[1], 10))
    writers = {name: SummaryWriter(logdir / name) for name in sets}
    for epoch in range(epochs):
        for name, part in sets.items():
            loss, accuracy = loss_and_accuracy(weights, images[part], digits[part])
            writers[name].add_scalar("loss", loss, epoch, clock(epoch))
            writers[name].add_scalar("accuracy", accuracy, epoch, clock(epoch))
        errors = softmax(images_seen @ weights) - np.eye(10)[labels_seen]
        weights -= learning_rate * images_seen.T @ errors / len(images_seen)
    for writer in writers.values():
        writer.close()
    return loss_and_accuracy(weights, images[sets["test"]], digits[sets["test"]])[1]


def main() -> None:
    """Train with three learning rates."""
    logdir = Path(sys.argv[1])
    for learning_rate in (0.05, 0.5, 5.0):
        accuracy = train(logdir / f"lr={learning_rate}", learning_rate, epochs=200)
        print(f"learning rate {learning_rate}: {accuracy:.1%} of the test digits right")


if __name__ == "__main__":
    main()
