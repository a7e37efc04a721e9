"""Options that several commands share: where the settings come from."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from workerkit.cli.samples import folder_of

if TYPE_CHECKING:
    from workerkit.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def settings_options(function: F) -> F:
    """Add `--config`, `--profile` and `--set` to a command."""

    @wraps(function)
    def command(*args: Any, profile: str | None, assignments: Sequence[str], **more: Any) -> Any:
        named = () if profile is None else (f"profile={profile}",)
        return function(*args, assignments=(*assignments, *named), **more)

    for option in (
        click.option(
            "--config",
            metavar="FILE",
            help="Settings file; else workerkit.toml or pyproject.toml in the working directory.",
        ),
        click.option(
            "--profile",
            metavar="NAME",
            help="Settings that a distribution offers under a name, such as runpod; the file goes before them.",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="SECTION.FIELD=VALUE",
            help="One setting, such as webhook.attempts=3; repeatable.",
        ),
    ):
        option(command)
    return cast(F, command)


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
    """`section.field=value`, cut in two. A value in brackets is JSON: `plugins.disable=["webhook"]`.

    A word in braces is text: `{receiver}` is filled in by `workerkit plugin check`.
    """
    path, equals, value = text.partition("=")
    if not equals or ("." not in path and path.strip() != "profile"):
        raise click.UsageError(f"--set {text}: write SECTION.FIELD=VALUE, such as server.port=9000")
    if value[:1] not in ("[", "{") or re.match(r"\{\w+\}", value):
        return path.strip(), value
    try:
        return path.strip(), json.loads(value)
    except ValueError as error:
        raise click.UsageError(f"--set {text}: the value is not valid JSON: {error}") from None
