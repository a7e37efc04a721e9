"""The queue's two contracts: what a host needs to run jobs, and what an API needs beside it.

The promise is "what was acknowledged is never lost, and no job ends twice". `attempt` carries it:
every claim and every retry increments it, nothing resets it, and whoever writes about a run names
the attempt it means. A write that names an older one changes nothing and answers False.

Times are integer milliseconds since the epoch, read from the queue's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from workerkit.delivery import Delivery
from workerkit.queue.values import (
    Blame,
    Claim,
    Counts,
    DeliveryFilter,
    DeliveryLine,
    DeliveryState,
    End,
    EndLine,
    JobLine,
    Record,
    Settled,
    Submission,
    Submitted,
    Tried,
    View,
)
from workerkit.states import Status


class Watch(Protocol):
    """Wakes when a job changes. Made before the job is read, so nothing is missed."""

    async def changed(self, timeout: float) -> bool:
        """Wait for the next change since the last call; False when `timeout` seconds passed."""
        ...

    @property
    def body(self) -> bytes | None:
        """The frozen status object, when the queue had it at hand as the job ended."""
        ...


@runtime_checkable
class Feed(Protocol):
    """What a host needs to run jobs."""

    async def claim(self, endpoint: str, n: int, holder: str, wait: float) -> list[Claim]:
        """Take up to `n` waiting jobs, oldest first and low priority last.

        Waits up to `wait` seconds for the first one. Cancelling the call loses nothing.
        """
        ...

    async def heartbeat(self, runs: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
        """Extend the leases of these (id, attempt); returns those that are no longer running."""
        ...

    async def chunk(self, id: str, attempt: int, n: int, value: bytes) -> bool:
        """Store output chunk `n` of a run, in the place of one that it has stored before."""
        ...

    async def progress(self, id: str, attempt: int, value: bytes) -> bool:
        """Store what `/status` shows as the output of a running job."""
        ...

    async def chunks(self, id: str, attempt: int) -> list[bytes]:
        """All chunks of a run in order, those still being committed included."""
        ...

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        """End jobs. False for each that is no longer as it was seen; then nothing of it is stored.

        An end that is already stored, same attempt and status, is answered with True when it is repeated.
        """
        ...

    async def release(self, id: str, attempt: int, blame: Blame, after: int = 0) -> bool:
        """Give a run back to the queue; no claim takes it for `after` milliseconds."""
        ...

    async def keep_log(self, id: str, attempt: int, text: bytes) -> bool:
        """Keep what a run printed, in place of what was kept of it; False when the job is gone.

        It is best effort, needs no fence, and is deleted with the job.
        """
        ...


@runtime_checkable
class Store(Feed, Protocol):
    """What a job API and a host of its own need beside a Feed."""

    async def open(self) -> None:
        """Open or create the queue. Raises `QueueError` with a sentence."""
        ...

    async def close(self) -> None:
        """Commit what has gathered and close. May be called twice."""
        ...

    async def register(self, descriptors: Mapping[str, bytes]) -> None:
        """Remember the functions of a target by name."""
        ...

    async def endpoints(self) -> dict[str, bytes]:
        """Every function ever registered."""
        ...

    async def submit(self, submissions: Sequence[Submission]) -> list[Submitted]:
        """Store jobs; returns once they are durable. Ids are the caller's, so it can be repeated."""
        ...

    async def keyed(self, endpoint: str, key: str) -> tuple[str, bytes] | None:
        """The job that an idempotency key stands for: its id, and the digest of its body."""
        ...

    async def view(self, id: str) -> View | None:
        """What is known of a job, or None."""
        ...

    async def record(self, id: str) -> Record | None:
        """A job with all that an end of it needs, or None."""
        ...

    def watch(self, id: str) -> AbstractContextManager[Watch]:
        """Listen for changes of a job."""
        ...

    async def take_chunks(self, id: str, limit: int, most_bytes: int) -> list[bytes]:
        """The next chunks of the current attempt that no call has returned before.

        Up to `limit` of them and `most_bytes` in all, but one at least, however large it is.
        """
        ...

    async def retry(self, id: str) -> bool:
        """Put a FAILED or TIMED_OUT job back in the queue: next attempt, counters at zero, ttl anew.

        Its old body is gone at once and its pending deliveries are cancelled.
        """
        ...

    async def queued(self, endpoint: str, limit: int) -> list[Record]:
        """The oldest waiting jobs of an endpoint, for a purge."""
        ...

    async def waiting(self, endpoint: str, wait: float) -> int | None:
        """Since when the first job in line waits: the one that the next claim would take.

        Waits up to `wait` seconds for one to be there; None when there is none. Jobs that may not
        be claimed yet do not count, nor do those that are handed over as they are submitted.
        """
        ...

    async def logs(self, id: str) -> list[tuple[int, bytes]]:
        """What `keep_log` has kept of a job: attempt and text, by attempt."""
        ...

    async def counts(self, endpoint: str) -> Counts:
        """Exact counts of an endpoint's jobs."""
        ...

    async def jobs(
        self, *, endpoint: str | None, status: Status | None, after: int | None, limit: int
    ) -> list[JobLine]:
        """Jobs, newest first. `after` is the `seq` of the last one seen: the list goes on behind it."""
        ...

    async def expired(self, limit: int) -> list[Record]:
        """Unfinished jobs past their ttl."""
        ...

    async def lapsed(self, limit: int) -> list[Record]:
        """Running jobs whose lease has run out."""
        ...

    async def recover(self, holder: str) -> int:
        """Give back, without blame, every running job that `holder` does not hold, and settle the
        deliveries that were being sent: dead when no attempt is left, else pending, and "lost" in their
        log; cancelled when their job was retried meanwhile. Returns how many jobs went back. For a queue
        that one host owns."""
        ...

    async def sweep(self, limit: int) -> int:
        """Delete up to `limit` jobs past their retention, with the deliveries that are over.

        A job that a delivery still needs stays, without its secret fields. A dead delivery outlives its
        job: body and log are kept until it has been dead for as long as the queue keeps such. What has
        been sent again meanwhile is kept as long from its new end. These deliveries are deleted here too,
        and counted.
        """
        ...

    async def ends(
        self, endpoint: str, after: int, limit: int, most_bytes: int, wait: float
    ) -> list[EndLine]:
        """Ends of an endpoint's jobs behind the place `after`, in the order in which they were stored.

        Up to `limit` of them and `most_bytes` of bodies in all, but one at least, however large it is.
        Waits up to `wait` seconds for the first. A job that is retried leaves its place and gets a new
        one at its next end; a job that is deleted takes its end along. Places only grow, also over a
        restart and when nothing is left, and whoever has read up to one misses none behind it.
        """
        ...

    async def claim_deliveries(self, limit: int, rooms: Mapping[str, int], others: int) -> list[Delivery]:
        """Due deliveries, each counted as tried before it is returned; at most `limit`.

        A large body may be left out, which makes it None: `delivery` has it.

        `rooms` says how many of each of these lanes, `others` how many of each lane that is not named.
        """
        ...

    async def settle_deliveries(self, several: Sequence[Settled]) -> list[bool]:
        """Store how tries went, each with a row of its delivery's log, in one transaction.

        The try's detail becomes the delivery's. HELD, and the outcomes "postpone" and "expired", give the
        try back: nothing was sent, so the log has nothing of it. PENDING becomes CANCELLED when the job was
        retried meanwhile. False for a delivery that is not being sent, or of which it is another try.
        """
        ...

    async def next_delivery(self, rooms: Mapping[str, int], others: int) -> int | None:
        """When the earliest pending delivery of a lane with room is due, or None; see `claim_deliveries`."""
        ...

    async def delivery_due(self, timeout: float) -> bool:
        """Wait until a delivery was stored or became pending again since the last call of this
        kind; False after `timeout` seconds."""
        ...

    async def deliveries(
        self, filter: DeliveryFilter, *, after: int | None, limit: int
    ) -> list[DeliveryLine]:
        """Deliveries, newest first. `after` is the `seq` of the last one seen: the list goes on behind it."""
        ...

    async def delivery_counts(self) -> dict[DeliveryState, int]:
        """How many deliveries are in each state but DELIVERED; those must not make it slow."""
        ...

    async def reached_lanes(self, limit: int) -> list[str]:
        """Up to `limit` lanes in which a delivery arrived not long ago, the latest last.

        A host asks at its start, for whom to keep room; it may look at the latest deliveries only.
        """
        ...

    async def oldest_pending(self) -> int | None:
        """When the oldest pending delivery was stored, or None when none is pending."""
        ...

    async def hold_deliveries(self, why: Callable[[str, str], str]) -> dict[str, int]:
        """Hold what is pending for plugins that cannot send it; returns how many by reason.

        `why` gives the reason for a plugin and the maker of its deliveries, empty when it can send
        them; it may be called on any thread. A host asks at each start, so deliveries that are over
        must not make it slow.
        """
        ...

    async def delivery(self, id: str) -> tuple[DeliveryLine, bytes, list[Tried]] | None:
        """One delivery, the body it carries, and the log of its tries, of which the last 100 are kept."""
        ...

    async def redeliver(self, id: str) -> bool:
        """Make one that is dead, held, cancelled or delivered pending again, with one more attempt.

        It need not have a job any more.
        """
        ...

    async def redeliver_many(self, filter: DeliveryFilter, limit: int) -> int:
        """The same for up to `limit` that are dead, held or cancelled, oldest first; returns how many.

        Delivered ones only when the filter's state says so. One call takes each once, and none that was
        stored after it began, so `limit` may be larger than all there are. A call that is repeated takes
        those again that have failed meanwhile.
        """
        ...

    def now(self) -> int:
        """The queue's clock."""
        ...
