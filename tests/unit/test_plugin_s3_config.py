"""What is read out of a config, and what is refused before a job is stored."""

from __future__ import annotations

from typing import Any

import pytest

from workerkit import Refused, Request, Secret
from workerkit.guard import Guard
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.settings import S3Settings

R2 = "https://0123456789abcdef0123456789abcdef"
CLIENTS = Clients()


def config(**changes: Any) -> S3Config:
    values: dict[str, Any] = {
        "accessId": "id",
        "accessSecret": Secret("hush"),
        "bucketName": "photos",
        "endpointUrl": "https://s3.example.com",
    }
    return S3Config(**{**values, **changes})


def refusal(guard: Guard | None = None, **changes: Any) -> str:
    request = Request(id="j", endpoint="e", raw_input=b"{}", fields={"s3Config": config(**changes)})
    with pytest.raises(Refused) as caught:
        S3(S3Settings(), guard or Guard()).accept(request)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bucketName": ""}, "bucketName is empty"),
        ({"accessId": " "}, "accessId is empty"),
        ({"accessId": "wJalrXUtn/FEMI"}, "accessId looks like a secret; are the two swapped?"),
        ({"accessId": " id"}, "accessId has blanks around it; write it without"),
        ({"accessSecret": Secret("")}, "accessSecret is empty"),
        ({"sessionToken": Secret("")}, "sessionToken is empty"),
        ({"bucketName": "photos/cats"}, "bucketName must be the name alone; put folders into objectPath"),
        (
            {"bucketName": "my photos"},
            "bucketName may hold letters, digits, hyphens, dots and underscores only",
        ),
        ({"region": "eu west"}, "region may hold letters, digits and inner hyphens only, such as eu-west-1"),
        *[
            (
                {"objectPath": path},
                "objectPath must be names with single slashes, such as renders/2026, without . and ..",
            )
            for path in ("..", "a/../b", "/a/../../b/", "a//b", "./a")
        ],
    ],
)
def test_a_member_that_no_client_could_use_is_refused(changes: dict[str, Any], sentence: str) -> None:
    assert refusal(**changes) == f"s3Config.{sentence}"


@pytest.mark.parametrize("path", ["", "/", "a", "/a/b/", "//a.b/..c/"])
def test_an_object_path_may_have_slashes_around_it(path: str) -> None:
    config(objectPath=path).check()


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("s3.example.com", "must begin with http:// or https://; write https://s3.example.com"),
        ("minio:9000", "must begin with http:// or https://; write https://minio:9000"),
        ("s3://photos", "must begin with http:// or https://"),
        ("https:///x", "names no host"),
        ("https://a:b@host", "must not carry a user or password"),
        ("https://host:port", "is not a valid URL; check its host, and its port, 1 to 65535"),
        ("https://ho st", "must not contain spaces, control characters or backslashes"),
        (
            "https://s3.example.com:8443/photos/cats/2026",
            "has the path 'photos/cats/2026'; write https://s3.example.com:8443, and put folders into objectPath",
        ),
        (
            "https://s3.example.com/?region=x",
            "must not carry ? or #; write the service's own URL, such as https://s3.example.com",
        ),
        (
            "https://videos.nyc3.digitaloceanspaces.com",
            "begins with the bucket 'videos', and bucketName is 'photos'; "
            "correct one of them, or write https://nyc3.digitaloceanspaces.com",
        ),
        (
            "https://photos.nyc3.cdn.digitaloceanspaces.com",
            "names photos.nyc3.cdn.digitaloceanspaces.com, which only hands out files; write the service's S3 "
            "endpoint, such as https://nyc3.digitaloceanspaces.com or https://s3.eu-west-1.amazonaws.com",
        ),
    ],
)
@pytest.mark.parametrize("member", ["endpointUrl", "publicEndpointUrl"])
def test_an_endpoint_that_cannot_be_is_refused_with_the_cure(member: str, url: str, fault: str) -> None:
    assert refusal(**{member: url}) == f"s3Config.{member} {fault}"


@pytest.mark.parametrize(
    "url", ["https://photos.s3-website.eu-central-1.amazonaws.com", "https://pub-0a1b.r2.dev"]
)
def test_hosts_that_only_hand_out_files_are_no_endpoints(url: str) -> None:
    assert "which only hands out files" in refusal(endpointUrl=url)


def test_an_endpoint_on_the_operators_network_is_refused_with_the_line_to_paste() -> None:
    assert refusal(endpointUrl="http://10.1.2.3:9000/photos") == (
        's3Config.endpointUrl: 10.1.2.3 is a private address; allow it with `allow = ["10.1.2.3"]` under [guard]'
    )
    assert "a cloud metadata address" in refusal(endpointUrl="http://169.254.169.254")
    assert "take it out" in refusal(Guard(deny=["s3.example.com"]))
    assert "a loopback address" in refusal(endpointUrl="http://127.1:9000")


def test_a_public_endpoint_is_only_written_down_so_it_may_be_anywhere() -> None:
    fields = {"s3Config": config(publicEndpointUrl="http://10.1.2.3")}
    S3(S3Settings(), Guard()).accept(Request(id="j", endpoint="e", raw_input=b"{}", fields=fields))


@pytest.mark.parametrize(
    ("endpoint", "region", "address"),
    [
        # Amazon
        ("https://s3.amazonaws.com", "us-east-1", "https://photos.s3.us-east-1.amazonaws.com"),
        ("https://photos.s3.amazonaws.com", "us-east-1", "https://photos.s3.us-east-1.amazonaws.com"),
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1", "https://photos.s3.eu-west-1.amazonaws.com"),
        ("https://s3-eu-west-1.amazonaws.com/", "eu-west-1", "https://photos.s3.eu-west-1.amazonaws.com"),
        (
            "https://photos.s3.eu-west-1.amazonaws.com",
            "eu-west-1",
            "https://photos.s3.eu-west-1.amazonaws.com",
        ),
        (
            "https://s3.eu-west-1.amazonaws.com/photos",
            "eu-west-1",
            "https://photos.s3.eu-west-1.amazonaws.com",
        ),
        ("http://s3.eu-west-1.amazonaws.com", "eu-west-1", "http://photos.s3.eu-west-1.amazonaws.com"),
        (
            "https://s3.dualstack.eu-west-1.amazonaws.com",
            "eu-west-1",
            "https://photos.s3.dualstack.eu-west-1.amazonaws.com",
        ),
        (
            "https://s3.cn-north-1.amazonaws.com.cn",
            "cn-north-1",
            "https://photos.s3.cn-north-1.amazonaws.com.cn",
        ),
        (
            "https://s3-fips.us-gov-west-1.amazonaws.com",
            "us-gov-west-1",
            "https://photos.s3-fips.us-gov-west-1.amazonaws.com",
        ),
        ("https://s3-accelerate.amazonaws.com", "us-east-1", "https://photos.s3-accelerate.amazonaws.com"),
        (
            "https://bucket.vpce-0a1-b2.s3.us-east-1.vpce.amazonaws.com",
            "us-east-1",
            "https://bucket.vpce-0a1-b2.s3.us-east-1.vpce.amazonaws.com/photos",
        ),
        # Cloudflare R2, as its console shows it, and of a jurisdiction
        (f"{R2}.r2.cloudflarestorage.com/photos", "auto", f"{R2}.r2.cloudflarestorage.com/photos"),
        (f"{R2}.eu.r2.cloudflarestorage.com", "auto", f"{R2}.eu.r2.cloudflarestorage.com/photos"),
        # Backblaze, DigitalOcean, Wasabi, Google
        (
            "https://s3.us-west-004.backblazeb2.com",
            "us-west-004",
            "https://s3.us-west-004.backblazeb2.com/photos",
        ),
        ("https://photos.nyc3.digitaloceanspaces.com", "nyc3", "https://nyc3.digitaloceanspaces.com/photos"),
        ("https://nyc3.digitaloceanspaces.com/photos/", "nyc3", "https://nyc3.digitaloceanspaces.com/photos"),
        ("https://s3.wasabisys.com", "us-east-1", "https://s3.wasabisys.com/photos"),
        (
            "https://s3.eu-central-1.wasabisys.com",
            "eu-central-1",
            "https://s3.eu-central-1.wasabisys.com/photos",
        ),
        ("https://photos.storage.googleapis.com", "auto", "https://storage.googleapis.com/photos"),
        # Scaleway, OVH, Alibaba, Tencent, CoreWeave, Tigris, Hetzner, Linode, IBM, Oracle, RunPod
        ("https://photos.s3.fr-par.scw.cloud", "fr-par", "https://s3.fr-par.scw.cloud/photos"),
        ("https://s3.gra.io.cloud.ovh.net", "gra", "https://s3.gra.io.cloud.ovh.net/photos"),
        (
            "https://s3.eu-west-par.perf.cloud.ovh.net",
            "eu-west-par",
            "https://s3.eu-west-par.perf.cloud.ovh.net/photos",
        ),
        (
            "https://oss-cn-hangzhou.aliyuncs.com",
            "cn-hangzhou",
            "https://photos.oss-cn-hangzhou.aliyuncs.com",
        ),
        (
            "https://photos.oss-eu-central-1-internal.aliyuncs.com",
            "eu-central-1",
            "https://photos.oss-eu-central-1-internal.aliyuncs.com",
        ),
        (
            "https://cos.ap-guangzhou.myqcloud.com",
            "ap-guangzhou",
            "https://photos.cos.ap-guangzhou.myqcloud.com",
        ),
        ("https://cwobject.com", "us-east-1", "https://photos.cwobject.com"),
        ("https://t3.storage.dev", "auto", "https://photos.t3.storage.dev"),
        ("https://photos.fsn1.your-objectstorage.com", "fsn1", "https://fsn1.your-objectstorage.com/photos"),
        ("https://us-east-1.linodeobjects.com", "us-east-1", "https://us-east-1.linodeobjects.com/photos"),
        (
            "https://s3.eu-de.cloud-object-storage.appdomain.cloud",
            "eu-de",
            "https://s3.eu-de.cloud-object-storage.appdomain.cloud/photos",
        ),
        (
            "https://ns1.compat.objectstorage.eu-frankfurt-1.oraclecloud.com",
            "eu-frankfurt-1",
            "https://ns1.compat.objectstorage.eu-frankfurt-1.oraclecloud.com/photos",
        ),
        ("https://s3api-eu-ro-1.runpod.io/", "EU-RO-1", "https://s3api-eu-ro-1.runpod.io/photos"),
        # MinIO, Ceph and others of one's own
        ("http://127.0.0.1:9000/photos", "us-east-1", "http://127.0.0.1:9000/photos"),
        ("http://[::1]:9000", "us-east-1", "http://[::1]:9000/photos"),
        ("http://minio:9000", "us-east-1", "http://minio:9000/photos"),
        ("https://S3.Example.com/", "us-east-1", "https://s3.example.com/photos"),
        ("https://photos.s3.example.com", "us-east-1", "https://s3.example.com/photos"),
        ("https://photos.example.com", "us-east-1", "https://photos.example.com/photos"),
        (
            "https://s3.eu-central-1.example.com:8443",
            "eu-central-1",
            "https://s3.eu-central-1.example.com:8443/photos",
        ),
    ],
)
def test_endpoints_as_people_write_them_lead_to_the_bucket(endpoint: str, region: str, address: str) -> None:
    config_ = config(endpointUrl=endpoint)
    config_.check()
    assert (config_.endpoint.region, url(config_)) == (region, f"{address}/key")


def url(config: S3Config) -> str:
    """Where a client of this config asks for the object `key`."""
    client = CLIENTS.signer(config, Guard())
    signed = client.generate_presigned_url("get_object", Params={"Bucket": config.bucketName, "Key": "key"})
    client.close()
    return signed.partition("?")[0]


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        ({"addressingStyle": "virtual"}, "https://photos.s3.example.com/key"),
        ({"addressingStyle": "path"}, "https://s3.example.com/photos/key"),
        (
            {"addressingStyle": "path", "endpointUrl": "https://s3.eu-west-1.amazonaws.com"},
            "https://s3.eu-west-1.amazonaws.com/photos/key",
        ),
        # No certificate is for a name with so many dots, and no host for an underscore.
        (
            {"bucketName": "my.photos", "endpointUrl": "https://my.photos.s3.eu-west-1.amazonaws.com"},
            "https://s3.eu-west-1.amazonaws.com/my.photos/key",
        ),
        (
            {"bucketName": "My_photos", "endpointUrl": "https://s3.eu-west-1.amazonaws.com"},
            "https://s3.eu-west-1.amazonaws.com/My_photos/key",
        ),
        ({"publicEndpointUrl": "https://files.example.com"}, "https://files.example.com/photos/key"),
        # Buckets whose names look like parts of a service's host
        ({"bucketName": "s3", "endpointUrl": "https://s3.example.com"}, "https://s3.example.com/s3/key"),
        (
            {"bucketName": "nyc3", "endpointUrl": "https://nyc3.digitaloceanspaces.com"},
            "https://nyc3.digitaloceanspaces.com/nyc3/key",
        ),
    ],
)
def test_the_buckets_name_goes_where_it_is_asked_to(changes: dict[str, Any], address: str) -> None:
    assert url(config(**changes)) == address


def test_a_region_that_is_given_counts_also_for_the_public_endpoint() -> None:
    asked = config(endpointUrl="https://s3.eu-west-1.amazonaws.com", region="eu-west-3")
    assert (asked.endpoint.region, url(asked)) == (
        "eu-west-3",
        "https://photos.s3.eu-west-3.amazonaws.com/key",
    )

    public = config(
        endpointUrl="http://s3.eu-west-1.internal", publicEndpointUrl="https://s3.us-east-2.example.com"
    )
    assert public.public.region == "eu-west-1"


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(config(sessionToken=Secret("hush")))
    assert "hush" not in repr(CLIENTS.signer(config(), Guard()))
