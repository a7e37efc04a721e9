"""What is put in the place of something in JSON, and that it is JSON still."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workerkit.spans import replaced_in_json


def masked(data: str, *parts: str) -> tuple[str, int, bool]:
    """With each of the parts masked, wherever it is."""
    found = [match.span() for part in parts for match in re.finditer(re.escape(part), data)]
    text, masks, left = replaced_in_json(data.encode(), found)
    return text.decode(), masks, left


@pytest.mark.parametrize(
    ("data", "parts", "shown", "masks"),
    [
        ('["a 12345678.",1]', ["12345678"], '["a ***.",1]', 1),
        ("[0.12345678e-5,-912345678,1]", ["12345678"], '["***","***",1]', 2),
        ("12345678", ["12345678"], '"***"', 1),
        ("[123456781234567812345678]", ["12345678", "567812"], '["***"]', 1),
        ('{"12345678":12345678}', ["12345678"], '{"***":"***"}', 2),
        ('["abcd","a"]', ["bc", "cd"], '["a***","a"]', 1),
        ('["abcd"]', ["ab", "cd"], '["***"]', 1),
        ('["abcd"]', ["abcd", "a", "bc"], '["***"]', 1),
        (r'["\u12345678"]', ["12345678"], '["***"]', 1),
        (r'["x\n\u00e9"]', ["nx", "00"], r'["x\n***"]', 1),
        (r'["x\n\u00e9"]', [r"n\u00"], '["x***"]', 1),
        (r'["a\\\"b",12345678,"\\",12345678]', ["12345678"], r'["a\\\"b","***","\\","***"]', 2),
        (r'["a\\","12345678\""]', ["12345678"], r'["a\\","***\""]', 1),
        (r'["a\"b"]', [r"\"b"], '["a***"]', 1),
        (r'["a\"b"]', ['"b'], '["a***"]', 1),
    ],
)
def test_a_place_in_a_string_or_a_number_is_masked(
    data: str, parts: list[str], shown: str, masks: int
) -> None:
    assert masked(data, *parts) == (shown, masks, False)
    msgspec.json.decode(shown)


@pytest.mark.parametrize("part", ["true", '"a"', 'a","b', "1,2", "2]", '"', "{", '","'])
def test_what_goes_beyond_one_string_or_number_is_left(part: str) -> None:
    data = '["a","b",true,{"c":[1,2]}]'

    assert masked(data, part) == (data, 0, True)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text('a1\\"\n'),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text('a1\\"'), inner)),
)


@example([None, True], [(9, 1)])
@given(JSON, st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=5))
def test_whatever_is_masked_json_stays_json_of_the_same_shape(
    value: object, places: list[tuple[int, int]]
) -> None:
    data = msgspec.json.encode(value)
    spans = [(at, at + size) for at, size in places if at + size <= len(data)]

    text, masks, left = replaced_in_json(data, spans)

    after = msgspec.json.decode(text)
    assert (masks > 0) is (text != data) or b"***" in data
    assert left or not spans or masks
    if isinstance(value, list):
        assert len(after) == len(value)
