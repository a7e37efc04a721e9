"""What `post_job` may answer: whatever it is, the others' deliveries are made and the end is stored."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import pytest

from noting import REQUEST, RESULT
from workerkit.delivery import Delivery, Receipt
from workerkit.hooks import Hooks, hookimpl
from workerkit.hooks.patience import MOST_LATE

Build = Callable[..., Hooks]


class Answers:
    """A plugin that asks for what it is given."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make

    @hookimpl(inline=True)
    def post_job(self) -> Any:
        return self.make()

    @hookimpl
    def deliver(self) -> Receipt:
        return Receipt.delivered()


class Special(Delivery):
    """One with an idea of its own of how it is made."""

    def __init__(self, number: int) -> None:
        super().__init__(target=f"special {number}", body=b"x", headers={"a": "b"}, delays=(1, 2), lane="l")


class Place(str, Enum):
    HERE = "here"


def asked(build: Build, make: Callable[[], Any]) -> list[Delivery]:
    """What comes of an answer, beside a plugin that does nothing wrong."""
    good = Answers(lambda: Delivery(target="good"))
    *deliveries, last = asyncio.run(build(a=Answers(make), b=good).post_job(REQUEST, RESULT))
    assert (last.target, last.plugin, last.maker) == ("good", "b", "Answers")
    return deliveries


def made() -> Iterator[Delivery]:
    yield Delivery(target="x")
    yield Delivery(target="y")


@pytest.mark.parametrize(
    ("make", "targets"),
    [
        (lambda: None, []),
        (lambda: Delivery(target="x"), ["x"]),
        (lambda: [Delivery(target="x"), Delivery(target="y")], ["x", "y"]),
        (lambda: (Delivery(target="x"),), ["x"]),
        (made, ["x", "y"]),
        (lambda: (Delivery(target=str(n)) for n in range(1_000)), [str(n) for n in range(1_000)]),
    ],
)
def test_one_several_or_a_generator_of_them(
    build: Build, make: Callable[[], Any], targets: list[str]
) -> None:
    deliveries = asked(build, make)

    assert [delivery.target for delivery in deliveries] == targets
    assert {delivery.plugin for delivery in deliveries} <= {"a"}


def test_a_generator_function_is_a_post_job(build: Build) -> None:
    class Yields:
        @hookimpl
        def post_job(self) -> Iterator[Delivery]:
            yield Delivery(target="x")

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

    [delivery] = asyncio.run(build(a=Yields()).post_job(REQUEST, RESULT))
    assert delivery.target == "x"


def test_a_subclass_is_made_a_plain_one(build: Build) -> None:
    [delivery] = asked(build, lambda: Special(1))

    assert type(delivery) is Delivery
    assert (delivery.target, delivery.body, delivery.delays) == ("special 1", b"x", (1, 2))
    assert (dict(delivery.headers), delivery.lane, delivery.maker) == ({"a": "b"}, "l", "Answers")


def test_texts_and_numbers_of_other_kinds_are_made_plain(build: Build) -> None:
    class Seconds(float): ...

    [delivery] = asked(
        build, lambda: Delivery(target=Place.HERE, headers={Place.HERE: Place.HERE}, delays=[Seconds(1.5)])
    )

    assert (type(delivery.target), delivery.target) == (str, "here")
    assert {type(text) for pair in delivery.headers.items() for text in pair} == {str}
    assert [type(delay) for delay in delivery.delays] == [float]


def broken() -> Delivery:
    return Delivery.__new__(Delivery)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda: (Delivery(target="x") for _ in itertools.count()), "it returned more than 1,000 deliveries"),
        (lambda: "x", "it returned str where a Delivery is expected"),
        (lambda: 5, "it returned int where a Delivery is expected"),
        (lambda: [Delivery(target="x"), None], "it returned NoneType where a Delivery is expected"),
        (broken, "AttributeError: "),
    ],
)
def test_what_is_no_delivery_is_logged_and_the_others_stay(
    build: Build, make: Callable[[], Any], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert asked(build, make) == []

    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.getMessage().startswith("plugin 'a' failed in post_job: ")
    assert fault in record.getMessage()


def test_a_plugin_that_hangs_uses_up_its_own_patience(build: Build) -> None:
    release = threading.Event()

    class Hangs:
        @hookimpl
        def post_job(self) -> None:
            release.wait(60)

    class Well:
        @hookimpl
        def post_job(self) -> Delivery:
            return Delivery(target="x")

        @hookimpl
        def deliver(self) -> Receipt:
            return Receipt.delivered()

        @hookimpl
        def accept(self) -> None: ...

    hooks = build(hangs=Hangs(), well=Well())

    async def main() -> None:
        ends = [hooks.post_job(REQUEST, RESULT) for _ in range(MOST_LATE + 1)]
        assert [[one.plugin for one in end] for end in await asyncio.gather(*ends)] == [["well"]] * len(ends)
        # The one that hangs is not called any more; the other is.
        [delivery] = await hooks.post_job(REQUEST, RESULT)
        assert delivery.plugin == "well"
        await hooks.accept(REQUEST)

    try:
        asyncio.run(main())
    finally:
        release.set()
