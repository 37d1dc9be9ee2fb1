"""Groups: which runs come together."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_sessions import FakeRun, added, started

from tbio.groups import grouped, grouped_by_hparams


@pytest.mark.parametrize(
    ("runs", "how", "groups"),
    [
        ([".", "a", "a/b"], "folder", {".": [".", "a"], "a": ["a/b"]}),
        (["s3://x/a", "s3://x/b"], "folder", {"s3://x": ["s3://x/a", "s3://x/b"]}),
        ([".", "a"], "all", {"all": [".", "a"]}),
        (["x1", "y"], re.compile(r"x(\d)?"), {"1": ["x1"]}),
        (["x", "y"], re.compile(r"x(\d)?"), {"": ["x"]}),
        ([], "folder", {}),
        (["[a]", "a"], ["[a]"], {"[a]": ["[a]", "a"]}),
    ],
)
def test_by_name(runs: list[str], how: Any, groups: dict[str, list[str]]) -> None:
    assert grouped(runs, how) == groups


def test_values_as_they_are_written() -> None:
    runs = {
        "a": FakeRun(started({"n": 32.0, "lr": 1e-05, "opt": "adam", "nesterov": True})),
        "b": FakeRun(started({"n": 0.5})),
    }
    groups = grouped_by_hparams(runs, ["n", "lr", "opt", "nesterov"])
    assert groups == {
        "n=32,lr=1e-05,opt=adam,nesterov=True": ["a"],
        "n=0.5,lr=none,opt=none,nesterov=none": ["b"],
    }


def test_a_session_of_the_log_folder_has_every_run_below() -> None:
    runs = {name: FakeRun() for name in ("train", "val/deep", "../elsewhere")}
    groups = grouped_by_hparams({".": FakeRun(started({"n": 1.0})), **runs}, ["n"])
    assert groups == {
        "n=1": ["."],
        "n=1/train": ["train"],
        "n=1/val/deep": ["val/deep"],
    }


def test_of_several_sessions_below_a_run_nobody_can_tell_whose_it_is() -> None:
    runs = {
        "t": FakeRun(),
        "t/1700000001.5": FakeRun(added({"n": 1.0})),
        "t/1700000002.5": FakeRun(added({"n": 2.0})),
        "u": FakeRun(),
        "u/1700000003.5": FakeRun(added({"n": 1.0})),
    }
    groups = grouped_by_hparams(runs, ["n"])
    assert groups == {"n=1": ["t/1700000001.5", "u"], "n=2": ["t/1700000002.5"]}
