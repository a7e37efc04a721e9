"""`workerkit new`: a plugin or a handler as a distribution of its own."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from workerkit import __version__
from workerkit.cli import Suggesting
from workerkit.cli.naming import Names, handler_names, plugin_names
from workerkit.cli.parameters import Answer, OneOf
from workerkit.cli.scaffold import check_free, write

F = TypeVar("F", bound=Callable[..., Any])


@attrs.frozen
class Kind:
    """A kind of plugin: what one does, settings to show, what it imports besides workerkit."""

    does: str
    settings: str
    needs: tuple[str, ...] = ("attrs>=24.2",)
    #: What makes it act in `workerkit plugin check`.
    acts_on: str = ""
    #: The built-in plugin that one of this kind may take the place of.
    place: str = ""


#: The first is made when nobody says which.
KINDS: Mapping[str, Kind] = {
    "notify": Kind(
        "tells a URL how each job ended",
        'url = "https://chat.example.com/hook"\ntoken = "env:CHAT_TOKEN"',
        ("attrs>=24.2", "urllib3>=2.2"),
        acts_on="url={receiver}",
        place="webhook",
    ),
    "provide": Kind(
        "provides handlers with a client for a service",
        'url = "https://api.example.com"\ntoken = "env:API_TOKEN"',
        ("attrs>=24.2", "urllib3>=2.2"),
    ),
    "output": Kind("takes private parts out of outputs", 'hide = ["password", "debug"]'),
}
#: In the README of a plugin that another's place suits.
SWAP = """\
To put it in the place of another plugin, such as the {place}, whose name and section it then has:

```toml
[plugins]
use = {{ {place} = "{name}" }}
```

"""
DEFAULT = next(iter(KINDS))
LISTED = [f"{kind:8}  it {made.does}" for kind, made in KINDS.items()]


@click.group("new", cls=Suggesting)
def command() -> None:
    """Make a plugin or a handler as a distribution that installs, with tests that pass."""


def where_and_who(function: F) -> F:
    """Add `--into` and `--author`."""
    function = click.option("--author", metavar="NAME", help="For LICENSE; else git's user.name.")(function)
    return click.option(
        "--into", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".", metavar="FOLDER",
        help="Where to make the new folder, instead of here.",
    )(function)  # fmt: skip


@command.command("plugin", epilog="\n".join(["\b", *LISTED]))
@click.argument("name")
@click.option("--kind", type=OneOf(list(KINDS)), help=f"What it does; {DEFAULT} unless given.")
@where_and_who
def plugin(name: str, kind: str | None, into: Path, author: str | None) -> None:
    """Make a plugin called NAME in the folder workerkit-NAME."""
    names = plugin_names(name)
    folder = into / names.distribution
    check_free(folder)  # before anything is asked
    chosen = kind or asked()
    made = KINDS[chosen]
    about = f"A workerkit plugin that {made.does}."
    check = f"workerkit plugin check {names.name}"
    if made.acts_on:
        check += f" --set '{names.name}.{made.acts_on}'"
    words = {
        **common(names, about, author),
        "group": "workerkit",
        "needs": needed(*made.needs),
        "settings": made.settings,
        "variable": f"WORKERKIT_{names.name}__{made.settings.partition(' ')[0]}".upper(),
        "check": check,
        "swap": SWAP.format(place=made.place, name=names.name) if made.place else "",
    }
    write(folder, ("common", "plugin", chosen), words)
    say_how_to_go_on(folder, names, about, ("workerkit plugins", check))


@command.command("handler")
@click.argument("name")
@where_and_who
def handler(name: str, into: Path, author: str | None) -> None:
    """Make a function called NAME, served once it is installed, in the folder workerkit-handler-NAME."""
    names = handler_names(name)
    folder = into / names.distribution
    about = f"A worker function, served by workerkit as {names.name}."
    words = {**common(names, about, author), "group": '"workerkit.functions"', "needs": needed()}
    write(folder, ("common", "handler"), words)
    commands = (f"workerkit run --installed {names.name}", f"workerkit serve --installed {names.name}")
    say_how_to_go_on(folder, names, about, commands)


def asked() -> str:
    """The kind: asked for where a person can answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return DEFAULT
    numbered = "\n".join(f"{number}  {line}" for number, line in enumerate(LISTED, 1))
    click.echo(f"What shall the plugin do?\n\n{numbered}\n")
    answer: str = click.prompt("Kind", type=Answer(list(KINDS)), default=DEFAULT)
    click.echo()
    return answer


def common(names: Names, about: str, author: str | None) -> dict[str, str]:
    """The words of every template."""
    holder = (author or git_author()).strip() or f"The authors of {names.distribution}"
    if not holder.isprintable():
        raise click.UsageError(f"--author {holder!r}: write it in one line of printable characters")
    return {
        **attrs.asdict(names),
        "about": about,
        "author": holder,
        "quoted_author": json.dumps(holder, ensure_ascii=False),
        "year": str(time.localtime().tm_year),
    }


def git_author() -> str:
    """What git calls the user; empty without git or a name."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "config", "user.name"]
    done = subprocess.run(asked, stdout=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)  # noqa: S603 - nothing of it is given
    return done.stdout


def needed(*others: str) -> str:
    """The requirements as they stand in pyproject.toml."""
    ours = f"workerkit>={'.'.join(__version__.split('.')[:2])}"
    return ", ".join(f'"{requirement}"' for requirement in (*others, ours))


def say_how_to_go_on(folder: Path, names: Names, about: str, commands: tuple[str, ...]) -> None:
    """Print what was made, and commands that can be pasted."""
    beside = Path(sys.executable).parent
    python = "python" if _in_path("python", beside) else shlex.quote(sys.executable)
    prefix = "" if _in_path("workerkit", beside) else f"{python} -m "
    lines = [
        f"cd {shlex.quote(str(folder))}",
        f"{python} -m pip install -e '.[test]'",
        f"{python} -m pytest",
        *(prefix + line for line in commands),
    ]
    click.echo(f"Made {folder}: {about[0].lower()}{about[1:]}")
    click.echo(f"Its code is in src/{names.module}/__init__.py. Go on with:\n")
    for line in lines:
        click.echo(f"    {line}")


def _in_path(program: str, folder: Path) -> bool:
    found = shutil.which(program)
    return found is not None and Path(found).parent == folder
