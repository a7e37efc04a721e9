"""`workerkit deliveries`: what plugins send when jobs end, such as webhooks."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import click

from workerkit.cli import Suggesting, complain
from workerkit.cli.delivered import body_of, card, line, paragraph, rest
from workerkit.cli.looking import Filters, View, looking
from workerkit.cli.options import queue_option, settings_of, settings_options
from workerkit.cli.parameters import OneOf, Whole

F = TypeVar("F", bound=Callable[..., Any])
STATES = ("pending", "sending", "held", "delivered", "dead", "cancelled")
#: What is sent again when no state is asked for.
UNSENT = ("dead", "held")
#: Rows that are asked for at a time, and seconds that one request for more may take.
PAGE, FOLLOW_WAIT = 1000, 10
#: Receivers that are let rest, as many as a list tells of.
MOST_RESTING = 10


def when(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    """An age such as 2h, or a time; as milliseconds."""
    from workerkit.host.times import point

    try:
        return None if value is None else point(value, time.time_ns() // 1_000_000)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def filters_option(function: F) -> F:
    """Add the options that say which deliveries are meant; they arrive together, as `filters`."""
    options = (
        click.option("--state", type=OneOf(STATES, case_sensitive=False), help="In this state only."),
        click.option("--job", metavar="ID", help="Of this job only."),
        click.option("--endpoint", metavar="NAME", help="Of this function's jobs only."),
        click.option("--plugin", metavar="NAME", help="Of this plugin only, such as webhook."),
        click.option(
            "--host",
            metavar="HOST:PORT",
            help="To this receiver only; or any URL of it, as the list shows it.",
        ),
        click.option(
            "--since", callback=when, metavar="TIME", help="Stored since: 30m, 2h, 7d, or ISO 8601."
        ),
        click.option("--until", callback=when, metavar="TIME", help="Stored before, written alike."),
    )
    names = ("state", "job", "endpoint", "plugin", "host", "since", "until")

    @wraps(function)
    def command(*args: Any, **given: Any) -> Any:
        filters = {name: value for name in names if (value := given.pop(name)) is not None}
        return function(*args, filters=filters, **given)

    for option in reversed(options):
        option(command)
    return cast(F, command)


@click.group("deliveries", cls=Suggesting)
def command() -> None:
    """List, show, repeat or watch what plugins send when jobs end, such as webhooks."""


@command.command("list")
@filters_option
@click.option(
    "--after", type=Whole(1), metavar="SEQ", help="Go on behind the delivery with this `seq`: older ones."
)
@click.option("--limit", type=Whole(1, PAGE), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@queue_option
@settings_options
def list_(
    filters: Filters,
    after: int | None,
    limit: int,
    as_json: bool,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """Deliveries, newest first."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        page = view.deliveries(filters, after, limit)
    rows, resting = page["deliveries"], page["resting"]
    for row in rows:
        click.echo(json.dumps(row) if as_json else paragraph(row, resting))
    if as_json:
        return
    if not rows:
        click.echo(f"no such deliveries{_about_host(filters)}", err=True)
    for one in resting[:MOST_RESTING]:
        click.echo(rest(one["host"], one["until"]), err=True)
    if len(resting) > MOST_RESTING:
        click.echo(f"{len(resting) - MOST_RESTING} more receivers are let rest", err=True)
    if page["after"] is not None:
        click.echo(f"there are more: --after {page['after']}", err=True)


@command.command("show")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@click.option("--body", is_flag=True, help="What it carries, and nothing else.")
@queue_option
@settings_options
def show(
    id: str, as_json: bool, body: bool, queue: str | None, config: str | None, assignments: Sequence[str]
) -> None:
    """A delivery and each of its tries: when, how long, and what came of it."""
    if as_json and body:
        raise click.UsageError("--json has the body in it; give one of --json and --body")
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        found = view.delivery(id)
    if body:
        click.echo(body_of(found), nl=False)
    elif as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        card(found)


@command.command("redeliver")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@filters_option
@click.option("-y", "--yes", is_flag=True, help="Do not ask before more than one is sent again.")
@queue_option
@settings_options
def redeliver(
    ids: tuple[str, ...],
    filters: Filters,
    yes: bool,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> int:
    """Send deliveries again, with one try more: those named, or all that the options find.

    Without --state, those that are dead or held.
    """
    if ids and filters:
        raise click.UsageError("name deliveries by ID or find them by options, not both")
    if not ids and not filters:
        raise click.UsageError("say which: an ID, or options such as --state dead --since 2d")
    if filters.get("state") in ("pending", "sending"):
        raise click.UsageError(f"deliveries that are {filters['state']} are on their way already")
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        return _these(view, ids) if ids else _all(view, filters, yes)


def _these(view: View, ids: Sequence[str]) -> int:
    refused = view.redeliver(ids)
    for id, why in refused.items():
        if why:
            complain(why, 1)
        else:
            click.echo(f"{id} is pending")
    return 1 if any(refused.values()) else 0


def _all(view: View, filters: Filters, yes: bool) -> int:
    count = 0 if yes else _count(view, filters)
    if count > 1:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{count} deliveries would be sent again; add --yes to do it")
        click.confirm(f"Send {count} deliveries again?", abort=True, err=True)
    if not yes and not count:
        click.echo(f"no such deliveries{_about_host(filters)}", err=True)
        return 0
    sent = view.redeliver_all(filters)
    click.echo("1 delivery is pending" if sent == 1 else f"{sent} deliveries are pending")
    return 0


def _count(view: View, filters: Filters) -> int:
    """How many would be sent again."""
    count, after = 0, None
    while True:
        page = view.deliveries(filters, after, PAGE)
        count += sum("state" in filters or row["state"] in UNSENT for row in page["deliveries"])
        after = page["after"]
        if after is None:
            return count


@command.command("tail")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@queue_option
@settings_options
def tail(as_json: bool, queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """Every try as it is made, until Ctrl-C. Needs a running server."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        for page in _pages(view):
            if page["missed"]:
                click.echo(f"(tries that came too fast to be shown: {page['missed']})", err=True)
            for row in page["attempts"]:
                click.echo(json.dumps(row) if as_json else line(row))


def _pages(view: View) -> Iterator[dict[str, Any]]:
    page = view.attempts(None, 0)
    click.echo("watching; Ctrl-C ends it", err=True)
    while True:
        yield page
        page = view.attempts(page["after"], FOLLOW_WAIT)


def _about_host(filters: Filters) -> str:
    """What may be wrong with a receiver that nothing was sent to."""
    host = filters.get("host", "")
    return f"; a receiver has a port, such as {host}:443" if host and ":" not in host else ""
