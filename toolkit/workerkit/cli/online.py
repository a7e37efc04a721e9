"""Asking the running server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import urllib3

from workerkit.cli.looking import Filters, ServerGone
from workerkit.errors import WorkerkitError

TIMEOUT = 30.0
#: A redelivery of many may look at every delivery there is.
LONG_TIMEOUT = 600.0


class ServerView:
    """Asks the running server, with the token that it wrote beside the queue's file."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._http = urllib3.PoolManager(
            retries=False, timeout=TIMEOUT, headers={"Authorization": f"Bearer {token}"}
        )

    def close(self) -> None:
        """Close the connection."""
        self._http.clear()

    def jobs(
        self, endpoint: str | None, status: str | None, after: int | None, limit: int
    ) -> list[dict[str, Any]]:
        """Jobs, newest first; with `after` those behind that one."""
        rows: list[dict[str, Any]] = self._get(
            "/jobs", endpoint=endpoint, status=status, after=after, limit=limit
        )["jobs"]
        return rows

    def job(self, id: str) -> dict[str, Any]:
        """One job with its deliveries."""
        return self._get(f"/jobs/{quote(id, safe='')}")

    def logs(self, id: str, attempt: int | None, after: int, wait: int) -> dict[str, Any]:
        """What an attempt has printed behind a place; waits up to so many seconds for more."""
        return self._get(f"/jobs/{quote(id, safe='')}/logs", attempt=attempt, after=after, wait=wait)

    def cancel(self, id: str) -> dict[str, Any]:
        """End a job that has not ended."""
        return self._post(f"/jobs/{quote(id, safe='')}/cancel")

    def retry(self, id: str) -> dict[str, Any]:
        """Put a FAILED or TIMED_OUT job back in the queue."""
        return self._post(f"/v2/{self.job(id)['endpoint']}/retry/{quote(id, safe='')}")

    def deliveries(self, filters: Filters, after: int | None, limit: int) -> dict[str, Any]:
        """Deliveries, newest first; with `after` those behind that one; and receivers that are let rest."""
        return self._get("/deliveries", **filters, after=after, limit=limit)

    def delivery(self, id: str) -> dict[str, Any]:
        """One delivery with its tries and its body."""
        return self._get(f"/deliveries/{quote(id, safe='')}")

    def redeliver(self, ids: Sequence[str]) -> dict[str, str]:
        """Send deliveries again, with one attempt more; by id, why one cannot be, or empty."""
        return {id: self._refusal(f"/deliveries/{quote(id, safe='')}/redeliver") for id in ids}

    def redeliver_all(self, filters: Filters) -> int:
        """The same for all that the filters find; how many they were."""
        count: int = self._post("/deliveries/redeliver", filters, timeout=LONG_TIMEOUT)["redelivered"]
        return count

    def attempts(self, after: int | None, wait: int) -> dict[str, Any]:
        """Tries as they are made, behind a place or from now on; waits up to so many seconds for more."""
        return self._get("/deliveries/attempts", after=after, wait=wait)

    def _get(self, path: str, **query: Any) -> dict[str, Any]:
        fields = {name: str(value) for name, value in query.items() if value is not None}
        return self._body(*self._ask("GET", path, fields=fields))

    def _post(self, path: str, body: Any = None, timeout: float = TIMEOUT) -> dict[str, Any]:
        data = None if body is None else json.dumps(body)
        return self._body(*self._ask("POST", path, body=data, timeout=timeout))

    def _refusal(self, path: str) -> str:
        """Why the server does not do it; empty when it has."""
        status, answer = self._ask("POST", path)
        return "" if status == 200 else _sentence(answer)

    def _ask(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        try:
            answer = self._http.request(method, self._url + path, **more)
            body: dict[str, Any] = answer.json()
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ServerGone(f"the server at {self._url} does not answer: {error}") from error
        if body.get("code") == "stopping":
            raise ServerGone(_sentence(body))
        return answer.status, body

    @staticmethod
    def _body(status: int, answer: dict[str, Any]) -> dict[str, Any]:
        if status != 200:
            raise WorkerkitError(_sentence(answer))
        return answer


def _sentence(answer: dict[str, Any]) -> str:
    return str(answer.get("error", answer))
