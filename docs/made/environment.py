"""Every environment variable that is read."""

from __future__ import annotations

from made import settings
from made.tables import code, table
from workerkit.sources import SHORT_NAMES


def variables() -> str:
    """A row for each: those with a name of their own, then one a setting."""
    stands_for = dict(SHORT_NAMES)
    for member in settings.top():
        stands_for.setdefault(f"{settings.PREFIX}{member.name}".upper(), member.name)
    for section, member in settings.every():
        stands_for.setdefault(section.variable(member.name), f"{section.path}.{member.name}")
    return table(("variable", "setting"), [(code(name), code(path)) for name, path in stands_for.items()])
