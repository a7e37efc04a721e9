"""A queue under another scheme: `scratch://NAME` is a file in the folder for temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from workerkit import hookimpl
from workerkit.queue.sqlite import SQLiteStore

SCHEME = "scratch://"
MINUTE = 60_000


class Scratch:
    """Opens the toolkit's own store in another place; a class of yours would keep the same contract."""

    @hookimpl
    def open_queue(self, url):
        if not url.startswith(SCHEME):
            return None  # somebody else's
        path = Path(tempfile.gettempdir()) / f"{url.removeprefix(SCHEME)}.db"
        return SQLiteStore(path, lease_ms=MINUTE, keep_ms=60 * MINUTE, queue_length=1000, holder="scratch")
