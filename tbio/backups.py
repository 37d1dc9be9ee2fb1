"""Backups: a file is replaced by another one, and kept under a second name beside it.

The steps are such that a crash between any two leaves all bytes of the original: the new file is
written under a name that TensorBoard does not read, and synced; the original gets its second name
(where there are no hard links: a copy, synced); the new file takes the first name, in one step.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import itertools
import os
import shutil
import signal
import stat

_BUFFER_BYTES = 1 << 20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def beside(path: str, word: str) -> str:
    """A name beside an event file that nobody takes for one.

    >>> beside("run/events.out.tfevents.17.host", "edited-0")
    'run/events.out.edited-0.17.host'
    """
    folder, name = os.path.split(path)
    name = name.replace("tfevents", word) if "tfevents" in name else f"{name}.{word}"
    return os.path.join(folder, name)


def new_file(path: str, mode: int = 0o666) -> int:
    """A descriptor of a file that was not there.

    Raises:
        OSError: it was, or cannot be made.
    """
    return os.open(path, _NEW, mode)


def keep(path: str, word: str) -> str:
    """A second name for a file, on the disk; where that cannot be had, a copy. The name.

    Args:
        word: stands in the name in place of "tfevents", with a number behind it.
    """
    for number in itertools.count():
        backup = beside(path, f"{word}-{number}")
        if os.path.lexists(backup):
            if _keeps(backup, path):  # a crash came before the last step
                break
            continue
        try:
            os.link(path, backup)
        except FileExistsError:
            continue
        except OSError:
            _copy(path, backup)
        break
    sync_folder(os.path.dirname(path))
    return backup


def _keeps(backup: str, path: str) -> bool:
    """Whether a file holds all of another one, also when that one's name goes to a third."""
    if not stat.S_ISREG(os.lstat(backup).st_mode):
        return False  # a link would go with the name
    return os.path.samefile(backup, path) or filecmp.cmp(backup, path, shallow=False)


def _copy(path: str, backup: str) -> None:
    """A copy on the disk, under its name only when it is complete."""
    new = beside(path, "copying")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    try:
        with open(path, "rb") as source, open(new_file(new, 0o600), "wb") as out:
            shutil.copyfileobj(source, out, _BUFFER_BYTES)
            out.flush()
            take_after(path, new)
            os.fsync(out.fileno())
        os.replace(new, backup)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise


def take_after(original: str, path: str) -> None:
    """Give a file the owner, permissions and times of another, as far as that can be done."""
    info = os.stat(original)
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):
            os.chown(path, info.st_uid, info.st_gid)
    with contextlib.suppress(OSError):
        shutil.copystat(original, path)


def has_writer(path: str) -> bool:
    """Whether somebody has a file open for writing, as far as the system tells.

    Linux grants a lease for reading only on a file that nobody writes to (fcntl(2), F_SETLEASE).
    It is given back at once; who opens the file meanwhile waits for that, and the signal that tells
    of him is one that does nothing.
    """
    try:
        import fcntl

        set_lease, set_signal = fcntl.F_SETLEASE, fcntl.F_SETSIG
    except (ImportError, AttributeError):
        return False
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.fcntl(file, set_signal, signal.SIGURG)
        fcntl.fcntl(file, set_lease, fcntl.F_RDLCK)
        fcntl.fcntl(file, set_lease, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(file)
    return False


def sync_folder(folder: str) -> None:
    """Have the names in a folder on the disk, where a folder can be synced."""
    if os.name != "posix":
        return
    file = os.open(folder or ".", os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(file)
