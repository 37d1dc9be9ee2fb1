"""Audio: clips of sound as WAV.

Two encodings are in use, of the same WAV files (tensorboard/plugins/audio/):

* *old*: a ``Summary.Audio``. torch, tensorboardX, TF 1. They give no metadata with it, for which
  TensorBoard's data server calls the type of the file unknown.
* *new*: a string tensor ``[clips, 2]`` of rows (WAV, label) with plugin "audio" on the tag's first
  value. TF 2. TensorBoard shows no labels, so they are empty.

Floats become samples of 16 bits as TensorFlow's ``encode_wav`` makes them
(tensorflow/core/lib/wav/wav_io.cc): times 32768, halves away from zero, limited to the range of 16
bits, so that 0.5 is 16384, -1 is -32768, and 1 is 32767. (torch multiplies by 32767 and cuts off;
libsndfile, which tensorboardX calls, multiplies by 32768 and rounds down.) Integers keep their
width and every bit.

What is read is an `Audio`, whose samples are decoded when they are asked for.
"""

from __future__ import annotations

import base64
import io
import math
import os
import struct
import wave
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tbio import arrays, plugins, tensor
from tbio.errors import DecodeError
from tbio.proto.plugin_data_pb2 import AudioPluginData
from tbio.proto.summary_pb2 import (
    DATA_CLASS_BLOB_SEQUENCE,
    DATA_CLASS_UNKNOWN,
    Summary,
    SummaryMetadata,
)
from tbio.proto.tensor_pb2 import DT_STRING, TensorProto

Array = npt.NDArray[Any]

_MAX_CHANNELS = 2**16 - 1  # the header counts them in 16 bits
_MAX_BYTES = 2**31 - 2**16  # of samples: a message ends at 2 GiB
_MOST_CHUNKS = 1 << 10  # of a file, that are looked at for the samples
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
#: What a message may say of encodings that are not read here, by Microsoft's registry (mmreg.h).
_ENCODINGS = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "mu-law",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0050: "MPEG",
    0x0055: "MP3",
    0x00FF: "AAC",
}
_SUFFIXES = {
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/flac": ".flac",
}


class Clip(NamedTuple):
    """A clip as `prepare` leaves it, for `encode`.

    Attributes:
        sample_rate: frames a second.
        channels: samples in a frame.
        frames: the length.
        data: the samples, ``[frames, channels]``, read-only; or a WAV file.
    """

    sample_rate: int
    channels: int
    frames: int
    data: Array | bytes


def prepare(
    sound: Any, sample_rate: Any = 44100, *, channels_last: bool | None = None
) -> tuple[Clip, str]:
    """A clip that shares no memory with ``sound``, and what had to be changed ("" for nothing).

    Args:
        sound: samples of any framework, or a WAV file as ``bytes`` (whatever it holds inside, it is
            stored as it is, and its own sample rate counts). ``[frames]`` is mono. With two axes
            the shorter one is the channels: torch's ``[1, frames]``, tensorboardX's
            ``[frames, 2]``, ``[2, frames]``; of a square the last one. Axes of length 1 beyond two
            are ignored.
            Floats are in [-1, 1]; what is beyond is clipped, and what is not finite becomes 0.
            int16, int32 (full scale 2**31), uint8 (silence is 128) and int8 are kept as they are.
        sample_rate: frames a second, a whole number.
        channels_last: whether the channels are the last of the two axes, if it is known.

    Raises:
        TypeError: no samples, or of a dtype without a known full scale (int64, bool, complex).
        ValueError: a shape that is no clip, no samples at all, a sample rate or a length that WAV
            does not have, bytes that are no WAV file.

    >>> clip, changed = prepare([0.0, 0.5, -2.0], 8000)
    >>> clip.frames, clip.channels, changed
    (3, 1, '1 of 3 samples are beyond [-1, 1]: clipped')
    """
    if isinstance(sound, (bytes, bytearray, memoryview)):
        wav = bytes(sound)
        header = _read_header(wav)
        if not header.sample_rate:
            raise ValueError("a WAV file with a sample rate of 0")
        return Clip(header.sample_rate, header.channels, header.frames, wav), ""
    samples = _in_frames(arrays.to_numpy(sound), channels_last)
    dtype = samples.dtype
    if dtype.kind != "f" and dtype.name not in ("int8", "uint8", "int16", "int32"):
        raise TypeError(
            f"want samples as floats in [-1, 1], int16, int32, uint8 or int8, got {dtype}"
        )
    frames, channels = samples.shape
    rate = _checked_rate(sample_rate, channels * _width(dtype))
    if samples.size * _width(dtype) > _MAX_BYTES:
        raise ValueError(f"a clip of {frames} frames is too long: an event ends at 2 GiB")
    samples = np.array(samples, dtype.newbyteorder("="), order="C")  # a copy in any case
    samples.flags.writeable = False
    return Clip(rate, channels, frames, samples), _changes(samples)


def _in_frames(samples: Array, channels_last: bool | None) -> Array:
    """A view of the samples as ``[frames, channels]``."""
    shape = samples.shape
    if samples.ndim > 2:
        samples = samples.squeeze()
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim != 2 or not samples.size:
        raise ValueError(
            f"want samples of shape [frames], [frames, channels] or [channels, frames], "
            f"got {list(shape)}"
        )
    if channels_last is None:
        channels_last = samples.shape[1] <= samples.shape[0]
    samples = samples if channels_last else samples.T
    if samples.shape[1] > _MAX_CHANNELS:
        raise ValueError(f"{samples.shape[1]} channels: WAV has {_MAX_CHANNELS} at most")
    return samples


def _width(dtype: np.dtype[Any]) -> int:
    """Bytes that WAV takes for a sample of this dtype."""
    return 2 if dtype.kind == "f" else dtype.itemsize


def _checked_rate(value: Any, frame_bytes: int) -> int:
    try:
        number = arrays.number(value)
        rate = int(number)
    except TypeError as error:
        raise TypeError(f"sample_rate: {error}") from error
    except (ValueError, OverflowError) as error:
        raise ValueError(f"sample_rate: {error}") from error
    if rate != number or not 0 < rate * frame_bytes < 2**32:  # the header's bytes a second
        raise ValueError(f"sample_rate: want a positive whole number of Hz, got {value!r}")
    return rate


def _changes(samples: Array) -> str:
    """What `_pcm` will not leave as it is, in words."""
    if samples.dtype.kind != "f" or (samples.min() >= -1 and samples.max() <= 1):
        return ""
    lost = samples.size - np.count_nonzero(np.isfinite(samples))
    clipped = np.count_nonzero(np.abs(samples) > 1) - np.count_nonzero(np.isinf(samples))
    words = []
    if lost:
        words.append(f"{lost} of {samples.size} samples are not finite: written as 0")
    if clipped:
        words.append(f"{clipped} of {samples.size} samples are beyond [-1, 1]: clipped")
    return "; ".join(words)


def _pcm(samples: Array) -> Array:
    """Samples as WAV holds them: signed, but for 8 bits."""
    if samples.dtype == np.int8:
        return samples.view(np.uint8) ^ np.uint8(0x80)
    if samples.dtype.kind != "f":
        return samples
    wide = samples if samples.dtype.itemsize >= 4 else samples.astype(np.float32)
    finite = np.where(np.isfinite(wide), wide, 0)
    scaled = np.clip(finite, -1, 1) * wide.dtype.type(32768)  # exact: a power of two
    whole = np.trunc(scaled)
    rounded = whole + np.trunc(2 * (scaled - whole))  # halves away from zero, as C's roundf
    pcm: Array = np.minimum(rounded, 32767).astype(np.int16)
    return pcm


def _wav(clip: Clip) -> bytes:
    if isinstance(clip.data, bytes):
        return clip.data
    pcm = _pcm(clip.data)
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams(
            (clip.channels, pcm.itemsize, clip.sample_rate, clip.frames, "NONE", "not compressed")
        )
        writer.writeframesraw(pcm.tobytes())  # native byte order, which wave turns if need be
    return file.getvalue()


class _Header(NamedTuple):
    """What a WAV file says of itself.

    Attributes:
        encoding: see `_ENCODINGS`.
        align: bytes a frame.
        bits: of a sample; fewer than it has room for are the upper ones.
        start, end: the place of the samples in the file, as far as they are there.
    """

    encoding: int
    channels: int
    sample_rate: int
    align: int
    bits: int
    frames: int
    start: int
    end: int


def _read_header(wav: bytes) -> _Header:
    """The description of a WAV file of any encoding.

    Not by the module wave, which reads integers only.

    Raises:
        ValueError: no WAV file.
    """
    if wav[:4] != b"RIFF" or wav[8:12] != b"WAVE":
        raise ValueError(f"want a WAV file, got bytes that begin with {wav[:12]!r}")
    encoding = channels = rate = align = bits = frames = 0
    place = 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(wav):
            break
        name, size = struct.unpack_from("<4sI", wav, place)
        place += 8
        here = min(size, len(wav) - place)  # a file made by streaming does not know its size
        if name == b"fmt " and here >= 16:
            encoding, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", wav, place)
            if encoding == _EXTENSIBLE and here >= 26:  # it stands in front of a GUID
                (encoding,) = struct.unpack_from("<H", wav, place + 24)
        elif name == b"fact" and here >= 4:  # frames, where bytes do not tell
            (frames,) = struct.unpack_from("<I", wav, place)
        elif name == b"data" and channels and align:
            if encoding in (_PCM, _FLOAT) or not frames:
                frames = here // align
            return _Header(encoding, channels, rate, align, bits, frames, place, place + here)
        place += size + size % 2
    raise ValueError("a WAV file without samples or their description")


def encode(tag: str, clip: Clip) -> Summary.Value:
    """One clip in the old encoding; the tag's first value wants `metadata`.

    >>> clip, _ = prepare([[0.0, 1.0, -1.0]], 8000)
    >>> audio = encode("voice", clip).audio
    >>> audio.sample_rate, audio.num_channels, audio.length_frames
    (8000.0, 1, 3)
    >>> audio.encoded_audio_string[44:].hex(" ", 2)
    '0000 ff7f 0080'
    """
    return Summary.Value(
        tag=tag,
        audio=Summary.Audio(
            sample_rate=clip.sample_rate,
            num_channels=clip.channels,
            length_frames=clip.frames,
            encoded_audio_string=_wav(clip),
            content_type="audio/wav",
        ),
    )


def encode_as_tensor(tag: str, clips: Iterable[Clip]) -> Summary.Value:
    """Any number of clips in the new encoding; the first value needs `metadata`.

    >>> clip, _ = prepare([0.0, 0.5], 8000)
    >>> [dim.size for dim in encode_as_tensor("voice", [clip]).tensor.tensor_shape.dim]
    [1, 2]
    """
    wavs = [_wav(clip) for clip in clips]
    proto = TensorProto(dtype=DT_STRING)
    for size in (len(wavs), 2):
        proto.tensor_shape.dim.add(size=size)
    for wav in wavs:
        proto.string_val.extend([wav, b""])
    return Summary.Value(tag=tag, tensor=proto)


def metadata(
    display_name: str = "", description: str = "", *, as_tensor: bool = False
) -> SummaryMetadata:
    """The metadata of an audio tag, for its first value.

    Args:
        as_tensor: for the new encoding.
    """
    content = AudioPluginData(encoding=AudioPluginData.WAV)
    return SummaryMetadata(
        plugin_data=SummaryMetadata.PluginData(
            plugin_name=plugins.AUDIO, content=content.SerializeToString()
        ),
        display_name=display_name,
        summary_description=description,
        # With a data class, the data server takes the old encoding's metadata as they are (and
        # without it throws them away); but of the new one the labels would count as clips, since
        # TensorBoard leaves a value alone that has one (tensorboard/dataclass_compat.py).
        data_class=DATA_CLASS_UNKNOWN if as_tensor else DATA_CLASS_BLOB_SEQUENCE,
    )


# ------------------------------------------------------------------ reading


@dataclass(frozen=True, slots=True, repr=False)
class Audio:
    """A clip of sound as a log holds it.

    Rate, channels and length are what the log says, or the file where the log is silent (as TF 2
    is); 0 where neither does.

    Attributes:
        encoded: the file, a WAV as a rule.
        sample_rate: frames a second; an ``int`` where it is a whole number.
        channels: samples in a frame.
        frames: the length. Of a file that is cut off, `to_array` gives less.
        label: a text, which TensorBoard does not show, or "".
        content_type: as in "audio/wav"; "" if it is not known.

    >>> clip, _ = prepare([[0.0, 0.5], [1.0, -1.0], [0.25, 0.0]], 8000)
    >>> (audio,) = decode(encode("voice", clip), metadata())
    >>> audio
    <Audio: 3 frames of 2 channels at 8000 Hz, 56 bytes of 'audio/wav'>
    >>> audio.to_array(raw=True)
    array([[     0,  16384],
           [ 32767, -32768],
           [  8192,      0]], dtype=int16)
    """

    encoded: bytes
    sample_rate: float
    channels: int
    frames: int
    label: str = ""
    content_type: str = ""

    def __repr__(self) -> str:
        return (
            f"<Audio: {self.frames} frames of {self.channels} channels at {self.sample_rate:g} Hz, "
            f"{len(self.encoded)} bytes of {self.content_type[:40]!r}>"
        )

    @property
    def duration(self) -> float:
        """Seconds; 0 where there is no sample rate."""
        return self.frames / self.sample_rate if self.sample_rate > 0 else 0.0

    def to_array(self, raw: bool = False) -> Array:
        """The samples, ``[frames, channels]``, by the file's own description.

        Of a WAV file that is cut off, all whole frames that are there.

        Args:
            raw: as they are stored: uint8 (silence is 128), int16, int32, float32 or float64.
                Samples of 24 bits come as int32 between -2**23 and 2**23.

        Returns:
            float32; integers are divided by their full scale, so that they are in [-1, 1].

        Raises:
            DecodeError: no WAV file; one with samples that are neither integers of 8, 16, 24 or 32
                bits nor floats of 32 or 64 (compressed ones; the message names the encoding).
        """
        try:
            header = _read_header(self.encoded)
        except ValueError as error:
            raise DecodeError(str(error)) from error
        samples, full_scale = _samples(header, self.encoded)
        if raw:
            return samples
        if samples.dtype.kind == "f":
            with np.errstate(over="ignore"):
                return samples.astype(np.float32, copy=False)
        scaled = samples.astype(np.float32)
        if samples.dtype == np.uint8:
            scaled -= 128
        scaled /= full_scale
        return scaled

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file as it is, and say where.

        Args:
            path: without a suffix it gets that of the content type, if that is known.

        Raises:
            OSError: as `open`.
        """
        target = Path(path)
        if not target.suffix:
            target = target.with_name(target.name + _SUFFIXES.get(self.content_type, ""))
        target.write_bytes(self.encoded)
        return target

    def _repr_html_(self) -> str:
        """A player, for notebooks."""
        import html  # not for those who write

        source = f"data:{self.content_type};base64,{base64.b64encode(self.encoded).decode()}"
        return f'<audio controls src="{html.escape(source)}"></audio>'


def _samples(header: _Header, wav: bytes) -> tuple[Array, int]:
    """The samples as they are stored, ``[frames, channels]``, and the full scale of integers."""
    encoding, channels, align = header.encoding, header.channels, header.align
    width, rest = divmod(align, channels)
    dtype = {
        (_PCM, 1): "u1",
        (_PCM, 2): "<i2",
        (_PCM, 3): "u1",  # see below
        (_PCM, 4): "<i4",
        (_FLOAT, 4): "<f4",
        (_FLOAT, 8): "<f8",
    }.get((encoding, width))
    if rest or dtype is None or header.bits > 8 * width:
        name = {_PCM: "integers", _FLOAT: "floats"}.get(encoding, _ENCODINGS.get(encoding))
        words = f"of encoding {encoding:#06x}" + (f" ({name})" if name else "")
        what = f"{header.bits} bits {words}, {align} bytes for {channels} channels"
        raise DecodeError(f"samples of {what}: cannot be read")
    frames = (header.end - header.start) // align
    flat = np.frombuffer(wav, dtype, frames * align // np.dtype(dtype).itemsize, header.start)
    if width == 3:
        wide = np.zeros((frames * channels, 4), np.uint8)
        wide[:, 1:] = flat.reshape(-1, 3)
        flat = wide.view("<i4").ravel()
        flat >>= 8
    native = flat.astype(flat.dtype.newbyteorder("="))
    return native.reshape(frames, channels), 1 << (8 * width - 1)


def decode(value: Summary.Value, metadata: SummaryMetadata) -> tuple[Audio, ...]:
    """The clips of a summary value of either encoding; there may be none.

    The old one holds one clip. The new one is a tensor ``[clips, 2]`` of rows (file, label); also
    taken are ``[clips]`` and ``[clips, 1]``, without labels. Of further columns TensorBoard looks
    at none (tensorboard/dataclass_compat.py, ``_migrate_audio_value``), nor is done here.

    Args:
        metadata: of the tag, of no effect here.

    Raises:
        DecodeError: neither of the two.

    >>> clip, _ = prepare([0.0, 0.5], 8000)
    >>> [audio.frames for audio in decode(encode_as_tensor("voice", [clip, clip]), metadata())]
    [2, 2]
    """
    if value.WhichOneof("value") == "audio":
        old = value.audio
        rate = old.sample_rate if 0 < old.sample_rate < math.inf else 0
        given = Audio(
            old.encoded_audio_string,
            int(rate) if rate == int(rate) else rate,
            max(old.num_channels, 0),
            max(old.length_frames, 0),
            content_type=old.content_type,
        )
        return (_completed(given, _header_of(given.encoded)),)
    proto = tensor.of_value(value, "audio")
    if proto.dtype != DT_STRING:
        raise DecodeError(f"audio of {tensor.dtype_name(proto.dtype)}, where files belong")
    rows = tensor.decode(proto)
    if not rows.ndim or (len(rows) and not rows.size):
        raise DecodeError(f"audio of shape {list(rows.shape)}, where [clips, 2] belongs")
    if not len(rows):
        return ()
    columns = rows.reshape(len(rows), -1)
    labelled = rows.ndim == 2 and columns.shape[1] > 1
    labels = columns[:, 1].tolist() if labelled else [b""] * len(rows)
    files = columns[:, 0].tolist()
    headers = {file: _header_of(file) for file in set(files)}  # a few bytes may repeat one
    return tuple(
        _completed(Audio(file, 0, 0, 0, tensor.to_text(label)), headers[file])
        for file, label in zip(files, labels, strict=True)
    )


def _header_of(file: bytes) -> _Header | None:
    try:
        return _read_header(file)
    except ValueError:
        return None


def _completed(audio: Audio, header: _Header | None) -> Audio:
    """What the log is silent about, as the file says."""
    if header is None:
        return audio
    return replace(
        audio,
        sample_rate=audio.sample_rate or header.sample_rate,
        channels=audio.channels or header.channels,
        frames=audio.frames or header.frames,
        content_type=audio.content_type or "audio/wav",
    )
