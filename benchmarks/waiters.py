"""Many clients in one process, each with a connection of its own and one job to wait for."""

from __future__ import annotations

import asyncio
import json
import resource
import threading

import uvloop
from suite.processes import Failed

CONNECTING = 200  # at a time


def raise_limit(files: int) -> None:
    """Let this process, and each that it starts, have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < files:
        raise Failed(f"{files} open files are needed, and {hard} are allowed; raise it: ulimit -Hn {files}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))


class Waiters:
    """Each posts `{"n": its number}` to `/runsync`, in a thread with a loop of its own."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self._answers: list[bytes] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def send(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raise what has stopped them."""
        if self._error is not None:
            raise self._error

    def wrong(self) -> list[bytes]:
        """Wait for all answers; those that are not the number that was sent."""
        self._thread.join()
        self.check()
        return [
            answer
            for number, answer in enumerate(self._answers)
            if b'"COMPLETED"' not in answer
            or json.loads(answer.partition(b"\r\n\r\n")[2]).get("output") != {"n": number}
        ]

    def _run(self) -> None:
        try:
            self._answers = uvloop.run(self._all())
        except BaseException as error:
            self._error = error

    async def _all(self) -> list[bytes]:
        room = asyncio.Semaphore(CONNECTING)
        return await asyncio.gather(*(self._one(number, room) for number in range(self._count)))

    async def _one(self, number: int, room: asyncio.Semaphore) -> bytes:
        body = json.dumps({"input": {"n": number, "ms": 0}}).encode()
        async with room:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        head = f"POST /v2/noop/runsync?wait=300000 HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)
        answer = await reader.read()
        writer.close()
        return answer
