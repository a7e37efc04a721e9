"""Handlers that do their best to let secrets out, and come to every kind of end.

`witness` in the input goes wherever the secrets go, so that a search can be seen to look there.
"""

from __future__ import annotations

import base64
import http.client
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import boto3

from canaries import forms
from workerkit import Bucket, Job, JobFailed, worker_function

# Of botocore, urllib3 and smart_open, too.
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s")
MIB = 1 << 20
ENVIRON = "import os; print(*(f'{name}={value}' for name, value in os.environ.items()))"


class Source:
    """A file of 20 MiB that ends the process in its middle, on the first attempt."""

    name = "source"

    def __init__(self, job: Job) -> None:
        self._job, self._blocks = job, 0

    def read(self, size: int = -1) -> bytes:
        self._blocks += 1
        if self._blocks == 12 and self._job.attempt == 1:
            end_of_attempt(self._job)
        return bytes(MIB) if self._blocks <= 20 else b""


def secrets(job: Job) -> list[str]:
    """All that is to be let out."""
    config = job["s3Config"]
    own = [config["accessSecret"], config.get("sessionToken"), job["input"].get("witness")]
    return [secret for secret in own if secret]


def said(job: Job) -> list[str]:
    """Every secret in every form, and wrapped in text."""
    return [text for secret in secrets(job) for form in forms(secret) for text in (form, f"so {form}.")]


def tell(job: Job) -> None:
    """Let them out in all ways that no end belongs to."""
    job.progress({"said": said(job), "bare": secrets(job)})
    job.note("said", {text: text for text in said(job)})
    for line in said(job):
        print(line)
        os.write(1, f"from C: {line}\n".encode())
    for secret in secrets(job):
        print(secret, file=sys.stderr)
        job.log.warning("%s", secret)
        logging.getLogger("anyone").debug("%r", {"secret": secret})
        os.write(1, secret[:20].encode())
        print("in between")
        os.write(1, f"{secret[20:]}\n".encode())
    subprocess.run(["echo", *said(job)], check=True)
    print(repr(job), job.fields, job["s3Config"])
    try:
        raise LookupError(*secrets(job))
    except LookupError:
        traceback.print_exc()
        logging.getLogger("anyone").exception("failed with %s", job["s3Config"])


def use(job: Job) -> None:
    """Have the libraries at work, which log what they do."""
    http.client.HTTPConnection.debuglevel = 1
    bucket, config = job.use(Bucket), job["s3Config"]
    bucket.upload(b"x" * 1000, f"{job.id}-upload")
    with bucket.open(f"{job.id}-open", "w") as file:
        file.write("text")
    with bucket.open(f"{job.id}-open") as file:
        file.read()
    print(bucket.presign(f"{job.id}-open"))
    client = boto3.client(
        "s3",
        endpoint_url=config["endpointUrl"],
        aws_access_key_id=config["accessId"],
        aws_secret_access_key=config["accessSecret"],
        aws_session_token=config.get("sessionToken"),
    )
    client.put_object(Bucket=config["bucketName"], Key=f"{job.id}-raw", Body=b"x")
    subprocess.run([sys.executable, "-c", ENVIRON], env={**os.environ, **bucket.environ()}, check=True)
    http.client.HTTPConnection.debuglevel = 0  # what is sent may be large


def end_of_attempt(job: Job) -> None:
    how = job["input"]["how"]
    with open(f"{job.id}.{job.attempt}", "w"):  # that it has come here
        pass
    if how == "killed in an upload":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exits":
        os.write(2, f"last words {secrets(job)[0]}".encode())
        os._exit(3)
    time.sleep(60)


@worker_function(max_starts=2)
def leak(job: Job) -> Any:
    how = job["input"]["how"]
    if how == "fails to upload":
        return job.use(Bucket).upload(b"x")
    tell(job)
    if how == "uses":
        use(job)
    if how in ("killed in an upload", "host killed"):
        job.use(Bucket).upload(Source(job), job.id)
    if how in ("exits", "hangs"):
        end_of_attempt(job)
    if how == "raises":
        raise ValueError(" ".join(said(job))) from KeyError(secrets(job)[0])
    if how == "fails":
        raise JobFailed(" ".join(said(job)), output={"said": said(job)})
    if how == "error key":
        return {"error": " ".join(said(job)), "said": said(job)}
    if how == "refreshes":
        job.refresh_worker(f"because of {secrets(job)[0]}")
    wrapped = [base64.encodebytes(secret.encode()).decode() for secret in secrets(job)]
    return {"said": said(job), "wrapped": wrapped, **dict.fromkeys(said(job), job["s3Config"])}


@worker_function
def stream(job: Job) -> Iterator[Any]:
    for secret in secrets(job):
        yield from secret  # as tokens
        for at in (1, len(secret) // 2, len(secret) - 1):
            yield {"delta": f"so {secret[:at]}"}
            yield {"delta": f"{secret[at:]}."}
    yield from said(job)


@worker_function
def alone(job: Job) -> None:
    tell(job)
    end_of_attempt(job)


@worker_function
def ignorant(job: Job) -> list[str]:
    return sorted(job)
