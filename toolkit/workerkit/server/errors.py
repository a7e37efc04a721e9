"""The errors of the surface itself: a path or a method that no route has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workerkit.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import Scope


def no_path(path: str, hint: str) -> ApiError:
    """A 404 for a path that is no route; `hint` goes on with what is there."""
    return ApiError(404, "unknown_path", f"there is nothing at {path[:200]}{hint}")


def wrong_method(scope: Scope, methods: frozenset[str]) -> ApiError:
    """A 405 that says which methods the path takes."""
    allowed = sorted(methods)
    return ApiError(
        405,
        "wrong_method",
        f"{scope['path'][:200]} takes {' and '.join(allowed)}, not {scope['method'][:20]}",
        {"Allow": ", ".join(allowed)},
    )
