"""`[guard] allow` and `deny`: addresses, networks and exact host names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from workerkit.guard.addresses import Ip, Network, Networks
from workerkit.guard.url import NAME

#: How resolvers tell an address from a name: by its last part.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)", re.IGNORECASE)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


class Rules:
    """What one of the two lists holds. Raises ValueError with a sentence about the item that is none."""

    def __init__(self, items: Iterable[str]) -> None:
        networks: list[tuple[Network, str]] = []
        self._names = set()
        for item in items:
            network = _network(item)
            if network is None:
                self._names.add(plain(_name(item)))
            else:
                networks.append((network, item))
        self._networks = Networks(networks)
        self._exact = {Ip.of(str(n.network_address)) for n, _ in networks if n.num_addresses == 1}
        self.empty = not networks and not self._names

    def name(self, host: str) -> bool:
        """Whether the host is in the list by its name."""
        return plain(host) in self._names

    def item(self, ip: Ip) -> str:
        """The item that holds an address, as it was written; empty for none."""
        return self._networks.word(ip)

    def exactly(self, ip: Ip) -> bool:
        """Whether the address is in the list by itself, not as part of a network."""
        return ip in self._exact


def plain(host: str) -> str:
    """A host's name in the one form in which it is compared."""
    return host.lower().removesuffix(".")


def _network(item: str) -> Network | None:
    try:
        network = ipaddress.ip_network(item, strict=False)
    except ValueError:
        return None
    if "%" in item:  # its scope would be forgotten
        return None
    try:
        ipaddress.ip_network(item)
    except ValueError:
        raise ValueError(f"{item!r} is an address and a network at once; write {network}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((inner, network.prefixlen - 96))
    return network


def _name(item: str) -> str:
    if NAME.fullmatch(item) and not _NUMERIC.fullmatch(item.removesuffix(".")):
        return item
    raise ValueError(
        f"{item!r} is no address, network or exact host name; "
        "write it like 10.1.2.3, 10.0.0.0/8 or hooks.internal, without scheme, port or *"
    )
