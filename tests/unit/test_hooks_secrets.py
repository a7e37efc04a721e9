"""A plugin's own secrets do not get into what is stored and logged when it fails."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from noting import REQUEST, RESULT, job
from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import PluginFailed
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.job import Field, Request
from workerkit.secret import Secret
from workerkit.worker_info import WorkerInfo

TOKEN, NESTED = "xoxb-0123456789", "hunter2hunter2"


class Loose:
    """Puts its secrets into whatever it raises, as HTTP libraries do with URLs."""

    error: ClassVar = ValueError(f"401 for https://api/?token={TOKEN}&password={NESTED}")

    @hookimpl
    def accept(self) -> None:
        raise self.error

    @hookimpl(inline=True)
    def post_job(self) -> None:
        try:
            raise self.error
        except ValueError as cause:
            raise RuntimeError("it was not sent") from cause

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        if delivery.target == "raise":
            raise self.error
        return Receipt.retry(f"refused {TOKEN}") if delivery.target == "retry" else Receipt.stop(NESTED)

    @hookimpl
    def pre_job(self) -> None:
        raise self.error

    @hookimpl
    def worker_start(self) -> None:
        raise self.error

    @hookimpl
    def worker_stop(self) -> None:
        raise self.error


@pytest.fixture
def hooks(bridge: Bridge) -> Hooks:
    settings = {"token": Secret(TOKEN), "auth": {"users": [{"password": Secret(NESTED)}]}}
    return Hooks([LoadedPlugin(name="loose", plugin=Loose(), settings=settings)], bridge)


def assert_masked(text: str) -> None:
    assert "***" in text
    assert TOKEN not in text
    assert NESTED not in text


def test_the_sentence_and_the_traceback_of_a_gate_are_masked(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PluginFailed) as accepting:
        asyncio.run(hooks.accept(REQUEST))
    assert_masked(caplog.text)
    with pytest.raises(PluginFailed) as preparing:
        hooks.pre_job(job())
    with pytest.raises(PluginFailed) as starting:
        hooks.worker_start(WorkerInfo(id="w", endpoint="e"))

    for caught in (accepting, preparing, starting):
        assert_masked(str(caught.value))
        assert_masked(caught.value.trace)
        assert caught.value.trace.startswith("Traceback")


def test_what_a_notice_logs_is_masked_down_to_the_causes(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(hooks.post_job(REQUEST, RESULT))

    assert "RuntimeError: it was not sent" in caplog.text
    assert_masked(caplog.text)
    caplog.clear()
    hooks.worker_stop(WorkerInfo(id="w", endpoint="e"))
    assert_masked(caplog.text)


@pytest.mark.parametrize("target", ["raise", "retry", "stop"])
def test_the_detail_of_a_receipt_is_masked(
    hooks: Hooks, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    receipt = hooks.deliver(Delivery(target=target, plugin="loose"))

    assert_masked(receipt.detail)
    assert TOKEN not in caplog.text
    assert NESTED not in caplog.text


def test_a_receipt_keeps_the_rest(bridge: Bridge) -> None:
    class Later:
        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.retry("busy", after=7.5)

    hooks = Hooks([LoadedPlugin(name="a", plugin=Later())], bridge)

    assert hooks.deliver(Delivery(target="x", plugin="a")) == Receipt.retry("busy", after=7.5)


def test_nor_do_those_of_the_request_that_it_was_asked_about(
    bridge: Bridge, caplog: pytest.LogCaptureFixture
) -> None:
    class Tells:
        fields: ClassVar = {"key": Field(Secret, secret=True)}

        @hookimpl
        def accept(self, request: Request) -> None:
            raise ValueError(request.fields["key"].reveal())

    hooks = Hooks([LoadedPlugin(name="tells", plugin=Tells())], bridge)
    request = Request(id="j", endpoint="e", raw_input=b"{}", fields={"key": Secret(NESTED)})

    with pytest.raises(PluginFailed, match=r"failed in accept: ValueError: \*\*\*$"):
        asyncio.run(hooks.accept(request))
    assert "ValueError: ***" in caplog.text
    assert NESTED not in caplog.text
