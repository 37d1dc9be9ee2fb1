"""Files of plugins beside a run's events, as TensorBoard lists them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tensorboard.backend.event_processing import plugin_asset_util

from tbio.assets import assets

TREE = {
    "plugins/profile/2020_01_01/host.xplane.pb": b"\x00\xff trace",
    "plugins/profile/2020_01_01/host.memory": b"",
    "plugins/profile/empty/": b"",
    "plugins/tensorboard_text/tensors.json": b'["a"]',
    "plugins/nothing/": b"",
    "plugins/no_plugin.txt": b"x",
    "plugins_of_others/x/y": b"x",
    "events.out.tfevents.1": b"",
    "other": b"x",
}


def plant(root: Path, tree: dict[str, bytes] = TREE) -> Path:
    for name, content in tree.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def check(folder: Path) -> int:
    """The plugins and files that TensorBoard has, and more below them; how many there are."""
    found = assets(folder)
    assert sorted(found) == sorted(plugin_asset_util.ListPlugins(str(folder)))
    count = 0
    for plugin, files in found.items():
        listed = set(plugin_asset_util.ListAssets(str(folder), plugin))
        plain = {name for name in files if "/" not in name}
        folders = {name.partition("/")[0] for name in files if "/" in name}
        assert plain | folders <= listed
        assert all((folder / "plugins" / plugin / name).is_dir() for name in listed - plain)
        for name, asset in files.items():
            count += 1
            content = (folder / "plugins" / plugin / name).read_bytes()
            assert (asset.plugin, asset.name, asset.read()) == (plugin, name, content)
            assert Path(asset.path) == folder / "plugins" / plugin / name
            assert asset.size == len(content)
            try:
                text = content.decode()
            except UnicodeDecodeError:
                continue
            assert plugin_asset_util.RetrieveAsset(str(folder), plugin, name) == text
    return count


def test_as_tensorboard_has_them(tmp_path: Path) -> None:
    assert check(plant(tmp_path)) == 3
    found = assets(str(tmp_path))
    assert {plugin: list(files) for plugin, files in found.items()} == {
        "nothing": [],
        "profile": ["2020_01_01/host.memory", "2020_01_01/host.xplane.pb"],
        "tensorboard_text": ["tensors.json"],
    }
    shown = repr(found["tensorboard_text"]["tensors.json"])
    assert shown == "<Asset 'tensors.json' of 'tensorboard_text'>"


def test_none(tmp_path: Path) -> None:
    assert assets(tmp_path) == {}
    assert assets(tmp_path / "absent") == {}
    (tmp_path / "plugins").touch()
    assert assets(tmp_path) == {}


def test_an_asset_that_is_gone(tmp_path: Path) -> None:
    asset = assets(plant(tmp_path))["tensorboard_text"]["tensors.json"]
    Path(asset.path).unlink()
    with pytest.raises(FileNotFoundError):
        asset.read()
    with pytest.raises(FileNotFoundError):
        _ = asset.size


@pytest.mark.skipif(os.name != "posix", reason="links and pipes of POSIX")
def test_links_and_pipes(tmp_path: Path) -> None:
    """A link around a loop ends, a pipe is passed over, a folder elsewhere is one of the plugin."""
    plant(tmp_path / "run")
    profile = tmp_path / "run/plugins/profile"
    (profile / "loop").symlink_to(tmp_path / "run")
    os.mkfifo(profile / "pipe")
    plant(tmp_path / "elsewhere", {"x": b"1"})
    (tmp_path / "run/plugins/linked").symlink_to(tmp_path / "elsewhere")
    found = assets(tmp_path / "run")
    assert found["linked"]["x"].read() == b"1"
    assert "2020_01_01/host.memory" in found["profile"]
    assert not any("pipe" in name for name in found["profile"])
    assert len(found["profile"]) < 50


@pytest.mark.skipif(os.name != "posix", reason="names that are no text")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "plugins/p")
    os.makedirs(folder)
    try:
        with open(folder + b"/\xff", "wb") as file:
            file.write(b"1")
    except OSError:
        pytest.skip("this disk takes no such names")
    ((name, asset),) = assets(tmp_path)["p"].items()
    assert (name, asset.read()) == (r"\xff", b"1")


def test_on_another_file_system() -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    try:
        for name, content in TREE.items():
            memory.pipe(f"/run/{name}", content)
        found = assets("memory://run")
        text = found["tensorboard_text"]["tensors.json"]
        assert (text.read(), text.size, text.path) == (
            b'["a"]',
            5,
            "memory://run/plugins/tensorboard_text/tensors.json",
        )
        assert "2020_01_01/host.xplane.pb" in found["profile"]
        assert assets("memory://absent") == {}
    finally:
        memory.store.clear()
        memory.pseudo_dirs[:] = [""]


def test_the_corpus(corpus: Path) -> None:
    folders = [
        path.parent
        for part in ("peers", "real")
        for path in (corpus / part).rglob("plugins")
        if path.is_dir()
    ]
    assert {str(folder.relative_to(corpus)): check(folder) for folder in folders} == {
        "peers/old/mxboard": 1,
        "peers/old/tensorboardX-1.2": 1,
        "real/tensorflow+tensorboard/tensorboard": 1,
        "real/tensorflow+tensorboard@a8919bb/tensorboard": 1,
    }
