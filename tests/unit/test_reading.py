from __future__ import annotations

import time

import pytest

from workerkit.errors import ApiError
from workerkit.host.reading import Reader


def refusal(body: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        Reader(depth=100).read(body)
    return caught.value


LARGE = {
    "number": (b'{"input":[' + b"1," * 5_000_000 + b"1e400]}", "holds a number too large to be kept"),
    "numbers": (b'{"input":[' + b"1e100," * 1_600_000 + b"1e400]}", "holds a number too large to be kept"),
    "number beside strings": (
        b'{"input":[' + b'"1e400\\"",' * 9000 + b"-1e400]}",
        "column 90011: a number too large",
    ),
    "digits": (b'{"input":' + b"1" * 10_000_000 + b"}", "column 10: a number too large"),
    "surrogate": (b'{"input":"' + b"\\n" * 5_000_000 + b'\\ud800 "}', "column 10000011: \\ud800 is half"),
    "backslashes": (
        b'{"input":"' + b"\\" * 10_000_000 + b'\\udc00"}',
        "column 10000011: \\udc00 is half of a surrogate pair",
    ),
}


@pytest.mark.parametrize(("body", "sentence"), LARGE.values(), ids=LARGE.keys())
def test_what_is_wrong_with_a_large_body_is_found_in_a_moment(body: bytes, sentence: str) -> None:
    started = time.perf_counter()
    error = refusal(body)
    assert sentence in error.sentence
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "before", ["", "x", "\\\\", "\\\\ud83d", "\\ud83d\\ude00", "\\ud83d\\ude00xx", "\\u00e9"]
)
@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00"])
@pytest.mark.parametrize("after", ["", "x", "\\n", "\\u0041", "\\ud83d\\ude00" * 3])
def test_the_half_of_a_pair_is_found_whatever_stands_beside_it(before: str, half: str, after: str) -> None:
    error = refusal(f'{{"input":"{before}{half}{after}"}}'.encode())
    assert f"column {11 + len(before)}: {half} is half of a surrogate pair" in error.sentence


def test_escapes_that_look_like_halves_are_not_blamed_for_a_body_that_was_cut_off() -> None:
    for text in ("\\\\ud800", "\\ud83d\\ude00", "\\ud83d\\ude00x", "\\ud83d\\ude00xx"):
        assert "was it cut off?" in refusal(f'{{"input":"{text}'.encode()).sentence
