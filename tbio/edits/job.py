"""Job: one edit, from the files of the logs to those of the result."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, NamedTuple

from tbio import backups
from tbio.bulk.batches import Batch, BatchLane
from tbio.edits.folder import Compression, Folder, RefusedError, compressed, dress, writing
from tbio.edits.mentions import Mentions, projector_config
from tbio.edits.renames import Renames
from tbio.edits.report import EditReport, FileEdit, Outcome
from tbio.edits.request import Request
from tbio.edits.rewriting import Rewriter, Tally
from tbio.edits.runs import NewRun, Runs
from tbio.edits.survey import Snapshot, Survey, Surveyor
from tbio.edits.tree import Found, tree
from tbio.errors import NotFoundError, RunNotFoundError, TagNotFoundError
from tbio.event_file import StoredEvent, is_event_file
from tbio.findings import Finding, Findings
from tbio.projector.config import CONFIG_NAME
from tbio.record import encode_record
from tbio.record_file import FileReport, Unverified
from tbio.selection import Pattern, Selection, matcher
from tbio.storage import LocalFile, read_bytes, walk

_NO_EVENTS = "not a single event in it"
_ALIVE = "it is being written"
#: A projector config is small; one that is not is taken along as it is.
_MOST_CONFIG = 1 << 22

#: What a selection is for, and the selection.
Asked = tuple[str, Selection]


class _Source(NamedTuple):
    """An event file of the logs."""

    found: Found
    file: Snapshot
    begins_run: bool


class Job:
    """What `tbio.edit` was asked to do, with the logs at hand.

    Args:
        keeps_run: whether a run is kept.
        runs, tags: what was asked for by name, each of which is to find something.

    Raises:
        FileNotFoundError, NotFoundError, ValueError: as `tbio.edit`.
    """

    def __init__(
        self,
        source: str,
        request: Request,
        keeps_run: Callable[[str], bool],
        rename_runs: Renames,
        runs: Iterable[Asked],
        tags: Iterable[Asked],
        examples: int,
        unverified: Unverified,
        progress: Callable[[str], None] | None,
    ) -> None:
        self._source = source
        self._request = request
        self._examples = examples
        self._progress = progress
        self._unverified: Unverified = unverified
        self._lane = BatchLane()
        self._found = tree(source)
        events = [one for one in self._found if one.is_event_file]
        if not events:
            raise FileNotFoundError(f"{source}: no event files (*tfevents*) in it")
        _check({one.folder for one in events}, runs, RunNotFoundError, source)
        self._runs = Runs(events, keeps_run, rename_runs, source)
        self._new = self._runs.new()
        self._damage: dict[str, tuple[Finding, ...]] = {}
        self._failed: dict[str, str] = {}
        self._surveys = [self._survey(run) for run in self._new]
        self._configs = dict(self._edited_configs())
        self._tags = self._renamed_tags(tags)
        self._mentions = Mentions(self._tags, self._runs.names, request.shift_times)

    # ------------------------------------------------------------------ the first reading

    def _survey(self, run: NewRun) -> Survey:
        surveyor = Surveyor(self._request, self._lane, self._unverified)
        for source in _sources(run):
            if source.begins_run:
                surveyor.begin_run()
            name = source.file.name
            try:
                if source.file.taken.size is None:
                    raise OSError("no regular file")
                self._damage[name] = surveyor.read(source.file, self._examples).all()
            except OSError as error:
                self._failed[name] = error.strerror or str(error)
        return surveyor.finish()

    def _edited_configs(self) -> Iterator[tuple[str, bytes]]:
        """Path -> new content, of each projector config that changes."""
        for one in self._found:
            if one.name != CONFIG_NAME or one.link or one.why or not self._request.rename_tags:
                continue
            with contextlib.suppress(OSError, ValueError):
                text = read_bytes(one.file, _MOST_CONFIG)
                new = projector_config(text, self._request.rename_tags)
                if new != text:
                    yield one.file.name, new

    def _renamed_tags(self, asked: Iterable[Asked]) -> dict[str, str]:
        every = {tag: kind for survey in self._surveys for tag, kind in survey.tags.items()}
        if not self._failed or every:
            _check(every, asked, TagNotFoundError, self._source)
        renames = {tag: self._request.tag_of(tag, kind) for tag, kind in every.items()}
        for tag, new in renames.items():
            try:
                new.encode()
            except UnicodeEncodeError:
                new = ""
            if tag and not new:
                raise ValueError(f"rename_tags: {renames[tag]!r} for {tag!r} is no tag")
        for pattern in self._request.rename_tags.unused:
            raise TagNotFoundError(pattern, every, self._source)
        kept = {tag for survey in self._surveys for olds in survey.made.values() for tag, _ in olds}
        return {tag: new for tag, new in renames.items() if tag != new and tag in kept}

    def _remarks(self) -> tuple[str, ...]:
        said: dict[str, None] = {}
        for run, survey in zip(self._new, self._surveys, strict=True):
            for new, olds in survey.made.items():
                tags, kinds = sorted({tag for tag, _ in olds}), sorted({kind for _, kind in olds})
                if len(tags) > 1:
                    said[f"run {run.folder!r}: {', '.join(map(repr, tags))} became {new!r}"] = None
                if len(kinds) > 1 and len(olds) > len(kinds) - 1 and new in self._tags.values():
                    said[f"run {run.folder!r}: {new!r} now is of kinds {', '.join(kinds)}"] = None
        return (*said, *self._mentions.remarks)

    def _report(self, files: Iterable[FileEdit]) -> EditReport:
        done = tuple(files)
        runs = {old: new for old, new in self._runs.names.items() if old != new}
        return EditReport(done, self._tags, runs, self._remarks())

    def _told(self, name: str) -> None:
        if self._progress is not None:
            self._progress(name)

    # ------------------------------------------------------------------ elsewhere

    def elsewhere(
        self, destination: str, compression: Compression, merge: bool, split: bool
    ) -> EditReport:
        """Write the result to a new folder.

        Raises:
            OSError: the destination cannot be written to.
        """
        folder = Folder(destination, self._source, compression)
        folder.make()
        try:
            return self._report(self._written(folder, merge, split))
        except RefusedError as error:
            folder.discard()
            raise error.__cause__ or error from None
        except BaseException:
            folder.discard()
            raise

    def _written(self, folder: Folder, merge: bool, split: bool) -> Iterator[FileEdit]:
        for run, survey in zip(self._new, self._surveys, strict=True):
            parts = sorted(survey.kinds) if split else [""]
            rewriter = Rewriter(self._request, survey, self._mentions, merge)
            sources = list(_sources(run))
            for group in [sources] if merge else [[one] for one in sources]:
                yield from self._write_group(folder, run.folder, group, rewriter, parts)
        yield from self._others(folder, "files" if split else ".")

    def _write_group(
        self,
        folder: Folder,
        run: str,
        group: Sequence[_Source],
        rewriter: Rewriter,
        parts: Sequence[str],
    ) -> Iterator[FileEdit]:
        """Write one file of the result for each part, out of one file of the logs or several."""
        name = group[0].found.name
        paths = {part: folder.free_path(_below(part, run), name) for part in parts}
        done: list[tuple[_Source, Tally, str]] = []
        try:
            with contextlib.ExitStack() as stack:
                outs = {
                    part: stack.enter_context(folder.event_file(path))
                    for part, path in paths.items()
                }
                for source in group:
                    why = self._failed.get(source.file.name, "")
                    try:
                        if not why:
                            self._rewrite(source, rewriter, outs)
                    except OSError as error:
                        if len(group) == 1:
                            raise
                        why = f"taken along in part: {error.strerror or error}"
                    done.append((source, rewriter.tally if not why else Tally(), why))
                    self._told(source.file.name)
        except OSError as error:
            yield FileEdit(group[0].file.name, "left", why=error.strerror or str(error))
            return
        tallies = [tally for _, tally, _ in done]
        dropped_all = any(t.dropped for t in tallies) or all(why for _, _, why in done)
        for part, path in paths.items():
            valued = any(part in tally.parts for tally in tallies)
            if not valued and (part or dropped_all or not any(t.events for t in tallies)):
                if not part and self._is_empty(group):
                    continue
                folder.remove(path)
                paths = {other: to for other, to in paths.items() if other != part}
        for source, tally, why in done:
            yield self._file_edit(source, tally, why, paths)
        for path in paths.values() if len(group) == 1 else ():
            dress(group[0].found, path)

    def _is_empty(self, group: Sequence[_Source]) -> bool:
        """Whether there was not a byte in the files, which go along as they are."""
        return all(source.file.taken.size == 0 for source in group)

    def _file_edit(
        self, source: _Source, tally: Tally, why: str, paths: Mapping[str, str]
    ) -> FileEdit:
        name = source.file.name
        found = self._damage.get(name, ())
        if why:
            return FileEdit(name, "left", why=why, findings=found)
        if self._has_no_event(found):
            return FileEdit(name, "left", why=_NO_EVENTS, findings=found)
        targets = tuple(paths[part] for part in paths if part in tally.parts or not part)
        outcome: Outcome = "same"
        if tally.dropped and not tally.kept:
            outcome, targets = "dropped", ()
        elif tally.edited or tally.dropped or any(one.kind != "empty" for one in found):
            outcome = "edited"
        return FileEdit(
            name,
            outcome,
            targets,
            tally.events,
            tally.edited,
            tally.kept,
            tally.dropped,
            findings=found,
        )

    @staticmethod
    def _has_no_event(found: Iterable[Finding]) -> bool:
        return any(one.kind == "no_event_file" for one in found)

    def _rewrite(self, source: _Source, rewriter: Rewriter, outs: Mapping[str, IO[bytes]]) -> None:
        """Write what one file of the logs becomes.

        Raises:
            OSError: it cannot be read (an error of the result is a `RefusedError`).
            ValueError: a step that would be beyond int64.
        """
        if source.begins_run:
            rewriter.begin_run()
        rewriter.begin_file()
        report = FileReport(source.file.name)
        Findings(0).listen(report)
        writes = _Writes(source.file.name, rewriter, outs)
        self._lane.read(source.file, report, writes, self._unverified)
        if self._unverified == "read":  # these get other checksums than they had
            rewriter.tally.edited += report.unverified_records

    def _others(self, folder: Folder, below: str) -> Iterator[FileEdit]:
        """Everything that is no event file, and the files of dropped runs."""
        links: list[Found] = []
        for one in self._found:
            place = self._runs.place(one.folder)
            if one.why:
                yield FileEdit(one.file.name, "left", why=one.why)
            elif place is None:
                yield FileEdit(one.file.name, "dropped")
            elif one.link:
                links.append(one)
            elif not one.is_event_file:
                where = _below(below, place)
                yield folder.copy(one, where, self._configs.get(one.file.name))
        for one in links:
            place = self._runs.place(one.folder)
            yield folder.link(one, _below(below, place or "."), self._link_target(one.link))

    def _link_target(self, link: str) -> str | None:
        """Where what a link leads to stands in the result."""
        link = link.replace(os.sep, "/")
        whole = self._runs.place(link)
        above, _, name = link.rpartition("/")
        folder = self._runs.place(above or ".")
        as_file = None if folder is None else (name if folder == "." else f"{folder}/{name}")
        is_folder = os.path.isdir(os.path.join(self._source, link))
        return whole if is_folder else as_file

    # ------------------------------------------------------------------ in place

    def in_place(self, compression: Compression) -> EditReport:
        """Replace what changes, once all that replaces it is written."""
        waiting: list[_Replacement] = []
        try:
            for run, survey in zip(self._new, self._surveys, strict=True):
                rewriter = Rewriter(self._request, survey, self._mentions, one_file=False)
                for source in _sources(run):
                    waiting.append(self._prepared(source, rewriter, compression))
                    self._told(source.file.name)
            for folder in sorted(self._runs.dropped):
                for one in self._runs.files_of(folder):
                    done = FileEdit(one.file.name, "dropped")
                    waiting.append(_Replacement(done, Snapshot(one.file), None))
            waiting += [
                _Replacement(
                    FileEdit(one.file.name, "left", why="a link; edit what it leads to"), None, None
                )
                for one in self._found
                if (one.link or one.why)
                and ("tfevents" in one.name or (one.why and _has_events(one.file.name)))
            ]
            waiting += self._prepared_configs()
            return self._report([replacement.carried_out() for replacement in waiting])
        except RefusedError as error:
            raise error.__cause__ or error from None
        finally:
            for replacement in waiting:
                replacement.call_off()

    def _prepared(
        self, source: _Source, rewriter: Rewriter, compression: Compression
    ) -> _Replacement:
        path = source.file.name
        found = self._damage.get(path, ())
        why = self._failed.get(path, "") or (_NO_EVENTS if self._has_no_event(found) else "")
        if not why and backups.has_writer(path):
            why = _ALIVE
        if why:
            return _Replacement(FileEdit(path, "left", why=why, findings=found), None, None)
        new = backups.beside(path, "editing")
        try:
            with _synced(new, path) as file, compressed(file, compression) as out:
                self._rewrite(source, rewriter, {"": out})
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(new)
            if isinstance(error, OSError):
                why = error.strerror or str(error)
                return _Replacement(FileEdit(path, "left", why=why, findings=found), None, None)
            raise
        done = self._file_edit(source, rewriter.tally, "", {"": path})
        if done.outcome == "edited" and not done.edited and not done.dropped:
            # A record that is cut off may get its rest.
            is_faulty = any(finding.is_fault for finding in found)
            done = done if is_faulty else _with_outcome(done, "same")
        if done.outcome == "same" and _is_same_file(path, new):
            os.unlink(new)
            return _Replacement(done, None, None)
        if done.outcome == "dropped":
            os.unlink(new)
            return _Replacement(done, source.file, None)
        return _Replacement(_with_outcome(done, "edited"), source.file, new)

    def _prepared_configs(self) -> Iterator[_Replacement]:
        for path, content in self._configs.items():
            new = backups.beside(path, "editing")
            with _synced(new, path) as out, writing():
                out.write(content)
            done = FileEdit(path, "edited", (path,))
            yield _Replacement(done, Snapshot(LocalFile(path)), new)


class _Writes:
    """Writes what the events of a file become (`tbio.bulk.batches.Taker`)."""

    def __init__(self, path: str, rewriter: Rewriter, outs: Mapping[str, IO[bytes]]) -> None:
        self._path = path
        self._rewriter = rewriter
        self._outs = outs
        self._parts = list(outs)

    def take_batch(self, batch: Batch) -> None:
        """Take in many events at once."""
        try:
            for part, records in self._rewriter.batch(batch, self._parts):
                self._write(part, records)
        except OverflowError as error:
            raise self._beyond(batch.offset, error) from error

    def take_event(self, stored: StoredEvent, payload: bytes) -> None:
        """Take in one."""
        try:
            for part, new in self._rewriter.rewritten(payload, stored.event, self._parts):
                self._write(part, encode_record(new))
        except OverflowError as error:
            raise self._beyond(stored.offset, error) from error

    def _write(self, part: str, records: bytes) -> None:
        with writing():
            self._outs[part].write(records)

    def _beyond(self, offset: int, error: OverflowError) -> ValueError:
        return ValueError(f"{self._path}, from byte {offset} on: {error}")


class _Replacement:
    """A file that is to be replaced, or to go, and what is to be said of it.

    Args:
        done: what is said when it is carried out.
        file: as it was read; None where nothing is to be done.
        new: the file that takes its place; None for none.
    """

    def __init__(self, done: FileEdit, file: Snapshot | None, new: str | None) -> None:
        self._done = done
        self._file = file
        self._new = new

    def carried_out(self) -> FileEdit:
        """Replace the file, unless somebody has written to it."""
        if self._file is None:
            return self._done
        path, taken = self._file.name, self._file.taken
        left = FileEdit(path, "left", why=_ALIVE, findings=self._done.findings)
        try:
            if self._file.file.state() != taken or backups.has_writer(path):
                return left
            backup = backups.keep(path, "edited")
            if self._new is None:
                os.unlink(path)
            else:
                os.replace(self._new, path)
            with contextlib.suppress(OSError):  # it is done, if perhaps not on the disk yet
                backups.sync_folder(os.path.dirname(path))
            kept = LocalFile(backup).state()
            if kept.identity == taken.identity and kept.size != taken.size:
                os.replace(backup, path)  # it grew in the last moment
                backups.sync_folder(os.path.dirname(path))
                return left
        except OSError as error:
            return FileEdit(path, "left", why=error.strerror or str(error))
        done = self._done
        return FileEdit(
            path,
            done.outcome,
            () if self._new is None else (path,),
            done.events,
            done.edited,
            done.kept,
            done.dropped,
            backup,
            "",
            done.findings,
        )

    def call_off(self) -> None:
        """Remove what was prepared and not used."""
        if self._new is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._new)


@contextlib.contextmanager
def _synced(new: str, original: str) -> Iterator[IO[bytes]]:
    """A new file, on the disk, with the permissions and times of another."""
    with writing():
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)  # what a crash has left behind
        # Nobody is to see more of it, in the meantime, than of the original.
        mode = stat.S_IMODE(os.stat(original).st_mode) & 0o700 | 0o200
        out = open(backups.new_file(new, mode), "wb", 1 << 20)  # noqa: SIM115
    try:
        yield out
        with writing():
            out.flush()
            backups.take_after(original, new)
            os.fsync(out.fileno())
            out.close()
    except BaseException:
        with contextlib.suppress(OSError):
            out.close()
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def _has_events(path: str) -> bool:
    """Whether there are event files in what a link leads to."""
    return os.path.isdir(path) and any(files for _, files in walk(path, is_event_file))


def _is_same_file(path: str, new: str) -> bool:
    """Whether nothing would change but a record that is cut off at the end."""
    with open(path, "rb") as one, open(new, "rb") as other:
        while data := other.read(1 << 20):
            if one.read(len(data)) != data:
                return False
    return True


def _with_outcome(done: FileEdit, outcome: Outcome) -> FileEdit:
    return FileEdit(
        done.path,
        outcome,
        done.targets,
        done.events,
        done.edited,
        done.kept,
        done.dropped,
        done.backup,
        done.why,
        done.findings,
    )


def _sources(run: NewRun) -> Iterator[_Source]:
    for part in run.parts:
        for at, (found, file) in enumerate(part.files):
            yield _Source(found, file, at == 0)


def _below(folder: str, path: str) -> str:
    return path if folder in ("", ".") else folder if path == "." else f"{folder}/{path}"


def _check(
    names: Iterable[str], asked: Iterable[Asked], error: type[NotFoundError], where: str
) -> None:
    """Complain of a pattern that finds nothing.

    Raises:
        NotFoundError: with the nearest names.
    """
    every = list(names)
    for noun, selection in asked:
        if selection is None or callable(selection):
            continue
        patterns: Iterable[Pattern] = (
            [selection] if isinstance(selection, (str, re.Pattern)) else selection
        )
        for pattern in patterns:
            if not any(map(matcher(pattern, noun), every)):
                raise error(getattr(pattern, "pattern", pattern), every, where)
