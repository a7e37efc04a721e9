"""A real SQLite queue beside its model: makes the same call of both and compares all that can be seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine

from queue_comparison import (
    ENDPOINTS,
    at_once,
    compare_details,
    compare_lines,
    compare_lists,
    of_job,
    of_record,
)
from queue_model import Job, Model, Run
from workerkit.delivery import Delivery
from workerkit.queue import Blame, Claim, DeliveryState, End
from workerkit.queue.batch import Batch
from workerkit.queue.sqlite import SQLiteStore
from workerkit.states import Status
from workerkit.testing import ManualClock

LEASE, KEEP, KEEP_DEAD, LENGTH = 30_000, 600_000, 900_000, 5
#: Seconds that one example may take.
PATIENCE = 60.0
#: A call of the store, and what the model says that it answers.
Call = tuple[Awaitable[Any], Callable[[], Any]]


def fail(batch: Batch) -> None:
    """An operation that takes its whole batch back."""
    raise ZeroDivisionError


def without_sync(batch: Batch) -> None:
    """The disk is not what is tested here."""
    batch.db.execute("COMMIT")
    batch.db.execute("PRAGMA synchronous = OFF")
    batch.db.execute("BEGIN IMMEDIATE")


class Driver(RuleBasedStateMachine):
    """One example: a queue of its own. Subclass it with what is to be tried, and where."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    #: Holds `template.db`, an empty queue.
    folder: ClassVar[Path]
    sql: ClassVar[Mapping[str, str]]
    #: What a run says of itself, each time that it says something.
    reports: ClassVar[tuple[str, ...]] = ("heartbeat", "chunk", "progress", "keep_log")
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        #: Ends a call that is never answered, with an error.
        self.watchdog = self.loop.call_later(PATIENCE, self.loop.stop)
        self.clock = ManualClock()
        self.model = Model(self.clock, lease=LEASE, keep=KEEP, keep_dead=KEEP_DEAD, length=LENGTH)
        self.runs: list[Run] = []
        #: Jobs as somebody has seen them: id, status, attempt.
        self.seen: list[tuple[str, Status, int]] = []
        self.waiting: tuple[str, asyncio.Task[list[Claim]]] | None = None
        self.number = self.turn = 0
        for old in self.folder.glob("queue.db*"):
            old.unlink()
        shutil.copyfile(self.folder / "template.db", self.folder / "queue.db")
        self.open()

    def open(self) -> None:
        """Open the queue, the first time or again."""
        self.store = SQLiteStore(
            self.folder / "queue.db",
            lease_ms=LEASE,
            keep_ms=KEEP,
            keep_dead_ms=KEEP_DEAD,
            queue_length=LENGTH,
            holder="a",
            clock=self.clock,
            sql=self.sql,
        )
        self.do(self.store.open())
        self.do(self.store._do(without_sync))

    def close(self) -> list[Claim]:
        """Close it; whoever waits for a job is sent away. Returns what it was given."""
        self.do(self.store.close())
        given: list[Claim] = self.do(self.waiting[1]) if self.waiting else []
        self.waiting = None
        return given

    def do(self, call: Awaitable[Any]) -> Any:
        """Its answer."""
        return self.loop.run_until_complete(call)

    def check(self, *calls: Call, poisoned: bool = False) -> None:
        """Make calls at once; the store must answer as if they came one after the other."""
        waits = [call for call, _ in calls]
        if poisoned:
            waits.append(self.store._do(fail))
        answers = self.do(_all(waits)) if len(waits) != 1 else [self.do(waits[0])]
        if poisoned:
            assert isinstance(answers.pop(), ZeroDivisionError)
        assert answers == [expected() for _, expected in calls]

    def claimed(self, claims: Sequence[Claim], endpoint: str, n: int, holder: str) -> None:
        """Compare what was handed out."""
        expected = self.model.claim(endpoint, n, holder)
        assert [of_record(claim.record) for claim in claims] == [of_job(job) for job in expected]
        self.do(_all([claim.committed for claim in claims]))
        self.runs += [(claim.record.id, claim.record.attempt) for claim in claims]

    def is_waited_for(self, endpoint: str) -> bool:
        """Whether the next new job of an endpoint is handed over as it comes."""
        return self.waiting is not None and self.waiting[0] == endpoint

    # Calls that may share a transaction

    def calls(self, several: Iterable[tuple[Any, ...]]) -> list[Call]:
        """Calls by their names and arguments."""
        found = []
        for name, *values in several:
            for call in self.reports if name == "report" else [name]:
                found.append(getattr(self, call)(*values))
        return found

    def run(self, place: int) -> Run:
        """One that was handed out, the latest first."""
        return self.runs[-1 - place % len(self.runs)] if self.runs else ("nobody", 1)

    def job(self, place: int) -> Job | None:
        """One that is there, the latest first."""
        jobs = list(self.model.jobs.values())
        return jobs[-1 - place % len(jobs)] if jobs else None

    def sent(self, place: int) -> str:
        """One delivery that is there, what is being sent and the latest first."""
        sent = self.model.outbox.sent
        names = sorted(sent, key=lambda name: sent[name].state is DeliveryState.SENDING)
        return names[-1 - place % len(names)]

    def finish(self, place: int, status: Status, deliveries: list[Delivery]) -> Call:
        id, attempt = self.run(place)
        return self.end((id, Status.IN_PROGRESS, attempt), status, deliveries)

    def end_as_seen(self, place: int, status: Status, deliveries: list[Delivery]) -> Call:
        """By one who may have looked a while ago, at any of the last jobs that somebody looked at."""
        if job := self.job(place):
            self.seen.append((job.asked.id, job.status, job.attempt))
        seen = self.seen[-1 - place % len(self.seen)] if self.seen else ("nobody", Status.IN_QUEUE, 0)
        return self.end(seen, status, deliveries)

    def end(self, seen: tuple[str, Status, int], status: Status, deliveries: Sequence[Delivery] = ()) -> Call:
        id, seen_status, attempt = seen
        end = End(
            id=id,
            seen_status=seen_status,
            seen_attempt=attempt,
            status=status,
            body=f"{id} {status.value} {attempt}".encode(),
            deliveries=deliveries,
        )
        return self.store.finish([end]), lambda: [self.model.finish(end)]

    def release(self, place: int, blame: Blame, after: int) -> Call:
        return self.returned(self.run(place), blame, after)

    def returned(self, run: Run, blame: Blame = Blame.NONE, after: int = 0) -> Call:
        return self.store.release(*run, blame, after), lambda: self.model.release(run, blame, after)

    def heartbeat(self, place: int, _: int) -> Call:
        runs = self.runs[-1 - place :]
        return self.store.heartbeat(runs), lambda: self.model.heartbeat(runs)

    def chunk(self, place: int, n: int) -> Call:
        run = self.run(place)
        value = f"{run} {n}".encode()
        return self.store.chunk(*run, n, value), lambda: self.model.chunk(run, n, value)

    def progress(self, place: int, _: int) -> Call:
        run = self.run(place)
        value = f"{run} {self.clock.time}".encode()
        return self.store.progress(*run, value), lambda: self.model.progress(run, value)

    def keep_log(self, place: int, _: int) -> Call:
        id, attempt = self.run(place)
        value = f"{id} {attempt} {self.clock.time}".encode()
        return self.store.keep_log(id, attempt, value), lambda: self.model.keep_log(id, attempt, value)

    def retry(self, place: int) -> Call:
        job = self.job(place)
        id = job.asked.id if job else "nobody"
        return self.store.retry(id), lambda: self.model.retry(id)

    # What can be seen

    def compare(self) -> None:
        """After each step: all that lists and counts show, and in turn the lines and what one job holds."""
        self.serve()
        type(self).steps += 1
        self.turn += 1
        at_once(compare_lists(self.store, self.model))
        if self.turn % 2:
            at_once(compare_lines(self.store, self.model))
        elif job := self.job(self.turn // 2):
            at_once(compare_details(self.store, self.model, job))

    def serve(self) -> None:
        """Jobs are let through whose delay is over; who waits for a job has it when there is one."""
        if self.model.promote() or self.waiting is not None:
            self.do(self.ask())
        if self.waiting is not None:
            endpoint, task = self.waiting
            if self.model.claimable(endpoint):
                self.waiting = None
                self.claimed(self.do(task), endpoint, 1, "b")
            else:
                assert not task.done()

    async def ask(self) -> list[int | None]:
        """Since when the first in each line waits."""
        return await asyncio.gather(*[self.store.waiting(endpoint, 0) for endpoint in ENDPOINTS])


async def _all(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
