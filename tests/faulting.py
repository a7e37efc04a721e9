"""What the fault tests share: what handlers did, what the queue's file says, and which processes are left.

Handlers write what they do to a file that the queue knows nothing of; beside the queue's own file and
what a `Receiver` was sent, that is the evidence that the tests judge by.
"""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import attrs
import urllib3

from waiting import alive, until
from workerkit.states import Status
from workerkit.testing import Receiver, Server

#: Stands before a handler that says `note("start", job)`.
NOTES = """
import asyncio, os, signal, sys, time
from workerkit import worker_function

def note(what, job):
    line = f"{what} {job.id} {job.attempt} {os.getpid()} {time.monotonic_ns()}\\n"
    descriptor = os.open("effects.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)
"""
MARK = "FAULT_TEST"


@attrs.frozen
class Effect:
    """One line that a handler wrote; `at` is in seconds of the machine's monotonic clock."""

    what: str
    id: str
    attempt: int
    pid: int
    at: float


class WatchedServer(Server):
    """A server whose processes are found again, whatever became of them."""

    def __init__(
        self, folder: Path, source: str, *, environ: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        self._mark = f"{MARK}={uuid.uuid4().hex}".encode()
        name, _, value = self._mark.decode().partition("=")
        super().__init__(folder, source, environ={**(environ or {}), name: value}, **more)
        # As many connections as there are threads of a test, or urllib3 warns of each that it drops.
        self.http.connection_pool_kw["maxsize"] = 64

    def processes(self) -> set[int]:
        """The host's, its workers', and what those have started: all that inherited the environment."""
        return {pid for pid in pids() if self._mark in proc_file(f"/proc/{pid}/environ") and alive(pid)}

    def effects(self, last: int | None = None) -> list[Effect]:
        """What handlers have written, in the order of the file; only what the `last` bytes of it hold."""
        path = self.folder / "effects.log"
        if not path.exists():
            return []
        with path.open("rb") as file:
            begin = 0 if last is None else max(path.stat().st_size - last, 0)
            file.seek(begin)
            lines = file.read().decode().splitlines()
        return [_effect(*line.split()) for line in lines[bool(begin) :]]

    def ids(self, what: str) -> Counter[str]:
        """How often each job has written this."""
        return Counter(effect.id for effect in self.effects() if effect.what == what)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the queue's file, read-only."""
        path = self.folder / ".workerkit" / "queue.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def ended(self) -> int:
        """How many jobs have ended, by the lifetime counters: a job that ended twice counts twice."""
        [[total]] = self.query("SELECT sum(completed + failed + cancelled + timed_out) FROM counter")
        return int(total or 0)

    def unfinished(self) -> int:
        """How many jobs have not ended, and how many deliveries are not over."""
        jobs, deliveries = "job WHERE status < 2", "delivery WHERE state IN (0, 1)"
        [[count]] = self.query(f"SELECT (SELECT count(*) FROM {jobs}) + (SELECT count(*) FROM {deliveries})")
        return int(count)

    def statuses(self) -> dict[str, str]:
        """Every job's status, by id."""
        names = [status.value for status in Status]
        return {id: names[code] for id, code in self.query("SELECT id, status FROM job")}

    def audit(self, ids: Sequence[str]) -> Audit:
        """What became of the jobs with these ids, once all have ended.

        A job that was retried by hand has ended before, and one that was swept is not listed any more.
        """
        statuses = self.statuses()
        ended = sum(status not in ("IN_QUEUE", "IN_PROGRESS") for status in statuses.values())
        [[retried]] = self.query("SELECT coalesce(sum(retried), 0) FROM counter")
        [[health]] = self.query("PRAGMA integrity_check")
        assert health == "ok"
        return Audit(
            lost=len(set(ids) - set(statuses)),
            unended=len(statuses) - ended,
            twice=self.ended() - ended - retried,
            counts=Counter(statuses[id] for id in set(ids) & set(statuses)),
        )


@attrs.frozen
class Audit:
    """Of acknowledged jobs: how many are lost, not ended, and ended more than once."""

    lost: int
    unended: int
    twice: int
    counts: Counter[str]

    def __str__(self) -> str:
        return f"lost {self.lost}, ended twice {self.twice}"

    @property
    def clean(self) -> bool:
        """Whether nothing is amiss."""
        return (self.lost, self.unended, self.twice) == (0, 0, 0)


@attrs.frozen
class Wire:
    """What a receiver was sent: tries by job, and by (job, webhook-id)."""

    by_job: Counter[str]
    by_webhook: Counter[tuple[str, str]]

    @classmethod
    def of(cls, receiver: Receiver) -> Wire:
        """Everything so far."""
        seen = [(received.json["id"], received.headers["webhook-id"]) for received in receiver.requests]
        return cls(Counter(id for id, _ in seen), Counter(seen))

    def missing(self, ids: Iterable[str]) -> int:
        """How many jobs it never heard of."""
        return len(set(ids) - set(self.by_job))

    @property
    def for_two_ends(self) -> int:
        """How many jobs sent webhooks under more than one id."""
        return len(self.by_webhook) - len(self.by_job)

    @property
    def most_tries(self) -> int:
        """Of one webhook-id."""
        return max(self.by_webhook.values(), default=0)


def submit(server: Server, endpoint: str, value: Any, **fields: Any) -> str | None:
    """The id of an acknowledged job; None when the server was not there to acknowledge it."""
    try:
        status, answer = server.post(f"/v2/{endpoint}/run", {"input": value, **fields})
    except (urllib3.exceptions.HTTPError, OSError):
        return None
    assert status == 200, answer
    return str(answer["id"])


def overlaps(effects: Sequence[Effect], deaths: Mapping[int, float]) -> list[str]:
    """Jobs of which an attempt began before the one before it was over: had ended, or its process died."""
    over: dict[str, float] = {}
    wrong = []
    last: dict[str, Effect] = {}
    for effect in effects:
        before = last.get(effect.id)
        if before is not None and effect.attempt != before.attempt:
            ended = over.get(effect.id, deaths.get(before.pid, float("inf")))
            if effect.attempt < before.attempt or effect.at < ended:
                wrong.append(effect.id)
            over.pop(effect.id, None)
        if effect.what == "done":
            over[effect.id] = effect.at
        last[effect.id] = effect
    return wrong


def gone(pids: Iterable[int], seconds: float = 10.0) -> float:
    """Wait until all of these processes are gone; how long that took."""
    pids, begin = set(pids), time.monotonic()
    until(f"the processes {pids} are gone", lambda: not any(map(alive, pids)), seconds)
    return time.monotonic() - begin


def kill(victim: int, others: Iterable[int], seconds: float = 10.0) -> float:
    """Send SIGKILL to one process; how long until it and these others are gone, by the kernel's word."""
    with ExitStack() as held:
        poll, living = select.poll(), {}
        for pid in {victim, *others}:
            descriptor = os.pidfd_open(pid)
            held.callback(os.close, descriptor)
            poll.register(descriptor, select.POLLIN)  # when no thread of it is left
            living[descriptor] = pid
        begin = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while living:
            ended = poll.poll(1000 * max(begin + seconds - time.monotonic(), 0))
            assert ended, f"not gone within {seconds:g} s: the processes {[*living.values()]}"
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                del living[descriptor]
        return time.monotonic() - begin


def descriptors(pid: int) -> int:
    """How many file descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    return int(proc_file(f"/proc/{pid}/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Growth:
    """How much memory a process took at most, above what it had before, while the block ran."""

    def __init__(self, pid: int) -> None:
        self.bytes = 0
        self._pid = pid

    def __enter__(self) -> Growth:
        Path(f"/proc/{self._pid}/clear_refs").write_text("5")  # the peak counts from here
        self._before = memory(self._pid)
        return self

    def __exit__(self, *error: object) -> None:
        lines = proc_file(f"/proc/{self._pid}/status").decode().splitlines()
        [peak] = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
        self.bytes = peak - self._before


def processor_time(pid: int) -> float:
    """Seconds that a process has computed."""
    fields = proc_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def zombies(parent: int) -> list[int]:
    """Children of a process that ended and that it has not waited for."""
    found = []
    for pid in pids():
        fields = proc_file(f"/proc/{pid}/stat").rpartition(b")")[2].split()
        if fields[:2] == [b"Z", str(parent).encode()]:
            found.append(pid)
    return found


def spread(seconds: Sequence[float]) -> str:
    """Median and 99th percentile, in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"p50 {1000 * cuts[49]:.0f} ms, p99 {1000 * cuts[98]:.0f} ms"


def _effect(what: str, id: str, attempt: str, pid: str, at: str) -> Effect:
    return Effect(what, id, int(attempt), int(pid), int(at) / 1e9)


def pids() -> list[int]:
    """All processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def proc_file(path: str) -> bytes:
    """A file of a process; empty when the process is gone."""
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
