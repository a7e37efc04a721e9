from __future__ import annotations

import socket
import struct
import time

import pytest

from receivers import OK, Behaviour, Talk, drips, failure, hangs, poster, receiver, says, says_once
from workerkit.guard import Address, Blocked, Busy, Guard, parse
from workerkit_plugins.webhook.post import Poster

BODY = b"{}"


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/hook?token=hush"


@pytest.mark.parametrize(
    "behave",
    [
        drips(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
        drips(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"1"),
        drips(b"HTTP/1.1 200 O", b"K"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        hangs,
    ],
    ids=["headers", "a header", "status", "body", "chunks", "endless body", "continue", "hints", "nothing"],
)
def test_a_receiver_that_stalls_is_left_in_time_and_has_not_answered(behave: Behaviour) -> None:
    with receiver(behave) as server, poster(timeout=0.4) as posts:
        started = time.monotonic()
        error = failure(posts, url(server.port))
        took = time.monotonic() - started

    assert str(error) == f"no complete answer from http://127.0.0.1:{server.port}/hook?… within 0.4 s"
    assert (error.kind, error.address) == ("timeout", f"127.0.0.1:{server.port}")
    assert 0.4 <= took < 1.2
    assert 400 <= error.ms < 1200


def test_a_receiver_that_accepts_no_connection_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, poster(timeout=0.3) as posts:
        error = failure(posts, url(listener.getsockname()[1]))
    assert error.kind == "timeout"


def test_a_receiver_that_takes_no_more_of_the_body_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, poster(timeout=0.3) as posts:
        error = failure(posts, url(listener.getsockname()[1]), b"x" * 30_000_000)
    assert error.kind == "timeout"


def test_a_host_that_does_not_connect_is_left_in_time_and_the_next_address_has_its_share() -> None:
    with _full() as full, receiver(says(OK)) as server:
        with poster(full, connect_timeout=0.3) as posts:
            error = failure(posts, url(full))
        with poster(full, server.port, connect_timeout=0.5) as posts:
            reply = posts.post(parse(url(full)), BODY, {})

    assert str(error) == f"no answer from http://127.0.0.1:{full}/hook?…: not connected within 0.3 s"
    assert (error.kind, error.address) == ("connect", f"127.0.0.1:{full}")
    assert reply.address == f"127.0.0.1:{server.port}"


def test_nobody_listening_is_told_of_and_the_next_address_is_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with receiver(says(OK)) as server, poster(port, server.port) as both, poster(port) as one:
        assert both.post(parse(url(port)), BODY, {}).address == f"127.0.0.1:{server.port}"
        error = failure(one, url(port))
    assert (error.kind, str(error).partition("?…: ")[2]) == ("connect", "Connection refused")


def test_a_name_that_is_not_resolved_is_told_of_and_a_blocked_address_is_the_guards_word() -> None:
    def unknown(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = failure(Poster(Guard(resolver=unknown).addresses, 5, 5), "http://nowhere.test/x?token=hush")
    assert error.kind == "dns"
    assert str(error).startswith("no answer from http://nowhere.test/x?…: the name 'nowhere.test' cannot be")
    with pytest.raises(Blocked, match="loopback"):
        Poster(Guard().addresses, 5, 5).post(parse("http://127.0.0.1/"), BODY, {})


def test_a_look_up_for_which_there_is_no_room_is_no_failed_try() -> None:
    def busy(url: object, timeout: float) -> list[Address]:
        raise Busy("too many others")

    with pytest.raises(Busy):
        Poster(busy, 5, 5).post(parse("http://receiver.test/"), BODY, {})


HEAD = b"HTTP/1.1 200 OK\r\n"
CUT = "it closed the connection in the middle of its answer"
SHORT = "its answer ended before all of it had come"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"", "it closed the connection before it answered"),
        (b"HTTP/1.1 200 OK", CUT),
        (HEAD, CUT),
        (HEAD + b"Content-Length: 0\r\n", CUT),
        (HEAD + b"Content-Len", CUT),
        (b"HTTP/1.1 100 Continue\r\n\r\n", CUT),
        (HEAD + b"Content-Length: 3\r\n\r\nxx", SHORT),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nxx", SHORT),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", SHORT),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok", SHORT),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", SHORT),
    ],
)
def test_an_answer_that_is_cut_is_no_answer(answer: bytes, why: str) -> None:
    with receiver(says_once(answer)) as server, poster() as posts:
        error = failure(posts, url(server.port))
    assert error.kind == "reset"
    assert str(error) == f"no answer from http://127.0.0.1:{server.port}/hook?…: {why}"


def test_a_reset_is_no_answer() -> None:
    def resets(talk: Talk) -> None:
        talk.read()
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with receiver(resets) as server, poster() as posts:
        error = failure(posts, url(server.port))
    assert (error.kind, str(error).partition("?…: ")[2]) == ("reset", "Connection reset by peer")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 10_000 + b"\r\n", "got more than 100 headers"),
        (
            b"HTTP/1.1 200 OK\r\n" + (b"X-A: %b\r\n" % (b"1" * 30_000)) * 3,
            "its headers are larger than 64 KiB",
        ),
        (b"HTTP/1.1 200 OK\r\nX-A: " + b"1" * 100_000, "its headers are larger than 64 KiB"),
        (b"1" * 100_000, "it does not begin with HTTP/"),
        (b"HTTP/1.1 100 Go\r\nX-A: 1\r\n\r\n" * 10_000, "its headers are larger than 64 KiB"),
        (b"SSH-2.0-OpenSSH\r\n", "it does not begin with HTTP/"),
        (b"HTTQ", "it does not begin with HTTP/"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "it does not begin with HTTP/"),
        (b"HTTP/0.9 200 OK\r\n\r\n", "HTTP/0.9"),
        (b"HTTP/2.0 200 OK\r\nno colon\r\n\r\n", "HTTP/2.0"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "Invalid response status"),
        (b"HTTP/1.1 abc\r\n\r\n", "Invalid status code"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "HTTP/2.0"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nxx",
            "Invalid character in chunk size",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: 1\r\n" * 100_000,
            "the lines between its chunks are larger than 256 KiB",
        ),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "Duplicate Content-Length"),
        (HEAD + b"Content-Length: x\r\n\r\n", "Invalid character in Content-Length"),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", "can't be present with"),
        *(
            (HEAD + b"Transfer-Encoding: %b\r\n\r\n5\r\nhe" % coding, f"its transfer encoding is '{said}'")
            for coding, said in (
                (b"gzip, chunked", "gzip, chunked"),
                (b"gzip", "gzip"),
                (b"identity", "identity"),
                (b"chunked\r\nTransfer-Encoding: chunked", "chunked, chunked"),
            )
        ),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", "Expected LF after chunk data"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\n\n0\r\n\r\n", "Invalid character in chunk size"),
    ],
)
def test_an_answer_that_is_too_large_or_not_http_is_no_answer(answer: bytes, why: str) -> None:
    with receiver(says_once(answer)) as server, poster() as posts:
        error = failure(posts, url(server.port))
    assert error.kind == "protocol"
    assert "its answer is not HTTP/1.1: " in str(error)
    assert why in str(error)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3b9aca00\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n",
    ],
    ids=["length", "endless", "chunked", "close"],
)
def test_a_huge_body_is_read_only_so_far_and_its_connection_is_not_used_again(head: bytes) -> None:
    sent: list[int] = []

    def floods(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(head)
        for _ in range(15_000):
            sent.append(talk.sock.send(b"x" * 65536))

    with receiver(floods) as server, poster() as posts:
        for _ in range(2):
            assert posts.post(parse(url(server.port)), BODY, {}).answer == "x" * 512
    assert sum(sent) < 50_000_000
    assert server.connections == 2


class _full:
    """A port whose queue of connections is full, so that no further one is answered."""

    def __enter__(self) -> int:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._clients = [socket.socket() for _ in range(4)]
        for client in self._clients:
            client.setblocking(False)
            client.connect_ex(self._listener.getsockname())
        port: int = self._listener.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        for sock in (*self._clients, self._listener):
            sock.close()
