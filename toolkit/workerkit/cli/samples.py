"""`test_input.json`: the sample that lies beside a handler; and what to send where there is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAMPLE = "test_input.json"
#: How deeply what is made up is nested at most: a type may hold itself.
LEVELS = 10


def sample_of(handler: str, *others: Path) -> Path | None:
    """The sample beside the handler, or in one of the other folders."""
    for folder in (folder_of(handler), *others):
        if (path := folder / SAMPLE).is_file():
            return path
    return None


def folder_of(handler: str) -> Path:
    """Where a handler's file is; the working directory for a module."""
    return Path(handler.partition(":")[0]).parent


def request_body(text: bytes) -> bytes:
    """`text` itself when it is a request body, else a body around it. What is no JSON is left to the intake."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except ValueError:
        return text
    return text if isinstance(value, dict) and "input" in value else b'{"input":' + text + b"}"


def fitting(schema: Mapping[str, Any]) -> Any:
    """An input to begin with, for a function whose input has this JSON schema: what it needs, made up."""
    return _made_up(schema, schema.get("$defs", {}), LEVELS)


def _made_up(schema: Mapping[str, Any], inner: Mapping[str, Any], levels: int) -> Any:
    schema = inner.get(schema.get("$ref", "").rpartition("/")[2], schema)
    for given in ("examples", "enum", "anyOf"):
        if options := schema.get(given):
            return options[0] if given != "anyOf" else _made_up(options[0], inner, levels)
    match schema.get("type"):
        case "object" if levels:
            members = schema.get("properties", {})
            return {n: _made_up(members[n], inner, levels - 1) for n in schema.get("required", ())}
        case "array" if levels:
            places = schema.get("prefixItems") or [schema.get("items", {})] * schema.get("minItems", 0)
            return [_made_up(place, inner, levels - 1) for place in places]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "string" | None:
            return "https://example.com/file" if schema.get("format") == "uri" else "hello"
    return None


def _no_constant(name: str) -> None:
    """NaN and the infinities, which Python alone takes for JSON."""
    raise ValueError(f"{name} is not JSON")
