"""`workerkit run` and what it is given: slips in it are told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "handler.py").write_text(HANDLER)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", "run", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_what_a_request_has_that_means_nothing_is_told_with_what_may_have_been_meant(folder: Path) -> None:
    config = {
        "accessId": "key",
        "accessSecret": "a-long-secret",
        "bucketName": "photos",
        "endpointUrl": "http://127.0.0.1:9",
        "objectPaht": "cats",
    }

    member = run(folder, "handler.py", "--input", json.dumps({"input": {}, "s3Config": config}))
    field = run(folder, "handler.py", "--input", json.dumps({"input": {}, "s3config": config}))

    assert (
        "ignored: no plugin declares 's3Config.objectPaht'; did you mean 's3Config.objectPath'?"
        in member.stderr
    )
    assert "ignored: no plugin declares 's3config'; did you mean 's3Config'?" in field.stderr


def test_a_body_with_a_field_of_a_request_and_no_input_is_told_to_be_the_input(folder: Path) -> None:
    body = json.dumps({"prompt": "x", "webhook": "http://127.0.0.1:9/done"})
    (folder / "test_input.json").write_text(body)

    given = run(folder, "handler.py", "--input", body)
    sample = run(folder, "handler.py")
    whole = run(folder, "handler.py", "--input", json.dumps({"input": json.loads(body)}))

    said = 'so all of it is the input; for webhook as a field of the request, give {"input": ..., "webhook": ...}'
    assert f'--input has no "input", {said}' in given.stderr
    assert f'test_input.json has no "input", {said}' in sample.stderr
    assert "all of it" not in whole.stderr
    assert {json.loads(done.stdout)["prompt"] for done in (given, sample, whole)} == {"x"}


def test_a_body_that_is_no_json_or_no_object_needs_no_word_about_fields(folder: Path) -> None:
    bad = run(folder, "handler.py", "--input", '{"webhook": }')
    listed = run(folder, "handler.py", "--input", '["webhook"]')

    assert "--input is not valid JSON at line 1, column 13" in bad.stderr
    assert "Traceback" not in bad.stderr
    assert "all of it" not in listed.stderr


def test_a_handler_that_does_not_exist_is_told_before_its_input(folder: Path) -> None:
    done = run(folder, "handlr.py")

    assert done.returncode == 1
    assert "the file handlr.py does not exist; did you mean 'handler.py'?" in done.stderr
    assert "test_input.json" not in done.stderr
