"""The forms in which a secret may leave a program, and where they are in bytes."""

from __future__ import annotations

import base64
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

#: Shorter secrets would be found in innocent text.
SHORTEST = 8
#: What may stand inside base64 and is no part of it: line breaks, raw and escaped, what indents lines, and
#: the backslash before a slash.
GAP = re.compile(rb"\\[nrt]?|[ \t\r\n]")

#: Where something begins and ends in bytes.
Span = tuple[int, int]


class Forms:
    """Every form of those `secrets` that are not too short. `longest` is how many bytes the longest has."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets = sought = {secret for secret in secrets if len(secret) >= SHORTEST}
        self._base64 = _Texts(form for secret in sought for form in _base64_forms(secret))
        self._others = _Texts(form for secret in sought for form in _forms(secret))
        self.longest = max(self._base64.longest, self._others.longest)

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
    """Texts that are searched for, also where only their beginning is there."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = set(texts)
        self.longest = max(map(len, self._texts), default=0)
        self._by_first: defaultdict[int, list[bytes]] = defaultdict(list)
        for text in self._texts:
            self._by_first[text[0]].append(text)

    def found(self, data: bytes) -> Iterator[Span]:
        for text in self._texts:
            start = data.find(text)
            while start >= 0:
                end = start + len(text)
                while data.startswith(text, end):  # as one, however often it is repeated
                    end += len(text)
                yield start, end
                start = data.find(text, end)

    def begun(self, data: bytes) -> int:
        for start in range(max(len(data) - self.longest + 1, 0), len(data)):
            if any(text.startswith(data[start:]) for text in self._by_first.get(data[start], ())):
                return start
        return len(data)


def _forms(secret: str) -> Iterator[bytes]:
    """The secret as it may appear: raw, a line of it, in JSON once or twice, in a URL, in hex."""
    data = secret.encode("utf-8", "surrogatepass")
    yield data
    yield from (line for line in data.splitlines() if len(line) >= SHORTEST)
    yield from (data.hex().encode(), data.hex().upper().encode())
    for escaped in (secret.encode("unicode_escape").decode(), repr(secret)[1:-1]):
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
