"""`workerkit webhook`: the secrets that webhooks are signed with."""

from __future__ import annotations

import click

from workerkit.cli import Suggesting

#: What a person does with a secret. The variable must not be one that the toolkit takes for a setting.
PASTE = """\
That is a new secret; it is not shown again. Put it where the server and your receiver find it:

    export WEBHOOK_SECRET=…

and into workerkit.toml, then restart the server:

    [plugin.webhook]
    secrets = ["env:WEBHOOK_SECRET"]
"""


@click.group("webhook", cls=Suggesting)
def command() -> None:
    """Make secrets that webhooks are signed with."""


@command.command("secret")
def secret() -> None:
    """Print a new secret for signing, and on stderr what to do with it."""
    from workerkit.signing import new_secret

    click.echo(new_secret())
    click.echo(f"\n{PASTE}", err=True, nl=False)
