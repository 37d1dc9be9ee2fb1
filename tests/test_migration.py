"""Migration, against TensorBoard's own: byte for byte, on generated values and the corpus's."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard import data_compat
from tensorboard.compat.proto import summary_pb2 as tensorboard_pb2

from tbio.errors import DecodeError
from tbio.event_file import EventFileReader
from tbio.kinds import histogram
from tbio.migration import migrate
from tbio.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tbio.proto.tensor_pb2 import DT_FLOAT, TensorProto
from tbio.storage import LocalFile

OLD_FORMS = ("simple_value", "histo", "image", "audio")


def theirs(value: Summary.Value) -> bytes:
    stored = tensorboard_pb2.Summary.Value.FromString(value.SerializeToString())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's: a double beyond float32
        migrated = data_compat.migrate_value(stored)
    return bytes(migrated.SerializeToString(deterministic=True))


def check(value: Summary.Value) -> Summary.Value:
    before = value.SerializeToString(deterministic=True)
    migrated = migrate(value)
    assert migrated.SerializeToString(deterministic=True) == theirs(value)
    assert value.SerializeToString(deterministic=True) == before
    return migrated


DOUBLES = st.floats()
COUNTS = st.integers(0, 5).map(float) | DOUBLES


@st.composite
def histograms(draw: st.DrawFn) -> dict[str, Any]:
    counts = draw(st.lists(COUNTS, max_size=8))
    limits = draw(st.lists(DOUBLES, min_size=len(counts), max_size=len(counts) + 2))
    names = ("min", "max", "num", "sum", "sum_squares")
    return {
        "histo": {"bucket": counts, "bucket_limit": limits, **{n: draw(DOUBLES) for n in names}}
    }


SIZES = st.integers(-(2**31), 2**31 - 1)
FORMS = st.one_of(
    st.fixed_dictionaries({"simple_value": st.floats(width=32)}),
    histograms(),
    st.fixed_dictionaries(
        {
            "image": st.fixed_dictionaries(
                {"width": SIZES, "height": SIZES, "encoded_image_string": st.binary()}
            )
        }
    ),
    st.fixed_dictionaries(
        {
            "audio": st.fixed_dictionaries(
                {"sample_rate": st.floats(width=32), "encoded_audio_string": st.binary()}
            )
        }
    ),
)
#: What protobuf takes for text.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
METADATA = st.builds(
    SummaryMetadata,
    display_name=TEXTS,
    summary_description=TEXTS,
    plugin_data=st.builds(
        SummaryMetadata.PluginData, plugin_name=TEXTS, content=st.binary(max_size=5)
    ),
    data_class=st.integers(0, 3),
)


@given(FORMS, TEXTS, st.none() | METADATA, TEXTS)
def test_equal_to_tensorboards(
    form: dict[str, Any], tag: str, metadata: SummaryMetadata | None, node_name: str
) -> None:
    check(Summary.Value(tag=tag, metadata=metadata, node_name=node_name, **form))


def test_by_hand() -> None:
    image = {"width": 3, "height": 2, "colorspace": 4, "encoded_image_string": b"png\0"}
    migrated = check(Summary.Value(tag="im", image=image))
    assert list(migrated.tensor.string_val) == [b"3", b"2", b"png\0"]
    assert migrated.metadata.plugin_data.plugin_name == "images"
    assert migrated.metadata.display_name == "im"
    described = SummaryMetadata(display_name="Ton", summary_description="ein *Ton*")
    audio = {"sample_rate": 8000.0, "encoded_audio_string": b"wav"}
    migrated = check(Summary.Value(tag="a", audio=audio, metadata=described))
    assert [dim.size for dim in migrated.tensor.tensor_shape.dim] == [1, 2]
    assert migrated.metadata.display_name == "Ton"
    assert migrated.metadata.summary_description == "ein *Ton*"
    buckets, _ = histogram.of_values([1, 2, 2, 4], bins=2)
    migrated = check(histogram.encode("h", buckets))
    content = np.frombuffer(migrated.tensor.tensor_content, "<f4")
    assert content.reshape(-1, 3).tolist() == [[1, 2.5, 3], [2.5, 4, 1]]


@pytest.mark.parametrize(
    "value",
    [
        Summary.Value(tag="t", tensor=TensorProto(dtype=DT_FLOAT, float_val=[1])),
        Summary.Value(tag="nothing", metadata=SummaryMetadata(display_name="d")),
        Summary.Value(obsolete_old_style_histogram=b"x"),
    ],
    ids=["tensor", "nothing", "obsolete"],
)
def test_others_stay(value: Summary.Value) -> None:
    assert migrate(value) is value
    check(value)


def test_limits_that_lack() -> None:
    lacking = Summary.Value(histo=HistogramProto(bucket=[1, 1, 1], bucket_limit=[1]))
    with pytest.raises(ValueError, match="inhomogeneous"):
        theirs(lacking)
    with pytest.raises(DecodeError, match="a histogram of 1 bucket limits for 3 buckets"):
        migrate(lacking)
    # Neither needs the last one.
    check(Summary.Value(histo=HistogramProto(bucket=[1, 1], bucket_limit=[1], min=0, max=2)))


def event_files(corpus: Path) -> list[Path]:
    folders = [corpus / "real", corpus / "peers"]
    return sorted(path for f in folders for path in f.rglob("*tfevents*") if path.is_file())


def test_every_old_value_of_the_corpus(corpus: Path) -> None:
    """Of scalars, which are all alike, some from each file."""
    met = dict.fromkeys(OLD_FORMS, 0)
    for path in event_files(corpus):
        scalars = 0
        for stored in EventFileReader(LocalFile(str(path)), "ignore").events():
            for value in stored.event.summary.value:
                form = value.WhichOneof("value")
                scalars += form == "simple_value"
                if form in met and (form != "simple_value" or scalars <= 20):
                    met[form] += 1
                    check(value)
    assert (met["histo"], met["image"], met["audio"]) == (1215, 797, 10)
    assert met["simple_value"] > 1000
