"""`workerkit jobs`: list, show, cancel and retry jobs, through the running server or in the queue's file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from workerkit.cli import Suggesting
from workerkit.cli.looking import ServerGone, View, looking
from workerkit.cli.options import queue_option, settings_of, settings_options
from workerkit.cli.paragraphs import paragraphs
from workerkit.cli.parameters import OneOf, Whole
from workerkit.cli.tables import Columns, age, show, with_times
from workerkit.errors import WorkerkitError

#: Seconds that one request for more of what a job prints may take.
FOLLOW_WAIT = 10
STATUSES = ("IN_QUEUE", "IN_PROGRESS", "COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
#: Of them those that are followed by another.
WAITING = ("IN_QUEUE", "IN_PROGRESS")
COLUMNS: Columns = {
    "id": lambda row: row["id"],
    "function": lambda row: row["endpoint"],
    "status": lambda row: row["status"],
    "attempt": lambda row: str(row["attempt"]),
    "submitted": lambda row: age(row["submitted_at"]),
    "ended": lambda row: age(row["finished_at"]),
}


@click.group("jobs", cls=Suggesting)
def command() -> None:
    """List, show, cancel and retry jobs, and read what they print."""


@command.command("list")
@click.option("--endpoint", metavar="NAME", help="Of this function only.")
@click.option("--status", type=OneOf(STATUSES, case_sensitive=False), help="In this state only.")
@click.option(
    "--after", type=Whole(1), metavar="SEQ", help="Go on behind the job with this `seq`: older ones."
)
@click.option("--limit", type=Whole(1, 1000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@queue_option
@settings_options
def list_(
    endpoint: str | None,
    status: str | None,
    after: int | None,
    limit: int,
    as_json: bool,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """Jobs, newest first."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        rows = view.jobs(endpoint, status, after, limit)
    show(rows, COLUMNS, as_json=as_json, nothing="no such jobs")
    if len(rows) == limit and not as_json:
        click.echo(f"there may be more: --after {rows[-1]['seq']}", err=True)


@command.command("show")
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="As /status shows it, in one JSON object.")
@queue_option
@settings_options
def show_(id: str, as_json: bool, queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """A job, its error or output, and its deliveries."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        job = view.job(id)
    click.echo(json.dumps(with_times(job), indent=2, ensure_ascii=False) if as_json else paragraphs(job))


@command.command("logs")
@click.argument("id")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@click.option("--attempt", type=Whole(1), metavar="N", help="Of this run of the job; else of the latest.")
@queue_option
@settings_options
def logs(
    id: str,
    follow: bool,
    attempt: int | None,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """What the handler has printed, and raised: the end of it, as long as `[logs] tail` is."""
    printed = False
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        for page in pages(view, id, attempt, follow=follow):
            if page["dropped"]:
                click.echo(f"(bytes before this that are not kept: {page['dropped']:,})", err=True)
            click.echo(page["text"], nl=False)
            printed = printed or bool(page["text"] or page["dropped"])
    if not printed:
        click.echo(silence(page), err=True)
    if follow and page["status"] in WAITING and (attempt is None or not page["over"]):
        raise WorkerkitError(unended(page))


def pages(view: View, id: str, attempt: int | None, *, follow: bool) -> Iterator[dict[str, Any]]:
    """What one attempt has printed, page by page; of the later ones too when the latest is followed."""
    page = view.logs(id, attempt, 0, 0)
    yield page
    while follow:
        later = [known for known in page["attempts"] if known > page["attempt"] and attempt is None]
        if page["over"] and not later:
            return
        wanted, place = (later[0], 0) if page["over"] else (page["attempt"], page["after"])
        try:
            page = view.logs(id, wanted, place, FOLLOW_WAIT)
        except ServerGone:  # what it knew last has been shown
            return
        yield page


def silence(page: Mapping[str, Any]) -> str:
    """Why there is nothing to see."""
    others = ", ".join(str(known) for known in page["attempts"] if known != page["attempt"])
    if page["attempt"] == 0:
        return f"the job is {page['status']} and has not run yet"
    return f"attempt {page['attempt']} has printed nothing" + (
        f"; there is --attempt {others}, too" if others else ""
    )


def unended(page: Mapping[str, Any]) -> str:
    """Why nobody follows a job that has not ended."""
    return (
        f"no server runs now, and the job is {page['status']}, not over; "
        "follow it again once `workerkit serve` runs"
    )


@command.command("cancel")
@click.argument("id")
@queue_option
@settings_options
def cancel(id: str, queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """End a job that waits or runs."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        answer = view.cancel(id)
    click.echo(f"{id} is {answer['status']}")
    if count := answer.get("deliveries", 0):
        wait = "1 delivery waits" if count == 1 else f"{count} deliveries wait"
        click.echo(f"{wait} for the next `workerkit serve`", err=True)


@command.command("retry")
@click.argument("id")
@queue_option
@settings_options
def retry(id: str, queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """Run a job again that FAILED or TIMED_OUT."""
    with looking(settings_of(config, assignments, queue__url=queue)) as view:
        click.echo(f"{id} is {view.retry(id)['status']}")
