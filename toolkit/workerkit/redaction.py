"""Secrets, searched in what leaves the place that may know them, and masked.

A job's are searched in everything that comes back from its worker, a plugin's own in what is stored
and logged of its failures.

The search is for values, in each form in which they commonly leave a program. It runs on encoded
bytes. However many secrets there are, 1 KiB takes some 15 µs and 1 MiB some 10 ms; with one, 1 MiB takes
less than 1 ms. Base64 is also found when it is wrapped in lines.
"""

from __future__ import annotations

import builtins
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from workerkit.secret_forms import SHORTEST, Forms, Span

MASK = "***"


class Redactor:
    """Masks the given secrets with `***`; those below 8 characters are not searched for.

    `hits` counts what was masked so far; secrets that touch are masked and counted as one.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._forms = Forms(secrets)
        self._exempt: set[builtins.bytes] = set()
        self._exempt_sizes: set[int] = set()
        self.hits = 0

    def twin(self) -> Redactor:
        """Another for the same secrets, now and later, with hits and exempt URLs of its own."""
        other = Redactor(())
        other._forms = self._forms
        return other

    @property
    def secrets(self) -> dict[str, None]:
        """What is searched for; the secret that was hidden last is the last."""
        return self._forms.secrets

    @property
    def longest(self) -> int:
        """The bytes of the longest form that is searched for."""
        return self._forms.longest

    def hide(self, secret: str) -> None:
        """Mask this one, too."""
        self._forms.add(secret)

    def hide_only(self, secrets: Iterable[str]) -> None:
        """Mask these, and no others any more."""
        self._forms.only(secrets)

    def exempt(self, url: str) -> None:
        """Leave what is behind the first `?` of this URL as it is, wherever the URL comes whole."""
        data = url.encode()
        self._exempt.add(data)
        self._exempt_sizes.add(len(data))

    def begun(self, data: builtins.bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        return len(data) - self._forms.begun(data)

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
        return self.texts([text])[0]

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Mask in texts that are read as one: `***` where a secret begins, nothing where it goes on."""
        pieces = [_encoded(text) for text in texts]
        spans = self._spans(b"".join(pieces))
        if not spans:
            return texts
        self.hits += len(spans)
        return [_decoded(piece) for piece in _replaced(pieces, spans)]

    def ends(self, texts: Sequence[str]) -> Sequence[str]:
        """Mask in texts that are read as one and do not go on, where they end in the midst of a secret.

        It takes as much of one as is searched for: a few characters are no secret, and often innocent.
        """
        pieces = [_encoded(text) for text in texts]
        data = b"".join(pieces)
        span = self._forms.begun(data), len(data)
        if span[1] - span[0] < SHORTEST or _inside(span, list(self._spared(data))):
            return texts
        self.hits += 1
        return [_decoded(piece) for piece in _replaced(pieces, [span])]

    def begun_in(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret."""
        data = _encoded(text)
        return len(_decoded(data[self._forms.begun(data) :]))

    def tree(self, value: Any) -> Any:
        """Mask in decoded JSON, strings, keys, and numbers that spell a secret; and in JSON's bytes."""
        if not self.secrets:
            return value
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
        spans = self._spans(data)
        self.hits += len(spans)
        return _replaced([data], spans)[0] if spans else data

    def _spans(self, data: builtins.bytes) -> list[Span]:
        """What is to be masked, in order."""
        if not self.secrets:
            return []
        found = self._forms.found(data)
        if not found or not self._exempt:
            return found
        spared = list(self._spared(data))
        return [span for span in found if not _inside(span, spared)]

    def _spared(self, data: builtins.bytes) -> Iterator[Span]:
        """Where the queries of exempt URLs are, in order."""
        sizes = sorted(self._exempt_sizes, reverse=True)
        end = 0
        for scheme in re.finditer(rb"https?://", data):
            start = scheme.start()
            size = next((size for size in sizes if data[start : start + size] in self._exempt), 0)
            if size and start >= end:
                end = start + size
                yield _query(data, start, end)


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


def ended(line: bytes, redactors: Collection[Redactor]) -> bytes:
    """A line that does not go on, without what may be most of a secret."""
    known, open_ended = split(line, redactors)
    return known + (MASK.encode() if len(open_ended) >= SHORTEST else open_ended)


def _query(data: bytes, start: int, end: int) -> Span:
    """Where in a URL is what stands behind its first `?`; at its end when there is none."""
    mark = data.find(b"?", start, end)
    return (end if mark < 0 else mark + 1), end


def _inside(span: Span, others: Sequence[Span]) -> bool:
    at = bisect_right(others, span[0], key=lambda other: other[0])
    return at > 0 and span[1] <= others[at - 1][1]


def _replaced(pieces: Sequence[bytes], spans: Iterable[Span]) -> list[bytes]:
    """Without the spans of what the pieces are together; where one begins there is a mask."""
    left, begin = deque(spans), 0
    replaced: list[bytes] = []
    for piece in pieces:
        at, end = begin, begin + len(piece)
        parts: list[bytes] = []
        while left and left[0][0] < end:
            start, stop = left[0]
            if start >= begin:
                parts += [piece[at - begin : start - begin], MASK.encode()]
            at = min(stop, end)
            if stop > end:
                break  # it goes on in the next piece
            left.popleft()
        replaced.append(b"".join([*parts, piece[at - begin :]]))
        begin = end
    return replaced


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
