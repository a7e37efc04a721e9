"""`workerkit reload`: have the running server read its code and settings again."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import click

from workerkit.cli.options import queue_option, settings_of, settings_options


@click.command("reload")
@queue_option
@settings_options
def command(queue: str | None, config: str | None, assignments: Sequence[str]) -> None:
    """Have the server of this queue read its code and its settings again.

    The new code serves once it has been imported; jobs that run end by the old one. When the code or
    a setting is wrong, everything stays as it was. The server's log says what came of it. It is the
    same as sending the server SIGHUP.
    """
    from workerkit.errors import QueueError
    from workerkit.opening import process_of

    pid = process_of(settings_of(config, assignments, queue__url=queue).queue)
    try:
        os.kill(pid, signal.SIGHUP)
    except PermissionError:
        raise QueueError(
            f"process {pid}, which serves the queue, is another user's; run this as that user"
        ) from None
    except ProcessLookupError:
        raise QueueError(f"process {pid}, which served the queue, has just gone") from None
    click.echo(f"process {pid} reads its code and settings again; its log says what comes of it")
