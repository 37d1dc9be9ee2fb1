"""The bindings load and work under every protobuf runtime that pyproject.toml allows.

Each release is installed beside the environment, not into it, and put first on the path of a
subprocess.
"""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import proto_filler
import pytest

TESTS = Path(__file__).resolve().parent

# The oldest release allowed, then the newest of each major version.
RELEASES = ("4.25.0", "4.25.*", "5.*", "6.*", "7.*")
IMPLEMENTATIONS = ("upb", "python")  # the second serves platforms without a wheel


def installed_protobuf(release: str, cache: pytest.Cache) -> Path:
    """A folder that holds this release, from pytest's cache or freshly made there by pip."""
    name = f"protobuf-{release.rstrip('.*')}-{sys.implementation.cache_tag}"
    folder = cache.mkdir(name)
    installed = folder / "site-packages"
    if not installed.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            target = Path(scratch) / "site-packages"
            pip_install(f"protobuf=={release}", target)
            try:
                target.rename(installed)
            except OSError:  # another test process was faster; its copy is as good
                if not installed.exists():
                    raise
    return installed


def pip_install(requirement: str, target: Path) -> None:
    """Skip the test when pip fails, as it does without a network; on CI that is a failure."""
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--target", str(target), requirement),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        reason = f"NOT TESTED, pip cannot install {requirement}: {result.stderr.strip()[-500:]}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("release", RELEASES)
def test_bindings_work_under(
    release: str, implementation: str, pytestconfig: pytest.Config
) -> None:
    cache = pytestconfig.cache
    assert cache is not None, "needs pytest's cacheprovider"
    site_packages = installed_protobuf(release, cache)
    result = subprocess.run(
        [sys.executable, str(TESTS / "proto_filler.py")],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site_packages), str(TESTS.parent)]),
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": implementation,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert fnmatch.fnmatchcase(report["version"], release)
    assert report["implementation"] == implementation
    assert report["digest"] == proto_filler.report()["digest"]
