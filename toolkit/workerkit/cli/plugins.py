"""`workerkit plugins`: which plugins are active, and in what order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from workerkit.cli.options import settings_of, settings_options

if TYPE_CHECKING:
    from rich.table import Table

    from workerkit.hooks import PluginRow


@click.command("plugins")
@settings_options
def command(config: str | None, assignments: Sequence[str]) -> None:
    """Show the active plugins, their order, hooks and settings."""
    settings = settings_of(config, assignments)
    from rich.console import Console

    from workerkit.bridge import Bridge
    from workerkit.hooks import Hooks
    from workerkit.loading import load_plugins

    bridge = Bridge()
    try:
        rows = Hooks(load_plugins(settings), bridge).describe()
    finally:
        bridge.close()
    console = Console()
    console.print(table(rows) if rows else "no plugin is active")
    console.print(
        "Hooks run in this order; pre_job and worker_start from the last to the first.\n"
        f"Settings: {settings.source or 'defaults'}. Change the order, swap or disable in [plugins].",
        highlight=False,
        markup=False,
    )


def table(rows: Iterable[PluginRow]) -> Table:
    """One row a plugin. Secrets are masked by their type."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "plugin", "from", "hooks", "fields", "settings"):
        made.add_column(heading, overflow="fold")
    for number, row in enumerate(rows, 1):
        settings = "\n".join(f"{name} = {value}" for name, value in row.settings.items())
        hooks, fields = "\n".join(row.hooks), "\n".join(row.fields)
        # As text, so that brackets in a value are not taken for markup.
        made.add_row(*map(Text, (str(number), row.name, row.dist or row.ref, hooks, fields, settings)))
    return made
