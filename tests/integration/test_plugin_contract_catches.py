"""Plugins that are wrong, each in one way, and the promise of the contract that says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing import PluginContract
from workerkit.testing.plugin_contract import HANDLER
from workerkit.testing.promises.subject import Subject

HEAD = """
import json, os, time
from pathlib import Path

import attrs
from workerkit import Delivery, Field, JobFailed, Output, Receipt, Secret, hookimpl
"""
DELIVERS = """
    @hookimpl
    def post_job(self, request, result):
        return Delivery(target="there", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        return Receipt.delivered()
"""

Judge = Callable[..., tuple[PluginContract, Subject]]


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """A contract and its subject, for a plugin given as the text of its module."""
    monkeypatch.syspath_prepend(tmp_path)

    def made(
        source: str,
        settings: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        bad: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[PluginContract, Subject]:
        (tmp_path / "wrong_plugin.py").write_text(HEAD + source)
        contract = PluginContract()
        contract.bad_settings = bad
        return contract, Subject("wrong_plugin:Wrong", settings or {}, fields or {}, HANDLER, tmp_path)

    yield made
    sys.modules.pop("wrong_plugin", None)


def broken(sentence: str) -> Any:
    return pytest.raises(pytest.fail.Exception, match=sentence)


def never(why: str) -> None:
    raise AssertionError(f"it was taken for not applicable: {why}")


def test_a_plugin_that_cannot_be_built(judge: Judge) -> None:
    contract, subject = judge("""
class Wrong:
    def __init__(self, guard): ...
""")

    with broken("it does not load: .*wrong_plugin:Wrong.* asks for 'guard'"):
        contract.test_it_loads_in_the_host_and_again_in_a_worker(subject)


def test_a_plugin_whose_settings_arrive_in_a_worker_with_another_value(judge: Judge) -> None:
    contract, subject = judge("""
@attrs.define
class Settings:
    place: str = "here"

    def __attrs_post_init__(self):
        self.place += "!"

class Wrong:
    Settings = Settings

    def __init__(self, settings): ...

    @hookimpl
    def pre_job(self): ...
""")

    with broken("in a worker its settings have another value: place"):
        contract.test_it_loads_in_the_host_and_again_in_a_worker(subject)


def test_settings_that_are_taken_though_they_are_wrong(judge: Judge) -> None:
    contract, subject = judge(
        """
@attrs.frozen
class Settings:
    url: str = ""

class Wrong:
    Settings = Settings

    @hookimpl
    def pre_job(self): ...
""",
        bad=[{"url": "nowhere"}],
    )

    with broken("it takes the settings url = 'nowhere'; check them in a validator of its Settings"):
        contract.test_it_refuses_settings_that_are_wrong(subject)


def test_a_plugin_that_shares_a_variable_between_host_and_worker(judge: Judge) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def pre_job(self, job):
        self.seen = job.id

    @hookimpl
    def post_job(self, request, result):
        print(self.seen)
""")

    with broken("the server's log says: plugin 'wrong' failed in post_job"):
        contract.test_it_runs_jobs_in_a_served_toolkit(subject)


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ("return Output('fine')", "raises in run_job, and the job is COMPLETED as if nothing had happened"),
        ("raise JobFailed('it did not work')", "raises in run_job, and the job's error says nothing of that"),
    ],
    ids=["success", "a failure of its own"],
)
def test_a_wrapper_that_hides_the_failure_of_another(
    judge: Judge, caplog: pytest.LogCaptureFixture, hook: str, sentence: str
) -> None:
    contract, subject = judge(f"""
class Wrong:
    @hookimpl(wrapper=True)
    def run_job(self):
        try:
            return (yield)
        except Exception:
            {hook}
""")

    with broken(sentence):
        contract.test_it_survives_a_failing_neighbour(subject, caplog)


def test_a_worker_stop_that_counts_on_a_worker_start_that_may_not_have_been(
    judge: Judge, caplog: pytest.LogCaptureFixture
) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def worker_stop(self):
        self.connection.close()
""")

    with broken("its worker_stop failed: AttributeError"):
        contract.test_it_survives_a_failing_neighbour(subject, caplog)


@pytest.mark.parametrize(
    ("post_job", "sentence"),
    [
        ("json.loads(result.output)", "its post_job failed for a job that is COMPLETED without an output: TypeError"),
        ("time.sleep(0.6)", "its post_job is inline and held up the event loop for 0.6 s"),
        ("return Delivery(target='x')", "implements no deliver hook"),
        ("return 'http://a/'", "where a Delivery is expected"),
    ],
)  # fmt: skip
def test_a_post_job_that_fails(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path, post_job: str, sentence: str
) -> None:
    contract, subject = judge(f"""
class Wrong:
    @hookimpl(inline=True)
    def post_job(self, request, result):
        {post_job}
""")

    with broken(sentence):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)


def test_a_deliver_that_does_not_know_every_status(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def post_job(self):
        return Delivery(target="there")

    @hookimpl
    def deliver(self, delivery):
        shown = json.loads(delivery.body)
        if shown["status"] == "FAILED":
            json.loads(shown["error"])
        return Receipt.delivered()
""")

    with broken(
        "its deliver answered 'retry' for a job that is FAILED with a text and an output: .*JSONDecodeError"
    ):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)


def test_a_plugin_that_was_not_made_to_act(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    contract, subject = judge("""
class Wrong:
    fields = {"tell": Field(str)}

    @hookimpl
    def post_job(self, request):
        return Delivery(target="there") if "tell" in request.fields else None

    @hookimpl
    def deliver(self):
        return Receipt.delivered()
""")

    with broken("post_job asked for nothing at any end; give it `settings` and `fields`"):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)
    with broken("neither after a job that went well nor after one that failed; give it"):
        contract.test_a_delivery_survives_kill_9(subject, never, "before")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_cannot_go_on_after_a_crash(judge: Judge, moment: str) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def post_job(self, request, result):
        return Delivery(target="there", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        if delivery.number > 1:
            return Receipt.stop("it was there already")
        return Receipt.delivered()
""")

    with broken(f"killed {moment} it acted, a delivery with tries left is dead: it was there already"):
        contract.test_a_delivery_survives_kill_9(subject, never, moment)


@pytest.mark.parametrize("word", ["", "async "])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_can_passes_plain_or_async(judge: Judge, moment: str, word: str) -> None:
    contract, subject = judge(f"class Wrong:\n{DELIVERS.replace('def deliver', f'{word}def deliver')}")

    contract.test_a_delivery_survives_kill_9(subject, never, moment)


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
        ({"delivering": "raise ValueError(token)"}, "an answer of /deliveries"),
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


def test_what_a_plugin_does_not_have_is_said_and_not_skipped(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def pre_job(self): ...
""")
    said: list[str] = []

    contract.test_post_job_takes_every_end(subject, said.append, caplog, tmp_path)
    contract.test_a_delivery_survives_kill_9(subject, said.append, "before")
    contract.test_it_tells_no_secret(subject, said.append, caplog)

    assert said == [
        "it has no post_job hook",
        "it has no deliver hook",
        "it has no Secret in its settings, and the request has no secret field",
    ]
