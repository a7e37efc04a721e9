"""A plugin for the crash points: each step of a job's path, in the host and in the worker, can be the last.

The file `crash-at` names the step; whoever comes to it first takes the file away and is killed, so
the same step is passed unharmed after a restart. Steps of the host are the operations of the queue,
which the plugin opens itself, and its hooks. Steps of the worker kill the worker, or with `host at`
in front, the host above it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from workerkit import Delivery, Job, Output, Receipt, Request, Result, WorkerInfo, hookimpl
from workerkit.queue import Claim, Store
from workerkit.queue.sqlite import SQLiteStore

#: Relative to the working directory of the server, which is its workers' too.
ARMED, SENT = "crash-at", "sent.log"
#: What the queue is asked to do while it holds a job, or at a start or an end of the host.
OPERATIONS = (
    "submit",
    "heartbeat",
    "chunk",
    "chunks",
    "progress",
    "keep_log",
    "finish",
    "release",
    "retry",
    "take_chunks",
    "settle_deliveries",
    "register",
    "recover",
    "hold_deliveries",
    "sweep",
    "close",
)


def reach(step: str, pid: int | None = None) -> None:
    """Kill this process, or another, when the step is the one that `crash-at` names."""
    try:
        with open(ARMED, encoding="utf-8") as file:
            if file.read() != step:
                return
        os.unlink(ARMED)
    except FileNotFoundError:
        return
    pid = os.getpid() if pid is None else pid
    _append("effects.log", f"killed - 0 {pid} {time.monotonic_ns()}")
    os.kill(pid, signal.SIGKILL)
    signal.pause()  # the host goes first; this process follows it


def _append(path: str, line: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def in_worker(step: str) -> None:
    """A step of the worker, at which it dies or its host does."""
    reach(f"worker {step}")
    reach(f"host at {step}", os.getppid())


class CrashingStore(SQLiteStore):
    """The queue in a file, which may be cut short before and after each operation."""

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        reach("before claim")
        claims = await super().claim(endpoint, n, holder, wait)
        if claims:
            reach("after claim, while it is committed")
            for claim in claims:
                claim.committed.add_done_callback(lambda _: reach("after claim, once it is committed"))
        return claims

    async def claim_deliveries(self, limit: int, rooms: Any, others: int) -> list[Delivery]:
        reach("before claim_deliveries")
        claimed = await super().claim_deliveries(limit, rooms, others)
        if claimed:
            reach("after claim_deliveries")
        return claimed


def _crashing(name: str, whole: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def operation(self: CrashingStore, *values: Any, **named: Any) -> Any:
        reach(f"before {name}")
        answer = await whole(self, *values, **named)
        reach(f"after {name}")
        return answer

    return operation


for _name in OPERATIONS:
    setattr(CrashingStore, _name, _crashing(_name, getattr(SQLiteStore, _name)))


class CrashPoints:
    """The hooks, and a delivery of its own for each job, which it notes in a file."""

    @hookimpl
    def open_queue(self, url: str) -> Store | None:
        if not url.startswith("crashing://"):
            return None
        return CrashingStore(
            url.partition("://")[2],
            lease_ms=3000,
            keep_ms=86_400_000,
            keep_sync_ms=1000,
            queue_length=1000,
            holder=f"crashing-{os.getpid()}",
        )

    @hookimpl
    def accept(self, request: Request) -> None:
        reach("accept")

    @hookimpl
    def post_job(self, request: Request, result: Result) -> Delivery:
        reach("post_job")
        return Delivery(target=SENT, attempts=2, delays=0.1)

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        reach("before deliver")
        _append(SENT, f"{delivery.job} {delivery.id} {delivery.number}")
        reach("after deliver")
        return Receipt.delivered()

    @hookimpl
    def worker_start(self, worker: WorkerInfo) -> None:
        in_worker("worker_start")

    @hookimpl
    def worker_stop(self, worker: WorkerInfo) -> None:
        in_worker("worker_stop")

    @hookimpl
    def pre_job(self, job: Job) -> None:
        in_worker("pre_job")

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        in_worker("run_job")
        output = yield
        in_worker("the handler's return")
        return output

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        in_worker("on_output")
