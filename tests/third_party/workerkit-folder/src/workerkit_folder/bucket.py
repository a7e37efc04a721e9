"""Objects as files: named by safe keys, whole or absent."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast
from uuid import uuid4

from workerkit import Bucket, StoredObject

MODES = ("r", "rb", "w", "wb")
#: How files are named that are not whole yet.
DRAFT = ".draft-"
Source = str | PathLike[str] | bytes | IO[bytes]
Progress = Callable[[int, int | None], object]


class FolderBucket(Bucket):
    """The objects in `root`. `prefix` begins the keys of a run's own objects; it downloads to `downloads()`.

    A folder has no presigned URLs, and no service that other programs could reach: those raise as
    `workerkit.Bucket` has it.
    """

    of_request = False

    def __init__(self, root: Path, prefix: str, downloads: Callable[[], Path]) -> None:
        self.name = root.name
        self._root = root
        self._prefix = prefix
        self._downloads = downloads
        self._numbers = itertools.count(1)
        self._drafts: list[Draft] = []

    def key(self, name: str) -> str:
        """Named by job, attempt, number and file, so that no two meet."""
        path = Path(name)
        return f"{self._prefix}/{path.with_name(f'{next(self._numbers)}-{path.name}')}"

    def open(self, key: str, mode: str = "rb", *, encoding: str | None = None) -> IO[Any]:
        """Open an object as a file; see `workerkit.Bucket.open`."""
        if mode not in MODES:
            raise ValueError(f"an object cannot be opened in mode {mode!r}; use one of {', '.join(MODES)}")
        text = None if mode.endswith("b") else encoding or "utf-8"
        place = self._place(key)
        if mode[0] == "r":
            return place.open(mode, encoding=text)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Draft(place, mode, text)
        self._drafts.append(draft)
        return cast(IO[Any], draft)

    def upload(
        self,
        source: Source,
        key: str | None = None,
        *,
        content_type: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Store a file or bytes and return the object's `file:` URL; a file has no type."""
        if isinstance(source, (str, PathLike)):
            with open(source, "rb") as file:
                return self.upload(file, key or self.key(Path(source).name), progress=progress)
        key = key or self.key(Path(str(getattr(source, "name", "object"))).name)
        with self.open(key, "wb") as target:
            if isinstance(source, bytes):
                target.write(source)
            else:
                shutil.copyfileobj(source, target)
        _tell(progress, self._place(key))
        return self._place(key).as_uri()

    def upload_many(
        self,
        sources: Iterable[str | PathLike[str]] | Mapping[str, Source],
        *,
        progress: Progress | None = None,
    ) -> list[str]:
        """Store many, one after the other: a disk is no faster with several at a time."""
        pairs: list[tuple[str | None, Source]] = (
            list(sources.items()) if isinstance(sources, Mapping) else [(None, each) for each in sources]
        )
        urls = []
        for key, source in pairs:
            urls.append(self.upload(source, key))
            if progress is not None:
                progress(len(urls), len(pairs))
        return urls

    def download(
        self, key: str, path: str | PathLike[str] | None = None, *, progress: Progress | None = None
    ) -> Path:
        """Copy an object into a file that appears when it is whole."""
        source = self._place(key)
        to = self._downloads() / key if path is None else Path(path)
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f"{DRAFT}{uuid4().hex}")
        try:
            shutil.copyfile(source, part)
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)
        _tell(progress, to)
        return to

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        found = {path.relative_to(self._root).as_posix(): path for path in self._root.rglob("*")}
        for key, path in sorted(found.items()):
            if key.startswith(prefix) and path.is_file() and not path.name.startswith(DRAFT):
                status = path.stat()
                yield StoredObject(key, status.st_size, datetime.fromtimestamp(status.st_mtime, timezone.utc))

    def run_ended(self) -> None:
        """Abandon what was not closed."""
        for draft in self._drafts:
            draft.abandon()

    def _place(self, key: str) -> Path:
        """The key's file; raises ValueError for a key that would lead out of the folder."""
        parts = key.split("/")
        if "\0" in key or "\\" in key or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"the key {key!r} is not a path within the bucket")
        place = self._root.joinpath(*parts)
        # A link in the folder may lead anywhere.
        if not place.resolve().is_relative_to(self._root.resolve()):
            raise ValueError(f"the key {key!r} leads out of the bucket")
        return place


class Draft:
    """A file that is written beside its place, and takes it when it is closed."""

    def __init__(self, place: Path, mode: str, encoding: str | None) -> None:
        self._place = place
        self._path = place.with_name(f"{DRAFT}{uuid4().hex}")
        self._file: IO[Any] = self._path.open(mode.replace("w", "x"), encoding=encoding)

    def close(self) -> None:
        """Publish the object; when the rest cannot be written, nothing is published."""
        if self._file.closed:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self.abandon()
            raise
        self._file.close()
        self._path.replace(self._place)

    def abandon(self) -> None:
        """Publish nothing, unless it was closed before."""
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Draft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def _tell(progress: Progress | None, path: Path) -> None:
    if progress is not None:
        size = path.stat().st_size
        progress(size, size)
