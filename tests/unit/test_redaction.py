from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.redaction import Redactor, cut, split
from workerkit.secret import Secret, secrets_of
from workerkit.secret_forms import MANY, MOST_PLACES

SECRET = 'wJalr/XUtn+FEMI "K7" ümlaut\\'


@pytest.mark.parametrize("before", ["", "x", "xy", "xyz"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_is_found_at_every_alignment(before: str, encode: object) -> None:
    assert callable(encode)
    text = encode(f"{before}{SECRET}tail".encode()).decode()

    masked = Redactor([SECRET]).text(f"<{text}>")

    assert "***" in masked
    assert len(masked) < len(text) - 20


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps({"s": SECRET})),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
    ],
)
def test_every_common_form_is_masked(form: str) -> None:
    redactor = Redactor([SECRET])
    masked = redactor.text(f"before {form} after")

    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert "XUtn" not in masked
    assert redactor.hits == 1


@given(st.text(min_size=8), st.text(), st.text())
def test_json_stays_json_and_never_holds_the_secret(secret: str, before: str, after: str) -> None:
    value = {"a": [f"{before}{secret}{after}", secret], secret: 1}
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:
        return

    masked = msgspec.json.decode(Redactor([secret]).bytes(data))

    texts = [*masked["a"], *masked] if "a" in masked else [*masked]
    assert all(secret not in text or secret in "***" * 9 for text in texts)


@given(st.text(min_size=8, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
def test_one_of_many_is_found_wherever_it_is(secret: str, before: bytes, after: bytes) -> None:
    many = Redactor([secret, *(f"another {number}" for number in range(MANY))])
    data = secret.encode()
    for form in (data, data.hex().encode(), base64.b64encode(data).rstrip(b"=")):
        text = before + form + after

        assert many.line(text) == Redactor([secret]).line(text)
        assert many.line(form).startswith(b"***")


def test_a_secret_that_looks_like_a_number_leaves_valid_json() -> None:
    redactor = Redactor(["12345678", '"b":2,"c"'])

    masked = redactor.bytes(b'{"a":12345678,"b":2,"c":"x 12345678"}')

    assert msgspec.json.decode(masked) == {"a": "***", "b": 2, "c": "x ***"}
    assert redactor.hits == 2


def test_what_holds_no_secret_is_returned_as_it_is_and_short_secrets_are_not_hunted() -> None:
    data, text = b'{"a":"short"}', "short"
    redactor = Redactor(["short", SECRET])

    assert redactor.bytes(data) is data
    assert redactor.text(text) is text
    assert redactor.hits == 0


def test_a_tree_is_masked_in_keys_strings_and_numbers() -> None:
    tree = {"k 12345678": ["12345678", 912345678, 1.5, True, None]}
    assert Redactor(["12345678"]).tree(tree) == {"k ***": ["***", "***", 1.5, True, None]}


@pytest.mark.parametrize("value", [{"a": 12}, {"12345678": ["12345678"] * (MOST_PLACES + 1)}])
def test_what_is_named_stays_named_where_all_of_it_is_masked(value: dict[str, Any]) -> None:
    """As a job's notes are."""
    assert Redactor(['{"a":12}', "12345678"]).tree(value) == {"***": "***"}


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"no JSON 12345678, 12", b'no JSON "***", 12'),
        (b'{"a":1,"b":23}', b'{"a":1,"b":23}'),
        (b'{"a":1,"b":23} no JSON', b'{"a":***} no JSON'),
    ],
)
def test_what_is_no_json_is_masked_all_the_same(data: bytes, shown: bytes) -> None:
    assert Redactor(["12345678", '1,"b":23']).bytes(data) == shown


def test_secrets_are_collected_wherever_a_typed_value_holds_them() -> None:
    @attrs.frozen
    class Inner:
        token: Secret
        plain: str = "plain"

    @attrs.frozen
    class Outer:
        inner: Inner
        several: tuple[Secret, ...]
        by_name: dict[str, Secret]
        none: Secret | None = None

    value = Outer(Inner(Secret("a")), (Secret("b"), Secret("c")), {"x": Secret("d")})

    assert secrets_of(value) == ["a", "b", "c", "d"]
    assert secrets_of(Secret("e")) == ["e"]
    assert secrets_of("plain") == []


def parts(text: bytes) -> list[bytes]:
    """Parts of the secret that are there; two of its characters may be so by accident."""
    secret = b"0123456789abcdef"
    return [secret[at : at + 3] for at in range(len(secret) - 2) if secret[at : at + 3] in text]


@given(st.integers(0, 120), st.lists(st.integers(1, 90), max_size=12))
def test_no_part_of_a_secret_is_left_where_a_long_line_is_cut(place: int, steps: list[int]) -> None:
    """The line comes in steps, as a pipe is read; what has come is cut to 40 bytes."""
    redactor = Redactor(["0123456789abcdef"])
    line = b"x" * place + b"0123456789abcdef" + b"y" * 70
    pieces: list[bytes] = []
    begun, at = b"", 0
    for step in steps:
        *more, begun = cut(begun + line[at : at + step], 40, [redactor], ended=False)
        pieces, at = pieces + more, at + step
    pieces += cut(begun + line[at:], 40, [redactor], ended=True)
    shown = [redactor.line(piece) for piece in pieces]

    assert [piece for piece in shown if parts(piece)] == []
    assert all(len(piece) <= 40 for piece in pieces)
    assert b"".join(shown).count(b"x") == place
    assert b"".join(shown).count(b"y") == 70


def test_where_there_is_no_secret_a_long_line_is_cut_at_once() -> None:
    assert cut(b"x" * 40, 40, ended=False) == [b"x" * 40]
    assert cut(b"x" * 41, 40, ended=False) == [b"x" * 40, b"x"]
    assert cut(b"x" * 80, 40, ended=True) == [b"x" * 40, b"x" * 40]
    assert cut(b"", 40, ended=True) == [b""]


@pytest.mark.parametrize(
    ("line", "known", "open_ended"),
    [
        (b"nothing of it", b"nothing of it", b""),
        (b"a part: abcab", b"a part: ", b"abcab"),
        (b"a part: abcabc.ab", b"a part: abcabc.", b"ab"),
        (b"all: abcabcabc", b"all: ***", b""),  # though its end is its beginning, too
        (b"all: abcabcabcab", b"all: ***", b"ab"),
        (b"", b"", b""),
    ],
)
def test_of_a_line_that_may_go_on_the_beginning_of_a_secret_is_kept(
    line: bytes, known: bytes, open_ended: bytes
) -> None:
    assert split(line, [Redactor(["another secret"]), Redactor(["abcabcabc"])]) == (known, open_ended)
