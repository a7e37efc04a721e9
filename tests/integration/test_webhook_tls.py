from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest

from certificates import certificate, server_context
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
    files = certificate(tmp_path, "127.0.0.1")

    with peer(says("200 OK"), server_context(files)) as receiver:
        unknown = deliver(receiver.port, scheme="https")
        monkeypatch.setenv("SSL_CERT_FILE", str(files))
        trusted = deliver(receiver.port, scheme="https")

    assert "its certificate is not valid: self-signed certificate" in unknown.detail
    assert (trusted.verdict, trusted.detail) == (Verdict.DELIVERED, "answered 200")


def test_tls_before_1_2_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    context = server_context(files)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with peer(says("200 OK"), context) as receiver:
        assert deliver(receiver.port, scheme="https").verdict is Verdict.RETRY
    assert receiver.requests == []
