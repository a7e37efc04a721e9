"""What a request has that means nothing: it is named, told once, and not stored."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping

import attrs
import pytest

from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.host.intake import Admission, Intake
from workerkit.host.sealing import Sealer
from workerkit.job import Field, Request
from workerkit.secret import Secret
from workerkit.settings import Settings


@attrs.frozen
class Parcel:
    door: str
    code: Secret


class Notify:
    fields: Mapping[str, Field] = {"notify": Field(str), "parcel": Field(Parcel, secret=True)}

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Any will do."""


@pytest.fixture
def intake() -> Intake:
    plugin = LoadedPlugin(name="notify", plugin=Notify(), fields=Notify.fields)
    return Intake(Hooks([plugin], Bridge()), Sealer([os.urandom(32)]), Settings())


def admit(intake: Intake, body: bytes) -> Admission:
    return asyncio.run(intake.admit("render", body, sync=False))


def test_keys_that_mean_nothing_are_named_and_not_stored(intake: Intake) -> None:
    admission = admit(intake, b'{"input":1,"id":"x","webhookV2":2,"notify":"me"}')
    assert admission.ignored == ("id", "webhookV2")
    assert admission.submission.fields == b'{"notify":"me"}'


def test_a_million_keys_are_only_work(intake: Intake) -> None:
    keys = b",".join(b'"%d":0' % n for n in range(1_000_000))
    assert len(admit(intake, b'{"input":1,%s}' % keys).ignored) == 1_000_000
    assert len(admit(intake, b'{"input":1,"parcel":{"door":"x","code":"y",%s}}' % keys).ignored) == 100


def test_what_means_nothing_is_told_once_with_what_may_have_been_meant(
    intake: Intake,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "workerkit")
    for _ in range(2):
        body = (
            b'{"input":1,"Notify":1,"polcy":1,"colour":1,"parcel":{"door":"x","code":"y","dor":1,"size":1}}'
        )
        assert admit(intake, body).ignored == ("Notify", "polcy", "colour", "parcel.dor", "parcel.size")

    assert caplog.messages == [
        "ignored: no plugin declares 'Notify'; did you mean 'notify'?",
        "ignored: no plugin declares 'polcy'; did you mean 'policy'?",
        "ignored: no plugin declares 'colour'",
        "ignored: no plugin declares 'parcel.dor'; did you mean 'parcel.door'?",
        "ignored: no plugin declares 'parcel.size'",
    ]


def test_of_many_names_that_mean_nothing_a_few_are_told(
    intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workerkit")
    for round in range(10):
        keys = b",".join(b'"%d-%d-%s":0' % (round, n, b"x" * 1000) for n in range(50))
        admit(intake, b'{"input":1,%s}' % keys)

    assert len(caplog.messages) == 100
    assert max(map(len, caplog.messages)) < 100
