"""One run of a job, from its claim to its end, as the host keeps it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from workerkit.host.meter import Meter
from workerkit.job import Request, Result
from workerkit.masks import OthersSecrets
from workerkit.queue import Claim, Record
from workerkit.redaction import Redactor
from workerkit.states import Status
from workerkit.stream_redaction import StreamRedactor

if TYPE_CHECKING:
    from workerkit.host.events import Telling
    from workerkit.host.worker import Worker

T = TypeVar("T")
log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Run:
    """A job that a worker has, or had."""

    record: Record
    request: Request
    worker: Worker
    #: When it was its turn, in seconds of the monotonic clock.
    started: float
    #: Masks the secrets of all runs of its worker, in what is logged of it; and those that are its own.
    redactor: Redactor = attrs.field(factory=lambda: Redactor(()))
    secrets: set[str] = attrs.field(factory=set)
    meter: Meter = attrs.field(factory=Meter)
    masked: int = 0
    _outgoing: StreamRedactor | None = None
    #: By when it must be over, in seconds of the event loop's clock, once it is its turn.
    until: float = float("inf")
    #: Chunks on their way to the disk, and why one of them did not get there.
    writes: set[asyncio.Task[Any]] = attrs.field(factory=set)
    unwritten: Exception | None = None
    #: Bytes of all chunks so far, and of those that are on their way.
    size: int = 0
    unwritten_size: int = 0
    #: The latest progress that is not being stored yet, and whether an earlier one is.
    progress: bytes | None = None
    showing: bool = False
    #: What plugins are told of it meanwhile, when one wants to hear of it.
    telling: Telling | None = None
    #: How long it took, once it is over, as its worker measured it.
    seconds: float | None = None
    #: The job has ended, or gone back, without this run; what it still says is ignored.
    over: bool = False
    #: It was told to stop.
    stopped: bool = False
    #: By which it was given out, in case that it does not begin.
    claim: Claim | None = None
    #: By which it is known: the id and the attempt.
    key: tuple[str, int] = attrs.field(init=False)

    @key.default
    def _key(self) -> tuple[str, int]:
        return self.record.id, self.record.attempt

    @property
    def outgoing(self) -> StreamRedactor:
        """Masks its own in what its client gets, where URLs may be exempt; and others' where that tells nothing."""
        if self._outgoing is None:  # as for nearly every job
            request = self.record.input, self.record.fields or b""
            others = OthersSecrets(self.redactor.forms, request)
            self._outgoing = StreamRedactor(Redactor(self.secrets, others))
        return self._outgoing

    @property
    def open(self) -> bool:
        """Whether its worker has never had a secret: there is nothing to mask."""
        return not self.redactor.secrets and self._outgoing is None

    def clean(self, value: T) -> T:
        """What came out of the run, without secrets, for the log."""
        cleaned: T = self.redactor.tree(value)
        return cleaned

    def shown(self, value: T, place: str) -> T:
        """What came out of the run, for its client: without secrets, but for what is exempt."""
        if self.open:
            return value
        cleaned: T = self.outgoing.redactor.tree(value)
        self._count(place)
        return cleaned

    def chunks(self, number: int, value: bytes) -> Sequence[tuple[int, bytes]]:
        """The chunks that may be shown, now that there is one more."""
        if self.open:
            return [(number, value)]
        ready = self.outgoing.add(number, value)
        self._count("chunk")
        return ready

    def last_chunks(self) -> Sequence[tuple[int, bytes]]:
        """The chunks that were held back, now that there will be no more."""
        if self.open:
            return ()
        ready = self.outgoing.end()
        self._count("chunk")
        return ready

    def waiting_chunks(self) -> Sequence[tuple[int, bytes]]:
        """The chunks that are held back now."""
        return () if self.open else self.outgoing.held

    def hide(self, secret: str) -> None:
        """Mask this one, too, as one of its own."""
        self.secrets.add(secret)
        if self._outgoing is not None:
            self._outgoing.redactor.hide(secret)

    def exempt(self, url: str) -> None:
        """Do not mask this URL in what the client gets."""
        self.outgoing.redactor.exempt(url)

    def _count(self, place: str) -> None:
        """Tell the operator of secrets that were just found, if there are more than before."""
        masked = self.outgoing.redactor.hits
        if masked == self.masked:
            return
        job, endpoint = self.record.id, self.record.endpoint
        if not self.masked:
            log.warning(
                "job %s of %s: a secret came out of the handler (%s) and was masked",
                job,
                endpoint,
                place,
                extra={"job": job, "endpoint": endpoint, "worker": self.worker.id},
            )
        self.meter.secrets_masked(endpoint, place, masked - self.masked)
        self.masked = masked

    def result(self, status: Status, **known: Any) -> Result:
        """The end of this run, with its times."""
        record = self.record
        seconds = time.monotonic() - self.started if self.seconds is None else self.seconds
        if not self.open:
            known = {name: self.shown(value, name) for name, value in known.items()}
        return Result(
            status=status,
            attempt=record.attempt,
            delay_time=(record.started_at or record.submitted_at) - record.submitted_at,
            execution_time=int(seconds * 1000),
            worker_id=self.worker.id,
            **known,
        )
