"""The keys of the operator's bucket, which a handler can reach and is not to give away."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from s3_servers import S3Service
from waiting import until
from workerkit import Bucket
from workerkit.testing import Receiver, Serve, Server, run_job

HANDLER = """
import logging, os, subprocess, sys
from workerkit import Bucket, worker_function

def loud():
    logging.basicConfig(level=logging.DEBUG, force=True)
    for name in ("botocore", "boto3", "urllib3", "s3transfer", "smart_open", "aiobotocore", "fsspec", "s3fs"):
        logging.getLogger(name).setLevel(logging.DEBUG)

@worker_function(max_starts=1)
def leak(job):
    loud()
    how, bucket = job["input"], job.use(Bucket)
    bucket.upload(b"x", key="k")
    environ = bucket.environ()
    secret = environ["AWS_SECRET_ACCESS_KEY"]
    subprocess.run(
        [sys.executable, "-c", "import os; print('of a program', dict(os.environ))"], env={**os.environ, **environ}
    )
    print("printed", environ, file=sys.stderr)
    print("x" * (63 * 1024 - 9) + secret)
    logging.getLogger("anyone").debug("logged %s", environ)
    job.progress(environ)
    job.note("noted", environ)
    job.refresh_worker(f"because of {secret}")
    if how == "raise":
        raise ValueError(f"raised {environ}")
    if how == "cut":
        raise Exception("x" * (49_950 - 9) + secret + "y" * 999 + secret + "z" * (49_950 - 9))
    if how == "die":
        os.write(2, f"last words {secret}\\n".encode())
        os._exit(3)
    return {"environ": environ, secret: 1}

@worker_function
def parts(job):
    loud()
    bucket = job.use(Bucket)
    secret = {
        "client": lambda: bucket.client()._request_signer._credentials.secret_key,
        "fsspec": lambda: bucket.fsspec().secret,
        "environ": lambda: bucket.environ()["AWS_SECRET_ACCESS_KEY"],
    }[job["input"]]()
    yield from secret
    yield {"delta": secret[:9]}
    yield {"delta": secret[9:]}
    yield secret
"""


@pytest.fixture
def server(s3: S3Service, bucket_name: str, workerkit_serve: Serve) -> Server:
    settings = {"plugin": {"s3": {"bucket": {**s3.config(bucket_name), "accessSecret": "env:BUCKET_SECRET"}}}}
    return workerkit_serve(HANDLER, settings, environ={"BUCKET_SECRET": s3.access_secret})


def leaks(secret: str, data: bytes) -> list[bytes]:
    """The forms in which it is there, and its halves."""
    forms = (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()[:-4])
    return [form.encode() for form in (*forms, secret[:9], secret[-9:]) if form.encode() in data]


def run(server: Server, receiver: Receiver, endpoint: str, how: str) -> bytes:
    """Every answer there is about one job, its webhook, and what it printed."""
    path = f"/{endpoint}-{how}"
    id = server.submit(endpoint, how, webhook=receiver.url + path)
    server.wait(endpoint, id)
    [received] = receiver.wait(1, path)
    until("its log is there", lambda: server.get(f"/jobs/{id}/logs")[1]["over"])
    places = ("v2/{0}/status/{1}", "v2/{0}/stream/{1}", "jobs/{1}", "jobs/{1}/logs", "deliveries?job={1}")
    answers = [
        server.http.request("GET", f"{server.url}/{place.format(endpoint, id)}").data for place in places
    ]
    assert b"***" in answers[0]
    assert b"***" in received.body
    return b"\n".join([*answers, received.body])


def test_the_operators_keys_do_not_come_back_whatever_the_handler_does_with_them(
    server: Server, s3: S3Service
) -> None:
    secret = s3.access_secret
    with Receiver() as receiver:
        seen = [run(server, receiver, "leak", how) for how in ("return", "raise", "cut", "die")]
        seen += [run(server, receiver, "parts", how) for how in ("client", "fsspec", "environ")]

    for answers in seen:
        assert leaks(secret, answers) == []
    log = server.log()
    assert "of a program" in log
    assert "DEBUG:botocore" in log
    assert leaks(secret, log.encode()) == []
    for file in (server.folder / ".workerkit").iterdir():
        assert leaks(secret, file.read_bytes()) == [], file.name


def test_a_presigned_url_may_leave_with_the_operators_token_and_the_token_alone_may_not() -> None:
    token = "token-of-the-operator"

    def handler(bucket: Bucket) -> list[str]:
        return [bucket.presign("k"), token]

    bucket = {
        "accessId": "i",
        "accessSecret": "open sesame",
        "bucketName": "b",
        "sessionToken": token,
        "endpointUrl": "http://127.0.0.1:9",
        "publicEndpointUrl": "https://files.example.com",
    }
    [url, alone] = run_job(handler, {}, settings={"s3": {"bucket": bucket}}).output

    assert f"X-Amz-Security-Token={token}" in url
    assert alone == "***"
