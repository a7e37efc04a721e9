from __future__ import annotations

import gc
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from workerkit import Bucket, Job, Output, Secret
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.testing import S3Server, s3_server
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.config import S3Config

PLUGIN = S3()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    folder = tmp_path_factory.mktemp("s3") / "buckets"
    folder.mkdir()
    with s3_server(folder) as server:
        yield server


def typed(config: dict[str, str]) -> S3Config:
    return msgspec.convert(config, S3Config, dec_hook=lambda kind, value: Secret(value))


def run(
    config: dict[str, str], handler: Callable[[Bucket], object], *, job_id: str = "job-1", plugin: S3 = PLUGIN
) -> object:
    """One run of a handler between the plugin's hooks, as the runner does it."""
    hooks = Hooks([LoadedPlugin(name="s3", plugin=plugin, fields=plugin.fields)], Bridge())
    job = Job(
        id=job_id,
        endpoint="e",
        input={},
        fields={"s3Config": typed(config)},
        raw_fields={"s3Config": config},
    )
    hooks.pre_job(job)
    return hooks.run_job(job, lambda: Output(handler(job.use(Bucket)))).value


def test_what_is_written_can_be_read_back_as_bytes_and_as_text(server: S3Server) -> None:
    def handler(bucket: Bucket) -> tuple[bytes, str]:
        with bucket.open("a/ picture?x=1#2.gz", "wb") as file:
            file.write(b"\x1f\x8b not compressed twice")
        with bucket.open("note.txt", "w") as file:
            file.write("grüße\n")
        with bucket.open("a/ picture?x=1#2.gz") as picture, bucket.open("note.txt", "r") as note:
            return picture.read(), note.read()

    assert run(server.config("both"), handler) == (b"\x1f\x8b not compressed twice", "grüße\n")
    assert server.objects("both")["note.txt"] == "grüße\n".encode()


def test_uploads_of_bytes_paths_and_files_get_keys_of_their_own_run(server: S3Server, tmp_path: Path) -> None:
    path = tmp_path / "cat.jpg"
    path.write_bytes(b"cat")
    given = io.BytesIO(b"given")

    def handler(bucket: Bucket) -> list[str]:
        return [
            bucket.upload(path),
            bucket.upload(str(path)),
            bucket.upload(b"raw"),
            bucket.upload(given, key="exact/key"),
        ]

    urls = run({**server.config("up"), "objectPath": "/out/"}, handler, job_id="j")

    base = f"{server.url}/up"
    assert urls == [
        f"{base}/out/j/1/cat.jpg",
        f"{base}/out/j/1/1-cat.jpg",
        f"{base}/out/j/1/object",
        f"{base}/exact/key",
    ]
    assert server.objects("up") == {
        "out/j/1/cat.jpg": b"cat",
        "out/j/1/1-cat.jpg": b"cat",
        "out/j/1/object": b"raw",
        "exact/key": b"given",
    }
    assert not given.closed


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_a_writer_left_open_publishes_nothing(
    server: S3Server, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(bucket: Bucket) -> None:
        file = bucket.open("half", mode)
        file.write("half" if mode == "w" else b"half")

    with caplog.at_level(logging.WARNING):
        run(server.config("left"), handler)
    gc.collect()

    assert server.objects("left") == {}
    assert "was left open by its job; it is not stored" in caplog.text


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("managed", [True, False])
def test_a_handler_that_raises_publishes_nothing(server: S3Server, mode: str, managed: bool) -> None:
    def handler(bucket: Bucket) -> None:
        file = bucket.open("half", mode)
        file.write("half" if mode == "w" else b"half")
        if managed:
            with file:
                raise ZeroDivisionError
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(server.config("raised"), handler)
    gc.collect()

    assert server.objects("raised") == {}


def test_an_object_of_several_parts_arrives_whole(server: S3Server) -> None:
    data = bytes(range(256)) * 240_000

    def handler(bucket: Bucket) -> None:
        with bucket.open("big", "wb") as file:
            for start in range(0, len(data), 1_000_000):
                file.write(data[start : start + 1_000_000])

    run(server.config("big"), handler)
    assert server.objects("big")["big"] == data


def test_the_workers_own_aws_environment_is_not_used(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_PROFILE": "missing",
        "AWS_ACCESS_KEY_ID": "ambient",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_SESSION_TOKEN": "ambient",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)

    run(server.config("own"), lambda bucket: bucket.upload(b"x", key="k"), plugin=S3())
    assert server.objects("own") == {"k": b"x"}


def test_wrong_keys_are_refused_by_the_server_and_not_replaced(
    server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.access_secret)

    with pytest.raises(Exception, match=r"403|Forbidden|SignatureDoesNotMatch|AccessDenied"):
        run(
            {**server.config("no"), "accessSecret": "wrong"},
            lambda bucket: bucket.upload(b"x", key="k"),
            plugin=S3(),
        )
    assert server.objects("no") == {}


def test_an_endpoint_that_does_not_answer_is_named_at_once(server: S3Server) -> None:
    config = {**server.config(), "endpointUrl": "http://127.0.0.1:1"}

    with pytest.raises(ConnectionError, match=r"endpoint http://127\.0\.0\.1:1 does not answer"):
        run(config, lambda bucket: bucket.open("k", "wb"))


def test_a_job_without_s3_config_has_no_bucket_and_one_that_ignores_it_connects_to_nothing(
    server: S3Server,
) -> None:
    hooks = Hooks([LoadedPlugin(name="s3", plugin=PLUGIN, fields=PLUGIN.fields)], Bridge())
    job = Job(id="j", endpoint="e", input={})
    hooks.pre_job(job)
    assert hooks.run_job(job, lambda: Output("plain")).value == "plain"

    config = {**server.config(), "endpointUrl": "http://127.0.0.1:1"}
    assert run(config, lambda bucket: "ignored") == "ignored"


def test_a_wrong_mode_says_which_ones_there_are(server: S3Server) -> None:
    with pytest.raises(ValueError, match="mode 'a'; use one of r, rb, w, wb"):
        run(server.config(), lambda bucket: bucket.open("k", "a"))
