"""What kind of address an address is. An own list: `ipaddress.is_global` lets ways inside pass.

It knows no address that leads to another, such as 6to4 and NAT64, takes multicast for global, and
differs between versions of Python.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = "a loopback address"
METADATA = "a cloud metadata address"
PUBLIC = ""
_PRIVATE = "a private address"
_PROTOCOLS = "an address reserved for protocols"
_DOCUMENTATION = "a documentation address"
_MULTICAST = "a multicast address"
_RESERVED = "a reserved address"
_LOW = 0xFFFF_FFFF

#: Networks and what to call their addresses; the first that holds an address counts.
KINDS = (
    ("0.0.0.0/8", "an unspecified address, which is this machine"),
    ("10.0.0.0/8", _PRIVATE),
    ("100.64.0.0/10", "an address shared behind a carrier's NAT"),
    ("127.0.0.0/8", LOOPBACK),
    ("169.254.0.0/16", "a link-local address"),
    ("172.16.0.0/12", _PRIVATE),
    ("192.0.0.0/24", _PROTOCOLS),
    ("192.0.2.0/24", _DOCUMENTATION),
    ("192.88.99.0/24", "the address of a 6to4 relay"),
    ("192.168.0.0/16", _PRIVATE),
    ("198.18.0.0/15", "an address for benchmarks"),
    ("198.51.100.0/24", _DOCUMENTATION),
    ("203.0.113.0/24", _DOCUMENTATION),
    ("224.0.0.0/4", _MULTICAST),
    ("255.255.255.255/32", "the broadcast address"),
    ("240.0.0.0/4", _RESERVED),
    ("::/128", "an unspecified address, which is this machine"),
    ("::1/128", LOOPBACK),
    ("64:ff9b:1::/48", "an address of a local NAT64"),
    ("100::/64", "an address that discards"),
    ("100:0:0:1::/64", "an address that discards"),
    ("2001::/23", _PROTOCOLS),
    ("2001:db8::/32", _DOCUMENTATION),
    ("3fff::/20", _DOCUMENTATION),
    ("5f00::/16", "an address for segment routing"),
    ("fc00::/7", _PRIVATE),
    ("fe80::/10", "a link-local address"),
    ("fec0::/10", "a site-local address"),
    ("ff00::/8", _MULTICAST),
    ("2000::/3", PUBLIC),  # all that is given out of IPv6
    ("::/0", _RESERVED),
)

#: Where clouds hand out credentials, or steer a machine.
METADATA_ADDRESSES = (
    "169.254.169.254",  # nearly every cloud
    "169.254.169.252",  # Google Kubernetes Engine
    "169.254.170.2",  # Amazon ECS
    "169.254.170.23",  # Amazon EKS
    "169.254.0.23",  # Tencent
    "169.254.42.42",  # Scaleway
    "100.100.100.200",  # Alibaba
    "168.63.129.16",  # Azure; it lies among public addresses
    "192.0.0.192",  # Oracle, classic
    "fd00:ec2::254",  # Amazon EC2
    "fd00:ec2::23",  # Amazon EKS
    "fd20:ce::254",  # Google
    "fd00:c1::a9fe:a9fe",  # Oracle
    "fd00:42::42",  # Scaleway
    "fd00:100::100:200",  # Alibaba
    "fd00:a9fe:a9fe::1",  # Akamai
    "fe80::a9fe:a9fe",  # OpenStack
)


class Ip(NamedTuple):
    """An address as a number; one of IPv4 in the dress of IPv6 is of version 4."""

    version: int
    number: int

    @classmethod
    def of(cls, text: str) -> Ip:
        """Parse an address, with or without scope; raises ValueError."""
        found = ipaddress.ip_address(text)
        number = int(found)
        # To the kernel, ::ffff:127.0.0.1 is 127.0.0.1.
        mapped = found.version == 6 and number >> 32 == 0xFFFF
        return cls(4, number & _LOW) if mapped else cls(found.version, number)

    def __str__(self) -> str:
        kind = ipaddress.IPv4Address if self.version == 4 else ipaddress.IPv6Address
        return str(kind(self.number))

    @property
    def behind(self) -> tuple[Ip, ...]:
        """The IPv4 addresses that a translator or a tunnel takes this one for."""
        if self.version == 4:
            return ()
        return tuple(Ip(4, inner & _LOW) for inner in _behind(self.number))

    @property
    def judged_by_what_is_behind(self) -> bool:
        """Whether what is behind it is all there is to know about it.

        Not so with a local NAT64, whose operator alone knows what part of it is the inner address.
        """
        return bool(self.behind) and not _in_local_nat64(self.number)


def _behind(number: int) -> tuple[int, ...]:
    """The numbers of which the low 32 bits are an inner IPv4 address."""
    prefix = number >> 32
    if prefix in (0x64_FF9B << 64, 0xFFFF_0000) or (prefix == 0 and number > 1):
        return (number,)  # NAT64, SIIT, IPv4-compatible
    if number >> 112 == 0x2002:
        return (number >> 80,)  # 6to4
    if number >> 96 == 0x2001_0000:
        return (number >> 64, ~number)  # Teredo: its server, its client
    if _in_local_nat64(number):
        # Prefixes of 48, 56, 64 and 96 bits; the octet from bit 64 on is not part of the address.
        high, low = number >> 64, (number & 0xFF_FFFF_FFFF_FFFF)
        return (
            (high & 0xFFFF) << 16 | low >> 40,
            (high & 0xFF) << 24 | low >> 32,
            low >> 24,
            number,
        )
    return ()


def _in_local_nat64(number: int) -> bool:
    return number >> 80 == 0x64_FF9B_0001


class Networks:
    """Networks and a word about each, as numbers by version, so that a look costs little."""

    def __init__(self, rows: Iterable[tuple[Network, str]]) -> None:
        self._rows: dict[int, list[tuple[int, int, str]]] = {4: [], 6: []}
        for network, word in rows:
            number, mask = int(network.network_address), int(network.netmask)
            self._rows[network.version].append((mask, number, word))

    def word(self, ip: Ip) -> str:
        """That of the first network which holds the address; empty when none does."""
        number = ip.number
        return next((word for mask, network, word in self._rows[ip.version] if number & mask == network), "")


@cache
def kinds() -> Networks:
    """The list above, ready to look into: made once, at first use."""
    return Networks((ipaddress.ip_network(network), kind) for network, kind in KINDS)
