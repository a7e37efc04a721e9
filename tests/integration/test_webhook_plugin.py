from __future__ import annotations

import socket
import time

import pytest

import workerkit
from peers import BODY, Behaviour, deliver, drips, hangs, peer, resets, says
from workerkit import Receipt, Verdict
from workerkit_plugins.webhook.settings import WebhookSettings


def said(receipt: Receipt) -> tuple[Verdict, str]:
    return receipt.verdict, receipt.detail


def test_posts_the_body_as_it_is_and_a_200_acknowledges() -> None:
    with peer(says("200 OK", body=b"thanks")) as receiver:
        receipt = deliver(receiver.port)

    assert said(receipt) == (Verdict.DELIVERED, "answered 200")
    assert (receipt.status, receipt.address, receipt.answer) == (200, f"127.0.0.1:{receiver.port}", "thanks")
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    assert lines[0] == "POST /hook?token=hush HTTP/1.1"
    assert body == BODY
    assert abs(int(headers.pop("webhook-timestamp")) - time.time()) < 5
    assert headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": f"workerkit/{workerkit.__version__}",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "accept-encoding": "identity",
        "webhook-id": "msg_j-u1_2",
        "workerkit-event": "completed",
    }


def test_a_204_does_not_acknowledge_unless_the_settings_say_2xx() -> None:
    with peer(says("204 No Content")) as receiver:
        strict = deliver(receiver.port)
        lax = deliver(receiver.port, WebhookSettings(acknowledge="2xx"))

    assert said(strict) == (Verdict.RETRY, 'answered 204; only 200 acknowledges; set acknowledge = "2xx"')
    assert said(lax) == (Verdict.DELIVERED, "answered 204")


def test_a_redirect_is_not_followed() -> None:
    with peer(says("200 OK")) as elsewhere:
        answer = says("302 Found", f"Location: http://127.0.0.1:{elsewhere.port}/")
        with peer(answer) as receiver:
            receipt = deliver(receiver.port)

    assert said(receipt) == (Verdict.RETRY, "answered 302; redirects are not followed")
    assert elsewhere.requests == []


def test_a_500_is_tried_again_and_a_410_is_not() -> None:
    with peer(says("500 Oops")) as failing, peer(says("410 Gone")) as gone:
        assert said(deliver(failing.port)) == (Verdict.RETRY, "answered 500")
        assert deliver(gone.port).verdict is Verdict.STOP


@pytest.mark.parametrize(("value", "after"), [("7", None), ("3600", 60), ("40", 40), ("0", None)])
def test_retry_after_puts_a_try_off_up_to_a_minute_and_never_brings_it_on(
    value: str, after: float | None
) -> None:
    with peer(says("503 Busy", f"Retry-After: {value}")) as receiver:
        receipt = deliver(receiver.port)

    assert (receipt.verdict, receipt.after) == (Verdict.RETRY, after)


def test_a_retry_after_that_is_no_time_is_ignored() -> None:
    with peer(says("503 Busy", "Retry-After: soon")) as receiver:
        assert said(deliver(receiver.port)) == (Verdict.RETRY, "answered 503")


@pytest.mark.parametrize(
    "behave",
    [
        drips(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        hangs,
    ],
    ids=["headers", "body", "interim answers", "nothing"],
)
def test_a_receiver_that_stalls_is_cut_off_in_time_and_has_not_acknowledged(behave: Behaviour) -> None:
    with peer(behave) as receiver:
        started = time.monotonic()
        receipt = deliver(receiver.port)
        took = time.monotonic() - started

    assert receipt.verdict is Verdict.RETRY
    assert receipt.detail == (f"no complete answer from http://127.0.0.1:{receiver.port}/hook?… within 0.6 s")
    assert took < 2


def test_a_reset_is_a_failed_try_that_does_not_show_the_query() -> None:
    with peer(resets) as receiver:
        receipt = deliver(receiver.port)

    assert receipt.verdict is Verdict.RETRY
    assert receipt.detail.startswith(f"no answer from http://127.0.0.1:{receiver.port}/hook?…: ")
    assert "hush" not in receipt.detail


def test_nobody_listening_is_a_failed_try() -> None:
    with peer(hangs) as receiver:
        port = receiver.port

    assert "refused" in deliver(port).detail


def test_a_huge_answer_is_read_only_so_far() -> None:
    sent: list[int] = []

    def floods(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        try:
            for number in range(15_000):
                connection.sendall(b"x" * 65536)
                sent.append(number)
        except OSError:
            return

    with peer(floods) as receiver:
        assert said(deliver(receiver.port, WebhookSettings(timeout=10))) == (
            Verdict.DELIVERED,
            "answered 200",
        )
    assert len(sent) < 15_000


def test_an_answer_that_is_not_http_is_a_failed_try() -> None:
    with peer(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n")) as receiver:
        assert deliver(receiver.port).verdict is Verdict.RETRY


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with peer(says("200 OK")) as receiver:
        assert deliver(receiver.port).verdict is Verdict.DELIVERED
