from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import workerkit
from workerkit import Delivery, Receipt, Verdict
from workerkit_plugins.webhook import Webhook, WebhookSettings

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
        target=f"{scheme}://127.0.0.1:{port}{path}", body=BODY, plugin="webhook", job="j-u1", job_attempt=2
    )
    return Webhook(settings).deliver(delivery)


def test_posts_the_body_as_it_is_and_a_200_acknowledges() -> None:
    with peer(says("200 OK", body=b"thanks")) as receiver:
        receipt = deliver(receiver.port)

    assert receipt == Receipt.delivered("answered 200")
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
        "connection": "close",
        "webhook-id": "msg_j-u1_2",
    }


def test_a_204_does_not_acknowledge_unless_the_settings_say_2xx() -> None:
    with peer(says("204 No Content")) as receiver:
        strict = deliver(receiver.port)
        lax = deliver(receiver.port, WebhookSettings(acknowledge="2xx"))

    assert strict == Receipt.retry('answered 204; only 200 acknowledges; set acknowledge = "2xx"')
    assert lax == Receipt.delivered("answered 204")


def test_a_redirect_is_not_followed() -> None:
    with peer(says("200 OK")) as elsewhere:
        answer = says("302 Found", f"Location: http://127.0.0.1:{elsewhere.port}/")
        with peer(answer) as receiver:
            receipt = deliver(receiver.port)

    assert receipt == Receipt.retry("answered 302; redirects are not followed")
    assert elsewhere.requests == []


def test_a_500_is_tried_again_and_a_410_is_not() -> None:
    with peer(says("500 Oops")) as failing, peer(says("410 Gone")) as gone:
        assert deliver(failing.port) == Receipt.retry("answered 500")
        assert deliver(gone.port).verdict is Verdict.STOP


@pytest.mark.parametrize(
    ("value", "lowest", "highest"),
    [
        ("7", 7, 7),
        ("3600", 60, 60),
        (format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True), 60, 60),
        (format_datetime(datetime.now(timezone.utc) - timedelta(hours=1), usegmt=True), 0, 0),
    ],
)
def test_retry_after_is_honoured_up_to_a_minute(value: str, lowest: float, highest: float) -> None:
    with peer(says("503 Busy", f"Retry-After: {value}")) as receiver:
        receipt = deliver(receiver.port)

    assert receipt.verdict is Verdict.RETRY
    assert receipt.after is not None
    assert lowest <= receipt.after <= highest


def test_a_retry_after_that_is_no_time_is_ignored() -> None:
    with peer(says("503 Busy", "Retry-After: soon")) as receiver:
        assert deliver(receiver.port) == Receipt.retry("answered 503")


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


def test_a_tls_handshake_that_stalls_is_cut_off_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        receipt = deliver(listener.getsockname()[1], scheme="https")
    finally:
        listener.close()

    assert receipt.detail.endswith("within 0.6 s")


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
        assert deliver(receiver.port, WebhookSettings(timeout=10)) == Receipt.delivered("answered 200")
    assert len(sent) < 15_000


def test_an_answer_that_is_not_http_is_a_failed_try() -> None:
    with peer(lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n")) as receiver:
        assert deliver(receiver.port).verdict is Verdict.RETRY


def test_proxy_variables_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with peer(says("200 OK")) as receiver:
        assert deliver(receiver.port).verdict is Verdict.DELIVERED


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files)

    with peer(says("200 OK"), context) as receiver:
        unknown = deliver(receiver.port, scheme="https")
        monkeypatch.setenv("SSL_CERT_FILE", str(files))
        trusted = deliver(receiver.port, scheme="https")

    assert "its certificate is not valid: self-signed certificate" in unknown.detail
    assert trusted == Receipt.delivered("answered 200")


def test_tls_before_1_2_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with peer(says("200 OK"), context) as receiver:
        assert deliver(receiver.port, scheme="https").verdict is Verdict.RETRY
    assert receiver.requests == []


def _certificate(folder: Path, address: str) -> Path:
    """A self-signed certificate for a loopback address, with its key in the same file."""
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
