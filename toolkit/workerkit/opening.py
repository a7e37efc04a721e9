"""From `[queue]` settings to a queue. Only here are concrete queues named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from workerkit.errors import QueueError, QueueOwned
from workerkit.hooks import Hooks
from workerkit.location import file_of, location_of
from workerkit.queue import Store
from workerkit.queue.owner import find_owner
from workerkit.queue.reading import Reader
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import QueueSettings, Settings


def identity(queue: QueueSettings) -> str:
    """What tells this queue from others on this machine, now and after a restart; no password is in it."""
    path = file_of(queue.url)
    if path is not None:
        return str(path.resolve())
    parts = urlsplit(queue.url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def store_of(
    settings: Settings, hooks: Hooks, holder: str, on_commit: Callable[[int], None] = lambda operations: None
) -> Store:
    """The store that the settings name, not yet open. Raises `QueueError` when nobody knows its url.

    `on_commit` hears how many operations were in each transaction of a store of our own.
    """
    queue, location = settings.queue, location_of(settings.queue.url)
    if location is not None:
        return SQLiteStore(
            location.path,
            unsafe_filesystem=location.unsafe_filesystem,
            lease_ms=int(queue.lease * 1000),
            keep_ms=int(queue.keep * 1000),
            keep_sync_ms=int(queue.kept(sync=True) * 1000),
            keep_dead_ms=int(queue.keep_dead * 1000),
            queue_length=settings.limits.queue_length,
            holder=holder,
            on_commit=on_commit,
        )
    opened = hooks.open_queue(queue.url)
    if isinstance(opened, Store):
        return opened
    raise QueueError(
        f"no plugin opens the queue {_shown(queue)}; "
        "write sqlite:///file.db, or install the plugin that knows it"
    )


def publish(store: Store, url: str, token: str) -> None:
    """Tell this machine's command line where the server of an open store answers, and its key."""
    if isinstance(store, SQLiteStore):
        store.owner.publish(url, token)


def server_of(queue: QueueSettings) -> tuple[str, str] | None:
    """What the server that has the queue open published: url and token; None when there is none.

    Raises `QueueError` when it is still starting, and for a queue that is a plugin's.
    """
    path = _required_file(queue)
    owner = find_owner(path)
    if owner is None:
        return None
    if "url" not in owner:
        raise QueueError(
            f"process {owner.get('pid')} owns the queue {path} and is still starting; try again in a moment"
        )
    return owner["url"], owner["token"]


def process_of(queue: QueueSettings) -> int:
    """The process that serves the queue. Raises `QueueError` when there is none, or it is still starting."""
    if server_of(queue) is None or (owner := find_owner(_required_file(queue))) is None:
        raise QueueError(
            f"no server has the queue {_required_file(queue)} open; start one with `workerkit serve`, "
            "or say with --queue or --config which one is meant"
        )
    return int(owner["pid"])


def rival_on(queue: QueueSettings, port: int) -> QueueOwned | None:
    """The error that says that the server of this very queue has `port`, when it is so."""
    path = file_of(queue.url)
    owner = None if path is None else find_owner(path)
    url = "" if owner is None else owner.get("url", "")
    if owner is None or not url.endswith(f":{port}"):
        return None
    return QueueOwned(
        f"process {owner['pid']} serves the queue {path} at {url} already; use that server, stop it first, "
        "or give this one another --port and --queue"
    )


def reader_of(queue: QueueSettings) -> Reader:
    """Looks into a queue that no server has open. Raises `QueueError` when there is none."""
    return Reader.open(_required_file(queue))


def _shown(queue: QueueSettings) -> str:
    """A plugin's url without what may be a password."""
    return f"{queue.url.partition('://')[0]}://…"


def _required_file(queue: QueueSettings) -> Path:
    path = file_of(queue.url)
    if path is None:
        raise QueueError(
            f"the queue {_shown(queue)} is a plugin's, and this command knows only queues in SQLite files; "
            "ask the API of a server that has it open, with an operator's key: GET /jobs and GET /deliveries"
        )
    return path
