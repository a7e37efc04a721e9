"""A receiver that echoes what it was sent gives nothing away: neither its URL's tokens nor credentials."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import quote_plus

import pytest

from peers import BODY, peer, webhook
from workerkit import Delivery, Receipt, Secret
from workerkit.signing import new_secret
from workerkit_plugins.webhook.settings import EndpointSettings, WebhookSettings

TOKEN = "s3cr/t tök+n"
QUERY = f"token={quote_plus(TOKEN)}&short=abc&bare-token"
SECRET, OTHER = new_secret(), new_secret()
SETTINGS = WebhookSettings(
    timeout=5,
    secrets=(Secret(SECRET),),
    headers={"X-Key": Secret("key-of-the-gateway")},
    authorization=Secret("Bearer the-bearers-token"),
    credentials_to=("127.0.0.1",),
    endpoints={
        "render": EndpointSettings(authorization=Secret("the-renderers-token"), secrets=(Secret(OTHER),))
    },
)
LEAKS = (
    *(QUERY, quote_plus(TOKEN), TOKEN, "bare-token", SECRET, "key-of-the-gateway"),
    *("Bearer the-bearers-token", "the-bearers-token"),
)


def delivered(answer: bytes, endpoint: str = "other") -> Receipt:
    with peer(lambda connection: connection.sendall(answer)) as receiver:
        delivery = Delivery(
            target=f"http://127.0.0.1:{receiver.port}/hook?{QUERY}",
            body=BODY,
            headers={"webhook-id": "msg_j_1", "workerkit-event": "completed"},
            endpoint=endpoint,
        )
        return webhook(SETTINGS).deliver(delivery)


def in_the_body(text: str) -> bytes:
    body = text.encode()
    return b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def in_a_header(text: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n" % text.encode()


@pytest.mark.parametrize("answer", [in_the_body, in_a_header])
@pytest.mark.parametrize("leak", LEAKS)
def test_what_a_receiver_echoes_is_masked_wherever_it_would_be_cut(
    leak: str, answer: Callable[[str], bytes]
) -> None:
    for before in (0, 170, 195, 505):
        receipt = delivered(answer("." * before + leak + " is not known"))
        said = receipt.detail + receipt.answer
        assert leak[:5] not in said
        shown = 512 if receipt.answer else 200 - len("its transfer encoding is '")
        assert "." * min(before, shown) in said
        if before + 3 <= shown:
            assert "." * before + "***" in said


def test_the_credentials_of_an_endpoint_are_masked_too() -> None:
    receipt = delivered(in_the_body(f"no {OTHER} the-renderers-token key-of-the-gateway here"), "render")
    assert receipt.answer == "no *** *** *** here"


def test_short_values_of_a_query_and_what_else_is_said_stay() -> None:
    receipt = delivered(in_the_body("short=abc is not known"))
    assert receipt.answer == "short=abc is not known"


def test_credentials_are_sent_to_the_hosts_that_are_named_only() -> None:
    def ok(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with peer(ok) as receiver:
        for host in ("127.0.0.1", "localhost"):
            delivery = Delivery(
                target=f"http://{host}:{receiver.port}/", body=BODY, headers={"webhook-id": "msg_j_1"}
            )
            assert webhook(SETTINGS).deliver(delivery).status == 200
    named, other = receiver.requests
    for credential in (b"key-of-the-gateway", b"Bearer the-bearers-token"):
        assert credential in named
        assert credential not in other


def test_a_long_token_that_is_echoed_until_nothing_more_is_read_is_masked_to_the_last() -> None:
    token = "".join(f"{number:05}" for number in range(300))
    settings = WebhookSettings(timeout=5, authorization=Secret(f"Bearer {token}"), credentials_to=("*",))
    answer = f"HTTP/1.1 500 Oops\r\nContent-Length: {60 * len(token)}\r\n\r\n".encode() + 60 * token.encode()
    with peer(lambda connection: connection.sendall(answer)) as receiver:
        delivery = Delivery(
            target=f"http://127.0.0.1:{receiver.port}/",
            body=BODY,
            headers={"webhook-id": "msg_j_1", "workerkit-event": "completed"},
            endpoint="e",
            number=1,
        )
        receipt = webhook(settings).deliver(delivery)

    assert receipt.status == 500
    assert not any(token[begin : begin + 16] in receipt.answer for begin in range(0, len(token), 8))
