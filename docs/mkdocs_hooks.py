"""Called by mkdocs for each page: fills in what the page takes from the code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from made import filled


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page as mkdocs will render it."""
    return filled(markdown)
