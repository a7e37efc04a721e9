"""What files that come by a URL are called: here, and in what is said of them."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from urllib.parse import unquote

#: Characters of a name before its suffix, and of the suffix.
STEM, SUFFIX = 100, 20
#: Characters of a URL that are shown, and of what is none.
SHOWN, FEW = 200, 60
_UNFIT = re.compile(r"[^\w.+() -]", re.ASCII)
_USER = re.compile(r"^([a-z][a-z0-9+.-]*:)?([/\\]*)[^/\\]*@", re.IGNORECASE)


class Names:
    """Gives every file of a job a place of its own in a folder. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        #: The next number of each name, whose files may be thousands.
        self._numbers: dict[Path, int] = {}
        self._lock = threading.Lock()

    def place(self, name: str) -> Path:
        """A path that nobody else has, called as nearly like `name` as can be."""
        clean = Path(_UNFIT.sub("_", name).strip(" .") or "file")
        stem, suffix = clean.stem[:STEM], clean.suffix[:SUFFIX]
        with self._lock:
            path = first = self._folder / f"{stem}{suffix}"
            while path in self._numbers or path.exists():
                number = self._numbers.setdefault(first, 1)
                path = self._folder / f"{stem}-{number}{suffix}"
                self._numbers[first] = number + 1
            self._numbers[path] = 1
        return path


def name_in(path: str) -> str:
    """What the last part of a URL's path calls a file."""
    return unquote(path.rstrip("/").rpartition("/")[2], errors="replace")


def shown(url: str) -> str:
    """A URL as it may be told and logged: without its query, which may open a door, its user, and data."""
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in url[: SHOWN * 2])
    if text[:5].lower() == "data:":
        return f"{text.partition(',')[0][:FEW]},…"
    plain, mark = re.match(r"([^?#]*)([?#]?)", text).groups()  # type: ignore[union-attr]  # it always matches
    plain = _USER.sub(r"\1\2", plain)
    most = SHOWN if ":" in plain else FEW
    return f"{plain[:most]}{'…' if len(plain) > most else ''}{mark and f'{mark}…'}"
