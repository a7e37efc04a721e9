"""A URL out of a request, parsed once: who checks it and who connects read the same host."""

from __future__ import annotations

import re

import attrs

_AUTHORITY = re.compile(r"^[^/]*//([^/?#]*).*")
#: Underscores are in no public name, but in many of a compose file.
NAME = re.compile(r"(?=.{1,254}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
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
        return f"{self.server_name}:{self.port}"

    @property
    def authority(self) -> str:
        """What the header `Host` says: the port only where it is not the scheme's own."""
        host, _, _ = self.host.partition("%")  # a scope means something on this machine only
        host = f"[{host}]" if ":" in host else host
        return host if PORTS.get(self.scheme) == self.port else f"{host}:{self.port}"

    @property
    def server_name(self) -> str:
        """The host as a certificate names it: without the dot that may end a name, without a scope."""
        return self.host.partition("%")[0].removesuffix(".")


def parse(text: str) -> Url:
    """Parse a URL; raises ValueError with the part of a sentence that says what is wrong."""
    # Imported here: the settings import this package, and urllib3 takes longer than all the rest.
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

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
    authority = _AUTHORITY.sub(r"\1", text)
    if "@" in authority:
        raise ValueError("must not carry a user or password")
    # Percent-encoded letters are a host to some parsers and not to others.
    if not authority.startswith("[") and ("%" in authority or not NAME.fullmatch(url.host)):
        raise ValueError("names a host that cannot be; use letters, digits, hyphens and dots")
    port = PORTS[url.scheme] if port is None else port
    if port == 0:
        raise ValueError("has the port 0; ports are 1 to 65535")
    target = (url.path or "/") + (f"?{url.query}" if url.query is not None else "")
    shown = f"{url.scheme}://{url.netloc}{url.path or '/'}" + ("?…" if url.query else "")
    return Url(url.scheme, url.host.strip("[]"), port, target, shown)
