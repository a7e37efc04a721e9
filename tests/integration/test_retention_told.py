"""How long results are kept is what a client reads when one is gone."""

from __future__ import annotations

from pathlib import Path

from workerkit.testing.server import Server

HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return job['input']\n"
)


def test_an_unknown_job_is_told_the_retention_of_its_kind(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, arguments=["--profile", "runpod"]) as server:
        told = [server.get(f"/v2/hello/status/{id}") for id in ("0190-u1", "sync-0190-u1")]

    assert [(status, answer["error"].partition("; ")[2]) for status, answer in told] == [
        (404, "results are kept for 30 min after a job's end"),
        (404, "results are kept for 1 min after a job's end"),
    ]
