"""Which headers of a webhook are whose, and who is sent those that hold credentials."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from workerkit import Secret
from workerkit.guard import Url, parse

#: What frames a request, or steers its connection: the poster's alone.
FRAMING = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"}
    | {"te", "trailer", "transfer-encoding", "upgrade"}
)
#: Those, and what else a webhook says of itself.
TAKEN = FRAMING | {
    *("content-type", "user-agent", "authorization"),
    *("webhook-id", "webhook-timestamp", "webhook-signature", "workerkit-event"),
}
#: In a list of hosts: all of them.
EVERYBODY = "*"
_NAME = re.compile(r"[A-Za-z0-9_-]+")


def check(setting: str, headers: Mapping[str, Secret]) -> None:
    """Raise ValueError for headers that cannot be sent, or are not for anybody to set."""
    seen: dict[str, str] = {}
    for name, secret in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{setting}: {name!r:.60} is no name of a header")
        if name.lower() in TAKEN:
            cure = "; set `authorization`" if name.lower() == "authorization" else ""
            raise ValueError(f"{setting}: {name!r} is for the webhook itself to set{cure}")
        if (other := seen.setdefault(name.lower(), name)) != name:
            raise ValueError(f"{setting}: {other!r} and {name!r} are the same header; take one out")
        check_value(f"{setting}.{name}", secret)


def check_value(setting: str, secret: Secret) -> None:
    """Raise ValueError for a value that cannot be sent."""
    text = secret.reveal()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{setting} must be printable ASCII in one line")


def merged(*several: Mapping[str, Secret]) -> dict[str, Secret]:
    """Headers together; a later one replaces one of that name in whichever case."""
    by_name = {name.lower(): (name, value) for headers in several for name, value in headers.items()}
    return dict(by_name.values())


def check_hosts(setting: str, hosts: Iterable[str]) -> None:
    """Raise ValueError for what is no host of a URL, and not `EVERYBODY`."""
    for host in hosts:
        if host != EVERYBODY and not _is_host(host):
            raise ValueError(
                f"{setting}: {host!r:.80} is no host; write it like hooks.example.com, without scheme, port "
                f'or path, or "{EVERYBODY}" for every receiver'
            )


def is_among(url: Url, hosts: Iterable[str]) -> bool:
    """Whether a URL leads to one of the hosts."""
    return any(host in (EVERYBODY, url.server_name) for host in map(_plain, hosts))


def _is_host(text: str) -> bool:
    bare = text.strip("[]")
    try:
        url = parse(f"http://[{bare}]/" if ":" in bare else f"http://{bare}/")
    except ValueError:
        return False
    return url.server_name == _plain(text)


def _plain(host: str) -> str:
    return host.lower().strip("[]").removesuffix(".")
