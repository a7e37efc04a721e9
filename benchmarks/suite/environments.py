"""What the suite needs of the machine, and a virtual environment for each peer."""

from __future__ import annotations

import glob
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

PEERS = Path(__file__).parent.parent / "peers"
KEPT = Path(__file__).parent.parent.parent / ".bench"

# By the program that is looked for, the Debian package that brings it.
PACKAGES = {"postgres": "postgresql", "redis-server": "redis-server", "wrk": "wrk"}


class Missing(Exception):
    """The machine lacks something; the message says how to get it."""


def program(name: str) -> str:
    """The path of a program; Debian keeps PostgreSQL's apart from the search path."""
    apart = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    found = shutil.which(name) or (apart[-1] if apart else None)
    if not found:
        raise Missing(f"'{name}' is not installed")
    return found


def require(programs: Iterable[str]) -> None:
    """Raise `Missing` with one sentence that names all that is to be installed."""
    missing = []
    for name in sorted(programs):
        try:
            program(name)
        except Missing:
            missing.append(PACKAGES[name])
    if missing:
        names = " ".join(missing)
        raise Missing(f"the benchmarks need {', '.join(missing)}; on Debian and Ubuntu: apt install {names}")


def make(name: str) -> Path:
    """The folder of the programs of an environment that has what `peers/NAME.txt` pins; made once."""
    requirements = PEERS / f"{name}.txt"
    folder = KEPT / "environments" / name
    stamp, wanted = folder / "made-from", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"making an environment for {name} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        # Our own pip, at work in the other environment.
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", f"{folder}/bin/python"]
        if subprocess.run([*pip, "install", "-qq", "--requirement", str(requirements)]).returncode:
            raise Missing(f"what {requirements} pins cannot be installed; pip says why above")
        stamp.write_text(wanted)
    return folder / "bin"


def version(name: str) -> str:
    """That of the peer by whose name the environment goes."""
    [packages] = make(name).parent.glob("lib/python*/site-packages")
    [found] = metadata.distributions(name=name, path=[str(packages)])
    return found.version
