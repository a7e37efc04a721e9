from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certificates import certificate, server_context
from receivers import OK, Talk, failure, hangs, poster, receiver, says, says_once
from workerkit.guard import parse

BODY = b'{"id":"j"}'
CONNECTED = b"HTTP/1.1 200 Connected\r\nVia: test\r\n\r\n"


def proxying(talk: Talk) -> None:
    """What a CONNECT proxy does."""
    host, _, port = talk.read().split()[1].decode().rpartition(":")
    with socket.create_connection((host, int(port))) as to:
        talk.sock.sendall(CONNECTED)
        back = threading.Thread(target=_pump, args=(to, talk.sock))
        back.start()
        _pump(talk.sock, to)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # either has gone


def test_http_goes_through_a_tunnel_to_the_checked_address_which_is_used_again() -> None:
    with (
        receiver(says(OK)) as server,
        receiver(proxying) as proxy,
        poster(server.port, proxy=f"http://127.0.0.1:{proxy.port}") as posts,
    ):
        replies = [posts.post(parse("http://receiver.test/hook"), BODY, {}) for _ in range(3)]

    assert [(reply.status, reply.address) for reply in replies] == [(200, f"127.0.0.1:{server.port}")] * 3
    assert proxy.requests == [
        f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode()
    ]
    assert server.requests[0].startswith(b"POST /hook HTTP/1.1\r\n")
    assert b"\r\nHost: receiver.test\r\n" in server.requests[0]
    assert len(server.requests) == 3


def test_https_through_a_proxy_is_verified_for_the_urls_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "receiver.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    with (
        receiver(says(OK), server_context(files)) as server,
        receiver(proxying) as proxy,
        poster(server.port, proxy=f"http://127.0.0.1:{proxy.port}/") as posts,
    ):
        assert posts.post(parse("https://receiver.test/"), BODY, {}).status == 200
        error = failure(posts, "https://other.test/")
    assert error.kind == "tls"
    assert "not valid for 'other.test'" in str(error)
    assert proxy.requests[0].startswith(f"CONNECT 127.0.0.1:{server.port} ".encode())


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (
            says_once(b"HTTP/1.1 403 Not \x1b allowed\r\nContent-Length: 0\r\n\r\n"),
            "the proxy {proxy} refused to connect to 127.0.0.1:9: 403 Not � allowed",
        ),
        (
            says_once(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
            "the proxy {proxy} refused to connect to 127.0.0.1:9: 407 Proxy Authentication Required",
        ),
        (
            says_once(b""),
            "the proxy {proxy} did not connect to 127.0.0.1:9: it closed the connection before it answered",
        ),
        (
            says_once(b"SSH-2.0\r\n"),
            "the proxy {proxy} did not connect to 127.0.0.1:9: it does not begin with HTTP/",
        ),
        (hangs, "the proxy {proxy} did not connect to 127.0.0.1:9: timed out"),
    ],
    ids=["403", "407", "closed", "no HTTP", "silent"],
)
def test_a_proxy_that_does_not_connect_is_told_of(behave: Callable[[Talk], None], why: str) -> None:
    with receiver(behave) as proxy:
        shown = f"http://127.0.0.1:{proxy.port}/"
        with poster(9, proxy=shown, connect_timeout=0.3) as posts:
            error = failure(posts, "http://receiver.test/hook?token=hush")
    assert (error.kind, error.address) == ("proxy", "127.0.0.1:9")
    assert str(error).strip() == f"no answer from http://receiver.test/hook?…: {why.format(proxy=shown)}"


def test_a_proxy_that_is_not_there_is_told_of() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with poster(9, proxy=f"http://localhost:{port}") as posts:
        error = failure(posts, "https://receiver.test/")
    assert error.kind == "proxy"
    assert f"the proxy http://localhost:{port}/ cannot be reached: Connection refused" in str(error)


def test_the_next_address_is_tried_when_the_proxy_refuses_the_first() -> None:
    def picky(talk: Talk) -> None:
        if talk.read().startswith(b"CONNECT 127.0.0.1:9 "):
            talk.sock.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        talk.sock.sendall(CONNECTED)
        talk.read()
        talk.sock.sendall(OK)

    with receiver(picky) as proxy, poster(9, 10, proxy=f"http://127.0.0.1:{proxy.port}") as posts:
        assert posts.post(parse("http://receiver.test/"), BODY, {}).address == "127.0.0.1:10"


def test_an_encoding_that_a_proxy_names_for_its_tunnel_means_nothing() -> None:
    def tells(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(b"HTTP/1.1 200 Connected\r\nTransfer-Encoding: gzip\r\n\r\n")
        talk.read()
        talk.sock.sendall(OK)

    with receiver(tells) as proxy, poster(9, proxy=f"http://127.0.0.1:{proxy.port}") as posts:
        assert posts.post(parse("http://receiver.test/"), BODY, {}).status == 200


@pytest.mark.parametrize(
    ("proxy", "sentence"),
    [
        ("proxy:3128", "the proxy must begin with http:// or https://; write it as http://host:port"),
        ("http://me:pw@proxy:3128", "the proxy must not carry a user or password; write it as"),
        ("https://proxy:3128", "the proxy https://proxy:3128/ is not of the form http://host:port"),
        ("http://proxy:3128/path", "the proxy http://proxy:3128/path is not of the form http://host:port"),
    ],
)
def test_a_proxy_that_cannot_be_is_refused_at_once(proxy: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence), poster(proxy=proxy):
        pass


def test_a_tunnel_that_ends_is_no_answer() -> None:
    def ends(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(CONNECTED)
        talk.sock.recv(65536)

    with receiver(ends) as proxy, poster(9, proxy=f"http://127.0.0.1:{proxy.port}") as posts:
        assert failure(posts, "http://receiver.test/").kind == "reset"
        assert isinstance(failure(posts, "https://receiver.test/").__cause__, (ssl.SSLError, OSError))
