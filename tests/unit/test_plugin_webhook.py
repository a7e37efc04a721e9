"""What the webhook plugin refuses, asks for and is set to; what it sends is seen in the integration tests."""

from __future__ import annotations

import logging
import socket
import threading
import time
from typing import Any

import pytest

from peers import webhook
from workerkit import JobEvent, Refused, Request, Result, Status, Verdict
from workerkit.guard import Guard, Unresolved, parse
from workerkit.guard.resolving import MOST_NEW
from workerkit.payload import convert_field
from workerkit.settings import build
from workerkit_plugins.webhook import Webhook
from workerkit_plugins.webhook.settings import WebhookSettings

RESULT = Result(status=Status.COMPLETED, attempt=3)


def request(platform: str = "", **fields: object) -> Request:
    return Request(id="j", endpoint="e", raw_input=b"{}", fields=fields, platform=platform)


def settings(**values: Any) -> WebhookSettings:
    return build(WebhookSettings, values, "[plugin.webhook]")


def event(kind: Any) -> JobEvent:
    return JobEvent(kind=kind, attempt=3, number=2, body=b"{}")


def leads_to(address: str) -> Guard:
    """A guard in whose world every name is this address."""
    return Guard(resolver=lambda host, port: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))])


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/", "must begin with http:// or https://"),
        ("host/path", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("http:///path", "names no host"),
        ("http://me:pw@host/", "must not carry a user or password"),
        ("http://host\\@other/", "must not contain spaces, control characters or backslashes"),
        ("http://host:0/", "has the port 0; ports are 1 to 65535"),
        ("http://hóst/", "must be ASCII; write the host in punycode and the rest percent-encoded"),
    ],
)
def test_a_url_that_no_delivery_could_reach_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        webhook(WebhookSettings()).accept(request(webhook=url))
    assert str(caught.value) == f"webhook {sentence}"


def test_an_address_that_may_not_be_reached_is_refused_with_the_line_to_paste() -> None:
    def refused(url: str, guard: Guard) -> str:
        with pytest.raises(Refused) as caught:
            webhook(WebhookSettings(), guard).accept(request(webhook=url))
        return str(caught.value)

    assert refused("http://receiver:9000/x", leads_to("10.1.2.3")) == (
        "webhook: the host 'receiver' is 10.1.2.3, a private address; allow it with `allow = [\"receiver\"]` under [guard]"
    )
    assert refused("http://127.0.0.1:9000/x", Guard()).endswith(
        "allow it with `loopback = true` under [guard]"
    )
    assert "hands out credentials" in refused("http://169.254.169.254/x", Guard(loopback=True))


def test_a_name_that_cannot_be_resolved_now_may_be_there_when_the_job_ends() -> None:
    def nowhere(host: str, port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    webhook(WebhookSettings(), Guard(resolver=nowhere)).accept(request(webhook="http://later/"))


def test_a_url_is_refused_that_is_longer_than_any_that_there_are() -> None:
    plugin, url = webhook(WebhookSettings()), "http://127.0.0.1/"
    plugin.accept(request(webhook=url + "x" * (4096 - len(url))))
    with pytest.raises(Refused, match=r"^webhook has 4,097 characters; a URL may have 4,096$"):
        plugin.accept(request(webhook=url + "x" * (4097 - len(url))))


def test_where_too_many_names_are_without_an_answer_a_request_is_let_in_and_a_try_is_put_off() -> None:
    released = threading.Event()

    def hangs(host: str, port: int) -> Any:
        assert released.wait(60)
        return []

    guard = Guard(resolver=hangs)
    for number in range(MOST_NEW):
        with pytest.raises(Unresolved, match="not resolved within"):
            guard.addresses(parse(f"http://slow{number}/"), 0.001)
    plugin = webhook(settings(connect_timeout=0.05), guard)
    asked = request(webhook="http://receiver/")
    try:
        before = time.monotonic()
        plugin.accept(asked)
        assert time.monotonic() - before < 1
        delivery = plugin.post_job(asked, RESULT)
        assert delivery is not None
        receipt = plugin.deliver(delivery)
    finally:
        released.set()
    assert (receipt.verdict, receipt.after, receipt.detail.partition(":")[0]) == (
        Verdict.POSTPONE,
        5.0,
        "not sent",
    )
    assert "are without an answer; check the DNS servers of this machine" in receipt.detail


def test_plain_http_is_refused_where_it_is_not_wanted() -> None:
    plugin = webhook(settings(https_only=True), leads_to("93.184.215.14"))
    with pytest.raises(Refused, match="webhook must begin with https://"):
        plugin.accept(request(webhook="http://example.com/"))
    plugin.accept(request(webhook="https://example.com/"))


def test_a_filter_without_a_webhook_is_refused() -> None:
    with pytest.raises(Refused, match="webhook_events_filter is there, but no webhook"):
        webhook(WebhookSettings()).accept(request(webhook_events_filter=("start",)))


def test_a_filter_names_events_that_there_are() -> None:
    field = Webhook.fields["webhook_events_filter"]
    assert convert_field("webhook_events_filter", ["start", "completed"], field) == ("start", "completed")
    with pytest.raises(Refused) as caught:
        convert_field("webhook_events_filter", ["start", "logs"], field)
    assert str(caught.value) == (
        "webhook_events_filter[1] is not valid: 'logs' is none of 'start', 'output', 'completed'"
    )


def test_a_job_with_a_webhook_asks_for_two_tries_ten_seconds_apart() -> None:
    delivery = webhook(WebhookSettings()).post_job(request(webhook="http://host:81/x"), RESULT)

    assert delivery is not None
    assert (delivery.target, delivery.body, delivery.attempts, delivery.delays, delivery.lane) == (
        "http://host:81/x",
        None,
        2,
        (10.0,),
        "host:81",
    )
    assert delivery.headers == {"webhook-id": "msg_j_3", "workerkit-event": "completed"}
    assert webhook(WebhookSettings()).post_job(request(), RESULT) is None


def test_who_asks_for_events_gets_those_and_no_others() -> None:
    plugin = webhook(WebhookSettings())
    asked = request(webhook="http://host/", webhook_events_filter=("start", "output"))
    delivery = plugin.job_event(asked, event("start"))

    assert delivery is not None
    assert delivery.headers == {"webhook-id": "msg_j_3_e2", "workerkit-event": "start"}
    assert plugin.job_event(asked, event("output")) is not None
    assert plugin.post_job(asked, RESULT) is None
    plain = request(webhook="http://host/")
    assert plugin.job_event(plain, event("start")) is None
    assert webhook(settings(events=["start"])).job_event(plain, event("start")) is not None
    assert webhook(settings(events=["start"])).post_job(plain, RESULT) is None


def test_where_the_platform_sends_webhooks_none_is_sent_from_here_and_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plugin = webhook(settings(events=["start", "completed"]))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            asked = request("RunPod", webhook="http://host/")
            assert plugin.job_event(asked, event("start")) is None
            assert plugin.post_job(asked, RESULT) is None

    assert caplog.messages == ["webhooks of jobs from RunPod are sent by RunPod itself, and not from here"]
