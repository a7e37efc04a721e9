"""Secrets, searched in what leaves the place that may know them, and masked.

A job's are searched in everything that comes back from its worker, a plugin's own in what is stored
and logged of its failures.

The search is for values, in each form in which they commonly leave a program. It runs on encoded
bytes. However many secrets there are, 1 KiB takes some 15 µs and 1 MiB some 10 ms; with one, 1 MiB takes
some 5 ms; and what is made to take long, up to 20 ms. Base64 is also found when it is wrapped in lines.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from workerkit.secret_forms import Forms
from workerkit.spans import MASK, Span, inside, merged, replaced, replaced_in_json
from workerkit.spelling import SHORTEST


class Others(Protocol):
    """Secrets that are none of one's own, as far as they are masked."""

    def places(self, data: bytes) -> list[Span]:
        """Where they are."""


class Redactor:
    """Masks the given secrets with `***`; those below 8 characters are not searched for.

    `others` are masked beside them, where they are whole. `hits` counts what was masked so far; secrets that
    touch are masked and counted as one. Data in which there are too many to mask each is masked whole.
    """

    def __init__(self, secrets: Iterable[str], others: Others | None = None) -> None:
        #: What is searched for.
        self.forms = Forms(secrets)
        self._others = others
        self._exempt: set[builtins.bytes] = set()
        self._exempt_sizes: set[int] = set()
        self.hits = 0

    @property
    def secrets(self) -> dict[str, None]:
        """What is searched for; the secret that was hidden last is the last."""
        return self.forms.secrets

    @property
    def longest(self) -> int:
        """The bytes of the longest form that is searched for."""
        return self.forms.longest

    def hide(self, secret: str) -> None:
        """Mask this one, too."""
        self.forms.add(secret)

    def hide_only(self, secrets: Iterable[str]) -> None:
        """Mask these, and no others any more."""
        self.forms.only(secrets)

    def exempt(self, url: str) -> None:
        """Leave what is behind the first `?` of this URL as it is, wherever the URL comes whole."""
        data = url.encode()
        self._exempt.add(data)
        self._exempt_sizes.add(len(data))

    def begun(self, data: builtins.bytes) -> int:
        """How many bytes at the end of `data` may be the beginning of a secret."""
        return len(data) - self.forms.begun(data)

    def bytes(self, data: builtins.bytes) -> builtins.bytes:
        """Mask in JSON; the answer is valid JSON again, even where a secret looked like a number."""
        places = self._places(data)
        if not places:
            return data
        if (0, len(data)) in places:
            self.hits += 1
            return msgspec.json.encode(MASK.decode())
        masked, masks, left = replaced_in_json(data, places)
        if left and not _is_json(data):
            return self._replaced(data, places)
        self.hits += masks
        return masked

    def line(self, data: builtins.bytes) -> builtins.bytes:
        """Mask in bytes, whatever they are."""
        places = self._places(data)
        return self._replaced(data, places) if places else data

    def text(self, text: str) -> str:
        """Mask in text."""
        data = _encoded(text)
        places = self._places(data)
        return _decoded(self._replaced(data, places)) if places else text

    def texts(self, texts: Sequence[str]) -> Sequence[str]:
        """Mask one's own in texts that are read as one: `***` where a secret begins, nothing where it goes on."""
        pieces = [_encoded(text) for text in texts]
        data = b"".join(pieces)
        spans = merged(self._unspared(data, self.forms.places(data)))
        if not spans:
            return texts
        self.hits += len(spans)
        return [_decoded(piece) for piece in replaced(pieces, spans)]

    def ends(self, texts: Sequence[str]) -> Sequence[str]:
        """Mask one's own in texts that are read as one and do not go on, where they end in the midst of a secret.

        It takes as much of one as is searched for: a few characters are no secret, and often innocent.
        """
        pieces = [_encoded(text) for text in texts]
        data = b"".join(pieces)
        span = self.forms.begun(data), len(data)
        if span[1] - span[0] < SHORTEST or inside(span, list(self._spared(data))):
            return texts
        self.hits += 1
        return [_decoded(piece) for piece in replaced(pieces, [span])]

    def begun_in(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret."""
        data = _encoded(text[-self.forms.longest_begun :])
        return len(_decoded(data[self.forms.begun(data) :]))

    def tree(self, value: Any) -> Any:
        """Mask in decoded JSON, strings, keys, and numbers that spell a secret; and in JSON's bytes."""
        if value is None or (not self.secrets and self._others is None):
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, builtins.bytes):
            return self.bytes(value)
        by_name = isinstance(value, Mapping)
        data = msgspec.json.encode(dict(value) if by_name else value)
        masked = self.bytes(data)
        if masked is data:
            return value
        known = msgspec.json.decode(masked)
        return {known: known} if by_name and isinstance(known, str) else known  # when it was masked whole

    def _places(self, data: builtins.bytes) -> list[Span]:
        """What is to be masked, in no order."""
        places = self.forms.places(data)
        if self._others is not None:
            places += self._others.places(data)
        return self._unspared(data, places)

    def _unspared(self, data: builtins.bytes, places: list[Span]) -> list[Span]:
        if not places or not self._exempt:
            return places
        spared = list(self._spared(data))
        return [span for span in places if not inside(span, spared)]

    def _replaced(self, data: builtins.bytes, places: list[Span]) -> builtins.bytes:
        spans = merged(places)
        self.hits += len(spans)
        return replaced([data], spans)[0]

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
    return known + (MASK if len(open_ended) >= SHORTEST else open_ended)


def _query(data: bytes, start: int, end: int) -> Span:
    """Where in a URL is what stands behind its first `?`; at its end when there is none."""
    mark = data.find(b"?", start, end)
    return (end if mark < 0 else mark + 1), end


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True
