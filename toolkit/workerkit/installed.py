"""What distributions offer by entry point: plugins, functions, profiles of settings.

Nothing here imports what an entry point names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from workerkit.errors import PluginError, SettingsError, TargetError, WorkerkitError

PLUGINS, FUNCTIONS, PROFILES = "workerkit", "workerkit.functions", "workerkit.settings"
#: What a group's entry points are called in sentences, and the error of a clash among them.
KINDS: Mapping[str, tuple[str, type[WorkerkitError]]] = {
    PLUGINS: ("plugin", PluginError),
    FUNCTIONS: ("function", TargetError),
    PROFILES: ("profile", SettingsError),
}


@attrs.frozen
class Point:
    """An entry point. `ref` is its `module:attribute`; `dist` is for people, `dist_name` for comparing."""

    name: str
    ref: str
    dist: str
    dist_name: str
    group: str = PLUGINS

    @property
    def maker(self) -> str:
        """Whose it is, without a version: what is kept, such as a delivery, outlives versions."""
        return f"{self.name} of {self.dist_name}"

    def __str__(self) -> str:
        return f"{KINDS[self.group][0]} {self.name!r} of {self.dist} ({self.ref})"


def installed(group: str) -> Mapping[str, Sequence[Point]]:
    """The entry points of a group by name; a name has several when distributions clash."""
    # Imported here: a worker loads by reference and searches for nothing.
    from importlib.metadata import entry_points

    # By distribution, since each look at one reads all that it says of itself, its page included.
    said: dict[Any, tuple[str, str]] = {None: ("no distribution", "")}
    found: dict[str, list[Point]] = {}
    for point in entry_points(group=group):
        if (dist := point.dist) is not None and dist not in said:
            facts = dist.metadata
            said[dist] = facts["Name"], f" {facts['Version']}"
        name, version = said[dist]
        ref = point.value.replace(" ", "")
        offer = Point(point.name, ref, f"{name}{version}", normal(name), group)
        found.setdefault(point.name, []).append(offer)
    return found


def only(points: Sequence[Point], cure: str = "") -> Point:
    """The one entry point of a name; several are an error of the group's kind that names them all.

    `cure` is what the sentence offers besides uninstalling one of them.
    """
    if len(points) > 1:
        who = " and ".join(map(str, points))
        raise KINDS[points[0].group][1](
            f"{who} have the same name; uninstall one of them{cure and f', {cure}'}"
        )
    return points[0]


def trusted(point: Point, autoload: bool | Sequence[str]) -> bool:
    """Whether `[plugins] autoload` lets what is installed be loaded unasked."""
    return autoload if isinstance(autoload, bool) else point.dist_name in map(normal, autoload)


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
