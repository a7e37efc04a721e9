"""Settings of a test as TOML text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def written(settings: Mapping[str, Any]) -> str:
    """A mapping of sections, as the settings file has them, as its text."""
    return "".join(f"{_key(name)} = {_value(value)}\n" for name, value in settings.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {_value(member)}" for name, member in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, (str, bool, int, float)):
        # JSON's strings, numbers and booleans are TOML's, but for the character DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"{value!r} is a {type(value).__name__}, which a settings file cannot hold")


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)
