"""The forms in which a secret may leave a program."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from html import escape
from urllib.parse import quote

#: Shorter secrets would be found in innocent text.
SHORTEST = 8
#: What a shell has for a quote within quotes.
QUOTES = ("'\"'\"'", "'\\''")
#: What is left as it is in URLs, besides letters, digits and `-._~`, by who writes them.
URL_SAFE = (
    *("", "/"),  # Python
    *(
        "!$&'()*+,;=",
        "!$&'()*+,;=:",
        "!$&'()*+,;=:@",
        "!$&'()*+,;=:@/",
        "!$&'()*+,;=:@/?",
    ),  # RFC 3986, part by part
    *("!$&'()*+,", "!$'()*,:/?@"),  # HTTP clients of Python
    *("$&+,;=", "$&+=:@", "$&+,/:;=@"),  # Go
    *("!'()*", "!'()*#$&+,/:;=?@", "*"),  # JavaScript
)


def spelled(secret: str) -> Iterator[bytes]:
    """The secret as it may appear: raw, in JSON once or twice, in a URL, in HTML, in a shell, in hex."""
    data = secret.encode("utf-8", "surrogatepass")
    yield data
    yield from (data.hex().encode(), data.hex().upper().encode())
    for text in (escape(secret), escape(secret, quote=False), *(secret.replace("'", by) for by in QUOTES)):
        yield text.encode("utf-8", "surrogatepass")
    for escaped in (secret.encode("unicode_escape").decode(), repr(secret)[1:-1], repr(data)[2:-1]):
        yield from (escaped.encode("utf-8", "surrogatepass"), json.dumps(escaped)[1:-1].encode())
        yield json.dumps(escaped, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    for ascii_only in (False, True):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        for text in (once, twice, once.replace("/", "\\/")):
            yield text.encode("utf-8", "surrogatepass")
    safe_here = {"".join(sign for sign in safe if sign in secret) for safe in URL_SAFE}
    for quoted in (quote(data, safe=safe) for safe in safe_here):
        for encoded in (quoted, quoted.replace("%20", "+")):
            yield encoded.encode()
            yield re.sub("%..", lambda match: match[0].lower(), encoded).encode()


def lines(secret: str) -> Iterator[bytes]:
    """The lines of a secret that has several."""
    data = secret.encode("utf-8", "surrogatepass")
    return (line for line in data.splitlines() if len(line) >= SHORTEST)


def in_base64(secret: str) -> Iterator[bytes]:
    """The secret in base64, whatever stands before and behind it."""
    data = secret.encode("utf-8", "surrogatepass")
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (_aligned(alphabet(bytes(shift) + data), shift, len(data)) for shift in range(3))


def _aligned(encoded: bytes, shift: int, size: int) -> bytes:
    """The part of a base64 text that `size` bytes after `shift` others decide alone."""
    return encoded[-(-shift * 8 // 6) : (shift + size) * 8 // 6]
