"""The command `workerkit`: arguments in, sentences out. Each command is a module of this package."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click
from click.exceptions import NoArgsIsHelpError

from workerkit.errors import WorkerkitError, suggest

#: Command -> its line in the list. The modules are imported when they are needed.
COMMANDS = {
    "serve": "Serve the functions of HANDLER: job API, queue and workers.",
    "reload": "Have the running server read its code and settings again.",
    "run": "Run one job of HANDLER in this process and print its output.",
    "jobs": "List, show, cancel and retry jobs, and read what they print.",
    "deliveries": "List, show, repeat or watch what plugins send when jobs end, such as webhooks.",
    "webhook": "Make secrets that webhooks are signed with.",
    "plugins": "Show the active plugins, their order, hooks and settings.",
    "plugin": "Check a plugin against everything the toolkit promises and expects.",
    "new": "Make a plugin or a handler as a distribution that installs, with tests that pass.",
    "key": "Make API keys.",
    "secret-key": "Make a key that secrets of requests are encrypted with.",
}
WINDOWS = "workerkit needs Linux or macOS; on Windows, run it inside WSL (https://aka.ms/wsl)"


class Suggesting(click.Group):
    """A group whose error for an unknown command names the nearest one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with."""
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{suggest(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)


class Commands(Suggesting):
    """The top level: a command's module is imported only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of that name."""
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"workerkit.cli.{name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="workerkit", message="%(package)s %(version)s")
def cli() -> None:
    """Decorate one function; serve it as a worker with a durable queue, a job API and plugins."""


def invoke(arguments: Sequence[str], platform: str = sys.platform) -> int:
    """One command line. Returns the exit code: 0, 1 for a failure, 2 for wrong usage, 3 for no workers."""
    if platform == "win32":
        return complain(WINDOWS, 1)
    try:
        code = cli.main(list(arguments), prog_name="workerkit", standalone_mode=False)
    except NoArgsIsHelpError as help_:
        click.echo(help_.format_message())
        return 0
    except click.UsageError as error:
        return complain(usage(error), 2)
    except WorkerkitError as error:
        return complain(str(error), error.exit_code)
    except click.ClickException as error:
        return complain(str(error), 1)
    except (KeyboardInterrupt, click.Abort):
        return 130
    return code if isinstance(code, int) else 0


def usage(error: click.UsageError) -> str:
    """The error's sentence and where to read more."""
    command = error.ctx.command_path if error.ctx else "workerkit"
    return f"{error.format_message().rstrip('.')}; see `{command} --help`"


def complain(sentence: str, code: int) -> int:
    """Print one sentence on stderr."""
    click.echo(f"workerkit: {sentence}", err=True)
    return code


def main() -> None:
    """Entry point of the command."""
    # A plugin or a handler named by module may be in the working directory; it comes last, so that a
    # file there shadows nothing.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    sys.exit(invoke(sys.argv[1:]))
