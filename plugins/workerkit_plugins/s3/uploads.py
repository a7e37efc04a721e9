"""Multipart uploads that are open: none outlives its run or, when that is killed, the job's next run.

The parts of an upload that is neither completed nor aborted stay in the bucket, unseen and paid for.
boto3 tells of every upload that its client begins, whoever asked for it: `open`, `upload`, or the
handler with `client()`. What is open is noted in a folder of the job, where a run that is killed leaves it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs

from workerkit import WorkerkitError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)
OVER = "the bucket was closed when its job ended; nothing more is stored or read"
#: What a client may still do when its job is over.
_AFTERWARDS = ("AbortMultipartUpload", "ListMultipartUploads")
#: Seconds that the service's clock may be behind this one; S3 refuses requests when it is more.
_SKEW = 900
#: Where a call's parameters and its note are, in what boto3 passes from one of its events to the next.
_PARAMS, _NOTE = "workerkit.params", "workerkit.note"
#: Where nothing can be written.
_NOWHERE = Path(os.devnull)


@attrs.frozen
class Begun:
    """An upload that was asked for. Without an id, it is not known whether the service heard of it."""

    bucket: str
    key: str
    #: By this machine's clock, in seconds.
    at: float
    id: str = ""


def left_in(folder: Path) -> dict[Path, Begun]:
    """What earlier runs have left open, by the notes of it."""
    return {note: begun for note in sorted(folder.glob("*")) if (begun := _read(note))}


class OpenUploads:
    """The uploads of one client, noted in the job's own folder. Threads may share it."""

    def __init__(self, client: S3Client, folder: Callable[[], Path]) -> None:
        self._client = client
        self._folder = folder
        self._open: dict[Path, Begun] = {}
        self._lock = threading.Lock()
        self._over = False
        self._noted: Path | None = None
        events = client.meta.events
        events.register("provide-client-params.s3", _keep_params)
        events.register_first("before-call.s3", self._refuse_when_over)
        events.register("before-call.s3.CreateMultipartUpload", self._begin)
        events.register("after-call.s3.CreateMultipartUpload", self._begun)
        events.register("after-call.s3.CompleteMultipartUpload", self._ended)
        events.register("after-call.s3.AbortMultipartUpload", self._ended)

    def abort(self, uploads: Mapping[Path, Begun]) -> None:
        """Abort uploads. What cannot be aborted is logged, and stays noted for the next run. Never raises."""
        from botocore.exceptions import ClientError

        for note, begun in uploads.items():
            try:
                self._abort(begun)
                self._forget(note)
            except Exception as exc:
                log.warning("parts of an upload of %r stay in bucket %r: %s", begun.key, begun.bucket, exc)
                if not isinstance(exc, ClientError):
                    return  # nobody answers, and every try takes its time

    def close(self) -> None:
        """Let the client begin nothing more, and abort what is open. Never raises."""
        with self._lock:
            self._over = True
            left = dict(self._open)
        for begun in left.values():
            log.warning("an upload of %r to bucket %r was left open by its job", begun.key, begun.bucket)
        self.abort(left)
        if self._noted is not None:
            with contextlib.suppress(OSError):  # what could not be aborted is in it
                self._noted.rmdir()

    def _abort(self, begun: Begun) -> None:
        gone = self._client.exceptions.NoSuchUpload
        ids = [begun.id] if begun.id else []
        with contextlib.suppress(gone):  # what some services say for an empty list
            ids = ids or self._found(begun)
        for id in ids:
            with contextlib.suppress(gone):
                self._client.abort_multipart_upload(Bucket=begun.bucket, Key=begun.key, UploadId=id)

    def _found(self, begun: Begun) -> list[str]:
        """Ids of what is open under the key and not older; of another's upload to the same key too."""
        listing = self._client.get_paginator("list_multipart_uploads")
        pages = listing.paginate(Bucket=begun.bucket, Prefix=begun.key)
        found = [upload for page in pages for upload in page.get("Uploads", [])]
        since = begun.at - _SKEW
        return [u["UploadId"] for u in found if u["Key"] == begun.key and u["Initiated"].timestamp() >= since]

    def _refuse_when_over(self, model: Any, **event: Any) -> None:
        if self._over and model.name not in _AFTERWARDS:
            raise RuntimeError(OVER)

    def _begin(self, context: dict[str, Any], **event: Any) -> None:
        params = context[_PARAMS]
        begun = Begun(params["Bucket"], params["Key"], time.time())
        try:
            self._noted = self._folder()
        except (OSError, WorkerkitError) as exc:
            _unnoted(exc)
        note = context[_NOTE] = (self._noted or _NOWHERE) / uuid4().hex
        with self._lock:
            self._open[note] = begun
        _write(note, begun)

    def _begun(self, http_response: Any, parsed: Any, context: dict[str, Any], **event: Any) -> None:
        note = context[_NOTE]
        if http_response.status_code >= 300:
            self._forget(note)
            return
        with self._lock:
            begun = self._open[note] = attrs.evolve(self._open[note], id=parsed["UploadId"])
        _write(note, begun)
        if self._over:
            self.abort({note: begun})

    def _ended(self, http_response: Any, parsed: Any, context: dict[str, Any], **event: Any) -> None:
        if http_response.status_code < 300 or parsed.get("Error", {}).get("Code") == "NoSuchUpload":
            id = context[_PARAMS]["UploadId"]
            with self._lock:
                over = [note for note, begun in self._open.items() if begun.id == id]
            for note in over:
                self._forget(note)

    def _forget(self, note: Path) -> None:
        with self._lock:
            self._open.pop(note, None)
        with contextlib.suppress(OSError):
            note.unlink()


def _keep_params(params: dict[str, Any], context: dict[str, Any], **event: Any) -> None:
    context[_PARAMS] = params


def _read(note: Path) -> Begun | None:
    try:
        return Begun(**json.loads(note.read_bytes()))
    except ValueError:  # the run was killed while it wrote, before it asked for the upload
        return None


def _write(note: Path, begun: Begun) -> None:
    """Not synced: what is left behind by a dead process is meant, not by a dead machine."""
    try:
        note.parent.mkdir(exist_ok=True)
        whole = note.with_suffix(".new")
        whole.write_text(json.dumps(attrs.asdict(begun)))
        whole.replace(note)
    except OSError as exc:
        _unnoted(exc)


def _unnoted(error: Exception) -> None:
    """No reason to fail: the disk may be full, and the job saves what it has."""
    log.warning("an open upload cannot be noted, and would stay if this worker died: %s", error)
