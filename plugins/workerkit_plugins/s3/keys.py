"""Names of objects: those of one run, and those that somebody else chose."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import PurePosixPath


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


def checked(key: str) -> str:
    """A key to store an object under; raises TypeError and ValueError for one that names no object."""
    if not isinstance(key, str):
        raise TypeError(f"an object's key must be a str, not a value of type {type(key).__name__}")
    if not key or key.endswith("/"):
        raise ValueError(
            f"the key {key!r} names no object; end it with a name, such as bucket.key('picture.png')"
        )
    return key
