"""Settings of plugins for functions that are not there, which would do nothing and say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from workerkit.errors import suggest
from workerkit.hooks import LoadedPlugin


def misnamed(plugins: Iterable[LoadedPlugin], functions: Iterable[str]) -> Iterator[str]:
    """A sentence for each name under a plugin's `endpoints` that no function has."""
    known = sorted(functions)
    for plugin in plugins:
        endpoints = plugin.settings.get("endpoints")
        for name in endpoints if isinstance(endpoints, Mapping) else ():
            if name not in known:
                yield (
                    f"[plugin.{plugin.name}.endpoints.{name}] has no effect: "
                    f"there is no function {str(name)[:63]!r}{suggest(str(name)[:63], known)}"
                )
