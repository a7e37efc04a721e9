"""A bucket in a local folder, for every job, in the place of S3."""

from __future__ import annotations

from pathlib import Path

import attrs
from attrs.validators import min_len

from workerkit import Job, hookimpl
from workerkit_folder.bucket import FolderBucket

__all__ = ["Folder", "FolderBucket", "FolderSettings"]


@attrs.frozen(kw_only=True)
class FolderSettings:
    """`[plugin.s3]`, the section of the plugin that this one replaces."""

    #: Where objects are kept; made when it is missing.
    folder: str = attrs.field(default="bucket", validator=min_len(1))


class Folder:
    """Provides the bucket before a handler runs; what it left open is abandoned afterwards."""

    replaces = "s3"
    Settings = FolderSettings

    def __init__(self, settings: FolderSettings) -> None:
        self._root = Path(settings.folder).absolute()

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Every job has the bucket, without a field in its request."""
        job.provide(FolderBucket(self._root, f"{job.id}/{job.attempt}", lambda: job.directory))
