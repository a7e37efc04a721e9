"""Runs of a handler with a bucket, as the runner does them: between the hooks of the plugin `s3`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from workerkit import Bucket, Job, Output, Secret
from workerkit.bridge import Bridge
from workerkit.guard import Guard
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.settings import S3Settings

Handler = Callable[[Bucket], object]


def typed(config: Mapping[str, str]) -> S3Config:
    """An `s3Config` as the core gives it to the plugin."""
    return msgspec.convert(config, S3Config, dec_hook=lambda kind, value: Secret(value))


class Runs:
    """A worker that runs jobs with one config, each under an id of its own unless one is given.

    `scratch` holds the folders of jobs; without it, each run has a temporary one.
    """

    def __init__(
        self, config: Mapping[str, str], scratch: Path | None = None, guard: Guard | None = None
    ) -> None:
        self.config = config
        #: What was shown as progress.
        self.shown: list[Any] = []
        #: URLs that may leave the job.
        self.exempt: list[str] = []
        self.job: Job | None = None
        self._scratch = scratch
        self._plugin = S3(S3Settings(), guard or Guard(loopback=True))

    def run(self, handler: Handler, *, id: str = "job-1", attempt: int = 1) -> Any:
        """What the handler returned; raises what it raised."""
        loaded = LoadedPlugin(name="s3", plugin=self._plugin, fields=self._plugin.fields)
        bridge = Bridge()
        hooks = Hooks([loaded], bridge)
        self.job = job = Job(
            id=id,
            endpoint="e",
            input={},
            attempt=attempt,
            fields={"s3Config": typed(self.config)},
            raw_fields={"s3Config": self.config},
            send_progress=self.shown.append,
            send_exempt=self.exempt.append,
            scratch=self._scratch,
        )
        try:
            hooks.pre_job(job)
            return hooks.run_job(job, lambda: Output(handler(job.use(Bucket)))).value
        finally:
            job.close()
            bridge.close()


def run(config: Mapping[str, str], handler: Handler, **more: Any) -> Any:
    """One run of a handler."""
    return Runs(config).run(handler, **more)
