"""A request with `s3Config`, as RunPod's contract has it: the object is there, and of the config no trace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import urllib3

from canaries import Search, told
from s3_servers import S3Service
from workerkit.testing import Receiver, Server

SIZE = 20_000
HANDLER = (
    f"""
from random import Random

import boto3
from runpod.serverless.utils.rp_upload import upload_in_memory_object
from workerkit import Bucket, worker_function

def data(job):
    return Random(job["input"]["seed"]).randbytes({SIZE})
"""
    + """
@worker_function
def keep(job, bucket: Bucket):
    return globals()[job["input"]["way"]](job, bucket)

def through_open(job, bucket):
    with bucket.open("opened.bin", "wb") as file:
        file.write(data(job))
    return bucket.presign("opened.bin")

def through_upload(job, bucket):
    return bucket.upload(data(job), "uploaded.bin")

def as_a_path(job, bucket):
    path = job.directory / "returned.bin"
    path.write_bytes(data(job))
    return path

def with_boto3(job, bucket):
    config = job["s3Config"]
    client = boto3.client(
        "s3",
        endpoint_url=config["endpointUrl"],
        aws_access_key_id=config["accessId"],
        aws_secret_access_key=config["accessSecret"],
    )
    client.put_object(Bucket=config["bucketName"], Key="raw.bin", Body=data(job))
    return "raw.bin"

def with_runpods_own_upload(job, bucket):
    config = job["s3Config"]
    return upload_in_memory_object("runpods.bin", data(job), config, config["bucketName"])

@worker_function
def echo(job):
    return job["input"]

@worker_function
def frames(job):
    for number in range(3):
        path = job.directory / f"{number}.bin"
        path.write_bytes(data(job)[number:])
        yield {"frame": path}
"""
)
WAYS = ("through_open", "through_upload", "as_a_path", "with_boto3", "with_runpods_own_upload")
#: Reads its server's address when it is imported, so it needs a process of its own.
OFFICIAL_CLIENT = """
import json, sys
import runpod

runpod.api_key = "any-key"
job = runpod.Endpoint("keep").run(json.load(sys.stdin))
print("tells", json.dumps([job.job_id, job.output(timeout=30), job.status()]))
"""
#: Of the servers here; those that jobs return may have some of the config in them.
URLS = re.compile(rb"http://127\.0\.0\.1:\d+/[^\s\"]*")
MEMBERS = ("s3Config", "accessId", "accessSecret", "bucketName", "endpointUrl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = "[guard]\nloopback = true\n"
    with Server(tmp_path_factory.mktemp("official"), HANDLER, settings=settings) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def data(seed: int) -> bytes:
    return Random(seed).randbytes(SIZE)


def request(receiver: Receiver, config: dict[str, str], **input: Any) -> dict[str, Any]:
    return {"input": input, "webhook": receiver.url, "s3Config": config}


def traces(server: Server, receiver: Receiver, endpoint: str, id: str, config: dict[str, str]) -> list[str]:
    """Where something of a config is left in what is said of a job."""
    [received] = receiver.wait(1)
    said = dict(told(server, endpoint, id))
    status = said[f"/v2/{endpoint}/status/{id}"].partition(b"\n")[2]
    assert received.body == status
    said["webhook"] = json.dumps(received.headers).encode() + received.body
    search = Search([config["accessSecret"]])
    for place, text in said.items():
        search.look(place, text)
    values = [config["accessId"], config["bucketName"], config["endpointUrl"]]
    parts = [part.encode() for part in (*MEMBERS, *values)]
    left = {place: URLS.sub(b"", text) for place, text in said.items()}
    return [*search.finds, *(place for place, text in left.items() if any(part in text for part in parts))]


def fetched(url: str) -> bytes:
    answer = urllib3.request("GET", url, retries=False)
    assert answer.status == 200, answer.data
    return answer.data


@pytest.mark.parametrize("way", WAYS)
def test_what_a_handler_stores_is_there_and_of_the_config_no_trace(
    server: Server, receiver: Receiver, s3: S3Service, bucket_name: str, way: str
) -> None:
    config = s3.config(bucket_name)
    status, answer = server.post("/v2/keep/run", request(receiver, config, way=way, seed=7))
    assert (status, answer) == (200, {"id": answer["id"], "status": "IN_QUEUE"})

    end = server.wait("keep", answer["id"])

    assert end["status"] == "COMPLETED", end
    assert list(s3.objects(bucket_name).values()) == [data(7)]
    if "X-Amz-Signature" in end["output"]:
        assert fetched(end["output"]) == data(7)
    assert traces(server, receiver, "keep", end["id"], config) == []


def test_files_that_are_yielded_are_there_chunk_by_chunk(
    server: Server, receiver: Receiver, s3: S3Service, bucket_name: str
) -> None:
    config = s3.config(bucket_name)
    body = request(receiver, config, seed=8)
    id = server.post("/v2/frames/run", body)[1]["id"]

    end = server.wait("frames", id)

    chunks = [chunk["output"] for chunk in server.get(f"/v2/frames/stream/{id}")[1]["stream"]]
    assert chunks == end["output"]
    assert [fetched(chunk["frame"]) for chunk in chunks] == [data(8)[number:] for number in range(3)]
    assert traces(server, receiver, "frames", id, config) == []


def test_the_same_through_the_official_client(
    server: Server, receiver: Receiver, s3: S3Service, bucket_name: str
) -> None:
    config = s3.config(bucket_name)
    done = subprocess.run(
        [sys.executable, "-c", OFFICIAL_CLIENT],
        input=json.dumps(request(receiver, config, way="as_a_path", seed=9)),
        env={**os.environ, "RUNPOD_ENDPOINT_BASE_URL": f"{server.url}/v2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    id, url, status = json.loads(done.stdout.partition("tells ")[2])

    assert status == "COMPLETED"
    assert fetched(url) == data(9)
    assert traces(server, receiver, "keep", id, config) == []


def test_the_search_finds_what_a_job_does_return(
    server: Server, receiver: Receiver, s3: S3Service, bucket_name: str
) -> None:
    config = s3.config(bucket_name)
    id = server.submit("echo", config, webhook=receiver.url)
    server.wait("echo", id)

    found = traces(server, receiver, "echo", id, config)

    assert {"webhook", f"/v2/echo/status/{id}", "/v2/echo/events?limit=1000"} <= set(found)
