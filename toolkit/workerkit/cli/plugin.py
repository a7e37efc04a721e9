"""`workerkit plugin check`: hold one plugin to everything that the toolkit promises and expects."""

from __future__ import annotations

import importlib.util
import itertools
import json
import textwrap
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workerkit.cli import Suggesting
from workerkit.cli.options import settings_of, settings_options
from workerkit.cli.parameters import Whole

if TYPE_CHECKING:
    from workerkit.testing.check import Verdict

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("\N{EN DASH}", "bright_black")}
#: Lines of a reason that are shown without --verbose.
REASON_LINES = 2
WIDTH = 100
#: Seconds; the longest promise of a sound plugin takes a few, and its retry delays.
DEADLINE = 120
LONGEST_DEADLINE = 86_400


@click.group("plugin", cls=Suggesting)
def command() -> None:
    """Check a plugin against everything the toolkit promises and expects."""


@command.command("check")
@click.argument("name", metavar="NAME")
@settings_options
@click.option(
    "--field", "assignments_of_fields", multiple=True, metavar="NAME=JSON",
    help='A top-level field of the requests, such as webhook="{receiver}"; repeatable.',
)  # fmt: skip
@click.option(
    "--handler", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
    help="A handler file in place of the check's own.",
)  # fmt: skip
@click.option(
    "--deadline", type=Whole(1, LONGEST_DEADLINE), metavar="SECONDS", default=DEADLINE, show_default=True,
    help="What one promise may take; a plugin that hangs is told then, and nothing else is checked.",
)  # fmt: skip
@click.option("-v", "--verbose", is_flag=True, help="Show all that is known of a broken promise.")
def check(
    name: str,
    config: str | None,
    assignments: Sequence[str],
    assignments_of_fields: Sequence[str],
    handler: Path | None,
    deadline: int,
    verbose: bool,
) -> int:
    """Check the plugin NAME: an installed one, or module:attribute.

    It is loaded, given wrong settings and fields, run beside failing plugins, served, and killed in the
    middle of a delivery. Settings and fields should make it act; {receiver} in them stands for the URL
    of a receiver that acknowledges all it gets.
    """
    if importlib.util.find_spec("pytest") is None:
        raise click.ClickException(
            'the checks are run by pytest, which is not installed; pip install "workerkit[testing]"'
        )
    from workerkit.testing.check import Asked, Found, check_plugin

    asked = Asked(
        plugin=name,
        sections=settings_of(config, assignments).plugin,
        fields=dict(map(field, assignments_of_fields)),
        handler=None if handler is None else handler.read_text(encoding="utf-8"),
    )
    began, verdicts = time.monotonic(), []
    with closing(check_plugin(asked, deadline)) as told:
        for one in told:
            if isinstance(one, Found):
                name = one.name
                click.echo(f"Checking {one.shown}\n")
            else:
                verdicts.append(one)
                click.echo(shown(one, verbose))
    click.echo(f"\n{summary(name, verdicts, time.monotonic() - began)}")
    return 0 if all(verdict.kept is not False for verdict in verdicts) else 1


def field(text: str) -> tuple[str, Any]:
    """`name=value`, cut in two; a value that is no JSON is a text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--field {text}: write NAME=JSON, such as webhook={{receiver}}")
    try:
        return name, json.loads(value)
    except ValueError:
        if value[:1] in ("[", '"') or value.startswith('{"'):
            raise click.UsageError(f"--field {text}: the value is not valid JSON") from None
        return name, value


def shown(verdict: Verdict, verbose: bool) -> str:
    """One promise: a mark, the sentence, and the reason when there is one."""
    mark, colour = MARKS[verdict.kept]
    line = f"{click.style(mark, fg=colour)} {verdict.promise}"
    if verdict.kept is None:
        return f"{line}\n    not applicable: {verdict.why}"
    if verdict.kept:
        return f"{line}\n    note: {verdict.note}" if verdict.note else line
    reason = verdict.details if verbose else "\n".join(short(verdict.why))
    return f"{line}\n{textwrap.indent(reason, '    ')}"


def short(why: str) -> list[str]:
    """The first lines of a reason, as they fit a terminal."""
    sentences = itertools.takewhile(lambda line: not line.startswith("Traceback"), why.splitlines())
    lines = [line for line in sentences if line.strip()]
    return [part for line in lines[:REASON_LINES] for part in textwrap.wrap(line, WIDTH)]


def summary(name: str, verdicts: Sequence[Verdict], seconds: float) -> str:
    """The last line."""
    kept = sum(verdict.kept is True for verdict in verdicts)
    broken = sum(verdict.kept is False for verdict in verdicts)
    not_there = len(verdicts) - kept - broken
    if broken and len(verdicts) == 1:
        return f"{name} does not load, so nothing else was checked."
    told = [f"{name} keeps {kept} promises" if kept != 1 else f"{name} keeps 1 promise"]
    told += [f"breaks {broken} (--verbose shows more)"] if broken else []
    told += [f"{not_there} do not apply" if not_there != 1 else "1 does not apply"] if not_there else []
    return f"{', '.join(told)} ({seconds:.1f} s)."
