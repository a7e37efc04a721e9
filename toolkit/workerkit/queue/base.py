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
from workerkit.job import Status
from workerkit.queue.values import (
    Blame,
    Claim,
    Counts,
    DeliveryLine,
    DeliveryState,
    End,
    JobLine,
    Record,
    Submission,
    Submitted,
    View,
)


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
        """Store output chunk `n` of a run."""
        ...

    async def progress(self, id: str, attempt: int, value: bytes) -> bool:
        """Store what `/status` shows as the output of a running job."""
        ...

    async def chunks(self, id: str, attempt: int) -> list[bytes]:
        """All chunks of a run in order, those still being committed included."""
        ...

    async def finish(self, end: End) -> bool:
        """End a job. False when the row is no longer as it was seen; then nothing is stored.

        A repeated call for an end that is already stored, same attempt and status, answers True.
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
        deliveries that were being sent: dead when no attempt is left, else pending. Returns how many
        jobs went back. For a queue that one host owns."""
        ...

    async def sweep(self, limit: int) -> int:
        """Delete up to `limit` jobs past their retention whose deliveries are over."""
        ...

    async def claim_deliveries(self, limit: int, busy_lanes: Sequence[str]) -> list[Delivery]:
        """Due deliveries outside `busy_lanes`, each counted as tried before it is returned."""
        ...

    async def settle_delivery(
        self, id: str, number: int, state: DeliveryState, detail: str, next_at: int | None
    ) -> bool:
        """Store how try `number` went. HELD gives the try back."""
        ...

    async def next_delivery(self, busy_lanes: Sequence[str]) -> int | None:
        """When the earliest pending delivery outside `busy_lanes` is due, or None."""
        ...

    async def delivery_due(self, timeout: float) -> bool:
        """Wait until a delivery was stored or became pending again since the last call of this
        kind; False after `timeout` seconds."""
        ...

    async def deliveries(
        self, *, state: DeliveryState | None, job: str | None, limit: int
    ) -> list[DeliveryLine]:
        """Deliveries, newest first."""
        ...

    async def hold_deliveries(self, why: Callable[[str, str], str]) -> dict[str, int]:
        """Hold what is pending for plugins that cannot send it; returns how many by reason.

        `why` gives the reason for a plugin and the maker of its deliveries, empty when it can send
        them; it may be called on any thread. A host asks at each start, so deliveries that are over
        must not make it slow.
        """
        ...

    async def delivery(self, id: str) -> tuple[DeliveryLine, bytes] | None:
        """One delivery and the body it carries."""
        ...

    async def redeliver(self, id: str) -> bool:
        """Make one that is dead, held, cancelled or delivered pending again, with one more attempt."""
        ...

    def now(self) -> int:
        """The queue's clock."""
        ...
