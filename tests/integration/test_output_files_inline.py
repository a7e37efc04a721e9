"""Without a bucket a small file becomes part of the output, and a large one an error that says what to do."""

from __future__ import annotations

import io
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from workerkit import Job, JobFailed, OutputFile, SettingsError, Status
from workerkit.testing import JobRun, run_job


def returned(make: Any, **settings: Any) -> JobRun:
    return run_job(lambda job: make(job), settings={"files": settings})


def written(job: Job, text: str, name: str = "cat.txt") -> Path:
    path = job.directory / name
    path.write_text(text)
    return path


class Exiting:
    """A picture of a library that ends the process when it cannot write."""

    def save(self, file: io.BytesIO, format: str) -> None:
        raise SystemExit("no license")


@pytest.mark.parametrize(
    ("name", "content_type", "kind"),
    [
        ("cat.txt", None, "text/plain"),
        ("cat.webp", None, "image/webp"),
        ("cat.tar.gz", None, "application/gzip"),
        ("cat", None, "application/octet-stream"),
        ("cat.txt", "text/plain; charset=utf-8", "text/plain;charset=utf-8"),
        ("cat.mp4", 'video/mp4; codecs="vp9, opus"', 'video/mp4;codecs="vp9%2C%20opus"'),
    ],
)
def test_a_file_becomes_a_data_url_of_its_type(name: str, content_type: str | None, kind: str) -> None:
    output = returned(lambda job: {"file": OutputFile(written(job, "meow", name), None, content_type)}).output

    about, _, data = output["file"].partition(",")
    assert about == f"data:{kind};base64"
    assert b64decode(data) == b"meow"


def test_a_file_of_exactly_the_limit_is_part_of_the_output_and_one_byte_more_is_not() -> None:
    assert returned(lambda job: written(job, "x" * 1_000_000)).status is Status.COMPLETED

    run = returned(lambda job: written(job, "x" * 1_000_001))
    assert run.status is Status.FAILED
    assert run.error == (
        "the file 'cat.txt' of the output has 1,000,001 bytes, and no bucket to go to; without one, files of up "
        "to 1,000,000 bytes become part of the output. Send `s3Config` with the request, or set `bucket` and what "
        "belongs to it under [plugin.s3] for requests without one"
    )


def test_the_limit_can_be_set() -> None:
    assert returned(lambda job: written(job, "12345"), inline=5).status is Status.COMPLETED
    assert "files of up to 4 bytes" in str(returned(lambda job: written(job, "12345"), inline=4).error)
    assert "files of up to 0 bytes" in str(returned(lambda job: OutputFile(b"x"), inline=0).error)


def test_a_file_in_the_output_of_a_verdict_is_left_out_and_said() -> None:
    def handler(job: Job) -> None:
        raise JobFailed("too dark", output={"picture": written(job, "x")})

    run = run_job(handler)

    assert (run.status, run.output) == (Status.FAILED, None)
    assert str(run.error).startswith(
        "too dark (its output was left out: output.picture is of type PosixPath, which JSON cannot hold; "
        "the plugin `files` stores those that a handler returns or yields"
    )


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("url", "public", "'public'"),
        ("expires", 604_801, "expires is 604,801; it must be from 1 to 604,800"),
        ("expires", "1h", "write seconds as a number, such as 3600"),
        ("inline", -1, "inline is -1; it must be from 0"),
        ("folders", [""], "folders holds ''; write a path"),
        ("folders", ["/"], "folders holds '/', which is everything; name what may be seen"),
        ("folders", ["/srv", "/usr/.."], "folders holds '/usr/..', which is everything"),
        ("folders", ["../" * 50], "which is everything"),
        ("folders", "/data", 'write a list: ["a", "b"]'),
        ("limit", 0, "limit is 0; it must be from 1"),
        ("limit", "5GB", "write bytes as a whole number, such as 5000000000"),
        ("timeout", 0, "timeout is 0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(setting: str, value: object, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        returned(lambda job: 1, **{setting: value})
    assert setting in str(caught.value)
    assert said in str(caught.value)


def test_a_picture_that_ends_its_process_when_it_is_written_is_told() -> None:
    run = returned(lambda job: OutputFile(Exiting(), "a.png"))
    assert str(run.error).startswith(
        "the output's picture 'a.png' cannot be written: SystemExit: no license; convert it first"
    )
