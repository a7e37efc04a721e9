from __future__ import annotations

import pytest

from workerkit import Refused, Request, Result, SettingsError, Status
from workerkit.settings import build
from workerkit_plugins.webhook import Webhook, WebhookSettings
from workerkit_plugins.webhook.url import parse


def request(**fields: object) -> Request:
    return Request(id="j", endpoint="e", raw_input=b"{}", fields=fields)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/", "must begin with http:// or https://"),
        ("host/path", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("http:///path", "names no host"),
        ("http://me:pw@host/", "must not carry a user or password"),
        ("http://@host/", "must not carry a user or password"),
        ("http://host/a b", "must not contain spaces, control characters or backslashes"),
        ("http://host/\r\nX: y", "must not contain spaces, control characters or backslashes"),
        ("http://host\\@other/", "must not contain spaces, control characters or backslashes"),
        ("http://host:0/", "has the port 0; ports are 1 to 65535"),
        ("http://host:70000/", "is not a valid URL; check its host, and its port, 1 to 65535"),
        ("http://a:b:c/", "is not a valid URL; check its host, and its port, 1 to 65535"),
        ("http://[::1/", "is not a valid URL; check its host, and its port, 1 to 65535"),
        ("http://hóst/", "must be ASCII; write the host in punycode and the rest percent-encoded"),
    ],
)
def test_a_url_that_no_delivery_could_reach_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(Refused) as caught:
        Webhook(WebhookSettings()).accept(request(webhook=url))
    assert str(caught.value) == f"webhook {sentence}"


@pytest.mark.parametrize(
    ("url", "lane", "target", "shown"),
    [
        ("https://example.com", "example.com:443", "/", "https://example.com/"),
        ("HTTP://Example.com:80/a?b=c#d", "example.com:80", "/a?b=c", "http://example.com:80/a?…"),
        ("http://[::1]:8000/@x", "::1:8000", "/@x", "http://[::1]:8000/@x"),
        ("http://host?x", "host:80", "/?x", "http://host/?…"),
    ],
)
def test_a_good_url_is_parsed_once_into_what_is_needed(url: str, lane: str, target: str, shown: str) -> None:
    Webhook(WebhookSettings()).accept(request(webhook=url))
    parsed = parse(url)
    assert (parsed.lane, parsed.target, parsed.shown) == (lane, target, shown)
    assert "x" not in repr(parsed).partition("shown")[0].replace("example", "")


def test_a_job_with_a_webhook_asks_for_two_tries_ten_seconds_apart() -> None:
    delivery = Webhook(WebhookSettings()).post_job(request(webhook="http://host:81/x"))

    assert delivery is not None
    assert (delivery.target, delivery.body, delivery.attempts, delivery.lane) == (
        "http://host:81/x",
        None,
        2,
        "host:81",
    )
    assert 8 <= delivery.delays[0] <= 12


def test_a_list_of_delays_is_taken_as_it_is_and_no_webhook_asks_for_nothing() -> None:
    plugin = Webhook(WebhookSettings(attempts=4, retry_delay=(1.0, 5.0)))

    delivery = plugin.post_job(request(webhook="http://host/"))
    assert delivery is not None
    assert (delivery.attempts, delivery.delays) == (4, (1.0, 5.0))
    assert plugin.post_job(request()) is None
    assert Result(status=Status.COMPLETED, attempt=1).refresh is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"attempts": 0}, "attempts"),
        ({"retry_delay": -1}, "must be a number of seconds or a list of them, none below 0"),
        ({"retry_delay": []}, "must be a number of seconds or a list of them, none below 0"),
        ({"acknowledge": "any"}, "acknowledge: invalid enum value 'any'"),
        ({"timeout": 0}, "timeout"),
        ({"secret": "x"}, "unknown setting 'secret'"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        build(WebhookSettings, values, "[plugin.webhook]")
