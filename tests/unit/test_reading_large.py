"""A large body that is nothing but its input is gone through once, with the same outcome as any other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workerkit.errors import ApiError
from workerkit.host.reading import LARGE, Reader

LONG = "x" * LARGE
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
SPACE = st.text(" \t\n\r", max_size=3)


def read(body: bytes) -> tuple[dict[str, bytes], dict[str, Any]]:
    assert len(body) >= LARGE
    raw, values = Reader(depth=20).read(body)
    return {name: bytes(value) for name, value in raw.items()}, values


@given(JSON, st.tuples(SPACE, SPACE, SPACE, SPACE, SPACE, SPACE))
def test_an_input_is_kept_as_it_was_sent_without_the_space_around_it(
    value: Any, space: tuple[str, ...]
) -> None:
    a, b, c, d, e, f = space
    text = json.dumps([value, LONG], ensure_ascii=False)
    raw, values = read(f'{a}{{{b}"input"{c}:{d}{text}{e}}}{f}'.encode())
    assert raw == {"input": text.encode()}
    assert values == {"input": [value, LONG]}


@pytest.mark.parametrize(
    ("body", "raw"),
    [
        (f'{{"input": 1, "webhook": "{LONG}"}}', {"input": b"1", "webhook": f'"{LONG}"'.encode()}),
        (f'{{"input": "{LONG}", "input": 2}}', {"input": b"2"}),
        (f'{{"inputs": "{LONG}", "input": 3}}', {"inputs": f'"{LONG}"'.encode(), "input": b"3"}),
        (f'{{"\\u0069nput": "{LONG}"}}', {"input": f'"{LONG}"'.encode()}),
    ],
)
def test_other_members_are_found(body: str, raw: dict[str, bytes]) -> None:
    assert read(body.encode()) == (raw, json.loads(body))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (f'{{"input": "{LONG}"', "was it cut off?"),
        (f'{{"input": "{LONG}"}}}}', "something follows the end of the object"),
        (f'{{"input": "{LONG}",}}', "a comma with nothing after it"),
        (f'{{"input": "{LONG}" }} x', "something follows the end of the object"),
        (f'{{"input": {LONG}}}', "line 1, column 11: invalid character"),
        (f'{{"input": "{LONG}\n"}}', "a control character inside a string"),
        (f'{{"input": "{LONG}\\ud800"}}', "half of a surrogate pair"),
        (f'{{"input": "{LONG}}}', "was it cut off?"),
        ('{"input": ' + "[" * 20 + f'"{LONG}"' + "]" * 20 + "}", "more than 20 levels deep"),
        ('{"input": ' + "[" * LARGE + "]" * LARGE + "}", "more than 20 levels deep"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_in_the_body(body: str, sentence: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(body.encode())
    assert caught.value.status == 400
    assert sentence in caught.value.sentence


def test_as_deep_as_allowed_is_not_too_deep() -> None:
    assert read(('{"input": ' + "[" * 19 + f'"{LONG}"' + "]" * 19 + "}").encode())[1]["input"]
