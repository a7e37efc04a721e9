"""The forms in which a secret may leave a program, and where they are in bytes."""

from __future__ import annotations

import base64
import json
import re
import struct
import sys
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from html import escape
from typing import Literal
from urllib.parse import quote, quote_plus

#: Shorter secrets would be found in innocent text.
SHORTEST = 8
#: What may stand inside base64 and is no part of it: line breaks, raw and escaped, what indents lines, and
#: the backslash before a slash.
GAP = re.compile(rb"\\[nrt]?|[ \t\r\n]")

#: What a shell has for a quote within quotes.
QUOTES = ("'\"'\"'", "'\\''")
#: So many texts are not searched for one by one, but by blocks: see `_Blocks`.
MANY = 16

#: Where something begins and ends in bytes.
Span = tuple[int, int]


class Forms:
    """Every form of those `secrets` that are not too short."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.only(secrets)

    def only(self, secrets: Iterable[str]) -> None:
        """Search for these, and no others any more."""
        #: The one that was added last is the last.
        self.secrets: dict[str, None] = {}
        self._base64, self._others = _Texts(), _Texts()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str) -> None:
        """Search for this one, too."""
        if len(secret) < SHORTEST:
            return
        if secret in self.secrets:
            del self.secrets[secret]
        else:
            self._base64.add(_base64_forms(secret))
            self._others.add(_forms(secret))
        self.secrets[secret] = None

    @property
    def longest(self) -> int:
        """The bytes of the longest form."""
        return max(self._base64.longest, self._others.longest)

    def found(self, data: bytes) -> list[Span]:
        """Where secrets are, in order; those that overlap or touch are one."""
        thin = _thin(data) if any(sign in data for sign in (b"\\", b"\n", b"\r")) else data
        found = _merged(self._base64.found(thin))
        if found and thin is not data:
            edges = _origins(data, [edge for start, end in found for edge in (start, end - 1)])
            found = [(start, last + 1) for start, last in zip(edges, edges, strict=True)]
        return _merged([*found, *self._others.found(data)])

    def begun(self, data: bytes) -> int:
        """Where what `data` ends with may be the beginning of a secret; its length when it is none."""
        thin, begun = _thin(data), self._others.begun(data)
        wrapped = self._base64.begun(thin)
        return begun if wrapped == len(thin) else min(begun, next(_origins(data, [wrapped])))


class _Texts:
    """Texts of at least `SHORTEST` bytes that are searched for, also where only their beginning is there."""

    def __init__(self) -> None:
        self.longest = 0
        #: By their first `SHORTEST` bytes; and those, sorted.
        self._by_head: dict[bytes, tuple[bytes, ...]] = {}
        self._heads: list[bytes] = []
        self._long, self._short = _Blocks("Q"), _Blocks("I")

    def add(self, texts: Iterable[bytes]) -> None:
        for text in texts:
            head = text[:SHORTEST]
            known = self._by_head.get(head, ())
            if not known:
                insort(self._heads, head)
            if text not in known:
                self._by_head[head] = (*known, text)
                self.longest = max(self.longest, len(text))
                (self._long if len(text) >= self._long.shortest else self._short).add(text)

    def found(self, data: bytes) -> Iterator[Span]:
        for text in self._all() if self._few(len(data)) else self._likely(data):
            start = data.find(text)
            while start >= 0:
                end = start + len(text)
                while data.startswith(text, end):  # as one, however often it is repeated
                    end += len(text)
                yield start, end
                start = data.find(text, end)

    def begun(self, data: bytes) -> int:
        size = len(data)
        for start in self._beginnings(data, max(size - self.longest + 1, 0)):
            rest = data[start:]
            texts = self._by_head[rest[:SHORTEST]]
            if any(len(text) > len(rest) and text.startswith(rest) for text in texts):
                return start
        for start in range(max(size - SHORTEST + 1, 0), size):
            rest = data[start:]
            at = bisect_left(self._heads, rest)
            if at < len(self._heads) and self._heads[at].startswith(rest):
                return start
        return size

    def _beginnings(self, data: bytes, start: int) -> Iterable[int]:
        """Where in `data`, from `start`, one of the texts may begin, in order."""
        if not self._few(len(data) - start):
            places = range(start, len(data) - SHORTEST + 1)
            return (place for place in places if data[place : place + SHORTEST] in self._by_head)
        found: list[int] = []
        for head in self._heads:
            place = data.find(head, start)
            while place >= 0:
                found.append(place)
                place = data.find(head, place + 1)
        return sorted(found)

    def _all(self) -> Iterable[bytes]:
        return (text for texts in self._by_head.values() for text in texts)

    def _likely(self, data: bytes) -> set[bytes]:
        """Those that may be there, with very few others."""
        return self._long.likely(data) | self._short.likely(data)

    def _few(self, size: int) -> bool:
        """Whether it is faster to search `size` bytes for each text than to look at each of the bytes."""
        return len(self._heads) < min(size // 2, MANY)


class _Blocks:
    """Texts by the blocks of 8 or 4 bytes in them, as numbers of the format `Q` or `I`.

    Wherever in some data a text is, if it is not too short, it covers one of the blocks that the data
    falls into. So each of these is looked up, as fast for a thousand texts as for one.
    """

    def __init__(self, format: Literal["Q", "I"]) -> None:
        self._format: Literal["Q", "I"] = format
        self._size = struct.calcsize(format)
        self.shortest = 2 * self._size - 1
        self._texts: dict[int, tuple[bytes, ...]] = {}

    def add(self, text: bytes) -> None:
        alone = (text,)
        for at in range(self._size):
            block = int.from_bytes(text[at : at + self._size], sys.byteorder)
            self._texts[block] = (*self._texts[block], text) if block in self._texts else alone

    def likely(self, data: bytes) -> set[bytes]:
        """All that are there, and those that share a block with what is."""
        if not self._texts:
            return set()
        whole = len(data) // self._size * self._size
        blocks = memoryview(data)[:whole].cast(self._format)
        return {text for block in self._texts.keys() & blocks for text in self._texts[block]}


def _forms(secret: str) -> Iterator[bytes]:
    """The secret as it may appear: raw, a line of it, in JSON once or twice, in a URL, in HTML, in a shell, in hex."""
    data = secret.encode("utf-8", "surrogatepass")
    yield data
    yield from (line for line in data.splitlines() if len(line) >= SHORTEST)
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
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield encoded.encode()
        yield re.sub("%..", lambda match: match[0].lower(), encoded).encode()


def _base64_forms(secret: str) -> Iterator[bytes]:
    """The secret in base64, whatever stands before and behind it."""
    data = secret.encode("utf-8", "surrogatepass")
    for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
        yield from (_aligned(alphabet(bytes(shift) + data), shift, len(data)) for shift in range(3))


def _aligned(encoded: bytes, shift: int, size: int) -> bytes:
    """The part of a base64 text that `size` bytes after `shift` others decide alone."""
    return encoded[-(-shift * 8 // 6) : (shift + size) * 8 // 6]


def _thin(data: bytes) -> bytes:
    """`data` without gaps; faster than `GAP.sub`."""
    first, *rest = data.split(b"\\")
    unescaped = [part[1:] if part.startswith((b"n", b"r", b"t")) else part for part in rest]
    return b"".join([first, *unescaped]).translate(None, b" \t\r\n")


def _origins(data: bytes, places: Iterable[int]) -> Iterator[int]:
    """Where in `data` these places of its thin form are, in order."""
    gaps, removed = GAP.finditer(data), 0
    gap = next(gaps, None)
    for place in places:
        while gap is not None and gap.start() - removed <= place:
            removed += len(gap[0])
            gap = next(gaps, None)
        yield place + removed


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same in order, as few as possible."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
