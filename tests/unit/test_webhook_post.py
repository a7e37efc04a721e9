from __future__ import annotations

import logging
import socket
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from receivers import OK, Talk, failure, poster, receiver, says, says_once
from workerkit.guard import parse
from workerkit_plugins.webhook.post import Reply

BODY = b'{"id":"j","output":1}'


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/hook?token=hush"


def answered(answer: bytes) -> Reply:
    with receiver(says_once(answer)) as server, poster() as posts:
        return posts.post(parse(url(server.port)), BODY, {})


def test_sends_the_body_and_headers_as_they_are_and_tells_of_the_answer() -> None:
    with receiver(says(OK)) as server, poster() as posts:
        reply = posts.post(parse(url(server.port)), BODY, {"Content-Type": "application/json", "X-One": "1"})

    assert server.requests[0].startswith(b"POST /hook?token=hush HTTP/1.1\r\n")
    assert server.requests[0].endswith(b"\r\n\r\n" + BODY)
    lines = server.requests[0].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    assert dict(line.split(": ") for line in lines if not line.startswith("User-Agent")) == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(BODY)),
        "Content-Type": "application/json",
        "X-One": "1",
    }
    assert (reply.status, reply.answer, reply.abort, reply.retry_after) == (200, "ok", False, None)
    assert reply.address == f"127.0.0.1:{server.port}"
    assert 0 <= reply.ms < 5000


def test_headers_that_frame_a_request_are_the_posters_own() -> None:
    given = {"HOST": "other", "Content-length": "1", "transfer-encoding": "chunked", "Connection": "close"}
    with receiver(says(OK)) as server, poster() as posts:
        posts.post(
            parse(url(server.port)), BODY, {**given, "accept-encoding": "br", "Expect": "100-continue"}
        )

    head, _, body = server.requests[0].lower().partition(b"\r\n\r\n")
    assert body == BODY
    assert b"content-length: %d" % len(BODY) in head
    for word in (b"other", b"chunked", b"close", b"br\r\n", b"expect"):
        assert word not in head


@pytest.mark.parametrize("value", ["hush\r\nX-More: 1", "hush\n", "hush€"])
def test_a_header_that_cannot_be_sent_is_told_of_without_its_value(value: str) -> None:
    with receiver(says(OK)) as server, poster() as posts:
        with pytest.raises(Exception, match="has a header that cannot be sent; use ASCII") as caught:
            posts.post(parse(url(server.port)), BODY, {"X-One": value})
        assert "hush" not in str(caught.value)
        assert caught.value.__suppress_context__
    assert server.requests == []


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_redirects_are_not_followed(status: bytes) -> None:
    with receiver(says(OK)) as other:
        where = f"Location: http://127.0.0.1:{other.port}/\r\n".encode()
        assert answered(b"HTTP/1.1 %b\r\n%bContent-Length: 0\r\n\r\n" % (status, where)).status == int(
            status[:3]
        )
    assert other.connections == 0


def test_cookies_are_forgotten() -> None:
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with receiver(says(answer)) as server, poster() as posts:
        for _ in range(2):
            posts.post(parse(url(server.port)), BODY, {})
    assert b"cookie" not in server.requests[1].lower()


@pytest.mark.parametrize(
    ("value", "lowest", "highest"),
    [
        ("7", 7, 7),
        (" 3600 ", 3600, 3600),
        (1, 3500, 3600),
        (-1, 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 1e9, 1e12),
    ],
    ids=["seconds", "with spaces", "in an hour", "an hour ago", "far away"],
)
def test_retry_after_is_read_in_both_forms(value: str | int, lowest: float, highest: float) -> None:
    if isinstance(value, int):
        value = format_datetime(datetime.now(timezone.utc) + timedelta(hours=value), usegmt=True)
    reply = answered(f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert reply.retry_after is not None
    assert lowest <= reply.retry_after <= highest


@pytest.mark.parametrize(
    "value", ["soon", "", "-1", "1.5", "nan", "1, 2", "Fri, 31 Foo 2020", "Fri, 99 Dec 2020"]
)
def test_a_retry_after_that_is_no_time_is_none(value: str) -> None:
    reply = answered(f"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n".encode())
    assert (reply.status, reply.retry_after) == (503, None)


def test_a_receiver_may_ask_for_no_further_try() -> None:
    assert answered(b"HTTP/1.1 400 No\r\nWebhook-Delivery: Abort-Message\r\nContent-Length: 0\r\n\r\n").abort
    assert not answered(b"HTTP/1.1 400 No\r\nWebhook-Delivery: other\r\nContent-Length: 0\r\n\r\n").abort


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"plain", "plain"),
        (b"two\r\nlines\t\x1b[31mred\x00", "two  lines �[31mred�"),
        (b"\xff\xfe", "��"),
        ("\u202eabc".encode(), "�abc"),
        (b"x" * 2000, "x" * 512),
        (b"x" + "é".encode() * 2000, "x" + "é" * 511),
    ],
)
def test_the_begin_of_the_answer_is_safe_to_print(body: bytes, shown: str) -> None:
    assert answered(b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)).answer == shown


def test_what_a_receiver_says_is_masked_before_it_is_cut() -> None:
    secret = "s" * 100

    def masks(text: str) -> str:
        return text.replace(secret, "***")

    body = b"x" * 500 + secret.encode()
    answer = b"HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with receiver(says(answer)) as server, poster() as posts:
        reply = posts.post(parse(url(server.port)), BODY, {}, masks)
    coding = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: %b\r\n\r\n" % (b"y" * 110 + secret.encode())
    with receiver(says_once(coding)) as server, poster() as posts:
        error = failure(posts, url(server.port), mask=masks)

    assert reply.answer == "x" * 500 + "***"
    assert f"its transfer encoding is '{'y' * 110}***'" in str(error)


def test_an_address_that_resolve_did_not_give_is_never_connected_to() -> None:
    with receiver(says(OK)) as checked, receiver(says(OK)) as named, poster(checked.port) as posts:
        assert posts.post(parse(url(named.port)), BODY, {}).status == 200
    assert (checked.connections, named.connections) == (1, 0)
    assert f"Host: 127.0.0.1:{named.port}\r\n".encode() in checked.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\nT: 1\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\nok",
    ],
)
def test_other_forms_of_an_answer_are_understood(answer: bytes) -> None:
    assert (answered(answer).status, answered(answer).answer) == (200, "ok")


def test_an_answer_before_the_whole_body_was_taken_counts() -> None:
    def early(talk: Talk) -> None:
        talk.sock.recv(1000)
        talk.sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        talk.sock.shutdown(socket.SHUT_WR)
        talk.sock.recv(1000)

    with receiver(early) as server, poster() as posts:
        assert posts.post(parse(url(server.port)), b"x" * 30_000_000, {}).status == 413


@pytest.mark.parametrize("line", [b"no colon here", b" folded: first", b"X: 1\r\nFrom me"])
def test_headers_that_cannot_be_read_leave_the_status_and_no_line_in_the_log(
    line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reply = answered(b"HTTP/1.1 200 OK\r\n%b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n" % line)
    assert (reply.status, reply.answer) == (200, "")
    assert "hush" not in caplog.text


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert answered(OK).status == 200
