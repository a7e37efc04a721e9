"""What the page about files shows, run as a reader runs it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from documentation import Block, blocks, pages
from fetching import ok, site
from receivers import receiver


@pytest.fixture
def shown(tmp_path: Path) -> list[Block]:
    """The page's blocks; its files are in the folder."""
    found = blocks("how-to/files.md", pages()["how-to/files.md"])
    for block in found:
        if block.language == "python":
            (tmp_path / block.title).write_text(block.text)
    return found


def ran(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def workerkit(line: str, folder: Path) -> object:
    [_, *arguments] = shlex.split(line)
    return json.loads(ran([f"{sysconfig.get_path('scripts')}/workerkit", *arguments], folder))


def test_the_first_command_prints_what_stands_below_it(shown: list[Block], tmp_path: Path) -> None:
    command = next(block.text for block in shown if block.language == "bash")
    output = next(block.text for block in shown if block.language == "json")

    assert workerkit(command, tmp_path) == json.loads(output)


def test_a_file_of_ones_own_machine_can_be_had(shown: list[Block], tmp_path: Path) -> None:
    lines = [line for block in shown if block.language == "bash" for line in block.text.splitlines()]
    [command] = [line for line in lines if "http://127.0.0.1:9000/" in line and "workerkit run" in line]

    with receiver(site({"/hello.txt": ok(b"hello")})) as server:
        output = workerkit(command.replace(":9000", f":{server.port}"), tmp_path)

    assert output == {"loud": "data:text/plain;base64,SEVMTE8="}


def test_the_shown_test_passes(shown: list[Block], tmp_path: Path) -> None:
    assert "1 passed" in ran(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_shout.py"], tmp_path
    )
