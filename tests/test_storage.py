"""Single files of a folder, on disk and elsewhere."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tbio.storage import LocalFile, ObjectFile, base_name, child, inner_child, read_bytes


def test_child(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").write_bytes(b"1")
    found = child(str(tmp_path), "deep/x")
    assert found is not None
    assert (found.name, base_name(found)) == (str(tmp_path / "deep/x"), "x")
    assert read_bytes(found) == b"1"
    assert child(str(tmp_path), "deep") is None
    assert child(str(tmp_path), "absent") is None
    assert child(str(tmp_path / "absent"), "x") is None
    assert child(str(tmp_path), "n\0ul") is None


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_inner_child(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "x").write_bytes(b"1")
    (tmp_path / "in-too").write_bytes(b"2")
    (inside / "out").symlink_to(tmp_path / "in-too")
    for path in ("x", "./x", "../in/x", str(inside / "x")):
        found = inner_child(str(inside), path)
        assert found is not None
        assert read_bytes(found) == b"1"
    for path in ("absent", ".", "x/y"):
        assert inner_child(str(inside), path) is None
    for path in ("../in-too", "out", str(tmp_path / "in-too"), "..", "n\0ul"):
        with pytest.raises(ValueError, match="is not inside of"):
            inner_child(str(inside), path)


def test_read_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    content = os.urandom(3_000_001)
    path.write_bytes(content)
    file = LocalFile(str(path))
    assert read_bytes(file) == read_bytes(file, len(content)) == content
    with pytest.raises(ValueError, match=r"x holds more than 3000000 bytes"):
        read_bytes(file, len(content) - 1)
    assert read_bytes(ObjectFile(io.BytesIO(b"ab"))) == b"ab"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_bytes(file)
