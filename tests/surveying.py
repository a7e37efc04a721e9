"""What a survey finds, in the shapes that its tests compare."""

from __future__ import annotations

from typing import Any

from workerkit.loading import Survey, survey
from workerkit.settings import PluginsSettings, Settings


def look(**plugins: Any) -> Survey:
    """The survey with these settings of `[plugins]`."""
    return survey(Settings(plugins=PluginsSettings(**plugins)))


def active(found: Survey) -> dict[str, tuple[str, str]]:
    """Place -> class and how it came, of all but the plugins that are in their own place."""
    return {
        loaded.name: (type(loaded.plugin).__name__, loaded.via)
        for loaded in found.plugins
        if loaded.via != "installed" or not loaded.dist.startswith("workerkit")
    }


def reasons(found: Survey) -> dict[str, str]:
    """Name -> why it was left out."""
    return {one.name: one.why for one in found.left_out}
