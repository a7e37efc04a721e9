"""Keys that no service can have given out, or that no header can carry, are refused before a job is stored."""

from __future__ import annotations

import pytest

from s3_failing import at
from s3_runs import typed
from workerkit import Refused, Request
from workerkit.guard import Guard
from workerkit_plugins.s3 import S3
from workerkit_plugins.s3.settings import S3Settings

CONTROL = "must not contain control characters, such as a line break at its end"
ASCII = "may hold ASCII characters only"


def submit(member: str, value: str) -> None:
    fields = {"s3Config": typed({**at("https://s3.example.com"), member: value})}
    S3(S3Settings(), Guard()).accept(Request(id="j", endpoint="e", raw_input=b"{}", fields=fields))


@pytest.mark.parametrize(
    ("member", "value", "fault"),
    [
        ("accessId", "id\n", CONTROL),
        ("accessId", "i\x85d", CONTROL),
        ("accessSecret", "hush\r\n", CONTROL),
        ("sessionToken", "to\x00ken", CONTROL),
        ("accessId", "clé", ASCII),
        ("sessionToken", "\u200btoken", ASCII),
    ],
)
def test_keys_that_no_request_can_carry_are_refused(member: str, value: str, fault: str) -> None:
    with pytest.raises(Refused) as caught:
        submit(member, value)
    assert str(caught.value) == f"s3Config.{member} {fault}"


def test_a_secret_that_only_signs_may_have_any_letters() -> None:
    submit("accessSecret", "clé secrète")
