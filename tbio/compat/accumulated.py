"""The events that EventAccumulator gives, and how each is made of what the log holds.

Names and fields are those of tensorboard/backend/event_processing/event_accumulator.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tbio.kinds.histogram_bands import compress_proto
from tbio.proto.summary_pb2 import HistogramProto, Summary
from tbio.proto.tensor_pb2 import TensorProto


class _Row:
    """A dataclass that is indexed and unpacked as well.

    So do scripts with the named tuples of tensorboard up to 2.9:
    ``times, steps, values = zip(*accumulator.Scalars("loss"))``. There is no ``__iter__``: pandas 3
    would take an event with it for a list, without names of columns.
    """

    def __getitem__(self, index: Any) -> Any:
        return tuple(vars(self).values())[index]

    def __len__(self) -> int:
        return len(vars(self))


@dataclass(frozen=True)
class ScalarEvent(_Row):
    """A scalar.

    Attributes:
        wall_time: seconds since the epoch.
        value: the float32 of the log.
    """

    wall_time: float
    step: int
    value: float


class CompressedHistogramValue(NamedTuple):
    """Below which value a share of the data lies; the plain tuple that it is in TensorBoard.

    Attributes:
        basis_point: the share, in hundredths of a percent.
    """

    basis_point: float
    value: float

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True)
class CompressedHistogramEvent(_Row):
    """A histogram, reduced to a few quantiles.

    Attributes:
        wall_time: seconds since the epoch.
    """

    wall_time: float
    step: int
    compressed_histogram_values: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class HistogramValue(_Row):
    """The buckets of a histogram, and what is known of all its data.

    Attributes:
        num: how many data.
        bucket_limit: the upper edge of each bucket; its lower one is that of the bucket before.
        bucket: how many data are in each bucket.
    """

    min: float
    max: float
    num: float
    sum: float
    sum_squares: float
    bucket_limit: Sequence[float]
    bucket: Sequence[float]


@dataclass(frozen=True)
class HistogramEvent(_Row):
    """A histogram of TensorFlow 1's form.

    Attributes:
        wall_time: seconds since the epoch.
    """

    wall_time: float
    step: int
    histogram_value: HistogramValue


@dataclass(frozen=True)
class ImageEvent(_Row):
    """An image of TensorFlow 1's form.

    Attributes:
        wall_time: seconds since the epoch.
        encoded_image_string: the image file: PNG, GIF, ...
        width, height: in pixels, as the log says.
    """

    wall_time: float
    step: int
    encoded_image_string: bytes
    width: int
    height: int


@dataclass(frozen=True)
class AudioEvent(_Row):
    """Sound of TensorFlow 1's form.

    Attributes:
        wall_time: seconds since the epoch.
        encoded_audio_string: the sound file.
        content_type: its media type: "audio/wav", ...
        sample_rate: in Hz.
        length_frames: samples of each channel.
    """

    wall_time: float
    step: int
    encoded_audio_string: bytes
    content_type: str
    sample_rate: float
    length_frames: int


@dataclass(frozen=True)
class TensorEvent(_Row):
    """A tensor: what TensorFlow 2 makes of every kind.

    Attributes:
        wall_time: seconds since the epoch.
        tensor_proto: for `tbio.compat.make_ndarray`, or for TensorBoard's.
    """

    wall_time: float
    step: int
    tensor_proto: TensorProto


def histogram_value(histogram: HistogramProto) -> HistogramValue:
    """The buckets of a stored histogram."""
    return HistogramValue(
        min=histogram.min,
        max=histogram.max,
        num=histogram.num,
        sum=histogram.sum,
        sum_squares=histogram.sum_squares,
        bucket_limit=list(histogram.bucket_limit),
        bucket=list(histogram.bucket),
    )


def histogram_event(wall_time: float, step: int, histogram: HistogramProto) -> HistogramEvent:
    """The event of a stored histogram."""
    return HistogramEvent(wall_time, step, histogram_value(histogram))


def image_event(wall_time: float, step: int, image: Summary.Image) -> ImageEvent:
    """The event of a stored image."""
    return ImageEvent(wall_time, step, image.encoded_image_string, image.width, image.height)


def audio_event(wall_time: float, step: int, audio: Summary.Audio) -> AudioEvent:
    """The event of a stored sound."""
    return AudioEvent(
        wall_time,
        step,
        audio.encoded_audio_string,
        audio.content_type,
        audio.sample_rate,
        audio.length_frames,
    )


def compressed_event(
    basis_points: Sequence[float], wall_time: float, step: int, histogram: HistogramProto
) -> CompressedHistogramEvent:
    """The event of a stored histogram, reduced to its bands.

    Raises:
        DecodeError: the histogram contradicts itself.
    """
    bands = compress_proto(histogram, basis_points)
    values = [CompressedHistogramValue(point, value) for point, value in bands]
    return CompressedHistogramEvent(wall_time, step, values)
