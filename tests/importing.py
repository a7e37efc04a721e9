"""What a fresh interpreter imports, and who has asked for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

#: Of each module, those whose code was at work when it was asked for, the nearest first.
Imported = Mapping[str, list[str]]
#: Of these, so many are told.
SHOWN = 4
OURS = ("workerkit", "workerkit_plugins")
#: Of the standard library, what takes a millisecond or more with all that it brings along.
# fmt: off
HEAVY = frozenset(
    {
        "argparse", "asyncio", "bz2", "concurrent.futures.process", "configparser", "csv", "ctypes",
        "dataclasses", "difflib", "doctest", "email.message", "email.parser", "hashlib", "html",
        "http.client", "http.cookies", "http.server", "importlib.metadata", "json", "logging",
        "logging.config", "logging.handlers", "lzma", "multiprocessing", "optparse", "pdb", "pickle",
        "pydoc", "queue", "random", "secrets", "shutil", "socket", "sqlite3", "ssl", "subprocess",
        "tarfile", "tempfile", "unittest", "urllib.request", "uuid", "wsgiref", "xml.etree.ElementTree",
        "zipfile"
    }
)
# fmt: on
# It needs nothing that a bare interpreter has not, or it would hide who else does.
PROGRAM = """
import atexit, os, sys

class Noting:
    asked = {}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        around, frame = [], sys._getframe(1)
        while frame is not None:
            module = frame.f_globals.get("__name__")
            machinery = frame.f_code.co_filename.startswith("<frozen importlib") or module == "importlib"
            if not machinery and module != (around or [name])[-1]:
                around.append(module)
            frame = frame.f_back
        cls.asked.setdefault(name, around[:-1])  # the last is this program itself

sys.meta_path.insert(0, Noting)

@atexit.register
def tell():
    found = {name: by for name, by in Noting.asked.items() if name in sys.modules}
    import json
    with open(sys.argv[-1], "w") as file:
        json.dump(found, file)

"""


def imported(code: str, folder: Path) -> Imported:
    """What `code` imports, in a process of its own in `folder`, beyond what bare Python does."""
    told = folder / "imported.json"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + code, str(told)],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: Imported = json.loads(told.read_text())
    return found


def grown(found: Imported, allowed: Collection[str]) -> list[str]:
    """All that is not allowed, by its first module and by those who asked for it."""
    news: dict[str, str] = {}
    for module, around in found.items():
        name = counted_as(module, around)
        if name and name not in allowed:
            news.setdefault(name, " < ".join([module, *around[:SHOWN]]))
    return list(news.values())


def counted_as(module: str, around: Sequence[str]) -> str:
    """A part of ours, another distribution or a heavy module of the standard library; else nothing.

    What another distribution asks for itself is counted as that one.
    """
    names = module.split(".")
    if names[0] in sys.stdlib_module_names:
        return module if module in HEAVY else ""
    if names[0] in OURS:
        return ".".join(names[:2])
    by = around[0].partition(".")[0] if around else ""
    return names[0] if not by or by in OURS or by in sys.stdlib_module_names else ""
