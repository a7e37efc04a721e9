"""From entry points and settings to plugins that are ready to be called.

The names are imported at first use: a worker only loads what its host names, and searches for nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workerkit.loading.candidates import LeftOut
    from workerkit.loading.construct import Candidate
    from workerkit.loading.finding import Survey, load_plugins, resettled, survey, worker_refs
    from workerkit.loading.looking import look_over
    from workerkit.loading.named import load_refs

__all__ = [
    "Candidate",
    "LeftOut",
    "Survey",
    "load_plugins",
    "load_refs",
    "look_over",
    "resettled",
    "survey",
    "worker_refs",
]

_HOMES = {
    "candidates": ("LeftOut",),
    "construct": ("Candidate",),
    "finding": ("Survey", "load_plugins", "resettled", "survey", "worker_refs"),
    "looking": ("look_over",),
    "named": ("load_refs",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
