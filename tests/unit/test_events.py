"""What plugins are told of running jobs: in order, not too often, and nothing after the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import attrs
import pytest

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery
from workerkit.event import JobEvent
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.host.events import INTERVAL, MOST_WAITING, Events
from workerkit.host.run import Run
from workerkit.job import Field, Request
from workerkit.queue import Record
from workerkit.states import Status

PATIENCE = 10.0


class Listener:
    """Asks for a delivery of every event."""

    fields: ClassVar = {"listener": Field(str)}

    @hookimpl(inline=True)
    def job_event(self, request: Request, event: JobEvent) -> Delivery:
        return Delivery(target=request.fields["listener"], headers={"kind": event.kind}, lane="a")

    @hookimpl
    def deliver(self, delivery: Delivery) -> Any: ...


@attrs.define
class Wire:
    """What was sent, and when; each sending waits for `open`."""

    sent: list[Delivery] = attrs.field(factory=list)
    times: list[float] = attrs.field(factory=list)
    open: asyncio.Event = attrs.field(factory=asyncio.Event)
    news: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def send(self, delivery: Delivery) -> bool:
        await self.open.wait()
        self.sent.append(delivery)
        self.times.append(asyncio.get_running_loop().time())
        self.news.set()
        return True

    async def until(self, count: int) -> list[dict[str, Any]]:
        """The bodies, once so many are there."""
        while len(self.sent) < count:
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), PATIENCE)
        return [json.loads(delivery.body or b"") for delivery in self.sent]


def run_of(fields: dict[str, Any]) -> Run:
    record = Record(
        id="j-u1",
        endpoint="render",
        status=Status.IN_PROGRESS,
        attempt=2,
        input=b"{}",
        submitted_at=1000,
        started_at=1500,
    )
    request = Request(id="j-u1", endpoint="render", raw_input=b"{}", fields=fields)
    return Run(record, request, worker=None, started=0.0)  # type: ignore[arg-type]  # none is asked


def play(scenario: Callable[[Run, Wire], Awaitable[None]], **fields: Any) -> Wire:
    async def main() -> Wire:
        bridge, wire = Bridge(), Wire()
        hooks = Hooks([LoadedPlugin(name="listener", plugin=Listener(), fields=Listener.fields)], bridge)
        run = run_of(fields)
        try:
            run.telling = Events(hooks, wire.send, lambda: 4500).of(run)
            if run.telling is not None:
                run.telling.claimed()
            await scenario(run, wire)
        finally:
            bridge.close()
        return wire

    return asyncio.run(main())


def test_a_start_is_told_first_with_what_status_answers() -> None:
    async def scenario(run: Run, wire: Wire) -> None:
        wire.open.set()
        assert await wire.until(1) == [
            {"delayTime": 500, "executionTime": 3000, "id": "j-u1", "status": "IN_PROGRESS"}
        ]

    [delivery] = play(scenario, listener="t").sent
    assert (delivery.id, delivery.job, delivery.job_attempt, delivery.endpoint, delivery.number) == (
        "msg_j-u1_2_e1",
        "j-u1",
        2,
        "render",
        1,
    )
    assert (delivery.headers, delivery.plugin) == ({"kind": "start"}, "listener")


def test_outputs_that_come_quickly_are_told_together_and_half_a_second_apart() -> None:
    async def scenario(run: Run, wire: Wire) -> None:
        wire.open.set()
        await wire.until(1)
        assert run.telling is not None
        run.telling.chunk(b"1")
        await wire.until(2)
        run.telling.chunk(b"2")
        run.telling.progress(b'"half"')
        run.telling.chunk(b"3")
        bodies = await wire.until(3)
        assert [body.get("stream") for body in bodies] == [
            None,
            [{"output": 1}],
            [{"output": 2}, {"output": 3}],
        ]
        assert [body.get("output") for body in bodies] == [None, None, "half"]

    wire = play(scenario, listener="t")
    assert wire.times[2] - wire.times[1] >= INTERVAL - 0.01
    assert [delivery.headers["kind"] for delivery in wire.sent] == ["start", "output", "output"]


def test_while_one_is_being_sent_the_next_waits_and_the_end_of_the_run_is_the_end_of_it() -> None:
    async def scenario(run: Run, wire: Wire) -> None:
        assert run.telling is not None
        run.telling.chunk(b"1")
        run.telling.end()
        wire.open.set()
        for _ in range(10):
            await asyncio.sleep(0)

    assert len(play(scenario, listener="t").sent) <= 1


def test_a_slow_receiver_loses_the_oldest_chunks_and_not_the_hosts_memory() -> None:
    half = b'"' + b"x" * (MOST_WAITING // 2) + b'"'

    async def scenario(run: Run, wire: Wire) -> None:
        assert run.telling is not None
        for _ in range(4):
            run.telling.chunk(half)
        run.telling.chunk(b'"last"')
        wire.open.set()
        [_, body] = await wire.until(2)
        assert len(body["stream"]) == 2
        assert body["stream"][-1] == {"output": "last"}

    play(scenario, listener="t")


def test_what_a_run_says_before_its_claim_is_stored_is_told_after_it() -> None:
    async def main() -> list[str]:
        bridge, wire = Bridge(), Wire()
        wire.open.set()
        hooks = Hooks([LoadedPlugin(name="listener", plugin=Listener(), fields=Listener.fields)], bridge)
        telling = Events(hooks, wire.send, lambda: 4500).of(run_of({"listener": "t"}))
        assert telling is not None
        telling.progress(b"1")
        await asyncio.sleep(0)
        assert wire.sent == []
        telling.claimed()
        await wire.until(2)
        bridge.close()
        return [delivery.headers["kind"] for delivery in wire.sent]

    assert asyncio.run(main()) == ["start", "output"]


@pytest.mark.parametrize("fields", [{}, {"webhook": "t"}])
def test_nobody_is_told_of_a_request_without_the_plugins_fields(fields: dict[str, str]) -> None:
    async def scenario(run: Run, wire: Wire) -> None:
        assert run.telling is None

    play(scenario, **fields)
