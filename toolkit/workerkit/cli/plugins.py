"""`workerkit plugins`: which plugins are active, in what order, and why others are not."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
from collections.abc import Sequence

import click

from workerkit.cli.options import settings_of, settings_options


@click.command("plugins")
@click.option(
    "--explain", "name", metavar="NAME", help="All about one plugin: where each setting comes from."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options
def command(name: str | None, as_json: bool, config: str | None, assignments: Sequence[str]) -> int:
    """Show the active plugins, their order, hooks and settings, and why others are not active.

    Broken ones are shown with what is wrong with them; the exit code is then 1.
    """
    settings = settings_of(config, assignments)
    from workerkit.bridge import Bridge
    from workerkit.cli import explain, overview
    from workerkit.loading import look_over

    # Nothing async is run, so the bridge never begins. What a plugin prints is no part of the answer.
    with contextlib.redirect_stdout(sys.stderr):
        found, hooks = look_over(settings, Bridge())
    if name is not None:
        explained = explain.explain(name, found, hooks, settings)
        shown = explain.text(explained)
    else:
        explained = overview.overview(found, hooks, settings)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        shown = overview.text(explained, width)
    click.echo(json.dumps(explained, indent=2, ensure_ascii=False, default=str) if as_json else shown)
    return 1 if explained["broken"] else 0
