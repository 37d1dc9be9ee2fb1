"""Receive the epochs that keras.callbacks.RemoteMonitor posts, and write them as event files.

The training has keras.callbacks.RemoteMonitor(root="http://127.0.0.1:9000") among its callbacks;
the root is printed to the standard output. With a name in it, http://127.0.0.1:9000/first, a
training gets a folder of its own. Each log of an epoch becomes epoch_<log> in the run train, or in
validation for one that begins with val_.

It listens on this machine alone, unless --host says otherwise, and knows no passwords: whoever
reaches it can write to the log. Ctrl-C or SIGTERM ends it, and everything is written then.
"""

from __future__ import annotations

import argparse
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from tbio.cli import source
from tbio.cli.render import count_of
from tbio.keras.names import REMOTE_FIELD, REMOTE_PATH, REMOTE_PORT

if TYPE_CHECKING:
    from tbio.remote import Post

_MOST_REFUSALS = 20  # of different words

HELP = "receive what Keras's RemoteMonitor posts"
EXAMPLES = """\
examples:
  tbio remote logs/
  tbio remote logs/ --port 0
  tbio remote logs/ --host 0.0.0.0 --port 9001 --quiet
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("logs", metavar="LOGS", help="the log folder to write to")
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=REMOTE_PORT,
        help="the port; 0 takes one that is free (default: %(default)s)",
    )
    parser.add_argument(
        "--path", default=REMOTE_PATH, help="the path that is posted to (default: %(default)s)"
    )
    parser.add_argument(
        "--field", default=REMOTE_FIELD, help="the form's field (default: %(default)s)"
    )
    parser.add_argument("--quiet", action="store_true", help="no line for each epoch")


def run(arguments: argparse.Namespace) -> int:
    """Carry it out; the exit code."""
    from tbio import remote  # a server, not for every command

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: how it is to be ended
    with suppress(KeyboardInterrupt):
        receiver = remote.Receiver(
            arguments.logs,
            host=arguments.host,
            port=arguments.port,
            path=arguments.path,
            field=arguments.field,
            on_post=None if arguments.quiet else _tell,
            on_refusal=_Refusals(),
        )
        try:
            print(receiver.root, flush=True)
            receiver.serve()
        finally:
            receiver.close()
            runs = count_of(len(receiver.runs), "run")
            source.say(f"{count_of(receiver.posts, 'epoch')} of {runs} written to {arguments.logs}")
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) < 1 << 16):
        raise argparse.ArgumentTypeError(f"want a number from 0 to 65535, got {text!r}")
    return int(text)


def _tell(post: Post) -> None:
    numbers = ", ".join(f"{name} {value:g}" for name, value in post.values.items())
    name = f"{post.run}: " if post.run else ""
    _say(f"{name}epoch {post.epoch}: {numbers or 'no numbers'}")


def _say(words: str) -> None:
    with suppress(OSError):  # nobody may read it any more; posts are taken all the same
        source.say(words)


class _Refusals:
    """Tells of the posts that are not taken, the first few times, since anybody may post."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, words: str) -> None:
        if words not in self._told and len(self._told) < _MOST_REFUSALS:
            self._told.add(words)
            _say(f"not taken: {words}")
