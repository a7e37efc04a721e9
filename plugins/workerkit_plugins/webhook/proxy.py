"""An egress proxy's URL: the settings check it, and connections go through it."""

from __future__ import annotations

from workerkit.guard import Url, parse


def proxy_url(proxy: str) -> Url:
    """A proxy's URL, parsed; raises ValueError when it is not of the form `http://host:port`."""
    try:
        url = parse(proxy)
    except ValueError as exc:
        raise ValueError(f"the proxy {exc}; write it as http://host:port") from None
    if url.scheme != "http" or url.target != "/":
        raise ValueError(f"the proxy {url.shown} is not of the form http://host:port")
    return url
