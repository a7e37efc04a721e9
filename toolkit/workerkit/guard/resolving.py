"""From a host to its addresses, once, in bounded time and with a bounded number of threads."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import attrs

#: As `socket.getaddrinfo` answers for a host and a port.
Answers = Iterable[tuple[Any, Any, Any, Any, Any]]
Resolve = Callable[[str, int], Answers]
#: So many look-ups at a time; none can be ended from outside, and a DNS server may hang.
MOST = 16
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Unresolved(OSError):
    """A host's addresses cannot be had; the text is a sentence that says why."""


@attrs.frozen
class Address:
    """Where to connect to: `socket.socket(address.family).connect(address.sockaddr)`."""

    family: int
    #: The address as text, without scope.
    host: str
    sockaddr: tuple[Any, ...]


def numeric(host: str, port: int) -> tuple[Address, ...]:
    """The address that a host spells, in whichever way the system reads; empty for a name. No look-up."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, ValueError):
        return ()
    return _addresses(found)


def system(host: str, port: int) -> Answers:
    """Ask the system's resolver."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class Resolver:
    """Looks names up in threads, because a resolver takes no time-out. Threads may share it."""

    def __init__(self, resolve: Resolve = system) -> None:
        self._resolve = resolve
        self._changed = threading.Condition()
        self._running: dict[tuple[str, int], _LookUp] = {}

    def look_up(self, host: str, port: int, timeout: float) -> tuple[Address, ...]:
        """All addresses of a name; raises `Unresolved`. Whoever asks for the same meanwhile waits along."""
        end = time.monotonic() + timeout
        key = (host, port)
        with self._changed:
            if not self._changed.wait_for(lambda: key in self._running or self._has_room, timeout):
                raise Unresolved(
                    f"the name {host!r} was not looked up within {timeout:g} s: {MOST} other look-ups "
                    "are without an answer; check the DNS servers of this machine"
                )
            look_up = self._running.get(key) or self._begin(key)
        if not look_up.done.wait(max(end - time.monotonic(), 0)):
            raise Unresolved(
                f"the name {host!r} was not resolved within {timeout:g} s; "
                "check the DNS servers of this machine, and those of the name"
            )
        return look_up.addresses(host)

    @property
    def _has_room(self) -> bool:
        return len(self._running) < MOST

    def _begin(self, key: tuple[str, int]) -> _LookUp:
        look_up = _LookUp()
        threading.Thread(target=self._run, args=(key, look_up), name="workerkit-look-up", daemon=True).start()
        self._running[key] = look_up
        return look_up

    def _run(self, key: tuple[str, int], look_up: _LookUp) -> None:
        try:
            look_up.found = _addresses(self._resolve(*key))
        except Exception as exc:
            look_up.error = exc
        finally:
            # First out of the list: who asks after the answer was given gets a look-up of its own.
            with self._changed:
                del self._running[key]
                self._changed.notify_all()
            look_up.done.set()


class _LookUp:
    """One that runs, and its outcome once it is done."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: tuple[Address, ...] = ()
        self.error: Exception | None = None

    def addresses(self, host: str) -> tuple[Address, ...]:
        """What was found; raises what went wrong."""
        if isinstance(self.error, (OSError, ValueError)):
            said = getattr(self.error, "strerror", None) or str(self.error) or type(self.error).__name__
            raise Unresolved(
                f"the name {host!r} cannot be resolved: {said}; check its spelling, and the DNS servers "
                "of this machine"
            ) from self.error
        if self.error is not None:
            raise self.error
        if not self.found:
            raise Unresolved(f"the name {host!r} has no address; check its A and AAAA records")
        return self.found


def _addresses(found: Answers) -> tuple[Address, ...]:
    """In the resolver's order, each once; only what TCP can connect to."""
    all_ = (
        Address(family, sockaddr[0].partition("%")[0], sockaddr)
        for family, _, _, _, sockaddr in found
        if family in _FAMILIES
    )
    return tuple(dict.fromkeys(all_))
