"""Every end of a job passes here: `post_job`, the frozen body, and the one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from workerkit.errors import WorkerkitError
from workerkit.hooks import Hooks
from workerkit.host.meter import Meter
from workerkit.host.status import ended_body
from workerkit.host.stubborn import stubbornly
from workerkit.job import EMPTY, Request, Result
from workerkit.payload import convert_field
from workerkit.queue import End, Record
from workerkit.states import Status

log = logging.getLogger(__name__)

#: So many ends are remembered, as (id, attempt): more than can be on their way to a queue at once.
REMEMBERED = 4096


class Finisher(Protocol):
    """Where ends are stored: a `Feed`, or what stands for one when a job runs without a queue."""

    async def finish(self, ends: Sequence[End]) -> list[bool]:
        """Store ends; False for each whose job has moved on since it was seen."""


class Ended(NamedTuple):
    """A job as it was seen, and its end.

    `cause` is why, for the log: words that quote neither input nor output.
    """

    record: Record
    result: Result
    request: Request | None = None
    cause: str = ""


class Ends:
    """Ends jobs, for whatever reason, exactly once."""

    def __init__(
        self, feed: Finisher, hooks: Hooks, meter: Meter | None = None, *, tell: bool = False
    ) -> None:
        self._feed = feed
        self._platform: str = getattr(feed, "platform", "")
        self._meter = meter or Meter()
        #: Whether a good end is worth a line in the log; one that is not always is.
        self._tell = tell
        self._hooks = hooks
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()

    @property
    def prompt(self) -> bool:
        """Whether no plugin keeps an end waiting, so that several may be stored together."""
        return self._hooks.post_job_is_inline

    async def end(self, record: Record, result: Result) -> bool:
        """End a job as it was seen in `record`. False when it has moved on since; nothing is stored."""
        one = Ended(record, result)
        [stored] = await self._finish([(one, await self._decided(one))])
        return stored

    async def end_stubbornly(self, *several: Ended) -> list[bool]:
        """The same for jobs whose results must not be lost: repeated while the queue cannot take them."""
        return await self._keep([(one, await self._decided(one)) for one in several])

    async def _keep(self, ends: Sequence[tuple[Ended, End]]) -> list[bool]:
        if len(ends) == 1:
            return await stubbornly(f"the end of job {ends[0][1].id}", lambda: self._finish(ends))
        try:
            return await self._finish(ends)
        except Exception:  # perhaps of one of them, for which the others need not wait
            alone = await asyncio.gather(*(self._keep([one]) for one in ends), return_exceptions=True)
        for (_, end), answer in zip(ends, alone, strict=True):
            if isinstance(answer, BaseException):
                log.critical("the end of job %s has failed", end.id, exc_info=answer)
        return [answer == [True] for answer in alone]

    async def _decided(self, one: Ended) -> End:
        """The end with what follows it: `post_job` is asked once, however often it must be stored."""
        record, result, request, _ = one
        deliveries = await self._hooks.post_job(request or self.request(record), result)
        return End(
            id=record.id,
            seen_status=record.status,
            seen_attempt=record.attempt,
            status=result.status,
            body=ended_body(record, result),
            deliveries=deliveries,
        )

    async def _finish(self, ends: Sequence[tuple[Ended, End]]) -> list[bool]:
        several = await self._feed.finish([end for _, end in ends])
        for (one, end), stored in zip(ends, several, strict=True):
            if stored and self._is_news(end):
                self._count(one)
        return several

    def _count(self, one: Ended) -> None:
        record, result, _, cause = one
        self._meter.job_ended(record.endpoint, result.status, result.execution_time)
        bad = result.status in (Status.FAILED, Status.TIMED_OUT)
        if bad or self._tell:
            _say(record, result, cause, logging.WARNING if bad else logging.INFO)

    def _is_news(self, end: End) -> bool:
        """False for the twin of an end: two clients cancel a job, and the queue tells both that it has."""
        key = (end.id, end.seen_attempt)
        if key in self._told:
            return False
        self._told[key] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return True

    def request(self, record: Record) -> Request:
        """The public request behind a record, without its secret fields."""
        return Request(
            id=record.id,
            endpoint=record.endpoint,
            raw_input=record.input,
            policy=record.policy,
            submitted_at=record.submitted_at,
            fields=self._fields(record) if record.fields else EMPTY,
            platform=self._platform,
        )

    def _fields(self, record: Record) -> Mapping[str, Any]:
        """Stored fields as typed values, without those whose plugin is gone or now wants another type."""
        raw = msgspec.json.decode(record.fields or b"{}")
        fields: dict[str, Any] = {}
        for name, value in raw.items():
            if name in self._hooks.fields:
                try:
                    fields[name] = convert_field(name, value, self._hooks.fields[name])
                except WorkerkitError as error:
                    log.warning("job %s: its field is not what the plugin wants: %s", record.id, error)
        return fields


def _say(record: Record, result: Result, cause: str, level: int) -> None:
    """One line. Not what it said: an error or an output may quote the job's input."""
    if not cause and result.status is Status.TIMED_OUT and result.error is not None:
        cause = result.error  # which is ours
    log.log(
        level,
        "job %s of %s is %s%s (attempt %d, %s ms, %s)",
        record.id,
        record.endpoint,
        result.status,
        cause and f": {cause}",
        result.attempt,
        "-" if result.execution_time is None else result.execution_time,
        result.worker_id or "no worker",
        extra={"job": record.id, "endpoint": record.endpoint, "worker": result.worker_id},
    )


def timed_out(record: Record, now: int, worker: str | None = None, *, expired: bool) -> Result:
    """The result of a job that ran, or waited, too long."""
    started = record.started_at if record.status is Status.IN_PROGRESS else None
    limit = record.policy.execution_timeout
    return Result(
        status=Status.TIMED_OUT,
        attempt=record.attempt,
        error="expired" if expired else f"the job ran longer than its execution timeout of {limit} ms",
        worker_id=worker,
        delay_time=(started or now) - record.submitted_at,
        execution_time=None if started is None else now - started,
    )


def cancelled(record: Record, now: int, worker: str | None = None) -> Result:
    """The result of a job that a client took back."""
    started = record.started_at if record.status is Status.IN_PROGRESS else None
    return Result(
        status=Status.CANCELLED,
        attempt=record.attempt,
        worker_id=worker,
        delay_time=(started or now) - record.submitted_at,
        execution_time=None if started is None else now - started,
    )
