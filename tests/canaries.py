"""Secrets that nothing else on this machine has, and the search for them wherever they could come out.

The search knows nothing of how secrets are masked, and it finds pieces of them, too.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from secrets import token_bytes, token_urlsafe
from typing import Any
from urllib.parse import quote, quote_plus

from waiting import until
from workerkit import Request, hookimpl
from workerkit.testing import Server

#: What text is escaped for, in JSON, URLs, Python's `repr` or a shell.
ODD = '/+=%&? "\\<\u00e9\u20ac'
#: Characters of a window: of text that nothing escapes, and of others, which have less of the secret in them.
WINDOW, LONG_WINDOW = 8, 16
PLAIN = re.compile(r"[A-Za-z0-9+/=_-]+")


def odd_secret() -> str:
    """A secret that every encoding changes."""
    return "".join(token_urlsafe(3) + odd for odd in ODD * 2)


def token() -> str:
    """One as session tokens look, which must be fit for a header; 120 characters."""
    return base64.b64encode(token_bytes(90)).decode()


def forms(secret: str) -> Iterator[str]:
    """The secret as programs print it and protocols carry it."""
    data = secret.encode()
    yield from (secret, repr(secret)[1:-1])
    yield from json_forms(secret)
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield encoded
        yield re.sub("%..", lambda match: match[0].lower(), encoded)
    yield from (data.hex(), data.hex().upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # What stands before it shifts all characters.
        yield from (encode(before + data).decode() for before in (b"", b"i", b"id"))


def json_forms(text: str) -> Iterator[str]:
    """Within a string of JSON."""
    return (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))


class Search:
    """Looks for secrets in what it is given; says where it has found any, and how much it has seen."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._windows = {window for secret in secrets for window in _windows(secret)}
        #: Bytes seen by place, and what was found there.
        self.seen: Counter[str] = Counter()
        self.finds: dict[str, bytes] = {}

    def look(self, place: str, data: bytes) -> None:
        """Search in data; a place is named like `kind: which`."""
        self.seen[place] += len(data)
        for window in self._windows:
            if (at := data.find(window)) >= 0:
                self.finds.setdefault(place, data[max(at - 60, 0) : at + 60])

    def files(self, folder: Path, *, but: Iterable[str] = ()) -> None:
        """Search in all files of a folder, and in their names."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            self.look("file: names", name.encode())
            if path.is_file() and not path.is_symlink() and path.name not in but:
                self.look(f"file: {name}", path.read_bytes())

    @property
    def kinds(self) -> set[str]:
        """The kinds of places in which something was found."""
        return {place.partition(":")[0] for place in self.finds}


def refused(config: Mapping[str, str]) -> Iterator[bytes]:
    """Bodies of requests that carry a config's secret to where it has no business, or in no JSON."""
    secret = config["accessSecret"]
    configs: list[Any] = [
        {**config, **wrong}
        for wrong in (
            {"bucketName": "a/b"},
            {"bucketName": secret},
            {"region": f"{secret} "},
            {"accessSecret": [secret]},
            {"endpointUrl": f"https://someone:{secret}@s3.example.com"},
            {"endpointUrl": f"https://s3.example.com/{secret}?{secret}"},
            {"endpointUrl": "http://10.1.2.3"},
            {"publicEndpointUrl": f"ftp://{secret}"},
        )
    ]
    configs += [json.dumps(config), [config], {"accessSecret": secret}]
    yield from (json.dumps({"input": 1, "s3Config": each}).encode() for each in configs)
    for more in ({"policy": {"s3Config": config}}, {"webhook": "nowhere"}):
        yield json.dumps({"input": 1, "s3Config": config, **more}).encode()
    whole = json.dumps({"input": 1, "s3Config": config}).encode()
    yield from (whole[:-3], whole + b"}", whole.replace(b'"input"', b'"\xff"'), whole.replace(b"{", b"["))


def told(server: Server, endpoint: str, id: str) -> Iterator[tuple[str, bytes]]:
    """All that the server answers about a job, once it has ended: paths, and heads with bodies."""
    until("its log is whole", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
    logs, deliveries = server.get(f"/jobs/{id}/logs")[1], server.get(f"/deliveries?job={id}")[1]
    for path in (
        *(f"/v2/{endpoint}/{what}/{id}" for what in ("status", "status-sync", "stream")),
        *(f"/v2/{endpoint}/{what}" for what in ("events?limit=1000", "health", "schema")),
        *("/jobs", f"/jobs/{id}", *(f"/jobs/{id}/logs?attempt={number}" for number in logs["attempts"])),
        *("/deliveries", *(f"/deliveries/{each['id']}" for each in deliveries["deliveries"])),
        *("/deliveries/attempts", "/metrics", "/healthz", "/readyz"),
    ):
        answer = server.http.request("GET", server.url + path)
        assert answer.status == 200, (path, answer.data)
        yield path, f"{dict(answer.headers)}\n".encode() + answer.data


class Loud:
    """A plugin that has the host log everything."""

    def __init__(self) -> None:
        for name in (None, "workerkit"):
            logging.getLogger(name).setLevel(logging.DEBUG)

    @hookimpl
    def accept(self, request: Request) -> None:
        # Other members may hold anything, and are for nobody to hide.
        secret = getattr(request.fields.get("s3Config"), "accessSecret", None)
        logging.getLogger("loud").debug("the host saw %r with %r", request, secret)


def _windows(secret: str) -> Iterator[bytes]:
    """Pieces of every form, side by side, so that any two windows' length of it holds a whole one."""
    texts = set(forms(secret))  # and the same within JSON
    for form in texts | {escaped for text in texts for escaped in json_forms(text)}:
        is_hex = form.lower() == secret.encode().hex()
        size = WINDOW if PLAIN.fullmatch(form) and not is_hex else LONG_WINDOW
        # In base64, what stands before and behind decides of a few characters at the ends.
        inner = form[4:-4]
        yield from (inner[at : at + size].encode() for at in range(0, len(inner) - size + 1, size))
