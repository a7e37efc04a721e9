"""Everything that could tell a plugin's secrets, in this process and in a served toolkit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from secrets import token_hex
from typing import Any

import attrs
import msgspec

from workerkit.errors import WorkerkitError
from workerkit.testing.promises import killing
from workerkit.testing.promises.canaries import empty_secrets, of_delivery
from workerkit.testing.promises.subject import BAD, GOOD, Subject

Told = Iterator[tuple[str, str | bytes | None]]


def planted(subject: Subject) -> Subject:
    """The same with a canary in each secret setting that has no value, where the plugin takes one."""
    for name in empty_secrets(subject.own, subject.settings):
        more = attrs.evolve(subject, settings={**subject.settings, name: f"canary-{token_hex(12)}"})
        try:
            more.load()
        except WorkerkitError:
            continue  # it must look otherwise, and only the author knows how
        subject = more
    return subject


def told_here(subject: Subject, bad_settings: Sequence[Mapping[str, Any]]) -> Told:
    """What two jobs leave behind in this process, and what wrong settings are answered with."""
    yield "its row of `workerkit plugins`", repr(_row(subject))
    for input in (GOOD, BAD):
        run = subject.run(input)
        yield "the status object of a job", run.body
        yield "a job's progress", msgspec.json.encode(run.progress)
        for delivery in subject.asked(run):
            yield from of_delivery(delivery)
        for receipt in run.deliver():
            yield "the detail of a receipt", receipt.detail
    for bad in [*bad_settings, {"no_such_setting": 1}]:
        try:
            subject.load({**subject.settings, **bad})
        except WorkerkitError as error:
            yield "the sentence that refuses wrong settings", str(error)


def told_by_a_server(subject: Subject) -> Told:
    """What two jobs leave behind in a served toolkit that logs all it can."""
    with subject.server(more=["workerkit.testing.promises.loud:Loud"], loggers=[subject.package]) as server:
        for input in (GOOD, BAD):
            id = server.submit(subject.function.name, input, **subject.fields)
            yield "an answer of /status", msgspec.json.encode(server.wait(subject.function.name, id))
            for row in killing.over(server, id, subject.name):
                yield "an answer of /deliveries", msgspec.json.encode(row)
        server.stop()
        yield "what a server prints", server.log()
        for file in sorted((server.folder / ".workerkit").iterdir()):
            yield "the queue's file", file.read_bytes()


def _row(subject: Subject) -> object:
    with subject.local([subject.own]) as local:
        return local.hooks.describe()
