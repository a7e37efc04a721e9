"""Files that become objects: whole when they are closed, not at all when they are abandoned.

smart_open completes an upload when its writer is collected, closed or not. Here only an explicit
`close`, or the good end of a `with` block, does.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.refusals import explained
from workerkit_plugins.s3.transfer import MIB, Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)
Error = type[BaseException] | None
#: Bytes that gather before they are sent: what has fewer takes one request instead of three. Of larger
#: parts, an object may have more bytes (10,000 parts); of smaller ones, it takes less memory.
PART = 16 * MIB
#: What smart_open takes out of answers.
_NEEDED = {"create_multipart_upload": "UploadId", "upload_part": "ETag"}
#: What makes an object of what was written.
_PUBLISHING = ("complete_multipart_upload", "put_object")


class Upload(io.BufferedIOBase):
    """An object being written. `ended` is called once, when it is closed or abandoned."""

    def __init__(
        self,
        client: S3Client,
        config: S3Config,
        place: Place,
        kind: str | None,
        ended: Callable[[Upload], object],
    ) -> None:
        self._client = _Object(client, config)
        self._place = place
        self._extra = {} if kind is None else {"ContentType": kind}
        self._ended = ended
        self._first: io.BytesIO | None = io.BytesIO()
        self._writer: Any = None
        self._size = 0

    @property
    def closed(self) -> bool:
        """Whether it was closed or abandoned."""
        return self._first is None and self._writer is None

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """How many bytes were written."""
        return self._size

    def write(self, data: Any) -> int:
        """Add bytes; full parts are sent as they gather."""
        view = memoryview(data).cast("B")
        if self.closed:
            raise ValueError("this object is closed already")
        try:
            if self._first is not None and self._size + len(view) > PART:
                self._begin(self._first)
            cast(Any, self._writer or self._first).write(view)
        except BaseException:
            self.abandon()  # or a `close` would publish it with a gap
            raise
        self._size += len(view)
        return len(view)

    def close(self) -> None:
        """Send the rest and publish the object. When that fails, nothing is published."""
        first, writer = self._take()
        self._client.may_publish = True
        try:
            if first is not None:
                bucket, key = self._place
                self._client.put_object(Bucket=bucket, Key=key, Body=first.getvalue(), **self._extra)
            elif writer is not None:
                writer.close()
        except BaseException:
            self._stop(writer)
            self._client.abort()
            raise

    def abandon(self) -> None:
        """Give up; nothing is published."""
        self.give_up()
        self._client.abort()

    def give_up(self) -> None:
        """The same without a request: parts that were sent are there until the run ends."""
        self._client.may_send = False  # first: an interrupt may come at any time
        _, writer = self._take()
        self._stop(writer)

    def __exit__(self, kind: Error, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _begin(self, first: io.BytesIO) -> None:
        from smart_open import s3

        extra = {"S3.Client.create_multipart_upload": self._extra}
        options: Any = {"client": cast(Any, self._client), "client_kwargs": extra, "min_part_size": PART}
        self._writer = s3.open(*self._place, "wb", **options)
        self._first = None
        self._writer.write(first.getbuffer())

    def _stop(self, writer: Any) -> None:
        self._client.may_send = False
        if writer is not None:
            writer.terminate()

    def _take(self) -> tuple[io.BytesIO | None, Any]:
        taken = getattr(self, "_first", None), getattr(self, "_writer", None)
        self._first = self._writer = None
        if taken != (None, None):
            self._ended(self)
        return taken


class TextUpload(io.TextIOWrapper):
    """The same for text."""

    buffer: Any

    def __exit__(self, kind: Error, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.buffer.abandon()


class _Object:
    """A client for one object, whose failures are explained and final: smart_open tries some of them again.

    It also completes the upload of a writer that is collected, and one may be at any time, such as when
    an interrupt comes while it is made. So an object is published only while that is allowed.
    """

    def __init__(self, client: S3Client, config: S3Config) -> None:
        self._client = client
        self._config = config
        self._begun: dict[str, Any] | None = None
        self.may_send = True
        self.may_publish = False

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name)

    def abort_multipart_upload(self, **params: Any) -> None:
        """Only remembered, so that smart_open has forgotten its upload before anybody waits for an answer."""
        self._begun = params

    def abort(self) -> None:
        """Abort what smart_open has forgotten. Never raises; the end of the run tries again."""
        if self._begun is not None:
            try:
                self._client.abort_multipart_upload(**self._begun)
            except Exception as exc:
                log.warning("the upload of %r could not be aborted yet: %s", self._begun["Key"], exc)

    def _call(self, name: str, **params: Any) -> Any:
        if not self.may_send or (name in _PUBLISHING and not self.may_publish):
            raise ValueError(f"the object {params.get('Key')!r} was given up")
        with explained(self._config, params["Key"]):
            answer = getattr(self._client, name)(**params)
            if name in _NEEDED:
                _ = answer[_NEEDED[name]]
        return answer
