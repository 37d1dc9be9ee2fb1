"""The commands as a target, on a tree of files: they end, and change nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tbio
from fuzzing import seeds
from fuzzing.embeddings import SECRET
from fuzzing.files import FRAMING
from fuzzing.mutations import Mutator
from fuzzing.oracle import T, strict
from tbio import projector
from tbio.cli import main

_NAMES: tuple[bytes, ...] = (
    *(b"events.out.tfevents.1", b"events.out.tfevents.2", b"events.out.tfevents.1.gz", b"a", b"b"),
    *(b"x.tfevents\n", b"\x1b[2Jx.tfevents", b"\xff\xfe.tfevents.1", b"=cmd().tfevents", b"-rf"),
    *("a\u202eb.tfevents".encode(), b"..tfevents..", b"tfevents" + b"x" * 240, b"plugins", b" "),
    *(b"events.out.damaged-1.1", b"events.out.repairing.1", projector.CONFIG_NAME.encode()),
)
_LINKS = (
    *(".", "..", "../..", "../outside", "../../outside", "../outside/secret", "/dev/zero"),
    *("events.out.tfevents.1", "events.out.tfevents.2", "a", "b", "nowhere", "a/b/../.."),
)
_COMMANDS: tuple[tuple[str, ...], ...] = (
    *(("ls", "LOGS"), ("ls", "LOGS", "--json"), ("ls", "LOGS", "--restarts", "tensorboard")),
    *(("check", "LOGS"), ("check", "LOGS", "--json"), ("check", "LOGS", "--examples", "0")),
    *(("export", "LOGS", "OUT.csv"), ("export", "LOGS", "OUT.csv", "--wide")),
    *(("repair", "LOGS", "OUT"), ("repair", "LOGS", "OUT", "--json")),
    *(("repair", "LOGS", "--in-place"), ("repair", "LOGS", "--in-place", "--json")),
)


#: What a repair that was interrupted leaves: a copy, which the next one writes anew.
_UNFINISHED = b"events.out.repairing."


def commands(data: bytes) -> None:
    """The commands on a tree of files that grows from the data."""
    choices = _Choices(data)
    with tempfile.TemporaryDirectory() as folder, strict():
        root = Path(folder, "root", "in")  # where no link leads out
        root.mkdir(parents=True)
        command = choices.pick(_COMMANDS)
        _grow(root, choices)
        before = {name: _snapshot(root / name) for name in ("logs", "outside")}
        names = {"LOGS": str(root / "logs"), "OUT": str(root / "out"), "OUT.csv": f"{root}/out.csv"}
        code, output, words = _called([names.get(word, word) for word in command])
        assert code in (0, 1, 3), f"exit code {code}: {words}"
        for text in (output, words):
            assert all(line.isprintable() for line in text.split("\n")), f"it writes {text!r}"
        if "--json" in command and output:
            json.loads(output)
        assert _snapshot(root / "outside") == before["outside"], "something outside was changed"
        assert set(os.listdir(root)) <= {"logs", "outside", "out", "out.csv"}
        after = _snapshot(root / "logs")
        if "--in-place" in command:
            kept = {content for _, content in after.values()}
            lost = [
                path
                for path, (_, content) in before["logs"].items()
                if content not in kept and not os.path.basename(path).startswith(_UNFINISHED)
            ]
            assert not lost, f"the logs have lost {lost}"
        else:
            assert after == before["logs"], "the logs were changed"
        if (root / "out").is_dir():
            _check_repaired(root / "out")


def _check_repaired(out: Path) -> None:
    """No link leads out of a repaired log, and no event file is damaged."""
    inside = os.path.realpath(out)
    for path in out.rglob("*"):
        if path.is_symlink():
            assert os.path.commonpath([os.path.realpath(path), inside]) == inside, path
        elif path.is_file() and "tfevents" in path.name:
            found = tbio.check(path)
            damaged = any(found.count(one) for one in FRAMING)
            assert not (damaged and found.files[0].events), f"{path}: {found.files}"


def _called(arguments: list[str]) -> tuple[int, str, str]:
    """A command in this process: exit code, output, words."""
    output, words = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(words):
            code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, output.getvalue(), words.getvalue()


class _Choices:
    """Bytes as decisions; when they are used up, always the first."""

    def __init__(self, data: bytes) -> None:
        self._bytes = iter(data)

    def number(self) -> int:
        return next(self._bytes, 0)

    def pick(self, several: Sequence[T]) -> T:
        return several[self.number() % len(several)]


def _grow(root: Path, choices: _Choices) -> None:
    """Make the folders ``logs`` and ``outside``."""
    (root / "outside").mkdir()
    (root / "outside" / "secret").write_bytes(SECRET)
    (root / "outside" / "events.out.tfevents.9").write_bytes(seeds.logs()[0][:-3] + b"???")
    folders = [os.fsencode(root / "logs")]
    os.mkdir(folders[0])
    for _ in range(choices.number() % 12):
        path = os.path.join(choices.pick(folders), choices.pick(_NAMES))
        what = choices.number() % 8
        with contextlib.suppress(OSError):  # it is there, or no name for this file system
            if what == 0:
                os.mkdir(path)
                folders.append(path)
            elif what == 1:
                os.symlink(choices.pick(_LINKS), path)
            elif what == 2:
                os.mkfifo(path)
            elif not os.path.lexists(path):
                Path(os.fsdecode(path)).write_bytes(_content(what, choices))


def _content(what: int, choices: _Choices) -> bytes:
    data = choices.pick(seeds.logs())
    if what == 3:
        return choices.pick((b"", b"\0" * 100, b"words", b"\x1f\x8b\x08", data[:20], data[:-5]))
    if what < 6:
        return data
    chance = random.Random(choices.number() << 8 | choices.number())
    return Mutator(chance).log(data, seeds.events())


def _snapshot(folder: Path) -> dict[bytes, tuple[int, bytes]]:
    """Path -> type, and content or target, of all that is in a folder; links are not followed."""
    found = {}
    top = os.fsencode(folder)
    for path, folders, names in os.walk(top):
        for name in (*folders, *names):
            inner = os.path.join(path, name)
            mode = os.lstat(inner).st_mode
            if os.path.islink(inner):
                content = os.readlink(inner)
            elif stat.S_ISREG(mode):
                content = Path(os.fsdecode(inner)).read_bytes()
            else:
                content = b""
            found[os.path.relpath(inner, top)] = mode, content
    return found
