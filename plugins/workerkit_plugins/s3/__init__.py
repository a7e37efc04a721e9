"""S3-compatible storage: a request's `s3Config` becomes the handler's `Bucket`, and nothing else."""

from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

from workerkit import Field, Job, Output, Refused, Request, hookimpl
from workerkit_plugins.s3.bucket import S3Bucket
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config

FIELD = "s3Config"


class S3:
    """Provides a bucket in the worker, for the one job whose request carried its keys."""

    fields: ClassVar = {FIELD: Field(S3Config, secret=True)}

    def __init__(self) -> None:
        self._clients = Clients()

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Refuse a config that no client could use."""
        try:
            request.fields[FIELD].check()
        except ValueError as exc:
            raise Refused(f"s3Config.{exc}") from exc

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Provide the bucket; its client is made when it is first used."""
        config = job.fields.get(FIELD)
        if config is not None:
            job.provide(S3Bucket(config, f"{job.id}/{job.attempt}", self._clients.connect))

    @hookimpl(wrapper=True)
    def run_job(self, job: Job) -> Generator[None, Output, Output]:
        """Abandon, at the end of the run, what the handler left open: half an object is never published."""
        try:
            return (yield)
        finally:
            if FIELD in job.fields:
                job.use(S3Bucket).close()
