"""Receivers of webhooks that misbehave on the wire, as no HTTP library would."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from workerkit import Delivery, Receipt
from workerkit.guard import Guard
from workerkit_plugins.webhook import Webhook
from workerkit_plugins.webhook.settings import WebhookSettings

BODY = b'{"id":"j","status":"COMPLETED","output":1}'
QUICK = WebhookSettings(timeout=0.6, connect_timeout=0.5)
Behaviour = Callable[[socket.socket], None]


class Peer:
    """A raw TCP server on loopback; each connection gets the whole request read, then `behave`."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self.requests.append(_read_request(connection))
                self._behave(connection)
        except OSError:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def peer(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    server = Peer(behave, tls)
    try:
        yield server
    finally:
        server.close()


def says(status: str, *headers: str, body: bytes = b"") -> Behaviour:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return lambda connection: connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def drips(first: bytes, drop: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(first)
        pause = threading.Event()
        while not pause.wait(0.05):
            connection.sendall(drop)

    return behave


def hangs(connection: socket.socket) -> None:
    connection.recv(1)


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def deliver(
    port: int, settings: WebhookSettings = QUICK, *, path: str = "/hook?token=hush", scheme: str = "http"
) -> Receipt:
    delivery = Delivery(
        target=f"{scheme}://127.0.0.1:{port}{path}",
        body=BODY,
        headers={"webhook-id": "msg_j-u1_2", "workerkit-event": "completed"},
        plugin="webhook",
        endpoint="render",
    )
    return webhook(settings).deliver(delivery)


def webhook(settings: WebhookSettings, guard: Guard | None = None) -> Webhook:
    """The plugin, as the toolkit makes it for a server on loopback."""
    return Webhook(settings, guard or Guard(loopback=True), logging.getLogger("webhook"))
