"""Looking into the queue's file, when no server runs; what changes something takes it over for a moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from workerkit.cli import offline
from workerkit.cli.looking import Filters
from workerkit.errors import WorkerkitError, suggest
from workerkit.host import outgoing
from workerkit.host.filters import check_endpoint, check_many, check_plugin, filter_of, no_job
from workerkit.host.following import page_of
from workerkit.host.status import body_of
from workerkit.queue import DeliveryFilter, DeliveryState
from workerkit.queue import View as JobView
from workerkit.queue.reading import Reader
from workerkit.settings import Settings
from workerkit.states import Status

#: Deliveries of one job that are shown with it.
MOST_OF_JOB = 1000


class FileView:
    """Reads the queue's file; no server runs."""

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings

    def jobs(
        self, endpoint: str | None, status: str | None, after: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; with `after` those behind that one."""
        wanted = None if status is None else Status(status)
        if endpoint is not None and endpoint not in (known := self._reader.endpoints()):
            raise WorkerkitError(f"the queue holds no function {endpoint!r}{suggest(endpoint, known)}")
        rows: list[dict[str, Any]] = msgspec.to_builtins(self._reader.jobs(endpoint, wanted, after, limit))
        return rows

    def job(self, id: str) -> dict[str, Any]:
        """One job with its deliveries."""
        view = self._check(id)
        return {
            "endpoint": view.endpoint,
            "attempt": view.attempt,
            "job": msgspec.json.decode(body_of(view, _now())),
            "deliveries": msgspec.to_builtins(
                self._reader.deliveries(DeliveryFilter(job=id), None, MOST_OF_JOB)
            ),
        }

    def logs(self, id: str, attempt: int | None, after: int, wait: int) -> dict[str, Any]:
        """What an attempt has printed behind a place. Nothing runs, so there is nothing to wait for."""
        found = page_of(self._check(id), attempt, after, None, self._reader.logs(id))
        return {**msgspec.to_builtins(found), "over": True}

    def cancel(self, id: str) -> dict[str, Any]:
        """End a job that has not ended; its webhook is sent by the next server."""
        self._check(id)
        answer = asyncio.run(offline.cancel(self._settings, id))
        wanted = DeliveryFilter(job=id, state=DeliveryState.PENDING)
        return {**answer, "deliveries": len(self._reader.deliveries(wanted, None, MOST_OF_JOB))}

    def retry(self, id: str) -> dict[str, Any]:
        """Put a FAILED or TIMED_OUT job back in the queue; the next server runs it."""
        self._check(id)
        return asyncio.run(offline.retry(self._settings, id))

    def deliveries(self, filters: Filters, after: int | None, limit: int) -> dict[str, Any]:
        """Deliveries, newest first; with `after` those behind that one. No receiver is let rest."""
        wanted = self._filter(filters)
        found = self._reader.deliveries(wanted, after, limit + 1)
        if not found:
            self._check_names(wanted)
        return dict(msgspec.to_builtins(outgoing.page_of(found, limit, {})))

    def delivery(self, id: str) -> dict[str, Any]:
        """One delivery with its tries and its body."""
        found = self._reader.delivery(id)
        if found is None:
            raise outgoing.unknown(id)
        return dict(msgspec.to_builtins(outgoing.shown(found)))

    def redeliver(self, ids: Sequence[str]) -> dict[str, str]:
        """Have the next server send deliveries again; by id, why one cannot be, or empty."""
        return asyncio.run(offline.redeliver(self._settings, ids))

    def redeliver_all(self, filters: Filters) -> int:
        """The same for all that the filters find; how many they were."""
        wanted = self._filter(filters)
        self._check_names(wanted)
        check_many(wanted)
        return asyncio.run(offline.redeliver_all(self._settings, wanted))

    def attempts(self, after: int | None, wait: int) -> dict[str, Any]:
        """Nothing is sent without a server, so there is nothing to watch."""
        raise WorkerkitError(
            f"no server has the queue {self._settings.queue.url} open, so nothing is being sent; start one with "
            "`workerkit serve`, or see what was sent with `workerkit deliveries list`"
        )

    def _filter(self, filters: Filters) -> DeliveryFilter:
        wanted = filter_of(filters, _now())
        if wanted.endpoint is not None:
            check_endpoint(wanted.endpoint, self._reader.endpoints())
        return wanted

    def _check_names(self, wanted: DeliveryFilter) -> None:
        """Refuse a plugin and a job of which there is nothing at all."""

        def nothing(chosen: DeliveryFilter) -> bool:
            return not self._reader.deliveries(chosen, None, 1)

        plugin, job = wanted.plugin, wanted.job
        if plugin is not None and nothing(DeliveryFilter(plugin=plugin)):
            check_plugin(plugin, offline.plugins(self._settings))
        if job is not None and self._reader.view(job) is None and nothing(DeliveryFilter(job=job)):
            raise no_job(job)

    def _check(self, id: str) -> JobView:
        view = self._reader.view(id)
        if view is None:
            queue = self._settings.queue.url
            raise WorkerkitError(
                f"there is no job {id!r} in {queue}; `workerkit jobs list` shows those there are"
            )
        return view


def _now() -> int:
    return time.time_ns() // 1_000_000
