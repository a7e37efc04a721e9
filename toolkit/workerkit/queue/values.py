"""The values that a queue takes and gives. Times are integer milliseconds since the epoch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import ClassVar, NamedTuple

import msgspec

from workerkit.delivery import Delivery
from workerkit.job import EMPTY, Policy
from workerkit.states import Status

#: How the ids of jobs begin that were submitted through /runsync.
SYNC = "sync-"


def wall_clock() -> int:
    """The time now."""
    return time.time_ns() // 1_000_000


class Value(msgspec.Struct, frozen=True):
    """What a queue takes or gives; such values are made for every job. `msgspec.structs` has functions for them.

    What it shows of itself leaves out members that are `hidden`: they hold what clients and handlers said.
    """

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = [name for name in self.__struct_fields__ if name not in self.hidden]
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class Submission(Value, frozen=True, kw_only=True):
    """A checked request on its way into the queue. `sealed` holds the secret fields, encrypted."""

    hidden: ClassVar = frozenset({"input", "fields", "sealed"})

    id: str
    endpoint: str
    input: bytes
    fields: bytes | None = None
    sealed: Mapping[str, bytes] = EMPTY
    policy: Policy = msgspec.field(default_factory=Policy)
    #: The client's `Idempotency-Key` and the digest of its body, when it sent a key.
    idempotency: tuple[str, bytes] | None = None


class Outcome(str, Enum):
    """What became of a submission."""

    INSERTED = "inserted"
    #: The id, or the idempotency key with the same body, was there already; nothing was changed.
    EXISTED = "existed"
    #: The idempotency key was used with another body.
    CONFLICT = "conflict"
    #: The endpoint's queue is at its limit.
    FULL = "full"


class Submitted(Value, frozen=True):
    """Answer to one submission: the id under which the job is stored, and what happened."""

    id: str
    outcome: Outcome


class Record(Value, frozen=True, kw_only=True):
    """A job as the queue holds it, with all that a run or an end of it needs."""

    hidden: ClassVar = frozenset({"input", "fields", "sealed"})

    id: str
    endpoint: str
    status: Status
    attempt: int
    input: bytes
    fields: bytes | None = None
    sealed: Mapping[str, bytes] = EMPTY
    policy: Policy = msgspec.field(default_factory=Policy)
    submitted_at: int = 0
    started_at: int | None = None
    #: The end of its ttl; once it has ended, of its retention.
    expires_at: int = 0
    crashes: int = 0
    failures: int = 0
    returns: int = 0
    #: It had secret fields, and they were wiped: it cannot run any more.
    wiped: bool = False

    @property
    def restarts(self) -> int:
        """How often a run went back to the queue since the job was submitted or retried by hand."""
        return self.crashes + self.failures + self.returns


class Claim(Value, frozen=True):
    """A job handed to a host. It may be handed over while the claim is still being committed.

    `committed` resolves when the claim is durable, and fails when it could not be stored; then
    the run must be stopped, and what it reports will be refused by the fence. Claims of one
    transaction share it: whoever awaits it and may be cancelled shields it.
    """

    record: Record
    committed: asyncio.Future[None]


class Blame(str, Enum):
    """Why a run goes back to the queue without an end."""

    #: Through no fault of the job: the host stopped, a neighbour's worker was killed.
    NONE = "none"
    #: It was claimed and no worker has seen it; this does not count as a start.
    UNUSED = "unused"
    #: The worker died while it ran the job.
    CRASH = "crash"
    #: The handler raised, and may run the job again.
    FAILURE = "failure"


class End(Value, frozen=True, kw_only=True):
    """The end of a job: applied only to the row as it was seen, in one transaction.

    `body` is the status object, frozen; `/status` and deliveries without a body of their own carry
    these bytes. The secret fields are wiped when `status` cannot be retried.
    """

    hidden: ClassVar = frozenset({"body"})

    id: str
    seen_status: Status
    seen_attempt: int
    status: Status
    body: bytes
    deliveries: Sequence[Delivery] = ()


class EndLine(Value, frozen=True):
    """The end of a job in the list of an endpoint's ends. `seq` is its place and only grows."""

    hidden: ClassVar = frozenset({"body"})

    seq: int
    id: str
    attempt: int
    status: Status
    finished_at: int
    body: bytes


class View(Value, frozen=True):
    """What `/status` needs. `body` is set once the job has ended."""

    hidden: ClassVar = frozenset({"progress", "body"})

    id: str
    endpoint: str
    status: Status
    attempt: int
    submitted_at: int
    started_at: int | None = None
    progress: bytes | None = None
    body: bytes | None = None


class Counts(Value, frozen=True):
    """Jobs of an endpoint: two levels of now, five totals since the queue was made."""

    in_queue: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    timed_out: int = 0
    retried: int = 0


class JobLine(Value, frozen=True):
    """A job in an operator's list."""

    seq: int
    id: str
    endpoint: str
    status: Status
    attempt: int
    submitted_at: int
    started_at: int | None
    finished_at: int | None


class DeliveryState(str, Enum):
    """Where a delivery is in its life."""

    PENDING = "pending"
    SENDING = "sending"
    HELD = "held"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


class DeliveryLine(Value, frozen=True, kw_only=True):
    """A delivery in an operator's list. `number` of `attempts` tries were made; a URL's query is masked."""

    seq: int
    id: str
    job: str
    endpoint: str
    plugin: str
    target: str
    state: DeliveryState
    number: int
    attempts: int
    next_at: int | None
    created_at: int
    updated_at: int
    detail: str = ""


class Tried(Value, frozen=True, kw_only=True):
    """One try of a delivery, in its log: when it began, how long it took, and what came of it.

    `outcome` is "delivered", "retry", "stop", or "lost" when the host ended while it was being sent.
    """

    hidden: ClassVar = frozenset({"answer"})

    number: int
    at: int
    took: int
    outcome: str
    detail: str = ""
    status: int | None = None
    address: str = ""
    answer: str = ""


class Settled(NamedTuple):
    """How try `number` of a delivery went, what state that leaves, and when it is due if that is PENDING."""

    id: str
    number: int
    state: DeliveryState
    tried: Tried
    next_at: int | None


class DeliveryFilter(Value, frozen=True, kw_only=True):
    """Which deliveries are meant: those that fit all that is given."""

    state: DeliveryState | None = None
    job: str | None = None
    endpoint: str | None = None
    plugin: str | None = None
    lane: str | None = None
    #: When they were stored: from `since`, before `until`.
    since: int | None = None
    until: int | None = None
