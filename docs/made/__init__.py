"""What the documentation takes from the code, as Markdown.

A page asks for it with a comment of its own line, such as `<!-- made: settings -->` or
`<!-- made: hook accept -->`. Nothing here knows mkdocs, so tests call it too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from made import architecture, benchmarks, commands, environment, examples, hooks, names, settings

MARKER = re.compile(r"^<!-- made: (\S+) ?(.*) -->$", re.MULTILINE)
MAKERS: Mapping[str, Callable[..., str]] = MappingProxyType(
    {
        "architecture": architecture.page,
        "benchmarks": benchmarks.tables,
        "commands": commands.every,
        "environment": environment.variables,
        "errors": names.errors,
        "example": examples.shown,
        "fixtures": names.fixtures,
        "growth": benchmarks.growth,
        "printed": examples.printed,
        "hook": hooks.contract,
        "hooks": hooks.overview,
        "members": names.table_of,
        "names": names.of,
        "plugin-settings": settings.of_plugin,
        "profile": settings.of_profile,
        "settings": settings.of_core,
        "stages": benchmarks.stages,
        "versions": hooks.versions,
    }
)


def filled(markdown: str) -> str:
    """A page with everything that it asks for; raises KeyError for what nobody makes."""
    return MARKER.sub(lambda found: MAKERS[found[1]](*found[2].split()), markdown)
