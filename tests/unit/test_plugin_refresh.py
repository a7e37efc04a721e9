from __future__ import annotations

import threading
from typing import Any

import attrs
import pytest

from workerkit import Job, Output, Status, WorkerInfo, hookimpl
from workerkit.errors import SettingsError
from workerkit.settings import build
from workerkit.testing import run_job
from workerkit_plugins.refresh import Refresh, RefreshSettings, memory_in_use

WAIT = 20.0


def job() -> Job:
    return Job(id="j", endpoint="e", input={})


def running(**settings: Any) -> Any:
    return run_job(lambda job: 1, settings={"refresh": settings})


@pytest.mark.parametrize("flag", [True, False, None, "yes"])
@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("settings", [RefreshSettings(), RefreshSettings(max_jobs=9)])
def test_the_flag_is_taken_out_of_a_copy_and_honoured_when_true(
    flag: object, final: bool, settings: RefreshSettings
) -> None:
    returned = {"image": "x", "refresh_worker": flag}
    running, output = job(), Output(returned, final=final)

    Refresh(settings).on_output(running, output)

    assert output.value == {"image": "x"}
    assert returned == {"image": "x", "refresh_worker": flag}
    assert running.refresh_reason == ("flag: asked by the handler" if flag else None)


@pytest.mark.parametrize(
    "value", [None, "refresh_worker", ["refresh_worker"], {"deep": {"refresh_worker": True}}]
)
def test_anything_else_is_left_as_it_is(value: object) -> None:
    running, output = job(), Output(value)

    Refresh(RefreshSettings()).on_output(running, output)

    assert output.value is value
    assert running.refresh_reason is None


def test_without_settings_nothing_is_asked_for() -> None:
    run = running()
    assert (run.refresh, run.worker_refresh) == (None, None)


def test_always_is_after_this_job_and_a_failed_one_counts() -> None:
    run = run_job(lambda job: 1 / 0, settings={"refresh": {"always": True}})
    assert (run.status, run.refresh) == (Status.FAILED, "always: the settings say so")


@attrs.frozen
class Worker:
    """A worker with the plugin, and what it has asked for so far."""

    plugin: Any
    asked: list[str]

    def run(self, error: Exception | None = None) -> None:
        around = self.plugin.run_job(job())
        next(around)
        with pytest.raises(type(error) if error else StopIteration):
            around.throw(error) if error else around.send(Output(1))


def started(**settings: Any) -> Worker:
    asked: list[str] = []
    plugin: Any = Refresh(RefreshSettings(**settings))
    plugin.worker_start(WorkerInfo(id="w", endpoint="e", ask=lambda reason, last: asked.append(reason)))
    return Worker(plugin, asked)


def test_max_jobs_is_told_at_the_end_of_the_last_job_and_failed_ones_count() -> None:
    worker = started(max_jobs=3)
    worker.run()
    worker.run(ValueError())
    assert worker.asked == []
    worker.run()
    assert worker.asked == ["max_jobs: 3 jobs"]


def test_a_worker_that_has_to_go_on_asks_again() -> None:
    worker = started(max_jobs=1)
    worker.run()
    worker.run()
    assert worker.asked == ["max_jobs: 1 job"] * 2


@pytest.mark.parametrize("limit", [{"max_jobs": 1}, {"max_rss": 1}])
def test_a_worker_at_its_limit_lets_no_more_jobs_in(limit: dict[str, int]) -> None:
    asked: list[tuple[str, bool]] = []
    plugin: Any = Refresh(RefreshSettings(**limit))
    plugin.worker_start(
        WorkerInfo(id="w", endpoint="e", ask=lambda reason, last: asked.append((reason, last)))
    )
    Worker(plugin, []).run()

    assert [(reason.partition(":")[0], last) for reason, last in asked] == [(*limit, True)]


def test_what_the_settings_ask_for_is_seen_in_a_test_of_a_handler() -> None:
    run = running(max_jobs=1)
    assert (run.refresh, run.worker_refresh) == (None, "max_jobs: 1 job")


def test_memory_in_use_is_looked_at_after_each_job() -> None:
    enough, less = running(max_rss=1 << 50), running(max_rss=1_000_000)

    assert enough.worker_refresh is None
    assert less.worker_refresh.startswith("max_rss: ")


def test_memory_in_use_is_this_process_s_and_in_bytes() -> None:
    before = memory_in_use()
    held = b"x" * 200_000_000
    assert 150_000_000 < memory_in_use() - before < 400_000_000
    assert held


def test_a_worker_that_is_old_asks_by_itself_and_one_that_has_stopped_does_not() -> None:
    came = threading.Event()
    info = WorkerInfo(id="w", endpoint="e", ask=lambda reason, last: came.set())
    plugin: Any = Refresh(RefreshSettings(max_age=0.05))
    plugin.worker_start(info)
    assert came.wait(WAIT)

    stopped: Any = Refresh(RefreshSettings(max_age=3600))
    before = threading.active_count()
    stopped.worker_start(info)
    stopped.worker_stop()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(WAIT)
    assert threading.active_count() <= before


class Gone(ConnectionError):
    """A subclass of what some settings name."""


@pytest.mark.parametrize(
    ("name", "hit"),
    [
        ("Gone", True),
        (f"{__name__}.Gone", True),
        ("OSError", True),
        ("builtins.ConnectionError", True),
        ("ValueError", False),
        ("other.Gone", False),
    ],
)
def test_an_error_is_matched_by_its_class_or_those_it_inherits_from(name: str, hit: bool) -> None:
    def handler(job: Job) -> None:
        raise Gone

    run = run_job(handler, settings={"refresh": {"on_errors": [name]}})
    assert (run.status, run.refresh) == (Status.FAILED, f"on_errors: {name}" if hit else None)


def test_an_error_of_a_plugin_inside_is_not_the_handlers() -> None:
    class Checks:
        @hookimpl
        def on_output(self) -> None:
            raise OSError

    run = run_job(lambda job: 1, plugins=[Checks()], settings={"refresh": {"on_errors": ["OSError"]}})
    assert (run.status, run.refresh) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("setting", "value"), [("max_jobs", 0), ("max_rss", 0), ("max_age", 0), ("max_rss", "much")]
)
def test_a_setting_that_cannot_be_is_refused_by_name(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=setting):
        running(**{setting: value})


@pytest.mark.parametrize(
    ("setting", "value", "cure"),
    [
        ("max_rss", "1GB", "write bytes as a whole number, such as 4000000000"),
        ("max_age", "1h", "write seconds as a number, such as 3600"),
    ],
)
def test_a_number_with_a_unit_is_answered_with_the_unit_that_is_meant(
    setting: str, value: str, cure: str
) -> None:
    with pytest.raises(SettingsError, match=cure):
        build(RefreshSettings, {setting: value}, "workerkit.toml")
