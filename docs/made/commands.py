"""Every command and every option, as the program itself knows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from made.tables import block, code, table
from workerkit.cli import cli


def tree(command: click.Command = cli, parent: click.Context | None = None) -> Iterator[click.Context]:
    """A context for each command, groups before what is in them."""
    name = "workerkit" if parent is None else command.name
    context = click.Context(command, parent=parent, info_name=name)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from tree(found, context)


def every() -> str:
    """A heading, the usage, the help and a table of options for each command."""
    return "\n\n".join(map(_one, tree()))


def _one(context: click.Context) -> str:
    command, path = context.command, context.command_path
    level = "##" if path.count(" ") < 2 else "###"
    parts = [f"{level} `{path}` {{#{path.replace(' ', '-')}}}"]
    if not isinstance(command, click.Group):
        parts.append(block(f"{path} {' '.join(command.collect_usage_pieces(context))}"))
    parts.append(_prose(command.help or ""))
    if options := _options(context):
        parts.append(table(("option", "meaning"), options))
    return "\n\n".join(parts)


def _options(context: click.Context) -> list[tuple[str, str]]:
    """A row for each; `--help` is the same everywhere and is left out."""
    rows = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None and "--help" not in parameter.opts:
            flag, meaning = record
            rows.append((code(" ".join(flag.split())), _cell(meaning)))
    return rows


def _prose(text: str) -> str:
    """Help as click prints it: what follows a backspace mark keeps its lines."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith("\b"):
            paragraphs.append(block(paragraph.removeprefix("\b").strip("\n")))
        else:
            paragraphs.append(" ".join(paragraph.split()))
    return "\n\n".join(paragraphs)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("{", "&#123;").replace("<", "&lt;")
