"""Series: all values of one tag in one run. Numbers stand in arrays; all else is read on access."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, overload

import numpy as np
import numpy.typing as npt

from tbio import migration, notebook, tensor
from tbio.errors import DamageError, DecodeError
from tbio.kinds import mesh
from tbio.kinds.mesh import Mesh
from tbio.names import brief, count_of
from tbio.optimum import Mode, best
from tbio.places import Places
from tbio.proto.event_pb2 import Event
from tbio.proto.summary_pb2 import Summary, SummaryMetadata
from tbio.smoothing import smoothed

T = TypeVar("T")
S = TypeVar("S", bound="ValueSeries[Any]")

#: Slices, masks and arrays of indexes, by which a series is cut.
Which = slice | npt.NDArray[Any] | list[int]


def joined(columns: Sequence[npt.NDArray[Any]], empty: npt.DTypeLike) -> npt.NDArray[Any]:
    """The columns one behind the other, in a dtype that holds the values of all exactly.

    Where numpy has none (integers of 64 bits beside floats), they are Python objects.

    >>> joined([np.array([2**60 + 1]), np.array([0.5], np.float32)], np.float32)
    array([1152921504606846977, 0.5], dtype=object)
    """
    if not columns:
        return np.empty(0, empty)
    whole: npt.NDArray[Any] = columns[0] if len(columns) == 1 else np.concatenate(columns)
    if whole.dtype.kind in "fc":
        for column in columns:
            if column.dtype.kind in "iu" and column.itemsize == 8:
                numbers = column.astype(whole.dtype).tolist()
                if numbers != column.tolist():  # Python compares int and float exactly
                    return joined([piece.astype(object) for piece in columns], object)
    return whole


@dataclass(frozen=True)
class Point:
    """One scalar.

    Attributes:
        index: its place in the series.
        wall_time: seconds since the epoch, UTC.
    """

    index: int
    step: int
    wall_time: float
    value: float


@dataclass(frozen=True, eq=False)
class Series:
    """What the series of all kinds have in common; their arrays are read-only.

    Attributes:
        run: the run's name.
        tag: the tag.
        steps: int64[n].
        wall_times: float64[n], seconds since the epoch, UTC.
    """

    run: str
    tag: str
    steps: npt.NDArray[np.int64]
    wall_times: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for column in (self.steps, self.wall_times):
            column.flags.writeable = False

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # what was pickled or copied is read-only again

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        name, tag, run = type(self).__name__, brief(self.tag), brief(self.run)
        return f"<{name} {tag} of run {run}: {len(self)} points>"

    def _repr_html_(self) -> str:
        """What it is, for notebooks."""
        return notebook.title(self.tag, f"{type(self).__name__} of run {self.run}", *self._facts())

    def _facts(self) -> list[str]:
        """What is to be known at a glance."""
        if not len(self):
            return ["no points"]
        return [count_of(len(self), "point"), f"steps {self.steps.min()} to {self.steps.max()}"]

    @property
    def relative_times(self) -> npt.NDArray[np.float64]:
        """Seconds since the first point of the series, float64[n], as TensorBoard counts them."""
        if not len(self):
            return self.wall_times
        with np.errstate(invalid="ignore"):  # of times that are infinite
            since_first: npt.NDArray[np.float64] = self.wall_times - self.wall_times[0]
        return since_first


@dataclass(frozen=True, eq=False, repr=False)
class ScalarSeries(Series):
    """The scalars of one tag in one run, in the order in which they were logged.

    Slices, masks and arrays of indexes cut it; its arrays are read-only.

    Attributes:
        run: the run's name.
        tag: the tag.
        steps: int64[n].
        wall_times: float64[n], seconds since the epoch, UTC.
        values: float32[n]; float64[n], int64[n], ... where the log holds such.
        display_name: what TensorBoard shows in place of the tag, or "".
        description: Markdown, or "".
        single: bool[n], which values the log holds as float32 where it also holds doubles, so that
            `values` is float64; None where the dtype says it.
    """

    values: npt.NDArray[Any]
    display_name: str = ""
    description: str = ""
    single: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.values.flags.writeable = False

    def _repr_html_(self) -> str:
        """The curve, and its first, last, least and largest values, for notebooks."""
        curve = notebook.sparkline(self.values)
        if not curve:
            return super()._repr_html_()
        finite = self.values[np.isfinite(self.values.astype(np.float64))]
        told = np.array([self.values[0], self.values[-1], finite.min(), finite.max()])
        head = ["curve", "first", "last", "least", "largest"]
        return super()._repr_html_() + notebook.table(head, [[curve, *told.tolist()]])

    def __getitem__(self, which: Which) -> ScalarSeries:
        """The points of a slice, a mask or an array of indexes."""
        if isinstance(which, (int, np.integer)):
            raise TypeError("a series is cut by slices; a single value is series.values[i]")
        return replace(
            self,
            steps=self.steps[which],
            wall_times=self.wall_times[which],
            values=self.values[which],
            single=None if self.single is None else self.single[which],
        )

    def smooth(self, weight: float = 0.6) -> npt.NDArray[np.float64]:
        """The values smoothed as the TensorBoard page does it, float64[n].

        An exponential moving average without the bias of its start. Values that are not finite are
        kept and passed over; a constant series is returned as it is
        (tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts, ``classicSmoothing``).

        Args:
            weight: from 0 (not at all) to 1; the page's own slider is at 0.6.

        >>> series = ScalarSeries("", "x", *map(np.array, ([0, 1, 2], [0.0, 1, 2], [0.0, 1, 1])))
        >>> series.smooth(0.5).round(3)
        array([0.   , 0.667, 0.857])
        """
        return smoothed(self.values, weight)

    def best(self, mode: Mode = "auto") -> Point:
        """The point with the best finite value, the first of them among equals.

        Args:
            mode: "min", "max", or "auto": what the words of the tag say, see
                `tbio.optimum.mode_of`.

        Raises:
            TypeError: complex values.
            ValueError: no finite value; "auto", and the tag does not say.

        >>> series = ScalarSeries("", "val/loss", *map(np.array, ([1, 2], [0.0, 1], [0.5, 0.25])))
        >>> series.best()
        Point(index=1, step=2, wall_time=1.0, value=0.25)
        """
        return self.point(best(self.values, self.tag, mode))

    def point(self, index: int) -> Point:
        """One point; a negative index counts from the end.

        Raises:
            IndexError: there are not so many.
        """
        step, wall_time = int(self.steps[index]), float(self.wall_times[index])
        value = self.values[index]
        if isinstance(value, np.generic):  # an array of objects holds Python's own numbers
            value = value.item()
        return Point(range(len(self))[index], step, wall_time, value)


#: Makes a value of an event, the value's place in its summary, and the tag's metadata.
Decode = Callable[[Event, int, SummaryMetadata], Any]


@dataclass(frozen=True, eq=False, repr=False)
class ValueSeries(Series, Generic[T]):
    """The values of one tag in one run that are read and decoded one by one, on access.

    ``series[i]`` is a value, a slice, a mask or an array of indexes gives a series. Iteration
    decodes one after the other.

    Attributes:
        run: the run's name.
        tag: the tag.
        steps: int64[n].
        wall_times: float64[n], seconds since the epoch, UTC.
        metadata: the tag's, as the log has it first in the run; empty where it has none.

    Access raises the following, which say of which run, tag and step:
        DecodeError: a value that is not what its plugin says; `raw` still gives it.
        DamageError: the file was written anew since it was read.
        OSError: the file is gone, or forbids reading.
    """

    metadata: SummaryMetadata
    places: Places = field(repr=False)
    decode: Decode = field(repr=False)

    @property
    def display_name(self) -> str:
        """What TensorBoard shows in place of the tag, or ""."""
        return self.metadata.display_name

    @property
    def description(self) -> str:
        """Markdown, or ""."""
        return self.metadata.summary_description

    @overload
    def __getitem__(self, which: int) -> T: ...
    @overload
    def __getitem__(self: S, which: Which) -> S: ...
    def __getitem__(self: S, which: int | Which) -> Any:
        """One value, or the series of a slice, a mask or an array of indexes."""
        if isinstance(which, (int, np.integer)):
            return self._value(int(which), self.event(int(which)))
        return replace(
            self,
            steps=self.steps[which],
            wall_times=self.wall_times[which],
            places=self.places[which],
        )

    def __iter__(self) -> Iterator[T]:
        for index, event in enumerate(self._events()):
            yield self._value(index, event)

    def event(self, index: int) -> Event:
        """The whole event that brought a value, as it stands in the file.

        Raises:
            IndexError: there are not so many.
        """
        at = range(len(self))[index]
        return next(self[at : at + 1]._events())

    def raw(self, index: int) -> Summary.Value:
        """A value as it stands in the file: TF 1's forms unchanged.

        Raises:
            DecodeError: a graph that stands in the event itself; see `event`.
        """
        event, at = self.event(index), int(self.places.indexes[index])
        if at < 0:
            raise self._located(DecodeError("it is no summary value: see event(i)"), index)
        return event.summary.value[at]

    def tensor(self, index: int) -> npt.NDArray[Any]:
        """A value as the tensor that TensorBoard's loader makes of it (`tbio.migration`).

        Raises:
            DecodeError: there is no tensor, or one that contradicts itself.
        """
        value = migration.migrate(self.raw(index))
        try:
            if not value.HasField("tensor"):
                raise DecodeError("a value without a tensor")
            return tensor.decode(value.tensor)
        except DecodeError as error:
            raise self._located(error, index) from error

    def _events(self) -> Iterator[Event]:
        events = self.places.events()
        for index in range(len(self)):
            try:
                event = next(events)
                if not self._is_of(event, index):
                    file = self.places.readers[int(self.places.files[index])].file.name
                    what = "another event stands here now: the file was written anew"
                    raise DamageError(file, int(self.places.offsets[index]), "replaced", what)
            except DamageError as error:
                error.args = (f"{error} ({self._whose(index)})",)
                raise
            except OSError as error:
                if error.errno is None:
                    raise type(error)(f"{error} ({self._whose(index)})") from error
                what = f"{error.strerror} ({self._whose(index)})"
                raise OSError(error.errno, what, error.filename) from error
            yield event

    def _whose(self, index: int) -> str:
        """What a message says of a value."""
        return f"run {brief(self.run)}, tag {brief(self.tag)}, step {self.steps[index]}"

    def _is_of(self, event: Event, index: int) -> bool:
        """Whether an event is the one that brought a value."""
        at, time = int(self.places.indexes[index]), self.wall_times[index]
        if event.step != self.steps[index] or not (event.wall_time == time or time != time):
            return False
        if at < 0:
            return True
        if at >= len(event.summary.value):
            return False
        value = event.summary.value[at]
        return (value.tag or value.node_name) == self.tag

    def _value(self, index: int, event: Event) -> T:
        value: T = self._decoded(index, event)
        return value

    def _decoded(self, index: int, event: Event) -> Any:
        try:
            return self.decode(event, int(self.places.indexes[index]), self.metadata)
        except DecodeError as error:
            raise self._located(error, index) from error

    def _located(self, error: DecodeError, index: int) -> DecodeError:
        return DecodeError(error.what, run=self.run, tag=self.tag, step=int(self.steps[index]))


@dataclass(frozen=True, eq=False, repr=False)
class SampledSeries(ValueSeries[T]):
    """A `ValueSeries` whose steps may have several samples: images and audio.

    ``series[i]`` is the first sample of a step.
    """

    def samples(self, index: int) -> tuple[T, ...]:
        """All samples of one step."""
        samples: tuple[T, ...] = self._decoded(index, self.event(index))
        return samples

    def _value(self, index: int, event: Event) -> T:
        samples: tuple[T, ...] = self._decoded(index, event)
        if not samples:
            raise self._located(DecodeError("a step with no sample in it"), index)
        return samples[0]


@dataclass(frozen=True, eq=False, repr=False)
class MeshSeries(Series):
    """The meshes of one name in one run: vertices, with the faces and colours of the same step.

    TensorBoard stores each part under a tag of its own (tensorboard/plugins/mesh/metadata.py). The
    k-th vertices of a step go with the k-th faces and colours of that step. ``series[i]`` is a
    `Mesh`, a slice gives a series.

    Attributes:
        run: the run's name.
        tag: the name under which the parts belong together.
        steps: int64[n], of the vertices.
        wall_times: float64[n], seconds since the epoch, UTC.
        vertices, faces, colors: the series of each part by itself; None where there is none.
        face_at, color_at: int64[n], which of the faces and colours go with each vertices; -1: none.
    """

    vertices: ValueSeries[npt.NDArray[Any]]
    faces: ValueSeries[npt.NDArray[Any]] | None
    colors: ValueSeries[npt.NDArray[Any]] | None
    face_at: npt.NDArray[np.int64]
    color_at: npt.NDArray[np.int64]

    @classmethod
    def of_parts(cls, name: str, parts: dict[str, ValueSeries[npt.NDArray[Any]]]) -> MeshSeries:
        """The series of a mesh's parts, by "vertices", "faces" and "colors", as one."""
        vertices, faces, colors = (parts.get(part) for part in ("vertices", "faces", "colors"))
        if vertices is None:
            raise DecodeError("a mesh without vertices", tag=name)
        nothing = np.empty(0, np.int64)
        pairs = [
            mesh.pair(vertices.steps, nothing if part is None else part.steps)
            for part in (faces, colors)
        ]
        run, steps, wall_times = vertices.run, vertices.steps, vertices.wall_times
        return cls(run, name, steps, wall_times, vertices, faces, colors, *pairs)

    @overload
    def __getitem__(self, which: int) -> Mesh: ...
    @overload
    def __getitem__(self, which: Which) -> MeshSeries: ...
    def __getitem__(self, which: int | Which) -> Mesh | MeshSeries:
        """One mesh, or the series of a slice, a mask or an array of indexes."""
        if not isinstance(which, (int, np.integer)):
            vertices = self.vertices[which]
            return replace(
                self,
                steps=vertices.steps,
                wall_times=vertices.wall_times,
                vertices=vertices,
                face_at=self.face_at[which],
                color_at=self.color_at[which],
            )
        index = range(len(self))[int(which)]
        faces, colors = (
            None if part is None or at[index] < 0 else part[int(at[index])]
            for part, at in ((self.faces, self.face_at), (self.colors, self.color_at))
        )
        try:
            config = mesh.config_of(self.vertices.metadata)
        except DecodeError as error:
            step = int(self.steps[index])
            raise DecodeError(error.what, run=self.run, tag=self.tag, step=step) from error
        return Mesh(self.vertices[index], colors, faces, config)

    def __iter__(self) -> Iterator[Mesh]:
        return (self[index] for index in range(len(self)))
