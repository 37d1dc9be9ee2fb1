"""Ranking: sessions in the order of a metric."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from test_reduction import points, write

import tbio
from tbio import SummaryWriter
from tbio.errors import TagNotFoundError
from tbio.ranking import hparams_of, metrics_of

NAN = math.nan
#: Learning rate -> the validation losses.
SEARCH = {0.1: (3, 1, 2), 0.2: (4, 0.5, 5), 0.3: (1, NAN, 1), 0.4: (NAN, NAN), 0.5: (9, 2)}


@pytest.fixture
def search(tmp_path: Path) -> tbio.LogDir:
    for at, (rate, losses) in enumerate(SEARCH.items()):
        with SummaryWriter(tmp_path / f"t{at}") as writer:
            writer.set_hparams({"lr": rate, "opt": "adam"})
            for step, loss in enumerate(losses):
                writer.add_scalar("loss", loss, step)
                writer.add_scalar("acc", 1 / (step + 1), step)
    write(tmp_path, {"t0/validation": {"loss": points(7)}, "plain": {"loss": points(0.25)}})
    return tbio.open(tmp_path)


def order(table: tbio.Table) -> list[tuple[Any, Any]]:
    return list(zip(table["rank"].tolist(), table["run"].tolist(), strict=True))


def test_without_a_metric_it_is_the_table_of_the_logs(search: tbio.LogDir) -> None:
    table, whole = tbio.hparams(search), search.hparams()
    assert list(table.columns) == list(whole.columns)
    assert repr(table) == repr(whole)
    assert metrics_of(table) == ["acc", "loss", "validation/loss"]
    assert hparams_of(table) == ["lr", "opt"]


def test_by_the_best_value(search: tbio.LogDir) -> None:
    table = tbio.hparams(search, by="loss")
    assert next(iter(table.columns)) == "rank"
    assert order(table) == [(1, "t1"), (2, "t0"), (2, "t2"), (4, "t4"), (None, "t3")]
    assert table["loss.best"].tolist() == [0.5, 1, 1, 2, None]
    assert table["loss.best_step"].tolist() == [1, 1, 0, 1, None]
    assert table["lr"].tolist() == [0.2, 0.1, 0.3, 0.5, 0.4]


def test_by_the_last_value_and_the_other_end(search: tbio.LogDir) -> None:
    last = tbio.hparams(search, "loss", at="last")
    assert order(last) == [(1, "t2"), (2, "t0"), (2, "t4"), (4, "t1"), (None, "t3")]
    most = tbio.hparams(search, "loss", mode="max")
    assert order(most) == [(1, "t4"), (2, "t1"), (3, "t0"), (4, "t2"), (None, "t3")]
    assert most["loss.best"].tolist()[:2] == [9, 5]
    below = tbio.hparams(search, "validation/loss")
    assert order(below)[:2] == [(1, "t0"), (None, "t1")]


def test_which_metrics(search: tbio.LogDir) -> None:
    few = tbio.hparams(search, "loss", metrics="acc")
    assert metrics_of(few) == ["acc", "loss"]
    assert metrics_of(tbio.hparams(search, metrics=re.compile("loss"))) == [
        "loss",
        "validation/loss",
    ]
    assert metrics_of(tbio.hparams(search, metrics=[])) == []


def test_all_runs(search: tbio.LogDir) -> None:
    table = tbio.hparams(search, "loss", all_runs=True)
    assert order(table)[0] == (1, "plain")
    assert table["status"].tolist()[0] is None


def test_wrong_arguments(search: tbio.LogDir, tmp_path: Path) -> None:
    with pytest.raises(TagNotFoundError, match=r"no tag 'los' in the metrics.*nearest: 'loss'"):
        tbio.hparams(search, "los", mode="min")
    with pytest.raises(TagNotFoundError, match="no tag 'lr' in the metrics"):
        tbio.hparams(search, "lr")
    with SummaryWriter(tmp_path / "odd") as writer:
        writer.set_hparams({"lr": 1})
        writer.add_scalar("speed", 1, 1)
    with pytest.raises(ValueError, match="the tag 'speed' does not tell what is best"):
        tbio.hparams(tbio.open(tmp_path, runs="odd"), "speed")
    with pytest.raises(ValueError, match="mode: want one of auto, min, max, got 'least'"):
        tbio.hparams(search, "loss", mode="least")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at: want one of best, last, got 'min'"):
        tbio.hparams(search, "loss", at="min")  # type: ignore[arg-type]
    assert len(tbio.hparams(tbio.open(tmp_path, runs="plain"))) == 0


def test_hparams_of_torch_in_the_corpus(corpus: Path) -> None:
    logs = tbio.open(corpus / "peers" / "torch" / "hparams")
    table = tbio.hparams(logs, by="hparam/accuracy")
    assert order(table) == [(1, "trial1"), (2, "trial0")]
    assert table["hparam/accuracy.best"].tolist() == [10, 0]
    assert table["lr"].tolist() == [0.2, 0.1]
