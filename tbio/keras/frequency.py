"""How often something is logged: ``update_freq`` and ``profile_batch``, understood."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Unit: TypeAlias = Literal["batches", "samples"]


class UpdateFrequency:
    """After which batches their metrics are logged.

    Args:
        update_freq: "epoch" for none, "batch" for each, or a number.
        unit: what the number counts.
        batch_size: samples a batch, where samples are counted: Keras tells a callback of none.

    Attributes:
        is_batchwise: whether there are such batches at all.

    Raises:
        TypeError, ValueError: neither; a number below 1.

    >>> every = UpdateFrequency(1000, "samples", 400)
    >>> [batch for batch in range(1, 9) if every.is_due(batch - 1, batch)]
    [3, 5, 8]
    """

    def __init__(self, update_freq: Any, unit: Unit = "batches", batch_size: int = 32) -> None:
        if unit not in ("batches", "samples"):
            raise ValueError(f'update_unit: want "batches" or "samples", got {unit!r}')
        self._weight = count("batch_size", batch_size, least=1) if unit == "samples" else 1
        if isinstance(update_freq, str) and update_freq in ("batch", "epoch"):
            self._every, self._weight = 1, 1
        elif isinstance(update_freq, str):
            raise ValueError(f'update_freq: want "batch", "epoch" or a number, got {update_freq!r}')
        else:
            self._every = count("update_freq", update_freq, least=1)
        self.is_batchwise = update_freq != "epoch"

    def is_due(self, before: int, after: int) -> bool:
        """Whether something is to be logged now that some batches were done.

        Args:
            before, after: how many batches there were before and are now: with
                ``steps_per_execution`` there may be several in between.
        """
        if not self.is_batchwise:
            return False
        return after * self._weight // self._every > before * self._weight // self._every


def count(what: str, number: Any, least: int = 0) -> int:
    """A whole number.

    Raises:
        TypeError: it is none.
        ValueError: it is too small.
    """
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise TypeError(f"{what}: want an int, got {number!r}")
    if number < least:
        raise ValueError(f"{what}: want at least {least}, got {number}")
    return int(number)


def batch_range(profile_batch: Any) -> tuple[int, int] | None:
    """The first and last batch, from 1, that are to be profiled; None for no profile.

    Args:
        profile_batch: 0 for none, a batch, a pair, or these as Keras's older "10,20".

    Raises:
        ValueError: none of these.

    >>> batch_range(5), batch_range((10, 20)), batch_range("2,3"), batch_range(0)
    ((5, 5), (10, 20), (2, 3), None)
    """
    given = profile_batch
    try:
        if isinstance(given, str):
            given = [int(part) for part in given.split(",")]
        if not isinstance(given, (list, tuple)):
            given = [given]
        first, last = (count("profile_batch", given[at]) for at in (0, -1))
    except (TypeError, ValueError, IndexError):
        first, last, given = -1, 0, ()
    if first == last == 0:
        return None
    if not 0 < first <= last or len(given) > 2:
        raise ValueError(
            f"profile_batch: want a batch from 1, or a pair of them, got {profile_batch!r}"
        )
    return first, last
