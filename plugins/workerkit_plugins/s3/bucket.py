"""The bucket of one job: its own client, its own keys, and nothing of the worker's."""

from __future__ import annotations

import codecs
import io
import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote
from weakref import WeakSet

from workerkit import Bucket, Job, StoredObject, content_type_of
from workerkit.guard import Guard
from workerkit_plugins.s3 import elsewhere
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.keys import RunKeys, checked, named, path_in
from workerkit_plugins.s3.life import Life
from workerkit_plugins.s3.meter import Meter, Progress
from workerkit_plugins.s3.reading import reader
from workerkit_plugins.s3.refusals import explained
from workerkit_plugins.s3.together import Check, alone, checking, together
from workerkit_plugins.s3.transfer import THREADS, Place, Sending, Source, fetch
from workerkit_plugins.s3.uploads import OpenUploads, left_in
from workerkit_plugins.s3.writing import TextUpload, Upload

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

log = logging.getLogger(__name__)
MODES = ("r", "rb", "w", "wb")
#: What `upload_many` sends at a time.
MANY = 8
#: Seconds that a presigned URL may be good for.
MOST = 7 * 24 * 3600
#: Where in the job's folder its runs note the uploads that are open.
NOTES = "s3-uploads.notes"
#: What services say of an object that is not there.
_NOT_FOUND = ("404", "NoSuchKey", "NotFound")


class S3Bucket(Bucket):
    """Opened by a config for a job; its clients go where `guard` lets them. Threads of the job may share it."""

    def __init__(
        self, job: Job, config: S3Config, clients: Clients, guard: Guard, *, of_request: bool = True
    ) -> None:
        self.name = config.bucketName
        self.of_request = of_request
        self._job = job
        self._config = config
        self._clients = clients
        self._guard = guard
        self._lock = threading.Lock()
        self._life = Life()
        self._connected: S3Client | None = None
        self._multipart: OpenUploads | None = None
        self._signing: S3Client | None = None
        self._base: str | None = None
        self._keys = RunKeys(config.objectPath.strip("/"), job.id, str(job.attempt))
        # With the file that the handler holds: a text file that is collected would publish itself.
        self._writers: dict[Upload, object] = {}
        self._readers: WeakSet[io.BufferedIOBase] = WeakSet()
        self._filesystems: list[Any] = []

    def __repr__(self) -> str:
        return f"S3Bucket({self.name!r} at {self._config.endpoint.shown})"

    def key(self, name: str) -> str:
        """A key of this run alone; see `Bucket.key`."""
        return checked(self._keys.fresh(name))

    def open(self, key: str, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open an object as a file; see `Bucket.open`."""
        if mode not in MODES:
            raise ValueError(f"an object cannot be opened in mode {mode!r}; use one of {', '.join(MODES)}")
        text = None if mode.endswith("b") else codecs.lookup(encoding or "utf-8").name
        if encoding is not None and text is None:
            raise ValueError(f"mode {mode!r} is for bytes, which have no encoding; use {mode[0]!r}")
        if mode[0] == "r":
            with self._finding(named(key)):
                binary = reader(self._client, self._config, self._place(key))
            with self._lock:
                self._readers.add(binary)
            return cast(IO[Any], io.TextIOWrapper(binary, encoding=text) if text else binary)
        upload = self._writer(checked(key), content_type_of(key))
        if text:
            self._writers[upload] = TextUpload(cast(Any, upload), encoding=text)
        return cast(IO[Any], self._writers[upload])

    def upload(
        self,
        source: Source,
        key: str | None = None,
        *,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Store a file or bytes and return the object's URL; see `Bucket.upload`."""
        what = Sending.of(source)
        key = self.key(what.name) if key is None else checked(key)
        meter = Meter(self._job, progress, what.name, what.size)

        def send(check: Check) -> None:
            self._send(key, what, content_type, checking(check, meter), THREADS)

        if what.goes_in_threads:
            alone(send)
        else:
            send(lambda: None)
        return self._url(key)

    def upload_many(
        self,
        sources: Iterable[str | PathLike[str]] | Mapping[str, Source],
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """Store many at once; see `Bucket.upload_many`."""
        if isinstance(sources, (str, bytes, PathLike)):
            raise TypeError(
                "upload_many takes a list of paths, or a dict of sources by their keys; see upload"
            )
        if isinstance(sources, Mapping):
            sent = [(checked(key), Sending.of(source)) for key, source in sources.items()]
        else:
            sent = [(self.key(what.name), what) for what in map(Sending.of, sources)]
        meter = Meter(self._job, progress, f"{len(sent)} objects", len(sent), unit="objects")
        threads = min(THREADS, max(1, MANY // max(1, len(sent))))

        def send(key: str, what: Sending, check: Check) -> None:
            self._send(key, what, None, lambda more: check(), threads)
            meter(1)

        together([partial(send, *each) for each in sent], MANY)
        return [self._url(key) for key, _ in sent]

    def download(
        self, key: str, path: str | PathLike[str] | None = None, *, progress: Progress | None = None
    ) -> Path:
        """Fetch an object into a file; see `Bucket.download`."""
        to = path_in(self._job.directory, named(key)) if path is None else Path(path)
        with self._finding(named(key)), explained(self._config, key):
            size = self._client.head_object(Bucket=self.name, Key=key)["ContentLength"]
            meter = Meter(self._job, progress, to.name, size, verb="downloading")
            client = self._client  # asked for again: the job may be over, and its folder gone
            alone(lambda check: fetch(client, self._place(key), to, checking(check, meter)))
        return to

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`; see `Bucket.list`."""
        with explained(self._config):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
            for page in pages:
                for each in page.get("Contents", []):
                    yield StoredObject(each["Key"], each["Size"], each["LastModified"])

    def presign(self, key: str, expires: float = 3600) -> str:
        """A URL with which anybody can read the object; see `Bucket.presign`."""
        if not 0 < expires <= MOST:
            raise ValueError(
                f"a presigned URL is good for up to seven days ({MOST:,} seconds), not for {expires!r}"
            )
        url = self._presigned(named(key), math.ceil(expires))
        self._job.exempt(url)
        return url

    def client(self) -> S3Client:
        """The boto3 client; see `Bucket.client`."""
        return self._client

    def fsspec(self) -> Any:
        """The service as a file system of fsspec; see `Bucket.fsspec`."""
        client, multipart = self._client, cast(OpenUploads, self._multipart)
        files = elsewhere.filesystem(client, self._config, self._guard, multipart.watch)
        self._filesystems.append(files)
        return files

    def environ(self) -> dict[str, str]:
        """Variables for one program; see `Bucket.environ`."""
        return elsewhere.environ(self._client, self._config)

    def tidy(self) -> None:
        """Abort what earlier runs of the job have left open, where they were killed. Never raises."""
        self._quietly(self._abort_what_is_left)

    def run_ended(self) -> None:
        """Abandon what was not closed, and disconnect; from now on nothing goes through here. Never raises."""
        self._life.end()
        for upload in list(self._writers):
            log.warning("an object in bucket %r was left open by its job; it is not stored", self.name)
            self._quietly(upload.give_up)
        if self._multipart is not None:
            self._quietly(self._multipart.close)
        for binary in list(self._readers):
            self._quietly(binary.close)
        for files in self._filesystems:
            self._quietly(partial(elsewhere.disconnect, files))
        self._filesystems.clear()
        for client in (self._connected, self._signing):
            if client is not None:
                self._quietly(client.close)

    def _abort_what_is_left(self) -> None:
        folder = self._job.shared_directory_if_any
        if folder is not None and (left := left_in(folder / NOTES)):
            self.client()  # connects
            cast(OpenUploads, self._multipart).abort(left)

    def _send(
        self, key: str, what: Sending, kind: str | None, moved: Callable[[int], None], threads: int
    ) -> None:
        kind = kind or content_type_of(key, what.name)
        if what.size is None:
            with self._writer(key, kind) as file:
                what.copy(cast(IO[bytes], file), moved)
        else:
            with explained(self._config, key):
                what.send(self._client, self._place(key), kind, moved, threads)

    def _writer(self, key: str, kind: str | None) -> Upload:
        upload = Upload(self._client, self._config, self._place(key), kind, ended=self._writers.pop)
        self._writers[upload] = upload
        return upload

    @property
    def _client(self) -> S3Client:
        with self._lock:
            self._life.check()
            if self._connected is None:
                self._hide_keys()
                client = self._clients.connect(self._config, self._guard)
                if self._life.is_over:  # nobody waited at the end for an endpoint to answer
                    client.close()
                    self._life.check()
                self._multipart = OpenUploads(client, self._life, lambda: self._job.shared_directory / NOTES)
                self._connected = client
            return self._connected

    @property
    def _signer(self) -> S3Client:
        """A client that addresses objects as those do who are given their URLs."""
        if self._config.publicEndpointUrl is None:
            return self._client
        with self._lock:
            self._life.check()
            if self._signing is None:
                self._hide_keys()
                self._signing = self._clients.signer(self._config, self._guard)
            return self._signing

    def _hide_keys(self) -> None:
        """From here on the handler can have them, and those of the operator are none of the request's secrets."""
        for secret in (self._config.accessSecret, self._config.sessionToken):
            if secret is not None:
                self._job.hide(secret)

    def _presigned(self, key: str, seconds: int) -> str:
        return self._signer.generate_presigned_url(
            "get_object", Params={"Bucket": self.name, "Key": key}, ExpiresIn=seconds
        )

    def _url(self, key: str) -> str:
        """Where the object is, without a signature. To sign takes long, and is done once for all keys."""
        if self._base is None:
            self._base = self._presigned("x", MOST).partition("?")[0].removesuffix("x")
        return self._base + quote(key, safe="/~")

    def _place(self, key: str) -> Place:
        return self.name, key

    @contextmanager
    def _finding(self, key: str) -> Iterator[None]:
        from botocore.exceptions import ClientError

        try:
            yield
        except (ClientError, OSError) as exc:
            answer = exc if isinstance(exc, ClientError) else exc.__cause__
            if isinstance(answer, ClientError) and answer.response["Error"].get("Code") in _NOT_FOUND:
                raise FileNotFoundError(f"there is no object {key!r} in the bucket {self.name!r}") from None
            raise

    def _quietly(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as exc:
            log.warning("bucket %r: %s: %s", self.name, type(exc).__name__, exc)
