"""The files under docs/examples, which tests run, and what commands print beside them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from made.tables import block

DOCS = Path(__file__).parents[1]
FOLDER = DOCS / "examples"
#: Before the name of each file in that folder.
PREFIX = f"{FOLDER}{os.sep}"
LANGUAGES = {".py": "python", ".toml": "toml"}


def shown(name: str, saved_as: str = "") -> str:
    """An example, and the name that a reader saves it under: its own, unless another is given."""
    path = FOLDER / name
    text = path.read_text(encoding="utf-8").rstrip("\n")
    return block(text, f'{LANGUAGES[path.suffix]} title="{saved_as or name}"')


def printed(program: str, *arguments: str) -> str:
    """A command of workerkit's as one types it, and what it prints in the folder of the examples.

    Only workerkit is there, and no variable of whoever builds the page.
    """
    done = subprocess.run(  # noqa: S603 - commands that our own pages name
        [sys.executable, "-m", "made.alone", *arguments],
        cwd=FOLDER,
        env={
            "PYTHONPATH": os.pathsep.join([str(DOCS), os.environ.get("PYTHONPATH", "")]),
            "PYTHONUTF8": "1",
            "COLUMNS": "80",
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return "\n\n".join(
        [block(shlex.join([program, *arguments]), "bash"), block(_short(done.stdout.rstrip()))]
    )


def _short(text: str) -> str:
    """The text without the folder's name; what stands in columns beside it moves up to it."""
    lines: list[str] = []
    for _, found in groupby(text.splitlines(), lambda line: len(line) - len(line.lstrip())):
        group = list(found)
        named = any(PREFIX in line for line in group)
        group = [line.replace(PREFIX, "") for line in group]
        lines += _in_columns(group) if named else group
    return "\n".join(lines)


def _in_columns(lines: list[str]) -> list[str]:
    pairs = [re.fullmatch(r"( *.*?)(?: {2,}(\S.*))?", line).groups("") for line in lines]
    width = max(len(first) for first, _ in pairs)
    return [f"{first:{width}}  {rest}".rstrip() for first, rest in pairs]
