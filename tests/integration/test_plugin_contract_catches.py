"""Plugins that are wrong, each in one way, and the promise of the contract that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from judging import Judge, broken, never


def test_a_plugin_that_cannot_be_built(judge: Judge) -> None:
    contract, subject = judge("""
class Wrong:
    def __init__(self, database): ...
""")

    with broken("it does not load: .*wrong_plugin:Wrong.* asks for 'database'"):
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


NOTIFY = """
class Wrong:
    fields = {{"notify": Field({type})}}

    @hookimpl(inline=True)
    def accept(self, request):
        {accept}
"""


@pytest.mark.parametrize("fields", [{}, {"notify": {"url": "http://a/", "to": ["me"]}}], ids=["none", "some"])
def test_a_field_whose_parts_are_not_what_accept_expects(judge: Judge, fields: dict[str, object]) -> None:
    source = NOTIFY.format(type="dict", accept='request.fields["notify"]["url"].startswith("http")')
    contract, subject = judge(source, fields=fields)

    with broken("the fields notify = {.*} are answered 500 instead of 400: .*accept: KeyError: 'url'"):
        contract.test_it_refuses_fields_that_are_wrong(subject, never)


def test_a_part_of_a_field_that_is_of_another_kind(judge: Judge) -> None:
    source = NOTIFY.format(type="dict", accept='request.fields["notify"].get("url", "").startswith("http")')
    contract, subject = judge(source, fields={"notify": {"url": "http://a/"}})

    with broken("the fields notify = {'url': None} are answered 500 instead of 400: .*AttributeError"):
        contract.test_it_refuses_fields_that_are_wrong(subject, never)


def test_a_field_that_is_taken_though_it_is_wrong(judge: Judge) -> None:
    source = NOTIFY.format(type="str", accept="assert request.fields")
    contract, subject = judge(source, bad_fields=[{"notify": "nowhere"}])

    with broken("it takes the fields notify = 'nowhere'; check them in `accept`, and raise Refused"):
        contract.test_it_refuses_fields_that_are_wrong(subject, never)


def test_a_bad_field_that_the_plugin_does_not_declare(judge: Judge) -> None:
    source = NOTIFY.format(type="str", accept="assert request.fields")
    contract, subject = judge(source, bad_fields=[{"notfy": "nowhere"}])

    with broken("`bad_fields` has 'notfy', and it declares notify"):
        contract.test_it_refuses_fields_that_are_wrong(subject, never)


def test_a_field_that_is_refused_as_it_should_be(judge: Judge) -> None:
    accept = 'if not request.fields["notify"].startswith("http"): raise Refused("notify is no URL")'
    contract, subject = judge(NOTIFY.format(type="str", accept=accept), bad_fields=[{"notify": "nowhere"}])

    contract.test_it_refuses_fields_that_are_wrong(subject, never)


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
    contract.test_a_delivery_survives_kill_9(subject, said.append, never, None, "before")
    contract.test_it_tells_no_secret(subject, said.append, caplog)

    assert said == [
        "it has no post_job hook",
        "it has no deliver hook",
        "it has no Secret in its settings, and the request has no secret field",
    ]
