from __future__ import annotations

import sys
from types import ModuleType

import pytest

import tbio
from tbio.errors import DecodeError
from tbio.extras import EXTRAS, is_of, require


def test_the_tree() -> None:
    assert issubclass(tbio.DamageError, (tbio.TbioError, ValueError))
    assert issubclass(tbio.DecodeError, ValueError)
    assert issubclass(tbio.RunNotFoundError, KeyError)
    assert issubclass(tbio.TagNotFoundError, tbio.NotFoundError)
    assert issubclass(tbio.WriteFailedError, tbio.WriterError)
    assert issubclass(tbio.MissingExtraError, ImportError)
    assert issubclass(tbio.TbioWarning, UserWarning)


def test_damage_says_where() -> None:
    error = tbio.DamageError("logs/x", 40, "payload", "payload checksum wrong")
    assert str(error) == "logs/x, byte 40: payload checksum wrong"
    assert (error.path, error.offset, error.kind) == ("logs/x", 40, "payload")


def test_decode_says_where() -> None:
    error = DecodeError("a scalar of shape [2]", run="train", tag="loss", step=3)
    assert str(error) == "run 'train', tag 'loss', step 3: a scalar of shape [2]"


def test_not_found_offers_the_nearest() -> None:
    error = tbio.TagNotFoundError("los", ["accuracy", "loss", "learning_rate"], "run 'a'")
    assert str(error) == "no tag 'los' in run 'a'; nearest: 'loss'"
    assert error.nearest == ["loss"]


def test_not_found_names_what_there_is() -> None:
    assert str(tbio.RunNotFoundError("x", ["b", "a"])) == "no run 'x'; there are: 'a', 'b'"
    assert str(tbio.RunNotFoundError("x", [])) == "no run 'x'; there are none"


def test_missing_extra_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "no_such_library", "remote")
    with pytest.raises(tbio.MissingExtraError, match=r"pip install 'tbio\[remote\]'"):
        require("no_such_library")


def test_a_library_that_another_thread_is_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    half = ModuleType("half_loaded")
    monkeypatch.setitem(sys.modules, "half_loaded", half)
    assert not is_of(3, "half_loaded", "Thing")
    monkeypatch.setattr(half, "Thing", int, raising=False)
    assert is_of(3, "half_loaded", "Thing")
