"""What every resource has that a plugin provides to handlers."""

from __future__ import annotations

from typing import ClassVar


class Resource:
    """Base of what plugins provide to handlers.

    A handler parameter annotated with a subclass is filled by what a plugin gave to
    `job.provide()` in `pre_job`; `job.use(Type)` asks for the same thing by hand. `cure` ends the
    sentence with which a job fails when nobody provided it.
    """

    cure: ClassVar[str] = "is the plugin that provides it active, and did the request carry what it needs?"

    def run_ended(self) -> None:
        """Called when a run for which it was provided is over, and all outputs have been through every plugin."""
