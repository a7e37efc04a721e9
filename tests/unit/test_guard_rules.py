"""What `allow`, `deny` and `loopback` let pass, and the sentences that name them."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest

from workerkit.guard import Blocked, Guard, Url, parse
from workerkit.guard.resolving import Answers

METADATA = "169.254.169.254"


class Names:
    """A resolver that knows a few names."""

    def __init__(self, **names: str) -> None:
        self.names = names

    def __call__(self, host: str, port: int) -> Answers:
        for address in self.names[host.lower().rstrip(".")].split():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            yield family, socket.SOCK_STREAM, 6, "", (address, port)


def guard(allow: Sequence[str] = (), deny: Sequence[str] = (), *, loopback: bool = False) -> Guard:
    names = Names(
        receiver="10.1.2.3",
        local="127.0.0.1 ::1",
        both="8.8.8.8 10.1.2.3",
        meta=METADATA,
        public="8.8.8.8 2606:4700::1",
        nat="64:ff9b::a01:203",
    )
    return Guard(allow, deny, loopback=loopback, resolver=names)


def passes(guard: Guard, host: str) -> bool:
    try:
        guard.addresses(url(host), 5)
    except Blocked:
        return False
    return True


def url(host: str) -> Url:
    return parse(f"http://[{host}]/" if ":" in host else f"http://{host}/")


def refusal(guard: Guard, host: str) -> str:
    with pytest.raises(Blocked) as caught:
        guard.addresses(url(host), 5)
    return str(caught.value)


@pytest.mark.parametrize(
    ("allow", "host"),
    [
        (["10.1.2.3"], "10.1.2.3"),
        (["10.1.2.3"], "10.66051"),
        (["10.1.2.3"], "receiver"),
        (["10.0.0.0/8"], "receiver"),
        (["10.0.0.0/255.0.0.0"], "receiver"),
        (["0.0.0.0/0"], "receiver"),
        (["receiver"], "receiver"),
        (["RECEIVER."], "receiver"),
        (["receiver"], "Receiver."),
        (["other", "receiver"], "receiver"),
        (["10.0.0.0/8"], "both"),
        (["both"], "both"),
        (["local"], "local"),
        (["127.0.0.0/8", "::1"], "local"),
        (["10.1.2.3"], "::ffff:10.1.2.3"),
        (["::ffff:10.1.2.3"], "10.1.2.3"),
        (["::ffff:10.0.0.0/104"], "10.1.2.3"),
        (["10.0.0.0/8"], "nat"),
        (["64:ff9b::/96"], "nat"),
        (["fd00::/8"], "fd00::5"),
        (["fe80::/10"], "fe80::5"),
        (["224.0.0.0/4"], "224.0.0.1"),
        (["64:ff9b:1::/48"], "64:ff9b:1::808:808"),
        (["172.16.0.0/12", METADATA], METADATA),
        ([f"{METADATA}/32"], METADATA),
        ([METADATA], "meta"),
        ([METADATA, "meta"], "meta"),
        ([METADATA], "64:ff9b::a9fe:a9fe"),
        (["fd00:ec2::254/128"], "fd00:ec2::254"),
        (["168.63.129.16"], "168.63.129.16"),
    ],
)
def test_what_is_allowed_passes(allow: list[str], host: str) -> None:
    assert not passes(guard(), host)
    assert passes(guard(allow), host)


@pytest.mark.parametrize(
    ("allow", "host"),
    [
        (["10.1.2.4"], "10.1.2.3"),
        (["11.0.0.0/8"], "receiver"),
        (["receive", "ceiver", "receiver.internal"], "receiver"),
        (["public"], "receiver"),
        (["127.0.0.0/8"], "local"),  # one of two addresses
        (["meta"], "meta"),
        (["169.254.0.0/16"], METADATA),
        (["169.254.169.254/31"], METADATA),
        (["0.0.0.0/0", "::/0"], METADATA),
        (["0.0.0.0/0", "::/0"], "64:ff9b::a9fe:a9fe"),
        (["64:ff9b::/96"], "64:ff9b::a9fe:a9fe"),
        (["64:ff9b:1::/48"], "64:ff9b:1::a9fe:a9fe"),
        (["::/0"], "::ffff:10.1.2.3"),  # that is an address of IPv4
        (["fd00:ec2::/32"], "fd00:ec2::254"),
        (["0.0.0.0/0"], "168.63.129.16"),
    ],
)
def test_what_is_not_allowed_does_not_pass(allow: list[str], host: str) -> None:
    assert not passes(guard(allow), host)


@pytest.mark.parametrize(
    ("deny", "host"),
    [
        (["8.8.8.8"], "8.8.8.8"),
        (["8.0.0.0/8"], "public"),
        (["2606:4700::/32"], "public"),  # one of two addresses
        (["public"], "public"),
        (["PUBLIC"], "public."),
        (["8.8.8.8"], "::ffff:8.8.8.8"),
        (["8.8.8.8"], "64:ff9b::808:808"),
        (["8.8.8.8"], "2002:808:808::1"),
        (["2002::/16"], "2002:808:808::1"),
        (["0.0.0.0/0", "::/0"], "public"),
    ],
)
def test_what_is_denied_does_not_pass_whatever_is_allowed(deny: list[str], host: str) -> None:
    assert passes(guard(), host)
    assert not passes(guard(deny=deny), host)
    assert not passes(guard(["public", "8.8.8.8", "0.0.0.0/0", "::/0"], deny), host)


def test_metadata_that_is_allowed_and_denied_is_denied() -> None:
    assert not passes(guard([METADATA], [METADATA]), METADATA)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "127.1", "local"])
def test_loopback_passes_where_it_is_let(host: str) -> None:
    assert not passes(guard(), host)
    assert passes(guard(loopback=True), host)
    assert not passes(guard(deny=["127.0.0.0/8", "::1"], loopback=True), host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", METADATA, "fe80::1", "receiver", "meta"])
def test_loopback_is_nothing_else(host: str) -> None:
    assert not passes(guard(loopback=True), host)


def paste(item: str) -> str:
    return f'a private address; allow it with `allow = ["{item}"]` under [guard]'


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("10.1.2.3", f"10.1.2.3 is {paste('10.1.2.3')}"),
        ("receiver", f"the host 'receiver' is 10.1.2.3, {paste('receiver')}"),
        ("both", f"the host 'both' is 10.1.2.3, {paste('both')}"),
        ("10.66051", f"the host '10.66051' is 10.1.2.3, {paste('10.1.2.3')}"),
        ("64:ff9b::a01:203", f"64:ff9b::a01:203 is a way to 10.1.2.3, {paste('10.1.2.3')}"),
        ("nat", f"the host 'nat' is 64:ff9b::a01:203, a way to 10.1.2.3, {paste('nat')}"),
        ("127.0.0.1", "127.0.0.1 is a loopback address; allow it with `loopback = true` under [guard]"),
        (
            "local",
            "the host 'local' is 127.0.0.1, a loopback address; allow it with `loopback = true` under [guard]",
        ),
        (
            METADATA,
            f"{METADATA} is a cloud metadata address, which hands out credentials; "
            f'only `allow = ["{METADATA}"]` under [guard] would let it pass',
        ),
        (
            "meta",
            f"the host 'meta' is {METADATA}, a cloud metadata address, which hands out credentials; "
            f'only `allow = ["{METADATA}"]` under [guard] would let it pass',
        ),
    ],
)
def test_a_refusal_names_host_address_kind_and_what_to_paste(host: str, sentence: str) -> None:
    assert refusal(guard(), host) == sentence


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "receiver", "both", "nat", METADATA, "meta", "64:ff9b::a01:203"]
)
def test_what_a_refusal_says_to_paste_is_what_helps(host: str) -> None:
    item = refusal(guard(), host).partition('["')[2].partition('"]')[0]

    assert passes(guard([item]), host)


def test_whoever_has_a_list_is_told_to_add_to_it() -> None:
    assert refusal(guard(["other"]), "receiver").endswith(
        '; allow it with "receiver" in `allow` under [guard]'
    )
    assert refusal(guard(["other"]), METADATA).endswith(
        f'; only "{METADATA}" in `allow` under [guard] would let it pass'
    )


@pytest.mark.parametrize(
    ("deny", "host", "sentence"),
    [
        (
            ["8.0.0.0/8"],
            "8.8.8.8",
            "8.8.8.8 is an address that '8.0.0.0/8' in `deny` under [guard] refuses; take that out to let it pass",
        ),
        (
            ["8.0.0.0/8"],
            "public",
            "the host 'public' is 8.8.8.8, an address that '8.0.0.0/8' in `deny` under [guard] refuses; "
            "take that out to let it pass",
        ),
        (
            ["8.0.0.0/8"],
            "2002:808:808::1",
            "2002:808:808::1 is a way to 8.8.8.8, an address that '8.0.0.0/8' in `deny` under [guard] refuses; "
            "take that out to let it pass",
        ),
        (["public"], "public", "the host 'public' is in `deny` under [guard]; take it out to let it pass"),
    ],
)
def test_a_denial_names_the_item(deny: list[str], host: str, sentence: str) -> None:
    assert refusal(guard(deny=deny), host) == sentence


def test_the_kind_of_a_denied_address_names_the_item_too() -> None:
    assert (
        guard(deny=["8.0.0.0/8"]).check("8.8.8.8")
        == "an address that '8.0.0.0/8' in `deny` under [guard] refuses"
    )


def test_a_name_in_deny_is_refused_early_and_others_only_once_they_are_looked_up() -> None:
    made = guard(deny=["public"])

    with pytest.raises(Blocked, match=r"in `deny` under \[guard\]"):
        made.precheck(url("public"))
    made.precheck(url("receiver"))
    assert not passes(made, "receiver")


NEITHER = (
    "is no address, network or exact host name; "
    "write it like 10.1.2.3, 10.0.0.0/8 or hooks.internal, without scheme, port or *"
)


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        *(
            (item, f"{item!r} {NEITHER}")
            for item in (
                *("", " ", "*", "*.internal", ".internal", "http://receiver", "receiver:80", "receiver/x"),
                *("10.0.0.0/33", "256.1.1.1", "127.1", "2130706433", "0x7f000001", "10.1.2.3.", "[::1]"),
                *("fe80::1%eth0", "::1/129", "höst", "\uff11\uff12\uff17.0.0.1", "a..b", "a" * 64),
            )
        ),
        ("10.1.2.3/8", "'10.1.2.3/8' is an address and a network at once; write 10.0.0.0/8"),
        ("fd00::1/8", "'fd00::1/8' is an address and a network at once; write fd00::/8"),
    ],
)
@pytest.mark.parametrize("setting", ["allow", "deny"])
def test_an_item_that_is_none_is_refused(setting: str, item: str, sentence: str) -> None:
    with pytest.raises(ValueError, match="write") as caught:
        Guard(**{setting: ["receiver", item]})  # type: ignore[arg-type]
    assert str(caught.value) == f"{setting}: {sentence}"


@pytest.mark.parametrize("setting", ["allow", "deny"])
def test_a_text_in_place_of_a_list_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=rf'^{setting} must be a list, such as \["receiver"\]$'):
        Guard(**{setting: "receiver"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["1.example", "10.1.2.3.example", "3com", "a1", "0xfeedx", "_a-b", "xn--hst-hoa"]
)
def test_a_name_with_digits_is_a_name(name: str) -> None:
    with pytest.raises(Blocked, match=r"in `deny` under \[guard\]"):
        Guard(deny=[name]).precheck(url(name))
