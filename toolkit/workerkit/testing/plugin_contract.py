"""Every promise between a plugin and the toolkit, one test each. Subclass in your tests, run pytest.

    class TestSlack(PluginContract):
        plugin = "slack"
        bad_settings = [{"url": "not a URL"}]

        @pytest.fixture
        def settings(self, workerkit_receiver):
            return {"url": workerkit_receiver.url}

`workerkit plugin check NAME` runs the same tests and prints a verdict. Where a plugin has no such part,
a test passes, and its property `not applicable` says why; its property `note` says what nobody could tell.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workerkit.bridge import Bridge
from workerkit.delivery import Verdict
from workerkit.errors import WorkerkitError
from workerkit.hooks import Hooks
from workerkit.loading import load_refs, worker_refs
from workerkit.testing.promises import killing, neighbours, outputs, refusals, together
from workerkit.testing.promises.canaries import Canaries, of_fields, of_records, of_settings, secret_settings
from workerkit.testing.promises.dying import AFTER, BEFORE
from workerkit.testing.promises.every_end import Ended, every_end
from workerkit.testing.promises.shells import Seen, watched
from workerkit.testing.promises.subject import BAD, GIVE, GOOD, Subject, broken, failure_in, fault_of
from workerkit.testing.promises.telling import (
    Told,
    told_by_a_server,
    told_here,
    told_in_trouble,
    with_canaries,
)

HANDLER = f"""
from __future__ import annotations

from workerkit import worker_function


@worker_function
def contract(job):
    if job["input"] == {BAD!r}:
        raise ValueError("too wet")
    return {{"answer": 42}}
"""
#: The hooks of a worker that see a job.
AROUND_A_JOB = frozenset(("pre_job", "run_job", "on_output"))
#: Seconds that an inline `post_job` may hold up the host's event loop.
INLINE_DEADLINE = 0.5

#: Says something of a promise that is kept.
Say = Callable[[str], None]


class PluginContract:
    """What the toolkit expects of a plugin, and what a plugin may expect.

    `plugin` is the name of an installed plugin, or `module:attribute`. The fixtures say with what it
    runs; override those that it needs.
    """

    plugin: str = ""
    #: Settings to refuse, each laid over those of the fixture `settings`.
    bad_settings: Sequence[Mapping[str, Any]] = ()
    #: Fields to refuse, each laid over those of the fixture `fields`.
    bad_fields: Sequence[Mapping[str, Any]] = ()

    @pytest.fixture
    def settings(self) -> Mapping[str, Any]:
        """The plugin's own section, with which it works."""
        return {}

    @pytest.fixture
    def fields(self) -> Mapping[str, Any]:
        """Top-level fields of a request, beside `input`, that make the plugin act."""
        return {}

    @pytest.fixture
    def handler(self) -> str:
        """The text of a handler file; its first function is run."""
        return HANDLER

    @pytest.fixture
    def effects(self) -> Callable[[], int] | None:
        """Tells how many effects of `deliver` have arrived so far, such as requests at a receiver."""
        return None

    @pytest.fixture
    def subject(
        self, settings: Mapping[str, Any], fields: Mapping[str, Any], handler: str, tmp_path: Path
    ) -> Subject:
        """The plugin, ready to be looked at."""
        return Subject(self.plugin, settings, fields, handler, tmp_path)

    @pytest.fixture
    def not_applicable(self, record_property: Callable[[str, object], None]) -> Say:
        """Say why a promise is about a part that the plugin does not have."""
        return lambda why: record_property("not applicable", why)

    @pytest.fixture
    def note(self, record_property: Callable[[str, object], None]) -> Say:
        """Say what a promise that is kept could not look at."""
        return lambda what: record_property("note", what)

    def test_it_loads_in_the_host_and_again_in_a_worker(self, subject: Subject) -> None:
        """It loads in the host, and again in a worker from what the host sends."""
        here, bridge = subject.own, Bridge()
        try:
            there = load_refs(worker_refs([here]))
            Hooks([here], bridge)
            Hooks(there, bridge)
        except WorkerkitError as error:
            broken(f"it does not load in a worker: {error}", error)
        finally:
            bridge.close()
        if there and there[0].settings != here.settings:
            names = [name for name, value in here.settings.items() if there[0].settings.get(name) != value]
            broken(f"in a worker its settings have another value: {', '.join(names)}")

    def test_it_refuses_settings_that_are_wrong(self, subject: Subject) -> None:
        """It refuses settings that are wrong, with a sentence that names it."""
        refusals.check_settings(subject, self.bad_settings)

    def test_it_refuses_fields_that_are_wrong(self, subject: Subject, not_applicable: Say) -> None:
        """It refuses fields that are wrong, with status 400, whatever JSON they hold."""
        if not subject.own.fields and not self.bad_fields:
            return not_applicable("it declares no field")
        refusals.check_fields(subject, self.bad_fields)
        return None

    def test_it_runs_jobs_in_a_served_toolkit(self, subject: Subject) -> None:
        """It works in a served toolkit, where host and workers are processes of their own."""
        subject.must_go_well()
        with subject.server() as server:
            shown = server.run(subject.function.name, GOOD, **subject.fields)
            deliveries = killing.over(server, shown["id"], subject.name)
            server.stop()
        if shown["status"] != "COMPLETED":
            broken(f"the job is {shown['status']} in a served toolkit: {shown.get('error')}")
        for row in deliveries:
            if row["state"] != "delivered":
                broken(f"its delivery is {row['state']}: {row['detail']}")
        told = re.search(rf"plugin {subject.name!r} failed in .*", server.log())
        if told:
            broken(f"the server's log says: {told[0]}")

    def test_it_survives_a_failing_neighbour(
        self, subject: Subject, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It survives plugins before and after it that fail, and hides no failure of theirs."""
        neighbours.check(subject, caplog)

    def test_it_takes_whatever_a_handler_returns(self, subject: Subject, not_applicable: Say) -> None:
        """It takes whatever a handler returns, yields or raises."""
        if not subject.hooks & AROUND_A_JOB:
            return not_applicable("it has no hook around a job")
        outputs.check(subject)
        return None

    def test_it_keeps_jobs_apart(self, subject: Subject, not_applicable: Say) -> None:
        """It keeps jobs apart that run at the same time."""
        if not subject.hooks & AROUND_A_JOB:
            return not_applicable("it has no hook around a job")
        together.check(subject)
        return None

    def test_post_job_takes_every_end(
        self,
        subject: Subject,
        not_applicable: Say,
        caplog: pytest.LogCaptureFixture,
        tmp_path: Path,
    ) -> None:
        """Its post_job takes every end of a job, and all that it asks for is delivered."""
        if "post_job" not in subject.hooks:
            return not_applicable("it has no post_job hook")
        subject.must_go_well()
        asked = 0
        seen: list[Seen] = []
        with subject.local(watched(subject.load(), subject.name, seen.append)) as local:
            for end in every_end(local, subject.body(GOOD), tmp_path):
                asked += _check_end(subject, end, caplog)
                _check_time(subject, end, seen)
                caplog.clear()
                seen.clear()
        if "deliver" in subject.hooks and not asked:
            broken(f"it has a deliver hook, but its post_job asked for nothing at any end; {GIVE}")
        return None

    @pytest.mark.parametrize("moment", [BEFORE, AFTER], ids=["before it acts", "after it acted"])
    def test_a_delivery_survives_kill_9(
        self, subject: Subject, not_applicable: Say, note: Say, effects: killing.Effects, moment: str
    ) -> None:
        """A delivery survives kill -9 of the host, tried no more often than it may be, done when it says so."""
        if "deliver" not in subject.hooks:
            return not_applicable("it has no deliver hook")
        if effects is None:
            note("it says that it delivered; nobody counts what arrives (the fixture `effects` would)")
        killing.check(subject, moment, effects)
        return None

    def test_it_tells_no_secret(
        self, subject: Subject, not_applicable: Say, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It tells no secret: not in what it logs, stores, answers or fails with, nor when a receiver fails."""
        subject = with_canaries(subject)
        canaries = Canaries([*of_settings(subject.own), *of_fields(subject.own.fields, subject.fields)])
        if not canaries.secrets:
            return not_applicable(_no_secret(subject))
        with caplog.at_level(logging.DEBUG):
            leaks = _leaks(subject, canaries, told_here(subject, self.bad_settings), caplog)
            # What is told always would only be told once more for each receiver.
            leaks = leaks or _leaks(subject, canaries, told_in_trouble(subject), caplog)
        leaks += canaries.leaks(told_by_a_server(subject))
        if leaks:
            broken(f"a secret is in {', in '.join(dict.fromkeys(leaks))}")
        return None


def _leaks(subject: Subject, canaries: Canaries, told: Told, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Where a secret is in what was told, or in what was logged meanwhile."""
    return canaries.leaks(told) + canaries.leaks(of_records(caplog.records, subject.package))


def _no_secret(subject: Subject) -> str:
    names = ", ".join(secret_settings(subject.own))
    if names:
        return f"its secrets have no value of 8 characters or more; give it {names} in `settings`"
    return "it has no Secret in its settings, and the request has no secret field"


def _check_time(subject: Subject, end: Ended, seen: Sequence[Seen]) -> None:
    if not subject.inline("post_job"):
        return
    seconds = max((call.seconds for call in seen if call.hook == "post_job"), default=0.0)
    if seconds > INLINE_DEADLINE:
        broken(
            f"its post_job is inline and held up the event loop for {seconds:.1f} s at a job that is {end.ending.name}"
        )


def _check_end(subject: Subject, end: Ended, caplog: pytest.LogCaptureFixture) -> int:
    """Hold the plugin to its promises about one end; returns how many deliveries it asked for."""
    job = f"a job that is {end.ending.name}"
    failed = failure_in(caplog.records, "post_job", subject.name)
    if failed is not None:
        broken(f"its post_job failed for {job}: {fault_of(failed)}", failed.__cause__)
    if end.shown["status"] != end.status.value:
        broken(f"/status shows {end.shown['status']!r} for {job}")
    own = [(delivery, receipt) for delivery, receipt in end.tried if delivery.plugin == subject.name]
    for _, receipt in own:
        if receipt.verdict is not Verdict.DELIVERED:
            failed = failure_in(caplog.records, "deliver", subject.name)
            cause = failed and failed.__cause__
            said = receipt.detail or "no detail"
            broken(f"its deliver answered {receipt.verdict.value!r} for {job}: {said}", cause)
    return len(own)
