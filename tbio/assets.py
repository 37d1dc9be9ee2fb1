"""Assets: the files that TensorBoard's plugins keep beside a run's events, as they are.

``<run>/plugins/<plugin>/<files>``, as tensorboard/backend/event_processing/plugin_asset_util.py has
it: the traces of the profiler, configs of the Projector, texts of old tensorboardX.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from tbio import storage

FOLDER = "plugins"


@dataclass(frozen=True, slots=True, repr=False)
class Asset:
    """One file of a plugin.

    Attributes:
        plugin: the plugin's folder.
        name: the path inside of that, with ``/`` between its parts.
        file: where it is kept.
    """

    plugin: str
    name: str
    file: storage.File

    def __repr__(self) -> str:
        return f"<Asset {self.name!r} of {self.plugin!r}>"

    @property
    def path(self) -> str:
        """Its path or URL."""
        return self.file.name

    @property
    def size(self) -> int:
        """Its size in bytes, now.

        Raises:
            OSError: it is gone, or what else the storage raises.
        """
        return self.file.state().size or 0

    def read(self) -> bytes:
        """All of it.

        Raises:
            OSError: it is gone, or what else the storage raises.
        """
        return storage.read_bytes(self.file)


def assets(folder: str | os.PathLike[str]) -> dict[str, dict[str, Asset]]:
    """Plugin -> name -> file, both sorted, of all files that plugins keep in a run's folder.

    A plugin is a folder in ``plugins``; its files may be in folders of their own, which TensorBoard
    lists without what is in them. Nothing is read but the folders.

    Args:
        folder: a run's, or its URL.

    Raises:
        OSError: a folder of a plugin cannot be listed.

    >>> import pathlib, tempfile
    >>> trace = pathlib.Path(tempfile.mkdtemp(), "plugins", "profile", "day", "host.xplane.pb")
    >>> trace.parent.mkdir(parents=True)
    >>> trace.write_bytes(b"trace")
    5
    >>> found = assets(trace.parents[3])
    >>> found
    {'profile': {'day/host.xplane.pb': <Asset 'day/host.xplane.pb' of 'profile'>}}
    >>> found["profile"]["day/host.xplane.pb"].read()
    b'trace'
    """
    found: dict[str, dict[str, Asset]] = {}
    root = storage.inside(os.fspath(folder), FOLDER)
    for inside, files in storage.walk(root, _any, _raise_if_there):
        if inside == ".":  # what is no plugin's
            continue
        plugin, _, way = inside.partition("/")
        listed = found.setdefault(plugin, {})
        for file in files:
            name = storage.base_name(file)
            name = f"{way}/{name}" if way else name
            listed[name] = Asset(plugin, name, file)
    return {plugin: dict(sorted(found[plugin].items())) for plugin in sorted(found)}


def _any(name: str) -> bool:
    return True


def _raise_if_there(error: OSError) -> None:
    if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
        raise error
