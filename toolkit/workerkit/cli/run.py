"""`workerkit run`: one job in this process, without a queue. Output on stdout, the rest on stderr."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workerkit.cli.logs import logs_on_stderr
from workerkit.cli.options import settings_of, settings_options, warn_of_unread
from workerkit.cli.samples import SAMPLE, request_body, sample_of
from workerkit.errors import TargetError, suggest

if TYPE_CHECKING:
    from workerkit.function import WorkerFunction
    from workerkit.hooks import Hooks
    from workerkit.job import Job
    from workerkit.runner import Run, Runner
    from workerkit.settings import Settings

#: Declared fields as JSON, by name.
Fields = Mapping[str, bytes]


@click.command("run")
@click.argument("handler")
@click.option(
    "--input", "source", metavar="JSON|@FILE|-", help=f"The input; else {SAMPLE} beside HANDLER or here."
)
@settings_options
def command(handler: str, source: str | None, config: str | None, assignments: Sequence[str]) -> int:
    """Run one job of HANDLER here, with the same plugins as in a worker, and print its output.

    The input is a request body as /run takes it, or just what stands in its "input".
    """
    body = request_body(read(source, handler))
    settings = settings_of(config, assignments)
    warn_of_unread(handler, settings)
    with logs_on_stderr(), quiet_stdout():
        run, output = once(handler, body, settings)
    if output is not None:
        click.echo(json.dumps(json.loads(output), indent=2, ensure_ascii=False))
    return 0 if run.status.value == "COMPLETED" else 1


def read(source: str | None, handler: str) -> bytes:
    """The bytes that `--input` names."""
    if source is None:
        return sample(handler).read_bytes()
    if source == "-":
        return sys.stdin.buffer.read()
    if source.startswith("@"):
        path = Path(source[1:])
        if not path.is_file():
            raise click.UsageError(f"--input {source}: there is no file {str(path)!r}")
        return path.read_bytes()
    if source[:1] not in ("{", "["):  # what is wrong inside of those, the intake tells by line and column
        _check_scalar(source)
    return source.encode()


def _check_scalar(source: str) -> None:
    try:
        json.loads(source)
    except ValueError:
        quoted = shlex.quote(json.dumps(source, ensure_ascii=False))
        raise click.UsageError(f"--input is not valid JSON; strings need quotes: {quoted}") from None


def sample(handler: str) -> Path:
    """`test_input.json`, beside the handler or in the working directory."""
    path = sample_of(handler, Path())
    if path is not None:
        return path
    raise click.UsageError(
        f"""there is no {SAMPLE} beside {handler} or here; give --input '{{"prompt": "hello"}}', @FILE, or - for stdin"""
    )


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends a job as any exception does, plugins and all; here it then ends the command too."""
    came: list[int] = []

    def received(number: int, _: object) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, received)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


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


def once(handler: str, body: bytes, settings: Settings) -> tuple[Run, bytes | None]:
    """Run one job; returns how it ended and its output as JSON."""
    from workerkit.bridge import Bridge
    from workerkit.hooks import Hooks
    from workerkit.job import WorkerInfo
    from workerkit.loading import load_plugins
    from workerkit.runner import Limits, Runner
    from workerkit.target import load_target

    function, bridge = chosen(load_target(handler).functions, handler), Bridge()
    try:
        hooks = Hooks(load_plugins(settings), bridge)
        limits = Limits(
            output=settings.limits.output, chunk=settings.limits.chunk, depth=settings.limits.depth
        )
        runner = Runner(function, hooks, bridge, limits=limits, tracebacks=settings.workers.tracebacks)
        id, input, fields = admitted(function.name, body, hooks, settings)
        job = runner.job(id=id, input=input, fields=fields, progress=show_progress)
        info = WorkerInfo(id=job.worker_id, endpoint=function.name)
        runner.hooks.worker_start(info)
        try:
            return followed(runner, job)
        finally:
            runner.hooks.worker_stop(info)
            say_what_was_left_out(hooks, job)
    finally:
        bridge.close()


def chosen(functions: Mapping[str, WorkerFunction[..., Any]], handler: str) -> WorkerFunction[..., Any]:
    """The one function of the target."""
    if len(functions) == 1:
        return next(iter(functions.values()))
    first = next(iter(functions))
    raise TargetError(
        f"{handler} holds several functions; name one, such as {handler}:{first}{suggest('', functions)}"
    )


def admitted(endpoint: str, body: bytes, hooks: Hooks, settings: Settings) -> tuple[str, bytes, Fields]:
    """A request body as a server admits it, seen by `accept`: the job's id, its input and its fields."""
    import msgspec

    from workerkit.host.intake import Intake
    from workerkit.host.sealing import Sealer

    sealer = Sealer([os.urandom(32)])
    admission = asyncio.run(Intake(hooks, sealer, settings).admit(endpoint, body, sync=False))
    for name in admission.ignored:
        tell(f"ignored: no plugin declares {name!r}")
    sent = admission.submission
    public = msgspec.json.decode(sent.fields or b"{}", type=dict[str, msgspec.Raw])
    fields = {name: bytes(value) for name, value in public.items()}
    fields |= {name: sealer.open(sent.id, name, sealed) for name, sealed in sent.sealed.items()}
    return sent.id, sent.input, fields


def followed(runner: Runner, job: Job) -> tuple[Run, bytes | None]:
    """Run the job and say how it went."""
    chunks: list[bytes] = []
    started = time.perf_counter()
    with interruptible():
        run = runner.run(job, lambda _, chunk: chunks.append(chunk))
    tell(f"{run.status.value} in {(time.perf_counter() - started) * 1000:.0f} ms")
    if run.refresh:
        tell(f"a worker would be replaced by a fresh process now: {run.refresh}")
    if run.error:
        tell(readable(run.error))
    return run, run.output if run.chunks is None else b"[" + b",".join(chunks) + b"]"


def readable(error: str) -> str:
    """An exception's traceback; other errors are text already."""
    try:
        told = json.loads(error)
    except ValueError:
        return error
    if not isinstance(told, dict):
        return error
    return str(
        told.get("error_traceback") or f"{told.get('error_type')}: {told.get('error_message')}"
    ).rstrip()


def say_what_was_left_out(hooks: Hooks, job: Job) -> None:
    """Deliveries need a queue, so `run` makes none."""
    for row in hooks.describe():
        for name in set(row.fields) & set(job.fields) if "deliver" in row.hooks else ():
            tell(f"the {name} was not sent; `workerkit serve` sends it when a job ends")


def show_progress(value: bytes) -> None:
    """What the handler says while it runs."""
    tell(f"progress: {value.decode()}")


def tell(sentence: str) -> None:
    """One line on stderr."""
    click.echo(sentence, err=True)
