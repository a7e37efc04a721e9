from __future__ import annotations

import pytest

from workerkit import Job, Output
from workerkit_plugins.refresh import Refresh, RefreshSettings


def job() -> Job:
    return Job(id="j", endpoint="e", input={})


@pytest.mark.parametrize(("flag", "asked"), [(True, True), (False, False), (None, False), ("yes", True)])
@pytest.mark.parametrize("final", [True, False])
def test_the_flag_is_taken_out_of_a_copy_and_honoured_when_true(
    flag: object, asked: bool, final: bool
) -> None:
    returned = {"image": "x", "refresh_worker": flag}
    running, output = job(), Output(returned, final=final)

    Refresh(RefreshSettings()).on_output(running, output)

    assert output.value == {"image": "x"}
    assert returned == {"image": "x", "refresh_worker": flag}
    assert (running.refresh_reason == "asked by the handler") is asked


@pytest.mark.parametrize(
    "value", [None, "refresh_worker", ["refresh_worker"], {"deep": {"refresh_worker": True}}]
)
def test_anything_else_is_left_as_it_is(value: object) -> None:
    running, output = job(), Output(value)

    Refresh(RefreshSettings()).on_output(running, output)

    assert output.value is value
    assert running.refresh_reason is None


def test_the_settings_refresh_always_or_after_so_many_jobs() -> None:
    always, third = Refresh(RefreshSettings(always=True)), Refresh(RefreshSettings(max_jobs=3))
    jobs = [job() for _ in range(3)]
    for one in jobs:
        third.pre_job(one)
    single = job()
    always.pre_job(single)

    assert [one.refresh_reason for one in jobs] == [None, None, "this worker has run 3 jobs"]
    assert single.refresh_reason == "the settings say always"
