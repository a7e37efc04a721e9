"""Secrets that a run yields in parts, as a stream of tokens does: masked in all chunks that hold some of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import attrs
import msgspec

from workerkit.redaction import Redactor

#: Chunks for which a string that may have begun a secret waits to go on; many streams have chunks of
#: several kinds. And bytes that may wait, when that is more than one chunk.
PATIENCE, MOST_HELD = 8, 8_000_000
#: Strings at the beginning of a chunk, and at its end, that may go on others; what is read token by token has few.
EDGE = 50

#: The names under which a string stands in its chunk; None is where all are.
Path = tuple[str, ...] | None


@attrs.define(eq=False)
class _Chunk:
    number: int
    #: JSON, without the secrets that are whole in it.
    value: bytes
    #: The same decoded, in a list, so that a chunk that is only a string has a place too.
    tree: list[Any]
    changed: bool = False

    def json(self) -> bytes:
        return msgspec.json.encode(self.tree[0]) if self.changed else self.value


@attrs.frozen(eq=False)
class _String:
    """A string's place in a chunk."""

    chunk: _Chunk
    parent: Any
    key: int | str

    @property
    def text(self) -> str:
        text: str = self.parent[self.key]
        return text

    def replace(self, text: str) -> None:
        self.parent[self.key] = text
        self.chunk.changed = True


class StreamRedactor:
    """Masks in the chunks of one run, which clients join to one text.

    A chunk is held back while what one of its strings ends with may be the beginning of a secret: until
    the next chunks tell, which is one more chunk where it is none. Read as one are the strings under the
    same names, such as all `{"delta": "..."}`, and all strings in their order; of a chunk with very many, the first
    and the last. What does not go on in time
    is masked when it is most of a secret.
    """

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor
        self._held: deque[_Chunk] = deque()
        #: The strings that may hold the beginning of a secret, by where in the chunks they are.
        self._begun: dict[Path, list[_String]] = {}

    @property
    def held(self) -> list[tuple[int, bytes]]:
        """The chunks that wait, as they would end: they go on to wait, and may come out changed."""
        strings = [string for strings in self._begun.values() for string in strings]
        before, hits = [string.text for string in strings], self.redactor.hits
        self._cut_off(list(self._begun))
        held = [(chunk.number, chunk.json()) for chunk in self._held]
        _replace(strings, [string.text for string in strings], before)
        self.redactor.hits = hits
        return held

    def add(self, number: int, value: bytes) -> list[tuple[int, bytes]]:
        """Take a chunk, JSON; return those that need wait no longer, in order, masked."""
        value = self.redactor.bytes(value)
        if not self.redactor.secrets and not self._held:
            return [(number, value)]
        chunk = _Chunk(number, value, _decoded(value))
        self._held.append(chunk)
        for path, strings in _strings(chunk).items():
            self._go_on(path, strings)
        full = len(self._held) > 1 and sum(len(chunk.value) for chunk in self._held) > MOST_HELD
        self._give_up(set() if full else self._patient(number))
        return self._ready()

    def end(self) -> list[tuple[int, bytes]]:
        """The chunks that are left: there will be no more. What is most of a secret is masked, too."""
        self._give_up(set())
        return self._ready()

    def _go_on(self, path: Path, strings: list[_String]) -> None:
        """Mask in what `strings` continue, and see whether they end with the beginning of a secret."""
        strings = [*self._begun.pop(path, ()), *strings]
        if len(strings) > 1:  # one alone was masked with its chunk
            texts = [string.text for string in strings]
            _replace(strings, texts, self.redactor.texts(texts))
        size = self.redactor.begun_in("".join(string.text for string in strings))
        begun: deque[_String] = deque()
        while size > 0:
            begun.appendleft(strings.pop())
            size -= len(begun[0].text)
        if begun:
            self._begun[path] = list(begun)

    def _patient(self, number: int) -> set[_String]:
        """The strings that wait on, chunk `number` being the last."""
        begun = self._begun.values()
        return {
            string for strings in begun if number - strings[-1].chunk.number <= PATIENCE for string in strings
        }

    def _give_up(self, patient: set[_String]) -> None:
        """Let none wait but the `patient`, and those that are read as one with some of them."""
        over = [path for path, strings in self._begun.items() if patient.isdisjoint(strings)]
        self._cut_off(over)
        for path in over:
            del self._begun[path]

    def _cut_off(self, paths: Sequence[Path]) -> None:
        """Mask what the strings there end with, if that is enough of a secret."""
        for path in sorted(paths, key=lambda path: path is not None):  # all together may be more of one
            strings = self._begun[path]
            texts = [string.text for string in strings]
            _replace(strings, texts, self.redactor.ends(texts))

    def _ready(self) -> list[tuple[int, bytes]]:
        waiting = {string.chunk.number for strings in self._begun.values() for string in strings[:1]}
        ready = []
        while self._held and self._held[0].number not in waiting:
            chunk = self._held.popleft()
            ready.append((chunk.number, chunk.json()))
        return ready


def _replace(strings: Sequence[_String], old: Sequence[str], new: Sequence[str]) -> None:
    for string, before, after in zip(strings, old, new, strict=True):
        if after != before:
            string.replace(after)


def _strings(chunk: _Chunk) -> dict[Path, list[_String]]:
    """The strings of a chunk, by where they are; of very many those at both of its ends, where texts go on."""
    strings = [*islice(_walk(chunk, chunk.tree, ()), 2 * EDGE + 1)]
    if len(strings) > 2 * EDGE:
        last = [*islice(_walk(chunk, chunk.tree, (), backwards=True), EDGE)]
        strings = [*strings[:EDGE], *reversed(last)]
    found: dict[Path, list[_String]] = {}
    for path, string in strings:
        found.setdefault(path, []).append(string)
        found.setdefault(None, []).append(string)
    return found


def _walk(
    chunk: _Chunk, parent: Any, path: tuple[str, ...], *, backwards: bool = False
) -> Iterator[tuple[Path, _String]]:
    """The strings in there that are not empty, in order."""
    for key in _keys(parent, backwards):
        value = parent[key]
        kind = type(value)
        if kind is dict or kind is list:
            below = (*path, key) if isinstance(key, str) else path
            yield from _walk(chunk, value, below, backwards=backwards)
        elif kind is str and value:
            yield (*path, key) if isinstance(key, str) else path, _String(chunk, parent, key)


def _keys(parent: Any, backwards: bool) -> Iterable[Any]:
    keys = parent if type(parent) is dict else range(len(parent))
    return reversed(keys) if backwards else keys


def _decoded(value: bytes) -> list[Any]:
    """In a list; an empty one where there are no strings."""
    try:
        return [msgspec.json.decode(value)] if b'"' in value else []
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return []
