"""In the place of torch's and tensorboardX's writers: the same programs, and the same calls.

Their programs are dropin_torch.py and dropin_tensorboardx.py. Run with tbio, with nothing changed
but the import, they fill every page of the real TensorBoard. And what single calls put into files
is what the peers' own calls do, as TensorBoard's loader reads it; each place where a peer is wrong,
or tbio is another on purpose, is a test of its own, at the end.
"""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_file_loader
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.mesh import plugin_data_pb2 as mesh_data_pb2
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, Backend, TensorBoardServer

import tbio
from tbio import TbioWarning

ROOT = Path(__file__).parent.parent

# ------------------------------------------------------------------ whole programs


def run(script: str, logdir: Path, *, torch: bool, module: str = "tbio") -> str:
    """Run a program with a module for its import; what it has printed."""
    code = f"""
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
if not {torch}:
    sys.modules["torch"] = None  # so that it cannot be imported
sys.argv = [{script!r}, {module!r}, {str(logdir)!r}]
runpy.run_path({str(ROOT / "tests" / script)!r}, run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code],
        cwd=logdir.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""  # no warning, and nothing of a thread that failed
    return done.stdout


@pytest.fixture(scope="module", params=[False, pytest.param(True, marks=pytest.mark.full)])
def torch(request: pytest.FixtureRequest) -> bool:
    """Whether the programs have torch."""
    there: bool = request.param
    return there


@pytest.fixture(scope="module", params=["dropin_torch.py", "dropin_tensorboardx.py"])
def program(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def logdir(program: str, torch: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a program has logged."""
    folder = tmp_path_factory.mktemp("dropin") / "logs"
    assert run(program, folder, torch=torch) == ""
    return folder


#: Page -> where it lists what there is; program -> run -> tags.
TAGS: dict[str, dict[str, dict[str, set[str]]]] = {
    "dropin_torch.py": {
        "images": {
            ".": {
                "my_image",
                "my_image_HWC",
                "gray",
                "my_image_batch",
                "boxes",
                "boxes twice the size",
                "figure",
                "figures",
                "video",
            }
        },
        "histograms": {
            ".": {"distribution centers", "auto", "few", "histogram_with_raw_data"},
        },
        "audio": {".": {"tone"}},
        "text": {".": {"lstm", "rnn"}},
        "pr_curves": {".": {"pr_curve", "weighted", "prcurve with raw data"}},
        "mesh": {".": {"my_mesh", "cloud"}},
        "scalars": {
            ".": {
                "Loss/train",
                "Loss/test",
                "Accuracy/train",
                "new style",
                "double",
                "dow",
                "dow/low",
                "dow/high",
                "nikkei",
                "hparam/accuracy",
                "hparam/loss",
            },
            "run_14h_xsinx": {"run_14h"},
            "run_14h_xcosx": {"run_14h"},
            "run_14h_tanx": {"run_14h"},
            **{f"hparams_{n}": {"hparam/accuracy", "hparam/loss"} for n in (2, 3, 4, 5)},
            "named": {"hparam/loss"},
            "resumed": {"Loss/train"},
        },
    },
    "dropin_tensorboardx.py": {
        "images": {
            ".": {
                "Image",
                "imagehwc",
                "Images",
                "imagebox",
                "imagebox plain",
                "imagebox large",
                "matplotlib",
                "video",
                "video NTHWC",
            },
            "global": {"counted image"},
        },
        "histograms": {".": {"hist", "hist auto", "hist raw"}},
        "audio": {".": {"myAudio", "stereo"}},
        "text": {".": {"Text", "markdown", "text/by use_metadata"}, "global": {"counted text"}},
        "pr_curves": {".": {"xoxo", "prcurve with raw data"}},
        "mesh": {".": {"my_mesh", "my_cloud"}},
        "scalars": {
            ".": {
                "data/named",
                "data/scalar1",
                "data/by use_metadata",
                "markets/dow",
                "markets/nikkei",
                "markets/low",
                "markets/high",
                "hparam/accuracy",
                "hparam/loss",
            },
            "data_scalar_group_xsinx": {"data/scalar_group"},
            "data_scalar_group_xcosx": {"data/scalar_group"},
            "data_scalar_group_arctanx": {"data/scalar_group"},
            "named": {"hparam/accuracy"},
            "other": {"hparam/accuracy"},
            "global": {"counted"},
        },
    },
}

#: Program -> how many points, images, ... there are of a tag of the run ".".
COUNTS = {
    "dropin_torch.py": {
        ("scalars", "Loss/train"): 20,
        ("histograms", "auto"): 10,
        ("distributions", "auto"): 10,
        ("images", "my_image"): 1,
        ("audio", "tone"): 2,
        ("text", "rnn"): 1,
        ("pr_curves", "weighted"): 3,
        ("mesh", "cloud"): 2,
    },
    "dropin_tensorboardx.py": {
        ("scalars", "data/named"): 20,
        ("histograms", "hist auto"): 10,
        ("distributions", "hist auto"): 10,
        ("images", "imagebox"): 3,
        ("audio", "stereo"): 3,
        ("text", "text/by use_metadata"): 5,
        ("pr_curves", "xoxo"): 3,
        ("mesh", "my_mesh"): 3,  # vertices, faces and colors
    },
}


def has_all(runs: dict[str, set[str]]) -> Callable[[Any], bool]:
    return lambda found: all(set(found.get(name, ())) >= tags for name, tags in runs.items())


@pytest.fixture(scope="module", params=BACKENDS)
def server(
    request: pytest.FixtureRequest, program: str, logdir: Path
) -> Iterator[TensorBoardServer]:
    """A server that has loaded everything."""
    backend: Backend = request.param
    with TensorBoardServer(logdir, backend) as server:
        for page, runs in TAGS[program].items():
            server.wait_for(f"/data/plugin/{page}/tags", has_all(runs))
        server.wait_for("/data/plugin/graphs/info", lambda found: "onnx" in found)
        yield server
        assert "Traceback" not in server.output


@pytest.mark.full
def test_the_program_is_one_for_torch(tmp_path: Path) -> None:
    """It runs with torch's own writer. (tensorboardX's wants packages for audio and video.)"""
    run("dropin_torch.py", tmp_path / "logs", torch=True, module="torch.utils.tensorboard")
    losses = tbio.open(tmp_path / "logs")["."].scalars["Loss/train"]
    assert losses.values[:4].tolist() == [1.0, 0.5, float(np.float32(1 / 3)), 0.25]


def test_every_page_is_offered(server: TensorBoardServer) -> None:
    wanted = {
        "timeseries",
        "scalars",
        "images",
        "audio",
        "histograms",
        "distributions",
        "text",
        "pr_curves",
        "mesh",
        "hparams",
        "custom_scalars",
        "graphs",
        "projector",
    }
    server.wait_for(
        "/data/plugins_listing",
        lambda listing: {name for name, page in listing.items() if page["enabled"]} == wanted,
    )


def test_every_page_has_its_tags(server: TensorBoardServer, program: str) -> None:
    for page, runs in TAGS[program].items():
        found = server.json(f"/data/plugin/{page}/tags")
        assert {name: set(tags) for name, tags in found.items() if tags} == runs, page
    assert server.json("/data/plugin/distributions/tags") == server.json(
        "/data/plugin/histograms/tags"
    )


def test_every_tag_has_its_data(server: TensorBoardServer, program: str) -> None:
    route = {"mesh": "meshes"}
    counts = {}
    for page, runs in TAGS[program].items():
        for place in (page, *(["distributions"] if page == "histograms" else [])):
            for name, tags in runs.items():
                for tag in tags:
                    path = f"/data/plugin/{place}/{route.get(place, place)}"
                    data = server.json(path, run=name, tag=tag)
                    entries = data[name] if place == "pr_curves" else data
                    assert entries, (place, name, tag)
                    if name == ".":
                        counts[place, tag] = len(entries)
                    for entry in entries:
                        if "query" in entry:
                            what = {"images": "Image", "audio": "Audio"}[place]
                            file = server.get(
                                f"/data/plugin/{place}/individual{what}?{entry['query']}"
                            )
                            assert file[:4] in (b"\x89PNG", b"RIFF")
    assert {key: counts[key] for key in COUNTS[program]} == COUNTS[program]


def test_hyperparameters(server: TensorBoardServer, program: str) -> None:
    request = {"allowedStatuses": ["STATUS_SUCCESS"], "startIndex": 0, "sliceSize": 100}
    answer = server.wait_for(
        "/data/plugin/hparams/session_groups",
        lambda answer: len(answer["sessionGroups"]) == (6 if "torch" in program else 3),
        request=json.dumps(request),
    )
    shown = {group["name"]: group["hparams"] for group in answer["sessionGroups"]}
    if program == "dropin_torch.py":
        names = [".", "hparams_2", "hparams_3", "hparams_4", "hparams_5"]
        assert shown == {
            **{
                name: {"lr": 0.1 * i, "bsize": i, "bias": i % 2 == 0, "name": f"net {i}"}
                for i, name in enumerate(names)
            },
            "named": {"optimizer": "sgd"},
        }
    else:
        assert shown == {
            ".": {"lr": 0.1, "bsize": 1},
            "named": {"lr": 0.2, "bsize": 2},
            "other": {"lr": 0.3, "net": "cnn"},
        }
        # Of all runs, whichever has them.
        experiment = server.json(
            "/data/plugin/hparams/experiment", request=json.dumps({"experimentName": ""})
        )
        assert {info["name"] for info in experiment["hparamInfos"]} == {"lr", "bsize", "net"}
    assert all(group["metricValues"] for group in answer["sessionGroups"])


def test_layouts(server: TensorBoardServer, program: str) -> None:
    answer = server.json("/data/plugin/custom_scalars/layout")
    charts = {
        (category["title"], chart["title"])
        for category in answer["category"]
        for chart in category["chart"]
    }
    if program == "dropin_torch.py":
        assert charts == {
            ("Taiwan", "twse"),
            ("USA", "dow"),
            ("USA", "losses"),
            ("mine", "losses"),
            ("default", "untitled"),
        }
    else:
        assert charts == {("first", "lines"), ("default", "untitled"), ("USA", "dow")}


def test_graphs(server: TensorBoardServer, program: str, torch: bool) -> None:
    info = server.json("/data/plugin/graphs/info")
    runs = {"onnx"} | ({"openvino"} if "tensorboardx" in program else set())
    runs |= {"."} if torch else set()
    assert {name for name, found in info.items() if found["run_graph"]} == runs
    words = {"onnx": b'op: "Relu"', "openvino": b'op: "ReLU"', ".": b"inear"}
    for name in runs:
        assert words[name] in server.get("/data/plugin/graphs/graph", run=name)


def test_projector(server: TensorBoardServer, program: str) -> None:
    route = "/data/plugin/projector"
    assert server.json(f"{route}/runs") == ["."]
    entries = server.json(f"{route}/info", run=".")["embeddings"]
    names, shape, dim = (
        (["default:00000", "colours:00001", "rows/of labels:00002"], [100, 5], [32, 32])
        if program == "dropin_torch.py"
        else (["default:00000", "second:00001", "rows:00000"], [60, 4], [8, 8])
    )
    assert [entry["tensorName"] for entry in entries] == names
    for entry in entries:
        name = entry["tensorName"]
        assert entry["tensorShape"] == shape
        assert len(server.get(f"{route}/tensor", run=".", name=name)) == 4 * shape[0] * shape[1]
        if "metadataPath" in entry:
            lines = server.get(f"{route}/metadata", run=".", name=name).decode().splitlines()
            assert len(lines) == shape[0] + ("rows" in name)
        if "sprite" in entry:
            assert entry["sprite"]["singleImageDim"] == dim
            image = server.get(f"{route}/sprite_image", run=".", name=name)
            assert image[:4] == b"\x89PNG"


# ------------------------------------------------------------------ single calls

#: What a log holds: run, tag and step -> the data as TensorBoard's loader gives them.
Content: TypeAlias = dict[tuple[str, str, int], Any]


def content_of(folder: Path) -> Content:
    found: Content = {}
    plugins: dict[tuple[str, str], str] = {}
    for path in sorted(folder.rglob("*tfevents*")):
        name = path.parent.relative_to(folder).as_posix()
        for event in event_file_loader.EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                # Only the first value of a tag need have its metadata.
                plugin = plugins.setdefault(
                    (name, value.tag), value.metadata.plugin_data.plugin_name
                )
                found[name, value.tag, event.step] = plugin, data_of(plugin, value)
    return found


def data_of(plugin: str, value: Any) -> Any:
    content = value.metadata.plugin_data.content
    if plugin == "hparams":
        data = plugin_data_pb2.HParamsPluginData.FromString(content)
        if data.HasField("session_start_info"):
            data.session_start_info.ClearField("start_time_secs")
        elif data.HasField("session_end_info"):
            data.session_end_info.ClearField("end_time_secs")
        return data
    array = tensor_util.make_ndarray(value.tensor)
    if plugin == "images":
        width, height, file = array.tolist()
        with Image.open(io.BytesIO(file)) as image:
            pixels = np.asarray(image.convert("RGBA"))
            return int(height), int(width), pixels.shape, pixels.tolist()
    if plugin == "audio":
        return samples_of(array.tolist()[0])
    if plugin == "custom_scalars":
        return layout_pb2.Layout.FromString(array.item())
    return array.tolist()


def samples_of(wav: bytes) -> tuple[int, int, list[int]]:
    with wave.open(io.BytesIO(wav)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2").tolist()
        return reader.getframerate(), reader.getnchannels(), samples


T = 1_700_000_000.5
RNG = np.random.default_rng(3)
RGB = RNG.integers(256, size=(3, 12, 16), dtype=np.uint8)
FLOATS = RNG.random((3, 12, 16))
NORMAL = RNG.normal(size=500)
LABELS, SCORES = RNG.integers(2, size=60), RNG.random(60)
BOXES = np.array([[1, 1, 6, 8], [4, 2, 14, 10]])
VERTICES = RNG.normal(size=(1, 4, 3)).astype(np.float32)
COLORS = RNG.integers(256, size=(1, 4, 3))
FACES = np.array([[[0, 1, 2], [1, 2, 3]]])
HISTOGRAM = 0.0, 4.0, 6, 12.0, 30.0, [1.0, 2.0, 5.0], [1, 2, 3]
RAW_CURVE = [5, 3, 0], [5, 1, 0], [0, 4, 5], [0, 2, 5], [0.5, 0.75, 0.0], [1.0, 0.6, 0.0]
LAYOUT = {"c": {"lines": ["Multiline", ["a", "b.*"]], "m": ["Margin", ["a", "b", "c"]]}}

Call: TypeAlias = Callable[[Any], None]


def figure() -> Any:
    from matplotlib.figure import Figure

    made = Figure(figsize=(1, 1), dpi=40)
    made.subplots().plot([1, 3, 2])
    return made


#: Calls that both peers get right.
CALLS: dict[str, Call] = {
    "scalar": lambda w: w.add_scalar("a/b", 0.1, 5, T),
    "scalar of an array": lambda w: w.add_scalar("x", np.array([0.25]), 5),
    "scalar that is not finite": lambda w: w.add_scalar("x", np.inf, -3),
    "no step": lambda w: w.add_scalar("x", 1),
    "step of numpy": lambda w: w.add_scalar("x", 1, np.int64(2**40)),
    "histogram": lambda w: w.add_histogram("x", NORMAL, 1),
    "histogram auto": lambda w: w.add_histogram("x", NORMAL, 1, "auto"),
    "histogram edges": lambda w: w.add_histogram("x", NORMAL, 1, [-4.0, -1.0, 0.0, 5.0]),
    "histogram max_bins": lambda w: w.add_histogram("x", NORMAL, 1, "sturges", None, 4),
    "histogram_raw": lambda w: w.add_histogram_raw("x", *HISTOGRAM, 2, T),
    "image": lambda w: w.add_image("x", RGB, 3),
    "image HWC": lambda w: w.add_image("x", RGB.transpose(1, 2, 0), 3, T, "HWC"),
    "image HW": lambda w: w.add_image("x", RGB[0], 3, dataformats="HW"),
    "image of floats": lambda w: w.add_image("x", FLOATS, 3),
    "images": lambda w: w.add_images("x", np.stack([RGB] * 9), 3),
    "images NHWC": lambda w: w.add_images("x", FLOATS.transpose(1, 2, 0)[None], 3, T, "NHWC"),
    "boxes": lambda w: w.add_image_with_boxes("x", RGB, BOXES, 3),
    "figure": lambda w: w.add_figure("x", figure(), 3),
    "figures": lambda w: w.add_figure("x", [figure(), figure()], 3),
    "pr_curve": lambda w: w.add_pr_curve("x", LABELS, SCORES, 4),
    "pr_curve weights": lambda w: w.add_pr_curve("x", LABELS, SCORES, 4, 20, SCORES),
    "pr_curve_raw": lambda w: w.add_pr_curve_raw("x", *RAW_CURVE, 4, num_thresholds=3),
    "custom_scalars": lambda w: w.add_custom_scalars(LAYOUT),
    "multilinechart": lambda w: w.add_custom_scalars_multilinechart(["a"], "c", "t"),
    "marginchart": lambda w: w.add_custom_scalars_marginchart(["a", "b", "c"]),
}

#: And those that only one of them has, or gets right.
CALLS_OF = {
    "torch": {
        "new style": lambda w: w.add_scalar("x", 0.1, 5, T, True),
        "scalars": lambda w: w.add_scalars("a/b", {"x": 0.5, "y": 1}, 2),
        "mesh": lambda w: w.add_mesh("x", tensor(VERTICES), tensor(COLORS), tensor(FACES)),
        "hparams": lambda w: w.add_hparams({"lr": 0.1, "n": "x"}, {"m": 2}, {"lr": [0.1]}, "r"),
        "tensor": lambda w: w.add_tensor("x", tensor(VERTICES), 3),
        "gradient": lambda w: w.add_histogram("x", tensor(NORMAL).requires_grad_(), 3),
        "image that is a tensor": lambda w: w.add_image("x", tensor(RGB), 3),
    },
    "tensorboardX": {
        "names": lambda w: w.add_scalar("x", 0.1, 5, T, "Name", "*words*"),
        "boxes HWC": lambda w: w.add_image_with_boxes(
            "x", RGB.transpose(1, 2, 0), BOXES, 3, None, "HWC", None
        ),
    },
}


def tensor(array: npt.NDArray[Any]) -> Any:
    return importlib.import_module("torch").from_numpy(array)


PEERS = {
    "torch": "torch.utils.tensorboard",
    "tensorboardX": "tensorboardX",
}
BY_PEER = [
    pytest.param(peer, name, marks=[pytest.mark.full] if peer == "torch" else [])
    for peer in PEERS
    for name in (*CALLS, *CALLS_OF[peer])
]


def logged(folder: Path, module: str, call: Call, **settings: Any) -> Content:
    """What a call puts into the files of a writer."""
    writer = importlib.import_module(module).SummaryWriter(str(folder), **settings)
    call(writer)
    writer.close()
    return content_of(folder)


def both(tmp_path: Path, peer: str, call: Call, **settings: Any) -> tuple[Content, Content]:
    """What tbio and a peer log."""
    theirs = logged(tmp_path / peer, PEERS[peer], call)
    return logged(tmp_path / "tbio", "tbio", call, **settings), theirs


torch_may_warn = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@torch_may_warn
@pytest.mark.parametrize(("peer", "name"), BY_PEER)
def test_the_same_call_logs_the_same(tmp_path: Path, peer: str, name: str) -> None:
    call = (CALLS | CALLS_OF[peer])[name]
    ours, theirs = both(tmp_path, peer, call)
    assert ours == theirs


def test_named_hparams_of_tensorboardx(tmp_path: Path) -> None:
    """All but the experiment, which hides the columns of other runs."""
    ours, theirs = both(
        tmp_path,
        "tensorboardX",
        lambda w: w.add_hparams({"lr": 0.1, "flag": True}, {"m": 2}, "r", 3),
    )
    del theirs["r", "_hparams_/experiment", 0]
    assert ours == theirs


def test_scalars_in_the_runs_of_tensorboardx(tmp_path: Path) -> None:
    """On demand; its layout is another than torch's, which is the default."""
    ours, theirs = both(
        tmp_path,
        "tensorboardX",
        lambda w: w.add_scalars("a/b", {"x": 0.5, "y": 1}, 2),
        scalars_layout="tensorboardX",
    )
    assert ours == theirs
    assert {run for run, *_ in ours} == {"a/b/x", "a/b/y"}


# ------------------------------------------------------------------ where the peers differ


@torch_may_warn
@pytest.mark.parametrize("peer", ["tensorboardX", pytest.param("torch", marks=pytest.mark.full)])
class TestBothPeers:
    def test_tags_of_texts_get_a_suffix(self, tmp_path: Path, peer: str) -> None:
        ours, theirs = both(tmp_path, peer, lambda w: w.add_text("a/b", "*x*", 1))
        assert ours == {(".", "a/b", 1): ("text", b"*x*")}
        assert theirs == {(".", "a/b/text_summary", 1): ("text", [b"*x*"])}  # a table of one cell

    def test_only_the_last_layout_counts(self, tmp_path: Path, peer: str) -> None:
        def call(writer: Any) -> None:
            writer.add_custom_scalars_multilinechart(["a"], "one")
            writer.add_custom_scalars_multilinechart(["b"], "two")

        ours, theirs = (
            [category.title for _, layout in found.values() for category in layout.category]
            for found in both(tmp_path, peer, call)
        )
        assert ours == ["one", "two"]
        assert theirs == ["two"]

    def test_pr_curves_have_127_thresholds_at_most(self, tmp_path: Path, peer: str) -> None:
        ours, theirs = (
            np.shape(data)
            for found in both(tmp_path, peer, lambda w: w.add_pr_curve("x", LABELS, SCORES, 1, 500))
            for _, data in found.values()
        )
        assert ours == (6, 500)
        assert theirs == (6, 127)

    def test_each_hparams_call_hides_columns(self, tmp_path: Path, peer: str) -> None:
        """By an experiment tag, of which TensorBoard takes the first."""
        ours, theirs = (
            {tag for _, tag, _ in found}
            for found in both(tmp_path, peer, lambda w: w.add_hparams({"lr": 0.5}, {"m": 1}))
        )
        assert "_hparams_/experiment" in theirs
        assert "_hparams_/experiment" not in ours
        assert {"_hparams_/session_start_info", "_hparams_/session_end_info", "m"} <= ours

    def test_values_beyond_the_buckets_are_lost(self, tmp_path: Path, peer: str) -> None:
        def call(writer: Any) -> None:
            writer.add_histogram("x", np.array([1.0, 2.0, 9.0]), 1, np.array([0.0, 1.5, 3.0]))

        ours, theirs = (
            sum(count for *_, count in rows)
            for found in both(tmp_path, peer, call)
            for _, rows in found.values()
        )
        assert (ours, theirs) == (3, 2)

    def test_large_values_make_no_histogram(self, tmp_path: Path, peer: str) -> None:
        def call(writer: Any) -> None:
            writer.add_histogram("x", np.array([1e30, 2e30]), 1)

        with pytest.raises(ValueError, match="histogram is empty"):
            logged(tmp_path / peer, PEERS[peer], call)
        ((_, rows),) = logged(tmp_path / "tbio", "tbio", call).values()
        assert sum(count for *_, count in rows) == 2


class TestTensorboardX:
    def test_a_named_run_lists_columns(self, tmp_path: Path) -> None:
        """Which hides those of all others; the rest is the same."""
        ours, theirs = both(
            tmp_path,
            "tensorboardX",
            lambda w: w.add_hparams({"lr": 0.1, "flag": True}, {"m": 2}, "r", 3),
        )
        del theirs["r", "_hparams_/experiment", 0]
        assert ours == theirs
        assert ours["r", "m", 3] == ("scalars", 2.0)

    def test_brightness_wraps(self, tmp_path: Path) -> None:
        """1.01 is black there, and white here, with a warning."""
        pixels = np.full((3, 2, 2), 1.01)
        with pytest.warns(TbioWarning, match="'x': 12 "):
            ours, theirs = both(tmp_path, "tensorboardX", lambda w: w.add_image("x", pixels, 1))
        assert ours[".", "x", 1][1][-1] == [[[255, 255, 255, 255]] * 2] * 2
        assert theirs[".", "x", 1][1][-1] == [[[1, 1, 1, 255]] * 2] * 2

    def test_tags_are_renamed(self, tmp_path: Path) -> None:
        ours, theirs = both(tmp_path, "tensorboardX", lambda w: w.add_image("/größe of it", RGB, 1))
        assert [tag for _, tag, _ in ours] == ["/größe of it"]
        assert [tag for _, tag, _ in theirs] == ["größe_of_it"]

    def test_use_metadata_loses_the_time(self, tmp_path: Path) -> None:
        def call(writer: Any) -> None:
            with writer.use_metadata(global_step=7):
                writer.add_scalar("x", 1)

        both(tmp_path, "tensorboardX", call)
        times = {
            name: [
                (event.step, event.wall_time)
                for event in tbio.read_events(tmp_path / name)
                if event.summary.value
            ]
            for name in ("tbio", "tensorboardX")
        }
        assert times["tensorboardX"] == [(7, 0.0)]
        ((step, wall_time),) = times["tbio"]
        assert step == 7
        assert wall_time > T

    def test_meshes_do_not_know_their_parts(self, tmp_path: Path) -> None:
        def call(writer: Any) -> None:
            writer.add_mesh("x", VERTICES, COLORS, FACES)

        ours, theirs = both(tmp_path, "tensorboardX", call)
        assert {tag for _, tag, _ in ours} == {"x_VERTEX", "x_FACE", "x_COLOR"}
        assert {tag for _, tag, _ in theirs} == {"x_1", "x_2", "x_3"}
        parts = {
            name: {
                data.components
                for event in tbio.read_events(tmp_path / name)
                for value in event.summary.value
                for data in [
                    mesh_data_pb2.MeshPluginData.FromString(value.metadata.plugin_data.content)
                ]
            }
            for name in ("tbio", "tensorboardX")
        }
        assert parts == {"tbio": {0b1110}, "tensorboardX": {0}}
        # The coordinates are the same.
        assert ours[".", "x_VERTEX", 0] == theirs[".", "x_1", 0]

    def test_a_mesh_of_doubles(self, tmp_path: Path) -> None:
        """The plugin asks for float32; TensorBoard turns doubles into that."""
        call: Call = lambda w: w.add_mesh("x", VERTICES.astype(np.float64))  # noqa: E731
        ours, theirs = both(tmp_path, "tensorboardX", call)
        assert list(ours.values()) == list(theirs.values())


@torch_may_warn
@pytest.mark.full
class TestTorch:
    def test_a_boolean_becomes_a_number(self, tmp_path: Path) -> None:
        ours, theirs = (
            found["r", "_hparams_/session_start_info", 0][1].session_start_info.hparams["flag"]
            for found in both(
                tmp_path, "torch", lambda w: w.add_hparams({"flag": True}, {}, None, "r")
            )
        )
        assert ours.bool_value is True
        assert theirs.number_value == 1
        assert not theirs.HasField("bool_value")

    def test_bfloat16_goes_through_half(self, tmp_path: Path) -> None:
        import torch

        value = torch.tensor(1e6, dtype=torch.bfloat16)
        ours, theirs = both(tmp_path, "torch", lambda w: w.add_scalar("x", value, 1))
        assert ours == {(".", "x", 1): ("scalars", 999424.0)}
        assert theirs == {(".", "x", 1): ("scalars", np.inf)}

    @pytest.mark.parametrize("dtype", ["uint8", "float16"])
    def test_tensors_that_nobody_can_read(self, tmp_path: Path, dtype: str) -> None:
        import torch

        value = torch.tensor([1, 2, 3]).to(getattr(torch, dtype))
        call: Call = lambda w: w.add_tensor("x", value, 1)  # noqa: E731
        assert logged(tmp_path / "tbio", "tbio", call) == {(".", "x", 1): ("tensor", [1, 2, 3])}
        with pytest.raises((ValueError, OverflowError)):
            logged(tmp_path / "torch", PEERS["torch"], call)

    def test_integer_audio_is_clipped(self, tmp_path: Path) -> None:
        sound = np.array([[0, 100, -100, 30000]], np.int16)
        ours, theirs = both(tmp_path, "torch", lambda w: w.add_audio("x", tensor(sound), 1, 8000))
        assert ours == {(".", "x", 1): ("audio", (8000, 1, [0, 100, -100, 30000]))}
        assert theirs == {(".", "x", 1): ("audio", (8000, 1, [0, 32767, -32767, 32767]))}

    def test_floats_are_sounds_of_nearly_the_same_samples(self, tmp_path: Path) -> None:
        """torch multiplies by 32767 and cuts off; TensorFlow and tbio by 32768, and round."""
        sound = np.linspace(-1, 1, 101, dtype=np.float32)[None]
        ours, theirs = (
            np.array(found[".", "x", 1][1][2])
            for found in both(tmp_path, "torch", lambda w: w.add_audio("x", tensor(sound), 1, 8000))
        )
        assert 1 <= np.abs(ours - theirs).max() <= 2
        assert (ours[0], theirs[0]) == (-32768, -32767)

    def test_doubles_are_what_the_data_server_drops(self, tmp_path: Path) -> None:
        both(tmp_path, "torch", lambda w: w.add_scalar("x", 0.1, 1, T, True, True))
        dtypes = {
            name: [
                value.tensor.dtype
                for event in tbio.read_events(tmp_path / name)
                for value in event.summary.value
            ]
            for name in ("tbio", "torch")
        }
        assert dtypes == {"tbio": [1], "torch": [2]}  # DT_FLOAT, DT_DOUBLE
        assert tbio.open(tmp_path / "tbio")["."].scalars["x"].values.tolist() == [0.1]

    def test_an_enlarged_image_says_its_old_size(self, tmp_path: Path) -> None:
        call: Call = lambda w: w.add_image_with_boxes("x", RGB, BOXES, 3, rescale=2)  # noqa: E731
        ours, theirs = (found[".", "x", 3][1] for found in both(tmp_path, "torch", call))
        assert ours[:3] == (24, 32, (24, 32, 4))
        assert theirs[:3] == (12, 16, (24, 32, 4))
        assert ours[3] == theirs[3]

    def test_float8(self, tmp_path: Path) -> None:
        import torch

        value = torch.tensor([0.5, 2.0]).to(torch.float8_e4m3fn)
        call: Call = lambda w: w.add_histogram("x", value, 1, 2)  # noqa: E731
        with pytest.raises(TypeError, match="Float8_e4m3fn"):
            logged(tmp_path / "torch", PEERS["torch"], call)
        ((_, rows),) = logged(tmp_path / "tbio", "tbio", call).values()
        assert rows == [[0.5, 1.25, 1], [1.25, 2, 1]]
