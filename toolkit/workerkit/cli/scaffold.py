"""A folder from templates: written whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from string import Template

from workerkit.errors import WorkerkitError

TEMPLATES = Path(__file__).with_name("templates")
#: Keeps templates from being taken for code, and that of `.gitignore` from being obeyed.
SUFFIX = ".template"


def write(folder: Path, layers: Sequence[str], words: Mapping[str, str]) -> None:
    """Make `folder` from the templates of `layers`; each `$word` in paths and texts is filled in.

    Raises `WorkerkitError` when something is there already, or the folder cannot be written.
    """
    check_free(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".workerkit-new-", dir=folder.parent) as workshop:
            # A folder inside: the temporary one itself is closed to everyone else.
            made = Path(workshop, folder.name)
            for layer in layers:
                for path, text in _rendered(TEMPLATES / layer, words):
                    (made / path).parent.mkdir(parents=True, exist_ok=True)
                    (made / path).write_text(text, encoding="utf-8")
            os.rename(made, folder)
    except OSError as error:
        raise WorkerkitError(
            f"{folder} cannot be written: {error.strerror}; give --into FOLDER for another place"
        ) from error


def check_free(folder: Path) -> None:
    """Raise `WorkerkitError` when something is at `folder` already, unless it is an empty folder."""
    if folder.is_symlink() or (folder.exists() and not _empty(folder)):
        raise WorkerkitError(f"{folder} is there already; move it away, or give --into FOLDER")


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _rendered(layer: Path, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for source in layer.rglob(f"*{SUFFIX}"):
        path = source.relative_to(layer).as_posix().removesuffix(SUFFIX)
        text = source.read_text(encoding="utf-8")
        yield Template(path).substitute(words), Template(text).substitute(words)
