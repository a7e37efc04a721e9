from __future__ import annotations

import datetime as dt
import enum
import io
import math
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workerkit import Field, InputFile, InvalidOutput, OutputFile, Refused, Secret
from workerkit.payload import convert_field, encode, too_deep

BYTES = 'return OutputFile(data, "data.bin") to have it stored, or encode it as text, for example with base64'
FILES = (
    "the plugin `files` stores those that a handler returns or yields, and `workerkit plugins` shows whether it "
    "is active; elsewhere use str(path), or the URL that a Bucket's upload() returns"
)


def png() -> io.BytesIO:
    file = io.BytesIO()
    Image.new("1", (1, 1)).save(file, "PNG")
    return file


def out(value: Any, depth: int = 100) -> bytes:
    return encode(value, depth=depth)


def refusal(value: Any, depth: int = 100) -> str:
    with pytest.raises(InvalidOutput) as caught:
        out(value, depth)
    return str(caught.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_holds_comes_back_the_same(value: Any) -> None:
    assert msgspec.json.decode(out(value)) == value


@attrs.frozen
class Point:
    x: Any
    y: Any = 0


@dataclass
class Size:
    width: Any


class Box(msgspec.Struct):
    inside: Any


class Colour(str, enum.Enum):
    RED = "red"


class Float(float):
    """As numpy's float64 is one."""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Point(1), b'{"x":1,"y":0}'),
        (Size(2), b'{"width":2}'),
        (Box([Point(1)]), b'{"inside":[{"x":1,"y":0}]}'),
        (dt.date(2030, 1, 2), b'"2030-01-02"'),
        (uuid.UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
        (Colour.RED, b'"red"'),
        ({Colour.RED: 1}, b'{"red":1}'),
        ((1, 2), b"[1,2]"),
        (Float(1.5), b"1.5"),
        ([1.5, None, "null"], b'[1.5,null,"null"]'),
        (2**70, b"1180591620717411303424"),
    ],
)
def test_values_with_one_meaning_in_json_are_accepted(value: Any, expected: bytes) -> None:
    assert out(value) == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"images": [1, 2, {3}]}, "output.images[2] is of type set, which JSON cannot hold; return a list"),
        (
            {"a": b"x"},
            f"output.a is of type bytes, which JSON cannot hold; {BYTES}",
        ),
        ([math.nan], "output[0] is nan, which JSON cannot hold; return None or a text instead"),
        ({"a b": math.inf}, "output['a b'] is inf, which JSON cannot hold; return None or a text instead"),
        (-math.inf, "output is -inf, which JSON cannot hold; return None or a text instead"),
        ([1, 1.5, "x", math.nan], "output[3] is nan, which JSON cannot hold; return None or a text instead"),
        (
            {"a": {1: 2}},
            "output.a has the key 1 of type int; JSON's keys are strings, use str(key)",
        ),
        (Point({1}), "output.x is of type set, which JSON cannot hold; return a list"),
        (Size(math.nan), "output.width is nan, which JSON cannot hold; return None or a text instead"),
        (
            Box(b""),
            f"output.inside is of type bytes, which JSON cannot hold; {BYTES}",
        ),
        (
            Path("/x"),
            f"output is of type PosixPath, which JSON cannot hold; {FILES}",
        ),
        (
            {"picture": OutputFile("/x")},
            f"output.picture is of type OutputFile, which JSON cannot hold; {FILES}",
        ),
        (
            InputFile("https://example.com/cat.jpg"),
            "output is of type InputFile, which JSON cannot hold; return its path to have it stored, or its url",
        ),
        (
            Image.new("1", (1, 1)),
            'output is of type Image, which JSON cannot hold; return OutputFile(image, "image.png") to have it stored',
        ),
        (
            Image.open(png()),
            "output is of type PngImageFile, which JSON cannot hold; "
            'return OutputFile(image, "image.png") to have it stored',
        ),
        (
            io.BytesIO(b"x"),
            'output is of type BytesIO, which JSON cannot hold; return OutputFile(file, "data.bin") to have it stored',
        ),
        (
            object(),
            "output is of type object, which JSON cannot hold; convert it to a str, a number, a list or a dict",
        ),
        (
            [Secret("hunter2-hunter2")],
            "output[0] is of type Secret, which JSON cannot hold; leave secrets out of what you return",
        ),
        (
            ["\ud800"],
            "output[0] holds the lone surrogate '\\ud800', which UTF-8 cannot hold; "
            'decode with errors="replace"',
        ),
        (
            {"\ud800": 1},
            "a key of output holds the lone surrogate '\\ud800', which UTF-8 cannot hold; "
            'decode with errors="replace"',
        ),
        (
            msgspec.Raw(b"{"),
            "output is of type Raw, which JSON cannot hold; convert it to a str, a number, a list or a dict",
        ),
    ],
)
def test_what_json_cannot_hold_is_refused_with_path_and_cure(value: Any, sentence: str) -> None:
    assert refusal(value) == sentence


def test_a_cycle_is_refused_with_the_place_where_it_closes() -> None:
    looped: list[Any] = [1]
    looped.append({"back": looped})
    assert refusal(looped) == "output[1].back contains itself; JSON cannot hold a cycle"


def test_a_value_used_twice_is_no_cycle() -> None:
    shared = [1.5]
    assert out({"a": shared, "b": shared, "c": Point(shared, shared)}).count(b"1.5") == 4


@pytest.mark.parametrize(
    "nest",
    [lambda inner: [inner], lambda inner: {"a": inner}, lambda inner: (inner,)],
    ids=["list", "dict", "tuple"],
)
def test_depth_is_counted_in_levels_of_nesting(nest: Any) -> None:
    value: Any = 1
    for _ in range(5):
        value = nest(value)
    assert msgspec.json.decode(out(value, depth=5))
    assert refusal(value, depth=4) == "output is nested deeper than 4 levels; flatten it"


def test_depth_is_counted_through_objects_too() -> None:
    assert refusal([Point([1])], depth=2) == "output is nested deeper than 2 levels; flatten it"


@pytest.mark.parametrize("value", [[], {}, [1, "a"], {"a": 1.5}])
def test_one_level_is_deeper_than_none(value: Any) -> None:
    assert too_deep(value, 0)
    assert not too_deep(value, 1)
    assert not too_deep(7, 0)


def test_deep_json_is_found_among_shallow_siblings() -> None:
    value = [1, "a", {"b": [[]]}, None]
    assert too_deep(value, 3)
    assert not too_deep(value, 4)


@attrs.frozen
class Keys:
    accessId: str
    accessSecret: Secret
    size: int = attrs.field(default=1, validator=attrs.validators.ge(1))


@attrs.frozen
class Nested:
    keys: list[Keys]


def test_a_field_may_hold_so_many_secrets() -> None:
    many = [f"secret-{number}" for number in range(101)]
    assert len(convert_field("x", many[:100], Field(list[Secret], secret=True))) == 100
    with pytest.raises(Refused) as caught:
        convert_field("x", many, Field(list[Secret], secret=True))
    assert str(caught.value) == "x holds 101 secrets; a field may hold 100"


def test_a_field_becomes_its_type_with_secrets_wrapped() -> None:
    keys = convert_field("s3Config", {"accessId": "a", "accessSecret": "b"}, Field(Keys, secret=True))
    assert keys == Keys("a", Secret("b"))
    assert convert_field("webhook", "http://x", Field(str)) == "http://x"


@pytest.mark.parametrize(
    ("value", "kind", "sentence"),
    [
        ({"accessId": "a"}, Keys, "x.accessSecret is missing"),
        ({"keys": [{"accessId": "a"}]}, Nested, "x.keys[0].accessSecret is missing"),
        ({"accessId": 1, "accessSecret": "b"}, Keys, "x.accessId is not valid: expected str, got int"),
        ({"accessId": "a", "accessSecret": 7}, Keys, "x.accessSecret is not valid: expected str, got int"),
        ({"accessId": "a", "accessSecret": "b", "size": 0}, Keys, "x is not valid: 'size' must be >= 1: 0"),
        ("a", Keys, "x is not valid: expected object, got str"),
        (7, str, "x is not valid: expected str, got int"),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_its_member(value: Any, kind: type, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        convert_field("x", value, Field(kind))
    assert str(caught.value) == sentence


@attrs.frozen
class Picky:
    tag: str

    def __attrs_post_init__(self) -> None:
        raise KeyError(self.tag)


def test_whatever_a_fields_own_type_raises_refuses_the_field() -> None:
    with pytest.raises(Refused, match="picky is not valid: KeyError: 'old'"):
        convert_field("picky", {"tag": "old"}, Field(Picky))
