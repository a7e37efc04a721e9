"""What plugins provide to handlers, by type. Plugins implement these; handlers ask for them."""

from __future__ import annotations

from os import PathLike
from typing import IO, Any, ClassVar

from workerkit.job import Resource


class Bucket(Resource):
    """The S3-compatible bucket that a request's `s3Config` opens.

    A handler asks for it with a parameter annotated `Bucket`, or with `job.use(Bucket)`. Keys are
    names within the bucket.
    """

    cure: ClassVar[str] = "send `s3Config` with the request (`workerkit plugins` shows whether s3 is active)"
    name: str

    def open(self, key: str, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open an object as a file, to read (`rb`, or `r` for text) or to write (`wb`, `w`).

        An object that is written appears whole when the file is closed. A file that is left open, or
        whose `with` block raises, publishes nothing. `encoding` is UTF-8 unless given.
        """
        raise NotImplementedError

    def upload(self, source: str | PathLike[str] | bytes | IO[bytes], key: str | None = None) -> str:
        """Store a file, given by path or open for reading, or bytes; return the object's URL.

        Without a `key` it is named by the job, the attempt and the file, so that no two runs meet.
        """
        raise NotImplementedError
