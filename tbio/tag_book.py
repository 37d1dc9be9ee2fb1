"""What an event file was told of each tag: whether it knows it, as what, and how far it went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class News(NamedTuple):
    """What became known since the last time.

    Attributes:
        tags: those met for the first time.
        remarks: sentences for the user; each is made once a tag.
    """

    tags: list[str]
    remarks: list[str]


class TagBook:
    """The tags of one event file, as the background thread meets them.

    A tag's metadata need to be written with its first value only, so somebody must know which one
    that is. And what TensorBoard shows wrongly is worth a word: its data server hides points behind
    a step that goes back (tensorboard/data/server/reservoir.rs), and a tag has one kind only.

    >>> book = TagBook()
    >>> book.meet("loss", "scalar", 7), book.meet("loss", "scalar", 3)
    (True, False)
    >>> book.news().remarks
    ["'loss': step 3 after step 7; TensorBoard may hide the points in between"]
    """

    def __init__(self) -> None:
        self._met: set[str] = set()  # in this file
        self._kinds: dict[str, str] = {}
        self._steps: dict[str, dict[str, int]] = {}  # kind -> tag -> last step
        self._told: set[tuple[str, str]] = set()
        self._tags: list[str] = []
        self._remarks: list[str] = []

    def meet(self, tag: str, kind: str, step: int) -> bool:
        """Note a value that is about to be written; whether it is the tag's first in the file."""
        known_kind = self._kinds.setdefault(tag, kind)
        steps = self.steps_of(kind)
        last = steps.get(tag)
        if last is None:
            last = self.steps_of(known_kind).get(tag)
        steps[tag] = step
        if last is not None and step < last:
            what = f"step {step} after step {last}; TensorBoard may hide the points in between"
            self.remark(tag, "step", what)
        if kind != known_kind:
            what = f"{kind} after {known_kind}; TensorBoard shows a tag as one kind only"
            self.remark(tag, "kind", what)
        if tag in self._met:
            return False
        self._met.add(tag)
        self._tags.append(tag)
        return True

    def steps_of(self, kind: str) -> dict[str, int]:
        """Tag -> last step, of the tags of one kind.

        Who finds a tag here, and a step that does not go back, may put that in place of `meet`.
        """
        return self._steps.setdefault(kind, {})

    def remark(self, tag: str, about: str, what: str) -> None:
        """Have a sentence told, but not twice of one tag and matter."""
        if (tag, about) not in self._told:
            self._told.add((tag, about))
            self._remarks.append(f"{tag!r}: {what}")

    def news(self) -> News:
        """What became known since the last call."""
        news = News(self._tags, self._remarks)
        self._tags, self._remarks = [], []
        return news

    def forget(self, tags: Iterable[str]) -> None:
        """Values that were met first did not get written after all."""
        for tag in tags:
            self._met.discard(tag)
            self._kinds.pop(tag, None)
            for steps in self._steps.values():
                steps.pop(tag, None)

    def renew(self) -> None:
        """The run goes on in a new file, where every tag has a first value again."""
        self._met.clear()
        self._tags.clear()

    def clear(self) -> None:
        """The run begins anew."""
        self.renew()
        self._kinds.clear()
        for steps in self._steps.values():  # which others may hold
            steps.clear()
