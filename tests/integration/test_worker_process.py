from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker_host import WAIT, Host, worker_in
from workerkit.states import Status
from workerkit.wire import Chunk, Drain, Hello, JobEnd, PluginRef, Progress, RunJob, Stop


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with worker_in(tmp_path) as host:
        yield host


def test_hello_lists_the_functions_of_the_target(host: Host) -> None:
    host.start("handlers.py")
    hello = host.receive()
    assert isinstance(hello, Hello)
    told = {function.name: function for function in hello.functions}
    assert list(told)[:3] == ["echo", "facts", "stream"]
    assert (told["waits"].kind, told["waits"].concurrency) == ("coroutine", 4)
    assert host.drain() == (0, "")


def test_jobs_run_one_after_the_other_and_a_drained_worker_ends_with_zero(host: Host) -> None:
    host.serve("echo")
    ends = [host.run({"n": n}) for n in range(3)]
    assert [end.output for end in ends] == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    assert {end.status for end in ends} == {"COMPLETED"}
    assert host.drain() == (0, "line of the handler\n" * 3)


def test_jobs_that_were_handed_over_are_finished_before_the_end(host: Host) -> None:
    host.serve("echo")
    host.send(*[RunJob(0, f"j{n}", 1, b"1") for n in range(20)], Drain())
    assert [host.receive().id for _ in range(20)] == [f"j{n}" for n in range(20)]
    assert host.process.wait(WAIT) == 0


def test_a_large_input_and_output_travel_whole(host: Host) -> None:
    host.serve("echo")
    text = "x" * 5_000_000
    assert host.run(text).output == f'"{text}"'.encode()


def test_one_slot_is_the_main_thread_and_the_handlers_children_hold_no_descriptor_of_ours(host: Host) -> None:
    host.serve("facts")
    facts = json.loads(host.run(s3Config=b'{"accessId":"a"}').output or b"")
    assert facts["main"] is True
    assert facts["argv"] == 1
    assert facts["collects"] is True, "garbage, which a worker does not while it starts"
    assert facts["worker"] == "w1"
    assert facts["secret"] == {"accessId": "a"}
    assert len(facts["descriptors"]) <= 4, "standard streams, and what ls itself opened"


def test_chunks_and_progress_come_before_the_end(host: Host) -> None:
    host.serve("stream")
    host.send(RunJob(0, "j", 2, b"null"))
    assert host.receive() == Progress("j", 2, b'"half"')
    assert host.receive() == Chunk("j", 2, 0, b"1")
    assert host.receive() == Chunk("j", 2, 1, b'{"n":2}')
    assert host.receive_end() == JobEnd(0, "j", 2, Status.COMPLETED, chunks=2)


def test_a_handler_that_exits_fails_its_job_and_not_its_worker(host: Host) -> None:
    host.serve("leaves")
    for _ in range(2):
        assert json.loads(host.run().error or "")["error_type"] == "<class 'SystemExit'>"
    assert host.drain()[0] == 0


def test_a_stop_cancels_the_async_job_it_names_and_no_other(host: Host) -> None:
    host.serve("waits", slots=2)
    host.send(RunJob(0, "first", 1, b"null"), RunJob(1, "second", 1, b"null"))
    assert {host.line(), host.line()} == {"begun first", "begun second"}
    host.send(Stop("second", 7, "another attempt"), Stop("second", 1, "cancelled"))
    assert host.receive_end() == JobEnd(1, "second", 1, Status.CANCELLED)
    assert host.line() == "cleaned second"
    host.send(RunJob(1, "third", 1, b'"quick"'))
    assert host.receive_end() == JobEnd(1, "third", 1, Status.COMPLETED, b'"done"')
    host.send(Stop("first", 1, "cancelled"))
    assert host.receive_end() == JobEnd(0, "first", 1, Status.CANCELLED)


def test_a_stop_that_comes_before_the_job_began_is_honoured(host: Host) -> None:
    host.serve("waits")
    host.send(RunJob(0, "running", 1, b"null"), RunJob(0, "waiting", 1, b"null"))
    assert host.line() == "begun running"
    host.send(Stop("waiting", 1, "cancelled"), Stop("running", 1, "cancelled"))
    assert [host.receive().id, host.receive_end()] == ["running", JobEnd(0, "waiting", 1, Status.CANCELLED)]
    assert host.drain() == (0, "cleaned running\n")


def test_several_slots_run_plain_functions_at_the_same_time(host: Host) -> None:
    host.serve("meets", slots=4)
    host.send(*[RunJob(n, f"j{n}", 1, b"null") for n in range(4)])
    assert sorted(host.receive().slot for _ in range(4)) == [0, 1, 2, 3]
    assert host.drain()[0] == 0


def test_what_a_built_in_plugin_logs_has_its_level_and_its_logger(host: Host) -> None:
    files = PluginRef("files", "workerkit_plugins.files:Files", {"folders": ["missing"]})
    host.serve("echo", plugins=(files,))
    assert host.line().startswith("WARNING workerkit_plugins.files.places - there is no folder ")
    assert host.drain() == (0, "")


def test_worker_start_and_worker_stop_surround_the_jobs(host: Host) -> None:
    host.serve("echo", plugins=(PluginRef("camera", "camera_plugin:Camera"),))
    assert host.line() == "start w1 echo 1"
    host.run()
    assert host.drain() == (0, "line of the handler\nstop w1\n")
