"""What a person can get wrong over HTTP, against a real server: status, code, culprit and cure."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from workerkit.testing import Server

HANDLER = """
from workerkit import worker_function

@worker_function
def render(job):
    return job["input"]
"""
S3 = b'{"input":1,"s3Config":{"accessId":"id","accessSecret":"open-sesame","bucketName":"b"}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = "[limits]\nrun_body = 2000\nrunsync_body = 4000\n"
    with Server(tmp_path_factory.mktemp("bad-input"), HANDLER, settings=limits) as served:
        yield served


BAD = {
    "empty": ("/v2/render/run", b"", 400, "empty_body", 'such as {"input"'),
    "trailing comma": (
        "/v2/render/run",
        b'{"input": {"a": 1,}}',
        400,
        "bad_json",
        "line 1, column 18: a comma",
    ),
    "cut off": ("/v2/render/runsync", b'{"input": {', 400, "bad_json", "was it cut off?"),
    "NaN": ("/v2/render/run", b'{"input": NaN}', 400, "bad_json", "NaN is not JSON; send null"),
    "1e400": ("/v2/render/run", b'{"input": 1e400}', 400, "bad_json", "too large to be kept"),
    "latin-1": (
        "/v2/render/run",
        b'{"input": "\xe9"}',
        400,
        "bad_encoding",
        "byte 0xe9 at line 1, column 12",
    ),
    "UTF-16": ("/v2/render/run", '{"input":1}'.encode("utf-16"), 400, "bad_encoding", "send UTF-8"),
    "half a pair": ("/v2/render/run", b'{"input": "\\ud800"}', 400, "bad_json", "half of a surrogate pair"),
    "array": ("/v2/render/run", b"[]", 400, "not_an_object", "the body is an array"),
    "no input": ("/v2/render/run", b'{"prompt": "x"}', 400, "bad_input", "its keys: prompt"),
    "deep": ("/v2/render/run", b'{"input":' + b"[" * 900, 400, "bad_json", "cut off"),
    "too deep": (
        "/v2/render/run",
        b'{"input":' + b"[" * 100 + b"]" * 100 + b"}",
        400,
        "too_deep",
        "100 levels",
    ),
    "policy": (
        "/v2/render/run",
        b'{"input":1,"policy":{"ttl":1}}',
        400,
        "bad_policy",
        "from 10000 ms (10 s)",
    ),
    "too large": (
        "/v2/render/run",
        b'{"input":"%s"}' % (b"x" * 2000),
        413,
        "too_large",
        "larger than 2000 bytes",
    ),
    "too large, sync": ("/v2/render/runsync", b"x" * 4001, 413, "too_large", "larger than 4000 bytes"),
    "endpoint": ("/v2/rendr/run", b'{"input":1}', 404, "unknown_endpoint", "Did you mean 'render'?"),
    "endpoint, sync": ("/v2/nobody/runsync", b'{"input":1}', 404, "unknown_endpoint", "Known: render"),
    "job": ("/v2/render/status/nobody", b"", 404, "unknown_job", "'nobody'"),
    "job to cancel": ("/v2/render/cancel/nobody", b"", 404, "unknown_job", "'nobody'"),
    "job to retry": ("/v2/render/retry/nobody", b"", 404, "unknown_job", "'nobody'"),
    "path": ("/v2/render/start", b"", 404, "unknown_path", "known: cancel, events, health"),
    "wait": ("/v2/render/runsync?wait=1s", b'{"input":1}', 400, "bad_wait", "'1s'"),
    "webhook type": ("/v2/render/run", b'{"input":1,"webhook":5}', 400, "bad_field", "webhook is not valid"),
    "webhook URL": ("/v2/render/run", b'{"input":1,"webhook":"example.com/x"}', 400, "refused", "webhook"),
    "half an s3Config": ("/v2/render/run", S3, 400, "bad_field", "s3Config.endpointUrl is missing"),
    "s3Config type": ("/v2/render/run", b'{"input":1,"s3Config":"x"}', 400, "bad_field", "s3Config"),
    "cancel who?": ("/jobs/nobody/cancel", b"", 404, "unknown_job", "'nobody'"),
    "redeliver what?": ("/deliveries/nothing/redeliver", b"", 404, "unknown_delivery", "'nothing'"),
}


@pytest.mark.parametrize(("path", "body", "status", "code", "sentence"), BAD.values(), ids=BAD.keys())
def test_every_mistake_is_answered_with_its_culprit_and_its_cure(
    server: Server, path: str, body: bytes, status: int, code: str, sentence: str
) -> None:
    answered, error = server.post(path, body)
    assert (answered, error.get("code")) == (status, code), error
    assert sentence in error["error"]
    assert "sesame" not in error["error"]


def test_nothing_of_all_that_was_stored(server: Server) -> None:
    status, health = server.get("/v2/render/health")
    assert status == 200
    assert health["jobs"] == {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}


def test_keys_that_mean_nothing_are_named_in_a_header(server: Server) -> None:
    answer = server.http.request(
        "POST", f"{server.url}/v2/render/run", body=b'{"input":1,"webhookV2":"x","with space":1}'
    )
    assert answer.status == 200
    assert answer.headers["x-workerkit-ignored"] == "webhookV2, with%20space"


def test_members_that_a_field_does_not_have_are_named_in_the_header_too(server: Server) -> None:
    config = {"accessId": "a", "accessSecret": "b", "bucketName": "c", "endpointUrl": "http://127.0.0.1:9"}
    body = {"input": 1, "s3config": {}, "s3Config": {**config, "objectPaht": "d"}}
    answer = server.http.request("POST", f"{server.url}/v2/render/run", body=json.dumps(body))
    assert answer.status == 200, answer.data
    assert answer.headers["x-workerkit-ignored"] == "s3config, s3Config.objectPaht"
