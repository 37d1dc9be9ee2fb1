"""Audio: samples to WAV, against TensorFlow's files, the module wave and TensorBoard itself."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import math
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from corpus_values import truth_of, values_of
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.audio import metadata as audio_metadata
from tensorboard.util import tensor_util
from tensorboard_server import BACKENDS, TensorBoardServer

from tbio import EventFileWriter, read_events, tensor
from tbio.errors import DecodeError
from tbio.kinds import audio
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata

Array = npt.NDArray[Any]


def wav_of(sound: Any, sample_rate: Any = 8000, **how: Any) -> bytes:
    clip, _ = audio.prepare(sound, sample_rate, **how)
    return audio.encode("x", clip).audio.encoded_audio_string


def read(wav: bytes) -> tuple[int, int, Array]:
    """Sample rate, bytes a sample, and the samples as ``[frames, channels]``."""
    with wave.open(io.BytesIO(wav)) as reader:
        width, channels = reader.getsampwidth(), reader.getnchannels()
        frames = reader.readframes(reader.getnframes())
        flat = np.frombuffer(frames, {1: "u1", 2: "<i2", 4: "<i4"}[width])
        assert len(flat) == reader.getnframes() * channels
        return reader.getframerate(), width, flat.reshape(-1, channels)


def samples_of(sound: Any, **how: Any) -> list[list[int]]:
    rows: list[list[int]] = read(wav_of(sound, **how))[2].tolist()
    return rows


# ------------------------------------------------------------------ the bytes


def test_golden() -> None:
    clip, changed = audio.prepare(np.array([[0.5, -1.0], [1.0, 0.0]]), 11025)
    assert changed == ""
    value = audio.encode("snd", clip)
    wav = (
        b"RIFF" + struct.pack("<I", 44 - 8 + 8) + b"WAVE"
        # PCM, 2 channels, frames a second, bytes a second, bytes a frame, bits a sample
        b"fmt " + struct.pack("<IHHIIHH", 16, 1, 2, 11025, 44100, 4, 16)
        + b"data" + struct.pack("<I", 8) + struct.pack("<4h", 16384, -32768, 32767, 0)
    )  # fmt: skip
    assert value == Summary.Value(
        tag="snd",
        audio=Summary.Audio(
            sample_rate=11025,
            num_channels=2,
            length_frames=2,
            encoded_audio_string=wav,
            content_type="audio/wav",
        ),
    )
    assert not value.HasField("metadata")


def test_golden_tensor() -> None:
    first, _ = audio.prepare([0.0, 1.0], 8000)
    second, _ = audio.prepare([0.5], 16000)
    value = audio.encode_as_tensor("snd", [first, second])
    theirs = summary_pb2.Summary.Value.FromString(value.SerializeToString())
    rows = tensor_util.make_ndarray(theirs.tensor)
    assert rows.tolist() == [
        [wav_of([0.0, 1.0], 8000), b""],
        [wav_of([0.5], 16000), b""],
    ]
    assert tensor_util.make_ndarray(
        summary_pb2.Summary.Value.FromString(
            audio.encode_as_tensor("snd", []).SerializeToString()
        ).tensor
    ).shape == (0, 2)


def test_metadata() -> None:
    theirs = audio_metadata.create_summary_metadata(
        "Voice", "of *whom*", audio_metadata.Encoding.Value("WAV")
    )
    ours = audio.metadata("Voice", "of *whom*", as_tensor=True)
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())
    theirs.data_class = summary_pb2.DATA_CLASS_BLOB_SEQUENCE
    ours = audio.metadata("Voice", "of *whom*")
    assert ours == SummaryMetadata.FromString(theirs.SerializeToString())
    assert ours.plugin_data.content == b"\x10\x0b"  # encoding: WAV (11)


# ------------------------------------------------------------------ floats

#: A float sample -> what TensorFlow's encode_wav makes of it: min(max(roundf(x * 32768), -32768),
#: 32767) in float32.
ROUNDED = {
    0.0: 0,
    0.5: 16384,
    -0.5: -16384,
    1.0: 32767,
    -1.0: -32768,
    32766.5 / 32768: 32767,
    0.5 / 32768: 1,  # halves go away from zero
    -0.5 / 32768: -1,
    1.5 / 32768: 2,
    2.5 / 32768: 3,
    -2.5 / 32768: -3,
    0.49 / 32768: 0,
    -0.51 / 32768: -1,
    1e-30: 0,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_floats_are_rounded_as_tensorflow_does(dtype: Any) -> None:
    rows = samples_of(np.array(list(ROUNDED), dtype))
    assert rows == [[sample] for sample in ROUNDED.values()]


def test_half_floats() -> None:
    assert samples_of(np.array([0.5, -1, 1, 2**-16], np.float16)) == [
        [16384],
        [-32768],
        [32767],
        [1],
    ]


def test_the_double_next_below_a_half_is_not_rounded_up() -> None:
    """``trunc(x + 0.5)`` would do so: the sum is rounded to 1."""
    below = np.nextafter(0.5, 0) / 32768
    assert samples_of(np.array([below, -below])) == [[0], [0]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=20))
def test_any_floats(values: list[float]) -> None:
    expected = []
    for value in values:
        scaled = np.float32(value) * np.float32(32768)
        half_up = int(np.floor(abs(float(scaled)) + 0.5))  # exact in a double
        expected.append([int(np.clip(np.copysign(half_up, scaled), -32768, 32767))])
    assert samples_of(np.array(values, np.float32)) == expected
    _, changed = audio.prepare(np.array(values, np.float32))
    beyond = sum(abs(value) > 1 for value in values)
    words = f"{beyond} of {len(values)} samples are beyond [-1, 1]: clipped"
    assert changed == (words if beyond else "")


def test_clipped_samples_are_counted() -> None:
    sound = [1.5, -1.0000001, 1.0, -1.0, 0.0]
    _, changed = audio.prepare(sound)
    assert changed == "2 of 5 samples are beyond [-1, 1]: clipped"
    assert samples_of(sound) == [[32767], [-32768], [32767], [-32768], [0]]


def test_what_is_not_finite_is_counted_and_silent() -> None:
    sound = np.array([np.nan, np.inf, -np.inf, 0.5, 7.0], np.float32)
    _, changed = audio.prepare(sound)
    assert changed == (
        "3 of 5 samples are not finite: written as 0; 1 of 5 samples are beyond [-1, 1]: clipped"
    )
    assert samples_of(sound) == [[0], [0], [0], [16384], [32767]]
    masked: np.ma.MaskedArray[Any, Any] = np.ma.masked_array([0.5, 0.5], [False, True])
    assert audio.prepare(masked)[1] == "1 of 2 samples are not finite: written as 0"
    assert samples_of(masked) == [[16384], [0]]


# ------------------------------------------------------------------ integers


@pytest.mark.parametrize(
    ("dtype", "values", "width", "stored"),
    [
        ("int16", [0, 1, -1, 32767, -32768], 2, [0, 1, -1, 32767, -32768]),
        (">i2", [258, -2], 2, [258, -2]),
        ("int32", [0, 2**31 - 1, -(2**31), 3], 4, [0, 2**31 - 1, -(2**31), 3]),
        ("uint8", [0, 128, 255], 1, [0, 128, 255]),
        ("int8", [-128, 0, 127], 1, [0, 128, 255]),  # WAV has no signed bytes
    ],
)
def test_integers_keep_every_bit(
    dtype: str, values: list[int], width: int, stored: list[int]
) -> None:
    sound = np.array(values, dtype)
    assert audio.prepare(sound)[1] == ""
    rate, got_width, samples = read(wav_of(sound))
    assert (rate, got_width) == (8000, width)
    assert samples.ravel().tolist() == stored


@pytest.mark.parametrize(
    "sound",
    [
        np.array([1, 2, 3]),  # int64
        [0, 1, -1],
        np.array([1], np.uint16),
        np.array([1], np.uint32),
        np.array([True, False]),
        np.array([1j]),
    ],
    ids=lambda sound: str(np.asarray(sound).dtype),
)
def test_dtypes_without_a_known_scale_are_refused(sound: Any) -> None:
    with pytest.raises(TypeError, match=r"want samples as floats in \[-1, 1\], int16, .*got "):
        audio.prepare(sound)


@pytest.mark.parametrize("sound", ["la la", None, [None], [["x"]]])
def test_no_numbers(sound: Any) -> None:
    with pytest.raises(TypeError, match="want numbers"):
        audio.prepare(sound)


# ------------------------------------------------------------------ shapes

LEFT, RIGHT = [1, 2, 3], [10, 20, 30]


@pytest.mark.parametrize(
    ("sound", "rows"),
    [
        (LEFT, [[1], [2], [3]]),
        ([LEFT], [[1], [2], [3]]),  # torch's
        ([[1], [2], [3]], [[1], [2], [3]]),  # tensorboardX's
        ([LEFT, RIGHT], [[1, 10], [2, 20], [3, 30]]),
        (np.transpose([LEFT, RIGHT]), [[1, 10], [2, 20], [3, 30]]),
        ([[LEFT]], [[1], [2], [3]]),
        ([[LEFT, RIGHT]], [[1, 10], [2, 20], [3, 30]]),
        ([[[1]], [[2]], [[3]]], [[1], [2], [3]]),
        ([LEFT + LEFT] * 5, [[n] * 5 for n in LEFT + LEFT]),
        ([[1, 2], [10, 20]], [[1, 2], [10, 20]]),  # a square: two frames of two channels
        ([[1, 2]], [[1], [2]]),  # rather mono than a single frame
        ([5], [[5]]),
        ([[5]], [[5]]),
    ],
)
def test_orientations(sound: Any, rows: list[list[int]]) -> None:
    sound = np.array(sound, np.int16)
    assert samples_of(sound) == rows
    clip, _ = audio.prepare(sound)
    assert (clip.frames, clip.channels) == (len(rows), len(rows[0]))


def test_the_orientation_can_be_said() -> None:
    square = np.array([[1, 2], [10, 20]], np.int16)
    assert samples_of(square, channels_last=True) == [[1, 2], [10, 20]]
    assert samples_of(square, channels_last=False) == [[1, 10], [2, 20]]
    frame = np.array([[1, 2, 3]], np.int16)
    assert samples_of(frame, channels_last=True) == [[1, 2, 3]]
    assert samples_of(frame, channels_last=False) == [[1], [2], [3]]


@pytest.mark.parametrize("shape", [(), (0,), (0, 2), (1, 0), (2, 3, 4), (1, 2, 3, 4)])
def test_no_clip(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"want samples of shape \[frames\], .*, got \["):
        audio.prepare(np.zeros(shape, np.float32))


def test_too_many_channels() -> None:
    most = np.zeros((2, 65535), np.uint8)
    assert read(wav_of(most, channels_last=True))[2].shape == (2, 65535)
    with pytest.raises(ValueError, match="65536 channels: WAV has 65535 at most"):
        audio.prepare(np.zeros((2, 65536), np.uint8), 8000, channels_last=True)


def test_too_long() -> None:
    endless = np.broadcast_to(np.int32(0), (2**29,))  # 2 GiB as a file, no memory here
    with pytest.raises(ValueError, match="a clip of 536870912 frames is too long"):
        audio.prepare(endless)


# ------------------------------------------------------------------ sample rate


@pytest.mark.parametrize("rate", [1, 44100, 44100.0, np.int64(22050), np.array([96000])])
def test_sample_rates(rate: Any) -> None:
    assert read(wav_of([0.0], rate))[0] == int(np.asarray(rate).item())


@pytest.mark.parametrize(
    ("rate", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (22050.5, ValueError),
        (float("nan"), ValueError),
        (float("inf"), ValueError),
        (2**31, ValueError),  # times two bytes: too many for the header
        ([1, 2], ValueError),
        ("44100", TypeError),
        (None, TypeError),
    ],
)
def test_no_sample_rate(rate: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="sample_rate"):
        audio.prepare([0.0], rate)


# ------------------------------------------------------------------ the caller's memory


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_the_clip_is_the_callers_no_more(dtype: str) -> None:
    sound = np.ones((3, 1), dtype)
    clip, _ = audio.prepare(sound)
    before = audio.encode("x", clip)
    sound[:] = 0
    assert audio.encode("x", clip) == before
    assert isinstance(clip.data, np.ndarray)
    with pytest.raises(ValueError, match="read-only"):
        clip.data[0] = 0


# ------------------------------------------------------------------ WAV files as they are


def test_a_wav_file_is_stored_as_it_is() -> None:
    stereo = np.array([[1, 2], [3, 4], [5, 6]], np.int16)
    wav = wav_of(stereo, 16000)
    for given_bytes in (wav, bytearray(wav), memoryview(wav)):
        clip, changed = audio.prepare(given_bytes, 44100)
        assert (clip, changed) == (audio.Clip(16000, 2, 3, wav), "")
    stored = audio.encode("x", clip).audio
    assert stored.encoded_audio_string == wav
    assert (stored.sample_rate, stored.num_channels, stored.length_frames) == (16000, 2, 3)


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    padding = b"\0" * (len(content) % 2)
    return name + struct.pack("<I", len(content) if size is None else size) + content + padding


def riff(*chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WAVE" + b"".join(chunks)


FLOAT_STEREO = struct.pack("<HHIIHH", 3, 2, 48000, 384000, 8, 32)
ADPCM = struct.pack("<HHIIHHHH", 17, 1, 8000, 4055, 256, 4, 2, 505)


@pytest.mark.parametrize(
    ("wav", "rate", "channels", "frames"),
    [
        (riff(chunk(b"fmt ", FLOAT_STEREO), chunk(b"data", bytes(24))), 48000, 2, 3),
        (  # a chunk of odd length before, another behind
            riff(
                chunk(b"LIST", b"abc"),
                chunk(b"fmt ", FLOAT_STEREO),
                chunk(b"data", bytes(8)),
                chunk(b"LIST", b"z"),
            ),
            *(48000, 2, 1),
        ),
        (  # as written to a pipe: sizes not known
            riff(chunk(b"fmt ", FLOAT_STEREO), chunk(b"data", bytes(16), 2**32 - 1)),
            *(48000, 2, 2),
        ),
        (  # compressed: bytes do not tell the length
            riff(
                chunk(b"fmt ", ADPCM),
                chunk(b"fact", struct.pack("<I", 505)),
                chunk(b"data", bytes(256)),
            ),
            *(8000, 1, 505),
        ),
    ],
)
def test_wav_files_that_the_module_wave_does_not_read(
    wav: bytes, rate: int, channels: int, frames: int
) -> None:
    assert audio.prepare(wav)[0] == audio.Clip(rate, channels, frames, wav)


@pytest.mark.parametrize(
    "wav",
    [
        b"",
        b"OggS and so on",
        b"RIFF\0\0\0\0AVI ",
        riff(),
        riff(chunk(b"data", bytes(8))),
        riff(chunk(b"fmt ", FLOAT_STEREO)),
        riff(chunk(b"fmt ", FLOAT_STEREO[:8]), chunk(b"data", bytes(8))),
        riff(chunk(b"fmt ", bytes(16)), chunk(b"data", bytes(8))),
        riff(chunk(b"fmt ", FLOAT_STEREO, 2**32 - 1), chunk(b"data", bytes(8))),
    ],
)
def test_bytes_that_are_no_wav_file(wav: bytes) -> None:
    with pytest.raises(ValueError, match="WAV file"):
        audio.prepare(wav)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_a_wav_file_or_refused(tail: bytes) -> None:
    wav = b"RIFF\0\0\0\0WAVE" + tail
    try:
        clip, _ = audio.prepare(wav)
    except ValueError:
        return
    assert clip.sample_rate > 0
    assert clip.channels > 0


# ------------------------------------------------------------------ decoding


def decoded(value: Summary.Value) -> tuple[audio.Audio, ...]:
    return audio.decode(value, SummaryMetadata())


def sound_of(wav: bytes) -> audio.Audio:
    return audio.Audio(wav, 0, 0, 0)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["uint8", "int8", "int16", "int32", "float32", "float64"]),
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(1, 100_000),
    st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read(
    dtype: str, channels: int, frames: int, rate: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    shape = frames, channels
    if dtype.startswith("float"):
        samples = random.uniform(-1, 1, shape).astype(dtype)
    else:
        limits = np.iinfo(dtype)
        samples = random.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    clip, _ = audio.prepare(samples, rate, channels_last=True)
    (old,) = decoded(audio.encode("x", clip))
    (new,) = decoded(audio.encode_as_tensor("x", [clip]))
    assert old == new
    assert (old.sample_rate, old.channels, old.frames) == (rate, channels, frames)
    assert (old.label, old.content_type, old.duration) == ("", "audio/wav", frames / rate)
    raw = old.to_array(raw=True)
    assert raw.shape == shape
    if dtype.startswith("float"):
        assert raw.dtype == np.int16
        assert np.abs(old.to_array() - samples).max() <= 1 / 32768
    elif dtype == "int8":
        assert np.array_equal(raw.astype(int) - 128, samples)
    else:
        assert raw.dtype == dtype
        assert np.array_equal(raw, samples)


#: encoding, bits -> samples of full scale, silence and so on, as bytes; as they are; as floats
SAMPLES: dict[tuple[int, int], tuple[str, list[float], list[float]]] = {
    (1, 8): ("00 80 ff 40", [0, 128, 255, 64], [-1, 0, 127 / 128, -0.5]),
    (1, 16): ("0080 0000 ff7f 0040", [-32768, 0, 32767, 16384], [-1, 0, 32767 / 32768, 0.5]),
    (1, 24): (
        "000080 000000 ffff7f ffffff 010203",
        [-(2**23), 0, 2**23 - 1, -1, 0x030201],
        [-1, 0, 1 - 2**-23, -(2**-23), 0x030201 / 2**23],
    ),
    (1, 32): ("00000080 00000000 00000040", [-(2**31), 0, 2**30], [-1, 0, 0.5]),
    (3, 32): ("0000003f 000080bf 00000040", [0.5, -1, 2], [0.5, -1, 2]),  # not clipped
    (3, 64): ("000000000000e03f 9a9999999999b93f", [0.5, 0.1], [0.5, 0.1]),
}
DTYPES = {(1, 8): "uint8", (1, 16): "int16", (1, 24): "int32", (1, 32): "int32"}


def described(encoding: int, channels: int, bits: int, rate: int = 8000) -> bytes:
    align = channels * bits // 8
    return struct.pack("<HHIIHH", encoding, channels, rate, rate * align, align, bits)


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(("encoding", "bits"), SAMPLES)
def test_encodings(encoding: int, bits: int, extensible: bool) -> None:
    content, raw, floats = SAMPLES[encoding, bits]
    form = described(encoding, 1, bits)
    if extensible:  # WAVEFORMATEXTENSIBLE: sizes, speakers, and the encoding in a GUID
        guid = struct.pack("<H", encoding) + bytes.fromhex("0000 0000 1000 8000 00aa00389b71")
        form = described(0xFFFE, 1, bits) + struct.pack("<HHI", 22, bits, 4) + guid
    wav = riff(chunk(b"fmt ", form), chunk(b"data", bytes.fromhex(content)))
    sound = sound_of(wav)
    got = sound.to_array(raw=True)
    assert got.dtype.name == DTYPES.get((encoding, bits), f"float{bits}")
    assert got.ravel().tolist() == raw
    got[:] = 0  # it is the caller's own
    got = sound.to_array()
    assert (got.dtype.name, got.shape) == ("float32", (len(raw), 1))
    np.testing.assert_array_equal(got.ravel(), np.array(floats, np.float32))


def test_channels_lie_side_by_side() -> None:
    content = struct.pack("<6h", 1, 2, 3, 4, 5, 6)
    sound = sound_of(riff(chunk(b"fmt ", described(1, 3, 16)), chunk(b"data", content)))
    assert sound.to_array(raw=True).tolist() == [[1, 2, 3], [4, 5, 6]]
    three_bytes = bytes([1, 0, 0, 2, 0, 0])
    sound = sound_of(riff(chunk(b"fmt ", described(1, 2, 24)), chunk(b"data", three_bytes)))
    assert sound.to_array(raw=True).tolist() == [[1, 2]]


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_as_the_module_wave_reads_it(bits: int) -> None:
    content = np.random.default_rng(bits).bytes(12 * bits // 8)
    sound = sound_of(riff(chunk(b"fmt ", described(1, 2, bits)), chunk(b"data", content)))
    with wave.open(io.BytesIO(sound.encoded)) as reader:
        theirs = reader.readframes(6)
    ours = [
        int.from_bytes(theirs[at : at + bits // 8], "little", signed=bits > 8)
        for at in range(0, len(theirs), bits // 8)
    ]
    assert sound.to_array(raw=True).ravel().tolist() == ours


@pytest.mark.parametrize(
    ("length", "frames"), [(44, 0), (45, 0), (47, 0), (48, 1), (51, 1), (52, 2), (56, 3)]
)
def test_files_that_are_cut_off(length: int, frames: int) -> None:
    wav = wav_of(np.array([[1, -2], [3, -4], [5, -6]], np.int16))
    assert len(wav) == 56
    (sound,) = decoded(
        Summary.Value(audio={"length_frames": 3, "encoded_audio_string": wav[:length]})
    )
    assert sound.frames == 3  # as the log says
    assert sound.to_array(raw=True).tolist() == [[1, -2], [3, -4], [5, -6]][:frames]
    assert sound.to_array().shape == (frames, 2)


def test_files_of_unknown_size() -> None:
    """As written to a pipe."""
    content = struct.pack("<2h", 1, 2)
    wav = riff(chunk(b"fmt ", described(1, 1, 16)), chunk(b"data", content, 2**32 - 1))
    assert sound_of(wav).to_array(raw=True).tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (ADPCM, r"encoding 0x0011 \(IMA ADPCM\), 256 bytes for 1 channels"),
        (described(2, 2, 8), r"encoding 0x0002 \(Microsoft ADPCM\)"),
        (described(6, 1, 8), r"encoding 0x0006 \(A-law\)"),
        (described(7, 1, 8), r"encoding 0x0007 \(mu-law\)"),
        (described(85, 1, 8), r"encoding 0x0055 \(MP3\)"),
        (described(1234, 1, 8), "encoding 0x04d2, 1 bytes for 1 channels"),
        (described(1, 1, 64), r"encoding 0x0001 \(integers\), 8 bytes for 1 channels"),
        (described(3, 1, 16), r"encoding 0x0003 \(floats\), 2 bytes for 1 channels"),
        (struct.pack("<HHIIHH", 1, 2, 8000, 1, 3, 12), "3 bytes for 2 channels"),
        (struct.pack("<HHIIHH", 1, 3, 8000, 1, 2, 12), "2 bytes for 3 channels"),
        (struct.pack("<HHIIHH", 1, 2, 8000, 1, 2, 16), "16 bits .* 2 bytes for 2 channels"),
        (struct.pack("<HHIIHH", 1, 1, 8000, 1, 2, 24), "24 bits .* 2 bytes for 1 channels"),
        (described(0xFFFE, 1, 16), "encoding 0xfffe"),  # without the GUID
    ],
)
def test_samples_that_are_not_read(form: bytes, words: str) -> None:
    sound = sound_of(riff(chunk(b"fmt ", form), chunk(b"data", bytes(256))))
    for raw in (False, True):
        with pytest.raises(DecodeError, match=words):
            sound.to_array(raw)


def test_bits_that_do_not_fill_their_room() -> None:
    """They are the upper ones: 24 bits in four bytes, 12 in two."""
    for bits, width, sample in [(24, 4, b"\0\0\0\x40"), (12, 2, b"\0\x40")]:
        form = struct.pack("<HHIIHH", 1, 1, 8000, 8000 * width, width, bits)
        sound = sound_of(riff(chunk(b"fmt ", form), chunk(b"data", sample)))
        assert sound.to_array().tolist() == [[0.5]]


def test_a_file_without_a_rate() -> None:
    wav = riff(chunk(b"fmt ", described(1, 1, 16, rate=0)), chunk(b"data", b"\1\0"))
    (sound,) = decoded(Summary.Value(audio={"encoded_audio_string": wav}))
    assert (sound.sample_rate, sound.frames, sound.duration) == (0, 1, 0)
    assert sound.to_array(raw=True).tolist() == [[1]]
    with pytest.raises(ValueError, match="sample rate of 0"):
        audio.prepare(wav)


def test_of_what_is_not_compressed_the_bytes_tell_the_length() -> None:
    fact = chunk(b"fact", struct.pack("<I", 4_000_000_000))
    wav = riff(chunk(b"fmt ", described(3, 1, 32)), fact, chunk(b"data", bytes(8)))
    (sound,) = decoded(Summary.Value(audio={"encoded_audio_string": wav}))
    assert sound.frames == len(sound.to_array()) == 2


@pytest.mark.parametrize("data", [b"", b"OggS and so on", b"ID3", riff()])
def test_files_that_are_no_wav(data: bytes, tmp_path: Path) -> None:
    (sound,) = decoded(Summary.Value(tensor=tensor.encode(np.array([[data, b"song"]], object))))
    assert sound == audio.Audio(data, 0, 0, 0, "song", "")
    assert sound.duration == 0
    with pytest.raises(DecodeError, match="WAV file"):
        sound.to_array()
    assert sound.save(tmp_path / "song") == tmp_path / "song"
    assert (tmp_path / "song").read_bytes() == data


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=16), st.binary(max_size=30), st.integers(0, 2**32 - 1))
def test_any_wav_is_decoded_or_refused(form: bytes, content: bytes, size: int) -> None:
    start = struct.pack("<HH", 1, 1)
    for head in (form, start + form):
        wav = riff(chunk(b"fmt ", head.ljust(16, b"\1")), chunk(b"data", content, size))
        try:
            array = sound_of(wav).to_array()
        except DecodeError:
            continue
        assert (array.dtype.name, array.ndim) == ("float32", 2)
        assert array.size <= len(content)


# ------------------------------------------------------------------ the forms of a value


def rows(*items: bytes, shape: tuple[int, ...]) -> Summary.Value:
    array = np.empty(len(items), object)
    array[:] = items
    return Summary.Value(tensor=tensor.encode(array.reshape(shape)))


def test_labels() -> None:
    one, two = wav_of([0.0], 8000), wav_of([0.0, 0.5], 16000)
    first, second = decoded(rows(one, "né".encode(), two, b"\xff", shape=(2, 2)))
    assert (first.label, first.sample_rate, first.frames) == ("né", 8000, 1)
    assert (second.label, second.sample_rate, second.frames) == (r"\xff", 16000, 2)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 1, 1)])
def test_clips_without_labels(shape: tuple[int, ...]) -> None:
    clips = [wav_of([0.0]), wav_of([0.5])]
    found = decoded(rows(*clips, shape=shape))
    assert [sound.encoded for sound in found] == clips
    assert [sound.label for sound in found] == ["", ""]


@pytest.mark.parametrize("shape", [(2,), (2, 1), (1, 2), (2, 2), (2, 3), (2, 1, 2), (0, 2), (0,)])
def test_the_clips_are_those_that_tensorboard_takes(shape: tuple[int, ...]) -> None:
    items = [b"clip %d" % index for index in range(int(np.prod(shape)))]
    value = rows(*items, shape=shape)
    ours = [sound.encoded for sound in decoded(value)]
    value.metadata.CopyFrom(audio.metadata(as_tensor=True))
    assert list(migrated(value).tensor.string_val) == ours


@pytest.mark.parametrize(
    ("given_audio", "rate", "channels", "frames", "content_type"),
    [
        ({"sample_rate": 44100, "num_channels": 2, "length_frames": 9}, 44100, 2, 9, "audio/wav"),
        ({"sample_rate": 22050.5}, 22050.5, 1, 2, "audio/wav"),
        ({}, 8000, 1, 2, "audio/wav"),  # as the file says
        ({"sample_rate": math.nan, "num_channels": -1}, 8000, 1, 2, "audio/wav"),
        ({"sample_rate": math.inf, "length_frames": -5}, 8000, 1, 2, "audio/wav"),
        ({"sample_rate": -8000, "content_type": "audio/x"}, 8000, 1, 2, "audio/x"),
    ],
)
def test_what_the_log_says_comes_first(
    given_audio: dict[str, Any], rate: float, channels: int, frames: int, content_type: str
) -> None:
    wav = wav_of([0.0, 0.5], 8000)
    (sound,) = decoded(Summary.Value(audio={**given_audio, "encoded_audio_string": wav}))
    assert sound == audio.Audio(wav, rate, channels, frames, "", content_type)
    assert type(sound.sample_rate) is type(rate)
    assert sound.duration == frames / rate


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Summary.Value(), "audio without a tensor: it holds nothing"),
        (Summary.Value(image={}), "audio without a tensor: it holds image"),
        (Summary.Value(tensor=tensor.encode([[1.0, 2]])), "audio of DT_DOUBLE, where files belong"),
        (rows(b"x", shape=()), r"audio of shape \[\], where \[clips, 2\] belongs"),
        (rows(shape=(2, 0)), r"audio of shape \[2, 0\], where"),
        (Summary.Value(tensor={"dtype": 7, "tensor_shape": {"dim": [{"size": 2**50}]}}), "values"),
    ],
)
def test_no_audio(value: Summary.Value, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        decoded(value)


def test_save(tmp_path: Path) -> None:
    (sound,) = decoded(audio.encode("x", audio.prepare([0.0, 0.5], 8000)[0]))
    assert sound.save(tmp_path / "a") == tmp_path / "a.wav"
    assert sound.save(str(tmp_path / "b.WAV")) == tmp_path / "b.WAV"
    for path in tmp_path.iterdir():
        assert read(path.read_bytes())[2].ravel().tolist() == [0, 16384]


def test_what_a_clip_looks_like() -> None:
    wav = wav_of([0.0, 0.5], 8000)
    (sound,) = decoded(Summary.Value(audio={"encoded_audio_string": wav}))
    assert repr(sound) == "<Audio: 2 frames of 1 channels at 8000 Hz, 48 bytes of 'audio/wav'>"
    source = base64.b64encode(wav).decode()
    assert sound._repr_html_() == (f'<audio controls src="data:audio/wav;base64,{source}"></audio>')
    hostile = '"><script>alert(1)</script>'
    (sound,) = decoded(Summary.Value(audio={"content_type": hostile}))
    page = sound._repr_html_()
    assert "<script>" not in page
    assert html.unescape(page).startswith(f'<audio controls src="data:{hostile};base64,')


def test_the_corpus_as_tensorboard_reads_it(corpus: Path) -> None:
    count = 0
    for path, tags in truth_of(corpus, "audio").items():
        values = values_of(corpus / path)
        for tag, one in tags.items():
            found = [audio.decode(value, value.metadata) for value in values[tag]]
            digests = [hashlib.sha256(each.encoded).digest() for some in found for each in some]
            assert hashlib.sha256(b"".join(digests)).hexdigest() == one["audio"]["sha256_all"]
            for clips, event in zip(found, one["audio"]["events"], strict=True):
                for sound, item in zip(clips, event["items"], strict=True):
                    assert (sound.channels, sound.sample_rate, sound.frames) == (
                        item["channels"],
                        item["sample_rate"],
                        item["frames"],
                    )
                    rate, _, samples = read(sound.encoded)
                    assert rate == sound.sample_rate
                    assert np.array_equal(sound.to_array(raw=True), samples)
                    count += 1
    assert count >= 10


# ------------------------------------------------------------------ against the others


def corpus_audio(corpus: Path, folder: str) -> dict[tuple[str, int], Summary.Value]:
    """(tag, step) -> audio value of the event files in a folder of the corpus."""
    found = {}
    for path in (corpus / "peers" / folder).iterdir():
        for event in read_events(path):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "audio" or value.HasField("audio"):
                    found[value.tag, event.step] = value
    return found


def test_as_tensorflow_writes_it(corpus: Path) -> None:
    """The same input as in the corpus's peer_tensorflow.py gives the same value, to the byte."""
    theirs = corpus_audio(corpus, "tensorflow/v2_audio")
    mono = np.sin(2 * np.pi * 440 * (np.arange(800) / 8000.0)).astype("f")
    clip, _ = audio.prepare(mono, 8000)
    ours = audio.encode_as_tensor("mono", [clip])
    assert ours.tensor == theirs["mono", 0].tensor
    loud, changed = audio.prepare(mono * 3, 44100)
    assert changed.endswith("of 800 samples are beyond [-1, 1]: clipped")
    assert audio.encode_as_tensor("loud", [loud]).tensor == theirs["loud", 2].tensor
    # What was random there is had back from their own samples.
    stereo = theirs["stereo", 1].tensor
    clips = []
    for wav in stereo.string_val[::2]:
        rate, _, samples = read(wav)
        assert samples.shape == (800, 2)
        clips.append(audio.prepare((samples / 32768).astype(np.float32), rate)[0])
    assert audio.encode_as_tensor("stereo", clips).tensor == stereo


def test_libsndfile_rounds_down(corpus: Path) -> None:
    """tensorboardX's samples of the same sine: half of them one step below the nearest."""
    theirs = corpus_audio(corpus, "tensorboardX/text_audio")["snd", 0].audio
    sine = np.sin(np.arange(2000) / 9.0)[:, None]
    samples = read(theirs.encoded_audio_string)[2]
    assert (samples == np.floor(sine * 32768)).all()
    clip, _ = audio.prepare(sine, 8000)
    ours = audio.encode("snd", clip).audio
    difference = read(ours.encoded_audio_string)[2].astype(int) - samples
    assert set(np.unique(difference)) == {0, 1}
    ours.encoded_audio_string = theirs.encoded_audio_string
    assert ours == theirs


@pytest.mark.full
def test_torch_cuts_off_and_is_wrong_about_integers() -> None:
    import torch
    from torch.utils.tensorboard import summary as torch_summary

    sound = torch.tensor([[0.5, -1.0, 1.0, -0.25]])
    theirs = torch_summary.audio("x", sound, 8000).value[0].audio
    assert read(theirs.encoded_audio_string)[2].ravel().tolist() == [16383, -32767, 32767, -8191]
    assert samples_of(sound) == [[16384], [-32768], [32767], [-8192]]
    ours = audio.encode("x", audio.prepare(sound, 8000)[0]).audio
    ours.encoded_audio_string = theirs.encoded_audio_string
    assert ours.SerializeToString() == theirs.SerializeToString()

    integers = torch.tensor([[100, -200, 32000]], dtype=torch.int16)
    garbage = torch_summary.audio("x", integers, 8000).value[0].audio.encoded_audio_string
    assert read(garbage)[2].ravel().tolist() == [32767, -32767, 32767]
    assert samples_of(integers) == [[100], [-200], [32000]]
    with pytest.raises(AssertionError):  # stereo
        torch_summary.audio("x", torch.zeros(2, 100), 8000)
    assert samples_of(torch.zeros(2, 100)) == [[0, 0]] * 100


@pytest.mark.full
def test_tensors_of_torch() -> None:
    import torch

    bfloat16 = torch.tensor([0.5, -1.0], dtype=torch.bfloat16, requires_grad=True)
    assert samples_of(bfloat16) == [[16384], [-32768]]
    with pytest.raises(ValueError, match="meta"):
        audio.prepare(torch.zeros(1, 10, device="meta"))


# ------------------------------------------------------------------ on the real TensorBoard


def migrated(value: Summary.Value) -> summary_pb2.Summary.Value:
    """A value as TensorBoard's loader hands it to the audio plugin."""
    event = event_pb2.Event()
    event.summary.value.add().ParseFromString(value.SerializeToString())
    event = data_compat.migrate_event(event)
    (event,) = dataclass_compat.migrate_event(event, {})
    return event.summary.value[0]


def test_tensorboard_makes_the_same_of_both_encodings() -> None:
    clip, _ = audio.prepare([0.0, 0.5], 8000)
    named = audio.encode("x", clip)
    named.metadata.CopyFrom(audio.metadata())
    new = audio.encode_as_tensor("x", [clip])
    new.metadata.CopyFrom(audio.metadata(as_tensor=True))
    for value in (audio.encode("x", clip), named, new):
        seen = migrated(value)
        assert seen.metadata.plugin_data.plugin_name == "audio"
        assert seen.metadata.data_class == summary_pb2.DATA_CLASS_BLOB_SEQUENCE
        assert tensor_util.make_ndarray(seen.tensor).tolist() == [wav_of([0.0, 0.5])]


@pytest.mark.parametrize("backend", BACKENDS)
def test_tensorboard_serves_it(backend: Any, tmp_path: Path) -> None:
    mono, _ = audio.prepare([0.0, 0.25, -0.5], 8000)
    stereo, _ = audio.prepare(np.array([[1, -2], [3, -4], [5, -6]], np.int16), 44100)
    with EventFileWriter(tmp_path) as writer:
        for step, clip in enumerate((mono, stereo)):
            values = [
                audio.encode("bare", clip),
                audio.encode("old", clip),
                audio.encode_as_tensor("new", [clip, mono]),
            ]
            if step == 0:
                values[1].metadata.CopyFrom(audio.metadata("Voice", "of *whom*"))
                values[2].metadata.CopyFrom(audio.metadata("Voices", as_tensor=True))
            writer.add_event(Event(wall_time=1, step=step, summary=Summary(value=values)))
    plugin = "/data/plugin/audio"
    wavs = [audio.encode("x", clip).audio.encoded_audio_string for clip in (mono, stereo)]
    with TensorBoardServer(tmp_path, backend) as server:
        tags = server.wait_for(f"{plugin}/tags", lambda tags: len(tags.get(".", ())) == 3)["."]
        assert {tag: tags[tag]["samples"] for tag in tags} == {"bare": 1, "old": 1, "new": 2}
        assert tags["old"]["displayName"] == "Voice"
        assert tags["old"]["description"] == "<p>of <em>whom</em></p>"
        assert tags["new"]["displayName"] == "Voices"
        for tag in tags:
            listed = server.wait_for(
                f"{plugin}/audio", lambda listed: len(listed) == 2, run=".", tag=tag, sample=0
            )
            assert [entry["step"] for entry in listed] == [0, 1]
            # The data server knows no type where there are no metadata.
            unknown = tag == "bare" and backend == "rustboard"
            kind = "application/octet-stream" if unknown else "audio/wav"
            assert {entry["contentType"] for entry in listed} == {kind}
            played = [server.get(f"{plugin}/individualAudio?{entry['query']}") for entry in listed]
            assert played == wavs
