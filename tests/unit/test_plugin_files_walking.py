"""Files are found and replaced wherever JSON can hold a value, and the handler's own objects stay as they are."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from workerkit import OutputFile
from workerkit.payload import encode
from workerkit_plugins.files.walking import DEEPEST, files_in, replaced

FILE = Path("/f")


@attrs.frozen
class Frozen:
    file: Any = attrs.field(validator=attrs.validators.instance_of(Path))
    n: int = 1


@attrs.define
class Slotted:
    file: Any


@dataclass(frozen=True)
class Data:
    file: Path
    n: int = 1


class Struct(msgspec.Struct, frozen=True, tag="kind", rename={"file": "url"}):
    file: Any


Pair = namedtuple("Pair", "file n")


def replacing(value: Any) -> Any:
    """The value, with "u0", "u1" … in the place of its files."""
    urls = {id(file): f"u{number}" for number, file in enumerate(files_in(value))}
    return msgspec.json.decode(encode(replaced(value, urls), depth=100))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (FILE, "u0"),
        (OutputFile(b"x"), "u0"),
        ({"a": 1, "b": FILE}, {"a": 1, "b": "u0"}),
        ([1, [FILE], (2, "x")], [1, ["u0"], [2, "x"]]),
        ((1, {"a": (FILE,)}), [1, {"a": ["u0"]}]),
        (OrderedDict(a={"b": [{"c": FILE}]}), {"a": {"b": [{"c": "u0"}]}}),
        (Pair(FILE, 2), ["u0", 2]),
        (Frozen(FILE), {"file": "u0", "n": 1}),
        (Slotted([FILE]), {"file": ["u0"]}),
        (Data(FILE), {"file": "u0", "n": 1}),
        (Struct(FILE), {"type": "kind", "url": "u0"}),
        (Struct([Data(FILE), 1.5, None]), {"type": "kind", "url": [{"file": "u0", "n": 1}, 1.5, None]}),
    ],
)
def test_a_file_is_replaced_wherever_it_is(value: Any, expected: Any) -> None:
    assert replacing(value) == expected


@pytest.mark.parametrize(
    "value", [{"a": [FILE]}, [FILE], Frozen(FILE), Slotted([FILE]), Data(FILE), Struct({"x": FILE})]
)
def test_the_handlers_own_object_is_not_touched(value: Any) -> None:
    before = repr(value)

    replacing(value)

    assert repr(value) == before


@pytest.mark.parametrize(
    "value", [1, "text", None, [1.0] * 100, {"a": {"b": ["c"]}}, {FILE: 1}, {1, 2}, object(), b"x"]
)
def test_what_holds_no_file_has_none(value: Any) -> None:
    assert files_in(value) == []


def test_every_file_is_found_by_its_identity_and_one_that_is_there_twice_is_one_container() -> None:
    inner, other = [FILE], Path("/f")
    found = files_in({"a": inner, "b": inner, "c": other})

    assert sorted(map(id, found)) == sorted((id(FILE), id(other)))


def test_a_container_that_is_there_twice_is_walked_once() -> None:
    value: Any = [FILE]
    for _ in range(60):
        value = [value, value]

    assert files_in(value) == [FILE]
    copied = replaced(value, {id(FILE): "u"})
    assert copied[0] is copied[1]


def test_a_cycle_ends_and_is_one_in_the_copy() -> None:
    value: dict[str, Any] = {"file": FILE, "list": []}
    value["list"].append(value)

    copied = replaced(value, dict.fromkeys(map(id, files_in(value)), "u"))

    assert copied["file"] == "u"
    assert copied["list"][0] is copied
    assert value["file"] is FILE


def test_what_is_too_deep_for_any_output_is_left_to_whoever_refuses_it() -> None:
    value: Any = FILE
    for _ in range(5_000):
        value = [value]

    assert files_in(value) == [FILE]
    copied = replaced(value, {id(FILE): "u"})
    for _ in range(DEEPEST):
        copied = copied[0]
    assert isinstance(copied, list)


def test_what_holds_no_file_is_itself_in_the_copy() -> None:
    plain = {"object": Slotted({"n": [1]}), "tuple": (1, [2])}
    copied = replaced([plain, FILE], {id(FILE): "u"})

    assert copied[0] is plain
    assert copied[1] == "u"
