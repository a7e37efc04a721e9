from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from workerkit import Job, Verdict
from workerkit.testing import JobRun, PluginContract, Receiver, run_job


def render(job: Job) -> str:
    if job.input == "dark":
        raise ValueError("the lamp is broken")
    return "a lighthouse"


def run(input: str, url: str) -> JobRun:
    return run_job(render, input, plugins=["slack"], settings={"slack": {"url": url}})


def test_a_failed_job_is_told() -> None:
    with Receiver() as slack:
        failed = run("dark", slack.url)
        failed.deliver()

    [message] = slack.requests
    assert message.json == {"text": f"render: job {failed.request.id} is FAILED"}


def test_a_job_that_ends_well_is_not() -> None:
    assert run("light", "http://127.0.0.1:9/").deliveries == []


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, Verdict.DELIVERED), (404, Verdict.STOP), (429, Verdict.RETRY), (500, Verdict.RETRY)],
)
def test_the_answer_decides_what_becomes_of_it(status: int, verdict: Verdict) -> None:
    with Receiver(status) as slack:
        [receipt] = run("dark", slack.url).deliver()

    assert receipt.verdict is verdict
    assert receipt.detail == f"answered {status}"


class TestContract(PluginContract):
    plugin = "slack"
    bad_settings = ({"tell": "never"}, {"ulr": "misspelt"})

    @pytest.fixture
    def settings(self, workerkit_receiver: Receiver) -> Mapping[str, Any]:
        return {"url": workerkit_receiver.url, "tell": ["COMPLETED", "FAILED"]}
