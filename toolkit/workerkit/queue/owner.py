"""One host owns a queue's file: a lock that dies with its process, and a note of who holds it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from workerkit.errors import QueueError, QueueOwned

#: File systems whose locks or shared memory cannot be trusted.
NETWORK = ("nfs", "cifs", "smb", "9p", "fuse", "virtiofs", "afs", "ceph", "glusterfs", "lustre")


class Owner:
    """The lock beside a database file. `publish` tells other processes where the owner listens."""

    def __init__(self, database: Path) -> None:
        self.path = database.with_name(database.name + ".lock")
        self._database = database
        self._file: int | None = None

    def take(self) -> None:
        """Become the owner; raises `QueueOwned` that names who is, and `QueueError` where nobody can be."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise QueueError(_explained(self.path, "opened", error)) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            raise QueueOwned(self._sentence()) from None
        self._file = file
        try:
            self._write({"pid": os.getpid()})
        except QueueError:
            self.release()
            raise

    def publish(self, url: str, token: str) -> None:
        """Write down where the owner's API is and the token that opens its operator routes."""
        self._write({"pid": os.getpid(), "url": url, "token": token})

    def release(self) -> None:
        """Give the file up. May be called twice."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # what it says is nothing without the lock
                os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None

    def _write(self, note: dict[str, Any]) -> None:
        if self._file is None:
            raise QueueError(f"the queue {self._database} is not open")
        data = json.dumps(note).encode()
        try:
            os.pwrite(self._file, data, 0)
            os.ftruncate(self._file, len(data))
        except OSError as error:
            raise QueueError(_explained(self.path, "written", error)) from None

    def _sentence(self) -> str:
        note = read_note(self.path)
        pid, url = note.get("pid"), note.get("url")
        who = f"process {pid}" if pid else "another process"
        where = f", which answers at {url}" if url else ""
        return (
            f"the queue {self._database} is owned by {who}{where}; use that server, stop it first, "
            "or give this one another queue with --queue or [queue] url"
        )


def read_note(lock: Path) -> dict[str, Any]:
    """What the owner wrote; empty when there is nothing to read."""
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(lock.read_bytes())
        if isinstance(note, dict):
            return note
    return {}


def find_owner(database: Path) -> dict[str, Any] | None:
    """The note `{pid, url, token}` of the process that owns a queue's file, or None when nobody does."""
    lock = database.with_name(database.name + ".lock")
    try:
        file = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise QueueError(_explained(lock, "opened", error)) from None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_note(lock)
    finally:
        os.close(file)
    return None


def _explained(lock: Path, what: str, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk that holds {lock}, the lock of the queue, is full; free some space and try again"
    return (
        f"{lock}, the lock of the queue, cannot be {what}: {error.strerror}; "
        "check its owner and mode, or choose another --queue, or [queue] url"
    )


def check_filesystem(folder: Path, mounts: str) -> None:
    """Refuse a network file system. `mounts` is the text of `/proc/mounts`; empty elsewhere."""
    kind = filesystem_of(folder, mounts)
    if kind.startswith(NETWORK):
        raise QueueError(
            f"{folder} is on a {kind} file system, whose locks do not protect a SQLite queue; put the queue on "
            "a local disk, or add ?unsafe_filesystem=1 to its url if you know that only one machine uses it"
        )


def filesystem_of(folder: Path, mounts: str) -> str:
    """The type of the file system that holds `folder`, or "" when it is not known."""
    best, kind = "", ""
    for line in mounts.splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.encode().decode("unicode_escape")
        if folder.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, type_
    return kind
