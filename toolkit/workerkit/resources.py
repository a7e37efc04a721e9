"""What plugins provide to handlers, by type. Plugins implement these; handlers ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import IO, Any, ClassVar

import attrs

from workerkit.files import InputFile
from workerkit.resource import Resource

#: What an object can be made of: a path, bytes, or a file open for reading.
Source = str | PathLike[str] | bytes | IO[bytes]
#: Is told how many bytes are done, and of how many; None when nobody knows.
Progress = Callable[[int, int | None], object]


@attrs.frozen
class StoredObject:
    """An object in a bucket. `size` is in bytes."""

    key: str
    size: int
    modified: datetime


class Bucket(Resource):
    """The S3-compatible bucket that a request's `s3Config` opens, or the operator's.

    A handler asks for it with a parameter annotated `Bucket`, or with `job.use(Bucket)`. Keys are
    names within the bucket. Threads of the job may share it. `of_request` says whether the request
    itself brought its keys; else it is shared by all callers, such as the operator's own `bucket`.
    """

    cure: ClassVar[str] = (
        "send `s3Config` with the request, or set `bucket` under [plugin.s3] "
        "(`workerkit plugins` shows whether s3 is active)"
    )
    name: str
    of_request: bool = False

    def key(self, name: str) -> str:
        """A key for an object of this run that no other object has: named by job, attempt and `name`.

        `name` may have folders; ValueError when it leads out of the run's own.
        """
        raise NotImplementedError

    def open(self, key: str, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open an object as a file, to read (`rb`, or `r` for text) or to write (`wb`, `w`).

        An object that is written appears whole when the file is closed. A file that is left open, or
        whose `with` block raises, publishes nothing. `encoding` is UTF-8 unless given. Raises
        FileNotFoundError when there is no such object to read.
        """
        raise NotImplementedError

    def upload(
        self,
        source: Source,
        key: str | None = None,
        *,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Store a file, given by path or open for reading, or bytes; return the object's URL.

        Without a `key` it is named by the job, the attempt and the file, so that no two runs meet. A
        file is read from where it stands, to its end. `content_type` is guessed from the name unless
        given. `progress` is told of bytes, from any thread. Without it, an upload of more than two
        seconds is shown as the job's progress, at most once a second. Raises ValueError for a key that
        names no object (an empty one, or one that ends in a slash), that has more than 1,024 bytes in
        UTF-8, or that has `.` or `..` as a part.
        """
        raise NotImplementedError

    def upload_many(
        self,
        sources: Iterable[str | PathLike[str]] | Mapping[str, Source],
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """Store many at once, several at a time: paths, or sources by their keys; return their URLs in order.

        When one fails, no other is begun; it raises what the first of them in the list raised, once those
        on their way have ended. `progress` counts objects, otherwise as in `upload`.
        """
        raise NotImplementedError

    def download(
        self, key: str, path: str | PathLike[str] | None = None, *, progress: Progress | None = None
    ) -> Path:
        """Fetch an object into a file, by default under its key in the job's directory; return the path.

        The file appears whole or not at all. `progress` is as in `upload`. Raises FileNotFoundError when
        there is no such object, and ValueError for a key that leads out of the job's directory.
        """
        raise NotImplementedError

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        raise NotImplementedError

    def presign(self, key: str, expires: float = 3600) -> str:
        """A URL with which anybody can read the object for `expires` seconds, at most seven days.

        The job may return it, although it is made with the keys; see `Job.exempt`.
        """
        raise NotImplementedError

    def client(self) -> Any:
        """The bucket's own boto3 client, for whatever is not here.

        At the end of the job it is closed, and multipart uploads that are still open are aborted.
        """
        raise NotImplementedError

    def fsspec(self) -> Any:
        """The service as an fsspec file system, whose paths are `bucket/key`; needs the package `s3fs`.

        What is written through it appears by the rules of s3fs: also half, when a `with` block raises.
        """
        raise NotImplementedError

    def environ(self) -> dict[str, str]:
        """The variables with which a program, such as `aws` or `rclone`, finds the service and its keys.

        For one subprocess: `subprocess.run(..., env={**os.environ, **bucket.environ()})`. Never put them
        into this process's environment, where other jobs would find them.
        """
        raise NotImplementedError


class InputFiles(Resource):
    """Fetches the files that a typed input names; the plugin `files` provides it."""

    cure: ClassVar[str] = "the plugin `files` fetches files; `workerkit plugins` shows whether it is active"

    def fetch(self, files: Sequence[InputFile]) -> None:
        """Fetch every file, several at a time, and set its `path`.

        Raises `JobFailed` for the first that cannot be had, or OSError where another try may succeed.
        """
        raise NotImplementedError
