"""The bucket of one job: its own client, its own keys, and nothing of the worker's."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from workerkit import Bucket
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.files import TextUpload, Upload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)
MODES = ("r", "rb", "w", "wb")


class S3Bucket(Bucket):
    """Opened by a request's `s3Config`. Threads of the job may share it.

    `prefix` begins the keys of objects that are given none; `connect` is called at first use.
    """

    def __init__(self, config: S3Config, prefix: str, connect: Callable[[S3Config], S3Client]) -> None:
        self.name = config.bucketName
        self._config = config
        self._connect = connect
        self._prefix = "/".join(part for part in (config.objectPath.strip("/"), prefix) if part)
        self._lock = threading.Lock()
        self._connected: S3Client | None = None
        self._taken: set[str] = set()
        # With the file that the handler holds: a text file that is collected would publish itself.
        self._uploads: dict[Upload, object] = {}
        self._readers: list[io.BufferedIOBase] = []

    def open(self, key: str, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open an object as a file; see `Bucket.open`."""
        from smart_open import s3

        if mode not in MODES:
            raise ValueError(f"an object cannot be opened in mode {mode!r}; use one of {', '.join(MODES)}")
        text = None if mode.endswith("b") else encoding or "utf-8"
        binary = s3.open(self.name, key, f"{mode[0]}b", client=self._client)
        if mode[0] == "r":
            self._readers.append(binary)
            return cast(IO[Any], io.TextIOWrapper(binary, encoding=text) if text else binary)
        upload = Upload(binary, ended=self._uploads.pop)
        self._uploads[upload] = TextUpload(cast(Any, upload), encoding=text) if text else upload
        return cast(IO[Any], self._uploads[upload])

    def upload(self, source: str | PathLike[str] | bytes | IO[bytes], key: str | None = None) -> str:
        """Store a file or bytes and return the object's URL; see `Bucket.upload`."""
        if isinstance(source, bytes):
            key = key or self._own_key("object")
            self._client.put_object(Bucket=self.name, Key=key, Body=source)
        elif isinstance(source, (str, PathLike)):
            key = key or self._own_key(Path(source).name)
            self._client.upload_file(os.fspath(source), self.name, key)
        else:
            name = getattr(source, "name", None)
            key = key or self._own_key(Path(name).name if isinstance(name, str) else "object")
            # boto3 closes what it is given; the file is the caller's.
            self._client.upload_fileobj(cast(Any, _Unclosed(source)), self.name, key)
        return self._url(key)

    def close(self) -> None:
        """Abandon what was not closed, and disconnect. Never raises."""
        for upload in list(self._uploads):
            log.warning("an object in bucket %r was left open by its job; it is not stored", self.name)
            self._quietly(upload.abandon)
        for reader in self._readers:
            self._quietly(reader.close)
        if self._connected is not None:
            self._quietly(self._connected.close)

    def _own_key(self, name: str) -> str:
        """A key that no other upload of this run has, and no other run."""
        with self._lock:
            free = name
            while free in self._taken:
                free = f"{len(self._taken)}-{name}"
            self._taken.add(free)
        return f"{self._prefix}/{free}"

    def _url(self, key: str) -> str:
        """Where the object is: as the client addresses it, without a signature."""
        signed = self._client.generate_presigned_url("get_object", Params={"Bucket": self.name, "Key": key})
        return signed.partition("?")[0]

    def _quietly(self, act: Any) -> None:
        try:
            act()
        except Exception as exc:
            log.warning("closing bucket %r: %s: %s", self.name, type(exc).__name__, exc)

    @property
    def _client(self) -> S3Client:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect(self._config)
            return self._connected


class _Unclosed:
    """A file without its `close`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)
