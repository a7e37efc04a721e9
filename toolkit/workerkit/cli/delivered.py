"""How deliveries and their tries are printed for people."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
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


def paragraph(row: Row, resting: Sequence[Row] = ()) -> str:
    """A delivery in some lines: its id, where it comes from, how it stands, why."""
    from workerkit.host.filters import lane_of

    until = next((one["until"] for one in resting if one["host"] == lane_of(row["target"])), None)
    lines = [row["id"], f"    of job {row['job']}, {age(row['created_at'])}"]
    lines.append(f"    {row['plugin']} to {safe(row['target'])}: {_standing(row, until)}")
    if row["detail"]:
        lines.append(f"    {safe(row['detail'])}")
    return "\n".join(lines)


def card(found: Mapping[str, Any]) -> None:
    """Print all that is known of a delivery but its body."""
    row, tries = found["delivery"], found["attempts"]
    click.echo(row["id"])
    facts = {
        "state": _standing(row, found.get("resting_until")),
        "job": f"{row['job']} of {row['endpoint']}",
        "plugin": row["plugin"],
        "target": safe(row["target"]),
        "stored": f"{_clock(row['created_at'], '%Y-%m-%d %H:%M:%S')}, {age(row['created_at'])}",
        "why": safe(row["detail"]),
        "body": f"{len(body_of(found)):,} bytes; --body prints them",
    }
    for name, fact in facts.items():
        if fact:
            click.echo(f"    {name:<8}{fact}")
    click.echo()
    show(tries, TRIES, as_json=False, nothing="nothing was sent yet")
    for one in tries:
        if one["answer"]:
            click.echo(f"answer to try {one['number']}: {_cut(safe(one['answer']))}")


def body_of(found: Mapping[str, Any]) -> bytes:
    """What a delivery carries, byte for byte."""
    text = found["body"]
    return base64.b64decode(found["body_base64"]) if text is None else str(text).encode()


def rest(host: str, until: int) -> str:
    """That nothing is sent to a receiver for now."""
    return (
        f"nothing is sent to {safe(host)} until {_clock(until, '%H:%M:%S')}, because it has failed too often"
    )


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


def _standing(row: Row, resting_until: int | None = None) -> str:
    """How it stands; what is being sent has no next try yet, and one that is due waits for its receiver."""
    said = f"{row['state']} after {row['number']} of {row['attempts']} tries"
    if row["state"] == "sending":
        return f"sending, try {row['number']} of {row['attempts']}"
    if row["state"] != "pending" or row["next_at"] is None:
        return said
    if resting_until is not None and resting_until > max(row["next_at"], time.time() * 1000):
        return f"{said}, the next one {age(resting_until)}, when its receiver has rested"
    due = row["next_at"] <= time.time() * 1000
    return said + (", the next one due now" if due else f", the next one {age(row['next_at'])}")


def _cut(text: str) -> str:
    return text if len(text) <= ANSWER_SHOWN else f"{text[:ANSWER_SHOWN]}…"


def _clock(milliseconds: int, form: str) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().strftime(form)


def _took(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"
