"""What a worker says of itself: how many jobs it takes, and that it wants to be replaced."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from worker_host import WAIT, Host, worker_in
from workerkit.states import Status
from workerkit.wire import Assign, Hello, JobEnd, PluginRef, Ready, Refresh, Resize, RunJob, Stop

HANDLERS = """
import os, threading
from workerkit import worker_function

if "COLOUR" in os.environ:
    print("imported where COLOUR is", os.environ["COLOUR"], flush=True)

MEETING = threading.Barrier(3)

def wanted(current):
    with open("wanted") as file:
        text = file.read()
    return int(text) if text.isdigit() else text

@worker_function(concurrency=wanted)
def elastic(job):
    if job["input"] == "begin and meet":
        print("begun", flush=True)
    if "meet" in str(job["input"]):
        return MEETING.wait(20) >= 0
    return job["input"]

@worker_function
def plain(job):
    if job["input"] == "print":
        print("one\\ntwo", end="")
    if job["input"] == "raise":
        raise OSError("disk")
    return job["id"]

@worker_function
async def prints(job):
    print("from the loop")
"""
REFRESH = "workerkit_plugins.refresh:Refresh"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    (tmp_path / "sizing.py").write_text(HANDLERS)
    (tmp_path / "wanted").write_text("1")
    with worker_in(tmp_path) as host:
        yield host


def serve(host: Host, function: str, **refresh: object) -> None:
    plugins = (PluginRef("refresh", REFRESH, refresh),) if refresh else ()
    host.serve(function, 1, plugins, target="sizing.py", stop_signal=int(signal.SIGUSR1))


def say(folder: Path, wanted: str) -> None:
    (folder / "new").write_text(wanted)
    (folder / "new").replace(folder / "wanted")


def test_a_worker_grows_and_shrinks_as_its_function_says(host: Host, tmp_path: Path) -> None:
    say(tmp_path, "2")
    host.start("sizing.py")
    hello = host.receive()
    assert isinstance(hello, Hello)
    assert {function.name: function.concurrency for function in hello.functions}["elastic"] == 2
    host.send(Assign("elastic", 2))
    assert host.receive() == Ready()
    say(tmp_path, "3")
    assert host.receive() == Resize(3)
    host.send(*[RunJob(n, f"j{n}", 1, b'"meet"') for n in range(3)])
    assert {host.receive_end().output for _ in range(3)} == {b"true"}
    say(tmp_path, "1")
    assert host.receive() == Resize(1)
    host.send(*[RunJob(0, f"j{n}", 1, b"1") for n in range(3)])
    assert {host.receive_end().id for _ in range(3)} == {"j0", "j1", "j2"}
    assert host.drain() == (0, "")


def test_what_the_function_cannot_mean_changes_nothing_and_is_said_once(host: Host, tmp_path: Path) -> None:
    serve(host, "elastic")
    say(tmp_path, "many")
    assert "concurrency function of 'elastic' returned str instead of an int" in host.line()
    say(tmp_path, "5000")
    assert host.receive() == Resize(1000)
    assert "returned a number below 1 or above 1000" in host.line()
    (tmp_path / "wanted").unlink()
    assert "concurrency function of 'elastic' raised FileNotFoundError" in host.line()
    say(tmp_path, "0")
    assert host.receive() == Resize(1)
    _, rest = host.drain()
    assert rest.count("WARNING") == 0


def test_an_elastic_function_is_not_interrupted(host: Host, tmp_path: Path) -> None:
    serve(host, "elastic")
    host.send(RunJob(0, "j0", 1, b'"begin and meet"'))
    assert host.line() == "begun"
    host.send(Stop("j0", 1, "cancelled"))
    say(tmp_path, "3")
    assert host.receive() == Resize(3)
    host.send(*[RunJob(n, f"j{n}", 1, b'"meet"') for n in (1, 2)])

    assert {(end.status, end.interrupted) for end in (host.receive_end() for _ in range(3))} == {
        ("COMPLETED", False)
    }


def test_max_jobs_is_told_before_the_end_of_the_last_one(host: Host) -> None:
    serve(host, "plain", max_jobs=2)
    host.send(RunJob(0, "a", 1, b'"raise"'), RunJob(0, "b", 1, b"1"))

    first, second, third = host.receive(), host.receive(), host.receive()
    assert (first.id, first.status, first.refresh, first.retry) == ("a", "FAILED", None, "failed")
    assert second == Refresh("max_jobs: 2 jobs", last=True)
    assert (third.id, third.refresh) == ("b", None)


def test_too_much_memory_is_told_after_the_job(host: Host) -> None:
    serve(host, "plain", max_rss=1_000_000)
    host.send(RunJob(0, "a", 1, b"1"))
    asked = host.receive()

    assert isinstance(asked, Refresh)
    assert asked.reason.startswith("max_rss: ")
    assert asked.reason.endswith(" bytes in use")
    assert host.receive_end().id == "a"


def test_an_idle_worker_that_is_old_asks_for_its_refresh(host: Host) -> None:
    serve(host, "plain", max_age=0.2)
    assert host.receive() == Refresh("max_age: 0.2 s")
    assert host.drain() == (0, "")


def test_a_worker_that_leaves_does_not_wait_for_its_age(host: Host) -> None:
    serve(host, "plain", max_age=3600)
    assert host.drain() == (0, "")


def test_an_error_that_the_settings_name_refreshes_right_after_the_job(host: Host) -> None:
    serve(host, "plain", on_errors=["builtins.OSError"])
    host.send(RunJob(0, "a", 1, b"1"), RunJob(0, "b", 1, b'"raise"'))

    assert host.receive_end() == JobEnd(0, "a", 1, Status.COMPLETED, b'"a"')
    assert host.receive_end().refresh == "on_errors: builtins.OSError"


def test_the_environment_is_there_before_anything_is_imported(host: Host) -> None:
    host.start("sizing.py", environ={"COLOUR": "blue"})
    assert host.line() == "imported where COLOUR is blue"
    assert isinstance(host.receive(), Hello)


@pytest.mark.parametrize(
    ("function", "lines"),
    [("plain", ["\x1et4g:j:2\x1fone", "\x1et4g:j:2\x1ftwo"]), ("prints", ["\x1et4g:j:2\x1ffrom the loop"])],
)
def test_what_a_run_prints_is_marked_with_it(host: Host, function: str, lines: list[str]) -> None:
    host.serve(function, target="sizing.py", tag="t4g")
    host.send(RunJob(0, "j", 2, b'"print"'))
    assert host.receive_end().status == "COMPLETED"
    assert [host.line() for _ in lines] == lines


def test_a_standby_has_loaded_what_the_toolkit_needs_for_a_start(host: Host, tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "import sys\n"
        "from workerkit import worker_function\n"
        "at_import = set(sys.modules)\n"
        "@worker_function\n"
        "def late(job):\n"
        "    new = set(sys.modules) - at_import\n"
        "    return sorted(name for name in new if name.startswith('workerkit'))\n"
    )
    host.serve("late", target="late.py")
    assert host.run().output == b"[]"
    assert host.drain()[0] == 0


def test_a_standby_imports_the_plugins_of_the_toolkit_while_it_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    with worker_in(tmp_path) as standby:
        in_the_end = threading.Timer(WAIT, standby.process.kill)
        in_the_end.start()
        assert standby.process.stdout is not None
        assert any("workerkit_plugins.s3.client" in line for line in standby.process.stdout)
        in_the_end.cancel()


def test_a_worker_whose_host_goes_away_before_the_start_ends(host: Host) -> None:
    host.wire.close()
    assert host.process.wait(WAIT) == 1
