"""Where secrets are in bytes, whatever their form."""

from __future__ import annotations

import base64
import html
import json
import secrets
import shlex
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.secret_forms import GAP, MOST_PLACES, MOST_WRAPPED, Forms, _thin

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


@pytest.mark.parametrize(
    "write",
    [
        html.escape,
        lambda text: html.escape(text, quote=False),
        shlex.quote,
        lambda text: "'" + text.replace("'", "'\\''") + "'",
        lambda text: str(text.encode()),
        lambda text: json.dumps(str(text.encode())),
    ],
    ids=["html", "html text", "shell", "another shell", "bytes", "bytes in JSON"],
)
def test_a_secret_is_found_as_pages_shells_and_python_write_it(write: Callable[[str], str]) -> None:
    secret = "it's <é> & 'ü'"
    data = write(secret).encode()

    [(start, end)] = Forms([secret]).found(b"so: " + data)

    assert data[: start - 4].strip(b"b'\\\"") == data[end - 4 :].strip(b"'\\\"") == b""


def test_a_key_of_plain_characters_has_no_more_forms_than_it_needs() -> None:
    whole = Forms([SECRET])
    texts = [
        text for part in (whole._base64, whole._others) for each in part._by_head.values() for text in each
    ]

    assert len(texts) == len(set(texts)) == 13


@given(st.data(), st.binary(max_size=40), st.booleans())
def test_many_secrets_are_found_as_few_are(data: st.DataObject, other: bytes, cut: bool) -> None:
    """There are two ways to search: for each form in the data, and for each place of it among the forms."""
    many, one = [f"secret number {number:04}" for number in range(200)], data.draw(st.integers(0, 199))
    text = other + many[one].encode()[: 15 if cut else None] + (b"" if cut else other)
    all_, alone = Forms(many), Forms([many[one]])

    assert all_.found(text) == alone.found(text)
    assert all_.begun(text) == alone.begun(text) or cut
    assert text[all_.begun(text) :].startswith(b"secret number") is cut


def test_only_the_secrets_that_were_named_last_are_searched_for() -> None:
    forms = Forms([SECRET, "a former secret"])
    forms.only([SECRET])
    forms.add("another secret")

    assert forms.found(b"a former secret") == []
    assert forms.found(b"another secret") == [(0, 14)]
    assert forms.found(SECRET.encode()) == Forms([SECRET]).found(SECRET.encode()) != []


def test_where_a_long_secret_may_begin_is_found_in_no_time() -> None:
    forms = Forms(["x" * 40_000, *(secrets.token_urlsafe(3_000) for _ in range(100))])
    began = time.process_time()

    assert forms.begun(secrets.token_bytes(20_000).hex().encode() + b"-" + b"x" * 30_000) == 40_001
    assert time.process_time() - began < 1


@pytest.mark.parametrize("secret", ["abc/def+ghi=jkl", "a!b'c(d)e*f&g$h,i;j:k/l?m+n=o@p#q r"])
@pytest.mark.parametrize(
    "write",
    [
        lambda text: quote(text, safe="$&+,;="),
        lambda text: quote(text, safe="$&+=:@"),
        lambda text: quote(text, safe="!'()*"),
        lambda text: quote(text, safe="!'()*#$&+,/:;=?@"),
        lambda text: quote_plus(text, safe="*"),
        lambda text: quote(text, safe="!$&'()*+,;=:"),
        lambda text: quote(text, safe="!$&'()*+,;=:@/?"),
        lambda text: quote(text, safe="!$&'()*+,"),
    ],
    ids=["user, Go", "segment, Go", "component, JS", "URI, JS", "form, JS", "user", "query", "user, Python"],
)
def test_a_secret_is_found_in_each_part_of_a_url(secret: str, write: Callable[[str], str]) -> None:
    written = write(secret)

    assert Forms([secret]).found(f"s3://ID:{written}@b".encode()) == [(8, 8 + len(written))]


@pytest.mark.parametrize("more", [0, 1])
def test_of_too_many_places_none_is_looked_at(more: int) -> None:
    raw = (SECRET + " ").encode() * (MOST_PLACES + more)
    wrapped = (base64.b64encode(SECRET.encode()) + b".\n") * (MOST_WRAPPED + more)
    forms = Forms([SECRET])

    assert [len(forms.found(data)) for data in (raw, wrapped)] == (
        [1, 1] if more else [MOST_PLACES, MOST_WRAPPED]
    )
    assert forms.found(raw)[0] == (0, len(raw) if more else len(SECRET))


def test_of_a_secret_of_several_lines_only_the_whole_is_wanted() -> None:
    secret = "BEGIN A KEY\nof two lines"
    forms = Forms([secret])

    assert forms.found(b"BEGIN A KEY") == [(0, 11)]
    assert forms.places(b"BEGIN A KEY", lambda _: True) == []
    assert forms.places(secret.encode(), lambda each: each == secret) == [(0, len(secret))]
    assert forms.places(secret.encode(), lambda _: False) == []
    assert forms.whole_in(b"BEGIN A KEY") == set()
    assert forms.whole_in(quote(secret).encode()) == {secret}
