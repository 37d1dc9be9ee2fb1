"""A plain loop in PyTorch."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from google.protobuf import text_format
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard.plugins.projector import projector_config_pb2
from tensorboard_values import Log, Session, stored


@pytest.mark.full
def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    tell = "[loss.item(), {name: list(w.shape) for name, w in model.named_parameters()}]"
    loss, shapes = run_page_without("pytorch.md", tmp_path, *TENSORBOARDS, tell=tell)
    log = Log(tmp_path / "runs")
    losses = log.scalars()["regression"]["loss"]
    assert [step for step, _ in losses] == list(range(50))
    assert losses[-1][1] == stored(loss)
    steps = range(0, 50, 10)
    assert log.counts()["regression"] == {
        f"{what}/{name}": [(step, math.prod(shape)) for step in steps]
        for what in ("weights", "gradients")
        for name, shape in shapes.items()
    }
    images = log.images()["regression"]["first layer"]
    assert [(step, list(one.shape)) for step, (one,) in images] == [
        (step, shapes["0.weight"]) for step in steps
    ]
    assert log.texts()["regression"]["note"][0][1].startswith("step 0: loss ")
    assert log.sessions() == {"regression": Session({"lr": 0.01, "hidden": 8}, "SUCCESS")}
    assert any("Linear" in name for name in log.nodes("regression"))
    config = projector_config_pb2.ProjectorConfig()
    folder = tmp_path / "runs" / "regression"
    text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    (embedding,) = config.embeddings
    labels = (folder / embedding.metadata_path).read_text().splitlines()
    assert len(labels) == 256
