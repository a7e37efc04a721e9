"""Imports what nobody has installed."""

from __future__ import annotations

import carrier_pigeon  # type: ignore[import-not-found]  # this is what is broken

from workerkit import Request, Result, hookimpl


class Missing:
    """Would send a pigeon."""

    @hookimpl
    def post_job(self, request: Request, result: Result) -> None:
        """Send it."""
        carrier_pigeon.send(request.id, result.status)
