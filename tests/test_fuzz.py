"""Garbage gives a value or a `TbioError`: each target a little, and what was found so far.

``scripts/fuzz.py`` does the same for hours, guided by coverage.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import series
from crc32c import crc32c
from fuzzing import records, seeds
from fuzzing.mutations import Mutator
from fuzzing.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

import tbio
from tbio import plugins, projector, tensor
from tbio.columns import FileColumns, Wanted
from tbio.errors import DecodeError
from tbio.kinds.histogram_stored import of_rows
from tbio.proto import PARSE_ERRORS
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary
from tbio.proto.tensor_pb2 import TensorProto
from tbio.record import HEADER_BYTES, Record, RecordDecoder, encode_record
from tbio.record_file import FileReport
from tbio.storage import ObjectFile

ROOT = Path(__file__).parent.parent
FUZZ = ROOT / "scripts" / "fuzz.py"


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_garbage_gives_a_value_or_an_error(name: str, seed: int) -> None:
    if name in ("commands", "projector") and os.name != "posix":
        pytest.skip("links and pipes of POSIX")
    target = TARGETS[name]
    chance = random.Random(seed)
    data = chance.choice(target.seeds())
    for _ in range(chance.randrange(4)):
        data = target.mutate(Mutator(chance), data)
    target.run(data)


# What was found.


def test_times_that_are_infinite_have_no_distance() -> None:
    times = series([1.0, 2.0], wall_times=[math.inf, math.inf]).relative_times
    np.testing.assert_array_equal(times, [math.nan, math.nan])


def test_check_takes_complex_scalars() -> None:
    """As scalars are what any rank-0 tensor of their plugin is."""
    value = Summary.Value(tag="z", tensor=tensor.encode(np.complex64(complex(1, math.nan))))
    value.metadata.plugin_data.plugin_name = "scalars"
    event = Event(step=1, wall_time=1.0, summary=Summary(value=[value]))
    file = io.BytesIO(encode_record(event.SerializeToString()))
    assert tbio.check(file).sound


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([[0, 2, 1], [1, 3, 1]], id="overlapping"),
        pytest.param([[0, 1, -1]], id="negative"),
        pytest.param([[0, 1, math.inf]], id="infinite"),
        pytest.param([[math.nan, 1, 1]], id="edges that are no numbers"),
        pytest.param([[0, 1, 1], [2, 3, 1]], id="apart"),
        pytest.param([[0, math.inf, 1]], id="endless"),
    ],
)
def test_an_odd_histogram_raises_what_a_log_may_raise(rows: list[list[float]]) -> None:
    """Not a plain ValueError, which is for arguments."""
    histogram = of_rows(np.array(rows, np.float64))
    for ask in (
        lambda: histogram.edges,
        lambda: histogram.cdf(),
        lambda: histogram.percentile([0, 50, 100]),
        lambda: histogram.rebin([0, 1]),
        lambda: (histogram.mean, histogram.std, histogram.compressed()),
    ):
        with contextlib.suppress(DecodeError):
            ask()


def test_one_event_with_values_of_two_kinds_under_one_tag() -> None:
    """To the data server it is a tag of scalars, which the image makes void and is none of."""
    numbers = [Summary.Value(tag="a", simple_value=number) for number in (1.0, 2.0)]
    image = Summary.Value(tag="a", image={"width": 1, "height": 1})
    event = Event(step=1, wall_time=1.0, summary=Summary(value=[*numbers, image]))
    file = io.BytesIO(encode_record(event.SerializeToString()))
    (run,) = tbio.open(file, restarts="rustboard").values()
    assert (len(run.scalars["a"]), len(run.images["a"])) == (0, 0)


def test_a_signalling_nan_in_a_complex_number() -> None:
    """numpy warns when it makes a double of one."""
    number = bytes([9 << 3 | 2, 8]) + struct.pack("<If", 0x7F800001, 1.0)  # scomplex_val
    proto = TensorProto.FromString(TensorProto(dtype="DT_COMPLEX64").SerializeToString() + number)
    value = tensor.decode(proto)
    assert np.isnan(value.real)
    assert value.imag == 1


def test_a_projector_config_with_an_escape_that_nobody_knows(tmp_path: Path) -> None:
    """Protobuf leaves escapes to Python, which warns of those that it does not know."""
    (tmp_path / projector.CONFIG_NAME).write_text(r'embeddings { tensor_name: "\[" }')
    with pytest.raises(DecodeError, match="is no config of embeddings"):
        projector.read(str(tmp_path))


def followed(data: bytes, *cuts: int) -> FileReport:
    """What is told of a file that was read each time that it had so many bytes."""
    stream = io.BytesIO()
    columns = FileColumns(ObjectFile(stream), Wanted(on_damage="ignore"))
    for begin, end in itertools.pairwise((0, *cuts, len(data))):
        stream.seek(0, io.SEEK_END)
        stream.write(data[begin:end])
        columns.read()
    return columns.report


def test_what_is_lost_does_not_depend_on_when_the_file_is_read() -> None:
    """Behind a damaged byte begins what may be a long record, and within that a sound one."""
    sound = encode_record(Event(step=1, file_version="brain.Event:2").SerializeToString())
    header = encode_record(bytes(5000))[:HEADER_BYTES]
    data = sound + b"?" + header + sound + b"and no more of it"
    at_once = followed(data)
    assert at_once.events == 2
    for cut in range(1, len(data)):
        report = followed(data, cut)
        assert (report.events, report.lost_bytes) == (2, at_once.lost_bytes), cut


def test_what_seems_to_be_a_dialect_inside_of_a_record_that_is_not_whole_yet() -> None:
    """Records without the mask in the payload of a file's first record, while that is written."""
    inner = [Event(step=step, file_version="x" * 40).SerializeToString() for step in range(3)]
    sound = encode_record(Event(step=1, file_version="brain.Event:2").SerializeToString())
    data = encode_record(b"\xff" * 20 + b"".join(map(unmasked, inner)) + b"\xff" * 200) + sound
    for cut in range(1, len(data)):
        report = followed(data, cut)
        assert (report.records, report.events, report.unverified_records) == (2, 1, 0), cut


def unmasked(payload: bytes) -> bytes:
    """A record with checksums as they are."""
    length = struct.pack("<Q", len(payload))
    crcs = [struct.pack("<I", crc32c(part)) for part in (length, payload)]
    return length + crcs[0] + payload + crcs[1]


# What the fuzzer itself is worth.


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_the_seeds_of_a_kind_are_values_of_it(kind: str) -> None:
    """So that its decoder is what is fuzzed."""
    for payload in seeds.by_kind()[kind]:
        event = Event.FromString(payload)
        if not event.HasField("summary"):
            assert kind == "graphs"
        for value in event.summary.value:
            old = {"simple_value": "scalars", "histo": "histograms", "image": "images"}
            by_plugin = plugins.kind_of(value.metadata.plugin_data.plugin_name)
            assert kind in (old.get(value.WhichOneof("value") or ""), by_plugin)


def test_changed_events_are_events_as_a_rule() -> None:
    """A fuzzer that makes nothing but noise never gets behind the parser."""
    parsed = changed = 0
    for number in range(500):
        chance = random.Random(number)
        event = chance.choice(seeds.events()[:60])
        other = Mutator(chance).message(event, Event)
        changed += other != event
        try:
            Event.FromString(other)
            parsed += 1
        except PARSE_ERRORS:
            pass
    assert changed > 400
    assert 250 < parsed < 500


def test_changed_logs_have_sound_records_and_damage() -> None:
    whole = lost = 0
    for number in range(100):
        chance = random.Random(number)
        data = Mutator(chance).log(seeds.logs()[2], seeds.events())
        decoder = RecordDecoder()
        for item in (*decoder.feed(data), *decoder.finish()):
            whole += isinstance(item, Record)
            lost += not isinstance(item, Record)
    assert whole > 1000
    assert lost > 20


def test_a_lost_record_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seeds.logs()[0]
    records.records(data)
    decoded: Callable[..., list[Any]] = records.decoded
    monkeypatch.setattr(records, "decoded", lambda *args: decoded(*args)[:-1])
    with pytest.raises(AssertionError, match="nothing is told of what stands behind byte"):
        records.records(data)


@pytest.fixture(scope="module")
def fuzz() -> Any:
    """The script, as a module."""
    spec = importlib.util.spec_from_file_location("fuzz", FUZZ)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picky(data: bytes) -> None:
    """Raise for data with two letters in it, in this order; and of another sort for "?"."""
    if b"?" in data:
        raise DecodeError("a question")
    if b"x" in data and b"y" in data[data.index(b"x") :]:
        raise ZeroDivisionError(len(data))


def test_findings_are_kept_by_place_and_cut_down(fuzz: Any, tmp_path: Path) -> None:
    found = fuzz.Findings(tmp_path)
    for data in (b"......x....y....", b"..xy..", b"..............x.............y....", b"??"):
        found.add(data, fuzz.tried(picky, data))
    assert [(path.name, path.read_bytes()) for path in found.inputs()] == [
        ("DecodeError-test_fuzz-picky", b"??"),
        ("ZeroDivisionError-test_fuzz-picky", b"..xy.."),
    ]
    assert (
        "ZeroDivisionError: 6" in (tmp_path / "ZeroDivisionError-test_fuzz-picky.txt").read_text()
    )
    assert fuzz.shortened(picky, b"......x....y....", "ZeroDivisionError-test_fuzz-picky") == b"xy"
    assert fuzz.tried(picky, b"yx") is None


def test_the_list_of_targets() -> None:
    done = subprocess.run(
        [sys.executable, FUZZ, "--list"], capture_output=True, text=True, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(TARGETS)
