"""`workerkit plugin check` of plugins that hang, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checked_plugin import PLUGIN, check
from workerkit.testing import until

HANGS = "__import__('threading').Event().wait()"


def left_in(folder: Path) -> list[str]:
    """What a check left there, and processes whose command line names it."""
    processes = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [*map(str, folder.iterdir()), *(line for line in processes.splitlines() if str(folder) in line)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(PLUGIN)
    return tmp_path


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where a check makes its folder."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.mark.parametrize(
    ("before", "promise"),
    [
        ("        headers = {", "✗ It works in a served toolkit"),
        ("        room = request", "✗ It works in a served toolkit"),
        ("        self.settings = settings", "✗ It loads in the host"),
    ],
    ids=["deliver", "post_job", "built"],
)
def test_a_plugin_that_hangs_is_told_in_time(
    folder: Path, temporary: Path, before: str, promise: str
) -> None:
    (folder / "chat.py").write_text(PLUGIN.replace(before, f"        {HANGS}\n{before}", 1))
    arguments = ("--set", "chat.url={receiver}", "--field", "room=general")

    done = check(folder, "chat:Chat", *arguments, "--deadline", "8", TMPDIR=str(temporary))

    assert done.returncode == 1
    assert promise in done.stdout
    assert (
        "it did not end within 8 s, so nothing else was checked; give it more with --deadline" in done.stdout
    )
    assert done.stdout.count("✗") == 1
    assert left_in(temporary) == []


def test_a_plugin_that_hangs_at_import_is_told_in_time(folder: Path, temporary: Path) -> None:
    (folder / "chat.py").write_text(HANGS)

    done = check(folder, "chat:Chat", "--deadline", "3", TMPDIR=str(temporary))

    assert done.returncode == 1
    assert done.stderr == (
        "workerkit: plugin 'chat:Chat' was not imported within 3 s; let its module do nothing at import\n"
    )
    assert left_in(temporary) == []


def test_a_plugin_that_ends_the_process_is_told(folder: Path, temporary: Path) -> None:
    (folder / "chat.py").write_text(PLUGIN.replace("self.settings = settings", "__import__('os')._exit(9)"))

    done = check(folder, "chat:Chat", TMPDIR=str(temporary))

    assert done.returncode == 1
    assert "the process that looked at it ended with exit code 9" in done.stdout
    assert left_in(temporary) == []


def test_ctrl_c_leaves_nothing_behind(folder: Path, temporary: Path) -> None:
    hung = folder / "hung"
    mark = f"__import__('pathlib').Path({str(hung)!r}).touch()"
    before = "        headers = {"
    (folder / "chat.py").write_text(PLUGIN.replace(before, f"        {mark}\n        {HANGS}\n{before}"))
    command = [sys.executable, "-m", "workerkit", "plugin", "check", "chat:Chat"]
    command += ["--set", "chat.url={receiver}", "--field", "room=general"]

    with subprocess.Popen(command, cwd=folder, env={**os.environ, "TMPDIR": str(temporary)}) as process:
        until("the plugin hangs in a server", hung.exists, 60)
        process.send_signal(signal.SIGINT)
        code = process.wait(30)

    assert code == 130
    assert left_in(temporary) == []
