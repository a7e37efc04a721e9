"""`workerkit deliveries show --body`: byte for byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from waiting import until
from workerkit.testing import Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]
"""
COMMAND = [sys.executable, "-m", "workerkit", "deliveries"]


@pytest.mark.parametrize("runs", [True, False])
def test_a_body_that_is_no_text_is_shown_as_it_is(tmp_path: Path, runs: bool) -> None:
    (tmp_path / "letters.py").write_text(BINARY)
    with Server(tmp_path, HANDLER, settings='[plugins]\nload = ["letters:Letters"]\n') as server:
        job = server.run("echo", 1)["id"]
        until("it is delivered", lambda: server.get("/deliveries?state=delivered")[1]["deliveries"])
        if not runs:
            server.stop()
        shown = subprocess.run(
            [*COMMAND, "show", f"msg_{job}_1", "--body"], cwd=tmp_path, capture_output=True, timeout=60
        )
        card = subprocess.run(
            [*COMMAND, "show", f"msg_{job}_1"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    assert (shown.stdout, shown.stderr) == (b"\xff\x00\n\n", b"")
    assert "body    4 bytes; --body prints them" in card.stdout


BINARY = """
from workerkit import Delivery, Receipt, hookimpl

class Letters:
    @hookimpl(inline=True)
    def post_job(self, request):
        return Delivery(target="post://ann", body=b"\\xff\\x00\\n\\n")

    @hookimpl
    def deliver(self, delivery):
        return Receipt.delivered()
"""
