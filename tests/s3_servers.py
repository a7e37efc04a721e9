"""Two real S3 servers on loopback. They differ, as services do; what holds for both is no accident.

`rclone serve s3` keeps objects as files. It refuses an unknown access id and a wrong secret, both as
`403 SignatureDoesNotMatch` or `403 AccessDenied`, and has path style only.

`weed mini` of SeaweedFS is a whole store. It refuses an unknown access id (`InvalidAccessKeyId`), a wrong
secret (`SignatureDoesNotMatch`), a request without a signature (`AccessDenied`), writes with the keys of
`read_only` (`AccessDenied`), an upload to a bucket that is not there (`NoSuchBucket`) and unknown upload
ids (`NoSuchUpload`). It takes both styles: the host `bucket.DOMAIN` is a bucket's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from functools import cached_property
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import attrs

from waiting import until
from workerkit.testing import s3_server

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

#: Of `weed mini`: the hosts that end so name their bucket. Loopback only when a resolver says so.
DOMAIN = "s3.test"
READER, READERS_SECRET = "test-reader", "readers+secret/="


@attrs.frozen
class S3Service:
    """A running S3 server, seen by a client that has all rights."""

    name: str
    url: str
    access_id: str
    access_secret: str = attrs.field(repr=False)

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    def config(self, bucket: str, **more: str) -> dict[str, str]:
        """An `s3Config` as a request carries it; makes the bucket."""
        self.make(bucket)
        return {
            "accessId": self.access_id,
            "accessSecret": self.access_secret,
            "bucketName": bucket,
            "endpointUrl": self.url,
            **more,
        }

    def read_only(self, bucket: str) -> dict[str, str]:
        """The same with keys that may not write; `weed` has them."""
        return {**self.config(bucket), "accessId": READER, "accessSecret": READERS_SECRET}

    def make(self, bucket: str) -> None:
        """Make a bucket, unless it is there."""
        if bucket not in [each["Name"] for each in self._client.list_buckets()["Buckets"]]:
            self._client.create_bucket(Bucket=bucket)

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Every object of a bucket by key."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        return {key: self._client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def uploads(self, bucket: str) -> dict[str, str]:
        """The multipart uploads that are open: their keys by their ids."""
        try:
            found = self._client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
        except self._client.exceptions.NoSuchUpload:  # how rclone says that there are none
            return {}
        return {each["UploadId"]: each["Key"] for each in found}

    @contextmanager
    def client(self) -> Iterator[S3Client]:
        """A plain boto3 client, which goes wherever boto3's own defaults lead. It is one that all share."""
        yield self._client

    @cached_property
    def _client(self) -> S3Client:
        """Made once: that takes longer than most requests do."""
        import boto3
        from botocore.config import Config

        client: S3Client = boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.access_id,
            aws_secret_access_key=self.access_secret,
            region_name="us-east-1",
            config=Config(
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"},
                proxies={},
            ),
        )
        return client

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


@contextmanager
def rclone(folder: Path) -> Iterator[S3Service]:
    """`rclone serve s3` over a folder, as `workerkit.testing.s3_server` starts it."""
    objects = folder / "objects"
    objects.mkdir()
    with (
        s3_server(objects) as server,
        closing(S3Service("rclone", server.url, server.access_id, server.access_secret)) as service,
    ):
        yield service


@contextmanager
def weed(folder: Path) -> Iterator[S3Service]:
    """`weed mini` with all its parts on loopback ports, and nothing that reports to anybody."""
    roles = ["master", "volume", "filer", "s3", "admin"]
    names = [f"{role}.port{rpc}" for role in roles for rpc in ("", ".grpc")]
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    service = S3Service(
        "weed", f"http://127.0.0.1:{ports['s3.port']}", "test-access-id", f"{token_urlsafe(18)}/+="
    )
    (folder / "keys.json").write_text(json.dumps({"identities": _identities(service)}))
    (folder / "data").mkdir()
    options = {
        **ports,
        "dir": folder / "data",
        # Each bucket takes volumes of its own, which are files that grow; else there are as many as fit on the disk.
        "volume.max": 1_000,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "admin.ui": "false",
        "webdav": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": folder / "keys.json",
        "s3.domainName": DOMAIN,
        "s3.autoCreateBucket": "false",
        # Paths of sockets may have 107 characters, and a test's folder has many.
        "s3.localSocket": f"/tmp/weed-{ports['s3.port']}.sock",
        "filer.localSocket": f"/tmp/weed-{ports['filer.port']}.sock",
    }
    command = [
        _program("weed"),
        f"-logdir={folder}",
        "mini",
        *(f"-{name}={at}" for name, at in options.items()),
    ]
    with (folder / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, env={**os.environ, "HOME": str(folder)}
        )
        try:
            until("weed answers, or has ended", lambda: process.poll() is not None or answers(service.port))
            assert process.poll() is None, (folder / "weed.log").read_text()
            with closing(service):
                yield service
        finally:
            process.kill()  # what it would put in order is thrown away
            process.wait(timeout=30)
            for name in ("s3", "filer"):
                Path(str(options[f"{name}.localSocket"])).unlink(missing_ok=True)


#: By name; each is given an empty folder of its own.
SERVERS: dict[str, Callable[[Path], AbstractContextManager[S3Service]]] = {"rclone": rclone, "weed": weed}


def _identities(service: S3Service) -> list[dict[str, Any]]:
    people = [
        ("all", service.access_id, service.access_secret, ["Admin"]),
        ("reader", READER, READERS_SECRET, ["Read", "List"]),
    ]
    return [
        {"name": name, "credentials": [{"accessKey": id, "secretKey": secret}], "actions": actions}
        for name, id, secret, actions in people
    ]


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on at this moment, each another one."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def answers(port: int) -> bool:
    """Whether something listens there, on 127.0.0.1."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


def _program(name: str) -> str:
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    assert found is not None, f"{name} is not installed; install workerkit[test]"
    return found
