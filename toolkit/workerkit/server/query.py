"""What stands behind the `?` of a URL, checked: a name that nobody knows is a mistake, not nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from workerkit.errors import ApiError, suggest

D = TypeVar("D", int, None)
Query = Mapping[str, str]


def known(query: Query, *names: str) -> Query:
    """The query, if it has no other names than these."""
    for name in query:
        if name not in names:
            raise ApiError(400, "bad_query", f"{name[:60]!r} is no filter here{suggest(name[:60], names)}")
    return query


def whole(query: Query, name: str, default: D, least: int, most: int = 2**62) -> int | D:
    """A whole number within its bounds."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise ApiError(
            400, "bad_query", f"{name} is {text[:60]!r}; it must be a whole number from {least} to {most}"
        )
    return int(text)
