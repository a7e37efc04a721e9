"""Where `jobs` and `deliveries` look: at the running server, or into the queue's file when none runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from workerkit.errors import WorkerkitError, suggest

if TYPE_CHECKING:
    from workerkit.queue import View as JobView
    from workerkit.queue.reading import Reader
    from workerkit.settings import Settings

TIMEOUT = 30.0


class ServerGone(WorkerkitError):
    """The server that was asked is not there, or is about to go."""


class View(Protocol):
    """What the commands ask; answers are those of the operators' routes."""

    def jobs(
        self, endpoint: str | None, status: str | None, after: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; with `after` those behind that one."""
        ...

    def job(self, id: str) -> dict[str, Any]:
        """One job with its deliveries."""
        ...

    def logs(self, id: str, attempt: int | None, after: int, wait: int) -> dict[str, Any]:
        """What an attempt has printed behind a place; waits up to so many seconds for more."""
        ...

    def cancel(self, id: str) -> dict[str, Any]:
        """End a job that has not ended."""
        ...

    def retry(self, id: str) -> dict[str, Any]:
        """Put a FAILED or TIMED_OUT job back in the queue."""
        ...

    def deliveries(self, state: str | None, job: str | None, limit: int) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        ...

    def redeliver(self, id: str) -> dict[str, Any]:
        """Send a delivery again, with one attempt more."""
        ...


@contextmanager
def looking(settings: Settings) -> Iterator[View]:
    """The server that owns the queue, else the file."""
    from workerkit.opening import reader_of, server_of

    server = server_of(settings.queue)
    if server is not None:
        yield ServerView(*server)
        return
    reader = reader_of(settings.queue)
    try:
        yield FileView(reader, settings)
    finally:
        reader.close()


class ServerView:
    """Asks the running server, with the token that it wrote beside the queue's file."""

    def __init__(self, url: str, token: str) -> None:
        import urllib3

        self._url = url
        self._http = urllib3.PoolManager(
            retries=False, timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}
        )

    def jobs(
        self, endpoint: str | None, status: str | None, after: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; with `after` those behind that one."""
        rows: list[dict[str, Any]] = self._call(
            "GET", "/jobs", endpoint=endpoint, status=status, after=after, limit=limit
        )["jobs"]
        return rows

    def job(self, id: str) -> dict[str, Any]:
        """One job with its deliveries."""
        return self._call("GET", f"/jobs/{quote(id, safe='')}")

    def logs(self, id: str, attempt: int | None, after: int, wait: int) -> dict[str, Any]:
        """What an attempt has printed behind a place; waits up to so many seconds for more."""
        path = f"/jobs/{quote(id, safe='')}/logs"
        return self._call("GET", path, attempt=attempt, after=after, wait=wait)

    def cancel(self, id: str) -> dict[str, Any]:
        """End a job that has not ended."""
        return self._call("POST", f"/jobs/{quote(id, safe='')}/cancel")

    def retry(self, id: str) -> dict[str, Any]:
        """Put a FAILED or TIMED_OUT job back in the queue."""
        return self._call("POST", f"/v2/{self.job(id)['endpoint']}/retry/{quote(id, safe='')}")

    def deliveries(self, state: str | None, job: str | None, limit: int) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        rows: list[dict[str, Any]] = self._call("GET", "/deliveries", state=state, job=job, limit=limit)[
            "deliveries"
        ]
        return rows

    def redeliver(self, id: str) -> dict[str, Any]:
        """Send a delivery again, with one attempt more."""
        return self._call("POST", f"/deliveries/{quote(id, safe='')}/redeliver")

    def _call(self, method: str, path: str, **query: Any) -> dict[str, Any]:
        import urllib3

        fields = {name: str(value) for name, value in query.items() if value is not None}
        try:
            answer = self._http.request_encode_url(method, self._url + path, fields=fields)
            body: dict[str, Any] = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ServerGone(f"the server at {self._url} does not answer: {error}") from error
        if body.get("code") == "stopping":
            raise ServerGone(str(body["error"]))
        if answer.status != 200:
            raise WorkerkitError(str(body.get("error", body)))
        return body


class FileView:
    """Reads the queue's file; no server runs."""

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings

    def jobs(
        self, endpoint: str | None, status: str | None, after: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; with `after` those behind that one."""
        import msgspec

        from workerkit.job import Status

        wanted = None if status is None else Status(status)
        if endpoint is not None and endpoint not in (known := self._reader.endpoints()):
            raise WorkerkitError(f"the queue holds no function {endpoint!r}{suggest(endpoint, known)}")
        rows: list[dict[str, Any]] = msgspec.to_builtins(self._reader.jobs(endpoint, wanted, after, limit))
        return rows

    def job(self, id: str) -> dict[str, Any]:
        """One job with its deliveries."""
        import time

        import msgspec

        from workerkit.host.status import body_of

        view = self._check(id)
        return {
            "endpoint": view.endpoint,
            "attempt": view.attempt,
            "job": msgspec.json.decode(body_of(view, time.time_ns() // 1_000_000)),
            "deliveries": self.deliveries(None, id, 1000),
        }

    def logs(self, id: str, attempt: int | None, after: int, wait: int) -> dict[str, Any]:
        """What an attempt has printed behind a place. Nothing runs, so there is nothing to wait for."""
        import msgspec

        from workerkit.host.following import page_of

        found = page_of(self._check(id), attempt, after, None, self._reader.logs(id))
        return {**msgspec.to_builtins(found), "over": True}

    def cancel(self, id: str) -> dict[str, Any]:
        """End a job that has not ended; its webhook is sent by the next server."""
        import asyncio

        from workerkit.cli.offline import cancel

        self._check(id)
        answer = asyncio.run(cancel(self._settings, id))
        return {**answer, "deliveries": len(self.deliveries("pending", id, 1000))}

    def retry(self, id: str) -> dict[str, Any]:
        """Put a FAILED or TIMED_OUT job back in the queue; the next server runs it."""
        import asyncio

        from workerkit.cli.offline import retry

        self._check(id)
        return asyncio.run(retry(self._settings, id))

    def deliveries(self, state: str | None, job: str | None, limit: int) -> list[dict[str, Any]]:
        """Deliveries, newest first."""
        import msgspec

        from workerkit.queue import DeliveryState

        wanted = None if state is None else DeliveryState(state)
        rows: list[dict[str, Any]] = msgspec.to_builtins(self._reader.deliveries(wanted, job, limit))
        return rows

    def redeliver(self, id: str) -> dict[str, Any]:
        """Have the next server send a delivery again, with one attempt more."""
        import asyncio

        from workerkit.cli.offline import redeliver

        return asyncio.run(redeliver(self._settings, id))

    def _check(self, id: str) -> JobView:
        view = self._reader.view(id)
        if view is None:
            queue = self._settings.queue.url
            raise WorkerkitError(
                f"there is no job {id!r} in {queue}; `workerkit jobs list` shows those there are"
            )
        return view
