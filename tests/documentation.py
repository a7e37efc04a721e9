"""The documentation as a reader has it: pages with what they take from the code and from files."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+?)(?: \{#([\w.-]+)\})?$", re.MULTILINE)


@attrs.frozen
class Block:
    """A block of code; `title` is the file that it is, when it is one."""

    page: str
    language: str
    title: str
    text: str


def pages() -> dict[str, str]:
    """Every page of the site by its path, as Markdown that is complete."""
    if str(DOCS) not in sys.path:
        sys.path.append(str(DOCS))
    from made import filled

    texts = {
        path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")
    }
    return {name: filled(text) for name, text in sorted(texts.items())}


def blocks(page: str, text: str) -> list[Block]:
    """The blocks of code of a page, in order."""
    return [Block(page, *found) for found in FENCE.findall(text)]


def section(text: str, anchor: str) -> str:
    """What stands under the heading with that anchor, up to the next one of its level or above."""
    level, fenced, kept = 0, False, []
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        depth = 0 if fenced else len(line) - len(line.lstrip("#"))
        if depth and level and depth <= level:
            break
        if depth and line.endswith(f"{{#{anchor}}}"):
            level = depth
        if level:
            kept.append(line)
    assert kept, f"no heading has the anchor {anchor}"
    return "\n".join(kept)


def anchors(text: str) -> Iterator[str]:
    """What a link into a page may name."""
    for title, anchor in HEADING.findall(FENCE.sub("", text)):
        yield anchor or re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())
