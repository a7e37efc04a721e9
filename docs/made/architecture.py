"""ARCHITECTURE.md as a page of the site: the same text, its diagram of states as a table."""

from __future__ import annotations

import re
from pathlib import Path

from made.tables import code, table

FILE = Path(__file__).parents[2] / "ARCHITECTURE.md"
DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOVE = re.compile(r"^ +(\S+) --> (\S+)(?: : (.+))?$", re.MULTILINE)
OUTSIDE = "[*]"


def page() -> str:
    """The file without its title. A drawn diagram would need a script from elsewhere."""
    text = FILE.read_text(encoding="utf-8").partition("\n")[2]
    return DIAGRAM.sub(lambda found: _table(found[1]), text)


def _table(diagram: str) -> str:
    rows = [(_state(old, "outside"), _state(new, "no more"), why) for old, new, why in MOVE.findall(diagram)]
    return table(("from", "to", "by"), rows)


def _state(name: str, outside: str) -> str:
    return outside if name == OUTSIDE else code(name)
