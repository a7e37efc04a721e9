"""Jobs' own folders: `<scratch>/<job>/<attempt>/`, made when a run asks for one, and removed.

`scratch` is a host's; without a host a run has a temporary folder in its place.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from pathlib import Path
from urllib.parse import quote, unquote

from workerkit.errors import WorkerkitError

#: How often a folder is made anew that another run's end has just removed.
MOST_TRIES = 20


class RunFolder:
    """The folder of one run, which is in that of its job. Threads of the job may share it."""

    def __init__(self, scratch: Path | None, job: str, attempt: int) -> None:
        self._scratch = scratch
        self._job = job
        self._attempt = attempt
        #: The process that has made it.
        self._pid = 0
        self._path: Path | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """Where it is; made at first use. Raises `WorkerkitError` when the scratch folder cannot be used."""
        with self._lock:
            if self._path is None:
                self._path, self._pid = self._make(), os.getpid()
            return self._path

    @property
    def shared_if_any(self) -> Path | None:
        """The folder that the job's runs share, where there is one. Makes nothing; raises as `path` does."""
        if self._path is not None:
            return self._path.parent
        if self._scratch is None or not os.path.lexists(self._scratch):
            return None
        own(self._scratch)
        folder = self._scratch / name_of(self._job)
        return folder if folder.is_dir() else None

    def leave(self) -> None:
        """The run is over: remove its folder, and the job's when nothing else is in it. Raises OSError.

        Does nothing in a process that was forked since.
        """
        if self._path is None or self._pid != os.getpid():
            return
        with self._lock:
            if self._path is None:
                return
            if self._scratch is None:
                remove(self._path.parent)
            else:
                remove(self._path)
                with contextlib.suppress(OSError):  # what runs share is there until the job has ended
                    self._path.parent.rmdir()
            self._path = None  # not before: who interrupts this calls it again

    def _make(self) -> Path:
        if self._scratch is None:
            import tempfile  # here, as shutil below, so that a job that needs no folder does not pay for it

            folder = Path(tempfile.mkdtemp(prefix="workerkit-job-")) / str(self._attempt)
            folder.mkdir()
            return folder
        own(self._scratch)
        folder = self._scratch / name_of(self._job) / str(self._attempt)
        for _ in range(MOST_TRIES):
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                folder.mkdir(mode=0o700, exist_ok=True)
                return folder
        raise WorkerkitError(f"the folder {folder} of a job is removed as often as it is made")


def own(folder: Path) -> None:
    """Make a folder that this user alone may enter, or make sure that it is one.

    In a temporary folder that all users share, another may have put something in its place. Raises
    `WorkerkitError`.
    """
    try:
        if not os.path.lexists(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise WorkerkitError(
            f"the folder {folder} for files of jobs cannot be made: {error.strerror}; "
            "name another place in [workers] scratch"
        ) from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise WorkerkitError(
            f"{folder}, where files of jobs belong, is no folder of this user; "
            "remove it, or name another place in [workers] scratch"
        )
    if status.st_mode & 0o077:
        raise WorkerkitError(
            f"the folder {folder} for files of jobs is open to other users; run: chmod 700 {folder}"
        )


def remove(path: Path) -> None:
    """Remove a folder and all in it, or whatever else is there. Raises OSError."""
    try:
        _remove(path)
    except PermissionError:
        _open_up(path)
        _remove(path)


def _remove(path: Path) -> None:
    import shutil

    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()


def _open_up(folder: Path) -> None:
    """Some archives hold folders in which nobody may write, so that nothing in them can be removed."""
    if not folder.is_symlink():
        folder.chmod(0o700)
    for place, names, _ in os.walk(folder):
        for inner in (Path(place, name) for name in names):
            if not inner.is_symlink():
                inner.chmod(0o700)


def name_of(job: str) -> str:
    """What the folder of a job is called; a platform may give it any id."""
    return quote(job, safe="").replace(".", "%2E")


def job_of(name: str) -> str:
    """The job whose folder is called so."""
    return unquote(name)
