"""The HTTP surface over real sockets, with jobs that live in memory: a rig for the server's tests."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

import attrs
import urllib3

from workerkit.errors import ApiError, QueueError
from workerkit.server import Api, bind, serve
from workerkit.settings import LimitsSettings, ServerSettings, Settings


@attrs.frozen
class Admitted:
    id: str
    ignored: tuple[str, ...] = ()


class MemoryOutgoing:
    """The face of `workerkit.host.outgoing.Outgoing`, answering with what it was asked."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.given_up = threading.Event()

    async def events(self, endpoint: str, after: str, limit: int, seconds: float) -> bytes:
        if after == "held" and seconds > 0:
            self.held.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up.set()
        return said("events", endpoint, after, limit, seconds)

    async def list(self, *asked: Any) -> bytes:
        return said("list", *asked)

    async def show(self, id: str) -> bytes:
        return said("show", id)

    async def redeliver(self, id: str) -> bytes:
        if id == "locked":
            raise QueueError("another process holds the lock")
        return said("redeliver", id)

    async def redeliver_all(self, filters: Mapping[str, Any]) -> bytes:
        return said("redeliver_all", filters)

    async def attempts(self, after: int | None, seconds: float) -> bytes:
        if after == 7 and seconds > 0:
            self.held.set()
            await asyncio.Event().wait()
        return said("attempts", after, seconds)


class MemoryJobs:
    """The face of `workerkit.host.jobs.Jobs`, answering with what it was asked."""

    def __init__(self) -> None:
        self.outgoing = MemoryOutgoing()
        self.bodies: list[bytes] = []
        self.ended = False
        self.stream_begun = threading.Event()
        self.streams_cancelled = threading.Event()

    async def submit(
        self, endpoint: str, body: bytes, *, sync: bool = False, idempotency_key: str | None = None
    ) -> Admitted:
        self.bodies.append(body)
        if endpoint != "render":
            raise ApiError(404, "unknown_endpoint", "there is no endpoint; known: render")
        ignored = tuple(f"key {n}" for n in range(body.count(b"#")))
        return Admitted(idempotency_key or ("sync-1" if sync else "1"), ignored)

    async def run(self, endpoint: str, body: bytes, seconds: float) -> tuple[Admitted, bytes]:
        admitted = await self.submit(endpoint, body, sync=True)
        return admitted, await self.wait(endpoint, admitted.id, seconds)

    async def wait(self, endpoint: str, id: str, seconds: float) -> bytes:
        if id == "held":
            await asyncio.Event().wait()
        return said("wait", endpoint, id, seconds)

    async def status(self, endpoint: str, id: str) -> bytes:
        if id == "bug":
            raise RuntimeError("a bug")
        return said("status", endpoint, id)

    async def stream(self, endpoint: str, id: str, seconds: float) -> bytes:
        if id == "held":
            self.stream_begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.streams_cancelled.set()
        return said("stream", endpoint, id, seconds)

    async def cancel(self, endpoint: str, id: str) -> bytes:
        if id == "locked":
            raise QueueError("another process holds the lock")
        return said("cancel", endpoint, id)

    async def retry(self, endpoint: str, id: str) -> bytes:
        return said("retry", endpoint, id)

    async def purge(self, endpoint: str) -> bytes:
        return said("purge", endpoint)

    async def health(self, endpoint: str) -> bytes:
        return said("health", endpoint)

    async def schema(self, endpoint: str) -> bytes:
        return said("schema", endpoint)

    async def list_jobs(self, *asked: Any) -> bytes:
        return said("list_jobs", *asked)

    async def logs(self, id: str, attempt: int | None, after: int, seconds: float) -> bytes:
        if id == "held" and seconds > 0:
            self.outgoing.held.set()
            await asyncio.Event().wait()
        return said("logs", id, attempt, after, seconds)

    async def show_job(self, id: str) -> bytes:
        return said("show_job", id)

    async def cancel_job(self, id: str) -> bytes:
        return said("cancel_job", id)

    def readiness(self) -> tuple[bool, bytes]:
        return False, b'{"ready":false}'


def until(connection: socket.socket, fragment: bytes) -> bytes:
    """What comes until `fragment` is in it, or the server closes the connection."""
    received = b""
    while fragment not in received and (data := connection.recv(65536)):
        received += data
    return received


def said(*words: Any) -> bytes:
    return json.dumps(words).encode()


class Site:
    """An `Api` served from a thread."""

    def __init__(self, settings: Settings, token: str | None = None, grace: float = 5.0) -> None:
        self.jobs = MemoryJobs()
        self.sock = bind(settings.server)
        self.address = self.sock.getsockname()[:2]
        self._settings, self._token, self._grace = settings, token, grace
        self._started = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop, self._stop, self._hurry = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._started.set()
        api = Api(self.jobs, self._settings, self._token)  # type: ignore[arg-type]
        await serve(api, self.sock, self._settings, self._stop, self._hurry, grace=self._grace)

    def stop(self) -> None:
        """End the service; once is enough."""
        if not self._stopping:
            self._stopping = True
            self._loop.call_soon_threadsafe(self._stop.set)

    def hurry(self) -> None:
        """Give requests that are held no more time."""
        self._loop.call_soon_threadsafe(self._hurry.set)

    def __enter__(self) -> Site:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> urllib3.BaseHTTPResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        with urllib3.HTTPConnectionPool(*self.address, timeout=20, retries=False) as pool:
            return pool.request(method, path, body=body, headers=sent)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=20)

    def raw(self, data: bytes) -> bytes:
        """Everything that comes back for `data`, until the server closes the connection."""
        with self.connect() as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def settings(**server: Any) -> Settings:
    limits = LimitsSettings(run_body=1000, runsync_body=2000)
    return Settings(server=ServerSettings(port=0, **server), limits=limits)
