"""The handlers that the page about buckets shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from documentation import blocks, pages
from s3_servers import S3Service
from workerkit.testing import JobRun, run_job


@pytest.fixture
def shown(s3: S3Service, bucket_name: str, tmp_path: Path) -> Callable[..., JobRun]:
    """Runs a function of one of the page's files."""
    files = {each.title: each.text for each in blocks("how-to/s3.md", pages()["how-to/s3.md"])}

    def run(file: str, function: str, input: Any = None) -> JobRun:
        path = tmp_path / file
        path.write_text(files[file])
        names: dict[str, Any] = {"__name__": path.stem}
        exec(compile(path.read_text(), path, "exec"), names)
        fields = {"s3Config": s3.config(bucket_name)}
        return run_job(names[function], input, fields=fields)

    return run


def test_a_picture_is_stored_under_job_attempt_and_name(
    shown: Callable[..., JobRun], s3: S3Service, bucket_name: str
) -> None:
    run = shown("handler.py", "render")

    key = f"{run.request.id}/1/picture.png"
    assert run.output == {"picture": f"{s3.url}/{bucket_name}/{key}"}
    assert s3.objects(bucket_name) == {key: "…".encode()}


def test_a_film_is_fetched_and_stored_in_every_way(
    shown: Callable[..., JobRun], s3: S3Service, bucket_name: str
) -> None:
    s3.make(bucket_name)
    with s3.client() as client:
        client.put_object(Bucket=bucket_name, Key="in/film.mp4", Body=b"a film")

    run = shown("transfers.py", "transcode", {"film": "in/film.mp4"})

    assert urllib3.request("GET", run.output["link"], retries=False).data == b"a film"
    keys = [f"{run.request.id}/1/{number}.txt" for number in range(3)]
    assert run.output["objects"] == keys
    found = s3.objects(bucket_name)
    assert set(found) == {*keys, "in/film.mp4", "copy.mp4", "log.txt"}
    assert (found["copy.mp4"], found["log.txt"]) == (b"a film", b"6 bytes\n")
