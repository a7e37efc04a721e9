"""RunPod's own client, sync and async, unmodified, against a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing import Server

HANDLER = """
import threading
from workerkit import worker_function

@worker_function
def echo(job):
    return {"said": job["input"]["words"]}

@worker_function
def fail(job):
    raise ValueError("no luck")

@worker_function
async def count(job):
    for n in range(job["input"]["to"]):
        yield n

@worker_function
def hang(job):
    threading.Event().wait(60)
"""
BEFORE = """
import asyncio, json, sys
import runpod
from runpod import AsyncioEndpoint, Endpoint

runpod.api_key = sys.argv[1]

def tell(value):
    print("tells", json.dumps(value))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("official"), HANDLER) as served:
        yield served


def client(server: Server, script: str, *, key: str = "any-key") -> list[Any]:
    """What `script` tells, run with the official package in a process of its own.

    It reads the address when it is imported, so it cannot be imported here.
    """
    environ = {**os.environ, "RUNPOD_ENDPOINT_BASE_URL": f"{server.url}/v2"}
    command = [sys.executable, "-c", BEFORE + script, key]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    return [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("tells ")]


def asynchronously(server: Server, script: str) -> list[Any]:
    body = "".join(f"        {line}\n" for line in script.strip().splitlines())
    main = f"async def main():\n    async with runpod.http_client.AsyncClientSession() as session:\n{body}\n"
    return client(server, "import runpod.http_client\n" + main + "asyncio.run(main())\n")


def test_run_then_status_and_output(server: Server) -> None:
    script = """
job = Endpoint("echo").run({"words": "hi"})
tell(job.output(timeout=30))
tell(job.status())
"""
    assert client(server, script) == [{"said": "hi"}, "COMPLETED"]


def test_run_sync_returns_the_output(server: Server) -> None:
    script = """
tell(Endpoint("echo").run_sync({"words": "hi"}, timeout=30))
tell(Endpoint("echo").run_sync({"input": {"words": "wrapped"}}, timeout=30))
tell(Endpoint("fail").run_sync({"words": "hi"}, timeout=30))
"""
    assert client(server, script) == [{"said": "hi"}, {"said": "wrapped"}, None]


def test_a_stream_yields_every_chunk_once(server: Server) -> None:
    script = 'tell(list(Endpoint("count").run({"to": 5}).stream()))'
    assert client(server, script) == [[0, 1, 2, 3, 4]]


def test_cancel_of_a_running_and_of_a_waiting_job_then_purge(server: Server) -> None:
    script = """
endpoint = Endpoint("hang")
running, waiting = endpoint.run({"a": 1}), endpoint.run({"a": 2})
left = [endpoint.run({"a": 3}), endpoint.run({"a": 4})]
tell(waiting.cancel()["status"])
tell(endpoint.purge_queue()["status"])
tell([job.status() for job in left])
tell(running.cancel()["status"])
tell(running.status())
"""
    cancelled = "CANCELLED"
    assert client(server, script) == [cancelled, "completed", [cancelled, cancelled], cancelled, cancelled]


def test_health_holds_every_counter(server: Server) -> None:
    [health] = client(server, 'tell(Endpoint("echo").health())')
    assert set(health["jobs"]) == {"completed", "failed", "inProgress", "inQueue", "retried"}
    assert set(health["workers"]) == {"idle", "initializing", "ready", "running", "throttled", "unhealthy"}


def test_an_unknown_endpoint_is_the_clients_own_404(server: Server) -> None:
    script = """
import requests
try:
    Endpoint("nobody").run({"a": 1})
except requests.HTTPError as error:
    tell(error.response.status_code)
    tell(error.response.json()["code"])
"""
    assert client(server, script) == [404, "unknown_endpoint"]


def test_the_async_client_runs_and_reads_output_and_status(server: Server) -> None:
    script = """
job = await AsyncioEndpoint("echo", session).run({"words": "hi"})
tell(await job.output(timeout=30))
tell(await job.status())
tell(sorted(await AsyncioEndpoint("echo", session).health()))
"""
    assert asynchronously(server, script) == [{"said": "hi"}, "COMPLETED", ["jobs", "workers"]]


def test_the_async_client_streams(server: Server) -> None:
    script = """
job = await AsyncioEndpoint("count", session).run({"to": 3})
tell([chunk async for chunk in job.stream()])
"""
    assert asynchronously(server, script) == [[0, 1, 2]]


def test_the_async_client_cancels_and_purges(server: Server) -> None:
    script = """
endpoint = AsyncioEndpoint("hang", session)
job = await endpoint.run({"a": 1})
tell((await job.cancel())["status"])
tell(await job.status())
tell((await endpoint.purge_queue())["status"])
"""
    assert asynchronously(server, script) == ["CANCELLED", "CANCELLED", "completed"]


def test_with_keys_the_client_sends_its_own_and_names_a_wrong_one(tmp_path: Path) -> None:
    digest = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"  # of "alice"
    keys = f'[server.keys.app]\nsha256 = "{digest}"\n'
    with Server(tmp_path, HANDLER, settings=keys) as served:
        script = 'tell(Endpoint("echo").run_sync({"words": "hi"}, timeout=30))'
        assert client(served, script, key="alice") == [{"said": "hi"}]
        wrong = """
try:
    Endpoint("echo").health()
except RuntimeError as error:
    tell(str(error))
"""
        [message] = client(served, wrong, key="mallory")
        assert message.startswith("401 Unauthorized")
