from __future__ import annotations

import pytest

from workerkit import Refused, Request, Secret
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.config import S3Config


def config(**changes: object) -> S3Config:
    values: dict[str, object] = {
        "accessId": "id",
        "accessSecret": Secret("secret"),
        "bucketName": "photos",
        "endpointUrl": "https://s3.example.com",
    }
    return S3Config(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bucketName": ""}, "s3Config.bucketName is empty"),
        ({"accessId": " "}, "s3Config.accessId is empty"),
        ({"accessSecret": Secret("")}, "s3Config.accessSecret is empty"),
        (
            {"bucketName": "photos/cats"},
            "s3Config.bucketName must be the name alone; put folders into objectPath",
        ),
        ({"endpointUrl": "s3.example.com"}, "s3Config.endpointUrl must begin with http:// or https://"),
        ({"endpointUrl": "https:///x"}, "s3Config.endpointUrl names no host"),
        ({"endpointUrl": "https://a:b@host"}, "s3Config.endpointUrl must not carry a user or password"),
        (
            {"endpointUrl": "https://host/else"},
            "s3Config.endpointUrl must have no path but the bucket's name",
        ),
        (
            {"endpointUrl": "https://host:port"},
            "s3Config.endpointUrl is not a valid URL; check its host and port",
        ),
        (
            {"endpointUrl": "https://ho st"},
            "s3Config.endpointUrl must not contain spaces, control characters or backslashes",
        ),
    ],
)
def test_a_config_that_no_client_could_use_is_refused(changes: dict[str, object], sentence: str) -> None:
    request = Request(id="j", endpoint="e", raw_input=b"{}", fields={"s3Config": config(**changes)})
    with pytest.raises(Refused) as caught:
        S3().accept(request)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("endpoint", "service", "region"),
    [
        ("https://s3.example.com/", "https://s3.example.com", "us-east-1"),
        ("http://127.0.0.1:9000/photos", "http://127.0.0.1:9000", "us-east-1"),
        ("https://photos.example.com", "https://photos.example.com", "us-east-1"),
        ("https://s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://photos.s3.eu-west-1.amazonaws.com", "https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("https://s3.us-west-004.backblazeb2.com", "https://s3.us-west-004.backblazeb2.com", "us-west-004"),
        ("https://photos.nyc3.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com", "nyc3"),
        ("https://acc.r2.cloudflarestorage.com", "https://acc.r2.cloudflarestorage.com", "auto"),
    ],
)
def test_the_service_and_its_region_are_read_from_the_endpoint(
    endpoint: str, service: str, region: str
) -> None:
    config_ = config(endpointUrl=endpoint)
    config_.check()
    assert (config_.service_url, config_.guessed_region) == (service, region)


def test_secrets_do_not_show() -> None:
    assert "secret" not in repr(config(accessSecret=Secret("secret"))).replace("accessSecret=Secret", "")
