"""What a command serves or runs: HANDLER, or functions that distributions offer, with `--installed`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from workerkit.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def handler_argument(function: F) -> F:
    """Add HANDLER and `--installed` to a command, which gets them as `handlers` and `installed`."""
    function = click.argument(
        "handlers", nargs=-1, metavar="HANDLER | --installed [NAME]...", callback=_checked
    )(function)
    # Eager: read before the argument, whose check looks at it.
    return click.option(
        "--installed", is_flag=True, is_eager=True,
        help="Instead of HANDLER: functions of installed distributions, those named or all that are trusted.",
    )(function)  # fmt: skip


def target_of(handlers: Sequence[str], installed: bool, settings: Settings) -> str:
    """The target that a command line names: HANDLER as it is, or what the installed functions stand for."""
    if not installed:
        return handlers[0]
    from workerkit.handlers import installed_target

    return installed_target(handlers, settings.plugins.autoload)


def _checked(ctx: click.Context, param: click.Parameter, handlers: tuple[str, ...]) -> tuple[str, ...]:
    if ctx.params["installed"]:
        for handler in filter(re.compile(r"[./:]").search, handlers):
            raise click.UsageError(
                f"{handler} is a HANDLER, and --installed takes names of functions; give one or the other",
                ctx,
            )
    elif not handlers:
        raise click.UsageError(
            "Missing argument 'HANDLER': give a file, pkg.module or pkg.module:function, "
            "or --installed for the functions of installed distributions",
            ctx,
        )
    elif len(handlers) > 1:
        raise click.UsageError(
            f"{' and '.join(handlers)} are {len(handlers)} HANDLERs, and there can be one; "
            "several functions of installed distributions come with --installed",
            ctx,
        )
    return handlers
