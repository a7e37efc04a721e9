"""How lists are printed: a table for people, JSON lines for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

Row = Mapping[str, Any]
Columns = Mapping[str, Callable[[Row], str]]


def show(rows: Sequence[Row], columns: Columns, *, as_json: bool, nothing: str) -> None:
    """Print rows. Ids stay whole, so that they can be copied."""
    if as_json:
        for row in rows:
            click.echo(json.dumps(row))
    elif not rows:
        click.echo(nothing, err=True)
    else:
        _print(rows, columns)


def _print(rows: Sequence[Row], columns: Columns) -> None:
    """A table; a paragraph a row on a terminal that is too narrow for it. Into a pipe, a row is a line."""
    from rich.console import Console

    console, table = Console(), _table(rows, columns)
    needed = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    if console.is_terminal and needed > console.width:
        click.echo("\n".join(_paragraph(row, columns) for row in rows))
        return
    console.width = max(needed, console.width)
    console.print(table)


def _paragraph(row: Row, columns: Columns) -> str:
    (_, first), *others = columns.items()
    return f"{first(row)}\n    " + ", ".join(f"{heading} {cell(row)}" for heading, cell in others)


def _table(rows: Sequence[Row], columns: Columns) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in columns:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        # As text, so that brackets in a value are not taken for markup.
        table.add_row(*(Text(cell(row)) for cell in columns.values()))
    return table


def with_times(value: Any) -> Any:
    """An answer with its points in time, which are milliseconds, as text with this machine's offset."""
    if isinstance(value, list):
        return [with_times(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _time(inner) if name.endswith("_at") else with_times(inner) for name, inner in value.items()
    }


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat(timespec="milliseconds")


def age(milliseconds: int | None) -> str:
    """How long ago a time was, or how far ahead."""
    if milliseconds is None:
        return "-"
    seconds = time.time() - milliseconds / 1000
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(-seconds)}"


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
