"""Connections that wait for their next request."""

from __future__ import annotations

import threading
import time

import attrs

from workerkit_plugins.webhook.connection import Connection, Key

#: In seconds. Many servers close after 5: those that do must not do so while a request is on its way.
LONGEST = 4.0
#: To one place, and in all.
MOST_ALIKE, MOST = 8, 64


@attrs.frozen
class _Kept:
    connection: Connection
    since: float


class Idle:
    """Keeps open connections for a while. Threads may share it."""

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        #: The longest idle first.
        self._kept: list[_Kept] = []
        self._sweeper: threading.Timer | None = None
        self._closed = False

    def take(self, key: Key) -> Connection | None:
        """The one to `key` that was used last and is alive, if any; it is the caller's from here on."""
        while (connection := self._popped(key)) is not None:
            if connection.is_alive:
                return connection
            connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Take over a connection whose last answer was read to its end."""
        with self._lock:
            if self._closed:
                surplus: Connection | None = connection
            else:
                surplus = self._surplus(connection.key)
                self._kept.append(_Kept(connection, time.monotonic()))
                self._sweep_later()
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close all, and from here on each one that is brought."""
        with self._lock:
            self._closed = True
            kept, self._kept = self._kept, []
            sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            sweeper.cancel()
        for each in kept:
            each.connection.close()

    def _popped(self, key: Key) -> Connection | None:
        latest = time.monotonic() - self._longest
        with self._lock:
            for place in reversed(range(len(self._kept))):
                kept = self._kept[place]
                if kept.since < latest:
                    return None  # and all before it; the sweeper closes them
                if kept.connection.key == key:
                    return self._kept.pop(place).connection
        return None

    def _surplus(self, key: Key) -> Connection | None:
        """Take out the one that has to make room for one more to `key`."""
        alike = [place for place, each in enumerate(self._kept) if each.connection.key == key]
        if len(alike) >= MOST_ALIKE:
            return self._kept.pop(alike[0]).connection
        return self._kept.pop(0).connection if len(self._kept) >= MOST else None

    def _sweep_later(self) -> None:
        if self._sweeper is None and self._kept:
            due = self._kept[0].since + self._longest - time.monotonic()
            self._sweeper = threading.Timer(max(due, 0), self._sweep)
            self._sweeper.name = "workerkit-webhook-idle"
            self._sweeper.daemon = True
            self._sweeper.start()

    def _sweep(self) -> None:
        with self._lock:
            if self._closed:
                return
            latest = time.monotonic() - self._longest
            old = [each for each in self._kept if each.since <= latest]
            self._kept = self._kept[len(old) :]
            self._sweeper = None
            self._sweep_later()
        for each in old:
            each.connection.close()
