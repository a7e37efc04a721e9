"""What each way to start Python with workerkit may import: a start is as slow as that.

A failure names what has come, and who asked for it, the nearest first. Import it in the function that
needs it; if every start needs it, add it to the list.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from importing import grown, imported

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef echo(job):\n    return job['input']\n"
)
COMMAND = "from workerkit.cli import invoke; assert invoke({}) == 0"


def parts(names: str) -> set[str]:
    """Those of workerkit, and it itself."""
    return {"workerkit", *(f"workerkit.{name}" for name in names.split())}


#: Before Python 3.11, `platform` imports it, and everybody `platform`.
EVERYWHERE = {"subprocess"} if sys.version_info < (3, 11) else set()
FUNCTION = (
    EVERYWHERE
    | {"attrs", "logging", "msgspec", "typing_extensions", "uuid"}
    | parts("elastic errors failures folders function hints job resource secret signature wire")
)
PLUGIN = {"html", "json", "pluggy", "queue"} | parts(
    "delivery event files hooks hookspecs redaction resources secret_forms worker_info"
)
HELP = EVERYWHERE | {"bz2", "click", "json", "logging", "lzma", "shutil", "uuid"} | parts("cli errors")
WORKER = {
    *(FUNCTION | PLUGIN),
    *("ctypes", "difflib", "socket"),
    *parts("bridge building deathpipe guard handlers installed loading payload profiles runner"),
    *parts("sections settings sources target worker"),
}
PLUGINS = {
    *("csv", "email.message", "email.parser", "importlib.metadata", "random", "tempfile", "zipfile"),
    *(f"workerkit_plugins.{name}" for name in ("error_key", "files", "refresh", "s3", "webhook")),
    *("http.client", "urllib3", "workerkit.signing", "workerkit_plugins"),
}
LOOP = {"asyncio", "hashlib", "logging.handlers", "pickle", "secrets", "ssl", "subprocess", "uvloop"}
RUN = (
    WORKER - parts("deathpipe worker")
    | HELP
    | PLUGINS
    | LOOP
    | parts("host local names queue stream_redaction")
)
SERVE = {
    *(RUN - parts("local runner")),
    *("configparser", "ctypes", "dataclasses", "http.cookies", "http.server", "logging.config"),
    *("multiprocessing", "prometheus_client", "sqlite3", "starlette", "urllib.request", "uvicorn", "wsgiref"),
    *parts("app deathpipe opening reloading rereading server"),
}


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        pytest.param("from workerkit import worker_function", FUNCTION, id="a handler"),
        pytest.param("from workerkit import *", FUNCTION | PLUGIN, id="a plugin"),
        pytest.param(COMMAND.format(["--help"]), HELP, id="workerkit --help"),
        pytest.param(COMMAND.format(["serve", "--help"]), HELP, id="workerkit serve --help"),
        pytest.param("import workerkit.worker.__main__", WORKER, id="a worker"),
        pytest.param(COMMAND.format(["run", "h.py", "--input", "1"]), RUN, id="workerkit run"),
        pytest.param("import uvloop, workerkit.app, workerkit.cli.serve", SERVE, id="workerkit serve"),
    ],
)
def test_a_start_imports_nothing_new(code: str, allowed: set[str], tmp_path: Path) -> None:
    (tmp_path / "h.py").write_text(HANDLER)
    assert grown(imported(code, tmp_path), allowed) == []


def test_the_package_imports_nothing_but_itself(tmp_path: Path) -> None:
    assert list(imported("import workerkit", tmp_path)) == ["workerkit", "__future__"]


def test_what_has_come_is_named_with_those_who_asked_for_it(tmp_path: Path) -> None:
    """What others ask for counts as theirs, unless it is heavy."""
    (tmp_path / "early.py").write_text("import late\nlate.work()\nimport workerkit.errors\n")
    (tmp_path / "late.py").write_text("def work():\n    import sqlite3\n    import later\n")
    (tmp_path / "later.py").touch()

    assert grown(imported("import early", tmp_path), {"workerkit"}) == [
        "early",
        "sqlite3 < late < early",
        "workerkit.errors < early",
    ]
