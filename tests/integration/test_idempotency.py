"""`Idempotency-Key` over HTTP: a repeated request finds the job that is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workerkit.testing import Server

HANDLER = "from workerkit import worker_function\n\n@worker_function\ndef double(job):\n    return 2 * job['input']\n"
PLUGIN = """
from workerkit import hookimpl

class Asked:
    @hookimpl
    def accept(self, request):
        with open("asked", "a") as file:
            file.write(request.id + "\\n")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "asking.py").write_text(PLUGIN)
    with Server(tmp_path, HANDLER, settings='[plugins]\nload = ["asking:Asked"]\n') as server:
        yield server


def test_the_same_key_and_body_give_the_same_job_and_ask_no_plugin_again(
    server: Server, tmp_path: Path
) -> None:
    first = server.post("/v2/double/run", {"input": 4}, Idempotency_Key="order-7")[1]["id"]
    again = server.post("/v2/double/run", {"input": 4}, Idempotency_Key="order-7")[1]["id"]
    waited = server.post("/v2/double/runsync", {"input": 4}, Idempotency_Key="order-7")[1]

    assert first == again == waited["id"]
    assert waited["output"] == 8
    assert (tmp_path / "asked").read_text() == f"{first}\n"


def test_another_body_under_the_key_is_a_conflict(server: Server) -> None:
    server.post("/v2/double/run", {"input": 4}, Idempotency_Key="order-8")

    status, answer = server.post("/v2/double/run", {"input": 5}, Idempotency_Key="order-8")

    assert (status, answer["code"]) == (409, "idempotency_conflict")


def test_requests_at_the_same_moment_make_one_job(server: Server) -> None:
    with ThreadPoolExecutor(8) as clients:
        ids = list(
            clients.map(
                lambda _: server.post("/v2/double/run", {"input": 1}, Idempotency_Key="once")[1]["id"],
                range(24),
            )
        )

    assert len(set(ids)) == 1
    assert len(server.get("/jobs")[1]["jobs"]) == 1


def test_a_webhooks_query_is_masked_where_deliveries_are_listed(server: Server) -> None:
    url = "http://127.0.0.1:9/hook?token=opens-the-door"
    id = server.post("/v2/double/runsync", {"input": 1, "webhook": url})[1]["id"]

    shown = server.http.request("GET", f"{server.url}/deliveries?job={id}").data.decode()
    job = server.http.request("GET", f"{server.url}/jobs/{id}").data.decode()

    assert "http://127.0.0.1:9/hook?…" in shown
    for text in (shown, job, server.log()):
        assert "opens-the-door" not in text
