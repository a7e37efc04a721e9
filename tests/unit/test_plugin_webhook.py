"""What the webhook plugin refuses, asks for and is set to; what it sends is seen in the integration tests."""

from __future__ import annotations

import logging
import socket
from typing import Any

import pytest

from peers import webhook
from workerkit import JobEvent, Refused, Request, Result, SettingsError, Status
from workerkit.guard import Guard
from workerkit.payload import convert_field
from workerkit.settings import build
from workerkit.signing import new_secret
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
        "webhook: the host 'receiver' is 10.1.2.3, a private address; allow it with [guard] allow = [\"receiver\"]"
    )
    assert refused("http://127.0.0.1:9000/x", Guard()).endswith("allow it with [guard] loopback = true")
    assert "hands out credentials" in refused("http://169.254.169.254/x", Guard(loopback=True))


def test_a_name_that_cannot_be_resolved_now_may_be_there_when_the_job_ends() -> None:
    def nowhere(host: str, port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    webhook(WebhookSettings(), Guard(resolver=nowhere)).accept(request(webhook="http://later/"))


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
    with pytest.raises(Exception, match="'logs'"):
        convert_field("webhook_events_filter", ["logs"], field)


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


@pytest.mark.parametrize(
    ("values", "delays"),
    [
        ({"attempts": 4, "retry_delay": [1.0, 5.0]}, (1.0, 5.0)),
        ({"attempts": 5, "retry_delay": 10, "retry_factor": 3}, (10, 30, 90, 270)),
        ({"attempts": 8, "retry_delay": 60, "retry_factor": 10}, (60, 600, 3600, 3600, 3600, 3600, 3600)),
        ({"attempts": 1_000, "retry_factor": 2}, None),
        ({"attempts": 2, "retry_delay": 7200, "retry_factor": 2}, (7200,)),
    ],
)
def test_delays_are_a_list_or_grow_by_a_factor(
    values: dict[str, Any], delays: tuple[float, ...] | None
) -> None:
    found = settings(**values).delays
    assert len(found) <= 32
    if delays is not None:
        assert found == delays


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


def test_an_endpoint_has_secrets_and_headers_of_its_own() -> None:
    ours, theirs = new_secret(), new_secret()
    found = settings(
        secrets=[ours],
        headers={"X-Zone": "a", "X-Team": "b"},
        authorization="Bearer ours",
        endpoints={
            "render": {"secrets": [theirs], "headers": {"X-Zone": "c"}, "authorization": "Bearer theirs"}
        },
    )

    assert (found.secrets_of("e"), found.secrets_of("render")) == ([ours], [theirs])
    assert found.headers_of("e") == {"X-Zone": "a", "X-Team": "b", "Authorization": "Bearer ours"}
    assert found.headers_of("render") == {"X-Zone": "c", "X-Team": "b", "Authorization": "Bearer theirs"}
    assert ours not in repr(found)
    assert "theirs" not in repr(found)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"attempts": 0}, "attempts"),
        ({"retry_delay": -1}, "must be a number of seconds or a list of them, none below 0"),
        ({"retry_delay": []}, "must be a number of seconds or a list of them, none below 0"),
        ({"acknowledge": "any"}, "acknowledge: invalid enum value 'any'"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": 600}, "timeout"),
        ({"retry_factor": 0.5}, "retry_factor"),
        ({"secret": "x"}, "unknown setting 'secret'"),
        ({"events": ["done"]}, "invalid enum value 'done'"),
        ({"secrets": ["hush"]}, "secrets, number 1"),
        ({"headers": {"X Y": "a"}}, "'X Y' is no name of a header"),
        ({"headers": {"Authorization": "a"}}, "is set by the webhook itself; set `authorization`"),
        ({"headers": {"Content-Length": "1"}}, "'Content-Length' is set by the webhook itself"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A must be printable ASCII in one line"),
        ({"authorization": ""}, "authorization must be printable ASCII in one line"),
        ({"proxy": "https://proxy:3128"}, "proxy must be http://HOST:PORT"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    assert sentence in str(caught.value)
    assert "hush" not in str(caught.value)
