"""Where files in outputs may be: a handler can be tricked into returning any path.

A path is judged by where it leads, and what is opened is what was judged: the way there is walked
without following a link, so that nobody can put one in between.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import IO

from workerkit import Job, JobFailed

log = logging.getLogger(__name__)
#: What stands beside a queue's file, and how it is named; the lock is there as long as the queue is open.
_BESIDE = re.compile(r"(?:-wal|-shm|-journal|\.key|\.lock)$")
#: How files are called that hold settings, keys and what a queue keeps.
_SETTINGS = (".toml", ".env")
_KEYS = (".key", ".pem", ".p12", ".pfx")
#: Of a key whose making was cut off, or of its copy: `jobs.db.key.old`.
_NEARLY_KEY = ".key."
_QUEUES = (".db", ".db-wal", ".db-shm", ".db-journal")
#: How SQLite's files begin: a database, its write-ahead log, and the log's index.
_DATABASE = (
    b"SQLite format 3\0",
    b"\x37\x7f\x06\x82",
    b"\x37\x7f\x06\x83",
    (3_007_000).to_bytes(4, sys.byteorder),
)
#: How the toolkit's own folders for temporary files begin, and how those for the jobs of a queue are called.
_TOOLKIT = "workerkit-"
_SCRATCH = re.compile(rf"{_TOOLKIT}(?:[0-9a-f]{{16}}(?:-\d+)?|job-\w+)")
_CURE = "write what may be seen into job.directory"
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: What opens at once or not at all, and is no terminal of this process.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISDIR, "a folder; pack it into one file first, for example with shutil.make_archive"),
    (stat.S_ISFIFO, "a pipe; write what comes out of it into a file"),
    (stat.S_ISSOCK, "a socket; write what comes out of it into a file"),
)


class Places:
    """The folders that files in outputs may be in: the job's, the working directory of now, and others.

    `folders` are more of them. Hidden files are in none but the job's, nor is what may hold secrets.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        # Now: a handler may change the working directory while it is imported.
        self._here = os.getcwd()
        self._more = [os.path.join(self._here, folder) for folder in folders]

    def check(self) -> None:
        """Log which of the folders are not there."""
        for folder in self._more:
            if not os.path.isdir(folder):
                log.warning("there is no folder %r, which `folders` under [plugin.files] names", folder)

    def open(self, path: str, job: Job) -> IO[bytes]:
        """Open a file to read it, without waiting for anything. Raises `JobFailed` with a sentence."""
        try:
            real = os.path.realpath(path)
        except (OSError, ValueError) as error:  # it changes right now, or holds a NUL
            raise JobFailed(f"the output holds the file {path!r}, which leads nowhere: {error}") from None
        shown = repr(path) if os.path.abspath(path) == real else f"{path!r} ({real!r})"
        if why := self._refusal(real, job):
            raise JobFailed(f"the output holds the file {shown}, {why}")
        try:
            file = os.fdopen(_opened(real), "rb")
            # By what is in it: a queue may have been opened by a link, and then its lock is beside that.
            is_kept_back = not _is_in(real, _own(job)) and _is_database(file)
        except FileNotFoundError:
            raise JobFailed(
                f"the output holds the file {shown}, which does not exist; it must stay until the job has ended"
            ) from None
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise JobFailed(f"the output holds the file {shown}, which cannot be read: {said}") from None
        if is_kept_back:
            file.close()
            raise JobFailed(f"the output holds the file {shown}, which is a database, as queues are; {_CURE}")
        return file

    def _refusal(self, real: str, job: Job) -> str:
        """Why a file may not leave this machine, as the end of a sentence; empty when it may."""
        own = _own(job)
        scratch, temporary = os.path.dirname(own), _temporary()
        if _is_in(real, own):
            return ""
        if scratch != temporary and _is_in(real, scratch):
            return "which is another job's"
        reasons = []
        for folder in self._allowed(temporary):
            if _is_in(real, folder):
                inner = os.path.relpath(real, folder)
                reason = _kept_back(real, inner)
                is_jobs = any(map(_SCRATCH.fullmatch, inner.split(os.sep)[:-1]))
                if not reason and (is_jobs or (folder == temporary and inner.startswith(_TOOLKIT))):
                    reason = "which is another job's"
                reasons.append(reason)
        if reasons:
            return "" if "" in reasons else f"{reasons[0]}; {_CURE}"
        folders = ", ".join(["the job's directory", *self._allowed(temporary)])
        return (
            f"which is in none of the folders that it may be in: {folders}; write it into job.directory, "
            "or name its folder in `folders` under [plugin.files]"
        )

    def _allowed(self, temporary: str) -> Iterator[str]:
        # The root holds everything, so to begin there is no leave to take everything.
        yield from (place for place in (os.path.realpath(self._here), temporary) if place != os.sep)
        yield from map(os.path.realpath, self._more)


def _own(job: Job) -> str:
    return os.path.realpath(job.shared_directory)


def _temporary() -> str:
    import tempfile  # here, so that a worker whose jobs return no files does not pay for it

    return os.path.realpath(tempfile.gettempdir())


def _kept_back(real: str, inner: str) -> str:
    """What speaks against a file in a folder that files may be taken from; empty for nothing."""
    hidden = next((part for part in inner.split(os.sep) if part.startswith(".")), "")
    if hidden and hidden != os.curdir:
        return f"and {hidden!r} is hidden"
    name = real.lower()
    if name.endswith(_SETTINGS):
        return "which may be settings, with secrets"
    if name.endswith(_KEYS) or _NEARLY_KEY in os.path.basename(name):
        return "which may be a key"
    if name.endswith(_QUEUES):
        return "which may belong to a queue"
    if os.path.lexists(_BESIDE.sub("", real) + ".lock"):
        return "which belongs to a queue, or is locked by another program"
    return ""


def _is_database(file: IO[bytes]) -> bool:
    """Whether an open file is one of SQLite's; it stays at its beginning."""
    return os.pread(file.fileno(), max(map(len, _DATABASE)), 0).startswith(_DATABASE)


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _opened(real: str) -> int:
    """A descriptor of the regular file at a path without links. Raises OSError."""
    *folders, name = real.strip(os.sep).split(os.sep)
    at = os.open(os.sep, _FOLDER)
    try:
        for folder in folders:
            outer, at = at, os.open(folder, _FOLDER, dir_fd=at)
            os.close(outer)
        # Looked at before, since to open some devices is to use them; and again after.
        _check_kind(os.stat(name or os.curdir, dir_fd=at, follow_symlinks=False))
        file = os.open(name, _FILE, dir_fd=at)
    finally:
        os.close(at)
    try:
        _check_kind(os.fstat(file))
    except BaseException:
        os.close(file)
        raise
    return file


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next(
            (word for fits, word in _KINDS if fits(status.st_mode)), "no regular file, but a device or a link"
        )
        raise OSError(f"it is {kind}")
