"""Implements a hook that does not exist."""

from __future__ import annotations

from workerkit import Request, Result, hookimpl


class Misspelt:
    """Would never be called."""

    @hookimpl
    def post_jobs(self, request: Request, result: Result) -> None:
        """Misspelt."""
