"""The listening socket, bound before anything else starts so that a mistake costs nothing."""

from __future__ import annotations

import errno
import ipaddress
import socket

from workerkit.errors import SettingsError
from workerkit.server.auth import Gate
from workerkit.settings import ServerSettings

BACKLOG = 2048


def bind(settings: ServerSettings) -> socket.socket:
    """Bind and listen on `[server]` host and port; port 0 picks a free one.

    Raises `SettingsError` for a port that is taken, an address that is not this machine's, an
    address that others can reach while no key is set, and a key that cannot be right.
    """
    Gate(settings.keys, None)
    family, address = _resolve(settings)
    if not settings.keys and not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
        raise SettingsError(
            f"refusing to listen on {settings.host} without keys, because anyone who reaches it could run jobs; "
            "make a key with 'workerkit key new NAME --role client' and paste the [server.keys.NAME] section "
            "that it prints into workerkit.toml, or listen on 127.0.0.1"
        )
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)  # on Linux two sockets may bind one port until one of them listens
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise SettingsError(_sentence(settings, error)) from error
    return sock


def _resolve(settings: ServerSettings) -> tuple[socket.AddressFamily, tuple[str, int]]:
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise SettingsError(
            f"cannot listen on {settings.host!r}, port {settings.port}: {error}; check --host and --port"
        ) from error
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))


def _sentence(settings: ServerSettings, error: OSError) -> str:
    where = f"port {settings.port} on {settings.host}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where} is taken by another program; stop that one, or choose another port with --port "
            "(0 picks a free one)"
        )
    if error.errno == errno.EACCES:
        return f"{where} needs more rights than this user has; choose a port above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{settings.host} is not an address of this machine; choose one that is with --host"
    return f"cannot listen on {where}: {error.strerror}; choose others with --host and --port"
