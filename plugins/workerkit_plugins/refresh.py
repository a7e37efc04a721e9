"""Worker refresh: a handler, or the settings, have the worker replaced once its job's result is stored."""

from __future__ import annotations

import itertools

import attrs
from attrs.validators import ge, optional

from workerkit import Job, Output, hookimpl

FLAG = "refresh_worker"


@attrs.frozen(kw_only=True)
class RefreshSettings:
    """`[plugin.refresh]`: when to refresh without being asked."""

    #: After every job.
    always: bool = False
    #: After this many jobs of one worker.
    max_jobs: int | None = attrs.field(default=None, validator=optional(ge(1)))


class Refresh:
    """Takes `refresh_worker` out of what a handler returns or yields, and honours it when true."""

    Settings = RefreshSettings

    def __init__(self, settings: RefreshSettings) -> None:
        self._settings = settings
        self._jobs = itertools.count(1)

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Count the job, and refresh after it where the settings say so.

        It is asked for before the handler runs, so that a failed job counts too.
        """
        limit = self._settings.max_jobs
        if self._settings.always:
            job.refresh_worker("the settings say always")
        elif limit is not None and next(self._jobs) >= limit:
            job.refresh_worker(f"this worker has run {limit} jobs")

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """Take the flag out of a copy; the handler may keep and reuse its dict."""
        value = output.value
        if isinstance(value, dict) and FLAG in value:
            output.value = {name: inner for name, inner in value.items() if name != FLAG}
            if value[FLAG]:
                job.refresh_worker("asked by the handler")
