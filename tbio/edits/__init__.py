"""Edits: logs with other names, fewer points, other times, in another shape.

Records are taken along byte for byte. Of one that is edited only what is edited changes: fields
that nobody knows, and how numbers are encoded, stay. What is damaged stays behind and is told of,
as `tbio.repair` does it. A log is read twice: once to find its tags, and which points of thinned
series stay; once to write. Memory goes into the steps of the series of one run, where they are
thinned, and their values where LTTB asks for those.

In this order, all by the names and steps that the logs have:

1. Runs, tags, kinds and steps are kept or dropped. Session logs and file versions stay with their
   run, and so do its hyperparameters and layouts, unless their kind is not wanted: ``tags``,
   ``steps`` and thinning leave them alone.
2. Points that restarts made void are dropped (``restarts``), over all runs that become one.
3. Series are thinned.
4. Tags and runs get their new names, and so do hyperparameters' metrics, layouts and projector
   configs that speak of them. Steps and times are moved.

*Elsewhere* the result is a whole log folder: other files go along with the run in whose folder they
are, below their run's new name. A file of which no value is left is not written.

*In place* each event file that changes is replaced, and kept beside as
``events.out.edited-<n>.<rest>``, an event file in all but its name; see `tbio.backups` for what a
crash leaves. All new files are written before the first one is replaced. Other files stay, but for
projector configs. A file that is being written is left as it is, where that can be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeAlias, get_args

from tbio.edits.folder import Compression
from tbio.edits.job import Job
from tbio.edits.renames import Renames, Renaming
from tbio.edits.report import EditReport, FileEdit, Outcome
from tbio.edits.request import Request
from tbio.record_file import Unverified, check_unverified
from tbio.rules import Restarts, Rules
from tbio.selection import Selection, Steps, kind_set, matcher, step_range
from tbio.storage import is_url

__all__ = ["Compression", "EditReport", "FileEdit", "Outcome", "Progress", "Renaming", "edit"]

#: Called with the path of each event file that is done.
Progress: TypeAlias = Callable[[str], None]


def edit(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    runs: Selection = None,
    tags: Selection = None,
    kinds: str | Iterable[str] | None = None,
    steps: Steps = None,
    drop_runs: Selection = None,
    drop_tags: Selection = None,
    drop_kinds: str | Iterable[str] = (),
    drop_steps: Steps = None,
    rename_runs: Renaming = None,
    rename_tags: Renaming = None,
    restarts: Restarts = "keep",
    every: int | None = None,
    lttb: int | None = None,
    last: int | None = None,
    shift_steps: int = 0,
    scale_steps: float | Fraction = 1,
    shift_times: float = 0.0,
    merge: bool = False,
    split: bool = False,
    compression: Compression = "",
    examples: int = 1000,
    unverified: Unverified = "skip",
    progress: Progress | None = None,
) -> EditReport:
    """Write logs anew: renamed, cut, thinned, moved, merged, split.

    See the module for the order in which things are done, and for what stays as it is.

    Args:
        source: a folder, or one event file of any name; a URL only with ``destination``.
        destination: a folder, which must not exist or be empty. A single file goes into it.
        in_place: replace files instead, keeping the originals beside them. Runs cannot be renamed,
            merged or split then; one that is dropped is kept under the backup's name only.
        runs, tags, kinds, steps: what is kept; as in `tbio.open`.
        drop_runs, drop_tags, drop_kinds, drop_steps: what of that is dropped after all.
        rename_runs, rename_tags: old -> new, as a mapping or as pairs. A str is a name as a whole
            (of a run, and those below it); a compiled regex is replaced wherever it matches, with
            groups (``\\1``). Several regexes follow one another. Runs that get one name become one,
            in the order in which they began. See `tbio.edits.renames`.
        restarts: drop the points that a restart made void: "keep" none of them dropped, "session"
            those that a session log asks to discard, "rustboard" those of a tag with the step of a
            later one or above it, as TensorBoard's data server does, also where a resumed run said
            nothing; see `tbio.rules.Restarts`.
        every: keep the first point of each series and each so many-th behind it.
        lttb: keep at most so many points of each scalar tag, 2 or more, those that show its shape
            (`tbio.edits.thinning.lttb`).
        last: keep the last so many points of each series that is no scalar.
        shift_steps, scale_steps: a step becomes ``round(step * scale_steps) + shift_steps``.
        shift_times: seconds to add to every wall time.
        merge: make one file of the files of each run.
        split: a folder for each kind, ``<destination>/<kind>/<run>``, each a log folder of its own.
            Other files go to ``<destination>/files``.
        compression: "gzip" or "zlib" compress each event file as a whole, which tbio and TFRecord
            read and TensorBoard does not; "" writes plain files, also of compressed ones.
        examples: how many places to list of each sort of damage in each file, 0 or more.
        unverified: "read" also takes the records of writers that compute no checksums, and gives
            them the right ones; see `tbio.repair`.
        progress: called with the path of each event file that is done.

    Raises:
        FileNotFoundError: there is nothing at ``source``.
        FileExistsError: there is something in ``destination``.
        RunNotFoundError, TagNotFoundError: a name, glob or regex that finds nothing.
        TypeError, ValueError: an argument that is none of these; both or neither of ``destination``
            and ``in_place``; a new name that leads out of the folder, or a tag without a letter; a
            step that would be beyond int64.
        OSError: the destination cannot be written to. (A file of the logs that cannot be read is
            "left".)

    >>> import tempfile
    >>> edit("tests/golden/digits", tempfile.mkdtemp(), rename_tags={"loss": "train/loss"})
    <EditReport: 2 files: 2 edited>
    """
    if in_place == (destination is not None):
        raise ValueError("want either a destination or in_place=True")
    for name, count, least in (
        ("every", every, 1),
        ("lttb", lttb, 2),
        ("last", last, 0),
        ("examples", examples, 0),
    ):
        if count is not None and count < least:
            raise ValueError(f"{name}: want {least} or more, got {count}")
    if compression not in get_args(Compression):
        raise ValueError(f"compression: want one of {get_args(Compression)}, got {compression!r}")
    Rules(restarts)
    check_unverified(unverified)
    if not 0 < float(scale_steps) < float("inf"):
        raise ValueError(f"scale_steps: want a number above 0, got {scale_steps}")
    if shift_times != shift_times or abs(shift_times) == float("inf"):
        raise ValueError(f"shift_times: want seconds, got {shift_times}")
    if in_place and (rename_runs or merge or split):
        raise ValueError("renaming, merging and splitting runs needs a destination")
    runs, tags, drop_runs, drop_tags = map(_listed, (runs, tags, drop_runs, drop_tags))
    path = _path(source, "source")
    if in_place and is_url(path):
        raise ValueError(f"{path}: only files on a local disk can be edited in place")
    request = Request(
        tag=matcher(tags, "tags"),
        drop_tag=_dropped(drop_tags, "drop_tags"),
        kinds=kind_set(kinds) - (kind_set(drop_kinds) if drop_kinds else frozenset()),
        steps=step_range(steps),
        drop_steps=step_range(drop_steps),
        rename_tags=Renames(rename_tags, "rename_tags"),
        restarts=restarts,
        every=every,
        lttb=lttb,
        last=last,
        shift_steps=int(shift_steps),
        scale_steps=int(scale_steps) if scale_steps == int(scale_steps) else Fraction(scale_steps),
        shift_times=float(shift_times),
    )
    keeps, drops = matcher(runs, "runs"), _dropped(drop_runs, "drop_runs")
    job = Job(
        path,
        request,
        lambda run: keeps(run) and not (drops is not None and drops(run)),
        Renames(rename_runs, "rename_runs", below=True),
        (("runs", runs), ("runs", drop_runs)),
        (("tags", tags), ("tags", drop_tags)),
        examples,
        unverified,
        progress,
    )
    if destination is None:
        return job.in_place(compression)
    return job.elsewhere(_path(destination, "destination"), compression, merge, split)


def _listed(selection: Selection) -> Selection:
    """The same, to be gone through more than once."""
    if selection is None or callable(selection) or isinstance(selection, (str, re.Pattern)):
        return selection
    return list(selection) if isinstance(selection, Iterable) else selection


def _dropped(selection: Selection, noun: str) -> Callable[[str], bool] | None:
    return None if selection is None else matcher(selection, noun)


def _path(path: object, noun: str) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else path
    if not isinstance(text, str):
        raise TypeError(f"{noun}: want a str path, got {path!r}")
    return text
