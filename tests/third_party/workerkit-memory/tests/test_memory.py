from __future__ import annotations

from workerkit import Job, worker_function
from workerkit.testing import PluginContract, run_job


@worker_function
def hello(job: Job) -> dict[str, object]:
    return {"hello": "world", "refresh_worker": job.input}


def test_a_process_past_the_limit_is_replaced() -> None:
    ended = run_job(hello, False, plugins=["memory"], settings={"refresh": {"max_mb": 1}})

    assert ended.refresh is not None
    assert ended.refresh.endswith("MB, and 1 are allowed")


def test_the_flag_is_honoured_and_taken_out() -> None:
    ended = run_job(hello, True, plugins=["memory"])

    assert ended.refresh == "asked by the handler"
    assert ended.output == {"hello": "world"}


class TestContract(PluginContract):
    plugin = "memory"
    bad_settings = ({"max_mb": 0}, {"max_mb": "much"})
