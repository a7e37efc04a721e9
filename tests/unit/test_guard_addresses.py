"""Every way that is known to write or wrap an address, and what the guard says of it."""

from __future__ import annotations

import pytest

from workerkit.guard import Address, Blocked, Guard, Url
from workerkit.guard.addresses import KINDS, METADATA_ADDRESSES, PUBLIC

LOOPBACK, METADATA = "a loopback address", "a cloud metadata address"
PRIVATE, LINK_LOCAL = "a private address", "a link-local address"
SELF = "an unspecified address, which is this machine"
PROTOCOLS, RESERVED = "an address reserved for protocols", "a reserved address"
DOCUMENTATION, MULTICAST = "a documentation address", "a multicast address"
SHARED = "an address shared behind a carrier's NAT"
LOCAL_NAT64 = "an address of a local NAT64"

REFUSED = {
    # IPv4, the edges of each network
    "0.0.0.0": SELF,
    "0.255.255.255": SELF,
    "10.0.0.0": PRIVATE,
    "10.255.255.255": PRIVATE,
    "100.64.0.0": SHARED,
    "100.127.255.255": SHARED,
    "127.0.0.1": LOOPBACK,
    "127.255.255.255": LOOPBACK,
    "169.254.0.1": LINK_LOCAL,
    "169.254.169.253": LINK_LOCAL,
    "172.16.0.0": PRIVATE,
    "172.31.255.255": PRIVATE,
    "192.0.0.8": PROTOCOLS,  # is_global
    "192.0.0.9": PROTOCOLS,
    "192.0.2.1": DOCUMENTATION,
    "192.88.99.1": "the address of a 6to4 relay",  # is_global
    "192.168.0.0": PRIVATE,
    "192.168.255.255": PRIVATE,
    "198.18.0.0": "an address for benchmarks",
    "198.19.255.255": "an address for benchmarks",
    "198.51.100.1": DOCUMENTATION,
    "203.0.113.1": DOCUMENTATION,
    "224.0.0.1": MULTICAST,  # is_global
    "239.255.255.255": MULTICAST,
    "240.0.0.1": RESERVED,
    "255.255.255.254": RESERVED,
    "255.255.255.255": "the broadcast address",
    # IPv6
    "::": SELF,
    "::1": LOOPBACK,
    "100::1": "an address that discards",
    "100:0:0:1::1": "an address that discards",
    "2001:1::1": PROTOCOLS,
    "2001:2::1": PROTOCOLS,
    "2001:20::1": PROTOCOLS,
    "2001:db8::1": DOCUMENTATION,
    "3fff::1": DOCUMENTATION,  # is_global
    "3fff:fff::1": DOCUMENTATION,
    "5f00::1": "an address for segment routing",
    "fc00::1": PRIVATE,
    "fdff::1": PRIVATE,
    "fe80::1": LINK_LOCAL,
    "fe80::1%eth0": LINK_LOCAL,
    "febf::1": LINK_LOCAL,
    "fec0::1": "a site-local address",  # is_global
    "feff::1": "a site-local address",
    "ff02::1": MULTICAST,  # is_global
    "ff0e::1": MULTICAST,
    "4000::1": RESERVED,
    "fe00::1": RESERVED,
    "0:1::1": RESERVED,
    # IPv4 inside IPv6
    "::ffff:127.0.0.1": LOOPBACK,
    "::ffff:7f00:1": LOOPBACK,
    "::ffff:10.1.2.3": PRIVATE,
    "::ffff:0.0.0.0": SELF,
    "::ffff:a9fe:a9fe": METADATA,
    "::127.0.0.1": LOOPBACK,
    "::a9fe:a9fe": METADATA,  # is_global
    "::2": SELF,
    "::ffff:0:127.0.0.1": LOOPBACK,
    "::ffff:0:a9fe:a9fe": METADATA,
    "64:ff9b::a9fe:a9fe": METADATA,  # is_global
    "64:ff9b::10.1.2.3": PRIVATE,
    "64:ff9b::224.0.0.1": MULTICAST,
    "64:ff9b:0:1::8.8.8.8": RESERVED,
    "64:ff9b:1::8.8.8.8": LOCAL_NAT64,
    "64:ff9b:1::a9fe:a9fe": METADATA,  # as a prefix of 96 bits
    "64:ff9b:1:a9fe:a9:fe00::": METADATA,  # 48
    "64:ff9b:1:a9:fe:a9fe::": METADATA,  # 56
    "64:ff9b:1:0:a9:fea9:fe00:0": METADATA,  # 64
    "2002:a9fe:a9fe::1": METADATA,  # is_global
    "2002:7f00:1::": LOOPBACK,  # is_global
    "2002:a01:203::1": PRIVATE,
    "2002:c058:6301::1": "the address of a 6to4 relay",
    "2001:0:a9fe:a9fe:0:0:f7f7:f7f7": METADATA,  # Teredo: the server
    "2001:0:808:808:0:0:5601:5601": METADATA,  # the client
    "2001:0:808:808:0:0:f5fe:fdfc": PRIVATE,
}

PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "168.63.129.15",
    "192.0.1.0",
    "192.88.98.255",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:db7:ffff::1",
    "2001:db9::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "3fff:1000::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2001:0:808:808::f7f7:f7f7",
]

#: As the system reads them, whatever they look like.
SPELLINGS = {
    "0x7f000001": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "0x7f.0x0.0x0.0x1": "127.0.0.1",
    "0X7F.1": "127.0.0.1",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "①②⑦.0.0.1": "127.0.0.1",
    "\uff11\uff12\uff17.0.0.1": "127.0.0.1",
    "127。0。0。1": "127.0.0.1",
    "0": "0.0.0.0",
    "0xa9fea9fe": "169.254.169.254",
    "2852039166": "169.254.169.254",
    "0251.0376.0251.0376": "169.254.169.254",
    "169.16689662": "169.254.169.254",
    "10.66051": "10.1.2.3",
    "012.1.2.3": "10.1.2.3",
    "0:0:0:0:0:0:0:1": "::1",
    "0000::1": "::1",
    "0:0:0:0:0:ffff:7f00:1": "::ffff:127.0.0.1",
    "FE80::1%lo": "fe80::1",
    "FD00:EC2::0:254": "fd00:ec2::254",
}


def nobody(host: str, port: int) -> list[tuple[object, object, object, object, object]]:
    raise AssertionError(f"an address needs no look-up, but {host!r} had one")


def url(host: str) -> Url:
    return Url("http", host, 80, "/", "http://…/")


@pytest.mark.parametrize(("address", "kind"), REFUSED.items())
def test_an_address_that_leads_inside_is_refused_for_what_it_is(address: str, kind: str) -> None:
    assert Guard().check(address) == kind


@pytest.mark.parametrize("address", [a for a in REFUSED if "%" not in a])
def test_a_url_with_such_an_address_is_blocked_without_a_look_up(address: str) -> None:
    guard = Guard(resolver=nobody)

    with pytest.raises(Blocked, match=REFUSED[address]) as caught:
        guard.addresses(url(address), 1)
    with pytest.raises(Blocked) as early:
        guard.precheck(url(address))
    assert str(early.value) == str(caught.value)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_a_public_address_passes(address: str) -> None:
    guard = Guard(resolver=nobody)

    assert guard.check(address) is None
    guard.precheck(url(address))
    [found] = guard.addresses(url(address), 1)
    assert (found.host, found.sockaddr[1]) == (address, 80)


@pytest.mark.parametrize(("host", "address"), SPELLINGS.items())
def test_an_odd_spelling_is_judged_by_what_the_system_makes_of_it(host: str, address: str) -> None:
    guard = Guard(resolver=nobody)

    with pytest.raises(Blocked, match=r"^the host '.+' is ") as caught:
        guard.addresses(url(host), 1)
    assert str(caught.value).startswith(f"the host {host!r} is {address}, ")


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
def test_metadata_is_known_wherever_a_cloud_has_it(address: str) -> None:
    assert Guard().check(address) == METADATA


@pytest.mark.parametrize(("network", "kind"), KINDS)
def test_every_network_of_the_list_has_an_effect(network: str, kind: str) -> None:
    if kind != PUBLIC:
        assert kind in REFUSED.values()
        assert any(Guard(allow=[network]).check(address) is None for address in REFUSED), network


def test_an_address_says_how_to_connect_to_it() -> None:
    [four] = Guard().addresses(url("8.8.8.8"), 1)
    [six] = Guard().addresses(url("2606:4700:4700::1111"), 1)

    assert four == Address(four.family, "8.8.8.8", ("8.8.8.8", 80))
    assert six.sockaddr == ("2606:4700:4700::1111", 80, 0, 0)


def test_what_is_no_address_is_not_judged() -> None:
    with pytest.raises(ValueError, match="'receiver' does not appear to be an IPv4 or IPv6 address"):
        Guard().check("receiver")
