"""Tests of alarm.py in a server."""

from __future__ import annotations

from pathlib import Path

HANDLER = """
from workerkit import worker_function

@worker_function
def fail(job):
    raise RuntimeError("out of paper")
"""


def test_a_failed_job_raises_an_alarm(workerkit_serve, workerkit_receiver):
    settings = {
        "plugins": {"load": ["alarm:Alarm"]},
        "plugin": {"alarm": {"url": workerkit_receiver.url, "token": "env:ALARM_TOKEN"}},
    }
    # An installed plugin needs no PYTHONPATH.
    environ = {"ALARM_TOKEN": "opensesame", "PYTHONPATH": str(Path(__file__).parent)}
    server = workerkit_serve(HANDLER, settings, environ=environ)

    assert server.run("fail")["status"] == "FAILED"

    [alarm] = workerkit_receiver.wait(1)
    assert alarm.json["status"] == "FAILED"
    assert alarm.headers["authorization"] == "Bearer opensesame"
