from __future__ import annotations

import socket

import pytest

from workerkit.errors import SettingsError
from workerkit.server import Api, bind
from workerkit.settings import KeySettings, ServerSettings, Settings

KEY = KeySettings(sha256="0" * 64)


def test_port_0_picks_a_free_port_that_takes_connections_at_once() -> None:
    with bind(ServerSettings(port=0)) as sock, socket.create_connection(sock.getsockname(), timeout=5):
        assert sock.getsockname()[1] != 0


def test_a_taken_port_is_a_sentence_that_names_the_cure() -> None:
    with bind(ServerSettings(port=0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"port {port} on 127\.0\.0\.1 is taken.*--port"):
            bind(ServerSettings(port=port))


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_an_open_address_without_keys_is_refused_with_the_command_that_makes_one(host: str) -> None:
    with pytest.raises(SettingsError, match=r"workerkit key new NAME --role client.*\[server\.keys\.NAME\]"):
        bind(ServerSettings(host=host, port=0))


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost", "127.0.0.2"])
def test_with_a_key_every_address_of_this_machine_is_allowed(host: str) -> None:
    with bind(ServerSettings(host=host, port=0, keys={"app": KEY})):
        pass


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("203.0.113.7", 0, "203.0.113.7 is not an address of this machine"),
        ("no such host", 0, "'no such host'"),
    ],
)
def test_an_impossible_address_is_a_sentence(host: str, port: int, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        bind(ServerSettings(host=host, port=port, keys={"app": KEY}))


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (KeySettings(sha256="secret"), r"\[server.keys.app\] sha256 must be 64 hexadecimal digits"),
        (
            KeySettings(sha256="0" * 64, role="admin"),
            r"role is 'admin'; it must be one of client, worker, operator",
        ),
    ],
)
def test_a_key_that_cannot_be_right_stops_the_start(key: KeySettings, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Api(None, Settings(server=ServerSettings(keys={"app": key})))  # type: ignore[arg-type]
