"""The hooks that a host calls."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import ClassVar

import pytest

from noting import REQUEST, RESULT
from workerkit.delivery import Delivery, Receipt, Verdict
from workerkit.errors import PluginFailed, Refused
from workerkit.hooks import Hooks, hookimpl
from workerkit.job import Field, Request, Result

Build = Callable[..., Hooks]


def test_a_notice_that_raises_is_logged_by_name_and_the_rest_run(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    class Breaks:
        @hookimpl(inline=True)
        def post_job(self) -> None:
            raise ValueError("boom")

    class Asks:
        @hookimpl(inline=True)
        def post_job(self, result: Result) -> list[Delivery]:
            return [Delivery(target=result.status.value)]

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    hooks = build(a=Breaks(), b=Asks())
    with caplog.at_level(logging.ERROR):
        asked = asyncio.run(hooks.post_job(REQUEST, RESULT))

    assert asked == [Delivery(target="COMPLETED", plugin="b", maker="Asks")]
    assert "plugin 'a' failed in post_job" in caplog.text


def test_inline_post_job_runs_straight_through_without_awaiting(build: Build) -> None:
    class Asks:
        @hookimpl(inline=True)
        def post_job(self, request: Request, result: Result) -> None: ...

    hooks = build(a=Asks())

    with pytest.raises(StopIteration) as stop:
        hooks.post_job(REQUEST, RESULT).send(None)
    assert stop.value.value == []


def test_post_job_that_is_not_inline_runs_in_a_thread_and_may_be_async(build: Build) -> None:
    threads: list[str] = []

    class Plain:
        @hookimpl
        def post_job(self) -> Delivery:
            threads.append(threading.current_thread().name)
            return Delivery(target="plain")

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    class Async:
        @hookimpl
        async def post_job(self, request: Request) -> Delivery:
            await asyncio.sleep(0)
            return Delivery(target=request.id)

        @hookimpl
        async def deliver(self, delivery: Delivery) -> Receipt:
            return Receipt.delivered(delivery.target)

    hooks = build(a=Plain(), b=Async())

    asked = asyncio.run(hooks.post_job(REQUEST, RESULT))
    assert [(delivery.plugin, delivery.target) for delivery in asked] == [("a", "plain"), ("b", "j")]
    assert threads == ["workerkit-hook"]


def test_a_delivery_from_a_plugin_without_deliver_is_logged_and_dropped(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    class Asks:
        @hookimpl(inline=True)
        def post_job(self) -> Delivery:
            return Delivery(target="x")

    assert asyncio.run(build(a=Asks()).post_job(REQUEST, RESULT)) == []
    assert "implements no deliver hook" in caplog.text


def test_accept_is_skipped_unless_a_field_of_the_plugin_is_present(build: Build) -> None:
    class Picky:
        fields: ClassVar = {"webhook": Field(str)}

        @hookimpl(inline=True)
        def accept(self, request: Request) -> None:
            raise Refused(f"webhook {request.fields['webhook']} is not allowed")

    hooks = build(picky=Picky())

    asyncio.run(hooks.accept(REQUEST))
    with pytest.raises(Refused, match="webhook x is not allowed"):
        asyncio.run(hooks.accept(Request(id="j", endpoint="e", raw_input=b"{}", fields={"webhook": "x"})))


def test_accept_that_fails_otherwise_names_the_plugin(build: Build) -> None:
    class Breaks:
        @hookimpl
        def accept(self) -> None:
            raise ValueError("boom")

    with pytest.raises(PluginFailed, match="plugin 'a' failed in accept: ValueError: boom"):
        asyncio.run(build(a=Breaks()).accept(REQUEST))


def test_deliver_goes_to_the_plugin_that_asked_and_never_raises(build: Build) -> None:
    class Sends:
        @hookimpl
        def deliver(self, delivery: Delivery) -> Receipt:
            if delivery.target == "bad":
                raise OSError("unreachable")
            return Receipt.delivered(delivery.target)

    class Wrong:
        @hookimpl
        def deliver(self) -> str:
            return "done"

    hooks = build(a=Sends(), b=Wrong())

    assert hooks.deliver(Delivery(target="x", plugin="a")) == Receipt.delivered("x")
    failed = hooks.deliver(Delivery(target="bad", plugin="a"))
    assert failed == Receipt.retry("plugin 'a' failed in deliver: OSError: unreachable")
    assert "instead of a Receipt" in hooks.deliver(Delivery(target="x", plugin="b")).detail
    gone = hooks.deliver(Delivery(target="x", plugin="slack"))
    assert gone.verdict is Verdict.HOLD
    assert "plugin 'slack' is not active" in gone.detail


def test_the_first_plugin_that_knows_a_queue_url_opens_it(build: Build) -> None:
    feed = object()

    class Knows:
        @hookimpl
        def open_queue(self, url: str) -> object | None:
            return feed if url.startswith("mine:") else None

    hooks = build(a=Knows())
    assert hooks.open_queue("mine://x") is feed
    assert hooks.open_queue("other://x") is None
