"""How deliveries and their tries are printed for people."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from workerkit.cli.tables import Columns, age, show

Row = Mapping[str, Any]
#: Characters of a receiver's answer that are shown.
ANSWER_SHOWN = 200
#: The log's words for what came of a try, as people say it.
OUTCOMES = {"retry": "failed", "stop": "refused"}
TRIES: Columns = {
    "try": lambda row: str(row["number"]),
    "when": lambda row: _clock(row["at"], "%Y-%m-%d %H:%M:%S"),
    "took": lambda row: _took(row["took"]),
    "outcome": lambda row: OUTCOMES.get(row["outcome"]) or row["outcome"],
    "status": lambda row: str(row["status"] or "-"),
    "address": lambda row: safe(row["address"]) or "-",
    "why": lambda row: safe(row["detail"]) or "-",
}


def paragraph(row: Row) -> str:
    """A delivery in some lines: its id, where it comes from, how it stands, why."""
    lines = [row["id"], f"    of job {row['job']}, {age(row['created_at'])}"]
    lines.append(f"    {row['plugin']} to {safe(row['target'])}: {_standing(row)}")
    if row["detail"]:
        lines.append(f"    {safe(row['detail'])}")
    return "\n".join(lines)


def card(found: Mapping[str, Any]) -> None:
    """Print all that is known of a delivery but its body."""
    row, tries = found["delivery"], found["attempts"]
    click.echo(row["id"])
    facts = {
        "state": _standing(row),
        "job": f"{row['job']} of {row['endpoint']}",
        "plugin": row["plugin"],
        "target": safe(row["target"]),
        "stored": f"{_clock(row['created_at'], '%Y-%m-%d %H:%M:%S')}, {age(row['created_at'])}",
        "why": safe(row["detail"]),
        "body": f"{len(found['body'].encode()):,} bytes; --body prints them",
    }
    for name, fact in facts.items():
        if fact:
            click.echo(f"    {name:<8}{fact}")
    click.echo()
    show(tries, TRIES, as_json=False, nothing="nothing was sent yet")
    for one in tries:
        if one["answer"]:
            click.echo(f"answer to try {one['number']}: {_cut(safe(one['answer']))}")


def line(row: Row) -> str:
    """One try, as it was made."""
    place = f" by {safe(row['address'])}" if row["address"] else ""
    said = f": {safe(row['detail'])}" if row["detail"] else ""
    return (
        f"{_clock(row['at'], '%H:%M:%S')} {row['id']} {row['plugin']} to {safe(row['target'])}{place}, "
        f"try {row['number']} of {row['attempts']}, {_took(row['took'])}: {row['state']}{said}"
    )


def safe(text: str) -> str:
    """Text of a stranger without what a terminal would obey."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _standing(row: Row) -> str:
    said = f"{row['state']} after {row['number']} of {row['attempts']} tries"
    if row["next_at"] is not None:
        due = row["next_at"] <= time.time() * 1000
        said += ", the next one due now" if due else f", the next one {age(row['next_at'])}"
    return said


def _cut(text: str) -> str:
    return text if len(text) <= ANSWER_SHOWN else f"{text[:ANSWER_SHOWN]}…"


def _clock(milliseconds: int, form: str) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(form)


def _took(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"
