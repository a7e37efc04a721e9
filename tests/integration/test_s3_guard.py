"""Where a bucket's client goes: to addresses that the guard passed, and to nothing of the machine's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from certificates import certificate, server_context
from receivers import receiver, says
from s3_servers import S3Service
from workerkit import JobFailed, Secret
from workerkit.guard import Guard
from workerkit.guard.resolving import Answers
from workerkit.testing import Serve
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.refusals import explained

EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
KEPT = EMPTY.replace(b"Connection: close\r\n", b"")
HANDLER = """
from workerkit import Bucket, worker_function

@worker_function(retries=2)
def store(bucket: Bucket):
    return bucket.upload(b"x", key="k")
"""


class Turns:
    """A resolver whose answer is another address each time; the last one stays."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Answers:
        self.asked.append(host)
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]


def at(url: str) -> S3Config:
    return S3Config(accessId="id", accessSecret=Secret("hush"), bucketName="photos", endpointUrl=url)


def test_a_name_that_leads_inside_fails_the_job_with_the_line_to_paste_and_is_not_tried_again() -> None:
    resolve = Turns("127.0.0.1")
    with receiver(says(EMPTY)) as server:
        began = time.monotonic()
        with pytest.raises(JobFailed) as caught:
            Clients().connect(at(f"http://storage.test:{server.port}"), Guard(resolver=resolve))
        assert time.monotonic() - began < 1
    assert str(caught.value) == (
        "s3Config.endpointUrl: the host 'storage.test' is 127.0.0.1, a loopback address; "
        "allow it with `loopback = true` under [guard]"
    )
    assert (resolve.asked, server.connections) == (["storage.test"], 0)


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("10.1.2.3", 'a private address; allow it with `allow = ["storage.test"]` under [guard]'),
        ("169.254.169.254", "a cloud metadata address, which hands out credentials"),
    ],
)
def test_every_new_connection_is_judged_also_in_the_middle_of_a_job(address: str, what: str) -> None:
    guard = Guard(loopback=True, resolver=Turns("127.0.0.1", address))
    with receiver(says(EMPTY)) as server:
        config = at(f"http://storage.test:{server.port}")
        client = Clients().connect(config, guard)
        with pytest.raises(JobFailed) as caught, explained(config):
            client.put_object(Bucket="photos", Key="k", Body=b"x")
        client.close()
    assert what in str(caught.value)
    assert server.connections == 1


def test_the_endpoints_certificate_must_be_that_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "storage.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    guard = Guard(loopback=True, resolver=Turns("127.0.0.1"))
    with receiver(says(KEPT), server_context(files)) as server:
        clients = Clients()
        clients.connect(at(f"https://storage.test:{server.port}"), guard).close()
        other = f"https://other.test:{server.port}"
        with pytest.raises(JobFailed) as caught:
            clients.connect(at(other), guard)
    assert str(caught.value) == (
        f"{other} cannot be trusted: Hostname mismatch, certificate is not valid for 'other.test'"
    )
    assert (len(server.requests), server.connections) == (1, 2)


def test_a_certificate_of_ones_own_is_trusted_when_workerkit_is_started_with_it(
    tmp_path: Path, workerkit_serve: Serve
) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    with receiver(says(KEPT), server_context(files)) as server:
        url = f"https://127.0.0.1:{server.port}"
        config = {"accessId": "i", "accessSecret": "hush", "bucketName": "photos", "endpointUrl": url}
        trusting = workerkit_serve(HANDLER, environ={"SSL_CERT_FILE": str(files)})
        assert trusting.run("store", {}, s3Config=config)["output"] == f"{url}/photos/k"

        before = server.connections
        assert workerkit_serve(HANDLER).run("store", {}, s3Config=config)["error"] == (
            f"{url} cannot be trusted: self-signed certificate; if its issuer is your own, "
            "start workerkit with SSL_CERT_FILE=ca.pem, the issuer's certificate"
        )
        assert server.connections == before + 1


def test_amazon_is_sent_checksums_and_others_are_not() -> None:
    guard = Guard(loopback=True, resolver=Turns("127.0.0.1"))
    sent: dict[str, bytes] = {}
    with receiver(says(EMPTY)) as server:
        for host in ("s3-fips.us-east-1.amazonaws.com", "s3.example.com"):
            client = Clients().connect(at(f"http://{host}:{server.port}"), guard)
            client.put_object(Bucket="photos", Key="k", Body=b"x")
            client.close()
            sent[host] = server.requests[-1].lower()
    assert b"\r\nx-amz-checksum-crc32: " in sent["s3-fips.us-east-1.amazonaws.com"]
    assert b"\r\nhost: photos.s3-fips.us-east-1.amazonaws.com:" in sent["s3-fips.us-east-1.amazonaws.com"]
    assert b"checksum" not in sent["s3.example.com"]


def test_a_session_token_is_sent_along() -> None:
    with receiver(says(EMPTY)) as server:
        config = S3Config(
            accessId="id",
            accessSecret=Secret("hush"),
            sessionToken=Secret("of-a-session"),
            bucketName="photos",
            endpointUrl=f"http://127.0.0.1:{server.port}",
        )
        Clients().connect(config, Guard(loopback=True)).close()
    assert b"\r\nx-amz-security-token: of-a-session\r\n" in server.requests[0].lower()


#: Prints what was opened and connected to while a bucket was used.
WATCHED = """
import json, sys
from workerkit import Secret
from workerkit.guard import Guard
seen = {"open": [], "socket.connect": [], "socket.getaddrinfo": []}
def hook(event, args):
    if event in seen:
        seen[event].append(str(args[1] if event == "socket.connect" else args[0]))
sys.addaudithook(hook)
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config
given = json.loads(sys.argv[1])
client = Clients().connect(S3Config(**{**given, "accessSecret": Secret(given["accessSecret"])}), Guard(loopback=True))
client.put_object(Bucket=given["bucketName"], Key="k", Body=b"x")
client.generate_presigned_url("get_object", Params={"Bucket": given["bucketName"], "Key": "k"})
client.close()
print(json.dumps(seen))
"""


def test_nothing_of_the_machine_is_looked_at(s3: S3Service, bucket_name: str, tmp_path: Path) -> None:
    aws = tmp_path / ".aws"
    aws.mkdir()
    for name in ("credentials", "config"):
        (aws / name).write_text("[default]\naws_access_key_id = ambient\naws_secret_access_key = ambient\n")
    nowhere = "http://127.0.0.1:1"
    environ = {
        **os.environ,
        "HOME": str(tmp_path),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials"),
        "AWS_CONFIG_FILE": str(aws / "config"),
        "AWS_PROFILE": "default",
        "AWS_ACCESS_KEY_ID": "ambient",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_SESSION_TOKEN": "ambient",
        "AWS_REGION": "ap-south-1",
        "AWS_DEFAULT_REGION": "ap-south-1",
        "AWS_ENDPOINT_URL": nowhere,
        "AWS_ENDPOINT_URL_S3": nowhere,
        "AWS_CA_BUNDLE": str(tmp_path / "none.pem"),
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_MAX_ATTEMPTS": "0",
        "AWS_RETRY_MODE": "none",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": nowhere,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(aws / "credentials"),
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ambient",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "ALL_PROXY": nowhere,
        "http_proxy": nowhere,
    }
    command = [sys.executable, "-c", WATCHED, json.dumps(s3.config(bucket_name))]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert set(seen["socket.connect"]) == {str(("127.0.0.1", s3.port))}
    assert set(seen["socket.getaddrinfo"]) <= {"127.0.0.1"}
    assert [path for path in seen["open"] if str(aws) in path] == []
    assert s3.objects(bucket_name) == {"k": b"x"}
