"""Whole objects, sent from files and fetched into them, in parts that go side by side."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import attrs

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig
    from types_boto3_s3 import S3Client

#: What an object can be made of: a path, bytes, or a file open for reading.
Source = str | PathLike[str] | bytes | IO[bytes]
#: A bucket's name and an object's key.
Place = tuple[str, str]
MIB = 1 << 20
#: Up to so many bytes are sent by one request, without threads.
SMALL = MIB
#: Bytes of a part of a file, which is read while it is sent: fewer parts take less of the processor's time.
FILE_PART = 16 * MIB
#: Bytes of a part of anything else, which is in memory until it is sent.
STREAM_PART = 8 * MIB
#: Parts of an object on their way at a time.
THREADS = 4
#: What a service takes.
_MOST_PARTS = 10_000


@attrs.frozen
class Sending:
    """Something to be stored. `name` is that of its file, `size` in bytes; None when nobody knows it."""

    source: Any
    name: str
    size: int | None

    @classmethod
    def of(cls, source: Source) -> Sending:
        """Raises OSError for a file that is not there, TypeError and ValueError for what cannot be stored."""
        if isinstance(source, (bytes, bytearray, memoryview)):
            return cls(bytes(source), "object", len(source))
        if isinstance(source, (str, PathLike)):
            path = Path(source)
            status = path.stat()
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder; upload its files, such as with upload_many")
            return cls(path, path.name, status.st_size if path.is_file() else None)
        if not callable(getattr(source, "read", None)):
            kind = type(source).__name__
            raise TypeError(
                f"upload takes a path, bytes or a file open for reading, not a value of type {kind}"
            )
        name = getattr(source, "name", None)
        return cls(source, Path(name).name if isinstance(name, str) else "object", _left(source))

    @property
    def goes_in_threads(self) -> bool:
        """Whether boto3 sends it, in threads whose end an interrupted caller would wait for."""
        return self.size is not None and self.size > SMALL

    def send(
        self,
        client: S3Client,
        place: Place,
        kind: str | None,
        moved: Callable[[int], None],
        threads: int = THREADS,
    ) -> None:
        """Store it as an object, when its size is known; `moved` is told of bytes that are on their way."""
        assert self.size is not None
        extra: Any = {} if kind is None else {"ContentType": kind}
        if not self.goes_in_threads:
            client.put_object(Bucket=place[0], Key=place[1], Body=self._bytes(), **extra)
            moved(self.size)
        elif isinstance(self.source, Path):
            config = _config(self.size, FILE_PART, threads)
            client.upload_file(str(self.source), *place, extra, moved, config)
        else:
            stream = io.BytesIO(self.source) if isinstance(self.source, bytes) else self.source
            config = _config(self.size, STREAM_PART, threads)
            client.upload_fileobj(cast(Any, _Stream(stream, self.size)), *place, extra, moved, config)

    def copy(self, file: IO[bytes], moved: Callable[[int], None]) -> None:
        """Write it into a file. A pipe may keep silent, which only the thread that waits can be told to end."""
        if isinstance(self.source, Path):
            with self.source.open("rb") as pipe:
                attrs.evolve(self, source=pipe).copy(file, moved)
            return
        stream = _Stream(self.source)
        while piece := stream.read(MIB):
            file.write(piece)
            moved(len(piece))

    def _bytes(self) -> bytes:
        match self.source:
            case bytes():
                return self.source
            case Path():
                return self.source.read_bytes()
        return _Stream(self.source, self.size).read()


def fetch(client: S3Client, place: Place, path: Path, moved: Callable[[int], None]) -> None:
    """Fetch an object into a file, which appears when it is whole."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name the file in it that the object becomes")
    path.parent.mkdir(parents=True, exist_ok=True)
    client.download_file(*place, str(path), None, moved, _config(0, STREAM_PART, THREADS))


def _left(file: Any) -> int | None:
    """How many bytes there are to read in a file that stays where it is; None when it cannot tell."""
    try:
        if not file.seekable():
            return None
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (AttributeError, OSError):
        return None
    if here == end > 0:
        raise ValueError("the file to upload has been read or written to its end; call seek(0) on it before")
    return int(end - here)


def _config(size: int, part: int, threads: int) -> TransferConfig:
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(
        multipart_threshold=part,
        multipart_chunksize=max(part, -(-size // _MOST_PARTS)),
        max_concurrency=threads,
        use_threads=threads > 1,
        # The other one, written in C, opens connections of its own.
        preferred_transfer_client="classic",
    )
    config.max_in_memory_upload_chunks = threads  # and with it, how many are in memory
    return config


class _Stream:
    """Somebody's file as boto3 can take it, which would close it, and takes a short read for the end.

    `size` is how much there must be, at least: half of a file that is cut meanwhile is none.
    """

    def __init__(self, file: IO[bytes], size: int | None = None) -> None:
        self._file = file
        self._size = size or 0
        self._done = 0

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all that are left; fewer only at the end. Raises `Shrunk` for an early one."""
        pieces: list[bytes] = []
        got = 0
        while size < 0 or got < size:
            piece = self._file.read(size - got if size > 0 else -1)
            if not isinstance(piece, bytes):
                kind = type(piece).__name__
                raise TypeError(f"a file to upload must give bytes, not {kind}; open it with 'rb'")
            if not piece:
                if self._done < self._size:
                    from workerkit_plugins.s3.sending import Shrunk

                    raise Shrunk
                break
            self._done += len(piece)
            pieces.append(piece)
            got += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
