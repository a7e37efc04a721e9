"""The receiver's URL, parsed once; every part of the plugin uses what was parsed here."""

from __future__ import annotations

import re

import attrs
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

_AUTHORITY = re.compile(r"^[^/]*//([^/?#]*).*")
PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Url:
    """An absolute http or https URL without user or fragment. `host` is without brackets."""

    scheme: str
    host: str
    port: int
    #: Path and query, as they go on the wire.
    target: str = attrs.field(repr=False)
    #: The URL without its query, for logs and details.
    shown: str

    @property
    def lane(self) -> str:
        """The receiver: deliveries to one host and port share their slots."""
        return f"{self.host}:{self.port}"


def parse(text: str) -> Url:
    """Parse a receiver's URL; raises ValueError with the part of a sentence that says what is wrong."""
    if not text.isascii():
        raise ValueError("must be ASCII; write the host in punycode and the rest percent-encoded")
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise ValueError("must not contain spaces, control characters or backslashes")
    try:
        url = parse_url(text)
        port = url.port
    except (LocationParseError, ValueError):
        raise ValueError("is not a valid URL; check its host, and its port, 1 to 65535") from None
    if url.scheme not in PORTS:
        raise ValueError("must begin with http:// or https://")
    if not url.host:
        raise ValueError("names no host")
    if "@" in _AUTHORITY.sub(r"\1", text):
        raise ValueError("must not carry a user or password")
    port = PORTS[url.scheme] if port is None else port
    if port == 0:
        raise ValueError("has the port 0; ports are 1 to 65535")
    target = (url.path or "/") + (f"?{url.query}" if url.query is not None else "")
    shown = f"{url.scheme}://{url.netloc}{url.path or '/'}" + ("?…" if url.query else "")
    return Url(url.scheme, url.host.strip("[]"), port, target, shown)
