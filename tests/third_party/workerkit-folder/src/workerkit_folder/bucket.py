"""Objects as files: named by safe keys, whole or absent."""

from __future__ import annotations

import itertools
import os
import shutil
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast
from uuid import uuid4

from workerkit import Bucket

MODES = ("r", "rb", "w", "wb")


class FolderBucket(Bucket):
    """The objects in `root`. `prefix` begins the keys of objects that are given none."""

    def __init__(self, root: Path, prefix: str) -> None:
        self.name = root.name
        self._root = root
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self._drafts: list[Draft] = []

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

    def upload(self, source: str | PathLike[str] | bytes | IO[bytes], key: str | None = None) -> str:
        """Store a file or bytes and return the object's `file:` URL; see `workerkit.Bucket.upload`."""
        if isinstance(source, (str, PathLike)):
            with open(source, "rb") as file:
                return self.upload(file, key or self._own_key(os.fspath(source)))
        key = key or self._own_key(str(getattr(source, "name", "object")))
        with self.open(key, "wb") as target:
            if isinstance(source, bytes):
                target.write(source)
            else:
                shutil.copyfileobj(source, target)
        return self._place(key).as_uri()

    def close(self) -> None:
        """Abandon what was not closed."""
        for draft in self._drafts:
            draft.abandon()

    def _own_key(self, path: str) -> str:
        """Named by job, attempt, number and file, so that no two meet."""
        return f"{self._prefix}/{next(self._numbers)}-{Path(path).name}"

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
        self._path = place.with_name(f".draft-{uuid4().hex}")
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
