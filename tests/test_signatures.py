"""Every method of torch's and tensorboardX's writers, parameter by parameter."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import tensorboardX

import tbio
from tbio import summary_protos

#: Methods of the peers that tbio does not have, and why.
LEFT_OUT = {"tensorboardX": set[str](), "torch": set[str]()}
#: Parameters that tbio has elsewhere, or not: method -> names.
DIFFERENT = {
    "torch": {
        # torch's names for what tbio calls the same as tensorboardX does
        "add_onnx_graph": set[str](),
    },
    "tensorboardX": {
        # 3rd and 4th place, told apart by type; the keyword `name` is there
        "add_hparams": {"name", "global_step"},
        # 7th and 8th place, likewise
        "add_scalar": {"display_name", "summary_description"},
        "add_image_with_boxes": {"dataformats", "labels", "kwargs"},
        "add_onnx_graph": {"onnx_model_file"},
    },
}


def parameters(function: Any) -> list[inspect.Parameter]:
    found = list(inspect.signature(function).parameters.values())
    return [parameter for parameter in found if parameter.name != "self"]


def methods(owner: type) -> dict[str, Any]:
    return {
        name: member
        for name, member in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    }


def compare(peer: str, theirs: type, ours: type) -> None:
    for name, method in methods(theirs).items():
        if name in LEFT_OUT[peer]:
            continue
        assert hasattr(ours, name), f"{peer}: {name} is missing"
        mine = parameters(getattr(ours, name))
        names = [parameter.name for parameter in mine]
        different = DIFFERENT[peer].get(name, set())
        for place, parameter in enumerate(parameters(method)):
            if parameter.name in different:
                continue
            where = f"{peer}: {name}({parameter.name})"
            assert parameter.name in names, f"{where} is missing"
            if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
                assert names.index(parameter.name) == place, f"{where} is in another place"
            if parameter.default is inspect.Parameter.empty:
                continue
            default = mine[names.index(parameter.name)].default
            assert default == parameter.default, f"{where} has another default"


def test_tensorboardx() -> None:
    compare("tensorboardX", tensorboardX.SummaryWriter, tbio.SummaryWriter)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torch() -> None:
    from torch.utils.tensorboard import SummaryWriter

    compare("torch", SummaryWriter, tbio.SummaryWriter)


def test_tensorboardx_file_writer() -> None:
    compare("tensorboardX", tensorboardX.FileWriter, tbio.FileWriter)


def test_tensorboardx_global_writer() -> None:
    compare("tensorboardX", tensorboardX.GlobalSummaryWriter, tbio.GlobalSummaryWriter)


@pytest.mark.parametrize("peer", ["tensorboardX", pytest.param("torch", marks=pytest.mark.full)])
def test_constructors(peer: str) -> None:
    mine = {parameter.name: parameter for parameter in parameters(tbio.SummaryWriter.__init__)}
    theirs: Any = tensorboardX.SummaryWriter
    if peer == "torch":
        from torch.utils import tensorboard

        theirs = tensorboard.SummaryWriter
    for place, parameter in enumerate(parameters(theirs.__init__)):
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        assert parameter.name in mine
        if place < 7 and parameter.name != "logdir":  # the first place is the folder in both
            assert list(mine).index(parameter.name) == place


#: Of the peers' summary modules: helpers that make no summary, and tensorboardX's own old ones.
HELPERS = {
    "calc_scale_factor",
    "compute_curve",
    "draw_boxes",
    "half_to_int",
    "int_to_half",
    "make_histogram",
    "make_image",
    "make_video",
    "make_np",
    "convert_to_HWC",
    "_clean_tag",
}


@pytest.mark.parametrize("peer", ["tensorboardX", pytest.param("torch", marks=pytest.mark.full)])
def test_encoders(peer: str) -> None:
    if peer == "torch":
        from torch.utils.tensorboard import summary as theirs
    else:
        from tensorboardX import summary as theirs
    found = {
        name
        for name, member in inspect.getmembers(theirs, inspect.isfunction)
        if member.__module__ == theirs.__name__ and not name.startswith("_")
    }
    assert found - HELPERS <= set(summary_protos.__all__)
