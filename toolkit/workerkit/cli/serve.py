"""`workerkit serve`: the job API, the queue and the workers, until Ctrl-C."""

from __future__ import annotations

import gc
import json
import logging
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workerkit.cli.handlers import handler_argument, target_of
from workerkit.cli.options import queue_option, settings_of, settings_options, warn_of_unread
from workerkit.cli.parameters import OneOf, Whole
from workerkit.cli.samples import fitting, request_body, sample_of

if TYPE_CHECKING:
    from workerkit.app import Started
    from workerkit.settings import Settings

log = logging.getLogger(__name__)

#: Bytes of a sample that are shown.
LONGEST_SAMPLE = 500


@click.command("serve")
@handler_argument
@click.option("--host", help="Address to listen on; another than loopback needs a key.")
@click.option("--port", type=Whole(0, 65535), help="Port of the job API; 0 for any free one.")
@click.option(
    "--workers",
    metavar="N",
    help="Processes per function: a number, 0..4 for a range, or render=2,caption=1.",
)
@click.option("--gpus", metavar="LIST", help="Share out GPUs, one to a worker: auto, 0,1 or none.")
@click.option("--log-format", type=OneOf(("human", "json")), help="Lines for people, or JSON objects.")
@queue_option
@settings_options
def command(
    handlers: Sequence[str],
    installed: bool,
    host: str | None,
    port: int | None,
    workers: str | None,
    gpus: str | None,
    log_format: str | None,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """Serve the functions of HANDLER: a file, pkg.module, or pkg.module:function.

    With --installed, serve functions that installed distributions offer in place of it.

    Ctrl-C stops it in good order: running jobs may finish, waiting ones are there after a restart.
    `workerkit reload`, or SIGHUP, has it read its code and its settings again, and replace the workers
    one by one.
    """
    read = partial(
        settings_of,
        config,
        assignments,
        server__host=host,
        server__port=port,
        workers__count=workers,
        workers__gpus=gpus,
        logs__format=log_format,
        queue__url=queue,
    )
    gc.disable()  # what a start makes stays; `App` enables it once it serves
    try:
        run(read, handlers, installed)
    finally:
        gc.enable()


def run(read: Callable[[], Settings], handlers: Sequence[str], installed: bool) -> None:
    """Serve by the settings that are read now."""
    settings = read()
    # Imported here, so that `workerkit serve --help` and a wrong flag answer at once.
    from workerkit.host.launch import ahead

    with ahead(settings.queue.url) as launch:  # it gets on while the rest is imported
        import uvloop

        from workerkit.app import App
        from workerkit.cli.logs_aside import logs_aside

        with logs_aside(settings.logs.format):
            target = target_of(handlers, installed, settings)
            warn_of_unread(target, settings)
            told = partial(announce, target, settings.logs.format)
            uvloop.run(App(settings, target, told, read, launch).run())


def announce(target: str, format: str, started: Started) -> None:
    """Say on stderr where everything is."""
    if format == "json":
        names = ", ".join(function.name for function in started.functions)
        log.info("%s: serving at %s", names or "no functions", started.url)
        return
    click.echo("\n".join(lines(target, started)), err=True)


def lines(target: str, started: Started) -> list[str]:
    """The start-up lines."""
    from workerkit.handlers import refs_of, shown

    rows = [
        ("API", started.url + (" and every other address of this machine" if started.everywhere else "")),
        *(("function" if not n else "", line) for n, line in enumerate(called(started))),
        *([("installed", shown(target))] if refs_of(target) else []),
        ("plugins", ", ".join(row.name for row in started.plugins) or "none"),
        ("queue", started.queue),
        ("settings", started.source or "defaults; put others into workerkit.toml"),
    ]
    return ["", *(f"  {name:9} {value}" for name, value in rows), "", *example(target, started), ""]


def called(started: Started) -> list[str]:
    """Each function's path, and how it is called."""
    paths = [f"/v2/{function.name}" for function in started.functions]
    width = max(map(len, paths), default=0)
    return [
        f"{path:{width}}  {function.usage}"
        + ("" if started.workers[function.name] else "  no workers: jobs only wait")
        for path, function in zip(paths, started.functions, strict=True)
    ]


def example(target: str, started: Started) -> list[str]:
    """A line to paste into another terminal."""
    if not started.functions:
        return []
    first = started.functions[0]
    url, body = f"{started.url}/v2/{first.name}/runsync", json.dumps(sample_body(target, first.schema))
    key = ' -H "Authorization: Bearer $KEY"' if started.needs_key else ""
    return ["  Try it:", f"  curl{key} -d {shlex.quote(body)} {url}"]


def sample_body(target: str, schema: str = "") -> dict[str, Any]:
    """What `test_input.json` has for the target when that is short, else what fits the schema.

    It has nothing but the input, for logs are kept.
    """
    path = sample_of(target, Path())
    if path is not None and path.stat().st_size <= LONGEST_SAMPLE:
        try:
            return {"input": json.loads(request_body(path.read_bytes()))["input"]}
        except (ValueError, TypeError, KeyError):  # the text as it is, when it is no JSON or has a NaN
            click.echo(f"{path} is not valid JSON", err=True)
    return {"input": fitting(json.loads(schema)) if schema else {"prompt": "hello"}}
