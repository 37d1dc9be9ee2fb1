"""Remote: a receiver for ``keras.callbacks.RemoteMonitor``, whose posts become event files.

A training in a place that cannot write to the log folder, or where nothing can be installed, posts
each epoch to this server, which needs nothing but Python's standard library. What comes is what
keras/src/callbacks/remote_monitor.py sends: ``POST /publish/epoch/end/`` with
``{"epoch": 3, "loss": 0.5, "val_loss": 0.6}``, as the field ``data`` of a form or, with
``send_as_json=True``, as a body of JSON. Runs and tags are those of `tbio.keras`.

Several trainings go into one receiver, each into a folder of its own, by a name in the root that
they are given: ``RemoteMonitor(root="http://127.0.0.1:9000/first")``.

The server trusts nobody. It listens on this machine alone unless it is told otherwise; bodies,
runs, tags and connections are bounded; a page in a browser, which could be made to post to it, is
turned away; and a name never leads out of the log folder. It knows no passwords.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import socketserver
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tbio.background import OnError
from tbio.checks import step_of as checked_step
from tbio.errors import TbioError
from tbio.imports.rows import NoNumberError, number_of, step_of
from tbio.keras.names import REMOTE_FIELD, REMOTE_PATH, REMOTE_PORT, epoch_place
from tbio.run_writer import text_of
from tbio.writer import SummaryWriter

#: The bounds, each far beyond what a training sends.
MOST_BYTES = 1 << 20
MOST_RUNS = 100
MOST_TAGS = 1000
_MOST_NAME = 200  # characters of a run or a tag
_MOST_CONNECTIONS = 32
_SECONDS = 10.0  # that a client may keep the server waiting
_MOST_SECONDS = 30.0  # that a connection may take in all
_MOST_DRAINED = 1 << 24

_RUN = re.compile(r"[\w@+=-][\w.@+= -]*(/[\w@+=-][\w.@+= -]*)*")


class RefusedError(TbioError, ValueError):
    """A post that is not taken: ``status`` is the answer's, an `http.HTTPStatus`."""

    def __init__(self, status: HTTPStatus, what: str) -> None:
        super().__init__(what)
        self.status = status


class Post(NamedTuple):
    """An epoch of a training.

    Attributes:
        run: the training's name, "" for one without.
        epoch: from 0.
        values: log -> number.
        left_out: the logs that were no numbers.
    """

    run: str
    epoch: int
    values: dict[str, float]
    left_out: tuple[str, ...]


def parse(run: str, body: bytes, content_type: str, field: str = REMOTE_FIELD) -> Post:
    """What a post says.

    Args:
        content_type: of the request: JSON, or else a form with the JSON in ``field``.

    Raises:
        RefusedError: no JSON, no object, no epoch; a name that no tag can have.

    >>> parse("", b'{"epoch": 3, "loss": 0.5, "note": [1]}', "application/json")
    Post(run='', epoch=3, values={'loss': 0.5}, left_out=('note',))
    """
    data = _json(body, content_type, field)
    if not isinstance(data, Mapping):
        raise _bad(f"want a JSON object, got {type(data).__name__}")
    if "epoch" not in data:
        raise _bad('want an object with "epoch"')
    try:
        epoch = checked_step(step_of(data["epoch"]), "epoch")[0]
    except (NoNumberError, ValueError) as error:
        raise _bad(f"epoch: want a whole number, got {data['epoch']!r:.80}: {error}") from error
    values: dict[str, float] = {}
    left_out = []
    for name, cell in data.items():
        if name == "epoch":
            continue
        try:
            text_of(name, "a log")
            if not 0 < len(name) <= _MOST_NAME:
                raise ValueError(f"want names of 1 to {_MOST_NAME} characters, got {name[:50]!r}")
        except ValueError as error:
            raise _bad(str(error)) from error
        try:
            number = number_of(cell)
        except NoNumberError:
            number = None
        if number is None:
            left_out.append(name)
        else:
            values[name] = number
    return Post(run, epoch, values, tuple(left_out))


def _json(body: bytes, content_type: str, field: str) -> Any:
    try:
        if content_type.partition(";")[0].strip().lower() != "application/json":
            form = urllib.parse.parse_qs(body.decode(), max_num_fields=100)
            if field not in form:
                raise _bad(f"want JSON, or a form with the field {field!r}")
            return json.loads(form[field][0])
        return json.loads(body)
    except RefusedError:
        raise
    except (ValueError, RecursionError) as error:
        raise _bad(f"no JSON: {str(error)[:200]}") from error


def _bad(what: str) -> RefusedError:
    return RefusedError(HTTPStatus.BAD_REQUEST, what)


class Receiver:
    """A server whose posts become events, from its making until `close`.

    Args:
        log_dir: the log folder: runs are ``train`` and ``validation`` in it, or in a folder of the
            training's name.
        host: the address to listen on.
        port: 0 takes one that is free.
        path: what ``RemoteMonitor`` was given as its ``path``.
        field: and as its ``field``.
        on_post: called with each `Post` that was taken, one at a time.
        on_refusal: called with the words that a client was answered whose post was not taken, one
            at a time; ``RemoteMonitor`` itself does not look at them.
        on_error: what to do when the disk refuses; see `tbio.SummaryWriter`.

    Attributes:
        port: where it listens.
        root: what to give to ``RemoteMonitor`` as its ``root``.
        posts: how many were taken.

    Raises:
        OSError: the address cannot be had.

    >>> import tempfile, tbio, threading, urllib.request
    >>> folder = tempfile.mkdtemp()
    >>> with Receiver(folder, port=0) as receiver:
    ...     thread = threading.Thread(target=receiver.serve)
    ...     thread.start()
    ...     form = b'data={"epoch": 0, "loss": 0.5, "val_loss": 0.75}'
    ...     urllib.request.urlopen(receiver.root + "/publish/epoch/end/", form).status
    ...     receiver.stop()
    ...     thread.join()
    200
    >>> tbio.open(folder)["validation"].scalars["epoch_loss"].values
    array([0.75], dtype=float32)
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        *,
        host: str = "127.0.0.1",
        port: int = REMOTE_PORT,
        path: str = REMOTE_PATH,
        field: str = REMOTE_FIELD,
        on_post: Callable[[Post], object] | None = None,
        on_refusal: Callable[[str], object] | None = None,
        on_error: OnError = "warn",
    ) -> None:
        self.log_dir = os.fspath(log_dir)
        self.posts = 0
        self._path = "/" + path.strip("/")
        self._field = field
        self._on_post = on_post
        self._on_refusal = on_refusal
        self._on_error = on_error
        self._lock = threading.RLock()  # who is told of a post may close
        self._writers: dict[str, SummaryWriter] = {}
        self._tags: set[tuple[str, str]] = set()
        self._closed = False
        try:
            self._server = _Server(host, port, self)
        except OSError as error:  # which does not say what it is about
            raise OSError(error.errno, error.strerror, f"{host}:{port}") from error
        self.port: int = self._server.server_address[1]
        self.root = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def runs(self) -> list[str]:
        """The runs that something was written to."""
        return sorted(self._writers)

    def serve(self) -> None:
        """Answer until `stop` is called, from another thread, or an exception comes, as Ctrl-C."""
        self._server.serve_forever(0.1)

    def stop(self) -> None:
        """Have `serve` return; wait until it has."""
        self._server.shutdown()

    def close(self) -> None:
        """Stop listening; write everything and close the files."""
        self._server.server_close()
        with self._lock:
            self._closed = True
            for writer in self._writers.values():
                writer.close()

    def receive(self, path: str, body: bytes, content_type: str) -> Post:
        """Take a post, as the server does.

        Args:
            path: of the URL, as it came.

        Raises:
            RefusedError: it is not taken.
        """
        post = parse(self._run_of(path), body, content_type, self._field)
        with self._lock:
            if self._closed:
                raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "the receiver is closed")
            self._write(post)
            self.posts += 1
            if self._on_post is not None:
                self._on_post(post)
        return post

    def refused(self, words: str) -> None:
        """Tell of a post that was not taken, as the server does."""
        if self._on_refusal is not None:
            with self._lock:
                self._on_refusal(words)

    def _run_of(self, path: str) -> str:
        """The training's name, in front of the path that is posted to."""
        path = urllib.parse.unquote(path.partition("?")[0]).rstrip("/")
        if not path.endswith(self._path):
            raise RefusedError(HTTPStatus.NOT_FOUND, f"want POST [/name]{self._path}/")
        run = path[: -len(self._path)].strip("/")
        if run and not (len(run) <= _MOST_NAME and _RUN.fullmatch(run)):
            raise _bad(f"{run[:50]!r} is no name for a training")
        return run

    def _write(self, post: Post) -> None:
        placed = {name: epoch_place(name) for name in post.values}
        places = {(f"{post.run}/{run}".lstrip("/"), tag) for run, tag in placed.values()}
        if len(self._tags | places) > MOST_TAGS:
            raise _full(f"more than {MOST_TAGS} tags")
        if len({run for run, _ in self._tags | places}) > MOST_RUNS:
            raise _full(f"more than {MOST_RUNS} runs")
        # All of them before anything is written: what cannot be taken whole is not taken.
        writers = {run: self._writer(run) for run in sorted({run for run, _ in places})}
        for name, (run, tag) in placed.items():
            writer = writers[f"{post.run}/{run}".lstrip("/")]
            writer.add_scalar(tag, post.values[name], post.epoch, new_style=True)
        self._tags |= places

    def _writer(self, run: str) -> SummaryWriter:
        writer = self._writers.get(run)
        if writer is None:
            folder = os.path.join(self.log_dir, *run.split("/"))
            writer = self._writers[run] = SummaryWriter(folder, on_error=self._on_error)
        return writer


def _full(what: str) -> RefusedError:
    return RefusedError(HTTPStatus.INSUFFICIENT_STORAGE, what)


class _Server(ThreadingHTTPServer):
    """A thread a connection, of which there may be so many."""

    def __init__(self, host: str, port: int, receiver: Receiver) -> None:
        self.receiver = receiver
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._ends: dict[Any, float] = {}  # connection -> when it has had its time
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not as HTTPServer does it, which looks up the machine's name, and may wait for that.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._ends[request] = time.monotonic() + _MOST_SECONDS
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had
            self._done(request)
            raise

    def _done(self, request: Any) -> None:
        del self._ends[request]
        self._free.release()

    def service_actions(self) -> None:
        """End the connections of those who send a byte now and then, without end."""
        now = time.monotonic()
        for request, end in list(self._ends.items()):
            if now > end:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RD)  # as if no more came: it can be answered

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._done(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go."""


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    server_version, sys_version = "tbio", ""
    timeout = _SECONDS

    def do_POST(self) -> None:
        try:
            body = self._body()
            kind = self.headers.get("Content-Type", "")
            post = self.server.receiver.receive(self.path, body, kind)
        except RefusedError as error:
            self._refuse(error.status, str(error))
        except (OSError, TbioError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"not written: {error}")
        else:
            left_out = f"; no numbers: {', '.join(post.left_out)}" if post.left_out else ""
            self._answer(HTTPStatus.OK, f"epoch {post.epoch} taken{left_out}")

    def _refuse(self, status: HTTPStatus, words: str) -> None:
        self.server.receiver.refused(words)
        self._answer(status, words)

    def do_GET(self) -> None:
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "want POST")

    do_HEAD = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = do_GET

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not length:
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "want a Content-Length")
        if not (length.isascii() and length.isdigit() and len(length) < 20):
            raise _bad(f"Content-Length: want a number, got {length[:50]!r}")
        size = int(length)
        if size > MOST_BYTES or self.headers.get("Origin") is not None:
            left = min(size, _MOST_DRAINED)  # else the answer would be lost with the connection
            while left > 0 and (read := self.rfile.read(min(left, 1 << 16))):
                left -= len(read)
            if size > MOST_BYTES:
                raise RefusedError(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"want at most {MOST_BYTES} bytes"
                )
            raise RefusedError(HTTPStatus.FORBIDDEN, "not from a page in a browser")
        try:
            body = self.rfile.read(size)
        except TimeoutError as error:
            words = f"waited too long for a body of {size} bytes"
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, words) from error
        if len(body) < size:
            raise _bad(f"want a body of {size} bytes, got {len(body)}")
        return body

    def _answer(self, status: HTTPStatus, words: str) -> None:
        body = f"{words}\n".encode(errors="replace")
        self.send_response(status)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "POST")
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Who wants to know of posts gives ``on_post``."""
