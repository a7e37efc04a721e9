"""Where secrets are in bytes, whatever their form."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.secret_forms import GAP, Forms, _thin

SECRET = "wJalr/XUtn+FEMI/K7MDENG"
BREAKS = ["\n", "\r\n", "\r", "\n    ", "\n\t", " \n"]


@given(
    st.integers(1, 100),
    st.sampled_from(BREAKS),
    st.integers(0, 3),
    st.binary(max_size=90),
    st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_base64_is_found_in_lines_of_any_width_and_in_json_in_json(
    width: int, by: str, levels: int, before: bytes, encode: Callable[[bytes], bytes]
) -> None:
    whole = encode(before + SECRET.encode() + b"tail")
    text = by.join(whole[at : at + width].decode() for at in range(0, len(whole), width))
    for _ in range(levels):
        text = json.dumps(text)
    data = f"<<{text}>>".encode()

    [(start, end)] = Forms([SECRET]).found(data)

    [(first, last)] = Forms([SECRET]).found(whole)
    assert last - first > len(SECRET)
    assert GAP.sub(b"", data[start:end]) == whole[first:last]
    assert GAP.match(data, start) is None
    assert GAP.match(data, end - 1) is None


@given(st.text("ab\\nrt\r\n \t/").map(str.encode))
def test_the_fast_way_to_leave_gaps_out_is_the_same(data: bytes) -> None:
    assert _thin(data) == GAP.sub(b"", data)


@pytest.mark.parametrize("secret", [SECRET, "one line of it\nanother line", "00000000"])
def test_secrets_that_overlap_or_touch_are_one_place(secret: str) -> None:
    data = b"<" + secret.encode() * 3 + b"> " + secret.encode()
    size = len(secret)

    assert Forms([secret]).found(data) == [(1, 1 + 3 * size), (3 + 3 * size, 3 + 4 * size)]


@pytest.mark.parametrize(
    ("data", "begun"),
    [
        (b"", b""),
        (b"nothing.", b""),
        (b"the w", b"w"),
        (b"the wJalr/XUtn+FEMI/K7MDEN", b"wJalr/XUtn+FEMI/K7MDEN"),
        (b"wJalr? it is not", b""),
        (b"in base64 d0phbHI", b"d0phbHI"),
        (b"in lines d0p\r\n hbH\\", b"d0p\r\n hbH\\"),
        (b"quoted wJalr%2fXU", b"wJalr%2fXU"),
    ],
)
def test_what_may_be_the_beginning_of_a_secret_is_known(data: bytes, begun: bytes) -> None:
    assert data[Forms([SECRET]).begun(data) :] == begun


def test_of_short_secrets_there_are_no_forms() -> None:
    forms = Forms(["1234567", ""])

    assert (forms.found(b"1234567"), forms.begun(b"1234567"), forms.longest) == ([], 7, 0)
