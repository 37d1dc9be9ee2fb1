"""Transformers' callback, on tbio."""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import pytest
from doc_pages import run_page
from hidden_packages import TENSORBOARDS, run_page_without
from tensorboard_values import Log, Session

import tbio

pytestmark = [
    pytest.mark.adapters,
    pytest.mark.filterwarnings("default", "error::tbio.errors.TbioWarning"),
]


def check_page(folder: Path) -> dict[str, Any]:
    log = Log(folder / "runs")
    assert set(log.runs) == {"bert"}
    scalars = log.scalars()["bert"]
    # 32 samples in batches of 8, twice
    assert [step for step, _ in scalars["train/loss"]] == list(range(1, 9))
    assert [step for step, _ in scalars["eval/loss"]] == [4, 8]
    assert [step for step, _ in scalars["train/learning_rate"]] == list(range(1, 9))
    assert scalars["train/learning_rate"][0][1] == pytest.approx(5e-5)
    assert "train/train_runtime" in scalars
    texts = log.texts()["bert"]
    assert json.loads(texts["args"][0][1])["num_train_epochs"] == 2
    assert json.loads(texts["model_config"][0][1])["hidden_size"] == 16
    return scalars


def test_the_page_without_tensorboard(tmp_path: Path) -> None:
    run_page_without("transformers.md", tmp_path, *TENSORBOARDS)
    check_page(tmp_path)


def test_the_librarys_own_callback_takes_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers.integrations

    import tbio.adapters.transformers

    monkeypatch.setattr(
        tbio.adapters.transformers,
        "TensorBoardCallback",
        transformers.integrations.TensorBoardCallback,
    )
    names = run_page("transformers.md", tmp_path)
    scalars = check_page(tmp_path)
    losses = [one["loss"] for one in names["trainer"].state.log_history if "loss" in one]
    assert [value for _, value in scalars["train/loss"]] == pytest.approx(losses)


def drive(callback: Any, folder: Path, **state: Any) -> None:
    """What the Trainer calls."""
    told = types.SimpleNamespace(
        is_world_process_zero=True,
        is_hyper_param_search=bool(state),
        trial_name="trial",
        trial_params=state or None,
        global_step=3,
    )
    args = types.SimpleNamespace(output_dir=str(folder), to_json_string=lambda: "{}")
    callback.on_train_begin(args, told, None)
    callback.on_log(args, told, None, {"loss": 0.5, "eval_f1": 1, "words": "many"})
    callback.on_train_end(args, told, None)
    told.global_step = 4
    callback.on_log(args, told, None, {"eval_f1": 2})  # by trainer.evaluate()


def test_the_same_as_the_librarys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.integrations import TensorBoardCallback as Theirs

    from tbio.adapters.transformers import TensorBoardCallback

    for kind in (Theirs, TensorBoardCallback):
        place = tmp_path / kind.__module__
        monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(place))
        callback: Any = kind()
        drive(callback, tmp_path / "unused")
        callback.tb_writer.close()
        log = Log(place)
        assert log.scalars() == {".": {"train/loss": [(3, 0.5)], "eval/f1": [(3, 1.0), (4, 2.0)]}}
        # torch's writer puts /text_summary behind a tag
        texts = {tag.removesuffix("/text_summary"): v for tag, v in log.texts()["."].items()}
        assert texts == {"args": [(0, "{}")], "train/words": [(3, "many")]}


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tbio.adapters.transformers import TensorBoardCallback

    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    callback: Any = TensorBoardCallback()
    drive(callback, tmp_path)
    callback.tb_writer.close()
    (run,) = Log(tmp_path).scalars()
    assert run.startswith("runs/")


def test_what_comes_after_the_training_is_in_the_run(tmp_path: Path) -> None:
    """The library's own callback has forgotten then which writer it was given."""
    from tbio.adapters.transformers import TensorBoardCallback

    callback: Any = TensorBoardCallback(tbio.SummaryWriter(tmp_path / "own"))
    drive(callback, tmp_path / "rest")
    callback.tb_writer.close()
    assert Log(tmp_path).scalars()["own"]["eval/f1"] == [(3, 1.0), (4, 2.0)]
    assert not (tmp_path / "rest").exists()


def test_a_trial_of_a_search(tmp_path: Path) -> None:
    from tbio.adapters.transformers import TensorBoardCallback

    callback: Any = TensorBoardCallback(tbio.SummaryWriter(tmp_path / "own"))
    drive(callback, tmp_path / "rest", learning_rate=0.25, optimizer="adam")
    callback.tb_writer.close()
    assert Log(tmp_path / "own").sessions() == {
        ".": Session({"learning_rate": 0.25, "optimizer": "adam"}, "SUCCESS")
    }


def test_other_processes_log_nothing(tmp_path: Path) -> None:
    from tbio.adapters.transformers import TensorBoardCallback

    callback = TensorBoardCallback()
    told = types.SimpleNamespace(is_world_process_zero=False, trial_params={"lr": 1})
    callback.on_train_begin(None, told, None)
    callback.on_log(None, told, None, {"loss": 1})
    callback.on_train_end(None, told, None)
    assert callback.tb_writer is None
