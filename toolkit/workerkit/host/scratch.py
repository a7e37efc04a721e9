"""Where the jobs of a queue have their folders on this machine, and what removes those of dead runs.

A run removes its own folder. What is left, since its worker or its host was killed or because the runs
of a job share it, is here until the job has ended. Of a job that may still be retried by hand, the notes
of plugins stay as long as the job is kept: folders in its own that are called `NAME.notes`, and are small.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from workerkit.errors import WorkerkitError
from workerkit.folders import job_of, own, remove
from workerkit.queue import Store
from workerkit.states import MOVES

log = logging.getLogger(__name__)

#: Names that no job's folder has: of the lock, of what is being removed, and of what is about to be kept.
LOCK, GONE, KEPT = ".lock", ".gone", ".kept"
#: How folders of notes are called. They may hold so many files, and bytes of all of them; seconds until a job
#: that has nothing else is looked at again.
NOTES, MOST_FILES, MOST_BYTES, AGAIN = ".notes", 500, 250_000, 60.0
#: Hosts of one queue on a machine, and tries to lock a folder that a host which ends removes.
MOST_HOSTS, MOST_TRIES = 100, 20


class Scratch:
    """A folder of one host, by the name of its queue, so that the next host of that queue has it again.

    It is in `place`, or in the temporary folder when that is empty. `clock` is in seconds.
    """

    def __init__(self, queue: str, place: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        name = hashlib.sha256(f"{os.geteuid()}\0{queue}".encode()).hexdigest()[:16]
        self._base = _temporary() if not place else Path(place).absolute()
        self._name = f"workerkit-{name}"
        self.path = self._base / self._name
        self._lock: int | None = None
        self._remover: threading.Thread | None = None
        #: What could not be removed; it is said once.
        self._stuck: set[str] = set()
        self._clock = clock
        #: Jobs of which only notes are left, and when to look whether they may go, too.
        self._kept: dict[str, float] = {}

    def open(self) -> None:
        """Make it, or take over what an earlier host has left. Raises `WorkerkitError`.

        Several hosts may share a queue: each has the first that no other has. Where all users share the
        temporary folder, another's may be in the way, who can foresee the name.
        """
        for number in range(1, MOST_HOSTS + 1):
            path = self._base / (self._name if number == 1 else f"{self._name}-{number}")
            if _is_anothers(path):
                continue
            self._lock = _lock(path)
            if self._lock is not None:
                self.path = path
                return
        raise WorkerkitError(
            f"{MOST_HOSTS} servers or other users have folders for files of jobs at {self.path} already; "
            "name another place in [workers] scratch"
        )

    def close(self) -> None:
        """Leave it to the next host; when nothing is in it, it is removed. May be called twice."""
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            if os.listdir(self.path) == [LOCK]:
                (self.path / LOCK).unlink()
                self.path.rmdir()
        os.close(self._lock)
        self._lock = None

    async def tidy(self, store: Store, runs_here: Callable[[str], bool]) -> None:
        """Remove the folders of jobs that are over, but not while a run that is told to stop is in one.

        Of a job that may be retried, notes stay.
        """
        now = self._clock()
        names = await asyncio.to_thread(self._names)
        self._kept = {name: due for name in names if (due := self._kept.get(name, now)) > now}
        for name in names:
            if name in self._kept:
                continue
            job = job_of(name)
            view = await store.view(job)
            # Asked last: a job that is retried by hand may have begun again.
            if (view is not None and not view.status.ended) or runs_here(job):
                continue
            notes = self._notes(name) if view is not None and MOVES[view.status] else []
            if notes:
                self._keep(name, notes)
                self._kept[name] = now + AGAIN
            else:
                self._drop(name)
        self._remove_dropped()

    def _names(self) -> list[str]:
        """Of all jobs' folders there are."""
        if self._lock is None:
            return []
        with contextlib.suppress(FileNotFoundError):  # somebody has cleaned up
            return [name for name in os.listdir(self.path) if not name.startswith(".")]
        return []

    def _notes(self, name: str) -> list[str]:
        """Folders of notes in that of a job, when they are small."""
        with contextlib.suppress(OSError), os.scandir(self.path / name) as found:  # it may be a stray file
            return [each.name for each in found if each.name.endswith(NOTES) and _is_small(each)]
        return []

    def _keep(self, name: str, notes: list[str]) -> None:
        """Drop what else is there. A host that is killed meanwhile leaves it out of the way."""
        self._drop(KEPT)
        (self.path / KEPT).mkdir(mode=0o700)
        with contextlib.suppress(FileNotFoundError):  # its run was faster
            for each in notes:
                os.rename(self.path / name / each, self.path / KEPT / each)
        self._drop(name)
        os.rename(self.path / KEPT, self.path / name)

    def _drop(self, name: str) -> None:
        """Out of the way at once, for it may be large."""
        with contextlib.suppress(FileNotFoundError):  # its run was faster
            (self.path / GONE).mkdir(mode=0o700, exist_ok=True)
            os.rename(self.path / name, self.path / GONE / secrets.token_hex(8))

    def _remove_dropped(self) -> None:
        """In a thread that no stop waits for; what is left then, the next host removes."""
        busy = self._remover is not None and self._remover.is_alive()
        if self._lock is not None and not busy and (self.path / GONE).exists():
            self._remover = threading.Thread(target=self._remove, name="workerkit-scratch", daemon=True)
            self._remover.start()

    def _remove(self) -> None:
        gone = self.path / GONE
        for name in set(os.listdir(gone)) - self._stuck:
            try:
                remove(gone / name)
            except OSError as error:
                self._stuck.add(name)
                log.warning("the folder of a job that has ended cannot be removed: %s", error)
        with contextlib.suppress(OSError):  # more has come meanwhile
            gone.rmdir()


def _is_small(folder: os.DirEntry[str]) -> bool:
    """Whether it holds a few small files, and nothing else."""
    if not folder.is_dir(follow_symlinks=False):
        return False
    size = 0
    with os.scandir(folder) as found:
        for count, each in enumerate(found, 1):
            size += each.stat(follow_symlinks=False).st_size
            if count > MOST_FILES or size > MOST_BYTES or not each.is_file(follow_symlinks=False):
                return False
    return size > 0


def _temporary() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:  # there is none that can be written; `open` says so
        return Path("/tmp")  # noqa: S108 - where it would be


def _is_anothers(path: Path) -> bool:
    try:
        return path.lstat().st_uid != os.geteuid()
    except OSError:  # nothing is there, or `own` says what is wrong
        return False


def _lock(path: Path) -> int | None:
    """A descriptor that holds a folder's lock, made if need be; None when another process holds it."""
    for _ in range(MOST_TRIES):
        own(path)
        try:
            with contextlib.ExitStack() as undo:
                lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                undo.callback(os.close, lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(path / LOCK)):
                    undo.pop_all()
                    return lock
        except BlockingIOError:
            return None
        except FileNotFoundError:  # removed by a host that has ended just now
            continue
        except OSError as error:
            raise WorkerkitError(
                f"the folder {path} for files of jobs cannot be locked: {error.strerror}; "
                "name another place in [workers] scratch"
            ) from None
    return None
