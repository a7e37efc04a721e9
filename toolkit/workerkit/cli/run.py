"""`workerkit run`: one job in this process, without a queue. Output on stdout, the rest on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from workerkit.cli.handlers import handler_argument, target_of
from workerkit.cli.logs import logs_on_stderr
from workerkit.cli.options import settings_of, settings_options, warn_of_unread
from workerkit.cli.samples import SAMPLE, request_body, sample_of
from workerkit.errors import ApiError, TargetError, WorkerkitError, suggest

if TYPE_CHECKING:
    from workerkit.function import WorkerFunction
    from workerkit.hooks import Hooks
    from workerkit.host.intake import Admission
    from workerkit.job import Request
    from workerkit.local import Local, Ran
    from workerkit.settings import Settings


@click.command("run")
@handler_argument
@click.option(
    "--input", "source", metavar="JSON|@FILE|-", help=f"The input; else {SAMPLE} beside HANDLER or here."
)
@settings_options
def command(
    handlers: Sequence[str],
    installed: bool,
    source: str | None,
    config: str | None,
    assignments: Sequence[str],
) -> int:
    """Run one job of HANDLER here, with the same plugins as in a worker, and print its output.

    The input is a request body as /run takes it, or just what stands in its "input". With
    --installed NAME, run a function that an installed distribution offers in place of HANDLER.
    """
    from workerkit.target import check_file

    settings = settings_of(config, assignments)
    handler = target_of(handlers, installed, settings)
    check_file(handler)
    given = read(source, handler)
    warn_of_unread(handler, settings)
    with logs_on_stderr(), quiet_stdout():
        ran = once(handler, given, settings)
    # A generator's chunks are shown where a host would only stream them, too.
    output = ran.result.output if ran.chunks is None else b"[" + b",".join(ran.chunks) + b"]"
    if output is not None:
        click.echo(json.dumps(json.loads(output), indent=2, ensure_ascii=False))
    return 0 if ran.result.status.value == "COMPLETED" else 1


@attrs.frozen
class Given:
    """A request body, and what a person calls the place it comes from."""

    text: bytes
    place: str

    @property
    def body(self) -> bytes:
        """As /run takes it."""
        return request_body(self.text)


def read(source: str | None, handler: str) -> Given:
    """What `--input` names."""
    if source is None:
        path = sample(handler)
        return Given(path.read_bytes(), str(path))
    if source == "-":
        return Given(sys.stdin.buffer.read(), "--input -")
    if source.startswith("@"):
        path = Path(source[1:])
        if not path.is_file():
            raise click.UsageError(f"--input {source}: there is no file {str(path)!r}")
        return Given(path.read_bytes(), f"--input {source}")
    if source[:1] not in ("{", "["):  # what is wrong inside of those, the intake tells by line and column
        _check_scalar(source)
    return Given(source.encode(), "--input")


def _check_scalar(source: str) -> None:
    try:
        json.loads(source)
    except ValueError:
        quoted = shlex.quote(json.dumps(source, ensure_ascii=False))
        raise click.UsageError(f"--input is not valid JSON; strings need quotes: {quoted}") from None


def sample(handler: str) -> Path:
    """`test_input.json`, beside the handler or in the working directory."""
    from workerkit.handlers import refs_of

    path = sample_of(handler, Path())
    if path is not None:
        return path
    beside = "" if refs_of(handler) else f"beside {handler} or "
    raise click.UsageError(
        f"""there is no {SAMPLE} {beside}here; give --input '{{"prompt": "hello"}}', @FILE, or - for stdin"""
    )


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """Send what handlers print, C code too, to stderr: stdout is for the output alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def once(handler: str, given: Given, settings: Settings) -> Ran:
    """Run one job and say how it went."""
    from workerkit.loading import load_plugins
    from workerkit.local import Local
    from workerkit.target import load_target

    function = chosen(load_target(handler).functions, handler)
    with Local(function, load_plugins(settings), settings) as local:
        say_what_was_taken_for_the_input(local.hooks, given)
        admission = admitted(local, given)
        ran = local.run(admission.submission, show=show_progress)
        say_how_it_ended(ran)
        say_what_was_left_out(local.hooks, local.request(ran.record))
    return ran


def say_what_was_taken_for_the_input(hooks: Hooks, given: Given) -> None:
    """A body that has a field of a request, and no `input`, may be a slip."""
    if given.body is given.text:
        return
    value = json.loads(given.text)
    for name in hooks.fields if isinstance(value, dict) else ():
        if name in value:
            tell(
                f'{given.place} has no "input", so all of it is the input; for {name} as a field of the request, '
                f'give {{"input": ..., "{name}": ...}}'
            )


def admitted(local: Local, given: Given) -> Admission:
    """The job; what is wrong with its body is told of the place that the body comes from."""
    try:
        return local.admit(given.body)
    except ApiError as error:
        raise WorkerkitError(re.sub("^the body", lambda _: given.place, error.sentence)) from None


def chosen(functions: Mapping[str, WorkerFunction[..., Any]], handler: str) -> WorkerFunction[..., Any]:
    """The one function of the target."""
    if len(functions) == 1:
        return next(iter(functions.values()))
    from workerkit.handlers import refs_of, shown

    first = next(iter(functions))
    named = f"--installed {first}" if refs_of(handler) else f"{handler}:{first}"
    raise TargetError(
        f"{shown(handler)} holds several functions; name one, such as {named}{suggest('', functions)}"
    )


def say_how_it_ended(ran: Ran) -> None:
    """Status, time, and what a host would do next."""
    from workerkit.failures import readable

    result = ran.result
    tell(f"{result.status.value} in {result.execution_time} ms")
    if result.refresh:
        tell(f"a worker would be replaced by a fresh process now: {result.refresh}")
    if result.error:
        tell(readable(result.error))


def say_what_was_left_out(hooks: Hooks, request: Request) -> None:
    """Deliveries need a queue, so `run` makes none."""
    for row in hooks.plugins:
        for name in set(row.fields) & set(request.fields) if "deliver" in row.hooks else ():
            tell(f"the {name} was not sent; `workerkit serve` sends it when a job ends")


def show_progress(value: bytes) -> None:
    """What the handler shows while it runs."""
    tell(f"progress: {value.decode()}")


def tell(sentence: str) -> None:
    """One line on stderr."""
    click.echo(sentence, err=True)
