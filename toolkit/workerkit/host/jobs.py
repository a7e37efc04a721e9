"""What the job API can ask of a host. Answers are JSON bytes; every refusal is an `ApiError`.

A queue that cannot be used is a `QueueError`, whatever was asked.
"""

from __future__ import annotations

import asyncio
import time
from enum import Enum
from typing import TypeVar

import attrs
import msgspec

from workerkit.errors import ApiError, WorkerkitError, suggest
from workerkit.host.ends import cancelled
from workerkit.host.following import page
from workerkit.host.health import health, readiness
from workerkit.host.host import Host
from workerkit.host.intake import Admission, Intake, idempotency
from workerkit.host.outgoing import Outgoing
from workerkit.host.status import body_of, brief, lasting, stream_body
from workerkit.queue import DeliveryFilter, Outcome, Record, Submitted, View
from workerkit.queue.values import SYNC
from workerkit.states import Status

E = TypeVar("E", bound=Enum)
#: How often a move is tried again when the job moves at the same time.
MOST_TRIES = 20
#: Jobs that one purge looks at before it commits.
SLICE = 200
#: What one stream answer holds: chunks, and bytes of them when there is more than one.
MOST_CHUNKS, MOST_BYTES = 1000, 4_000_000


@attrs.frozen
class Admitted:
    """A stored job: its id, and the request's top-level keys that nobody declared."""

    id: str
    ignored: tuple[str, ...]


class Jobs:
    """The jobs of a host, as its API shows them; `outgoing` is what leaves it when they end."""

    def __init__(self, host: Host, intake: Intake) -> None:
        self._host = host
        self._store = host.store
        self._intake = intake
        self.outgoing = Outgoing(
            host.store, host.catalogue, host.journal, host.hooks, host.deliveries_resting
        )
        #: The host is about to end, so nobody should send it jobs any more.
        self.stopping = False

    async def submit(
        self, endpoint: str, body: bytes, *, sync: bool = False, idempotency_key: str | None = None
    ) -> Admitted:
        """Check a request and store it; returns once it cannot be lost.

        A request that is repeated under its idempotency key is answered with the job that is there.
        """
        if idempotency_key is not None and (known := await self._known(endpoint, idempotency_key, body)):
            return known
        admission = await self._admit(endpoint, body, sync=sync, idempotency_key=idempotency_key)
        return await self._store_job(admission)

    async def run(self, endpoint: str, body: bytes, seconds: float) -> tuple[Admitted, bytes]:
        """Submit a request and wait up to `seconds` for its end; the status object as it is then.

        A caller that is cancelled while it waits gets the status as it is at that moment.
        """
        until = time.monotonic() + seconds
        admission = await self._admit(endpoint, body, sync=True, idempotency_key=None)
        # Listened to before it is stored, so that the end of a new job need not be looked up.
        with self._store.watch(admission.submission.id) as watch:
            admitted = await self._store_job(admission)
            try:
                while await watch.changed(until - time.monotonic()):
                    if watch.body is not None:
                        return admitted, watch.body
                return admitted, await self.status(endpoint, admitted.id)
            except asyncio.CancelledError:
                return admitted, await self.status(endpoint, admitted.id)

    async def _known(self, endpoint: str, key: str, body: bytes) -> Admitted | None:
        key, digest = idempotency(key, body)
        stored = await self._store.keyed(endpoint, key)
        if stored is None:
            return None
        if stored[1] != digest:
            raise _conflict()
        return Admitted(stored[0], ())

    async def _admit(
        self, endpoint: str, body: bytes, *, sync: bool, idempotency_key: str | None
    ) -> Admission:
        function = await self._host.catalogue.wait_for(endpoint)
        return await self._intake.admit(
            endpoint, body, sync=sync, idempotency_key=idempotency_key, default_timeout_ms=function.timeout
        )

    async def _store_job(self, admission: Admission) -> Admitted:
        [submitted] = await self._store.submit([admission.submission])
        self._check(submitted, admission.submission.endpoint)
        return Admitted(submitted.id, admission.ignored)

    def _check(self, submitted: Submitted, endpoint: str) -> None:
        if submitted.outcome is Outcome.CONFLICT:
            raise _conflict()
        if submitted.outcome is Outcome.FULL:
            limit = self._host.settings.limits.queue_length
            raise ApiError(
                429,
                "queue_full",
                f"{limit} jobs wait for {endpoint!r} already, as many as limits.queue_length allows; try again later",
                {"Retry-After": "5"},
            )

    async def wait(self, endpoint: str, id: str, seconds: float) -> bytes:
        """The status object once the job has ended, or as it is after `seconds`."""
        end = time.monotonic() + seconds
        with self._store.watch(id) as watch:
            while True:
                view = await self._view(endpoint, id)
                if view.status.ended:
                    return body_of(view, self._store.now())
                if not await watch.changed(end - time.monotonic()):
                    return body_of(await self._view(endpoint, id), self._store.now())
                if watch.body is not None:
                    return watch.body

    async def status(self, endpoint: str, id: str) -> bytes:
        """The status object."""
        return body_of(await self._view(endpoint, id), self._store.now())

    async def stream(self, endpoint: str, id: str, seconds: float) -> bytes:
        """Chunks that no call has returned before; waits up to `seconds` for the first."""
        end = time.monotonic() + seconds
        with self._store.watch(id) as watch:
            while True:
                view = await self._view(endpoint, id)
                chunks = await self._store.take_chunks(id, MOST_CHUNKS, MOST_BYTES)
                if chunks or view.status.ended or not await watch.changed(end - time.monotonic()):
                    return stream_body(view.status, chunks)

    async def cancel(self, endpoint: str, id: str) -> bytes:
        """End a job that has not ended, and stop its run."""
        for _ in range(MOST_TRIES):
            record = await self._record(endpoint, id)
            if record.status is Status.CANCELLED:
                return brief(id, Status.CANCELLED)
            if record.status.ended:
                raise ApiError(
                    409, "already_ended", f"the job is {record.status.value}; it cannot be cancelled any more"
                )
            result = cancelled(record, self._store.now(), self._worker_of(record))
            if await self._host.end_job(record, result, "it was cancelled"):
                return brief(id, Status.CANCELLED)
        raise ApiError(503, "busy", "the job moves too fast to be cancelled; try again")

    def _worker_of(self, record: Record) -> str | None:
        pool = self._host.pools.get(record.endpoint)
        run = None if pool is None else pool.runs.find(record.id, record.attempt)
        return None if run is None else run.worker.id

    async def retry(self, endpoint: str, id: str) -> bytes:
        """Put a FAILED or TIMED_OUT job back in the queue."""
        record = await self._record(endpoint, id)
        retryable = record.status in (Status.FAILED, Status.TIMED_OUT)
        try:
            if retryable:
                self._host.vault.can_open(record)
        except WorkerkitError as error:
            raise ApiError(409, "secret_gone", str(error)) from error
        if not retryable or not await self._store.retry(id):
            status = (await self._view(endpoint, id)).status.value
            raise ApiError(
                409, "not_retryable", f"the job is {status}; only FAILED and TIMED_OUT jobs can be retried"
            )
        return brief(id, Status.IN_QUEUE)

    async def purge(self, endpoint: str) -> bytes:
        """Cancel every job that waits now; running ones go on."""
        self._host.catalogue.find(endpoint)
        removed = 0
        left = (await self._store.counts(endpoint)).in_queue
        while left > 0 and (records := await self._store.queued(endpoint, min(left, SLICE))):
            now = self._store.now()
            ends = await asyncio.gather(
                *(self._host.ends.end(record, cancelled(record, now)) for record in records)
            )
            removed += sum(ends)
            left -= len(records)
        return msgspec.json.encode({"removed": removed, "status": "completed"})

    async def health(self, endpoint: str) -> bytes:
        """RunPod's six worker and five job counters."""
        self._host.catalogue.find(endpoint)
        return health(await self._store.counts(endpoint), self._host.pools.get(endpoint))

    async def schema(self, endpoint: str) -> bytes:
        """The JSON schema of the function's input; it takes anything when its input is not typed."""
        return self._host.catalogue.find(endpoint).schema.encode() or b"{}"

    def readiness(self) -> tuple[bool, bytes]:
        """Whether every function has the workers that it needs now, and which have none; or that it stops."""
        if self.stopping:
            return False, b'{"ready":false,"stopping":true,"waiting_for":[],"failing":[]}'
        return readiness(self._host.pools)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Numbers for Prometheus in the form that `accept` asks for, and its content type."""
        return await self._host.meter.shown(self._host, accept)

    async def list_jobs(
        self,
        endpoint: str | None = None,
        status: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> bytes:
        """Jobs, newest first, for an operator; the answer's `after` asks for the page behind it."""
        wanted = _member(Status, status, "status")
        rows = await self._store.jobs(endpoint=endpoint, status=wanted, after=after, limit=limit)
        return msgspec.json.encode({"jobs": rows, "after": rows[-1].seq if rows else None})

    async def show_job(self, id: str) -> bytes:
        """A job's status object, where it belongs, and its deliveries."""
        view = await self._view(None, id)
        deliveries = await self._store.deliveries(DeliveryFilter(job=id), after=None, limit=SLICE)
        shown = msgspec.Raw(body_of(view, self._store.now()))
        return msgspec.json.encode(
            {"endpoint": view.endpoint, "attempt": view.attempt, "job": shown, "deliveries": deliveries}
        )

    async def cancel_job(self, id: str) -> bytes:
        """Cancel a job, whatever its endpoint."""
        return await self.cancel((await self._view(None, id)).endpoint, id)

    async def logs(self, id: str, attempt: int | None, after: int, seconds: float) -> bytes:
        """What an attempt has printed behind a place; waits up to `seconds` for some of it."""
        found = await page(self._store, self._host.printed, id, attempt, after, seconds)
        if found is None:
            raise self._no_job(None, id)
        return msgspec.json.encode(found)

    async def _view(self, endpoint: str | None, id: str) -> View:
        view = await self._store.view(id)
        if view is None or endpoint not in (None, view.endpoint):
            raise self._no_job(endpoint, id)
        return view

    async def _record(self, endpoint: str, id: str) -> Record:
        record = await self._store.record(id)
        if record is None or record.endpoint != endpoint:
            raise self._no_job(endpoint, id)
        return record

    def _no_job(self, endpoint: str | None, id: str) -> ApiError:
        if endpoint is not None:
            self._host.catalogue.find(endpoint)
        kept = self._host.settings.queue.kept(sync=id.startswith(SYNC))
        return ApiError(
            404,
            "unknown_job",
            f"there is no job {id[:100]!r}; results are kept for {lasting(kept)} after a job's end",
        )


def _member(kind: type[E], name: str | None, what: str) -> E | None:
    known = {member.value: member for member in kind}
    if name is not None and name not in known:
        raise ApiError(400, "bad_query", f"{what}: {name!r} is not known{suggest(name, known)}")
    return None if name is None else known[name]


def _conflict() -> ApiError:
    return ApiError(409, "idempotency_conflict", "this Idempotency-Key came with another body; use a new key")
