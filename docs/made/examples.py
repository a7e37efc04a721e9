"""The files under docs/examples, which tests run, and what commands print beside them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from made.tables import block

FOLDER = Path(__file__).parents[1] / "examples"
LANGUAGES = {".py": "python", ".toml": "toml"}


def shown(name: str, saved_as: str = "") -> str:
    """An example, and the name that a reader saves it under: its own, unless another is given."""
    path = FOLDER / name
    text = path.read_text(encoding="utf-8").rstrip("\n")
    return block(text, f'{LANGUAGES[path.suffix]} title="{saved_as or name}"')


def printed(*command: str) -> str:
    """A command of workerkit's as one types it, and what it prints in the folder of the examples."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WORKERKIT_")}
    done = subprocess.run(  # noqa: S603 - commands that our own pages name
        [sys.executable, "-m", *command], cwd=FOLDER, env=environ, capture_output=True, text=True, check=True
    )
    output = done.stdout.replace(f"{FOLDER}{os.sep}", "").rstrip()
    return "\n\n".join([block(shlex.join(command), "bash"), block(output)])
