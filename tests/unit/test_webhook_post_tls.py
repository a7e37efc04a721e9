from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from certificates import certificate, server_context
from receivers import OK, Talk, drips, failure, poster, receiver, says, says_once
from workerkit.guard import parse

URL = "https://receiver.test/hook?token=hush"
BODY = b'{"id":"j"}'


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a receiver whose certificate for receiver.test is trusted here."""
    files = certificate(tmp_path, "receiver.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    return server_context(files)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_urls_host_is_asked_for_and_verified_wherever_the_socket_goes(
    tls: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    names: list[str | None] = []
    tls.sni_callback = lambda sock, name, context: names.append(name)
    tls.minimum_version = tls.maximum_version = version

    with receiver(says(OK), tls) as server, poster(server.port) as posts:
        replies = [posts.post(parse(URL), BODY, {}) for _ in range(10)]

    assert {(reply.status, reply.address) for reply in replies} == {(200, f"127.0.0.1:{server.port}")}
    assert b"\r\nHost: receiver.test\r\n" in server.requests[0]
    assert names == ["receiver.test"]
    assert (server.connections, len(server.requests)) == (1, 10)


def test_a_dot_at_the_end_of_the_name_is_no_part_of_what_is_verified(tls: ssl.SSLContext) -> None:
    with receiver(says(OK), tls) as server, poster(server.port) as posts:
        assert posts.post(parse("https://receiver.test./"), BODY, {}).status == 200


def test_a_certificate_of_another_name_is_refused_before_anything_is_sent(tls: ssl.SSLContext) -> None:
    with receiver(says(OK), tls) as server, poster(server.port) as posts:
        other = failure(posts, "https://other.test/x?token=hush")
        address = failure(posts, f"https://127.0.0.1:{server.port}/x")

    assert str(other) == (
        "no answer from https://other.test/x?…: its certificate is not valid: "
        "Hostname mismatch, certificate is not valid for 'other.test'."
    )
    assert "IP address mismatch" in str(address)
    assert (other.kind, other.address) == ("tls", f"127.0.0.1:{server.port}")
    assert server.requests == []


def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    context = server_context(certificate(tmp_path, "receiver.test"))
    with receiver(says(OK), context) as server, poster(server.port) as posts:
        error = failure(posts, URL)
    assert error.kind == "tls"
    assert "its certificate is not valid: self-signed certificate" in str(error)
    assert server.requests == []


def test_tls_before_1_2_is_refused(tls: ssl.SSLContext) -> None:
    tls.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with receiver(says(OK), tls) as server, poster(server.port) as posts:
        error = failure(posts, URL)
    assert error.kind == "tls"
    assert str(error).endswith("; does it speak TLS 1.2 or newer on this port?")
    assert server.requests == []


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 plain HTTP\r\n\r\n", b""])
def test_a_port_without_tls_is_told_of(tls: ssl.SSLContext, answer: bytes) -> None:
    def plain(talk: Talk) -> None:
        talk.sock.recv(65536)
        talk.sock.sendall(answer)

    with receiver(plain) as server, poster(server.port) as posts:
        error = failure(posts, URL)
    assert error.kind == "tls"
    assert str(error).startswith("no answer from https://receiver.test/hook?…: TLS failed (")


def test_a_handshake_that_stalls_or_drips_is_left_in_time(tls: ssl.SSLContext) -> None:
    def drips_a_handshake(talk: Talk) -> None:
        talk.sock.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")  # one long record
        pause = threading.Event()
        while not pause.wait(0.02):
            talk.sock.sendall(b"\x03")

    with socket.create_server(("127.0.0.1", 0)) as silent, receiver(drips_a_handshake) as dripping:
        for port in (silent.getsockname()[1], dripping.port):
            with poster(port, timeout=0.4, connect_timeout=0.2) as posts:
                error = failure(posts, URL)
            assert str(error) == "no complete answer from https://receiver.test/hook?… within 0.4 s"
            assert error.kind == "timeout"
            assert 400 <= error.ms < 1200


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", b"x"),
    ],
)
def test_an_answer_that_drips_over_tls_is_left_in_time(
    tls: ssl.SSLContext, first: bytes, drop: bytes
) -> None:
    with receiver(drips(first, drop), tls) as server, poster(server.port, timeout=0.5) as posts:
        error = failure(posts, URL)
    assert error.kind == "timeout"
    assert 500 <= error.ms < 1300


@pytest.mark.parametrize("pause", [10, 0.02], ids=["no more", "little by little"])
def test_a_receiver_that_takes_no_more_over_tls_is_left_in_time(tls: ssl.SSLContext, pause: float) -> None:
    done = threading.Event()

    def takes(talk: Talk) -> None:
        while not done.wait(pause):
            talk.sock.recv(4096)

    with receiver(takes, tls) as server, poster(server.port, timeout=0.5) as posts:
        error = failure(posts, URL, b"x" * 30_000_000)
        done.set()
    assert error.kind == "timeout"
    assert 500 <= error.ms < 1300


def test_what_nobody_asked_for_is_not_taken_for_the_next_answer(tls: ssl.SSLContext) -> None:
    # All in one record, so that the rest is decrypted, and the socket silent.
    with receiver(says(OK + b"x" * 12_000), tls) as server, poster(server.port) as posts:
        assert [posts.post(parse(URL), BODY, {}).status for _ in range(2)] == [200, 200]
    assert server.connections == 2


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection before it answered"),
        (b"HTTP/1.1 200 OK\r\nX: 1\r\n", "it closed the connection in the middle of its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nx", "its answer ended before all of it had come"),
    ],
)
def test_an_answer_that_is_cut_over_tls_is_no_answer(tls: ssl.SSLContext, answer: bytes, why: str) -> None:
    with receiver(says_once(answer), tls) as server, poster(server.port) as posts:
        error = failure(posts, URL)
    assert (error.kind, str(error).partition("?…: ")[2]) == ("reset", why)


def test_a_connection_that_its_peer_closed_while_it_was_idle_is_replaced(tls: ssl.SSLContext) -> None:
    closed = threading.Event()

    def closes(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(OK)
        talk.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with receiver(closes, tls) as server, poster(server.port) as posts:
        for _ in range(3):
            closed.clear()
            assert posts.post(parse(URL), BODY, {}).status == 200
            assert closed.wait(5)
    assert (server.connections, len(server.requests)) == (3, 3)
