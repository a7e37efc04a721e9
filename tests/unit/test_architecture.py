from __future__ import annotations

import re
from pathlib import Path

from workerkit.states import MOVES, Status

ROOT = Path(__file__).parents[2]
DIAGRAM = (
    (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").partition("```mermaid")[2].partition("```")[0]
)


def test_the_diagram_of_states_shows_exactly_the_moves_of_the_code() -> None:
    drawn = set(re.findall(r"^ +([A-Z_]+) --> ([A-Z_]+)\b", DIAGRAM, re.MULTILINE))

    assert drawn == {(old.value, new.value) for old, moves in MOVES.items() for new in moves}


def test_the_diagram_ends_where_no_move_leads_on() -> None:
    final = set(re.findall(r"^ +([A-Z_]+) --> \[\*\]", DIAGRAM, re.MULTILINE))

    assert final == {status.value for status in Status if not MOVES[status]}


def test_every_file_of_the_reading_order_exists() -> None:
    rows = re.findall(
        r"^\| \d+ \| (.+?) \|", (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]

    for name in names:
        assert (ROOT / name).exists() or (ROOT / "toolkit" / "workerkit" / name).exists(), name
