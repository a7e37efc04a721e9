"""Leave out what is null, in every output."""

from __future__ import annotations

from workerkit import hookimpl


class WithoutNulls:
    """Makes a new dict: the handler may keep the one that it returned."""

    @hookimpl
    def on_output(self, output):
        if isinstance(output.value, dict):
            output.value = {name: value for name, value in output.value.items() if value is not None}
