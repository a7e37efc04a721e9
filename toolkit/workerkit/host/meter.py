"""What the host counts as it happens: the meter's methods say when. `host/metrics.py` keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerkit.host.host import Host


class Meter:
    """Counts nothing: for whoever ends jobs without serving `/metrics`."""

    def job_began(self, endpoint: str, delay: int) -> None:
        """A run has begun, `delay` milliseconds after its job was submitted."""

    def job_ended(self, endpoint: str, status: str, execution_time: int | None) -> None:
        """A job's end is stored; milliseconds of its last run, None when none had begun."""

    def job_returned(self, endpoint: str, blame: str) -> None:
        """A run went back to the queue."""

    def worker_refreshed(self, endpoint: str, reason: str) -> None:
        """A worker is being replaced. The cause is what stands before the first colon of `reason`."""

    def worker_died(self, endpoint: str) -> None:
        """A worker ended that nobody had asked to."""

    def start_failed(self, endpoint: str) -> None:
        """A worker did not get as far as being ready."""

    def stale(self, endpoint: str) -> None:
        """What a worker reported came too late: its job had moved on."""

    def secrets_masked(self, endpoint: str, place: str, count: int) -> None:
        """Secrets were found in what came out of a run, such as in its `output`."""

    def delivered(self, plugin: str, outcome: str) -> None:
        """A delivery was tried: delivered, pending (it will be tried again), dead or held.

        What tells of a running job is stored nowhere: it was sent, or dropped.
        """

    def batch(self, operations: int) -> None:
        """The queue has committed a transaction of so many operations."""

    async def shown(self, host: Host, accept: str) -> tuple[bytes, str]:
        """All that was counted and the levels of `host`, in a form that `accept` names; its content type."""
        return b"", "text/plain"
