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
STANDBY = (
    "import workerkit.worker.__main__; from workerkit.worker.process import import_ahead; import_ahead()"
)
#: What `workerkit serve` has imported when it starts the first worker's process.
LAUNCH = "import workerkit.cli.serve, workerkit.settings, workerkit.host.launch"
SERVER = (
    f"{LAUNCH}, uvloop, workerkit.app, workerkit.cli.serve, workerkit.cli.logs_aside; "
    "import workerkit.server.api, workerkit.server.serving"
)
COMMAND = "from workerkit.cli import invoke; assert invoke({}) == 0"


def parts(names: str) -> set[str]:
    """Those of workerkit, and it itself."""
    return {"workerkit", *(f"workerkit.{name}" for name in names.split())}


#: Before Python 3.11, `platform` imports it, and everybody `platform`.
EVERYWHERE = {"subprocess"} if sys.version_info < (3, 11) else set()
FUNCTION = {"attrs"} | parts("errors function signature")
VALUES = (
    EVERYWHERE
    | {"logging", "msgspec", "uuid"}
    | parts("errors failures folders job resource secret states worker_info")
)
HOOKS = {"html", "json", "pluggy", "queue"} | parts(
    "delivery event files hooks hookspecs redaction secret_forms spans spelling"
)
HELP = EVERYWHERE | {"bz2", "click", "json", "logging", "lzma", "shutil", "uuid"} | parts("cli errors")
WORKER = {
    *(FUNCTION | VALUES | HOOKS),
    *("ctypes", "socket"),
    *parts("bridge building deathpipe environment guard handlers hints installed loading payload runner"),
    *parts("masks target wire worker"),
}
PLUGINS = {
    *("random", "workerkit.resources", "workerkit.signing", "workerkit_plugins"),
    *(f"workerkit_plugins.{name}" for name in ("error_key", "files", "refresh", "s3", "webhook")),
}
AHEAD = {"workerkit_plugins.profiles"}
FOUND = {"csv", "email.message", "email.parser", "importlib.metadata", "tempfile", "zipfile"}
LOOP = {"asyncio", "hashlib", "secrets", "ssl", "subprocess", "uvloop"}
SETTINGS = {"difflib"} | parts("names profiles sections settings sources")
RUN = (
    (WORKER - {"ctypes"} - parts("deathpipe worker"))
    | (HELP | PLUGINS | FOUND | LOOP | SETTINGS)
    | parts("host local queue stream_redaction")
)
HTTP = {
    *("configparser", "dataclasses", "email.message", "email.parser", "http.client", "http.cookies"),
    *("logging.config", "multiprocessing", "uvicorn"),
}
SERVE = (
    (RUN - PLUGINS - FOUND - parts("local runner"))
    | (HTTP | {"ctypes", "logging.handlers", "pickle", "random", "sqlite3", "tempfile"})
    | parts("app deathpipe location opening reloading rereading server signals")
)
LAUNCHING = (
    {"attrs", "click", "json", "logging", "msgspec", "queue", "socket", "subprocess", "uuid"}
    | (SETTINGS - parts("names"))
    | parts("building cli deathpipe environment errors folders guard hints host installed job location")
    | parts("resource secret states wire")
)


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        pytest.param("from workerkit import worker_function", FUNCTION, id="a handler"),
        pytest.param("import h", {"h"} | FUNCTION, id="a decorated function"),
        pytest.param(
            "from workerkit import *", FUNCTION | VALUES | HOOKS | parts("resources"), id="a plugin"
        ),
        pytest.param(COMMAND.format(["--help"]), HELP, id="workerkit --help"),
        pytest.param(COMMAND.format(["serve", "--help"]), HELP, id="workerkit serve --help"),
        pytest.param("import workerkit.worker.__main__, workerkit.worker.process", WORKER, id="a worker"),
        pytest.param(STANDBY, WORKER | PLUGINS | AHEAD, id="a standby"),
        pytest.param(COMMAND.format(["run", "h.py", "--input", "1"]), RUN, id="workerkit run"),
        pytest.param(LAUNCH, LAUNCHING, id="until workerkit serve starts the first worker"),
        pytest.param(SERVER, SERVE, id="workerkit serve"),
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
