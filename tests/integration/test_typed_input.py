"""Typed input as a client meets it: in a served toolkit, and on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workerkit.testing import Server

HANDLERS = '''
from __future__ import annotations
from typing import Annotated
from msgspec import Meta
from workerkit import worker_function

@worker_function(retries=3)
async def area(width: Annotated[int, Meta(ge=1)], height: int = 2):
    """The area of a picture."""
    return width * height

@worker_function
def plain(job):
    return job["input"]
'''


def test_a_served_function_says_how_it_is_called_and_checks_its_input(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLERS) as server:
        assert "/v2/area   area(width: int, height: int = 2)\n" in server.log()
        assert "/v2/plain  plain(Job)\n" in server.log()
        assert """-d '{"input": {"width": 1}}' """ in server.log()

        assert server.get("/v2/area/schema") == (
            200,
            {
                "title": "area",
                "description": "The area of a picture.",
                "type": "object",
                "properties": {
                    "width": {"type": "integer", "minimum": 1},
                    "height": {"type": "integer", "default": 2},
                },
                "required": ["width"],
                "additionalProperties": False,
            },
        )
        assert server.get("/v2/plain/schema") == (200, {})
        status, refused = server.get("/v2/aera/schema")
        assert status == 404
        assert "Did you mean 'area'?" in refused["error"]

        assert server.run("area", {"width": 3})["output"] == 6
        failed = server.run("area", {"width": "3"})
        assert failed["status"] == "FAILED"
        assert failed["error"] == "input.width is not valid: expected int, got str"
        assert failed.get("retries", 0) == 0


@pytest.mark.parametrize(
    ("sent", "code", "output", "error"),
    [
        ('{"width": 3}', 0, "6\n", ""),
        ('{"widht": 3}', 1, "", "input.widht is unknown; did you mean 'width'? (known: height, width)"),
    ],
)
def test_one_job_on_the_command_line(tmp_path: Path, sent: str, code: int, output: str, error: str) -> None:
    (tmp_path / "handler.py").write_text(HANDLERS)
    command = [sys.executable, "-m", "workerkit", "run", "handler.py:area", "--input", sent]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (code, output), done.stderr
    assert error in done.stderr
