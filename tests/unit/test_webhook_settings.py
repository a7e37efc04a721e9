"""What may be set of webhooks, and what is refused at the start rather than at each delivery."""

from __future__ import annotations

import math
from typing import Any

import pytest

from peers import webhook
from workerkit import Delivery, Request, Result, SettingsError, Status
from workerkit.guard import parse
from workerkit.settings import build
from workerkit.signing import new_secret
from workerkit_plugins.webhook.settings import WebhookSettings


def settings(**values: Any) -> WebhookSettings:
    return build(WebhookSettings, values, "[plugin.webhook]")


def refusal(**values: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**values)
    return str(caught.value).removeprefix("[plugin.webhook]: ")


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


@pytest.mark.parametrize(
    "values",
    [
        {"attempts": 1000, "retry_delay": 2_592_000},
        {"attempts": 1000, "retry_delay": [2_592_000] * 100},
        {"attempts": 1000, "retry_delay": 2_592_000, "retry_factor": 100},
        {"attempts": 1, "retry_delay": 0, "timeout": 120, "connect_timeout": 120},
    ],
)
def test_what_is_accepted_at_the_start_can_be_stored_with_a_job(values: dict[str, Any]) -> None:
    request = Request(id="j", endpoint="e", raw_input=b"{}", fields={"webhook": "http://host/"})
    asked = webhook(settings(**values)).post_job(request, Result(status=Status.COMPLETED, attempt=1))
    assert isinstance(asked, Delivery)


def test_an_endpoint_has_secrets_and_headers_of_its_own() -> None:
    ours, theirs = new_secret(), new_secret()
    found = settings(
        secrets=[ours],
        headers={"X-Zone": "a", "X-Team": "b"},
        authorization="Bearer ours",
        credentials_to=["*"],
        endpoints={
            "render": {"secrets": [theirs], "headers": {"x-zone": "c"}, "authorization": "Bearer theirs"}
        },
    )
    url = parse("http://host/")

    assert (found.secrets_of("e"), found.secrets_of("render")) == ([ours], [theirs])
    assert found.headers_of("e", url) == {"X-Zone": "a", "X-Team": "b", "Authorization": "Bearer ours"}
    # A name is the same in whichever case.
    assert found.headers_of("render", url) == {
        "x-zone": "c",
        "X-Team": "b",
        "Authorization": "Bearer theirs",
    }
    assert ours not in repr(found)
    assert "theirs" not in repr(found)


@pytest.mark.parametrize(
    ("hosts", "url", "sent"),
    [
        (["hooks.example.com"], "https://hooks.example.com:8443/x", True),
        (["Hooks.Example.com."], "https://HOOKS.example.COM/x", True),
        (["hooks.example.com"], "https://hooks.example.com./x", True),
        (["hooks.example.com"], "https://evil.hooks.example.com/x", False),
        (["hooks.example.com"], "https://hooks.example.com.evil.test/x", False),
        (["example.com"], "https://hooks.example.com/x", False),
        (["10.1.2.3", "::1"], "http://[::1]:80/x", True),
        (["[::1]"], "http://[::1]/x", True),
        (["*"], "https://evil.test/x", True),
    ],
)
def test_credentials_go_to_the_hosts_that_are_named_and_to_no_other(
    hosts: list[str], url: str, sent: bool
) -> None:
    found = settings(headers={"X-Key": "hush"}, authorization="Bearer hush", credentials_to=hosts)
    headers = {"X-Key": "hush", "Authorization": "Bearer hush"}
    assert found.headers_of("e", parse(url)) == (headers if sent else {})


@pytest.mark.parametrize(
    "values",
    [
        {"headers": {"X-Key": "hush"}},
        {"authorization": "Bearer hush"},
        {"endpoints": {"render": {"authorization": "Bearer hush"}}},
        {"endpoints": {"render": {"headers": {"X-Key": "hush"}}}},
    ],
)
def test_credentials_that_anybody_could_collect_are_refused(values: dict[str, Any]) -> None:
    assert refusal(**values) == (
        "headers and authorization go to no receiver until credentials_to names its host, since a request "
        'may name any; add `credentials_to = ["hooks.example.com"]` with yours, or "*" for all of them'
    )
    settings(**values, credentials_to=["hooks.example.com"])


@pytest.mark.parametrize(
    "host",
    ["", "https://hooks.example.com", "hooks.example.com:443", "a/b", "a?b", "*.example.com", "a b", "me@a"],
)
def test_what_is_no_host_gets_no_credentials(host: str) -> None:
    assert refusal(credentials_to=[host]) == (
        f"credentials_to: {host!r} is no host; write it like hooks.example.com, without scheme, port or path, "
        'or "*" for every receiver'
    )


DELAYS = "retry_delay must be a number of seconds from 0 to 2,592,000, or a list of 1 to 100 of them"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"attempts": 0}, "attempts is 0; it must be from 1 to 1,000"),
        ({"attempts": 10_000_000}, "attempts is 10,000,000; it must be from 1 to 1,000"),
        *(
            ({"retry_delay": delay}, DELAYS)
            for delay in (-1, [], [1, -1], math.nan, math.inf, 1e12, [1e12], [1, math.nan], [1] * 101)
        ),
        ({"timeout": 0}, "timeout is 0.0; it must be from 0.001 to 120 seconds"),
        ({"timeout": 600}, "timeout is 600.0; it must be from 0.001 to 120 seconds"),
        ({"timeout": math.nan}, "timeout is nan; it must be from 0.001 to 120 seconds"),
        ({"connect_timeout": math.inf}, "connect_timeout is inf; it must be from 0.001 to 120 seconds"),
        ({"retry_factor": 0.5}, "retry_factor is 0.5; it must be from 1 to 100"),
        ({"retry_factor": math.nan}, "retry_factor is nan; it must be from 1 to 100"),
        ({"acknowledge": "any"}, "acknowledge: 'any' is none of '200', '2xx'"),
        ({"events": ["start", "done"]}, "events[1]: 'done' is none of 'start', 'output', 'completed'"),
        (
            {"secrets": [new_secret(), "hush"]},
            "secrets[1]: a webhook secret begins with whsec_; make one with `workerkit webhook secret`",
        ),
        (
            {"endpoints": {"ok": {}, "render": {"secrets": ["hush"]}}},
            "endpoints.render: secrets[0]: a webhook secret begins with whsec_; "
            "make one with `workerkit webhook secret`",
        ),
        (
            {
                "endpoints": {
                    "ok": {"secrets": [new_secret()]},
                    "render": {"secrets": ["env:NOT_THERE_AT_ALL"]},
                }
            },
            "endpoints.render.secrets[0]: the environment variable 'NOT_THERE_AT_ALL' is not set",
        ),
        ({"headers": {"X Y": "a"}}, "headers: 'X Y' is no name of a header"),
        ({"headers": {"": "a"}}, "headers: '' is no name of a header"),
        (
            {"headers": {"Authorization": "a"}},
            "headers: 'Authorization' is for the webhook itself to set; set `authorization`",
        ),
        *(
            ({"headers": {name: "1"}}, f"headers: {name!r} is for the webhook itself to set")
            for name in ("Content-Length", "Expect", "TE", "upgrade", "Trailer", "Keep-Alive", "Webhook-Id")
        ),
        ({"headers": {"X-A": "a", "x-a": "b"}}, "headers: 'X-A' and 'x-a' are the same header; take one out"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "headers.X-A must be printable ASCII in one line"),
        ({"authorization": ""}, "authorization must be printable ASCII in one line"),
        (
            {"proxy": "https://proxy:3128"},
            "the proxy https://proxy:3128/ is not of the form http://host:port",
        ),
        (
            {"proxy": "http://proxy:3128/path"},
            "the proxy http://proxy:3128/path is not of the form http://host:port",
        ),
        (
            {"proxy": "proxy:3128"},
            "the proxy must begin with http:// or https://; write it as http://host:port",
        ),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], sentence: str) -> None:
    assert refusal(**values) == sentence


def test_a_setting_that_does_not_exist_is_refused() -> None:
    assert "unknown setting 'secret'" in refusal(secret="x")
