"""That secrets are masked is the host's doing: a worker that masks nothing lets none out, its own or another job's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leaking import SECRET
from waiting import until
from workerkit.testing import Server

TESTS = Path(__file__).parents[1]
#: Lets a Python process that is to be a worker become that program, before it has begun.
CUSTOMIZE = f"""
import os, sys

if "--wire" in sys.orig_argv:
    wire = sys.orig_argv[sys.orig_argv.index("--wire") + 1]
    os.execv(sys.executable, [sys.executable, "-I", {str(TESTS / "foreign_worker.py")!r}, wire])
"""
SETTINGS = """
[plugins]
load = ["leaking:Tokens"]
[workers]
count = "tell=1,parts=1"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "sitecustomize.py").write_text(CUSTOMIZE)
    environ = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(TESTS)])}
    with Server(tmp_path, "raise Exception('not loaded')", settings=SETTINGS, environ=environ) as server:
        yield server


def told(server: Server, endpoint: str, how: str, **fields: Any) -> dict[str, Any]:
    """A job's end, with all that is told of it besides."""
    id = server.submit(endpoint, how, **fields)
    end = server.wait(endpoint, id)
    until("its log is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
    more = (f"/jobs/{id}/logs", f"/jobs/{id}", f"/v2/{endpoint}/stream/{id}")
    return {**end, "more": [server.get(path)[1] for path in more]}


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        ("returns", {"status": "COMPLETED", "output": {"***": ["***"]}}),
        ("raises", {"status": "FAILED"}),
        ("yields", {"status": "COMPLETED", "output": ["text: ", "***", *[""] * 15, {"***": "***"}]}),
        ("dies", {"status": "FAILED"}),
        ("by RunPod's SDK: returns", {"status": "COMPLETED", "output": {"told": "***"}}),
        ("by RunPod's SDK: raises", {"status": "FAILED"}),
    ],
)
def test_no_secret_comes_out_of_a_worker_that_masks_nothing(
    server: Server, tmp_path: Path, how: str, shown: dict[str, Any]
) -> None:
    endpoint = "parts" if how == "yields" else "tell"
    # The second job has no secret, but its worker has kept that of the first.
    first = {"token": SECRET}
    ends = [told(server, endpoint, how, **first)]
    if how == "dies":  # it keeps nothing then
        told(server, endpoint, "returns", **first)
    ends.append(told(server, endpoint, how))
    if how == "yields":  # of another's secret what is whole in a chunk is masked
        assert ends[1]["output"] == ["text: ", *SECRET, {"***": "***"}]
        ends.pop()

    for end in ends:
        assert {name: end[name] for name in shown} == shown
        assert SECRET not in json.dumps(end)
        if how == "raises":
            assert json.loads(end["error"]) == {
                "error_type": "***",
                "error_message": "***",
                "error_traceback": "Traceback: ***\n",
            }
        if how == "dies":
            assert "last words ***" in json.loads(end["error"])["error_traceback"]
        if how == "by RunPod's SDK: raises":
            error = json.loads(end["error"])
            assert (error["error_type"], error["error_message"]) == ("<class 'ValueError'>", "***")
            assert "ValueError: ***" in error["error_traceback"]
            assert error["runpod_version"]
    if how == "by RunPod's SDK: returns":  # it logs that at DEBUG
        assert "Handler output: {'told': '***'}" in server.log()
    assert "printed ***" in server.log()
    assert SECRET not in server.log()
    for file in (tmp_path / ".workerkit").iterdir():
        assert SECRET.encode() not in file.read_bytes(), file.name
