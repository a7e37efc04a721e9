"""The bucket by URL, by boto3, by fsspec, and for other programs."""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import urllib3
from botocore.exceptions import HTTPClientError

from s3_runs import Runs, run
from s3_servers import S3Service
from workerkit import Bucket, JobFailed
from workerkit.guard import Guard
from workerkit.guard.resolving import Answers

BOTO3 = """
import boto3
client = boto3.client("s3")
client.put_object(Bucket="{bucket}", Key="by boto3", Body=b"x")
print(*(each["Key"] for each in client.list_objects_v2(Bucket="{bucket}")["Contents"]))
"""
AMBIENT = {
    "AWS_ACCESS_KEY_ID": "ambient",
    "AWS_SECRET_ACCESS_KEY": "ambient",
    "AWS_SESSION_TOKEN": "ambient",
    "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
    "AWS_REGION": "eu-ambient-1",
}


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def test_a_presigned_url_opens_the_object_to_anybody_and_may_leave_the_job(
    config: dict[str, str], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> str:
        bucket.upload(b"for anybody", "a b.txt")
        return bucket.presign("a b.txt", 60)

    runs = Runs(config)
    url = runs.run(handler)

    answer = urllib3.request("GET", url, retries=False)
    assert (answer.status, answer.data) == (200, b"for anybody")
    assert urllib3.request("GET", url.partition("?")[0], retries=False).status in (400, 403)
    assert "X-Amz-Expires=60" in url
    assert runs.exempt == [url]


@pytest.mark.parametrize("expires", [0, -1, 604_800.1, float("nan"), float("inf")])
def test_a_presigned_url_is_good_for_seven_days_at_most(config: dict[str, str], expires: float) -> None:
    with pytest.raises(ValueError, match=r"good for up to seven days \(604,800 seconds\), not for "):
        run(config, lambda bucket: bucket.presign("k", expires))

    assert "X-Amz-Expires=604800&" in run(config, lambda bucket: bucket.presign("k", 604_800))


def test_urls_lead_to_the_public_endpoint_where_there_is_one(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    public = f"http://localhost:{s3.port}"

    def handler(bucket: Bucket) -> tuple[str, str]:
        return bucket.upload(b"seen from outside", "k"), bucket.presign("k")

    plain, signed = run({**config, "publicEndpointUrl": public}, handler)

    assert plain == f"{public}/{bucket_name}/k"
    assert signed.startswith(f"{plain}?")
    assert urllib3.request("GET", signed, retries=False).data == b"seen from outside"


def test_the_client_is_boto3s_own_until_the_job_ends(config: dict[str, str], bucket_name: str) -> None:
    kept = []

    def handler(bucket: Bucket) -> bytes:
        kept.append(bucket.client())
        kept[0].put_object(Bucket=bucket_name, Key="a", Body=b"by hand")
        kept[0].copy_object(Bucket=bucket_name, Key="b", CopySource={"Bucket": bucket_name, "Key": "a"})
        with bucket.open("b") as file:
            return bytes(file.read())

    assert run(config, handler) == b"by hand"
    with pytest.raises(RuntimeError, match="the bucket was closed when its job ended"):
        kept[0].get_object(Bucket=bucket_name, Key="k")


def test_a_bucket_is_not_connected_any_more_when_its_job_has_ended(config: dict[str, str]) -> None:
    kept = run(config, lambda bucket: bucket)

    with pytest.raises(RuntimeError, match="the bucket was closed when its job ended"):
        kept.upload(b"late")


# s3fs has its connections closed by the collector, and not all of them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_fsspec_finds_the_bucket_with_its_own_keys_and_forgets_them(
    s3: S3Service, config: dict[str, str], bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**AMBIENT, "AWS_PROFILE": "missing", "HTTP_PROXY": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)

    def handler(bucket: Bucket) -> tuple[list[str], str]:
        files = bucket.fsspec()
        assert files is not bucket.fsspec()
        with files.open(f"{bucket_name}/dir/a.txt", "w") as file:
            file.write("by fsspec")
        return files.ls(f"{bucket_name}/dir"), files.cat(f"{bucket_name}/dir/a.txt").decode()

    assert run(config, handler) == ([f"{bucket_name}/dir/a.txt"], "by fsspec")
    gc.collect()


def test_fsspec_goes_where_the_guard_lets_it(config: dict[str, str]) -> None:
    """The host is a name for loopback when it is checked, and a private address when s3fs asks again."""

    def resolver(host: str, port: int) -> Answers:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "10.1.2.3"
        return socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)

    asked: list[str] = []
    runs = Runs(
        {**config, "endpointUrl": config["endpointUrl"].replace("127.0.0.1", "moving.test")},
        guard=Guard(loopback=True, resolver=resolver),
    )

    with pytest.raises(HTTPClientError, match=r"the host .moving\.test. is 10\.1\.2\.3, a private address"):
        runs.run(lambda bucket: bucket.fsspec().ls(bucket.name))
    assert set(asked) == {"moving.test"}


def test_without_s3fs_fsspec_says_what_to_install(
    config: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)

    with pytest.raises(JobFailed, match="pip install s3fs"):
        run(config, lambda bucket: bucket.fsspec())


def test_a_program_finds_the_bucket_with_the_jobs_keys_and_not_with_its_own(
    s3: S3Service, config: dict[str, str], bucket_name: str, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("by rclone")
    rclone = Path(sysconfig.get_path("scripts"), "rclone")

    def handler(bucket: Bucket) -> str:
        environ = {**os.environ, **AMBIENT, "HOME": str(tmp_path), **bucket.environ()}

        def program(*command: str | Path) -> str:
            return subprocess.run(
                command, env=environ, capture_output=True, text=True, check=True, timeout=60
            ).stdout

        program(rclone, "copy", tmp_path / "a.txt", f":s3:{bucket_name}/dir")
        return program(sys.executable, "-c", BOTO3.format(bucket=bucket_name))

    before = dict(os.environ)
    assert run(config, handler) == "by boto3 dir/a.txt\n"
    assert dict(os.environ) == before
    assert s3.objects(bucket_name)["dir/a.txt"] == b"by rclone"


def test_a_temporary_key_goes_to_programs_with_its_token(config: dict[str, str]) -> None:
    def environ(**more: str) -> dict[str, str]:
        found: dict[str, str] = run({**config, **more}, lambda bucket: bucket.environ())
        return found

    assert environ()["AWS_SESSION_TOKEN"] == ""
    assert {name: environ()[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")} == {
        "AWS_ACCESS_KEY_ID": config["accessId"],
        "AWS_SECRET_ACCESS_KEY": config["accessSecret"],
    }
    assert environ(region="eu-north-1")["AWS_REGION"] == "eu-north-1"
