"""The job API over HTTP. The names are imported at first use: a port is bound before the rest is needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerkit.server.api import Api
    from workerkit.server.listen import bind
    from workerkit.server.serving import serve

__all__ = ["Api", "bind", "serve"]

_HOMES = {"Api": "api", "bind": "listen", "serve": "serving"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
