"""Lightning's logger, on tbio."""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, Session

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]
RUN = "classifier/version_0"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lightning")
    run_page_without("lightning.md", folder, *TENSORBOARDS)
    return folder / "runs"


def test_the_page_without_tensorboard(page: Path) -> None:
    log = Log(page)
    assert set(log.runs) == {RUN}
    scalars = log.scalars()[RUN]
    # 64 samples in batches of 16, twice; what is logged by epoch has its last step
    assert [step for step, _ in scalars["train/loss"]] == list(range(8))
    assert [step for step, _ in scalars["val/accuracy"]] == [3, 7]
    assert scalars["train/loss"][-1][1] < scalars["train/loss"][0][1]
    assert scalars["hp_metric"] == [(0, -1)]
    assert {tag for tag in scalars} == {"train/loss", "val/accuracy", "epoch", "hp_metric"}
    assert log.counts()[RUN] == {"first layer": [(4, 32), (8, 32)]}
    (at, (noise,)), _ = log.images()[RUN]["noise"]
    assert (at, noise.shape) == (4, (8, 8, 3))
    assert log.sessions() == {RUN: Session({"hidden": 8, "lr": 0.1}, "SUCCESS")}
    assert any("Linear" in name for name in log.nodes(RUN))
    assert (page / RUN / "hparams.yaml").read_text() == "hidden: 8\nlr: 0.1\n"


def drive(logger: Any) -> None:
    """What Lightning, and its users, call."""
    logger.log_hyperparams(argparse.Namespace(lr=0.1, layers=[1, 2], nested={"a": "b"}))
    logger.log_metrics({"loss": 0.5, "acc": np.float32(0.25)}, step=3)
    logger.log_metrics({"both": {"one": 1.0, "two": 2.0}}, step=4)
    logger.experiment.add_text("note", "words", 5)
    logger.save()
    logger.finalize("success")


def test_the_same_points_as_lightnings_own(tmp_path: Path) -> None:
    from lightning.pytorch.loggers import TensorBoardLogger as Theirs

    from tbio.adapters.lightning import TensorBoardLogger

    scalars = []
    for kind in (Theirs, TensorBoardLogger):
        place = tmp_path / kind.__module__
        logger = kind(place, name="n", prefix="p", sub_dir="s", max_queue=5)
        drive(logger)
        log = Log(place)
        scalars.append(log.scalars())
        assert log.sessions()["n/version_0/s"] == Session(
            {"lr": 0.1, "layers": "[1, 2]", "nested/a": "b"}, "SUCCESS"
        )
        assert kind(place, name="n").version == 1
        assert (place / "n/version_0/s/hparams.yaml").exists()
    assert scalars[0] == scalars[1]
    assert scalars[1] == {
        "n/version_0/s": {"p-hp_metric": [(0, -1)], "p-loss": [(3, 0.5)], "p-acc": [(3, 0.25)]},
        "n/version_0/s/p-both_one": {"p-both": [(4, 1.0)]},
        "n/version_0/s/p-both_two": {"p-both": [(4, 2.0)]},
    }


def test_metrics_of_hyperparameters(tmp_path: Path) -> None:
    from tbio.adapters.lightning import TensorBoardLogger

    logger = TensorBoardLogger(tmp_path, name="", version="a", default_hp_metric=False)
    logger.log_hyperparams({"lr": 1}, {"best": 2.0}, 7)
    logger.finalize("success")
    assert Log(tmp_path).scalars() == {"a": {"best": [(7, 2.0)]}}
    logger = TensorBoardLogger(tmp_path, name="", version="b", default_hp_metric=False)
    logger.log_hyperparams({"lr": 2})
    logger.finalize("success")
    assert Log(tmp_path).scalars() == {"a": {"best": [(7, 2.0)]}}
    assert Log(tmp_path).sessions()["b"] == Session({"lr": 2}, "SUCCESS")


def test_lightning_finds_it(tmp_path: Path) -> None:
    import lightning as L
    import torch

    from tbio.adapters.lightning import TensorBoardLogger

    class Broken(L.LightningModule):  # type: ignore[misc]
        def __init__(self, lr: float = 0.5) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = torch.nn.Linear(1, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            raise KeyError("on purpose")

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    logger = TensorBoardLogger(tmp_path, name=None)
    trainer = L.Trainer(logger=logger, max_epochs=1, accelerator="cpu", enable_progress_bar=False)
    with pytest.raises(KeyError, match="on purpose"):
        trainer.fit(Broken(), torch.utils.data.DataLoader(torch.zeros(4, 1)))
    assert trainer.log_dir == logger.log_dir == str(tmp_path / "version_0")
    assert Log(tmp_path).sessions() == {"version_0": Session({"lr": 0.5}, "FAILURE")}


def test_a_copy_goes_on(tmp_path: Path) -> None:
    from tbio.adapters.lightning import TensorBoardLogger

    logger = TensorBoardLogger(tmp_path)
    logger.log_metrics({"loss": 1.0}, 0)
    copy = pickle.loads(pickle.dumps(logger))
    copy.log_metrics({"loss": 2.0}, 1)
    for each in (logger, copy):
        each.finalize("success")
    assert Log(tmp_path).scalars()["lightning_logs/version_0"]["loss"] == [(0, 1.0), (1, 2.0)]


def test_other_ranks_log_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    from tbio.adapters.lightning import TensorBoardLogger

    monkeypatch.setattr(rank_zero_only, "rank", 1, raising=False)
    logger = TensorBoardLogger(tmp_path / "logs")
    logger.log_hyperparams({"lr": 1})
    logger.log_metrics({"loss": 1.0}, 0)
    logger.experiment.add_text("a", "b")
    logger.finalize("failed")
    assert not (tmp_path / "logs").exists()


def test_with_fabric(tmp_path: Path) -> None:
    import lightning as L

    from tbio.adapters.lightning import TensorBoardLogger

    logger = TensorBoardLogger(tmp_path, name="fabric")
    fabric = L.Fabric(loggers=logger, accelerator="cpu", devices=1)
    fabric.log("loss", 0.5, step=1)
    fabric.log_dict({"acc": 0.75}, step=2)
    logger.finalize("success")
    assert Log(tmp_path).scalars() == {"fabric/version_0": {"loss": [(1, 0.5)], "acc": [(2, 0.75)]}}


def test_the_other_name_of_the_package(tmp_path: Path) -> None:
    code = """
import pytorch_lightning
from tbio.adapters.lightning import TensorBoardLogger
assert issubclass(TensorBoardLogger, pytorch_lightning.loggers.TensorBoardLogger)
logger = TensorBoardLogger("logs")
pytorch_lightning.Trainer(logger=logger, accelerator="cpu")
logger.log_metrics({"a": 1.0}, 2)
logger.finalize("success")
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert Log(tmp_path).scalars() == {"logs/lightning_logs/version_0": {"a": [(2, 1.0)]}}
