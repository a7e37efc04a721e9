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
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
from attrs.validators import instance_of

from workerkit import WorkerkitError
from workerkit_plugins.s3.life import Life

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)
#: What a client may still do when its job is over.
_AFTERWARDS = ("AbortMultipartUpload", "ListMultipartUploads")
#: Seconds that the service's clock may be behind this one; S3 refuses requests when it is more.
_SKEW = 900
#: Seconds that all aborts of a run's end may take, and its wait for what was asked for and has no answer yet.
ABORTED_WITHIN, ASKED_WITHIN, AGAIN = 5.0, 2.0, 0.25
#: Aborts at a time.
_THREADS = 8
#: Where a call's parameters and its note are, in what boto3 passes from one of its events to the next.
_PARAMS, _NOTE = "workerkit.params", "workerkit.note"
#: Where nothing can be written.
_NOWHERE = Path(os.devnull)


@attrs.frozen
class Begun:
    """An upload that was asked for. Without an id, it is not known whether the service heard of it."""

    bucket: str = attrs.field(validator=instance_of(str))
    key: str = attrs.field(validator=instance_of(str))
    #: By this machine's clock, in seconds.
    at: float = attrs.field(validator=instance_of((int, float)))
    id: str = attrs.field(default="", validator=instance_of(str))


def left_in(folder: Path) -> dict[Path, Begun]:
    """What earlier runs have left open, by the notes of it. Notes that say nothing are left out."""
    return {note: begun for note in sorted(folder.glob("*")) if (begun := _read(note))}


class OpenUploads:
    """The uploads of one client, noted in the job's own folder. Threads may share it."""

    def __init__(self, client: S3Client, life: Life, folder: Callable[[], Path]) -> None:
        self._client: Any = client
        self._life = life
        self._folder = folder
        self._open: dict[Path, Begun] = {}
        self._answered = threading.Condition()
        self._noted: Path | None = None
        self.watch(client.meta.events)

    def watch(self, events: Any) -> None:
        """Have an emitter of boto3's events, or of aiobotocore's, tell of the uploads of its clients."""
        events.register("provide-client-params.s3", _keep_params)
        events.register_first("before-call.s3", self._refuse_when_over)
        events.register("before-call.s3.CreateMultipartUpload", self._begin)
        events.register("after-call.s3.CreateMultipartUpload", self._begun)
        events.register("after-call.s3.CompleteMultipartUpload", self._ended)
        events.register("after-call.s3.AbortMultipartUpload", self._ended)

    def abort(self, uploads: Mapping[Path, Begun]) -> None:
        """Abort uploads. What cannot be aborted is logged, and stays noted for the next run. Never raises."""
        end, silent = time.monotonic() + ABORTED_WITHIN, threading.Event()

        def abort(note: Path, begun: Begun) -> None:
            if not silent.is_set() and time.monotonic() < end:
                self._abort_noted(note, begun, silent)

        with ThreadPoolExecutor(_THREADS, "workerkit-s3-abort") as pool:
            for each in uploads.items():
                pool.submit(abort, *each)

    def close(self) -> None:
        """When the life is over: abort what is open, within `ABORTED_WITHIN` seconds. Never raises."""
        with self._answered:
            left = dict(self._open)
        if left:
            self._client.end_within(ABORTED_WITHIN)
            for begun in left.values():
                log.warning("an upload of %r to bucket %r was left open by its job", begun.key, begun.bucket)
            self.abort(left)
            self._abort_what_was_asked_for()
        if self._noted is not None:
            with contextlib.suppress(OSError):  # what could not be aborted is in it
                self._noted.rmdir()

    def _abort_what_was_asked_for(self) -> None:
        """A service may begin an upload after nobody waits for its answer any more."""
        end = time.monotonic() + ASKED_WITHIN
        while (left := end - time.monotonic()) > 0:
            with self._answered:
                asked = {note: begun for note, begun in self._open.items() if not begun.id}
                if not asked:
                    return
                self._answered.wait(min(AGAIN, left))
            self.abort(asked)

    def _abort_noted(self, note: Path, begun: Begun, silent: threading.Event) -> None:
        from botocore.exceptions import ClientError

        try:
            if self._abort(begun) or note not in self._open:
                self._forget(note)
        except Exception as exc:
            log.warning("parts of an upload of %r stay in bucket %r: %s", begun.key, begun.bucket, exc)
            if not isinstance(exc, ClientError):
                silent.set()  # nobody answers, and every try takes its time

    def _abort(self, begun: Begun) -> bool:
        """Whether there was something to abort."""
        gone = self._client.exceptions.NoSuchUpload
        ids = [begun.id] if begun.id else []
        with contextlib.suppress(gone):  # what some services say for an empty list
            ids = ids or self._found(begun)
        for id in ids:
            with contextlib.suppress(gone):
                self._client.abort_multipart_upload(Bucket=begun.bucket, Key=begun.key, UploadId=id)
        return bool(ids)

    def _found(self, begun: Begun) -> list[str]:
        """Ids of what is open under the key and not older; of another's upload to the same key too."""
        listing = self._client.get_paginator("list_multipart_uploads")
        pages = listing.paginate(Bucket=begun.bucket, Prefix=begun.key)
        found = [upload for page in pages for upload in page.get("Uploads", [])]
        since = begun.at - _SKEW
        return [u["UploadId"] for u in found if u["Key"] == begun.key and u["Initiated"].timestamp() >= since]

    def _refuse_when_over(self, model: Any, **event: Any) -> None:
        self._life.check(may_be_over=model.name in _AFTERWARDS)

    def _begin(self, context: dict[str, Any], **event: Any) -> None:
        params = context[_PARAMS]
        begun = Begun(params["Bucket"], params["Key"], time.time())
        try:
            self._noted = self._folder()
        except (OSError, WorkerkitError) as exc:
            _unnoted(exc)
        note = context[_NOTE] = (self._noted or _NOWHERE) / uuid4().hex
        with self._answered:
            self._open[note] = begun
        _write(note, begun)

    def _begun(self, http_response: Any, parsed: Any, context: dict[str, Any], **event: Any) -> None:
        note = context[_NOTE]
        if http_response.status_code >= 300:
            self._forget(note)
            return
        params = context[_PARAMS]
        begun = Begun(params["Bucket"], params["Key"], time.time(), parsed["UploadId"])
        with self._answered:
            self._open[note] = begun
            self._answered.notify_all()
        _write(note, begun)
        if self._life.is_over:
            self.abort({note: begun})

    def _ended(self, http_response: Any, parsed: Any, context: dict[str, Any], **event: Any) -> None:
        if http_response.status_code < 300 or parsed.get("Error", {}).get("Code") == "NoSuchUpload":
            id = context[_PARAMS]["UploadId"]
            with self._answered:
                over = [note for note, begun in self._open.items() if begun.id == id]
            for note in over:
                self._forget(note)

    def _forget(self, note: Path) -> None:
        with self._answered:
            self._open.pop(note, None)
            self._answered.notify_all()
        with contextlib.suppress(OSError):
            note.unlink()


def _keep_params(params: dict[str, Any], context: dict[str, Any], **event: Any) -> None:
    context[_PARAMS] = params


def _read(note: Path) -> Begun | None:
    try:
        return Begun(**json.loads(note.read_bytes()))
    except (OSError, TypeError, ValueError):  # the run was killed while it wrote, or a handler wrote here
        return None


def _write(note: Path, begun: Begun) -> None:
    """Not synced: what is left behind by a dead process is meant, not by a dead machine."""
    whole = note.with_suffix(".new")
    try:
        note.parent.mkdir(exist_ok=True)
        whole.write_text(json.dumps(attrs.asdict(begun)))
        whole.replace(note)
    except OSError as exc:
        _unnoted(exc)
        with contextlib.suppress(OSError):
            whole.unlink(missing_ok=True)


def _unnoted(error: Exception) -> None:
    """No reason to fail: the disk may be full, and the job saves what it has."""
    log.warning("an open upload cannot be noted, and would stay if this worker died: %s", error)
