"""Tests of clock.py."""

from __future__ import annotations

import logging

from clock import Clock

from workerkit.testing import run_job


def render(job):
    return {"image": f"rendered {job['input']}"}


def test_a_run_is_timed(caplog):
    with caplog.at_level(logging.INFO, logger="workerkit.job"):
        run = run_job(render, "a lighthouse", plugins=[Clock])

    assert run.output == {"image": "rendered a lighthouse"}
    assert "took" in caplog.text
