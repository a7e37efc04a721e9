"""All plugins at a glance: a table of the active ones, who is called when, and who is left out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs
import click

from workerkit.building import plain
from workerkit.hookspecs import HOOKS_VERSION

if TYPE_CHECKING:
    from workerkit.hooks import Hooks, LoadedPlugin
    from workerkit.loading import Survey
    from workerkit.settings import Settings

Told = Mapping[str, Any]


def overview(found: Survey, hooks: Hooks, settings: Settings) -> dict[str, Any]:
    """Everything, as JSON has it. Secrets are masked."""
    return {
        "plugins": [_row(loaded) for loaded in hooks.plugins],
        "hooks": {hook: list(names) for hook, names in hooks.order().items()},
        "left_out": [attrs.asdict(one) for one in found.left_out],
        "broken": [attrs.asdict(one) for one in found.broken],
        "retired": list(hooks.retired),
        "unread": unread(found, settings),
        "settings": {"file": settings.source or None, "profile": settings.profile or None},
        "hooks_version": HOOKS_VERSION,
    }


def _row(loaded: LoadedPlugin) -> dict[str, Any]:
    return {
        "name": loaded.name,
        "dist": loaded.dist,
        "ref": loaded.ref,
        "via": loaded.via,
        "hooks": list(loaded.hooks),
        "wraps": list(loaded.wraps),
        "fields": list(loaded.fields),
        "settings": plain(loaded.settings),
    }


def unread(found: Survey, settings: Settings) -> dict[str, str]:
    """Sections of plugins that are left out, each with the source that gave it."""
    read = {*(loaded.name for loaded in found.plugins), *(one.name for one in found.broken)}
    return {
        name: settings.where(f"plugin.{name}") or settings.source
        for name in settings.plugin
        if name not in read
    }


def text(told: Told, width: int | None) -> str:
    """The same, for people. `width` is that of the terminal; into a pipe, a reason is one line."""
    parts = [_table(told["plugins"]) if told["plugins"] else "No plugin is active."]
    if told["plugins"]:
        parts.append("\n".join(_calls(told)))
    sections = {
        "Broken": dict.fromkeys(one["why"] for one in told["broken"]),
        "Left out": list(_left_out(told)),
        "Will go": told["retired"],
    }
    for heading, lines in sections.items():
        if lines:
            parts.append("\n".join((heading, *(_wrapped(line, width) for line in lines))))
    profile, file = told["settings"]["profile"], told["settings"]["file"]
    sources = " and ".join(filter(None, (profile and f"profile {profile}", file))) or "defaults"
    parts.append(f"Settings: {sources}. Who gave each: workerkit plugins --explain NAME")
    return "\n\n".join(parts)


def _table(rows: list[Told]) -> str:
    """The active plugins. It is as wide as it must be, but on a terminal no wider than that."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in ("", "plugin", "from", "hooks", "fields", "settings"):
        table.add_column(heading, overflow="fold")
    for number, row in enumerate(rows, 1):
        cells = [str(number), row["name"], "\n".join(_from(row)), "\n".join(row["hooks"])]
        settings = (f"{name} = {written(value)}" for name, value in row["settings"].items())
        cells += ["\n".join(row["fields"]), "\n".join(settings)]
        # As text, so that brackets in a value are not taken for markup.
        table.add_row(*map(Text, cells))
    console = Console()
    if not console.is_terminal:
        needed = console.measure(table, options=console.options.update(max_width=10_000)).maximum
        console.width = max(console.width, needed)
    with console.capture() as printed:
        console.print(table)
    return "\n".join(line.rstrip() for line in printed.get().splitlines())


def _from(row: Told) -> Iterator[str]:
    """Where a plugin comes from, and how it came when not by being installed."""
    yield row["dist"] or row["ref"]
    if row["via"] != "installed":
        yield f"by {row['via']}"


def _calls(told: Told) -> Iterator[str]:
    """Who is called by each hook, in order."""
    wraps = {row["name"]: row["wraps"] for row in told["plugins"]}
    yield "Order of calls"
    for hook, names in told["hooks"].items():
        if names:
            called = (f"{name} (wrapper)" if hook in wraps[name] else name for name in names)
            yield f"  {hook:12}  {', '.join(called)}"


def _left_out(told: Told) -> Iterator[str]:
    """Who is not active, and why."""
    for one in told["left_out"]:
        yield f"{one['name']} of {one['dist'] or one['ref']}: {one['why']}"
    for name, source in told["unread"].items():
        yield unread_line(name, source)


def _wrapped(told: str, width: int | None) -> str:
    line = " ".join(told.split())  # an exception's text may have several
    return click.wrap_text(line, width, "  ", "      ") if width else f"  {line}"


def unread_line(name: str, source: str) -> str:
    """That a section has no effect."""
    return f"{source and f'{source}: '}[plugin.{name}] is not read, because {name} is not active"


def written(value: Any) -> str:
    """A value as a settings file has it, as far as one line can show that."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False, default=str)
