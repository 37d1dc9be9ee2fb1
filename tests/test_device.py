"""Values on a device: read on the thread, never in the caller."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tbio
from tbio import SummaryWriter, TbioWarning, device


class Tensor:
    """What tbio sees of a tensor of torch on a GPU; whoever reads it is noted."""

    readers: list[threading.Thread]

    def __init__(self, array: Any, kind: str = "cuda") -> None:
        self.array = np.asarray(array)
        self.device = SimpleNamespace(type=kind)
        self.shape, self.dtype, self.nbytes = self.array.shape, "torch.float32", self.array.nbytes

    def detach(self) -> Tensor:
        return self

    def clone(self) -> Tensor:
        return Tensor(self.array.copy(), self.device.type)

    def item(self) -> Any:
        Tensor.readers.append(threading.current_thread())
        return self.array.item()

    def cpu(self) -> Tensor:
        Tensor.readers.append(threading.current_thread())
        return self

    def resolve_conj(self) -> Tensor:
        return self

    def resolve_neg(self) -> Tensor:
        return self

    def numpy(self) -> Any:
        return self.array


class Event:
    """An event in the queue of a GPU."""

    waited = 0

    def synchronize(self) -> None:
        Event.waited += 1


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch whose tensors are on a GPU."""
    Tensor.readers, Event.waited = [], 0
    stream = SimpleNamespace(record_event=Event)
    cuda = SimpleNamespace(current_stream=lambda device: stream)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(Tensor=Tensor, cuda=cuda))


@pytest.mark.usefixtures("gpu")
def test_the_caller_does_not_wait(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        loss = Tensor(0.5)
        writer.add_scalar("loss", loss, 1)
        loss.array[...] = 7  # in place, as an optimizer does it
        writer.add_scalar("loss", 0.25, 2)
        writer.add_scalars("both", {"a": Tensor(1.0), "b": 2.0}, 1)
        writer.log({"loss": Tensor([3.0]), "image": Tensor(np.zeros((3, 4, 4)))}, 3)
        writer.add_histogram("weights", Tensor([1.0, 2.0, np.nan]), 1)
        writer.add_image("photo", Tensor(np.ones((3, 2, 2))), 1)
        writer.add_tensor("raw", Tensor(np.arange(3.0)), 1)
        with pytest.warns(TbioWarning, match="'weights': 1 of 3 values is not finite"):
            writer.flush()
        readers = set(Tensor.readers)
        assert threading.current_thread() not in readers
        assert len(readers) == 1
        assert Event.waited == len(Tensor.readers) == 7
    run = tbio.open(tmp_path)["."]
    assert run.scalars["loss"].values.tolist() == [0.5, 0.25, 3.0]
    assert run.scalars["loss"].steps.tolist() == [1, 2, 3]
    assert run.histograms["weights"][0].count == 2
    assert run.images["photo"][0].to_array().tolist() == [[[255] * 3] * 2] * 2
    assert run.tensors["raw"][0].tolist() == [0, 1, 2]
    assert run.images["image"][0].width == 4


@pytest.mark.usefixtures("gpu")
def test_what_is_wrong_can_be_seen_from_outside(tmp_path: Path) -> None:
    with (
        SummaryWriter(tmp_path) as writer,
        pytest.raises(ValueError, match=r"'x': want one number, got an array of shape \(2,\)"),
    ):
        writer.add_scalar("x", Tensor([1.0, 2.0]), 0)
    assert not Tensor.readers


@pytest.mark.usefixtures("gpu")
def test_a_device_that_fails_costs_one_event(tmp_path: Path) -> None:
    class Broken(Tensor):
        def clone(self) -> Tensor:
            return self

        def item(self) -> Any:
            raise RuntimeError("the device is gone")

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", Broken(1.0), 0)
        writer.add_scalar("x", 2.0, 1)
        with pytest.warns(TbioWarning, match="an event was lost: .*the device is gone"):
            writer.flush()
    assert tbio.open(tmp_path)["."].scalars["x"].values.tolist() == [2.0]


@pytest.mark.usefixtures("gpu")
def test_beyond_float32(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("x", Tensor(np.float64(1e300)), 0)
        with pytest.warns(TbioWarning, match="'x': 1e\\+300 is beyond float32"):
            writer.flush()
    assert tbio.open(tmp_path)["."].scalars["x"].values.tolist() == [1e300]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("kind", ["cpu", "meta"])
def test_what_is_here_is_read_at_once(kind: str) -> None:
    assert device.snapshot(Tensor(1.0, kind)) is None


@pytest.mark.usefixtures("gpu")
def test_other_accelerators_have_no_events() -> None:
    found = device.snapshot(Tensor(1.0, "mps"))
    assert found is not None
    assert found.get().item() == 1.0
    assert Event.waited == 0


@pytest.mark.full
def test_jax(tmp_path: Path) -> None:
    jax: Any = pytest.importorskip("jax")
    jnp: Any = pytest.importorskip("jax.numpy")

    assert device.snapshot(jnp.float32(1.0).block_until_ready()) is None

    def multiplied(x: Any) -> Any:
        for _ in range(30):
            x = jnp.tanh(x @ x / 1000)
        return x.sum()

    slow = jax.jit(multiplied)
    x = jnp.ones((700, 700))
    slow(x).block_until_ready()
    with SummaryWriter(tmp_path) as writer:
        results = [slow(x + step) for step in range(4)]
        late = [device.snapshot(result) is not None for result in results]
        for step, result in enumerate(results):
            writer.add_scalar("loss", result, step)
    assert late[-1]  # it is still being computed, behind the others
    expected = [np.float32(result) for result in results]
    assert tbio.open(tmp_path)["."].scalars["loss"].values.tolist() == expected

    def traced(value: Any) -> Any:
        assert device.snapshot(value) is None
        return value

    jax.jit(traced)(1.0)


@pytest.mark.full
def test_torch_on_the_cpu_is_read_at_once() -> None:
    import torch

    assert device.snapshot(torch.ones(3)) is None
    assert device.snapshot(torch.ones(3, device="meta")) is None
