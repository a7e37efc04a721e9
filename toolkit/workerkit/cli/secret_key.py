"""`workerkit secret-key`: the key that secret fields of requests are encrypted with."""

from __future__ import annotations

import click

WHAT_NEXT = """
That is a new key; it is not shown again. Set it where the server starts, from where you keep secrets, and
restart the server:

    export WORKERKIT_SECRET_KEY=…

To replace a key, put the new one before it, and leave the old one until the jobs are over that it encrypted:

    export WORKERKIT_SECRET_KEY=NEW,OLD
"""


@click.command("secret-key")
def command() -> None:
    """Print a new key for WORKERKIT_SECRET_KEY, and on stderr what to do with it.

    Secrets in requests, such as those of s3Config, are encrypted with it while their jobs wait and run.
    Without it, a queue in a file has a key of its own beside that file.
    """
    from workerkit.host.sealing import new_key

    click.echo(new_key())
    click.echo(WHAT_NEXT, err=True, nl=False)
