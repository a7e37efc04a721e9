"""Names of objects: those of one run, and those that somebody else chose."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path, PurePosixPath

#: Bytes of a key that S3 takes, and characters of a longer one that are told.
LONGEST, SHOWN = 1024, 60
_CURE = "end it with a name, such as bucket.key('picture.png')"


class RunKeys:
    """Keys below one folder, each given out once. Threads may share it."""

    def __init__(self, *folders: str) -> None:
        self._folders = [folder for folder in folders if folder]
        self._names: Counter[str] = Counter()
        self._lock = threading.Lock()

    def fresh(self, name: str) -> str:
        """A key that ends in `name`, with a number before its last part when it is taken.

        Raises ValueError for a name that leads out of the folder.
        """
        path = PurePosixPath(name)
        if path.is_absolute() or path.name in ("", "..") or ".." in path.parts:
            raise ValueError(
                f"an object cannot be named {name!r}; give a name or a path below this run's folder"
            )
        with self._lock:
            free = path
            while free.as_posix() in self._names:
                free = path.with_name(f"{self._names[path.as_posix()]}-{path.name}")
                self._names[path.as_posix()] += 1
            self._names[free.as_posix()] = 1
        return "/".join([*self._folders, free.as_posix()])


def named(key: str) -> str:
    """A key that an object may have; raises TypeError and ValueError for another."""
    if not isinstance(key, str):
        raise TypeError(f"an object's key must be a str, not a value of type {type(key).__name__}")
    if not key:
        raise ValueError(f"the key {key!r} names no object; {_CURE}")
    size = len(key.encode(errors="replace"))
    if size > LONGEST:
        raise ValueError(f"the key {key[:SHOWN]!r}… has {size:,} bytes in UTF-8; S3 takes {LONGEST:,}")
    return key


def checked(key: str) -> str:
    """A key to store an object under, so that its URL leads to it; otherwise like `named`."""
    if named(key).endswith("/"):
        raise ValueError(f"the key {key!r} names no object; {_CURE}")
    if not {".", ".."}.isdisjoint(key.split("/")):
        raise ValueError(f"the key {key!r} has . or .. as a part, which no URL keeps; write it without")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the key {key!r} holds a character that UTF-8 cannot") from None
    return key


def path_in(folder: Path, key: str) -> Path:
    """Where in a job's directory an object goes by itself; raises ValueError where that is none of its files."""
    folder = folder.resolve()
    path = (folder / key).resolve()
    if not path.is_relative_to(folder) or path == folder or key.endswith("/"):
        raise ValueError(
            f"the key {key!r} names no file within the job's directory; give a path to download it to"
        )
    return path
