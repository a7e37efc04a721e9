"""Load for the benchmarks: `wrk` where it is installed, else a client of raw asyncio sockets."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import attrs
import uvloop

BODY = b'{"input":{"prompt":"hello","n":1}}'

LUA = """
wrk.method, wrk.body = "POST", '%s'
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency, requests)
  local e = summary.errors
  local refused = e.status + e.read + e.write + e.timeout
  local form = '\\nRESULT {"answers": %%d, "refused": %%d, "seconds": %%f, "p50": %%f, "p99": %%f}\\n'
  local p50, p99 = latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  io.write(string.format(form, summary.requests, refused, summary.duration / 1e6, p50, p99))
end
"""


@attrs.frozen
class Load:
    """What came back: latencies are milliseconds."""

    rate: float
    p50: float
    p99: float


def offer(port: int, path: str, connections: int, seconds: float, folder: Path) -> Load:
    """POST no-op bodies for `seconds` over keep-alive connections; every answer must be a 200."""
    if shutil.which("wrk"):
        return with_wrk(port, path, connections, seconds, folder)
    return uvloop.run(with_sockets(port, path, connections, seconds=seconds))


def with_wrk(port: int, path: str, connections: int, seconds: float, folder: Path) -> Load:
    script = folder / "post.lua"
    script.write_text(LUA % BODY.decode())
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "-s",
        str(script),
    ]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    )
    result = json.loads(done.stdout.rpartition("RESULT")[2])
    if result["refused"]:
        raise SystemExit(
            f"{result['refused']} of {result['answers']} requests failed; the figures would mean nothing"
        )
    return Load(result["answers"] / result["seconds"], result["p50"], result["p99"])


class Caller(asyncio.Protocol):
    """One connection: sends the next request when the answer to the last one is whole."""

    def __init__(self, request: bytes, plan: Plan) -> None:
        self._request, self._plan = request, plan
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._plan.take():
            self._sent = time.perf_counter()
            self._transport.write(self._request)
        else:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < content_length(head):
            return
        if b" 200 " not in head[:16]:
            self._plan.fail(f"expected 200: {self._buffer[:300]!r}")
        self._buffer = b""
        self._plan.latencies.append(time.perf_counter() - self._sent)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._plan.closed()


def content_length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])


class Plan:
    """How many requests there are still to send, and what was measured."""

    def __init__(self, connections: int, seconds: float | None, count: int | None) -> None:
        self._until = time.perf_counter() + seconds if seconds else None
        self._left, self._open = count, connections
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self) -> bool:
        if self._until is not None:
            return time.perf_counter() < self._until
        self._left = (self._left or 0) - 1
        return self._left >= 0

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))

    def closed(self) -> None:
        self._open -= 1
        if not self._open and not self.done.done():
            self.done.set_result(None)


async def with_sockets(
    port: int, path: str, connections: int, *, seconds: float | None = None, count: int | None = None
) -> Load:
    """For `seconds`, or exactly `count` requests."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    loop, started = asyncio.get_running_loop(), time.perf_counter()
    plan = Plan(connections, seconds, count)
    for _ in range(connections):
        await loop.create_connection(lambda: Caller(request, plan), "127.0.0.1", port)
    await asyncio.wait_for(plan.done, (seconds or 300) + 30)
    times = sorted(plan.latencies)
    rate = len(times) / (time.perf_counter() - started)
    return Load(rate, times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3)
