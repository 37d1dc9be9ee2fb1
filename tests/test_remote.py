"""The receiver of posts: what it takes, what it refuses, and how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tensorboard_readers import by_plugin_accumulator

from tbio import cli, remote
from tbio.remote import Post, Receiver, RefusedError, parse

PATH = "/publish/epoch/end/"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextlib.contextmanager
def serving(folder: Path, **options: Any) -> Iterator[Receiver]:
    with Receiver(folder, port=0, **options) as receiver:
        thread = threading.Thread(target=receiver.serve)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.stop()
            thread.join()


def request(
    receiver: Receiver,
    body: bytes | str | None,
    headers: dict[str, str] = JSON,
    path: str = PATH,
    method: str = "POST",
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def as_form(data: Any, field: str = "data") -> str:
    """As ``requests.post(url, {field: json.dumps(data)})`` sends it."""
    return urllib.parse.urlencode({field: json.dumps(data)})


def scalars(folder: Path) -> dict[tuple[str, str], list[tuple[int, float | None]]]:
    """What TensorBoard has: run and tag -> steps and values."""
    return {
        (run, tag): [(point.step, point.value) for point in points]
        for run, shown in by_plugin_accumulator(folder).items()
        for tag, points in shown["scalars"].items()
    }


EPOCHS = [
    {"epoch": 0, "loss": 0.5, "accuracy": 0.25, "val_loss": 0.75},
    {"epoch": 1, "loss": 0.25, "accuracy": 0.5, "val_loss": 0.5},
]
SHOWN = {
    ("train", "epoch_loss"): [(0, 0.5), (1, 0.25)],
    ("train", "epoch_accuracy"): [(0, 0.25), (1, 0.5)],
    ("validation", "epoch_loss"): [(0, 0.75), (1, 0.5)],
}


# ------------------------------------------------------------------ what is taken


def test_posts_of_both_forms_become_events(tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        assert request(receiver, as_form(EPOCHS[0]), FORM) == (200, "epoch 0 taken\n")
        assert request(receiver, json.dumps(EPOCHS[1]))[0] == 200
        assert receiver.posts == 2
        assert receiver.runs == ["train", "validation"]
    assert scalars(tmp_path) == SHOWN


@pytest.mark.parametrize("name", ["first", "a/b", "lr=0.1 x"])
def test_a_name_in_the_root_is_a_folder(name: str, tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        for epoch in EPOCHS:
            path = f"/{urllib.parse.quote(name)}{PATH}?x=1"
            assert request(receiver, json.dumps(epoch), path=path)[0] == 200
    assert scalars(tmp_path) == {(f"{name}/{run}", tag): v for (run, tag), v in SHOWN.items()}


def test_another_path_and_field(tmp_path: Path) -> None:
    told: list[Post] = []
    with serving(tmp_path, path="/log", field="json", on_post=told.append) as receiver:
        assert request(receiver, as_form(EPOCHS[0], "json"), FORM, "/log")[0] == 200
        assert request(receiver, as_form(EPOCHS[0], "data"), FORM, "/log")[0] == 400
        assert request(receiver, as_form(EPOCHS[0], "json"), FORM)[0] == 404
    (post,) = told
    assert post == Post("", 0, {"loss": 0.5, "accuracy": 0.25, "val_loss": 0.75}, ())


@pytest.mark.parametrize(
    ("body", "post"),
    [
        ('{"epoch": 3.0}', Post("", 3, {}, ())),
        ('{"epoch": "4", "lr": "1e-3"}', Post("", 4, {"lr": 0.001}, ())),
        (
            '{"epoch": 1, "x": true, "n": null, "l": [1], "w": "high"}',
            Post("", 1, {"x": 1.0}, ("n", "l", "w")),
        ),
        ('{"epoch": 1, "x": Infinity}', Post("", 1, {"x": float("inf")}, ())),
        ('{"epoch": 1, "x": 1e999}', Post("", 1, {"x": float("inf")}, ())),
    ],
)
def test_what_a_post_says(body: str, post: Post) -> None:
    assert parse("", body.encode(), "application/json; charset=utf-8") == post


def test_what_is_no_number_is_told(tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        body = '{"epoch": 0, "loss": 0.5, "confusion": [[1]]}'
        assert request(receiver, body) == (200, "epoch 0 taken; no numbers: confusion\n")


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"", "application/json", "no JSON"),
        (b"{", "application/json", "no JSON"),
        (b"\xff", "application/json", "no JSON"),
        (b"[" * 100_000, "application/json", "no JSON"),
        (b'{"epoch": ' + b"9" * 5000 + b"}", "application/json", "no JSON|epoch"),
        (b"[1]", "application/json", "want a JSON object, got list"),
        (b'{"loss": 1}', "application/json", '"epoch"'),
        (b'{"epoch": null}', "application/json", "epoch: want a whole number, got None"),
        (b'{"epoch": 0.5}', "application/json", "epoch: want a whole number, got 0.5"),
        (b'{"epoch": 1e30}', "application/json", "epoch: want a whole number"),
        (b'{"epoch": 0, "": 1}', "application/json", "names of 1 to"),
        (b'{"epoch": 0, "\\ud800": 1}', "application/json", "UTF-8"),
        (b'{"epoch": 0, "' + b"x" * 201 + b'": 1}', "application/json", "names of 1 to"),
        (b"other=1", "application/x-www-form-urlencoded", "the field 'data'"),
        (b"data=1", "", "want a JSON object, got int"),
        (b"&".join(b"a=%d" % n for n in range(200)), "", "no JSON"),
    ],
)
def test_what_is_no_post(body: bytes, kind: str, words: str) -> None:
    with pytest.raises(RefusedError, match=words) as caught:
        parse("", body, kind)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/publish/epoch/begin/", 404),
        (f"/..{PATH}", 400),
        (f"/a/../b{PATH}", 400),
        (f"/%2e%2e{PATH}", 400),
        (f"/a%00{PATH}", 400),
        (f"/.hidden{PATH}", 400),
        (f"/a%5cb{PATH}", 400),
        (f"/{'x' * 201}{PATH}", 400),
        (f"//a//b{PATH}", 400),
    ],
)
def test_names_that_lead_elsewhere(path: str, status: int, tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        assert request(receiver, '{"epoch": 0, "loss": 1}', path=path)[0] == status
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_other_methods(method: str, tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        assert request(receiver, None, {}, method=method)[0] == 405


def test_a_page_in_a_browser_is_turned_away(tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        status, _ = request(receiver, as_form(EPOCHS[0]), {**FORM, "Origin": "http://evil.test"})
        assert status == 403
    assert not list(tmp_path.iterdir())


def test_bodies_are_bounded(tmp_path: Path) -> None:
    with serving(tmp_path) as receiver:
        large = b'{"epoch": 0, "x": "' + b"x" * remote.MOST_BYTES + b'"}'
        assert request(receiver, large)[0] == 413
        assert request(receiver, large[:-3000] + b'"}')[0] == 200  # the number is none


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: -5", 400),
        ("Content-Length: 1x", 400),
        ("Content-Length: 99999999999999999999999", 400),
        ("Transfer-Encoding: chunked", 411),
        ("X: y", 411),
    ],
)
def test_lengths(head: str, status: int, tmp_path: Path) -> None:
    with (
        serving(tmp_path) as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 30) as connection,
    ):
        connection.sendall(f"POST {PATH} HTTP/1.1\r\n{head}\r\n\r\n".encode())
        assert connection.recv(1000).split()[1] == str(status).encode()


def test_a_body_that_is_cut_off(tmp_path: Path) -> None:
    with (
        serving(tmp_path) as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 30) as connection,
    ):
        connection.sendall(f'POST {PATH} HTTP/1.1\r\nContent-Length: 99\r\n\r\n{{"ep'.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1000).split()[1] == b"400"


def test_tags_and_runs_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_TAGS", 4)
    monkeypatch.setattr(remote, "MOST_RUNS", 3)
    with serving(tmp_path) as receiver:
        assert request(receiver, json.dumps(EPOCHS[0]))[0] == 200
        more = {"epoch": 1, "a": 1, "b": 2}
        assert request(receiver, json.dumps(more)) == (507, "more than 4 tags\n")
        loss = json.dumps({"epoch": 1, "loss": 0.25})
        assert request(receiver, loss, path=f"/a{PATH}")[0] == 200
        monkeypatch.setattr(remote, "MOST_TAGS", 9)
        assert request(receiver, loss, path=f"/b{PATH}") == (507, "more than 3 runs\n")
        assert request(receiver, loss)[0] == 200  # who was there goes on
    assert {run for run, _ in scalars(tmp_path)} == {"a/train", "train", "validation"}


def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_MOST_CONNECTIONS", 1)
    with serving(tmp_path) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port), 30) as idle:
            idle.sendall(f"POST {PATH} HTTP/1.1\r\n".encode())
            while receiver._server._free._value:  # until it has its thread
                time.sleep(0.001)
            with socket.create_connection(("127.0.0.1", receiver.port), 30) as second:
                assert second.recv(1) == b""
            idle.sendall(b"\r\n")
            assert idle.recv(100).split()[1] == b"411"
            while idle.recv(100):
                pass
        while not receiver._server._free._value:
            time.sleep(0.001)
        assert request(receiver, json.dumps(EPOCHS[0]))[0] == 200


def test_a_client_that_keeps_it_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote._Handler, "timeout", 0.1)
    with serving(tmp_path) as receiver:
        with socket.create_connection(("127.0.0.1", receiver.port), 30) as slow:
            slow.sendall(f"POST {PATH} HTTP/1.1\r\n".encode())
            assert slow.recv(100) == b""
        assert request(receiver, json.dumps(EPOCHS[0]))[0] == 200


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with serving(tmp_path / "file" / "logs") as receiver:
        status, words = request(receiver, json.dumps(EPOCHS[0]))
        assert (status, words.startswith("not written: ")) == (500, True)
        assert receiver.posts == 0


def test_a_body_that_does_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote._Handler, "timeout", 0.1)
    with (
        serving(tmp_path) as receiver,
        socket.create_connection(("127.0.0.1", receiver.port), 30) as slow,
    ):
        slow.sendall(f"POST {PATH} HTTP/1.1\r\nContent-Length: 9\r\n\r\n".encode())
        assert slow.recv(100).startswith(b"HTTP/1.0 408 ")


def test_refusals_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told: list[str] = []
    with serving(tmp_path / "file", on_refusal=told.append) as receiver:
        answers = [request(receiver, body)[1] for body in ("[]", json.dumps(EPOCHS[0]))]
    assert told == [answer.rstrip() for answer in answers]
    assert told[0] == "want a JSON object, got list"
    assert told[1].startswith("not written: ")


def test_after_the_end(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, port=0)
    receiver.receive(PATH, json.dumps(EPOCHS[0]).encode(), "application/json")
    receiver.close()
    with pytest.raises(RefusedError, match="closed"):
        receiver.receive(PATH, json.dumps(EPOCHS[1]).encode(), "application/json")
    receiver.close()
    assert scalars(tmp_path)["train", "epoch_loss"] == [(0, 0.5)]


def test_an_address_that_is_taken(tmp_path: Path) -> None:
    with (
        Receiver(tmp_path, port=0) as receiver,
        pytest.raises(OSError, match=f"in use.*127.0.0.1:{receiver.port}"),
    ):
        Receiver(tmp_path, port=receiver.port)


# ------------------------------------------------------------------ the command


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly(sign: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tbio", "remote", str(tmp_path / "logs"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    with process:
        assert process.stdout is not None
        root = process.stdout.readline().strip()
        address = urllib.parse.urlsplit(root)
        assert (address.scheme, address.hostname) == ("http", "127.0.0.1")
        for epoch in EPOCHS:
            connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=30)
            with contextlib.closing(connection):
                connection.request("POST", PATH, as_form(epoch), FORM)
                assert connection.getresponse().status == 200
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=30)
            with contextlib.closing(connection):
                connection.request("POST", PATH, b"[]", FORM)
                assert connection.getresponse().status == 400
        process.send_signal(sign)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, ""), err
    assert "tbio: epoch 1: loss 0.25, accuracy 0.5, val_loss 0.5\n" in err
    assert err.count("tbio: not taken: want JSON, or a form with the field 'data'\n") == 1
    assert err.endswith(f"2 epochs of 2 runs written to {tmp_path / 'logs'}\n")
    assert scalars(tmp_path / "logs") == SHOWN


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    with Receiver(tmp_path, port=0) as receiver:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tbio", "remote", str(tmp_path)),
                "--port",
                str(receiver.port),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent.parent,
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{receiver.port}" in done.stderr
    assert "in use" in done.stderr


@pytest.mark.parametrize("port", ["65536", "-1", "x", "9" * 5000])
def test_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["remote", "logs", f"--port={port}"])
    assert "want a number from 0 to 65535" in capsys.readouterr().err


# ------------------------------------------------------------------ Keras's own callback


@pytest.mark.adapters
@pytest.mark.parametrize("as_json", [False, True])
def test_what_remote_monitor_posts(as_json: bool, tmp_path: Path) -> None:
    pytest.importorskip("requests")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    import numpy as np

    with serving(tmp_path) as receiver:
        monitor = keras.callbacks.RemoteMonitor(f"{receiver.root}/run", send_as_json=as_json)
        for epoch in EPOCHS:
            logs = {name: np.float32(value) for name, value in epoch.items() if name != "epoch"}
            monitor.on_epoch_end(int(epoch["epoch"]), logs)
    assert scalars(tmp_path) == {(f"run/{run}", tag): v for (run, tag), v in SHOWN.items()}


def test_clients_that_send_a_byte_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have their time, and no more; those who come meanwhile wait for nobody then."""
    monkeypatch.setattr(remote, "_MOST_CONNECTIONS", 2)
    monkeypatch.setattr(remote, "_MOST_SECONDS", 1.0)
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n".encode())
            while not stop.wait(0.2):
                connection.sendall(b"x")

    with serving(tmp_path) as receiver:
        slow = [socket.create_connection(("127.0.0.1", receiver.port)) for _ in range(2)]
        threads = [threading.Thread(target=drip, args=(one,), daemon=True) for one in slow]
        for thread in threads:
            thread.start()
        ends = time.monotonic() + 30
        answer = 0
        while answer != 200:
            assert time.monotonic() < ends, "nobody else gets through"
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer, _ = request(receiver, json.dumps(EPOCHS[0]))
            time.sleep(0.05)
        stop.set()
        for thread, connection in zip(threads, slow, strict=True):
            thread.join()
            connection.close()


def test_what_cannot_be_taken_whole_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "validation").write_text("no folder")
    with serving(tmp_path) as receiver:
        assert request(receiver, json.dumps(EPOCHS[0]))[0] == 500
        assert receiver.posts == 0
        (tmp_path / "validation").unlink()
        assert request(receiver, json.dumps(EPOCHS[0]))[0] == 200
    assert scalars(tmp_path) == {at: found[:1] for at, found in SHOWN.items()}


def test_who_is_told_may_close(tmp_path: Path) -> None:
    def told(post: Post) -> None:
        receiver.close()

    with Receiver(tmp_path, port=0, on_post=told) as receiver:
        receiver.receive(PATH, json.dumps(EPOCHS[0]).encode(), "application/json")
    assert scalars(tmp_path) == {at: found[:1] for at, found in SHOWN.items()}
