"""Groups: which runs come together."""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def test_values_that_are_written_alike_are_not_equal() -> None:
    def group(*values: dict[str, Any], names: Sequence[str] = "x") -> dict[str, list[str]]:
        runs = {f"r{at}": FakeRun(started(one)) for at, one in enumerate(values)}
        return grouped_by_hparams(runs, list(names))

    assert group({"x": 1.0}, {"x": "1"}, {"x": True}, {"x": "True"}, {"x": 1.0}) == {
        "x=1": ["r0", "r4"],
        "x=1~2": ["r1"],
        "x=True": ["r2"],
        "x=True~2": ["r3"],
    }
    assert group({"x": "1,y=2", "y": "3"}, {"x": "1", "y": "2,y=3"}, names="xy") == {
        "x=1,y=2,y=3": ["r0"],
        "x=1,y=2,y=3~2": ["r1"],
    }
    assert group({"x": "none"}, {"y": 1.0}) == {"x=none": ["r0"], "x=none~2": ["r1"]}
