"""The names of embeddings: of torch and tensorboardX the tag and the step, ``words:00007``."""

from __future__ import annotations

import re
from collections.abc import Callable

from tbio.selection import Selection, matcher

#: torch/utils/tensorboard/writer.py and tensorboardX/writer.py: ``f"{tag}:{str(step).zfill(5)}"``.
_STEP = re.compile(r":\d{5,}$")


def asked_for(selection: Selection) -> Callable[[str], bool]:
    """A function that says whether an embedding is asked for, by its whole name or by its tag.

    >>> wanted = asked_for("words")
    >>> wanted("words:00007"), wanted("words"), wanted("swords:00007")
    (True, True, False)
    """
    wanted = matcher(selection, "names")
    return lambda name: wanted(name) or wanted(_STEP.sub("", name))
