"""A plugin for the place of each built-in one. The toolkit knows them by the name of the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import attrs
import urllib3

from workerkit import Bucket, Delivery, Field, Receipt, hookimpl


class Chat:
    """For `webhook`: the URL in a request gets a line of text, as chat services take it."""

    fields: ClassVar = {"webhook": Field(str)}

    @hookimpl(inline=True)
    def post_job(self, request, result):
        """Only decide: the delivery is stored in the transaction that ends the job."""
        url = request.fields.get("webhook")
        if url is None:
            return None
        text = {"text": f"{request.endpoint} {result.status.value}"}
        return Delivery(target=url, body=json.dumps(text).encode(), attempts=3)

    @hookimpl
    def deliver(self, delivery):
        """Act; an exception is a try that failed."""
        kind = {"Content-Type": "application/json"}
        answer = urllib3.request(
            "POST", delivery.target, body=delivery.body, headers=kind, retries=False, timeout=10
        )
        return Receipt.delivered() if answer.status == 200 else Receipt.retry(f"answered {answer.status}")


class EveryJob:
    """For `refresh`: each job has a process of its own, whatever its handler says."""

    @hookimpl
    def pre_job(self, job):
        """Before the handler runs, so that a job that fails counts too."""
        job.refresh_worker("every job has a fresh worker")

    @hookimpl
    def on_output(self, output):
        """Take the flag out all the same: handlers need not know which plugin is there."""
        if isinstance(output.value, dict):
            output.value = {name: value for name, value in output.value.items() if name != "refresh_worker"}


@attrs.frozen
class FilesSettings:
    """`[plugin.s3]`: a plugin has the section of its place."""

    folder: str = "bucket"


class Files:
    """For `s3`: every job's `Bucket` is a folder, without a word about it in the request."""

    Settings = FilesSettings

    def __init__(self, settings: FilesSettings) -> None:
        self._root = Path(settings.folder).resolve()

    @hookimpl
    def pre_job(self, job):
        """Handlers that ask for a `Bucket` find what was provided by its type."""
        job.provide(FolderBucket(self._root))


class FolderBucket(Bucket):
    """The least of a bucket: a file is there from its first byte on, and `upload` is missing."""

    def __init__(self, root):
        self.name = root.name
        self._root = root

    def open(self, key, mode="rb", *, encoding=None):
        """Open a file; its key must not lead out of the folder."""
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root):
            raise ValueError(f"the key {key!r} leads out of the bucket")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode, encoding=encoding)
