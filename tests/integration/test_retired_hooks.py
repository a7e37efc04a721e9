"""A hook that a later release retires: those who run a plugin that uses it hear of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from workerkit.testing import Server

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return job['input']\n"
)
#: Its module makes the specifications those of that release, in the processes of the server.
OLD = """
from workerkit import hookimpl, hookspecs

hookspecs.worker_stop.workerkit_spec["warn_on_impl"] = DeprecationWarning("worker_stop goes in 2.0; use run_job")

class Old:
    @hookimpl
    def worker_stop(self): ...
"""
SENTENCE = "plugin 'old' (old:Old): worker_stop goes in 2.0; use run_job"
SETTINGS = '[plugins]\nload = ["old:Old"]\n'


def test_the_server_logs_it_once_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(OLD)
    with Server(tmp_path, HANDLER, settings=SETTINGS) as server:
        assert server.run("hello", 1)["output"] == 1

    [line] = [line for line in server.log().splitlines() if "worker_stop goes" in line]
    assert line.endswith(SENTENCE)
    assert "WARNING" in line


def test_workerkit_plugins_shows_it(tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(OLD)
    (tmp_path / "workerkit.toml").write_text(SETTINGS)

    def plugins(*arguments: str) -> str:
        command = [sys.executable, "-m", "workerkit", "plugins", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    assert f"\nWill go\n  {SENTENCE}\n" in plugins()
    assert json.loads(plugins("--json"))["retired"] == [SENTENCE]
