"""S3-compatible storage: a request's `s3Config`, or the operator's `bucket`, becomes the handler's `Bucket`."""

from __future__ import annotations

from typing import ClassVar

from workerkit import Field, Job, Refused, Request, hookimpl
from workerkit.guard import Blocked, Guard
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.settings import S3Settings

FIELD = "s3Config"


class S3:
    """Provides a bucket in the worker, for the one job whose request carried its keys or all others."""

    Settings = S3Settings
    fields: ClassVar = {FIELD: Field(S3Config, secret=True)}

    def __init__(self, settings: S3Settings, guard: Guard) -> None:
        self._default = settings.bucket
        self._guard = guard
        # Guarded is what requests name, not what the operator does.
        self._anywhere = Guard(["0.0.0.0/0", "::/0"])
        self._clients = Clients()

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Refuse a config that no client could use. What a name stands for is looked up by the worker."""
        config: S3Config = request.fields[FIELD]
        try:
            config.check()
            self._guard.precheck(config.endpoint.url)
        except Blocked as exc:
            raise Refused(f"{FIELD}.endpointUrl: {exc}") from exc
        except ValueError as exc:
            raise Refused(f"{FIELD}.{exc}") from exc

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Provide the bucket; its client is made when it is first used, or to tidy up after an earlier run."""
        of_request = FIELD in job.fields
        config, guard = (job.fields[FIELD], self._guard) if of_request else (self._default, self._anywhere)
        if config is None:
            return
        from workerkit_plugins.s3.bucket import S3Bucket  # here: most jobs have none

        bucket = S3Bucket(job, config, self._clients, guard, of_request=of_request)
        if job.attempt > 1:
            bucket.tidy()
        job.provide(bucket)
