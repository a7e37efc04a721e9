"""`workerkit key`: make API keys. The server stores only their hashes."""

from __future__ import annotations

import hashlib
import re
import secrets

import click

from workerkit.cli import Suggesting
from workerkit.cli.parameters import OneOf

ROLES = {
    "client": "submit jobs and follow them",
    "worker": "take jobs over the worker API",
    "operator": "everything, lists and deliveries too",
}


@click.group("key", cls=Suggesting)
def command() -> None:
    """Make API keys."""


@command.command("new")
@click.argument("name")
@click.option("--role", type=OneOf(list(ROLES)), default="client", show_default=True)
@click.option("--endpoint", "endpoints", multiple=True, help="Good for this function only; repeatable.")
def new(name: str, role: str, endpoints: tuple[str, ...]) -> None:
    """Make a key called NAME and print it once, with its settings."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise click.UsageError(f"{name!r} cannot name a key; use letters, digits, '-' and '_'")
    key = secrets.token_urlsafe(32)
    click.echo(f"{key}\n")
    click.echo(f"That is the key of {name!r} ({ROLES[role]}); it is not shown again.", err=True)
    click.echo("Paste this into workerkit.toml and restart the server:\n", err=True)
    click.echo(section(name, key, role, endpoints))


def section(name: str, key: str, role: str, endpoints: tuple[str, ...]) -> str:
    """The settings that admit a key."""
    lines = [f"[server.keys.{name}]", f'sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"']
    lines.append(f'role = "{role}"')
    if endpoints:
        lines.append(f"endpoints = [{', '.join(repr(name).replace(chr(39), chr(34)) for name in endpoints)}]")
    return "\n".join(lines)
