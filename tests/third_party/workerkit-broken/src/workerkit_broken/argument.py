"""Asks a hook of the host for what only the worker has."""

from __future__ import annotations

from workerkit import Job, Result, hookimpl


class Argument:
    """Would be called with nothing to give it."""

    @hookimpl
    def post_job(self, job: Job, result: Result) -> None:
        """The host has no Job."""
