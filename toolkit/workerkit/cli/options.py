"""Options that several commands share: where the settings come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from workerkit.cli.samples import folder_of

if TYPE_CHECKING:
    from workerkit.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(function: F) -> F:
    """Add `--config` and `--set` to a command."""
    function = click.option(
        "--config",
        metavar="FILE",
        help="Settings file; else workerkit.toml or pyproject.toml in the working directory.",
    )(function)
    return click.option(
        "--set", "assignments", multiple=True, metavar="SECTION.FIELD=VALUE",
        help="One setting, such as plugin.webhook.attempts=3; repeatable.",
    )(function)  # fmt: skip


def queue_option(function: F) -> F:
    """Add `--queue` to a command."""
    return click.option("--queue", metavar="URL", help="Where jobs are kept, such as sqlite:///jobs.db.")(
        function
    )


def settings_of(config: str | None, assignments: Sequence[str], **flags: Any) -> Settings:
    """The settings of this command line; a flag that was not given says nothing."""
    from workerkit.settings import load_settings

    given = {name.replace("__", "."): value for name, value in flags.items() if value is not None}
    return load_settings(config=config, flags={**dict(map(assignment, assignments)), **given}, cwd=Path.cwd())


def warn_of_unread(handler: str, settings: Settings) -> None:
    """Say that a settings file beside the handler was not read, when it was not."""
    path = folder_of(handler) / "workerkit.toml"
    if path.is_file() and not (settings.source and path.samefile(settings.source)):
        click.echo(f"{path} is not read; start workerkit in that folder, or give --config {path}", err=True)


def assignment(text: str) -> tuple[str, Any]:
    """`section.field=value`, cut in two. A value in brackets is JSON: `plugins.disable=["webhook"]`."""
    path, equals, value = text.partition("=")
    if not equals or "." not in path:
        raise click.UsageError(f"--set {text}: write SECTION.FIELD=VALUE, such as server.port=9000")
    if value[:1] not in ("[", "{"):
        return path.strip(), value
    try:
        return path.strip(), json.loads(value)
    except ValueError as error:
        raise click.UsageError(f"--set {text}: the value is not valid JSON: {error}") from None
