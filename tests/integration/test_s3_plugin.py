from __future__ import annotations

import pytest

from s3_runs import Runs, run
from s3_servers import S3Service
from workerkit import Bucket, Job, JobFailed, Output
from workerkit.bridge import Bridge
from workerkit.guard import Guard
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.settings import S3Settings


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


def test_the_workers_own_aws_environment_is_not_used(
    s3: S3Service, config: dict[str, str], bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as ambient:
        for name, value in {
            "AWS_PROFILE": "missing",
            "AWS_ACCESS_KEY_ID": "ambient",
            "AWS_SECRET_ACCESS_KEY": "ambient",
            "AWS_SESSION_TOKEN": "ambient",
            "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
            "AWS_USE_FIPS_ENDPOINT": "true",
            "HTTP_PROXY": "http://127.0.0.1:1",
        }.items():
            ambient.setenv(name, value)
        run(config, lambda bucket: bucket.upload(b"x", key="k"))
    assert s3.objects(bucket_name) == {"k": b"x"}


def test_wrong_keys_are_refused_by_the_server_and_not_replaced(
    s3: S3Service, config: dict[str, str], bucket_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.access_secret)

    with pytest.raises(JobFailed, match="refused the accessSecret"):
        run({**config, "accessSecret": "wrong"}, lambda bucket: bucket.upload(b"x", key="k"))
    assert s3.objects(bucket_name) == {}


def test_a_job_without_s3_config_has_no_bucket_and_one_that_ignores_it_connects_to_nothing(
    config: dict[str, str],
) -> None:
    plugin = S3(S3Settings(), Guard(loopback=True))
    hooks = Hooks([LoadedPlugin(name="s3", plugin=plugin, fields=plugin.fields)], Bridge())
    job = Job(id="j", endpoint="e", input={})
    hooks.pre_job(job)
    assert hooks.run_job(job, lambda: Output("plain")).value == "plain"

    runs = Runs({**config, "endpointUrl": "http://127.0.0.1:1"})
    assert runs.run(lambda bucket: "ignored", attempt=2) == "ignored"


def test_what_runs_with_one_config_never_sees_anothers_bucket(s3: S3Service, bucket_name: str) -> None:
    def handler(bucket: Bucket) -> set[str]:
        bucket.upload(b"x", bucket.name)
        return {each.key for each in bucket.list()}

    names = [f"{bucket_name}-one", f"{bucket_name}-two"]
    assert [run(s3.config(name), handler) for name in names] == [{name} for name in names]
