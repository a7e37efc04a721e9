from __future__ import annotations

import os
import signal
import threading

import pytest

from workerkit import Job
from workerkit.testing import run_job


def test_ctrl_c_ends_the_job_and_then_the_test() -> None:
    before, closed = signal.getsignal(signal.SIGINT), []

    def interrupted(job: Job) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(10)
        finally:
            closed.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        run_job(interrupted)

    assert closed == ["cleaned up"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_that_raises_keyboard_interrupt_itself_is_a_failed_job() -> None:
    def raising(job: Job) -> None:
        raise KeyboardInterrupt

    assert run_job(raising).status.value == "FAILED"
