"""Names: folders for runs and tags, which may be called anything."""

from __future__ import annotations

import hashlib
import re

#: Characters of a part of a path; a name may be 255 bytes long on most file systems.
_LONGEST = 60
#: What a part of a path may have beside letters and digits, on any file system.
_PLAIN = frozenset(" !#$%&'()+,-.=@[]^_{}~")
#: Windows keeps these for devices, whatever follows a dot.
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))]
)
_HASH_DIGITS = 8
#: What a file may be called that stands beside folders: 10.png, tensor.tsv, index.csv.
_FILE = re.compile(r"(-?\d+.*|tensor|metadata|sprite|index)\.[a-z]\w*", re.IGNORECASE)
#: Parts of a path; paths may be 4096 bytes long.
_MOST_PARTS = 12


def folder_of(name: str) -> str:
    """A relative path, with ``/`` between its parts, for the name of a run or a tag.

    A part that no file system minds stays as it is: letters and digits of any script, and common
    punctuation. Any other one (``..``, an absolute path's empty part, control characters, devices
    of Windows, a dot in front, something very long) is changed, and gets a hash of the whole name,
    so that different names have different folders.

    >>> folder_of("train/loss"), folder_of("."), folder_of("../etc")
    ('train/loss', '', '__~f7f9121f/etc')
    """
    if name == ".":
        return ""
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    parts = []
    for part in name.split("/"):
        plain = "".join(one if one.isalnum() or one in _PLAIN else "_" for one in part)
        if plain.startswith("."):
            plain = plain.replace(".", "_")
        plain = plain[:_LONGEST].rstrip(" .")
        if plain.split(".")[0].strip().lower() in _DEVICES:
            plain = f"_{plain}"
        if _FILE.fullmatch(plain):
            plain = f"_{plain}"
        parts.append(plain if plain == part and plain else f"{plain}~{mark}")
    if len(parts) > _MOST_PARTS:
        parts[_MOST_PARTS - 1 :] = [f"~{mark}"]
    return "/".join(parts)


class Folders:
    """Gives each one a folder that no other has, also where upper and lower case are the same.

    >>> folders = Folders()
    >>> folders.of("run", "images", "Cat"), folders.of("run", "images", "cat")
    ('run/images/Cat', 'run/images/cat~2')
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, run: str, kind: str, tag: str) -> str:
        """The folder of a tag, with ``/`` between its parts."""
        wanted = folder = "/".join(filter(None, (folder_of(run), kind, folder_of(tag))))
        number = 1
        while folder.casefold() in self._taken:
            number += 1
            folder = f"{wanted}~{number}"
        self._taken.add(folder.casefold())
        return folder
