"""Whatever a handler returns, yields or raises: the plugin lets the job end as it would without it."""

from __future__ import annotations

from workerkit.failures import readable
from workerkit.testing.job_run import JobRun
from workerkit.testing.promises.handlers import failing, good
from workerkit.testing.promises.subject import GOOD, Subject, broken

#: What `InvalidOutput` says; the contract's own handlers return only what JSON can hold.
NOT_JSON = "which JSON cannot hold"


def check(subject: Subject) -> None:
    """Hold a plugin to what it owes handlers; fails the test with a sentence."""
    subject.must_go_well()
    for what, function in good():
        _check_good(subject.run(GOOD, function=function), f"a job whose handler {what}")
    for what, function in failing():
        run = subject.run(GOOD, function=function)
        if run.error is None:
            broken(f"a job whose handler {what} is {run.status.value} as if nothing had happened")
        if f"the handler {what}" not in run.error:
            broken(f"a job whose handler {what} fails with another error: {run!r}")


def _check_good(run: JobRun, what: str) -> None:
    if run.error is not None and not _is_verdict(run.error):
        why = readable(run.error).splitlines()[-1]
        broken(f"{what} is {run.status.value}: {why}\n\n{run!r}")


def _is_verdict(error: str) -> bool:
    """Whether somebody failed the job on purpose, with `JobFailed`: a plugin may."""
    return not (error.startswith(("plugin ", "{")) or NOT_JSON in error)
