"""All plugins at once, though some of them cannot be used: what works, and a sentence for what does not."""

from __future__ import annotations

from workerkit.bridge import Bridge
from workerkit.errors import PluginError, SettingsError
from workerkit.hooks import Hooks
from workerkit.loading.candidates import LeftOut
from workerkit.loading.finding import Survey, survey
from workerkit.settings import Settings


def look_over(settings: Settings, bridge: Bridge) -> tuple[Survey, Hooks]:
    """What is active when all that is broken is passed over; `Survey.broken` says of each what is wrong.

    Raises `SettingsError` or `PluginError` for what is no plugin's fault, such as a name that nobody has.
    """
    broken: set[LeftOut] = set()
    while True:
        try:
            found = survey(settings, broken=broken)
            return found, Hooks(found.plugins, bridge)
        except (PluginError, SettingsError) as error:
            # At least one more is passed over each time, so there is an end.
            if {one.ref for one in error.culprits} <= {one.ref for one in broken}:
                raise
            broken |= {LeftOut(one.name, one.dist, one.ref, str(error)) for one in error.culprits}
