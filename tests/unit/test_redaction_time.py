"""The host masks on its event loop: whatever a job returns, that takes little, and no more than in proportion."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from workerkit.redaction import Redactor
from workerkit.stream_redaction import StreamRedactor

KEY = "wJalrXUtnFEMI/K7MDENG+bPxRf"
BASE64 = base64.b64encode(f"ab{KEY}cd".encode()).decode()
#: Seconds for a megabyte: several times what it takes, and a small part of what a search in Python would.
MOST = 0.1
OUTPUTS: dict[str, Any] = {
    "backslashes": "\\" * 2_000_000,
    "line breaks": "\n" * 2_000_000,
    "base64 among backslashes": "\\" * 1_000_000 + BASE64 + "\\" * 1_000_000,
    "base64 in lines": f"{BASE64}\n" * 100_000,
    "beginnings": KEY[:8] * 500_000,
    "places": f"{KEY} " * 140_000,
    "fewer places": (KEY + " " * 60) * 45_000,
    "strings": [KEY[:-1]] * 130_000,
    "numbers": [12345678, *[1.5] * 800_000],
    "numbers with places": [0.12345678912, *[1.25] * 800_000] * 2,
    "one number": int("12345678" * 500),
    "per cents": "%" * 4_000_000,
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_is_masked_in_no_time(output: str) -> None:
    data = json.dumps(OUTPUTS[output]).encode()
    redactor = Redactor([KEY, "12345678"])
    began = time.process_time()
    masked = redactor.bytes(data)
    took = time.process_time() - began

    assert took < MOST * max(len(data) / 1_000_000, 1)
    msgspec.json.decode(masked)
    assert KEY.encode() not in masked


@pytest.mark.parametrize(
    "chunk",
    [
        lambda number: {f"{number}-{n}": KEY[:9] for n in range(40_000)},
        lambda number: ["a"] * 190_000,
        lambda number: [1.5] * 190_000 + ["w"],
        lambda number: "x" * 990_000 + KEY[:9],
    ],
    ids=["names that begin one", "letters", "numbers", "a text"],
)
def test_a_stream_of_large_chunks_is_masked_in_no_time(chunk: Callable[[int], Any]) -> None:
    chunks = [json.dumps(chunk(number)).encode() for number in range(6)]
    stream = StreamRedactor(Redactor([KEY]))
    began = time.process_time()
    ready = [part for number, value in enumerate(chunks) for part in stream.add(number, value)]
    ready += stream.end()
    took = time.process_time() - began

    assert took < MOST * sum(map(len, chunks)) / 1_000_000
    assert [number for number, _ in ready] == list(range(6))


def test_notes_of_many_strings_are_masked_in_no_time() -> None:
    notes = {str(number): ["abcdefgh", KEY] for number in range(20_000)}
    redactor = Redactor([KEY])
    began = time.process_time()

    assert redactor.tree(notes) == {str(number): ["abcdefgh", "***"] for number in range(20_000)}
    assert time.process_time() - began < 0.5
