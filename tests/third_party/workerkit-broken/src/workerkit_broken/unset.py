"""Cannot do without a setting."""

from __future__ import annotations

import attrs

from workerkit import Request, hookimpl


@attrs.frozen(kw_only=True)
class UnsetSettings:
    """`[plugin.broken_settings]`."""

    #: How many requests may wait; there is no good default.
    most: int


class Unset:
    """Would accept requests."""

    Settings = UnsetSettings

    def __init__(self, settings: UnsetSettings) -> None:
        self.settings = settings

    @hookimpl
    def accept(self, request: Request) -> None:
        """Accept it."""
