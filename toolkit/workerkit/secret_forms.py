"""Where secrets are in bytes, whatever their form."""

from __future__ import annotations

import re
import struct
import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, islice
from typing import Literal

from workerkit.spans import Span, merged
from workerkit.spelling import SHORTEST, in_base64, lines, spelled

#: What may stand inside base64 and is no part of it: line breaks, raw and escaped, what indents lines, and
#: the backslash before a slash.
GAP = re.compile(rb"\\[nrt]?|[ \t\r\n]")
ESCAPES, SPACES = (b"\\n", b"\\r", b"\\t"), b"\\ \t\r\n"

#: So many texts are not searched for one by one, but by blocks: see `_Blocks`. In so many bytes, fewer are many.
MANY, MANY_IN_LARGE, LARGE = 16, 8, 100_000
#: Places above which all of the data is one: to mask them one by one would take too long. And places of wrapped
#: base64, which take longer.
MOST_PLACES, MOST_WRAPPED = 50_000, 5_000
#: What a gap may have at most in the midst of a beginning, for each byte of that; and bytes of data whose gaps are
#: counted at a time.
GAPS, BLOCK = 8, 512

#: Whether a secret is masked.
Wanted = Callable[[str], bool]


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
            self._base64.add(in_base64(secret), secret)
            self._others.add(spelled(secret), secret)
            self._others.add(lines(secret))
        self.secrets[secret] = None

    @property
    def longest(self) -> int:
        """The bytes of the longest form."""
        return max(self._base64.longest, self._others.longest)

    @property
    def longest_begun(self) -> int:
        """The bytes that are looked at for the beginning of one."""
        return GAPS * self.longest + BLOCK

    def found(self, data: bytes) -> list[Span]:
        """Where secrets are, in order; those that overlap or touch are one."""
        return merged(self.places(data))

    def places(self, data: bytes, wanted: Wanted | None = None) -> list[Span]:
        """Where secrets are, form by form; where there are too many, all of `data`.

        With `wanted`, only whole secrets that are: the lines of one are not.
        """
        if not self.secrets:
            return []
        wrapped = any(sign in data for sign in (b"\\", b"\n", b"\r"))
        spaced = _spaced(data) if wrapped else data
        thin, most = (spaced.translate(None, SPACES), MOST_WRAPPED) if wrapped else (data, MOST_PLACES)
        found = [*islice(self._base64.found(thin, wanted), most + 1)]
        if len(found) > most:
            return [(0, len(data))]
        if found and wrapped:
            edges = _origins(spaced, [edge for start, end in found for edge in (start, end - 1)])
            found = [(start, last + 1) for start, last in zip(edges[::2], edges[1::2], strict=True)]
        found += islice(self._others.found(data, wanted), MOST_PLACES + 1)
        return found if len(found) <= MOST_PLACES else [(0, len(data))]

    def whole_in(self, data: bytes) -> set[str]:
        """The secrets that are whole in it."""
        found: set[str] = set()

        def once(secret: str) -> bool:
            found.add(secret)
            return False  # where else it is, is not asked

        self.places(data, once)
        return found

    def begun(self, data: bytes) -> int:
        """Where what `data` ends with may be the beginning of a secret; its length when it is none."""
        before = max(len(data) - self.longest_begun, 0)
        data = data[before:]
        thin, begun = _thin(data), self._others.begun(data)
        wrapped = self._base64.begun(thin)
        return before + (begun if wrapped == len(thin) else min(begun, *_origins(_spaced(data), [wrapped])))


class _Texts:
    """Texts of at least `SHORTEST` bytes that are searched for, also where only their beginning is there."""

    def __init__(self) -> None:
        self.longest = 0
        #: By their first `SHORTEST` bytes; and those, sorted.
        self._by_head: dict[bytes, tuple[bytes, ...]] = {}
        self._heads: list[bytes] = []
        #: The secret that a text is all of.
        self._secrets: dict[bytes, str] = {}
        self._long, self._short = _Blocks("Q"), _Blocks("I")
        #: Those that are not in these yet: a run whose data is small needs none.
        self._apart: list[bytes] = []
        self._count = 0

    def add(self, texts: Iterable[bytes], secret: str | None = None) -> None:
        for text in texts:
            if secret is not None:
                self._secrets.setdefault(text, secret)
            head = text[:SHORTEST]
            known = self._by_head.get(head, ())
            if not known:
                insort(self._heads, head)
            if text not in known:
                self._by_head[head] = (*known, text)
                self.longest = max(self.longest, len(text))
                self._count += 1
                self._apart.append(text)

    def found(self, data: bytes, wanted: Wanted | None) -> Iterator[Span]:
        few = self._few(len(data)) and (len(data) < LARGE or self._count < MANY_IN_LARGE)
        for text in self._all() if few else self._likely(data):
            start = data.find(text)
            if start < 0 or (wanted is not None and not self._is_wanted(text, wanted)):
                continue
            while start >= 0:
                end = start + len(text)
                if data.startswith(text, end):  # as one, however often it is repeated
                    end = _repeated(data, text, end)
                yield start, end
                start = data.find(text, end)

    def _is_wanted(self, text: bytes, wanted: Wanted) -> bool:
        secret = self._secrets.get(text)
        return secret is not None and wanted(secret)

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
        while self._apart:
            text = self._apart.pop()
            (self._long if len(text) >= self._long.shortest else self._short).add(text)
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


def _repeated(data: bytes, text: bytes, at: int) -> int:
    """Where in `data` the copies of `text` end that follow each other from there."""
    many = text * (BLOCK // len(text) + 1)
    for copies in (many, text):
        while data.startswith(copies, at):
            at += len(copies)
    return at


def _thin(data: bytes) -> bytes:
    """`data` without gaps; faster than `GAP.sub`."""
    return _spaced(data).translate(None, SPACES)


def _spaced(data: bytes) -> bytes:
    """`data` with each byte of a gap as one of `SPACES`."""
    for escaped in ESCAPES:
        data = data.replace(escaped, b"  ")
    return data


def _origins(spaced: bytes, places: Iterable[int]) -> list[int]:
    """Where these places are that are counted without the `SPACES`."""
    blocks = [spaced[start : start + BLOCK] for start in range(0, len(spaced), BLOCK)]
    before = [0, *accumulate(len(block.translate(None, SPACES)) for block in blocks)]
    found = []
    for place in places:
        number = bisect_right(before, place) - 1
        block, rest = blocks[number], place - before[number]
        within = bisect_right(range(BLOCK), rest, key=lambda at: len(block[: at + 1].translate(None, SPACES)))
        found.append(number * BLOCK + within)
    return found
