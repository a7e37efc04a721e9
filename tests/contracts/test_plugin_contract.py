"""Every built-in plugin keeps the promises that are asked of anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from workerkit.testing import PluginContract, Receiver, S3Server


class TestWebhook(PluginContract):
    plugin = "webhook"
    bad_settings = (
        {"attempts": 0},
        {"retry_delay": "soon"},
        {"retry_delay": []},
        {"timeout": 0},
        {"acknowledge": "3xx"},
    )
    bad_fields = ({"webhook": "nowhere"}, {"webhook": 7}, {"webhook": "ftp://127.0.0.1/"})

    @pytest.fixture
    def fields(self, workerkit_receiver: Receiver) -> Mapping[str, Any]:
        return {"webhook": f"{workerkit_receiver.url}/done?token=of-the-receiver"}

    @pytest.fixture
    def effects(self, workerkit_receiver: Receiver) -> Callable[[], int]:
        return lambda: len(workerkit_receiver.requests)


class TestWebhookWithoutASecondTry(TestWebhook):
    @pytest.fixture
    def settings(self) -> Mapping[str, Any]:
        return {"attempts": 1}


class TestS3(PluginContract):
    plugin = "s3"
    bad_fields = ({"s3Config": {"bucketName": "b"}}, {"s3Config": "a bucket"})

    @pytest.fixture
    def fields(self, workerkit_bucket: S3Server) -> Mapping[str, Any]:
        return {"s3Config": workerkit_bucket.config()}

    @pytest.fixture
    def handler(self) -> str:
        return """
from workerkit import Bucket, worker_function


@worker_function
def store(job, bucket: Bucket):
    with bucket.open("greeting.txt", "w") as file:
        file.write("hello")
    return {"url": bucket.upload(b"hello"), "config": repr(job.fields["s3Config"])}
"""


class TestFiles(PluginContract):
    plugin = "files"
    bad_settings = (
        {"url": "public"},
        {"expires": 604_801},
        {"inline": -1},
        {"folders": [""]},
        {"limit": 0},
        {"timeout": 0},
    )

    @pytest.fixture
    def handler(self) -> str:
        return """
from workerkit import InputFile, InputFiles, OutputFile, worker_function


@worker_function
def copy(job):
    file = InputFile("data:text/plain,hello")
    job.use(InputFiles).fetch([file])
    return {"path": file.path, "bytes": OutputFile(b"hello", "hello.txt")}
"""


class TestRefresh(PluginContract):
    plugin = "refresh"
    bad_settings = ({"max_jobs": 0}, {"always": "perhaps"})

    @pytest.fixture
    def settings(self) -> Mapping[str, Any]:
        return {"max_jobs": 1}


class TestErrorKey(PluginContract):
    plugin = "error_key"
