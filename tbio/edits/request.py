"""Request: what `tbio.edit` is asked to do, checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from tbio.edits.renames import Renames
from tbio.plugins import KINDS
from tbio.rules import Restarts
from tbio.selection import StepRange

#: Kinds that describe a run and make no series: steps, thinning and regexes leave them alone.
OF_THE_RUN = frozenset(("hparams", "layouts", "graphs"))

_INT64 = range(-(1 << 63), 1 << 63)


def has_step(kind: str, step: int) -> bool:
    """Whether the step of a value means a moment of the run.

    torch and tensorboardX write a profile with the graph, at no step; TensorFlow writes others at
    theirs.
    """
    return kind not in OF_THE_RUN or (kind == "graphs" and step != 0)


@dataclass(frozen=True)
class Request:
    """What is to be kept, called otherwise, moved, thinned.

    Attributes:
        tag, drop_tag: say of each tag whether it is kept, and whether it is dropped after all.
        kinds: the kinds that are kept.
        steps, drop_steps: the steps that are kept, and of those the ones that are dropped.
        rename_tags: new names.
        restarts: which superseded points go; see `tbio.rules.Restarts`.
        every, lttb, last: see `tbio.edit`.
        shift_steps, scale_steps: a step becomes ``round(step * scale_steps) + shift_steps``.
        shift_times: seconds.
    """

    tag: Callable[[str], bool]
    drop_tag: Callable[[str], bool] | None = None
    kinds: frozenset[str] = frozenset(KINDS)
    steps: StepRange | None = None
    drop_steps: StepRange | None = None
    rename_tags: Renames = field(default_factory=lambda: Renames(None, "rename_tags"))
    restarts: Restarts = "keep"
    every: int | None = None
    lttb: int | None = None
    last: int | None = None
    shift_steps: int = 0
    scale_steps: Fraction | int = 1
    shift_times: float = 0.0

    def wants(self, tag: str, kind: str, step: int) -> bool:
        """Whether a value is kept, before series are thinned."""
        if kind not in self.kinds or (self.drop_tag is not None and self.drop_tag(tag)):
            return False
        # Hyperparameters and layouts belong to whatever else of the run is kept.
        if kind not in ("hparams", "layouts") and not self.tag(tag):
            return False
        if not has_step(kind, step):
            return True
        return (self.steps is None or self.steps.wants(step)) and not (
            self.drop_steps is not None and self.drop_steps.wants(step)
        )

    def wants_scalars(self, tag: str, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """The same of many scalars of a tag, bool[n]."""
        mask = np.ones(len(steps), bool)
        if (
            "scalars" not in self.kinds
            or not self.tag(tag)
            or (self.drop_tag is not None and self.drop_tag(tag))
        ):
            mask[:] = False
            return mask
        if self.steps is not None:
            mask &= self.steps.mask(steps)
        if self.drop_steps is not None:
            mask &= ~self.drop_steps.mask(steps)
        return mask

    @property
    def picks_points(self) -> bool:
        """Whether it takes the whole of a series to say which of its points stay."""
        return (
            self.restarts != "keep"
            or self.every is not None
            or self.lttb is not None
            or self.last is not None
        )

    def tag_of(self, tag: str, kind: str) -> str:
        """The new name of a tag; what describes the run stands where TensorBoard looks for it."""
        return tag if kind in OF_THE_RUN else self.rename_tags(tag)

    @property
    def moves_steps(self) -> bool:
        """Whether steps change."""
        return self.shift_steps != 0 or self.scale_steps != 1

    def step_of(self, step: int) -> int:
        """The new step.

        Raises:
            OverflowError: it is beyond int64.
        """
        new = round(step * self.scale_steps) + self.shift_steps
        if new not in _INT64:
            raise OverflowError(f"step {step} would become {new}, which is beyond int64")
        return new

    def start_of(self, step: int) -> int:
        """The new step of a session log, which may stand for a step that no run reaches."""
        new = round(step * self.scale_steps) + self.shift_steps
        return max(_INT64.start, min(new, _INT64.stop - 1))
