"""A request body's JSON: checked once, taken apart without being encoded again, errors with a place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

from workerkit.errors import ApiError
from workerkit.payload import too_deep

SAMPLE = '{"input": {"prompt": "hello"}}'
BYTE = re.compile(r"^(?:JSON is malformed: )?(?P<what>.*) \(byte (?P<at>\d+)\)$")
#: A string, so that what stands inside it is passed over, or a number that may be too large: one of
#: many digits, or with an exponent of three.
SUSPECT = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*"?'
    rb"|(?P<number>(?<![\d.eE+-])-?(?:\d[\d.]{199}[\d.eE+-]*|\d[\d.]*[eE]\+?\d{3}\d*))"
)
#: Bytes and tokens of a body that are searched for such a number: some 30 ms at the worst.
SEARCHED, MOST_TOKENS = 250_000, 10_000
#: An escape: a surrogate pair, half of one alone, or any other.
ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
#: Bytes of two escapes.
PAIR = 12
NOT_JSON = re.compile(rb"-?(?:NaN|Infinity|undefined|None|True|False)\b")
WIDE = (b"\xff\xfe", b"\xfe\xff")
#: How a body begins that may hold nothing but its input, and bytes from which on it is worth to find out.
ONLY_INPUT = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"input"[ \t\n\r]*:[ \t\n\r]*')
SPACE, LARGE = b" \t\n\r", 16_384
#: The members of an object, each as the bytes that it was sent as.
Members = Mapping[str, bytes | msgspec.Raw]


class Reader:
    """Reads bodies as JSON objects. It keeps its decoders, which are costly to make."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._value = msgspec.json.Decoder()
        self._members = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def read(self, body: bytes) -> tuple[Members, dict[str, Any]]:
        """The members of the object in `body`, as raw slices of it and as values.

        Of a key that comes twice the last one counts. Raises `ApiError` 400 that says what is wrong
        and where.
        """
        only = self._only_input(body) if len(body) >= LARGE else None
        try:
            value = self._value.decode(body) if only is None else only[1]
        except RecursionError:
            raise self._nested_too_deep() from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise explain(body, error) from None
        if type(value) is not dict:
            raise ApiError(
                400, "not_an_object", f"the body is {kind(value)}; send a JSON object such as {SAMPLE}"
            )
        if not self._is_flat(body) and too_deep(value, self._depth):
            raise self._nested_too_deep()
        return only or (self._members.decode(body), value)

    def _only_input(self, body: bytes) -> tuple[Members, dict[str, Any]] | None:
        """What `read` returns of a body that holds nothing but its input, as most large ones; it is gone through once.

        None for any other, and for one that is not JSON.
        """
        head, body = ONLY_INPUT.match(body), body.rstrip(SPACE)
        if head is None or not body.endswith(b"}"):
            return None
        raw = body[head.end() : -1].rstrip(SPACE)
        try:
            return {"input": raw}, {"input": self._value.decode(raw)}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _is_flat(self, body: bytes) -> bool:
        """Whether there are too few brackets to nest too deep: far cheaper than a walk.

        `find` passes over a megabyte twenty times as fast as `count`.
        """
        return len(body) <= 2 * self._depth or (
            _fewer(body, b"{", self._depth // 2) and _fewer(body, b"[", self._depth // 2)
        )

    def _nested_too_deep(self) -> ApiError:
        return ApiError(
            400,
            "too_deep",
            f"the body nests objects and arrays more than {self._depth} levels deep; "
            "flatten it, or raise [limits] depth",
        )


def _fewer(body: bytes, mark: bytes, most: int) -> bool:
    at = -1
    for _ in range(most + 1):
        at = body.find(mark, at + 1)
        if at < 0:
            return True
    return False


def kind(value: Any) -> str:
    """What JSON calls `value`, for a sentence."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    names = {str: "a string", int: "a number", float: "a number", list: "an array", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def explain(body: bytes, error: Exception) -> ApiError:
    """Why `body` is not JSON that can be kept: the place, the culprit and the cure."""
    if not body.strip():
        return ApiError(400, "empty_body", f"the body is empty; send a JSON object such as {SAMPLE}")
    return _encoding(body) or _syntax(body, str(error)) or _number(body, str(error)) or _truncated(body)


def _encoding(body: bytes) -> ApiError | None:
    if body.startswith(WIDE) or b"\0" in body[:2]:
        return ApiError(400, "bad_encoding", "the body looks like UTF-16 or UTF-32; send UTF-8")
    if body.startswith(b"\xef\xbb\xbf"):
        return ApiError(400, "bad_encoding", "the body begins with a byte order mark; send UTF-8 without one")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        at = error.start
        return ApiError(
            400,
            "bad_encoding",
            f"the body is not UTF-8: byte 0x{body[at]:02x} at {place(body, at)}; send UTF-8",
        )
    return None


def _syntax(body: bytes, message: str) -> ApiError | None:
    found = BYTE.match(message)
    if found is None:
        return None
    what, at = found["what"], int(found["at"])
    if what.startswith("trailing comma"):
        return _bad_json(body, body.rfind(b",", 0, at), "a comma with nothing after it; remove it")
    if "surrogate" in what and (lone := _surrogate(body, at)):
        return lone
    if what == "trailing characters":
        return _bad_json(body, at - 1, "something follows the end of the object; send one JSON object")
    if body[at - 1 : at] == b"-":
        at -= 1
    return _bad_json(body, at, _cure(body, at, what))


def _cure(body: bytes, at: int, what: str) -> str:
    if word := NOT_JSON.match(body, at):
        return f"{word[0].decode()} is not JSON; send null, true, false or a string"
    if body[at : at + 1] == b"'":
        return "a single quote; JSON strings and keys stand in double quotes"
    if what == "object keys must be strings":
        return "keys stand in double quotes"
    if what == "invalid character" and body[at : at + 1] < b" ":
        return "a control character inside a string; write it as an escape such as \\n"
    return what


def _surrogate(body: bytes, end: int) -> ApiError | None:
    """Half of a pair among the last two escapes before `end`, which is where the decoder gave up."""
    first = max(end - PAIR, 0)
    begin = max(first - PAIR, 0)  # so that a pair before those two is seen whole
    begin -= (begin - len(body[:begin].rstrip(b"\\"))) % 2  # and no backslash is seen without its own
    for escape in ESCAPE.finditer(body, begin, end):
        if escape["half"] and escape.start() >= first:
            return _bad_json(
                body,
                escape.start(),
                f"{escape['half'].decode()} is half of a surrogate pair, which UTF-8 cannot hold; "
                "send both halves, or neither",
            )
    return None


def _number(body: bytes, message: str) -> ApiError | None:
    if "out of range" not in message:
        return None
    for token in islice(SUSPECT.finditer(body, 0, SEARCHED), MOST_TOKENS):
        if token["number"] and not _fits(token["number"]):
            return _bad_json(body, token.start(), "a number too large to be kept; send it as a string")
    return ApiError(400, "bad_json", "the body holds a number too large to be kept; send it as a string")


def _fits(number: bytes) -> bool:
    try:
        msgspec.json.decode(number)
    except msgspec.DecodeError:
        return False
    return True


def _truncated(body: bytes) -> ApiError:
    # The decoder also reports a string that ends after half a pair as cut off.
    return _surrogate(body, len(body)) or _bad_json(
        body, len(body), "its end comes before the end of the JSON; was it cut off?"
    )


def _bad_json(body: bytes, at: int, what: str) -> ApiError:
    return ApiError(400, "bad_json", f"the body is not valid JSON at {place(body, at)}: {what}")


def place(body: bytes, at: int) -> str:
    """Line and column of a byte, both counted from 1, the column in characters."""
    before = body[:at].decode("utf-8", "replace")
    line_start = before.rfind("\n") + 1
    return f"line {before.count(chr(10)) + 1}, column {len(before) - line_start + 1}"
