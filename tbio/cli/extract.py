"""Write images, audio, video, texts, meshes, graphs, tensors and embeddings as files.

They come as OUT/<run>/<kind>/<tag>/<step>.<suffix>, as they stand in the log: images and audio
untouched, texts as Markdown, meshes as PLY, graphs as text, tensors as .npy, embeddings as TSV.
Names that no file system likes are changed. OUT/index.csv says of each file its run, tag, step and
wall time. --tags also selects embeddings, by name or tag.
"""

from __future__ import annotations

import argparse
import json

import tbio
from tbio.cli import source
from tbio.cli.render import count_of, short, size_of
from tbio.extracts import INDEX, KINDS

HELP = "write images, audio, texts, meshes, graphs, embeddings as files"
EXAMPLES = """\
examples:
  tbio extract logs/ out/
  tbio extract logs/ out/ --kinds images --tags 'samples/*' --steps ::1000
  tbio extract logs/ out/ --kinds texts --runs baseline --json | jq -r '.[].path'
"""
_TOLD = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    source.add_arguments(parser)
    parser.add_argument("out", metavar="OUT", help="a folder that is new, or empty")
    parser.add_argument("--json", action="store_true", help="print the index as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    kinds = KINDS if arguments.kinds is None else tuple(filter(KINDS.__contains__, arguments.kinds))
    if not kinds:
        source.say(f"--kinds: want some of {', '.join(KINDS)}")
        return 2
    logs = source.open_logs(arguments, embeddings="embeddings" in kinds)
    names = source.patterns(arguments, "tags")
    with source.progress(logs, "extracting") as progress:
        report = tbio.extract(logs, arguments.out, kinds=kinds, names=names, progress=progress)
    found = bool(report.files or report.skipped)
    more = [] if found else [name for several in logs.embeddings().values() for name in several]
    source.check_tags(arguments, found, more=more if "embeddings" in kinds else ())
    for one in report.skipped[:_TOLD]:
        at = "" if one.step is None else f", step {one.step}"
        source.say(f"run {short(one.run)}, tag {short(one.tag)}{at}: skipped: {one.what}")
    if len(report.skipped) > _TOLD:
        source.say(f"and {count_of(len(report.skipped) - _TOLD, 'value')} more skipped")
    complete = source.tell(report.runs, logs)
    if arguments.json:
        print(json.dumps([one._asdict() for one in report.files], indent=1))
    size = size_of(sum(one.size for one in report.files))
    files = count_of(len(report.files), "file")
    source.say(f"{files} ({size}) and {INDEX} written to {arguments.out}")
    return 0 if complete and not report.skipped else 3
