"""A queue's SQLite file: from its URL to a connection with the right schema, errors as sentences."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from workerkit.errors import QueueError
from workerkit.location import Location
from workerkit.queue.owner import check_filesystem
from workerkit.queue.sql import SQLITE, load

#: In the file's header, so that no other program's database is taken for a queue: "wkit".
APPLICATION = 0x776B6974
#: Script n brings a file from version n to n + 1. Scripts are only ever added.
MIGRATIONS: tuple[str, ...] = ("schema.sql",)
#: Pages of the write-ahead log between checkpoints, and kilobytes of page cache.
CHECKPOINT_PAGES = 4_000
CACHE_KB = 8_192


def prepare_folder(location: Location) -> Path:
    """Make the file's folder (0700) and check that it can hold a queue; returns the absolute path."""
    path = location.path.absolute()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise QueueError(
            f"the folder {path.parent} for the queue cannot be made: {error.strerror}; "
            "make it by hand or choose another --queue, or [queue] url"
        ) from None
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise QueueError(
            f"the folder {path.parent} cannot be written by this user; SQLite needs to make files beside the queue"
        )
    if not location.unsafe_filesystem:
        mounts = Path("/proc/mounts")
        check_filesystem(path.parent.resolve(), mounts.read_text() if mounts.exists() else "")
    return path


def explain(path: Path, error: sqlite3.Error) -> QueueError:
    """The same error as a sentence that names culprit and cure."""
    text = str(error)
    if "full" in text:
        sentence = (
            f"the disk that holds the queue {path} is full; nothing was stored. Free some space and try again"
        )
    elif "locked" in text:
        sentence = f"another process has held the write lock of the queue {path} for 10 seconds; end it and try again"
    elif "readonly" in text or "unable to open" in text:
        sentence = (
            f"the queue {path} cannot be opened or written by this user; check the file's owner and mode"
        )
    elif "not a database" in text:
        sentence = f"{path} is not a SQLite database; move it away or choose another --queue, or [queue] url"
    elif "malformed" in text:
        sentence = f"the queue {path} is damaged; stop the server and run `sqlite3 {path} .recover`"
    else:
        sentence = f"the queue {path} failed: {text}"
    return QueueError(sentence)


def connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; any thread may use it, one at a time."""
    uri = f"{path.as_uri()}?mode={'ro' if readonly else 'rw'}"
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512)
    db.execute("PRAGMA temp_store = MEMORY")
    return db


def open_for_writing(path: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open or create the file, with its schema brought up to date."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise QueueError(
            f"the queue {path} cannot be opened: {error.strerror}; check its owner and mode, "
            "or choose another --queue, or [queue] url"
        ) from None
    db = connect(path)
    try:
        db.execute("PRAGMA busy_timeout = 10000")
        check_version(db, path, len(migrations))
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",
            f"cache_size = -{CACHE_KB}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            "journal_size_limit = 67108864",
        ):
            db.execute(f"PRAGMA {pragma}")
        migrate(db, migrations)
        db.execute(
            "PRAGMA wal_checkpoint(TRUNCATE)"
        ).fetchall()  # a host that was killed may have left secrets there
        db.execute("PRAGMA busy_timeout = 0")
    except sqlite3.Error as error:
        db.close()
        raise explain(path, error) from error
    except QueueError:
        db.close()
        raise
    return db


def check_version(db: sqlite3.Connection, path: Path, newest: int) -> None:
    """Refuse another program's database, and a queue that a newer workerkit has changed."""
    ((application,),) = db.execute("PRAGMA application_id")
    ((version,),) = db.execute("PRAGMA user_version")
    ((tables,),) = db.execute("SELECT count(*) FROM sqlite_master")
    if application != APPLICATION and (application or version or tables):
        raise QueueError(f"{path} is a database of another program; choose another --queue, or [queue] url")
    if version > newest:
        raise QueueError(
            f"the queue {path} has version {version}, but this workerkit knows only up to {newest}; "
            "upgrade workerkit or choose another --queue, or [queue] url"
        )


def migrate(db: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Run the scripts that the file has not seen, each in a transaction of its own."""
    ((version,),) = db.execute("PRAGMA user_version")
    for number, script in enumerate(migrations[version:], start=version + 1):
        text = SQLITE.fill(load(script)) if script.endswith(".sql") else script
        try:
            db.executescript(
                f"BEGIN IMMEDIATE;\n{text}\n;PRAGMA application_id = {APPLICATION};"
                f"PRAGMA user_version = {number}; COMMIT;"
            )
        except sqlite3.Error:
            if db.in_transaction:
                db.rollback()
            raise
