from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import pytest

from workerkit import Field, Refused, SettingsError
from workerkit.hints import unknown, written
from workerkit.payload import convert_field
from workerkit.settings import build, load_settings


class Colour(str, enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Inner:
    colour: Colour = Colour.RED
    sizes: tuple[int, ...] = ()
    by_name: Mapping[str, Literal["a", "b"]] = {}


@attrs.frozen
class Outer:
    inner: Inner | None = None
    many: Mapping[str, Inner] = {}
    listed: tuple[Inner, ...] = ()
    choice: Literal["x", 7] | None = None
    deep: Mapping[str, Mapping[str, int]] = {}
    pair: tuple[Literal["l"], Literal["r"]] = ("l", "r")
    either: tuple[Literal["t"], ...] | Mapping[str, Literal["m"]] = ()


FAULTS = [
    ({"inner": {"colour": "green"}}, "inner.colour: 'green' is none of 'red', 'blue'"),
    ({"choice": "z"}, "choice: 'z' is none of 'x', 7"),
    ({"listed": [{}, {"colour": "green"}]}, "listed[1].colour: 'green' is none of 'red', 'blue'"),
    (
        {"many": {"one": {}, "two": {"sizes": [1, "b"]}}},
        "many.two.sizes[1]: expected `int`, got `str`; write a whole number",
    ),
    (
        {"many": {"one": {}, "two": {"by_name": {"c": "a", "d": "e"}}}},
        "many.two.by_name.d: 'e' is none of 'a', 'b'",
    ),
    (
        {"deep": {"a": {"b": 1}, "c": {"d": 2, "e": "f"}}},
        "deep.c.e: expected `int`, got `str`; write a whole number",
    ),
    ({"pair": ["r", "r"]}, "pair[0]: 'r' is none of 'l'"),
    ({"either": {"k": "t"}}, "either.k: 't' is none of 'm'"),
    ({"either": ["m"]}, "either[0]: 'm' is none of 't'"),
    ({"many": {"one": 1}}, "many.one: expected `object`, got `int`"),
]


@pytest.mark.parametrize(("values", "sentence"), FAULTS)
def test_a_fault_names_the_key_and_the_choices(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Outer, values, "[plugin.x]")
    assert str(caught.value) == f"[plugin.x]: {sentence}"


def test_a_word_for_a_list_under_a_key_is_shown_as_a_list(tmp_path: Path) -> None:
    path = tmp_path / "workerkit.toml"
    path.write_text('[server.keys.me]\nsha256 = "x"\nendpoints = "render"\n')
    with pytest.raises(SettingsError) as caught:
        load_settings(config=str(path), environ={})
    assert str(caught.value) == (
        f'{path}: server.keys.me.endpoints: expected `array`, got `str`; write a list: endpoints = ["render"]'
    )


@pytest.mark.parametrize(
    ("value", "hint", "sentence"),
    [
        ("green", Colour, "x is not valid: 'green' is none of 'red', 'blue'"),
        (["b", "c"], tuple[Literal["a", "b"], ...], "x[1] is not valid: 'c' is none of 'a', 'b'"),
        (
            {"k": {"colour": "z"}},
            dict[str, Inner],
            "x[...].colour is not valid: 'z' is none of 'red', 'blue'",
        ),
    ],
)
def test_a_field_that_is_none_of_its_choices_is_refused_with_them(
    value: Any, hint: Any, sentence: str
) -> None:
    with pytest.raises(Refused) as caught:
        convert_field("x", value, Field(hint))
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "int"),
        (Any, "Any"),
        (None, "None"),
        (Mapping[str, Inner], "Mapping[str, Inner]"),
        (tuple[Annotated[int, "note"], ...], "tuple[int, ...]"),
        (Annotated[Inner | None, "note"], "Inner | None"),
        (Literal["a.b", 7] | None, "Literal['a.b', 7] | None"),
    ],
)
def test_a_type_is_written_as_in_a_definition(hint: Any, text: str) -> None:
    assert written(hint) == text


def test_a_missing_member_is_told_with_the_unknown_one_that_may_mean_it() -> None:
    @attrs.frozen
    class Keys:
        accessId: str
        accessSecret: str

    for sent, hint in [
        ({"accessSecret": "x"}, ""),
        ({"accessSecret": "x", "name": 1, "n" * 1_000_000: 1}, ""),
        ({"accessSecret": "x", "name": 1, "accessID": 1}, "; did you mean it by 'accessID'?"),
    ]:
        with pytest.raises(Refused) as caught:
            convert_field("x", [sent], Field(list[Keys]))
        assert str(caught.value) == f"x[0].accessId is missing{hint}"


@attrs.frozen
class Shelf:
    name: str = ""
    above: Shelf | None = None
    books: Mapping[str, Any] = {}


@pytest.mark.parametrize(
    ("hint", "value", "paths"),
    [
        (
            Shelf,
            {"name": "a", "colour": 1, "above": {"nane": 2}, "books": {"b": 1}},
            ["x.colour", "x.above.nane"],
        ),
        (Shelf | None, {"above": None, "b.c": 1}, ["x.b.c"]),
        (dict[str, int], {"name": 1}, []),
        (str, "name", []),
    ],
)
def test_members_that_a_class_does_not_have_are_found(hint: Any, value: Any, paths: list[str]) -> None:
    assert [path for path, known in unknown(hint, value, "x")] == paths
    assert all(known == ("name", "above", "books") for _, known in unknown(hint, value, "x"))


def test_a_key_that_is_not_valid_is_a_fault_of_its_mapping() -> None:
    with pytest.raises(Refused) as caught:
        convert_field("x", {"ages": {"five": 5}}, Field(dict[str, dict[Literal["six"], int]]))
    assert str(caught.value) == "x[...] is not valid: one of its keys: invalid enum value 'five'"
