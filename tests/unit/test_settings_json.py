"""Lists and objects as JSON in a text, such as a variable's: what is wrong with it is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit.errors import SettingsError
from workerkit.settings import build, load_settings


@attrs.frozen
class Store:
    bucket: Mapping[str, str] | None = None
    names: tuple[str, ...] = ()
    label: str = ""


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"bucket": "{bad"},
            "V: bucket: expected `object | null`, got `str`; what is given is not valid JSON: "
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        ),
        (
            {"names": '["a" "b"]'},
            "V: names: expected `array`, got `str`; what is given is not valid JSON: "
            "Expecting ',' delimiter: line 1 column 6 (char 5)",
        ),
        ({"bucket": "photos"}, "V: bucket: expected `object | null`, got `str`"),
    ],
)
def test_what_should_be_a_list_or_an_object_is_told_why_it_is_no_json(
    values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        build(Store, values, "V")
    assert str(caught.value) == sentence


def test_a_variable_that_is_no_json_is_named_and_a_text_may_begin_as_json_does(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"^WORKERKIT_SERVER__KEYS: server\.keys: .* not valid JSON: .* column 2"
    ):
        load_settings(environ={"WORKERKIT_SERVER__KEYS": "{bad"}, cwd=tmp_path)
    assert load_settings(environ={"WORKERKIT_SERVER__HOST": "[::1"}, cwd=tmp_path).server.host == "[::1"
    assert build(Store, {"label": "{bad"}, "V").label == "{bad"
