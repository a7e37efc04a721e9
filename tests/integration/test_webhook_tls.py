from __future__ import annotations

import ipaddress
import socket
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peers import deliver, peer, says
from workerkit import Verdict


def test_a_tls_handshake_that_stalls_is_cut_off_in_time() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        receipt = deliver(listener.getsockname()[1], scheme="https")
    finally:
        listener.close()

    assert receipt.detail.endswith("within 0.6 s")


def test_a_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = _certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files)

    with peer(says("200 OK"), context) as receiver:
        unknown = deliver(receiver.port, scheme="https")
        monkeypatch.setenv("SSL_CERT_FILE", str(files))
        trusted = deliver(receiver.port, scheme="https")

    assert "its certificate is not valid: self-signed certificate" in unknown.detail
    assert (trusted.verdict, trusted.detail) == (Verdict.DELIVERED, "answered 200")


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
