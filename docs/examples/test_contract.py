"""Everything that is expected of a plugin, for clock.py."""

from __future__ import annotations

from workerkit.testing import PluginContract


class TestClock(PluginContract):
    """One test for each promise."""

    plugin = "clock:Clock"
