"""Secrets, searched in what leaves the place that may know them, and masked.

A job's are searched in everything that comes back from its worker, a plugin's own in what is stored
and logged of its failures.

The search is for values, in each form in which they commonly leave a program. It runs on encoded
bytes, one pass of a plain substring search for each form: 20 MB take milliseconds.
"""

from __future__ import annotations

import base64
import builtins
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import msgspec

from workerkit.job import Secret

#: Shorter values would mask innocent text.
SHORTEST = 8
MASK = "***"


class Redactor:
    """Masks the given secrets with `***`; those below 8 characters are not searched for.

    `hits` counts what was masked so far.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if len(secret) >= SHORTEST for form in _forms(secret)}
        # The longest first: a form may be part of another.
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self.hits = 0

    @property
    def longest(self) -> int:
        """Bytes of the longest form that is searched for."""
        return len(self._forms[0]) if self._forms else 0

    def begun(self, data: builtins.bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        return begun(data, self._forms)

    def bytes(self, data: builtins.bytes) -> builtins.bytes:
        """Mask in JSON; the answer is valid JSON again, even where a secret looked like a number."""
        before = self.hits
        masked = self._masked(data)
        if masked is data or _is_json(masked) or not _is_json(data):
            return masked
        self.hits = before
        return msgspec.json.encode(self.tree(msgspec.json.decode(data)))

    def line(self, data: builtins.bytes) -> builtins.bytes:
        """Mask in bytes, whatever they are."""
        return self._masked(data)

    def text(self, text: str) -> str:
        """Mask in text."""
        data = text.encode("utf-8", "surrogatepass")
        masked = self._masked(data)
        return text if masked is data else masked.decode("utf-8", "surrogatepass")

    def tree(self, value: Any) -> Any:
        """Mask in decoded JSON, strings, keys, and numbers that spell a secret; and in JSON's bytes."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, builtins.bytes):
            return self.bytes(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.tree(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.tree(inner) for inner in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = str(value)
            return value if self.text(text) is text else MASK
        return value

    def _masked(self, data: builtins.bytes) -> builtins.bytes:
        for form in self._forms:
            if form in data:
                self.hits += data.count(form)
                data = data.replace(form, MASK.encode())
        return data


def cut(line: bytes, most: int, redactors: Collection[Redactor] = (), *, ended: bool) -> list[bytes]:
    """A line in pieces of `most` bytes; masked before, if there are several: nobody finds half of a secret.

    When the line has not `ended`, the last piece is what the rest of it is to be joined to. It is as
    long as it must be to hold whatever may be the beginning of a secret.
    """
    kept = 1 if ended else max([1, *(redactor.longest - 1 for redactor in redactors)])
    if len(line) < most + kept:
        return [line]
    for redactor in redactors:
        line = redactor.line(line)
    last = max(len(line) - kept, 0) // most * most
    return [*(line[at : at + most] for at in range(0, last, most)), line[last:]]


def split(line: bytes, redactors: Collection[Redactor]) -> tuple[bytes, bytes]:
    """A line that may go on, masked, in two: the second is what may be the beginning of a secret."""
    for redactor in redactors:
        line = redactor.line(line)
    at = len(line) - max((redactor.begun(line) for redactor in redactors), default=0)
    return line[:at], line[at:]


def begun(data: bytes, forms: Iterable[bytes]) -> int:
    """How many bytes at the end of `data` are the beginning of one of `forms`, of the longest if of several."""
    sizes = (size for form in forms for size in range(1, len(form)) if data.endswith(form[:size]))
    return max(sizes, default=0)


def secrets_of(value: Any) -> list[str]:
    """Every `Secret` in a typed field's value, revealed: itself, or members of attrs values and containers."""
    return list(_secrets(value))


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            yield from _secrets(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _secrets(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _secrets(inner)


def _forms(secret: str) -> Iterator[bytes]:
    """The secret as it may appear: raw, a line of it, in JSON once or twice, in a URL, in base64, in hex."""
    data = secret.encode("utf-8", "surrogatepass")
    yield data
    yield from (line for line in data.splitlines() if len(line) >= SHORTEST)
    yield from (data.hex().encode(), data.hex().upper().encode())
    for escaped in (secret.encode("unicode_escape").decode(), repr(secret)[1:-1]):
        yield from (escaped.encode("utf-8", "surrogatepass"), json.dumps(escaped)[1:-1].encode())
    for ascii_only in (False, True):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        twice = json.dumps(once, ensure_ascii=ascii_only)[1:-1]
        for text in (once, twice, once.replace("/", "\\/")):
            yield text.encode("utf-8", "surrogatepass")
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield encoded.encode()
        yield re.sub("%..", lambda match: match[0].lower(), encoded).encode()
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (_aligned(alphabet(bytes(shift) + data), shift, len(data)) for shift in range(3))


def _aligned(encoded: bytes, shift: int, size: int) -> bytes:
    """The part of a base64 text that `size` bytes after `shift` others decide alone."""
    return encoded[-(-shift * 8 // 6) : (shift + size) * 8 // 6]


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
