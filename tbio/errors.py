"""Every error and warning of tbio, in one tree.

::

    TbioError
      DamageError (ValueError)        bytes of a log are damaged: .path .offset .kind
      DecodeError (ValueError)        a value contradicts its own description: .run .tag .step
      NotFoundError (KeyError)        with the nearest names
        RunNotFoundError
        TagNotFoundError
      WriterError (RuntimeError)
        WriterClosedError             a closed EventFileWriter or RecordWriter was written to
        WriteFailedError              the disk refused: .path, and the OSError as __cause__
      MissingExtraError (ImportError) names the extra to install
    TbioWarning (UserWarning)

A bad argument is a plain ``TypeError`` or ``ValueError``; an error of the operating system passes
through as the ``OSError`` it is.
"""

from __future__ import annotations

from collections.abc import Iterable

from tbio.names import brief, printable

__all__ = [
    "DamageError",
    "DecodeError",
    "MissingExtraError",
    "NotFoundError",
    "RunNotFoundError",
    "TagNotFoundError",
    "TbioError",
    "TbioWarning",
    "WriteFailedError",
    "WriterClosedError",
    "WriterError",
]


class TbioError(Exception):
    """Whatever tbio raises of its own accord; what it says cannot steer a terminal."""

    def __str__(self) -> str:
        return printable(super().__str__())


class TbioWarning(UserWarning):
    """Whatever tbio warns of: data left out while reading, or not written."""

    def __str__(self) -> str:  # which may name a file or a tag
        return printable(super().__str__())


class DamageError(TbioError, ValueError):
    """Bytes of a log that cannot be read, raised where ``on_damage="raise"`` asks for it."""

    def __init__(self, path: str, offset: int, kind: str, what: str) -> None:
        super().__init__(f"{path}, byte {offset}: {what}")
        self.path = path
        self.offset = offset
        self.kind = kind


class DecodeError(TbioError, ValueError):
    """A value that is not what its plugin, dtype or shape says."""

    def __init__(self, what: str, *, run: str = "", tag: str = "", step: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.run = run
        self.tag = tag
        self.step = step

    def __str__(self) -> str:
        where = [f"run {self.run!r}"] if self.run else []
        where += [f"tag {self.tag!r}"] if self.tag else []
        where += [f"step {self.step}"] if self.step is not None else []
        return printable(f"{', '.join(where)}: {self.what}" if where else self.what)


class NotFoundError(TbioError, KeyError):
    """A name that the log does not hold."""

    noun = "name"

    def __init__(self, name: object, names: Iterable[str], where: str = "") -> None:
        super().__init__(name)
        import difflib  # not for those who only write

        known = sorted(names)
        near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
        if near:
            hint = "nearest: " + ", ".join(map(brief, near))
        elif known:
            more = f" and {len(known) - 5} more" if len(known) > 5 else ""
            hint = "there are: " + ", ".join(map(brief, known[:5])) + more
        else:
            hint = "there are none"
        self.name = name
        self.nearest = near
        self.message = f"no {self.noun} {brief(name)}{f' in {where}' if where else ''}; {hint}"

    def __str__(self) -> str:  # KeyError would print the repr of its argument
        return self.message


class RunNotFoundError(NotFoundError):
    """No such run in the log folder."""

    noun = "run"


class TagNotFoundError(NotFoundError):
    """No such tag in the run."""

    noun = "tag"


class WriterError(TbioError, RuntimeError):
    """A writer that cannot write."""


class WriterClosedError(WriterError):
    """Something was written to a closed writer."""


class WriteFailedError(WriterError):
    """The operating system refused to take what was logged; ``__cause__`` is its ``OSError``."""

    def __init__(self, path: str, cause: OSError) -> None:
        super().__init__(f"{path}: {cause.strerror or cause}")
        self.path = path


class MissingExtraError(TbioError, ImportError):
    """A library that this call needs is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; install it by: pip install 'tbio[{extra}]'")
        self.module = module
        self.extra = extra
