"""The real TensorBoard server over a log folder, for tests that ask it what it shows.

Both of its backends can be had: "python" (``--load_fast=false``) and "rustboard", the data server
of the package tensorboard-data-server (``--load_fast=true``), which is what users get by default.

    with TensorBoardServer(folder, "rustboard") as server:
        server.wait_for("/data/plugin/scalars/tags", lambda tags: "loss" in tags.get(".", {}))
        points = server.json("/data/plugin/scalars/scalars", run=".", tag="loss")
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

Backend: TypeAlias = Literal["python", "rustboard"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

#: What ``/data/environment`` says of each backend's source of data.
_DATA_PROVIDER: dict[Backend, str] = {
    "python": "MultiplexerDataProvider",
    "rustboard": "GrpcDataProvider",
}
#: More than any test logs, so that nothing is sampled away. Not 0: the data server takes that for
#: "all", but the Python backend's routes (data_provider.py, ``_downsample``) for "none".
_SAMPLES = ",".join(
    f"{plugin}={1_000_000 if plugin == 'scalars' else 10_000}"
    for plugin in ("scalars", "images", "audio", "histograms", "text", "pr_curves", "mesh")
)
_POLL_SECONDS = 0.05
_SHUTDOWN_SECONDS = 5.0

# Never by a proxy, whatever the environment says.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class TensorBoardServer:
    """A ``tensorboard`` process on a free port of 127.0.0.1, from ``with`` to the end of its block.

    Args:
        logdir: the log folder; it may still be empty.
        backend: "python" or "rustboard"; that it is the one in use is verified at the start.
        arguments: more arguments for the command line.
        seconds: how long the start and each wait may take.

    Attributes:
        url: where it is served, without a slash at the end.

    Raises:
        AssertionError: it does not start, or not with this backend; what it printed is shown.
    """

    def __init__(
        self,
        logdir: str | os.PathLike[str],
        backend: Backend,
        *,
        arguments: Sequence[str] = (),
        seconds: float = 60.0,
    ) -> None:
        self.logdir = Path(logdir)
        self.backend = backend
        self.url = ""
        self._arguments = arguments
        self._seconds = seconds
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> TensorBoardServer:
        with contextlib.ExitStack() as stack:
            # Its own folder for temporary files: a server that is killed does not clean up.
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tensorboard-test-"))
            self._output = Path(folder) / "output"
            self._process = self._start(folder)
            stack.callback(self._stop)
            self.url = self._wait_for_url()
            provider = self.json("/data/environment")["debug"]["data_provider"]
            if not provider.startswith(_DATA_PROVIDER[self.backend]):
                self._fail(f"not the backend {self.backend}: its data come from {provider}")
            self._resources = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._resources.close()

    def _start(self, folder: str) -> subprocess.Popen[bytes]:
        kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        with self._output.open("wb") as output:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "tensorboard.main"),
                    *("--logdir", str(self.logdir)),
                    *("--host", "127.0.0.1", "--port", "0"),
                    f"--load_fast={'true' if self.backend == 'rustboard' else 'false'}",
                    *("--reload_interval", "1"),  # the shortest that the data server can do
                    *("--samples_per_plugin", _SAMPLES),
                    *self._arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, which the data server belongs to
                env={**kept, "TMPDIR": folder, "PYTHONUNBUFFERED": "1"},
            )

    def _stop(self) -> None:
        """End the server and its data server, if need be by force."""
        for sign in ("SIGTERM", "SIGKILL"):
            self._signal(sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_SHUTDOWN_SECONDS)
                break
        self._signal("SIGKILL")  # who is left of the group

    def _signal(self, name: str) -> None:
        if sys.platform == "win32":
            self._process.kill()  # the data server ends with its standard input
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.Signals[name])

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + self._seconds
        while time.monotonic() < deadline:
            # "TensorBoard 2.21.0 at http://127.0.0.1:41234/ (Press CTRL+C to quit)"
            if found := re.search(r"^TensorBoard \S+ at (http://\S+?)/? \(", self.output, re.M):
                return found[1]
            self._check_alive()
            time.sleep(_POLL_SECONDS)
        self._fail(f"no URL within {self._seconds} s")
        raise AssertionError

    @property
    def pid(self) -> int:
        """The process, and the group that the data server belongs to as well."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the server has printed so far, to both of its streams."""
        return self._output.read_text(errors="replace")

    def _check_alive(self) -> None:
        if (code := self._process.poll()) is not None:
            self._fail(f"the server has ended, with code {code}")

    def _fail(self, what: str) -> None:
        raise AssertionError(f"TensorBoard ({self.backend}): {what}\nIt printed:\n{self.output}")

    def get(self, path: str, **query: str | int) -> bytes:
        """The body of the answer to a GET.

        Raises:
            urllib.error.HTTPError: a status that is no success; 404 for a run or tag unknown yet.
        """
        return self._request(path, query, None)

    def json(self, path: str, **query: str | int) -> Any:
        """The JSON answer to a GET; numbers that are not finite come as "NaN" and "Infinity".

        Raises:
            As `get`.
        """
        return json.loads(self.get(path, **query))

    def post(self, path: str, **form: str) -> Any:
        """The JSON answer to a POST of a form.

        Raises:
            As `get`.
        """
        return json.loads(self._request(path, {}, urllib.parse.urlencode(form).encode()))

    def _request(self, path: str, query: dict[str, str | int], body: bytes | None) -> bytes:
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}" if query else self.url + path
        with _OPENER.open(url, body, timeout=self._seconds) as answer:
            content: bytes = answer.read()
            return content

    def wait_for(
        self, path: str, until: Callable[[Any], bool], /, *, seconds: float = 0, **query: str | int
    ) -> Any:
        """The JSON answer to a GET, as soon as it is what ``until`` wants; 404 is "not yet".

        Args:
            seconds: how long to wait for it; 0 is as for the start.

        Raises:
            AssertionError: it never came, or the server ended; its last answer and all that it
                printed are shown.
        """
        deadline = time.monotonic() + (seconds or self._seconds)
        answer: Any = "none"
        while True:
            try:
                answer = self.json(path, **query)
                if until(answer):
                    return answer
            except urllib.error.HTTPError as error:
                with error:
                    if error.code != 404:
                        raise
                    answer = f"404: {error.read().decode(errors='replace')}"
            except OSError as error:
                answer = repr(error)
            self._check_alive()
            if time.monotonic() > deadline:
                self._fail(f"waited in vain on {path} {query}; the last answer: {answer!r:.2000}")
            time.sleep(_POLL_SECONDS)
