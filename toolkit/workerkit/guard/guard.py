"""The guard: resolves a URL's host once, and lets all of its addresses pass, or none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import attrs

from workerkit.guard.addresses import LOOPBACK, METADATA, METADATA_ADDRESSES, Ip, kinds
from workerkit.guard.resolving import Address, Resolve, Resolver, numeric, system
from workerkit.guard.rules import Rules
from workerkit.guard.url import Url

#: Addresses whose verdicts are remembered, and hosts that spell one.
REMEMBERED = 1024


class Blocked(ValueError):
    """A host may not be connected to; the text is a sentence that says why, and which setting allows it."""


@attrs.frozen
class _Fault:
    """Why an address may not be reached. `ip` is it, or one behind it."""

    ip: Ip
    kind: str
    denied: bool = False


class Guard:
    """Which addresses the host may connect to on behalf of a request. Threads may share it.

    Public addresses pass. `allow` and `deny` hold addresses, networks such as `10.0.0.0/8`, and exact
    host names; `deny` wins. A name in `allow` may lead anywhere but to a cloud's metadata, and an
    address of that passes only when it is in `allow` itself. `loopback` lets 127.0.0.0/8 and ::1 pass.
    `resolver` answers for a host, and the port 0, as `socket.getaddrinfo` does. Raises ValueError for an
    item that is none.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        *,
        loopback: bool = False,
        resolver: Resolve = system,
    ) -> None:
        self._allow = _rules("allow", allow)
        self._deny = _rules("deny", deny)
        self._loopback = loopback
        self._resolver = Resolver(resolver)
        self._kinds = kinds()
        self._metadata = frozenset(map(Ip.of, METADATA_ADDRESSES))
        self._fault = lru_cache(REMEMBERED)(self._judged)
        self._numeric = lru_cache(REMEMBERED)(numeric)

    def addresses(self, url: Url, timeout: float, room: float | None = None) -> tuple[Address, ...]:
        """Where to connect to for a URL, in the order to try; `timeout` is in seconds.

        Connect to one of these, and do not resolve again: the next answer may be another. Raises
        `Blocked` when one of them may not be reached, and `Unresolved`; its kind `Busy` when for `room`
        seconds, by default for the whole `timeout`, too many other names were without an answer.
        """
        self._refuse_denied_name(url.host)
        if spelled := self._spelled(url):
            return self._passed(url.host, spelled)
        found = self._resolver.look_up(url.host, url.port, timeout, room)
        return self._passed(url.host, found, name=True)

    def precheck(self, url: Url) -> None:
        """Raise `Blocked` where that can be told without a look-up: an address, or a name in `deny`."""
        self._refuse_denied_name(url.host)
        self._passed(url.host, self._spelled(url))

    def check(self, address: str) -> str | None:
        """What kind of address it is that may not be reached, such as "a private address"; None if it may.

        Raises ValueError for what is no address.
        """
        fault = self._fault(address, False)
        return None if fault is None else fault.kind

    def _spelled(self, url: Url) -> tuple[Address, ...]:
        # A scope is the name of an interface, which may be another one later.
        find = numeric if "%" in url.host else self._numeric
        return find(url.host, url.port)

    def _passed(self, host: str, found: tuple[Address, ...], name: bool = False) -> tuple[Address, ...]:
        allowed = name and self._allow.name(host)
        for address in found:
            if (fault := self._fault(address.host, allowed)) is not None:
                raise Blocked(self._sentence(host, address.host, fault, name))
        return found

    def _refuse_denied_name(self, host: str) -> None:
        if self._deny.name(host):
            raise Blocked(f"the host {host!r} is in `deny` under [guard]; take it out to let it pass")

    def _judged(self, address: str, allowed: bool) -> _Fault | None:
        ip = Ip.of(address)
        behind = ip.behind
        for each in (ip, *behind):
            if denied := self._deny.item(each):
                return _Fault(
                    each, f"an address that {denied!r} in `deny` under [guard] refuses", denied=True
                )
        for each in (ip, *behind):
            if each in self._metadata and not self._allow.exactly(each):
                return _Fault(each, METADATA)
        if allowed or self._allow.item(ip):
            return None
        for each in behind if ip.judged_by_what_is_behind else (ip,):
            kind = "" if self._allow.item(each) else self._kinds.word(each)
            if kind and not (kind == LOOPBACK and self._loopback):
                return _Fault(each, kind)
        return None

    def _sentence(self, host: str, address: str, fault: _Fault, name: bool) -> str:
        """Such as: the host 'receiver' is 10.1.2.3, a private address; allow it with …"""
        subject = [] if host == address else [address]
        if address != str(fault.ip):
            subject.append(f"a way to {fault.ip}")
        what = ", ".join([*subject, fault.kind])
        return f"{host if host == address else f'the host {host!r}'} is {what}{self._cure(host, fault, name)}"

    def _cure(self, host: str, fault: _Fault, name: bool) -> str:
        if fault.denied:
            return "; take that out to let it pass"
        if fault.kind == METADATA:
            return f", which hands out credentials; only {self._line(str(fault.ip))} would let it pass"
        if fault.kind == LOOPBACK:
            return "; allow it with `loopback = true` under [guard]"
        return f"; allow it with {self._line(host if name else str(fault.ip))}"

    def _line(self, item: str) -> str:
        """What to paste; whoever has a list already adds to it."""
        pasted = f'`allow = ["{item}"]`' if self._allow.empty else f'"{item}" in `allow`'
        return f"{pasted} under [guard]"


def _rules(setting: str, items: Sequence[str]) -> Rules:
    if isinstance(items, str):
        raise ValueError(f'{setting} must be a list, such as ["{items}"]')
    try:
        return Rules(items)
    except ValueError as exc:
        raise ValueError(f"{setting}: {exc}") from None
