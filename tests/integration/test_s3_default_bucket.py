"""The operator's own bucket, for jobs whose request names none; and a server's answers about others."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from s3_failing import at
from s3_servers import S3Service
from workerkit import Bucket, Secret, SettingsError
from workerkit.loading import load_plugins
from workerkit.settings import load_settings
from workerkit.testing import Serve, Server, run_job

HANDLER = """
import logging
from workerkit import Bucket, worker_function

@worker_function
def store(bucket: Bucket):
    return bucket.upload(b"x", key="k")

@worker_function
def loud(bucket: Bucket):
    logging.basicConfig(level=logging.DEBUG, force=True)
    for name in ("botocore", "boto3", "urllib3", "s3transfer", "smart_open"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with bucket.open("spoken", "w") as file:
        file.write("loud")
    return bucket.upload(b"x", key="k")
"""
KEY = "open sesame"


def store(bucket: Bucket) -> str:
    return bucket.upload(b"x", key="k")


def is_of_request(bucket: Bucket) -> bool:
    return bucket.of_request


def test_a_job_that_names_no_bucket_has_the_operators(
    s3: S3Service, bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET_SECRET", s3.access_secret)
    bucket = {**s3.config(bucket_name), "accessSecret": "env:BUCKET_SECRET", "objectPath": "jobs"}

    run = run_job(store, {}, settings={"s3": {"bucket": bucket}})

    assert (run.error, run.output) == (None, f"{s3.url}/{bucket_name}/k")
    assert s3.objects(bucket_name) == {"k": b"x"}


def test_it_can_be_given_by_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET_SECRET", "hush")
    given = {
        "accessId": "i",
        "accessSecret": "env:BUCKET_SECRET",
        "bucketName": "b",
        "endpointUrl": "https://s3.test",
    }
    settings = load_settings(environ={**os.environ, "WORKERKIT_S3__BUCKET": json.dumps(given)})
    [loaded] = [plugin for plugin in load_plugins(settings) if plugin.name == "s3"]
    assert loaded.settings["bucket"]["bucketName"] == "b"
    assert loaded.settings["bucket"]["accessSecret"] == Secret("hush")


def test_the_requests_own_bucket_comes_first(s3: S3Service, bucket_name: str) -> None:
    bucket = s3.config(f"{bucket_name}-default")
    run = run_job(store, {}, settings={"s3": {"bucket": bucket}}, fields={"s3Config": s3.config(bucket_name)})

    assert run.error is None
    assert s3.objects(bucket_name) == {"k": b"x"}
    assert s3.objects(f"{bucket_name}-default") == {}


def test_a_bucket_says_whether_the_request_brought_it() -> None:
    config = at("https://s3.example.com")
    settings = {"s3": {"bucket": config}}
    assert run_job(is_of_request, {}, settings=settings).output is False
    assert run_job(is_of_request, {}, settings=settings, fields={"s3Config": config}).output is True


def test_without_either_the_job_is_told_what_to_send_or_to_set() -> None:
    assert run_job(store, {}).error == (
        "no plugin provided a Bucket for this job; send `s3Config` with the request, "
        "or set `bucket` under [plugin.s3] (`workerkit plugins` shows whether s3 is active)"
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        (
            {"endpointUrl": "minio:9000"},
            "bucket.endpointUrl must begin with http:// or https://; write https://minio:9000",
        ),
        ({"bucketName": ""}, "bucket.bucketName is empty"),
        ({"bucketname": "x"}, "unknown setting 'bucket.bucketname'; did you mean 'bucketName'?"),
        ({"addressingStyle": "host"}, "bucket.addressingStyle"),
        ({"accessSecret": "env:NOT_SET"}, "the environment variable 'NOT_SET' is not set"),
    ],
)
def test_a_bucket_that_cannot_be_stops_the_start(
    tmp_path: Path, changes: dict[str, str], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "accessId": "i",
        "accessSecret": "hush",
        "bucketName": "b",
        "endpointUrl": "https://s3.example.com",
    }
    lines = "\n".join(f'{name} = "{value}"' for name, value in {**given, **changes}.items())
    path = tmp_path / "workerkit.toml"
    path.write_text(f"[plugin.s3.bucket]\n{lines}\n")
    with pytest.raises(SettingsError) as caught:
        load_plugins(load_settings(config=str(path), environ={}))
    assert fault in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.fixture
def served(s3: S3Service, bucket_name: str, workerkit_serve: Serve) -> Server:
    """A server with an API key, whose guard lets no loopback address pass."""
    settings: dict[str, Any] = {
        "server": {"keys": {"me": {"sha256": hashlib.sha256(KEY.encode()).hexdigest(), "role": "operator"}}},
        "plugin": {"s3": {"bucket": {**s3.config(bucket_name), "accessSecret": "env:BUCKET_SECRET"}}},
    }
    return workerkit_serve(
        HANDLER,
        settings,
        environ={"BUCKET_SECRET": s3.access_secret},
        headers={"Authorization": f"Bearer {KEY}"},
    )


def test_the_operators_endpoint_may_be_inside_and_those_of_requests_may_not(
    served: Server, s3: S3Service, bucket_name: str
) -> None:
    told = served.run("store", {})
    assert (told.get("error"), told["status"]) == (None, "COMPLETED")
    assert s3.objects(bucket_name) == {"k": b"x"}

    status, answer = served.post("/v2/store/run", {"input": {}, "s3Config": s3.config(bucket_name)})
    assert status == 400
    assert answer["error"] == (
        "s3Config.endpointUrl: 127.0.0.1 is a loopback address; allow it with `loopback = true` under [guard]"
    )


def test_libraries_that_log_everything_show_no_secret(
    workerkit_serve: Serve, s3: S3Service, bucket_name: str
) -> None:
    server = workerkit_serve(HANDLER)
    told = server.run("loud", {}, s3Config=s3.config(bucket_name))
    assert (told.get("error"), told["status"]) == (None, "COMPLETED")
    log = server.log()
    assert "botocore" in log
    assert s3.access_secret not in log
    assert s3.objects(bucket_name) == {"k": b"x", "spoken": b"loud"}
