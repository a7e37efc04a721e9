"""`test_input.json`: the sample that lies beside a handler."""

from __future__ import annotations

import json
from pathlib import Path

SAMPLE = "test_input.json"


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


def _no_constant(name: str) -> None:
    """NaN and the infinities, which Python alone takes for JSON."""
    raise ValueError(f"{name} is not JSON")
