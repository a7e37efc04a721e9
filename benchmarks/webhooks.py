"""Deliveries per second: stored and signed, to one receiver and to a hundred, beside a plain loop of urllib3.

    python benchmarks/webhooks.py [--rounds N] [--deliveries N]

Receivers are one process of their own, which answers 200 as fast as it can. What is measured of workerkit
is the whole way of a delivery: claimed in the queue's file, signed, posted, settled with a row of its log,
every step on the disk. The loop does none of that: one thread, one pool, one post after another. Rounds
alternate; medians and ratios are printed. At the end, what fifty receivers that hang cost a good one, and
what they cost jobs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import urllib3

from workerkit.app import SWITCH_INTERVAL
from workerkit.bridge import Bridge
from workerkit.delivery import Delivery
from workerkit.guard import Guard, parse
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.host.deliveries import Deliveries
from workerkit.queue import DeliveryFilter, DeliveryState, End, Submission
from workerkit.queue.sqlite import SQLiteStore
from workerkit.secret import Secret
from workerkit.signing import new_secret
from workerkit.states import Status
from workerkit.testing import Server
from workerkit_plugins.webhook import Webhook
from workerkit_plugins.webhook.settings import WebhookSettings

RECEIVERS, HANGING = 100, 50
HANDLER = """
from workerkit import worker_function


@worker_function
def echo(job):
    return job["input"]
"""
BODY = json.dumps(
    {
        "delayTime": 3,
        "executionTime": 12,
        "id": "x" * 39,
        "status": "COMPLETED",
        "workerId": "w",
        "output": "y" * 64,
    }
).encode()


class Answering(asyncio.Protocol):
    """Says 200 to every request, or nothing."""

    def __init__(self, hang: bool) -> None:
        self._hang, self._data = hang, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data and not self._hang:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def receive(told: Connection, good: int, hanging: int) -> None:
    """Listen on so many ports until the pipe closes."""
    import uvloop

    async def main() -> None:
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(lambda hang=hang: Answering(hang), "127.0.0.1", 0)
            for hang in [False] * good + [True] * hanging
        ]
        told.send([server.sockets[0].getsockname()[1] for server in servers])
        await loop.run_in_executor(None, told.poll, None)

    uvloop.run(main())


@contextmanager
def receivers(good: int, hanging: int = 0) -> Iterator[list[str]]:
    """URLs of receivers in a process of their own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=receive, args=(theirs, good, hanging))
    process.start()
    try:
        yield [f"http://127.0.0.1:{port}/done" for port in ours.recv()]
    finally:
        ours.send("over")
        process.join()


def loop_of_urllib3(url: str, count: int) -> float:
    """Posts a second."""
    with urllib3.PoolManager(retries=False) as pool:
        began = time.perf_counter()
        for _ in range(count):
            assert pool.request("POST", url, body=BODY, redirect=False).status == 200
        return count / (time.perf_counter() - began)


class Outbox:
    """A queue with an engine that sends, in a folder of its own."""

    def __init__(self, folder: str) -> None:
        self._store = SQLiteStore(
            Path(folder) / "queue.db",
            lease_ms=30_000,
            keep_ms=86_400_000,
            queue_length=10**6,
            holder="bench",
        )
        settings = WebhookSettings(secrets=(Secret(new_secret()),), timeout=5.0)
        plugin = Webhook(settings, Guard(loopback=True), logging.getLogger("webhook"))
        self._bridge = Bridge()
        loaded = LoadedPlugin(name="webhook", plugin=plugin, fields=Webhook.fields)
        self._engine = Deliveries(self._store, Hooks([loaded], self._bridge), tell=False)
        self._made = 0

    async def open(self) -> None:
        await self._store.open()

    async def close(self) -> None:
        await self._store.close()
        self._bridge.close()

    async def fill(self, urls: Sequence[str], count: int) -> None:
        """So many jobs that have ended, each with a delivery that is due."""
        for begin in range(0, count, 200):
            ids = [f"j{self._made + n}-u1" for n in range(min(200, count - begin))]
            self._made += len(ids)
            await self._store.submit([Submission(id=id, endpoint="e", input=b"{}") for id in ids])
            claims = await self._store.claim("e", len(ids), "bench", 1)
            ends = [self._end(claim.record.id, urls[n % len(urls)]) for n, claim in enumerate(claims)]
            assert all(await self._store.finish(ends))

    def _end(self, id: str, url: str) -> End:
        headers = {"webhook-id": f"msg_{id}_1", "workerkit-event": "completed"}
        delivery = Delivery(target=url, plugin="webhook", headers=headers, lane=parse(url).lane, attempts=2)
        return End(
            id=id,
            seen_status=Status.IN_PROGRESS,
            seen_attempt=1,
            status=Status.COMPLETED,
            body=BODY,
            deliveries=[delivery],
        )

    async def send(self, lanes: Sequence[str]) -> float:
        """Send what is due; seconds until nothing waits for one of these receivers, nor is on its way there."""
        began = time.perf_counter()
        sending = asyncio.create_task(self._engine.run())
        while await self._waits(lanes):  # noqa: ASYNC110  # a wake-up would be taken from the engine
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        sending.cancel()
        await asyncio.wait({sending})
        await self._engine.close(10)
        return took

    async def _waits(self, lanes: Sequence[str]) -> bool:
        if await self._store.next_delivery(dict.fromkeys(lanes, 1), 0) is not None:
            return True
        wanted = [DeliveryFilter(state=DeliveryState.SENDING, lane=lane) for lane in lanes]
        return any([await self._store.deliveries(each, after=None, limit=1) for each in wanted])


def stored(urls: Sequence[str], count: int, hanging: Sequence[str] = ()) -> float:
    """Deliveries a second, with three more for each of the receivers that hang."""

    async def main(folder: str) -> float:
        outbox = Outbox(folder)
        await outbox.open()
        try:
            # A receiver that is known, as one that a server has sent to before.
            await outbox.fill(urls, 8 * len(urls))
            await outbox.send([parse(url).lane for url in urls])
            await outbox.fill(hanging, 3 * len(hanging))
            await outbox.fill(urls, count)
            return count / await outbox.send([parse(url).lane for url in urls])
        finally:
            await outbox.close()

    import uvloop

    sys.setswitchinterval(SWITCH_INTERVAL)  # as a server does
    with tempfile.TemporaryDirectory() as folder:
        return uvloop.run(main(folder))


def jobs(hanging: Sequence[str], count: int = 1000) -> float:
    """Jobs a second of a server, one after the other, while webhooks to these receivers hang."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), HANDLER) as server:
        for url in hanging:
            for _ in range(3):
                server.submit("echo", 0, webhook=url)
        server.run("echo", 0)
        began = time.perf_counter()
        for number in range(count):
            assert server.post("/v2/echo/runsync", {"input": number})[1]["output"] == number
        return count / (time.perf_counter() - began)


def left(rates: dict[str, list[float]], alone: str, beside: str) -> float:
    """What is left of a rate beside receivers that hang, round by round."""
    return statistics.median(b / a for a, b in zip(rates[alone], rates[beside], strict=True))


def main() -> None:
    logging.getLogger("workerkit").setLevel(logging.ERROR)  # what is held at the end is no news
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--deliveries", type=int, default=3000)
    options = parser.parse_args()
    count = options.deliveries
    rates: dict[str, list[float]] = {}
    with receivers(RECEIVERS, HANGING) as urls:
        good, hanging = urls[:RECEIVERS], urls[RECEIVERS:]
        for _ in range(options.rounds):
            for name, measured in {
                "a plain loop of urllib3": lambda: loop_of_urllib3(good[0], count),
                "workerkit, one receiver": lambda: stored(good[:1], count),
                "workerkit, 100 receivers": lambda: stored(good, count),
                "workerkit, one receiver, 50 others hang": lambda: stored(good[:1], count, hanging),
                "jobs, one at a time": lambda: jobs([]),
                "jobs, one at a time, 50 receivers hang": lambda: jobs(hanging),
            }.items():
                rates.setdefault(name, []).append(measured())
    plain = statistics.median(rates["a plain loop of urllib3"])
    for name, found in rates.items():
        median = statistics.median(found)
        print(
            f"{name:42} {median:8,.0f}/s   {median / plain:5.2f} of the loop   ({min(found):,.0f} to {max(found):,.0f})"
        )
    deliveries = left(rates, "workerkit, one receiver", "workerkit, one receiver, 50 others hang")
    of_jobs = left(rates, "jobs, one at a time", "jobs, one at a time, 50 receivers hang")
    print(f"what 50 receivers that hang leave: {deliveries:.2f} of the deliveries, {of_jobs:.2f} of the jobs")


if __name__ == "__main__":
    main()
