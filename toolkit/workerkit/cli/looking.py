"""Where `jobs` and `deliveries` look: at the running server, or into the queue's file when none runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from workerkit.errors import WorkerkitError

if TYPE_CHECKING:
    from workerkit.settings import Settings

Filters = Mapping[str, Any]


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

    def deliveries(self, filters: Filters, after: int | None, limit: int) -> dict[str, Any]:
        """Deliveries, newest first; with `after` those behind that one; and receivers that are let rest."""
        ...

    def delivery(self, id: str) -> dict[str, Any]:
        """One delivery with its tries and its body."""
        ...

    def redeliver(self, ids: Sequence[str]) -> dict[str, str]:
        """Send deliveries again, with one attempt more; by id, why one cannot be, or empty."""
        ...

    def redeliver_all(self, filters: Filters) -> int:
        """The same for all that the filters find; how many they were."""
        ...

    def attempts(self, after: int | None, wait: int) -> dict[str, Any]:
        """Tries as they are made, behind a place or from now on; waits up to so many seconds for more."""
        ...


@contextmanager
def looking(settings: Settings) -> Iterator[View]:
    """The server that owns the queue, else the file."""
    from workerkit.opening import reader_of, server_of

    server = server_of(settings.queue)
    if server is not None:
        from workerkit.cli.online import ServerView

        with closing(ServerView(*server)) as view:
            yield view
        return
    from workerkit.cli.onfile import FileView

    with closing(reader_of(settings.queue)) as reader:
        yield FileView(reader, settings)
