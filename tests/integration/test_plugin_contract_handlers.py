"""Plugins that are wrong around a handler, and the promise of the contract that says so."""

from __future__ import annotations

import pytest

from judging import Judge, broken, never


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        ('output.value.pop("debug", None)', "a job whose handler returns None is FAILED: plugin 'wrong' failed in on_output"),
        ("output.value = dict(output.value or {})", "a job whose handler returns a text is FAILED"),
        ("output.value = {output.value} if output.value == 1.5 else output.value", "a job whose handler returns a number is FAILED"),
        ("assert not isinstance(output.value, bool)", "a job whose handler returns true is FAILED"),
        ("assert output.final", "a job whose handler yields several values is FAILED"),
    ],
    ids=["a dict", "a mapping or none", "what JSON holds", "no bool", "one output"],
)  # fmt: skip
def test_an_on_output_that_counts_on_what_a_handler_returns(judge: Judge, hook: str, sentence: str) -> None:
    contract, subject = judge(f"""
class Wrong:
    @hookimpl
    def on_output(self, output):
        {hook}
""")

    with broken(sentence):
        contract.test_it_takes_whatever_a_handler_returns(subject, never)


def test_a_run_job_that_hides_what_a_handler_raises(judge: Judge) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl(wrapper=True)
    def run_job(self):
        try:
            return (yield)
        except Exception:
            return Output(None)
""")

    with broken("a job whose handler raises is COMPLETED as if nothing had happened"):
        contract.test_it_takes_whatever_a_handler_returns(subject, never)


def test_a_plugin_that_fails_jobs_on_purpose_may(judge: Judge) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def on_output(self, output):
        if not isinstance(output.value, Mapping):
            raise JobFailed("an output must be an object")
""")

    contract.test_it_takes_whatever_a_handler_returns(subject, never)


@pytest.mark.parametrize(
    ("hooks", "sentence"),
    [
        (
            """
    @hookimpl
    def pre_job(self, job):
        self.job = job

    @hookimpl
    def on_output(self, output):
        output.value = {"id": self.job.id, "value": output.value}
""",
            "jobs that run at the same time are mixed up: output.id is 'job-.*' instead of 'job-",
        ),
        (
            """
    @hookimpl
    def pre_job(self, job):
        self.count = 0

    @hookimpl
    def on_output(self, job, output):
        self.count += 1
        job.note("outputs", self.count)
""",
            "jobs that run at the same time are mixed up: note.outputs is . instead of 1",
        ),
        (
            """
    @hookimpl(wrapper=True)
    def run_job(self, job):
        self.job, self.began = job, time.monotonic()
        output = yield
        self.job.note("seconds", time.monotonic() - self.began)
        return output
""",
            "jobs that run at the same time are mixed up: note.seconds is gone",
        ),
    ],
    ids=["the job", "a count", "a time"],
)
def test_what_belongs_to_a_job_kept_on_the_plugin(judge: Judge, hooks: str, sentence: str) -> None:
    contract, subject = judge(f"class Wrong:\n{hooks}")

    with broken(sentence):
        contract.test_it_keeps_jobs_apart(subject, never)


@pytest.mark.parametrize(
    "hooks",
    [
        """
    def __init__(self):
        self.jobs = 0

    @hookimpl
    def pre_job(self, job):
        self.jobs += 1
        job.note("number", self.jobs)
        job.note("time", time.time())
""",
        """
    def __init__(self):
        self.one_at_a_time = threading.Lock()

    @hookimpl(wrapper=True)
    def run_job(self, job):
        with self.one_at_a_time:
            self.job = job
            output = yield
            job.note("job", self.job.id)
        return output
""",
    ],
    ids=["counts and times", "one at a time"],
)
def test_a_plugin_that_keeps_jobs_apart(judge: Judge, hooks: str) -> None:
    contract, subject = judge(f"class Wrong:\n{hooks}")

    contract.test_it_keeps_jobs_apart(subject, never)
