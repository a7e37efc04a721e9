"""`workerkit serve`: the job API, the queue and the workers, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from workerkit.cli.options import queue_option, settings_of, settings_options

if TYPE_CHECKING:
    from workerkit.app import Started
    from workerkit.wire import Descriptor


@click.command("serve")
@click.argument("handler")
@click.option("--host", help="Address to listen on; another than loopback needs a key.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the job API; 0 for any free one.")
@click.option("--workers", metavar="N", help="Processes per function: a number, or render=2,caption=1.")
@queue_option
@settings_options
def command(
    handler: str,
    host: str | None,
    port: int | None,
    workers: str | None,
    queue: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> None:
    """Serve the functions of HANDLER: a file, pkg.module, or pkg.module:function.

    Ctrl-C stops it in good order: running jobs may finish, waiting ones are there after a restart.
    """
    settings = settings_of(
        config, assignments, server__host=host, server__port=port, workers__count=workers, queue__url=queue
    )
    # Imported here, so that `workerkit serve --help` and a wrong flag answer at once.
    import uvloop

    from workerkit.app import App
    from workerkit.cli.logs import show_logs

    show_logs()
    uvloop.run(App(settings, handler, announce).run())


def announce(started: Started) -> None:
    """Say on stderr where everything is."""
    for line in lines(started):
        click.echo(line, err=True)


def lines(started: Started) -> list[str]:
    """The start-up lines."""
    rows = [
        ("API", started.url + (" and every other address of this machine" if started.everywhere else "")),
        *(("function" if not n else "", line) for n, line in enumerate(called(started.functions))),
        ("plugins", ", ".join(row.name for row in started.plugins) or "none"),
        ("queue", started.queue),
        ("settings", started.source or "defaults; put others into workerkit.toml"),
    ]
    return ["", *(f"  {name:9} {value}" for name, value in rows), "", *example(started), ""]


def called(functions: Sequence[Descriptor]) -> list[str]:
    """Each function's path, and how it is called."""
    paths = [f"/v2/{function.name}" for function in functions]
    width = max(map(len, paths), default=0)
    return [f"{path:{width}}  {function.usage}" for path, function in zip(paths, functions, strict=True)]


def example(started: Started) -> list[str]:
    """A line to paste into another terminal."""
    if not started.functions:
        return []
    url = f"{started.url}/v2/{started.functions[0].name}/runsync"
    key = ' -H "Authorization: Bearer $KEY"' if started.needs_key else ""
    return ["  Try it:", f"""  curl{key} -H 'Content-Type: application/json' -d '{{"input": {{}}}}' {url}"""]
