"""Fine in itself; its entry point has the name of a built-in."""

from __future__ import annotations

from workerkit import Request, Result, hookimpl


class Webhook:
    """Would be a second `webhook`."""

    @hookimpl
    def post_job(self, request: Request, result: Result) -> None:
        """Do nothing."""
