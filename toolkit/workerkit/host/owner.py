"""Who hears of a worker, and of the runs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workerkit.host.worker import Worker
    from workerkit.wire import Descriptor, JobEnd, News, Refresh, Resize, Untouched


class Owner:
    """Who hears of a worker. What it does not care for is nothing to it."""

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """It has imported the target, which holds these functions."""

    def on_ready(self, worker: Worker) -> None:
        """Its slots are open."""

    def on_refresh(self, worker: Worker, frame: Refresh) -> None:
        """It asks to be replaced when it is its turn."""

    def on_resize(self, worker: Worker, frame: Resize) -> None:
        """It has another number of slots from now on."""

    def on_death(self, worker: Worker) -> None:
        """The process is gone, and nothing more will come from it."""


class Listener(Protocol):
    """Who hears of the runs in a worker, once it serves a function."""

    def on_news(self, frame: News) -> None:
        """A run says something before its end."""

    def on_end(self, worker: Worker, frame: JobEnd) -> None:
        """A run is over, and its slot is free."""

    def on_untouched(self, worker: Worker, frame: Untouched) -> None:
        """Runs have not begun, and will not."""

    def heard(self) -> None:
        """All that a worker said at one go has been told."""
