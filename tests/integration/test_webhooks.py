"""Webhooks as a receiver sees them: signed, named, told of what it asked for, and the same bytes as `/status`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from waiting import until
from workerkit.signing import new_secret
from workerkit.testing import Receiver, Server

HANDLER = """
import time
from workerkit import worker_function


@worker_function
def echo(job):
    return {"number": job["input"]}


@worker_function
def other(job):
    return {"number": job["input"]}


@worker_function
def parts(job):
    for number in range(job["input"]):
        time.sleep(0.3)
        yield number


@worker_function
def shows(job):
    job.progress({"percent": 50})
    time.sleep(1.2)
    return "done"


@worker_function
def fails(job):
    raise ValueError("no")
"""


def test_two_secrets_sign_and_an_endpoint_has_its_own(tmp_path: Path) -> None:
    new, old, others = new_secret(), new_secret(), new_secret()
    settings = f"""
[plugin.webhook]
secrets = ["env:NEW_SECRET", "{old}"]
headers = {{ X-Gateway = "env:GATEWAY" }}
authorization = "Bearer ours"
credentials_to = ["127.0.0.1"]
[plugin.webhook.endpoints.other]
secrets = ["{others}"]
authorization = "Bearer theirs"
"""
    environ = {"NEW_SECRET": new, "GATEWAY": "letmein"}
    with Receiver() as receiver, Server(tmp_path, HANDLER, settings=settings, environ=environ) as server:
        server.submit("echo", 1, webhook=f"{receiver.url}/echo?token=a")
        server.submit("other", 2, webhook=f"{receiver.url}/other")
        [first] = receiver.wait(1, "/echo")
        [second] = receiver.wait(1, "/other")

    for secret in (new, old):
        assert Webhook(secret).verify(first.body, first.headers) == first.json
    assert Webhook(others).verify(second.body, second.headers) == second.json
    for secret, received in ((others, first), (new, second), (new_secret(), first)):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(received.body, received.headers)
    assert (first.headers["x-gateway"], first.headers["authorization"]) == ("letmein", "Bearer ours")
    assert (second.headers["x-gateway"], second.headers["authorization"]) == ("letmein", "Bearer theirs")
    log = server.log()
    shown = [new, old, others, "letmein", "Bearer ours", "token=a"]
    assert [secret for secret in shown if secret in log] == []


def test_a_running_job_is_told_of_to_those_who_asked(tmp_path: Path) -> None:
    events = ["start", "output", "completed"]
    with Receiver() as receiver, Server(tmp_path, HANDLER) as server:
        asked = {"webhook": f"{receiver.url}/all", "webhook_events_filter": events}
        id = server.submit("parts", 6, **asked)
        until("the end is told", lambda: told(receiver, "/all", "completed"))
        seen = receiver.at("/all")
        kinds = [received.headers["workerkit-event"] for received in seen]
        assert (kinds[0], kinds[-1]) == ("start", "completed")
        assert 1 <= kinds.count("output") <= 5
        streamed = [item["output"] for received in seen for item in received.json.get("stream", [])]
        assert streamed == list(range(6))[: len(streamed)]
        assert all(received.json["status"] == "IN_PROGRESS" for received in seen[:-1])
        assert seen[-1].body == server.http.request("GET", f"{server.url}/v2/parts/status/{id}").data
        assert len({received.headers["webhook-id"] for received in seen}) == len(seen)

        server.submit("parts", 1, webhook=f"{receiver.url}/plain")
        server.submit("parts", 1, webhook=f"{receiver.url}/start", webhook_events_filter=["start"])
        receiver.wait(1, "/plain")
        receiver.wait(1, "/start")
        assert [one.headers["workerkit-event"] for one in receiver.at("/plain")] == ["completed"]
        assert [one.headers["workerkit-event"] for one in receiver.at("/start")] == ["start"]


def test_progress_is_told_as_status_shows_it(tmp_path: Path) -> None:
    with Receiver() as receiver, Server(tmp_path, HANDLER) as server:
        server.submit("shows", 1, webhook=receiver.url, webhook_events_filter=["output"])
        [received] = receiver.wait(1)
        assert received.json["output"] == {"percent": 50}
        assert received.json["status"] == "IN_PROGRESS"


def test_a_filter_with_an_unknown_event_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER) as server:
        body = {"input": 1, "webhook": "http://127.0.0.1:9/", "webhook_events_filter": ["logs"]}
        status, answer = server.post("/v2/echo/run", body)
        assert status == 400
        assert answer["error"] == (
            "webhook_events_filter[0] is not valid: 'logs' is none of 'start', 'output', 'completed'"
        )


def test_a_private_address_is_refused_with_the_line_to_paste_and_passes_once_it_is_pasted(
    tmp_path: Path,
) -> None:
    body = {"input": 1, "webhook": "http://10.1.2.3:9000/x"}
    with Server(tmp_path, HANDLER) as server:
        status, answer = server.post("/v2/echo/run", body)
        assert (status, answer["code"]) == (400, "refused")
        assert answer["error"] == (
            'webhook: 10.1.2.3 is a private address; allow it with `allow = ["10.1.2.3"]` under [guard]'
        )
    settings = '[guard]\nallow = ["10.1.2.3"]\n[plugin.webhook]\nconnect_timeout = 0.1\nattempts = 1\n'
    with Server(tmp_path, HANDLER, settings=settings) as server:
        assert server.post("/v2/echo/run", body)[0] == 200


def test_loopback_is_not_reached_through_a_server_with_keys_unless_that_is_set(tmp_path: Path) -> None:
    key = "k" * 40
    settings = f'[server.keys.me]\nsha256 = "{hashlib.sha256(key.encode()).hexdigest()}"\nrole = "operator"\n'
    with Receiver() as receiver:
        body = json.dumps({"input": 1, "webhook": receiver.url})
        for more, expected in (("", 400), ("[guard]\nloopback = true\n", 200)):
            with Server(tmp_path, HANDLER, settings=settings + more) as server:
                answer = server.http.request(
                    "POST", f"{server.url}/v2/echo/run", body=body, headers={"Authorization": f"Bearer {key}"}
                )
                assert answer.status == expected, answer.data
                if expected == 400:
                    assert "`loopback = true` under [guard]" in answer.json()["error"]
                else:
                    receiver.wait(1)


def test_a_retry_cancels_what_is_pending_of_the_earlier_end(tmp_path: Path) -> None:
    with Receiver(500) as receiver, Server(tmp_path, HANDLER) as server:
        id = server.submit("fails", 1, webhook=receiver.url)
        receiver.wait(1)
        receiver.answer = 200
        assert server.post(f"/v2/fails/retry/{id}", {})[0] == 200
        receiver.wait(2)

        ids = [received.headers["webhook-id"] for received in receiver.requests]
        assert ids[0] != ids[1]
        until(
            "the first is cancelled, the second delivered",
            lambda: (
                [row["state"] for row in server.get(f"/deliveries?job={id}")[1]["deliveries"]]
                == ["delivered", "cancelled"]
            ),
        )


def told(receiver: Receiver, path: str, event: str) -> bool:
    return any(received.headers["workerkit-event"] == event for received in receiver.at(path))
