"""What runs ask of whoever keeps the workers that they are given to."""

from __future__ import annotations

from typing import Protocol

from workerkit.host.worker import Worker


class Employer(Protocol):
    """The pool, as far as runs go."""

    def replace(self, worker: Worker, reason: str) -> None:
        """Have another take over from it. It takes nothing new, and goes once its jobs are over."""

    def settled(self, worker: Worker) -> None:
        """The end of one of its runs is stored."""

    def needs_fresh(self) -> None:
        """Claimed jobs wait for workers in which no job has run; asked again while they do."""
