"""Row 14: URLs that lead where they may not, however they spell it. Nothing is connected to."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
import pytest

from peers import webhook
from workerkit import Delivery, Refused, Request, Verdict
from workerkit.guard import Guard
from workerkit_plugins.webhook.settings import WebhookSettings

SPELLINGS = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0",
    "0.0.0.0",
    "localhost",
    "LOCALHOST",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.1.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.170.2",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.8",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "[::a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:7f00:1::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[100::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
]
ODD = [
    *(
        "http://①②⑦.0.0.1/",
        "http://127。0。0。1/",
        "http://127.0.0.1%2f@example.com/",
        "http://example.com@127.0.0.1/",
    ),
    *("http://127.0.0.1\\@example.com/", "http://127.0.0.1:0/", "http:///127.0.0.1/", "//127.0.0.1/"),
    *(
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[::1/",
    ),
    *("http://exa%6dple.com/", "http://127.0.0.1\t/", "http://a\r\nHost:b/", "http://127.0.0.1 /"),
]


@attrs.define
class Connections:
    """Addresses that this process has connected to while the block ran."""

    made: list[Any] = attrs.field(factory=list)
    counts: bool = True

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.counts and event == "socket.connect":
            self.made.append(arguments[1])


@contextmanager
def connections() -> Iterator[Connections]:
    found = Connections()
    sys.addaudithook(found.audit)
    try:
        yield found
    finally:
        found.counts = False


def asked(url: str) -> Request:
    return Request(id="j", endpoint="e", raw_input=b"{}", fields={"webhook": url})


def delivery(url: str) -> Delivery:
    headers = {"webhook-id": "msg_j_1", "workerkit-event": "completed"}
    return Delivery(target=url, body=b"{}", headers=headers, endpoint="e", number=1)


def test_no_spelling_of_a_forbidden_address_is_accepted_or_connected_to(
    figure: Callable[[str], None],
) -> None:
    plugin = webhook(WebhookSettings(), Guard())
    with connections() as found:
        for spelling in SPELLINGS:
            url = f"http://{spelling}:8080/hook?token=hush"
            with pytest.raises(Refused, match="webhook: ") as refused:
                plugin.accept(asked(url))
            receipt = plugin.deliver(delivery(url))
            assert receipt.verdict is Verdict.RETRY, url
            assert receipt.detail.startswith("not sent: "), receipt
            assert "hush" not in receipt.detail + str(refused.value)
        for url in ODD:
            with pytest.raises(Refused):
                plugin.accept(asked(url))

    figure(
        f"row 14: {len(SPELLINGS)} spellings of forbidden addresses and {len(ODD)} odd URLs: "
        f"connections {len(found.made)}"
    )
    assert len(SPELLINGS) >= 40
    assert found.made == []


def test_a_name_that_is_public_when_it_is_accepted_and_private_when_it_is_sent_is_not_connected_to(
    figure: Callable[[str], None],
) -> None:
    answers = iter(["93.184.215.14", "10.0.0.7", "127.0.0.1", "169.254.169.254"])
    looked: list[str] = []

    def resolve(host: str, port: int) -> list[Any]:
        looked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    plugin = webhook(WebhookSettings(), Guard(resolver=resolve))
    url = "http://rebinding.example:8080/"
    with connections() as found:
        plugin.accept(asked(url))
        receipts = [plugin.deliver(delivery(url)) for _ in range(3)]

    figure(
        f"row 14: a name that turns private after it was accepted: {len(looked)} look-ups, connections {len(found.made)}"
    )
    assert [receipt.detail.partition(", ")[0] for receipt in receipts] == [
        "not sent: the host 'rebinding.example' is 10.0.0.7",
        "not sent: the host 'rebinding.example' is 127.0.0.1",
        "not sent: the host 'rebinding.example' is 169.254.169.254",
    ]
    assert len(looked) == 4
    assert found.made == []
