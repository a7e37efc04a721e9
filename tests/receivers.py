"""Receivers of webhooks on loopback that keep a connection open, and say on it what a test wants."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workerkit.guard import Address, Url, parse
from workerkit_plugins.webhook.post import Poster, PostFailed

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Talk:
    """One connection of a receiver."""

    def __init__(self, sock: socket.socket, receiver: Receiver) -> None:
        self.sock = sock
        self._receiver = receiver
        self._rest = b""

    def read(self) -> bytes:
        """The next request, whole; empty when the client has closed."""
        head = self._until_blank_line()
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(self._rest) < length:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._rest += data
        body, self._rest = self._rest[:length], self._rest[length:]
        if head:
            self._receiver.requests.append(head + body)
        return head + body

    def _until_blank_line(self) -> bytes:
        while b"\r\n\r\n" not in self._rest:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"


Behaviour = Callable[[Talk], None]


class Receiver:
    """A TCP server that gives each connection to `behave`, and closes it afterwards."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._behave = behave
        self._tls = tls
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        talk = sock
        try:
            if self._tls is not None:
                talk = self._tls.wrap_socket(sock.dup(), server_side=True)
            self._behave(Talk(talk, self))
        except OSError:
            return  # the client is gone, or the test is over
        finally:
            talk.close()
            sock.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        for sock in self._open:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended
        for thread in self._threads:
            thread.join()


@contextmanager
def receiver(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    server = Receiver(behave, tls)
    try:
        yield server
    finally:
        server.close()


def says(answer: bytes) -> Behaviour:
    """Answer each request so."""

    def behave(talk: Talk) -> None:
        while talk.read():
            talk.sock.sendall(answer)

    return behave


def says_once(answer: bytes) -> Behaviour:
    """Answer the first request so, and close."""

    def behave(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(answer)

    return behave


def drips(first: bytes, drop: bytes) -> Behaviour:
    """Begin an answer and never end it."""

    def behave(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(first)
        pause = threading.Event()
        while not pause.wait(0.02):
            talk.sock.sendall(drop)

    return behave


def hangs(talk: Talk) -> None:
    """Take the request and say nothing."""
    while talk.sock.recv(65536):
        pass


def at(*ports: int) -> Callable[[Url, float], list[Address]]:
    """Resolve each name to loopback addresses with these ports."""
    return lambda url, timeout: [
        Address(socket.AF_INET, "127.0.0.1", ("127.0.0.1", port)) for port in ports or (url.port,)
    ]


@contextmanager
def poster(
    *ports: int, timeout: float = 10.0, connect_timeout: float = 5.0, proxy: str = ""
) -> Iterator[Poster]:
    made = Poster(at(*ports), timeout, connect_timeout, proxy)
    try:
        yield made
    finally:
        made.close()


def failure(poster: Poster, url: str, body: bytes = b"{}", mask: Callable[[str], str] = str) -> PostFailed:
    """Why a post fails."""
    try:
        reply = poster.post(parse(url), body, {}, mask)
    except PostFailed as exc:
        return exc
    raise AssertionError(f"it did not fail: {reply}")
