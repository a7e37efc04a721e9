"""From a host to its addresses, once, in bounded time and with a bounded number of threads."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import attrs

#: As `socket.getaddrinfo` answers for a host and a port.
Answers = Iterable[tuple[Any, Any, Any, Any, Any]]
Resolve = Callable[[str, int], Answers]
#: So many look-ups at a time; none can be ended from outside, and a DNS server may hang. Some are left to
#: names that have resolved before.
MOST, MOST_NEW = 64, 48
#: Names that have resolved, and are remembered.
REMEMBERED = 1024
#: Seconds that a thread waits for its next look-up.
IDLE = 10.0
_FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Unresolved(OSError):
    """A host's addresses cannot be had; the text is a sentence that says why."""


class Busy(Unresolved):
    """A host was not looked up, since too many others are without an answer. It is no fault of its own."""


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
    """Looks names up in threads, because a resolver takes no time-out. Threads may share it.

    A thread is used again, as long as the next look-up comes within `idle` seconds.
    """

    def __init__(self, resolve: Resolve = system, idle: float = IDLE) -> None:
        self._resolve = resolve
        self._idle_for = idle
        self._changed = threading.Condition()
        #: By host only: whichever port is wanted, the answer is the same.
        self._running: dict[str, _LookUp] = {}
        self._resolved: OrderedDict[str, None] = OrderedDict()
        #: What the threads that have nothing to do wait for; the one that was used last is at the end.
        self._idle: list[_Inbox] = []

    def look_up(self, host: str, port: int, timeout: float, room: float | None = None) -> tuple[Address, ...]:
        """All addresses of a name. Whoever asks for the same meanwhile waits along.

        `room` is how long to wait for one of the `MOST` places, at most and by default `timeout`. Raises
        `Unresolved`, or `Busy` when there was none.
        """
        end = time.monotonic() + timeout
        look_up = self._joined(host, timeout if room is None else min(room, timeout))
        if not look_up.done.wait(max(end - time.monotonic(), 0)):
            raise Unresolved(
                f"the name {host!r} was not resolved within {timeout:g} s; "
                "check the DNS servers of this machine, and those of the name"
            )
        return tuple(_at(port, address) for address in look_up.addresses())

    def _joined(self, host: str, room: float) -> _LookUp:
        with self._changed:
            most = MOST if host in self._resolved else MOST_NEW
            if not self._changed.wait_for(lambda: host in self._running or len(self._running) < most, room):
                within = f" within {room:g} s" if room else ""
                raise Busy(
                    f"the name {host!r} was not looked up{within}: {len(self._running)} other look-ups "
                    "are without an answer; check the DNS servers of this machine"
                )
            return self._running.get(host) or self._begin(host)

    def _begin(self, host: str) -> _LookUp:
        look_up = _LookUp(host)
        if self._idle:
            self._idle.pop().put(look_up)
        else:
            inbox: _Inbox = queue.SimpleQueue()
            inbox.put(look_up)
            threading.Thread(target=self._work, args=(inbox,), name="workerkit-look-up", daemon=True).start()
        self._running[host] = look_up
        return look_up

    def _work(self, inbox: _Inbox) -> None:
        while (look_up := self._next(inbox)) is not None:
            look_up.run(self._resolve)
            # First out of the list: who asks after the answer was given gets a look-up of its own.
            with self._changed:
                del self._running[look_up.host]
                if look_up.found:
                    self._remember(look_up.host)
                self._idle.append(inbox)
                self._changed.notify_all()
            look_up.done.set()

    def _remember(self, host: str) -> None:
        self._resolved[host] = None
        self._resolved.move_to_end(host)
        if len(self._resolved) > REMEMBERED:
            self._resolved.popitem(last=False)

    def _next(self, inbox: _Inbox) -> _LookUp | None:
        try:
            return inbox.get(timeout=self._idle_for)
        except queue.Empty:
            with self._changed:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
            return inbox.get()  # it was chosen at that very moment


class _LookUp:
    """One that runs, and its outcome once it is done."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.done = threading.Event()
        self.found: tuple[Address, ...] = ()
        self._error: BaseException | None = None

    def run(self, resolve: Resolve) -> None:
        """Ask; whoever waits for it is told of what goes wrong."""
        try:
            self.found = _addresses(resolve(self.host, 0))
        except BaseException as exc:
            self._error = exc

    def addresses(self) -> tuple[Address, ...]:
        """What was found; raises what went wrong."""
        if isinstance(self._error, (OSError, ValueError)):
            said = getattr(self._error, "strerror", None) or str(self._error) or type(self._error).__name__
            raise Unresolved(
                f"the name {self.host!r} cannot be resolved: {said}; check its spelling, and the DNS servers "
                "of this machine"
            ) from self._error
        if self._error is not None:
            raise self._error
        if not self.found:
            raise Unresolved(f"the name {self.host!r} has no address; check its A and AAAA records")
        return self.found


_Inbox = queue.SimpleQueue[_LookUp]


def _addresses(found: Answers) -> tuple[Address, ...]:
    """In the resolver's order, each once; only what TCP can connect to."""
    all_ = (
        Address(family, sockaddr[0].partition("%")[0], sockaddr)
        for family, _, _, _, sockaddr in found
        if family in _FAMILIES
    )
    return tuple(dict.fromkeys(all_))


def _at(port: int, address: Address) -> Address:
    place, _, *scope = address.sockaddr
    return Address(address.family, address.host, (place, port, *scope))
