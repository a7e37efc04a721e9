"""Places in bytes, and what is put there instead."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence

MASK = b"***"
#: Of JSON, what numbers are of, and with what they begin.
NUMERIC = b"0123456789+-.eE"
DIGITS = b"-0123456789"
NUMBER = re.compile(rb"[0-9+.eE-]*")

#: Where something begins and ends in bytes.
Span = tuple[int, int]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same in order, as few as possible: those that overlap or touch are one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def inside(span: Span, others: Sequence[Span]) -> bool:
    """Whether one of the others, which are in order, holds it whole."""
    at = bisect_right(others, span[0], key=lambda other: other[0])
    return at > 0 and span[1] <= others[at - 1][1]


def replaced(pieces: Sequence[bytes], spans: Iterable[Span]) -> list[bytes]:
    """Without the spans of what the pieces are together; where one begins there is a mask."""
    left, begin = deque(spans), 0
    found: list[bytes] = []
    for piece in pieces:
        at, end = begin, begin + len(piece)
        parts: list[bytes] = []
        while left and left[0][0] < end:
            start, stop = left[0]
            if start >= begin:
                parts += [piece[at - begin : start - begin], MASK]
            at = min(stop, end)
            if stop > end:
                break  # it goes on in the next piece
            left.popleft()
        found.append(b"".join([*parts, piece[at - begin :]]))
        begin = end
    return found


def replaced_in_json(data: bytes, spans: Iterable[Span]) -> tuple[bytes, int, bool]:
    """JSON, still valid, with a mask for each span that is in a string or a number.

    And how many masks that is, and whether a span was left. A number becomes a string, and an escape is replaced whole. What goes beyond one string or number stays.
    """
    # Every quote that is left ends or begins a string, and every backslash begins an escape.
    plain = data.replace(b"\\\\", b"\\/").replace(b'\\"', b"\\/")
    parts: list[bytes] = []
    quotes = counted = at = masks = 0
    left = False
    for start, end in sorted(spans):
        quotes += plain.count(b'"', counted, start)
        counted = start
        if quotes % 2:
            start, end, mask = _escape(plain, start)[0], _escape(plain, end)[1], MASK
            fits = plain.find(b'"', start, end) < 0
        elif start < at:
            continue  # the same number
        elif fits := not plain[start:end].strip(NUMERIC):
            start, end, mask = _number_start(plain, start), _number_end(plain, end), b'"%b"' % MASK
            fits = plain[start : start + 1] in DIGITS  # else it is the end of a `true`
        if not fits:
            left = True
            continue
        if not masks or start > at:
            parts += [data[at:start], mask]
            masks += 1
        at = max(at, end)
    return b"".join([*parts, data[at:]]) if masks else data, masks, left


def _escape(plain: bytes, at: int) -> Span:
    """Where the escape begins and ends in the midst of which this is; here when it is none."""
    begin = plain.rfind(b"\\", max(at - 5, 0), at)
    if begin >= 0:
        end = begin + (6 if plain[begin + 1 : begin + 2] == b"u" else 2)
        if end > at:
            return begin, end
    return at, at


def _number_start(plain: bytes, at: int) -> int:
    while at > 0:
        before = plain[max(at - 32, 0) : at]
        digits = len(before) - len(before.rstrip(NUMERIC))
        at -= digits
        if digits < len(before):
            break
    return at


def _number_end(plain: bytes, at: int) -> int:
    number = NUMBER.match(plain, at)
    return at if number is None else number.end()
