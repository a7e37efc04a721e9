"""Everything that could tell a plugin's secrets, in this process and in a served toolkit."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_type_hints

import attrs
import msgspec

from workerkit.delivery import Delivery, Receipt
from workerkit.errors import WorkerkitError
from workerkit.testing.job_run import JobRun
from workerkit.testing.promises import killing
from workerkit.testing.promises.canaries import of_delivery, planted, secret_settings
from workerkit.testing.promises.refusals import NO_SETTING
from workerkit.testing.promises.shells import Seen, watched
from workerkit.testing.promises.subject import BAD, GOOD, Subject
from workerkit.testing.promises.trouble import led_to, troubles

Told = Iterator[tuple[str, str | bytes | None]]


def with_canaries(subject: Subject) -> Subject:
    """The same with a canary for each secret in its settings that has no value, where it takes one."""
    for name in secret_settings(subject.own):
        assert subject.own.schema is not None
        given = subject.settings.get(name, attrs.NOTHING)
        value = planted(get_type_hints(subject.own.schema)[name], given)
        more = attrs.evolve(subject, settings={**subject.settings, name: value})
        try:
            more.load()
        except WorkerkitError:
            continue  # it must look otherwise, and only the author knows how
        subject = more
    return subject


def told_here(subject: Subject, bad_settings: Sequence[Mapping[str, Any]]) -> Told:
    """What two jobs leave behind in this process, and what wrong settings are answered with."""
    with subject.local([subject.own]) as local:
        yield "its row of `workerkit plugins`", repr(local.hooks.plugins)
    yield from _told_by_jobs(subject)
    for bad in [*bad_settings, {NO_SETTING: 1}]:
        try:
            subject.load({**subject.settings, **bad})
        except WorkerkitError as error:
            yield "the sentence that refuses wrong settings", str(error)


def told_in_trouble(subject: Subject) -> Told:
    """The same two jobs while every URL in its settings and fields leads to a receiver that is of no use."""
    for what, url in troubles():
        settings, fields = led_to(subject.settings, url), led_to(subject.fields, url)
        if (settings, fields) == (subject.settings, subject.fields):
            return
        for place, text in _told_by_jobs(attrs.evolve(subject, settings=settings, fields=fields)):
            yield f"{place} while a receiver {what}", text


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


def _told_by_jobs(subject: Subject) -> Told:
    """What comes of a job that goes well and of one that fails, and what the plugin itself said for that.

    The toolkit masks a plugin's secrets in what it stores and logs of its failures. It cannot do so
    in what the plugin logs, nor with a secret that it does not know.
    """
    seen: list[Seen] = []
    for input in (GOOD, BAD):
        try:
            plugins = watched(subject.load(), subject.name, seen.append)
            run = subject.run(input, plugins)
        except WorkerkitError as error:
            yield "the sentence that refuses a request", str(error)
        else:
            yield from _told_by_a_job(run)
            run.deliver()
    yield from _told_by_hooks(seen)


def _told_by_a_job(run: JobRun) -> Told:
    yield "the status object of a job", run.body
    yield "a job's progress", msgspec.json.encode(run.progress)


def _told_by_hooks(seen: Iterable[Seen]) -> Told:
    for call in seen:
        if call.error is not None:
            yield f"what its {call.hook} raises", "".join(traceback.format_exception(call.error))
        answers = call.answer if isinstance(call.answer, (list, tuple)) else [call.answer]
        for answer in answers:
            if isinstance(answer, Delivery):
                yield from of_delivery(answer)
            if isinstance(answer, Receipt):
                yield "the detail of a receipt", answer.detail
