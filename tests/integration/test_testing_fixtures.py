"""The fixtures, used as an author uses them: in a folder of tests with a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = '''
import json

import pytest

from workerkit import worker_function
from workerkit.testing import run_job

HANDLER = """
    from workerkit import worker_function

    @worker_function
    def double(job):
        print("printed by the handler", flush=True)
        return 2 * job["input"]
"""


@worker_function
def double(job):
    return 2 * job["input"]


def test_serve_with_a_receiver(workerkit_serve, workerkit_receiver):
    server = workerkit_serve(HANDLER, settings="[plugin.webhook]\\nretry_delay = 0.05")
    workerkit_receiver.answer = [503, 200]

    shown = server.run("double", 21, webhook=workerkit_receiver.url + "/done")

    assert shown["output"] == 42
    first, second = workerkit_receiver.wait(2, "/done")
    assert first.json == second.json == shown
    assert first.method == "POST"


def test_serve_a_path(workerkit_serve, tmp_path):
    (tmp_path / "doubles.py").write_text(__import__("textwrap").dedent(HANDLER))
    assert workerkit_serve(tmp_path / "doubles.py").run("double", 1)["output"] == 2


def test_bucket(workerkit_bucket):
    def store(job):
        from workerkit import Bucket

        job.use(Bucket).upload(b"hello", "greeting.txt")

    run = run_job(store, fields={"s3Config": workerkit_bucket.config()})

    assert run.error is None
    assert workerkit_bucket.objects() == {"greeting.txt": b"hello"}


def test_clock(workerkit_clock):
    before = workerkit_clock()
    workerkit_clock.advance(5)
    assert workerkit_clock() == before + 5


def test_recorder_in_this_process(workerkit_recorder):
    run = run_job(double, 1, plugins=[workerkit_recorder])
    run.deliver()

    assert workerkit_recorder.hooks == [
        "accept", "worker_start", "pre_job", "run_job", "on_output", "worker_stop", "post_job", "deliver",
    ]
    assert len({call.pid for call in workerkit_recorder.calls}) == 1


def test_recorder_in_a_served_toolkit(workerkit_serve, workerkit_recorder):
    server = workerkit_serve(HANDLER, settings=workerkit_recorder.settings)
    id = server.submit("double", 4)
    server.wait("double", id)
    [delivered] = workerkit_recorder.wait("deliver")
    server.stop()

    job = [call for call in workerkit_recorder.calls if call.job == id]
    assert [(call.hook, call.where) for call in job] == [
        ("accept", "host"), ("pre_job", "worker"), ("run_job", "worker"),
        ("on_output", "worker"), ("post_job", "host"), ("deliver", "host"),
    ]
    assert {call.pid for call in job if call.where == "host"} == {server.pid}
    assert server.pid not in {call.pid for call in job if call.where == "worker"}
    assert (job[3].value, job[4].status, delivered.value) == (8, "COMPLETED", "recorder")
    assert workerkit_recorder.hooks[-1] == "worker_stop"
'''

FAILING = '''
from workerkit.testing import run_job


def test_a_job_that_fails():
    def divides(job):
        beside_the_fault = 1
        return beside_the_fault / 0

    run = run_job(divides)
    assert run.status == "COMPLETED"


def test_a_server_whose_log_tells_why(workerkit_serve):
    server = workerkit_serve("""
        from workerkit import worker_function

        @worker_function
        def says(job):
            print("only the log knows this", flush=True)
            raise ValueError
    """)
    assert server.run("says")["status"] == "COMPLETED"


def test_a_refused_request(workerkit_serve):
    server = workerkit_serve("from workerkit import worker_function\\n@worker_function\\ndef f(job): ...")
    server.submit("f", webhook="nowhere")
'''


def pytest_in(folder: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *options,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_every_fixture_is_there_without_an_import(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, TESTS, "-W", "error")

    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_a_failed_test_shows_the_job_and_the_servers_log(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, FAILING)

    assert "3 failed" in done.stdout
    assert "the job of 'run' is FAILED" in done.stdout
    assert "return beside_the_fault / 0" in done.stdout
    assert done.stdout.count("ZeroDivisionError: division by zero") >= 1
    assert "only the log knows this" in done.stdout
    assert "/v2/f/run answered 400: webhook must begin with http:// or https://" in done.stdout


def test_the_fixtures_can_be_left_out(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "def test_it(workerkit_clock): ...", "-p", "no:workerkit")

    assert "fixture 'workerkit_clock' not found" in done.stdout
