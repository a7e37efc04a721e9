"""Profiles: whole sets of settings that distributions offer by entry point, and that a user names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from workerkit.errors import SettingsError, suggest
from workerkit.installed import PROFILES, Point, installed, only


def find_profile(name: str, asked: str) -> tuple[str, Mapping[str, Any]]:
    """What to call a profile in sentences, and its sections as a settings file has them.

    `asked` is the source that names it. Raises `SettingsError`.
    """
    points = installed(PROFILES)
    if name not in points:
        raise SettingsError(f"{asked}: there is no profile {name!r}{suggest(name, points)}")
    point = only(points[name])
    sections = _imported(point)
    if not isinstance(sections, Mapping):
        raise SettingsError(
            f"{point} is of type {type(sections).__name__}; "
            "a profile is a mapping of sections, as a settings file has them"
        )
    if "profile" in sections:
        raise SettingsError(f"{point} has a profile of its own; take the key 'profile' out of it")
    return f"profile {name!r} of {point.dist}", sections


def _imported(point: Point) -> Any:
    module, _, attribute = point.ref.partition(":")
    try:
        value: Any = importlib.import_module(module)
        return attrgetter(attribute)(value) if attribute else value
    except Exception as exc:
        raise SettingsError(
            f"{point} did not load: {type(exc).__name__}: {exc}; "
            "repair or uninstall its distribution, or name another profile"
        ) from exc
