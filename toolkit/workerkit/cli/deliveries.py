"""`workerkit deliveries`: what plugins send when jobs end, such as webhooks."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from workerkit.cli import Suggesting
from workerkit.cli.looking import looking
from workerkit.cli.options import queue_option, settings_of, settings_options
from workerkit.cli.parameters import OneOf, Whole
from workerkit.cli.tables import age

STATES = ("pending", "sending", "held", "delivered", "dead", "cancelled")


@click.group("deliveries", cls=Suggesting)
def command() -> None:
    """List or repeat what plugins send when jobs end, such as webhooks."""


@command.command("list")
@click.option("--state", type=OneOf(STATES, case_sensitive=False), help="In this state only.")
@click.option("--job", metavar="ID", help="Of this job only.")
@click.option("--limit", type=Whole(1, 1000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@queue_option
@settings_options
def list_(
    state: str | None,
    job: str | None,
    limit: int,
    as_json: bool,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """Deliveries, newest first."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        rows = view.deliveries(state, job, limit)
    for row in rows:
        click.echo(json.dumps(row) if as_json else paragraph(row))
    if not rows and not as_json:
        click.echo("no such deliveries", err=True)


@command.command("redeliver")
@click.argument("id")
@queue_option
@settings_options
def redeliver(id: str, queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """Send a delivery again, with one try more."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        click.echo(f"{id} is {view.redeliver(id)['state']}")


def paragraph(row: Mapping[str, Any]) -> str:
    """A delivery in some lines: its id, where it comes from, how it stands, why."""
    state = f"{row['state']} after {row['number']} of {row['attempts']} tries"
    if row["next_at"] is not None:
        due = row["next_at"] <= time.time() * 1000
        state += ", the next one due now" if due else f", the next one {age(row['next_at'])}"
    lines = [row["id"], f"    of job {row['job']}, {age(row['created_at'])}"]
    lines.append(f"    {row['plugin']} to {row['target']}: {state}")
    if row["detail"]:
        lines.append(f"    {row['detail']}")
    return "\n".join(lines)
