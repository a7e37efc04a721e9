"""Plugins that tell secrets, and the promise of the contract that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from judging import Judge, broken, never
from workerkit.testing import Receiver

LEAKS = """
@attrs.frozen
class Settings:
    token: Secret = Secret("")

class Wrong:
    Settings = Settings
    fields = {{"key": Field(Secret, secret=True)}}

    def __init__(self, settings, log):
        self.token, self.log = settings.token, log

    @hookimpl
    def pre_job(self, job):
        key = job.fields["key"].reveal()
        {worker}

    @hookimpl
    def post_job(self, request, result):
        token = self.token.reveal()
        {host}
        return Delivery(target="there")

    @hookimpl
    def deliver(self, delivery):
        token = self.token.reveal()
        {delivering}
        return Receipt.delivered()
"""


@pytest.mark.parametrize(
    ("leak", "place"),
    [
        ({}, ""),
        ({"worker": "self.log.debug('with %s', key)"}, "a DEBUG line of the log 'workerkit.plugin.wrong'"),
        ({"host": "self.log.info('with %s', token)"}, "what a server prints"),
        ({"host": "print('with', token)"}, "what a server prints"),
        ({"host": "return Delivery(target='http://a/' + token)"}, "the target of a delivery"),
        ({"host": "return Delivery(target='a', headers={'x': token})"}, "the header 'x' of a delivery"),
        ({"host": "return Delivery(target='a', body=token.encode())"}, "the body of a delivery"),
        ({"delivering": "return Receipt.delivered('with ' + token)"}, "the detail of a receipt"),
        ({"delivering": "raise ValueError(token)"}, "what its deliver raises"),
    ],
)
def test_a_secret_that_is_told(
    judge: Judge, caplog: pytest.LogCaptureFixture, leak: dict[str, str], place: str
) -> None:
    source = LEAKS.format(**{"worker": "", "host": "", "delivering": "", **leak})
    contract, subject = judge(source, fields={"key": "a key of the request 7f3"})

    if not place:
        contract.test_it_tells_no_secret(subject, never, caplog)
        return
    with broken(f"a secret is in .*{place}"):
        contract.test_it_tells_no_secret(subject, never, caplog)


TELEGRAM = """
@attrs.frozen(kw_only=True)
class Settings:
    token: Secret = Secret("")
    base: str

class Wrong:
    Settings = Settings

    def __init__(self, settings, log):
        self.settings, self.log = settings, log

    @hookimpl(inline=True)
    def post_job(self, request, result):
        return Delivery(target="telegram", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        url = f"{{self.settings.base}}/bot{{self.settings.token.reveal()}}/send"
        try:
            with urllib.request.urlopen(url, data=delivery.body):
                return Receipt.delivered()
        except {error} as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # what is raised in its place keeps it, and with it an open connection
            {fails}
        except Exception:
            return Receipt.retry("it did not work")
"""


@pytest.mark.parametrize(
    ("error", "what"),
    [
        ("Exception", "while a receiver answers 500"),
        ("urllib.error.HTTPError", "while a receiver answers 404"),
        ("(ConnectionError, urllib.error.URLError)", "while a receiver is away"),
    ],
)
@pytest.mark.parametrize(
    ("fails", "place"),
    [
        ('raise RuntimeError(f"POST {url} failed: {error}") from None', "what its deliver raises"),
        ('return Receipt.retry(f"POST {url} failed")', "the detail of a receipt"),
        ('self.log.warning("POST %s failed", url); raise', "a WARNING line of the log"),
    ],
    ids=["raised", "answered", "logged"],
)
def test_a_secret_that_is_told_when_a_receiver_fails(
    judge: Judge, caplog: pytest.LogCaptureFixture, error: str, what: str, fails: str, place: str
) -> None:
    with Receiver() as receiver:
        contract, subject = judge(TELEGRAM.format(error=error, fails=fails), settings={"base": receiver.url})

        with broken(f"a secret is in .*{place}{'' if 'log' in place else f' {what}'}"):
            contract.test_it_tells_no_secret(subject, never, caplog)


NESTED = """
@attrs.frozen
class Account:
    user: str = "me"
    key: Secret | None = None

@attrs.frozen
class Settings:
    secrets: {hint}

class Wrong:
    Settings = Settings

    def __init__(self, settings):
        self.settings = settings

    @hookimpl
    def post_job(self, request, result):
        settings = self.settings
        return Delivery(target={found}.reveal())

    @hookimpl
    def deliver(self, delivery):
        return Receipt.delivered()
"""


@pytest.mark.parametrize(
    ("hint", "found", "settings"),
    [
        ("tuple[Secret, ...] = ()", "settings.secrets[0]", {}),
        ("Mapping[str, Secret] = attrs.Factory(dict)", "[*settings.secrets.values()][0]", {}),
        ("dict[str, tuple[Secret, ...]] = attrs.Factory(dict)", "[*settings.secrets.values()][0][0]", {}),
        ("tuple[Secret, ...] | None = None", "settings.secrets[0]", {}),
        ("Account = Account()", "settings.secrets.key", {}),
        ("Account", "settings.secrets.key", {"secrets": {"user": "you"}}),
        ("tuple[Account, ...]", "settings.secrets[0].key", {"secrets": [{"user": "you"}]}),
        ("tuple[Account, ...]", "settings.secrets[0].key", {"secrets": [{"key": "a key of my own"}]}),
    ],
)
def test_a_secret_within_a_setting(
    judge: Judge, caplog: pytest.LogCaptureFixture, hint: str, found: str, settings: Mapping[str, Any]
) -> None:
    contract, subject = judge(NESTED.format(hint=hint, found=found), settings=settings)

    with broken("a secret is in the target of a delivery"):
        contract.test_it_tells_no_secret(subject, never, caplog)


def test_a_secret_too_short_to_be_looked_for_is_said(judge: Judge, caplog: pytest.LogCaptureFixture) -> None:
    contract, subject = judge(LEAKS.format(worker="", host="", delivering=""), settings={"token": "short"})
    said: list[str] = []

    contract.test_it_tells_no_secret(subject, said.append, caplog)

    assert said == ["its secrets have no value of 8 characters or more; give it token in `settings`"]
