from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HANDLER = """
import os, sys
from workerkit import Bucket, JobFailed, worker_function

@worker_function
def echo(job):
    print("printed by the handler")
    os.write(1, b"written to descriptor 1\\n")
    job.progress({"percent": 50})
    return {"got": job["input"], "hook": job.get("webhook")}

@worker_function
def count(job):
    yield from range(job["input"]["to"])

@worker_function
async def fail(job):
    raise JobFailed("no paper", output={"left": 0})

@worker_function
def crash(job):
    return 1 / 0

@worker_function
def spoken(job):
    job.log.info("said by the handler")

@worker_function
def waits(job):
    import threading
    print("it waits", flush=True)
    threading.Event().wait(60)

@worker_function
async def waits_async(job):
    import asyncio
    print("it waits", flush=True)
    await asyncio.sleep(60)

@worker_function
def vague(job):
    job.progress({1, 2})

@worker_function
def fresh(job):
    return {"done": True, "refresh_worker": True}

@worker_function
def store(job, bucket: Bucket):
    return {"id": job["s3Config"]["accessId"]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handler.py").write_text(HANDLER)
    return tmp_path


def run(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", "run", *arguments]
    environ = {**os.environ, "PYTHONWARNINGS": "error"}
    return subprocess.run(
        command, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60, env=environ
    )


def test_stdout_holds_the_output_and_nothing_else(folder: Path) -> None:
    done = run(folder, "handler.py:echo", "--input", '{"a": [1, "é"]}')

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"got": {"a": [1, "é"]}, "hook": None}
    assert "printed by the handler" in done.stderr
    assert "written to descriptor 1" in done.stderr
    assert 'progress: {"percent":50}' in done.stderr
    assert "COMPLETED in" in done.stderr


def test_a_request_body_is_taken_whole_and_its_webhook_is_not_sent(folder: Path) -> None:
    body = {"input": 7, "webhook": "http://127.0.0.1:9/done", "colour": "red"}

    done = run(folder, "handler.py:echo", "--input", json.dumps(body))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"got": 7, "hook": "http://127.0.0.1:9/done"}
    assert "the webhook was not sent" in done.stderr
    assert "ignored: no plugin declares 'colour'" in done.stderr


def test_the_input_may_come_from_a_file_or_from_stdin(folder: Path) -> None:
    (folder / "some.json").write_text('{"to": 2}')

    from_file = run(folder, "handler.py:count", "--input", "@some.json")
    from_stdin = run(folder, "handler.py:count", "--input", "-", stdin='{"input": {"to": 3}}')

    assert json.loads(from_file.stdout) == [0, 1]
    assert json.loads(from_stdin.stdout) == [0, 1, 2]


def test_test_input_json_beside_the_handler_is_found(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "test_input.json").write_text('{"input": {"to": 1}}')
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    done = run(elsewhere, f"{folder}/handler.py:count")

    assert json.loads(done.stdout) == [0]


def test_a_missing_test_input_is_a_sentence_that_shows_how_to_give_one(folder: Path) -> None:
    done = run(folder, "handler.py:count")

    assert done.returncode == 2
    assert "there is no test_input.json beside handler.py:count or here; give --input" in done.stderr


def test_a_failed_job_is_exit_code_1_with_its_output_on_stdout(folder: Path) -> None:
    done = run(folder, "handler.py:fail", "--input", "{}")

    assert done.returncode == 1
    assert json.loads(done.stdout) == {"left": 0}
    assert "FAILED in" in done.stderr
    assert done.stderr.endswith("no paper\n")


def test_an_exception_is_shown_as_a_traceback(folder: Path) -> None:
    done = run(folder, "handler.py:crash", "--input", "{}")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "ZeroDivisionError" in done.stderr
    assert 'handler.py", line' in done.stderr


def test_progress_that_is_no_json_fails_the_job_as_in_a_worker(folder: Path) -> None:
    done = run(folder, "handler.py:vague", "--input", "{}")

    assert done.returncode == 1
    assert "progress is of type set, which JSON cannot hold; return a list" in done.stderr


def test_the_refresh_flag_is_taken_out_and_told(folder: Path) -> None:
    done = run(folder, "handler.py:fresh", "--input", "{}")

    assert json.loads(done.stdout) == {"done": True}
    assert "a worker would be replaced by a fresh process now" in done.stderr


def test_a_secret_field_reaches_the_handler(folder: Path) -> None:
    config = {
        "accessId": "key",
        "accessSecret": "a-long-secret",
        "bucketName": "photos",
        "endpointUrl": "http://127.0.0.1:9",
    }

    done = run(folder, "handler.py:store", "--input", json.dumps({"input": {}, "s3Config": config}))

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"id": "key"}


def test_a_half_filled_field_is_refused_as_by_a_server(folder: Path) -> None:
    done = run(folder, "handler.py:store", "--input", '{"input": {}, "s3Config": {"accessId": "key"}}')

    assert done.returncode == 1
    assert "s3Config.accessSecret is missing" in done.stderr


def test_a_handler_that_does_not_import_is_one_sentence_with_the_line(folder: Path) -> None:
    (folder / "broken.py").write_text("import workerkit\n\nimport no_such_module\n")

    done = run(folder, "broken.py", "--input", "{}")

    assert done.returncode == 1
    assert "no_such_module" in done.stderr
    assert "line 3" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_a_handler_logs_reaches_stderr(folder: Path) -> None:
    done = run(folder, "handler.py:spoken", "--input", "{}")

    assert "INFO    said by the handler" in done.stderr


def test_a_request_without_a_bucket_is_told_what_to_send_and_nothing_else(folder: Path) -> None:
    done = run(folder, "handler.py:store", "--input", "{}")

    assert done.returncode == 1
    assert "send `s3Config` with the request" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("function", ["waits", "waits_async"])
def test_ctrl_c_ends_the_command_with_130_and_no_traceback(folder: Path, function: str) -> None:
    command = [sys.executable, "-m", "workerkit", "run", f"handler.py:{function}", "--input", "{}"]
    process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "it waits\n"

    process.send_signal(signal.SIGINT)

    assert "Traceback" not in process.communicate(timeout=30)[1]
    assert process.returncode == 130


def test_a_settings_file_beside_the_handler_that_is_not_read_is_named(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "workerkit.toml").write_text("")

    elsewhere = run(folder / "sub", "../handler.py:echo", "--input", "{}")
    given = run(folder / "sub", "../handler.py:echo", "--input", "{}", "--config", "../workerkit.toml")
    here = run(folder, "handler.py:echo", "--input", "{}")

    assert "../workerkit.toml is not read; start workerkit in that folder" in elsewhere.stderr
    assert "is not read" not in given.stderr + here.stderr


@pytest.fixture
def studio(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution that offers two functions, as pip leaves it, on the import path."""
    site = folder / "site"
    info = site / "studio-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "studio_paint.py").write_text(
        "from workerkit import worker_function\n"
        "@worker_function\ndef render(job):\n    return job['input']\n"
        "@worker_function\ndef caption(job):\n    return 'a lighthouse'\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: studio\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[workerkit.functions]\nrender = studio_paint:render\ncaption = studio_paint:caption\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(site))
    return folder


def test_an_installed_function_is_run_by_its_name(studio: Path) -> None:
    (studio / "test_input.json").write_text('{"input": {"prompt": "hello"}}')

    given = run(studio, "--installed", "caption", "--input", "{}")
    sampled = run(studio, "--installed", "render")

    assert json.loads(given.stdout) == "a lighthouse", given.stderr
    assert json.loads(sampled.stdout) == {"prompt": "hello"}, sampled.stderr


def test_which_installed_function_must_be_said(studio: Path) -> None:
    several = run(studio, "--installed", "--input", "{}")
    no_input = run(studio, "--installed", "render")
    unknown = run(studio, "--installed", "rendre", "--input", "{}")

    assert (
        "studio 1.2 (caption, render) holds several functions; name one, such as --installed caption"
        in several.stderr
    )
    assert "there is no test_input.json here; give --input" in no_input.stderr
    assert "no installed function is named 'rendre'; did you mean 'render'?" in unknown.stderr


def test_a_profile_is_one_of_the_settings(folder: Path) -> None:
    done = run(folder, "handler.py:echo", "--input", "{}", "--profile", "runpot")

    assert done.returncode == 1
    assert "did you mean 'runpod'?" in done.stderr
