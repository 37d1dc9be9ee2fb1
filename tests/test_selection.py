from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from tbio.selection import Selection, kind_set, matcher, step_range

NAMES = ["loss", "loss/val", "acc[0]", "Loss"]


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (None, NAMES),
        ("loss", ["loss"]),
        ("loss*", ["loss", "loss/val"]),
        ("*/val", ["loss/val"]),
        ("l?ss", ["loss"]),
        ("[Ll]oss", ["loss", "Loss"]),
        ("acc[0]", ["acc[0]"]),  # a name is itself, whatever a glob would make of it
        (re.compile("oss$"), ["loss", "Loss"]),
        (["loss", re.compile("^acc")], ["loss", "acc[0]"]),
        ([], []),
        (str.islower, ["loss", "loss/val", "acc[0]"]),
    ],
)
def test_matcher(selection: Selection, wanted: list[str]) -> None:
    matches = matcher(selection, "tags")
    assert [name for name in NAMES if matches(name)] == wanted


@pytest.mark.parametrize("selection", [3, b"loss", [3], re.compile(b"loss")])
def test_matcher_refuses(selection: Any) -> None:
    with pytest.raises(TypeError, match="tags: want a glob"):
        matcher(selection, "tags")


def test_kinds() -> None:
    assert kind_set("scalars") == {"scalars"}
    assert "images" in kind_set(None)
    with pytest.raises(ValueError, match=r"kinds: \['scalar'\] unknown; there are scalars"):
        kind_set(["scalar"])


def test_strides_beyond_int64() -> None:
    steps = np.array([0, 1, -1, 2**63 - 1, -(2**63)])
    for stride in (2**63, 10**30):
        wanted = step_range(slice(None, None, stride))
        assert wanted is not None
        assert wanted.mask(steps).tolist() == [wanted.wants(step) for step in steps.tolist()]
