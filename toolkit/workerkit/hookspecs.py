"""Every hook a plugin may implement: the contract.

A plugin is a class, a module or an object with functions of these names, marked
`@workerkit.hookimpl`. An implementation may take fewer arguments than its hook, by name, and may
be `async def` unless it is a wrapper. Two policies exist. A *gate* stops what it guards when it
raises; a *notice* that raises is logged with the plugin's name, and the others still run.

The contract lasts. A version adds hooks, or arguments to hooks, and is written down in `VERSIONS`;
a plugin may say `hooks_version = 1`, the version that it was written for, and works with every later
one. A hook or an argument is retired in two steps: for at least one minor release its specification
says so with pluggy's `warn_on_impl` or `warn_on_impl_args`, and every plugin that uses it still works
and gives a DeprecationWarning with its name, which is logged at the start and shown by `workerkit
plugins`; then it goes, in a new `HOOKS_VERSION`. A plugin that is to work with a toolkit that does not
know one of its hooks, older or newer, marks that one `@hookimpl(optional=True)`: it is passed over there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from workerkit.delivery import Delivery, Receipt
    from workerkit.event import JobEvent
    from workerkit.job import Job, Output, Request, Result
    from workerkit.queue import Store
    from workerkit.worker_info import WorkerInfo

#: The version of the hooks below.
HOOKS_VERSION = 2
#: What each version added.
VERSIONS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "accept(request)",
            "pre_job(job)",
            "run_job(job)",
            "on_output(job, output)",
            "post_job(request, result)",
            "deliver(delivery)",
            "worker_start(worker)",
            "worker_stop(worker)",
            "open_queue(url)",
        ),
        2: ("job_event(request, event)",),
    }
)

hookspec = pluggy.HookspecMarker("workerkit")


@hookspec
def accept(request: Request) -> None:
    """Check what a request's fields say, before anything is stored.

    When: at submit, for a plugin that declares no fields or one of whose fields is present; not
    again for `/retry`. Where: the host; in a thread with a deadline of 5 s, or on the event loop
    when marked `inline=True`. Order: the list's. Return: ignored. Raise: `Refused` answers 400
    with its sentence; any other exception answers 500 with the plugin's name. Secret fields are
    visible. A gate.
    """


@hookspec
def pre_job(job: Job) -> None:
    """Prepare a run: validate, provide resources.

    When: before the handler. Where: the worker, in the job's thread. Order: from the list's end to
    its start. Return: ignored. Raise: the job fails; `JobFailed` gives its own text, anything else
    names the plugin. `Retry`, and anything else where the function has `retries`, has the job run
    again. A gate.
    """


@hookspec(firstresult=True)
def run_job(job: Job) -> Output | None:
    """Surround the handler and its iteration, as a `wrapper=True` generator; or replace it.

    When: after `pre_job`. Where: the worker, in the job's thread. Order: the first in the list is
    the outermost wrapper. Return: a wrapper returns the `Output` that its `yield` gave; a plain
    implementation returns an `Output` instead of running the handler, or None. Raise: the job
    fails, or runs again as after `pre_job`. A gate.
    """


@hookspec
def on_output(job: Job, output: Output) -> None:
    """Look at, change or take out parts of an output, by setting `output.value`.

    When: for each yielded value and for the final one. Where: the worker, in the job's thread.
    Order: the list's. Return: ignored. Raise: the job fails, or runs again as after `pre_job`. A gate.
    """


@hookspec
def job_event(request: Request, event: JobEvent) -> Delivery | list[Delivery] | None:
    """Tell somebody of a job that still runs, as well as that can be done.

    When: a run has begun, and then, at most twice a second, it has something new to show; for a plugin
    that declares no fields or one of whose fields is present. Where: the host; in a thread with a
    deadline of 5 s, or on the event loop when marked `inline=True`. Order: the list's. Return: as
    `post_job`, but what is returned is stored nowhere: it is handed to `deliver` once, in the order of
    the job's events, or dropped when its lane has no room or the job has ended. Raise: logged. A notice.
    """


@hookspec
def post_job(request: Request, result: Result) -> Delivery | list[Delivery] | None:
    """Decide what follows the end of a job; `deliver` acts on it later.

    When: for every end of a job (completed, failed, cancelled, timed out, expired, worker died),
    whatever worker ran it; before the transaction that stores the end, of which the returned
    deliveries are part. Where: the host; in a thread with a deadline of 5 s, or on the event loop
    when marked `inline=True`. Order: the list's. Return: one `Delivery`, or up to 1,000 in a list or by
    `yield`, or None. Raise: logged. A notice.
    """


@hookspec
def deliver(delivery: Delivery) -> Receipt:  # type: ignore[empty-body]  # a specification has none
    """Do a durable side effect once.

    When: each try of a delivery that this plugin's `post_job` returned. Where: the host, in a
    thread of its own. Order: only the plugin that made it. Return: a `Receipt`. Raise: the try
    failed; it is repeated while attempts are left.
    """


@hookspec
def worker_start(worker: WorkerInfo) -> None:
    """Load what jobs will need, check that this worker is fit.

    When: once per worker process, after the handler module was imported. Where: the worker's main
    thread. Order: from the list's end to its start. Return: ignored. Raise: the worker takes no
    job and is replaced after a while; `Unfit` says that nothing is wrong with the plugin. A gate.
    """


@hookspec
def worker_stop(worker: WorkerInfo) -> None:
    """Close what `worker_start` opened.

    When: before a worker ends in good order, not when it is killed. Where: the worker's main
    thread. Order: the list's. Return: ignored. Raise: logged. A notice.
    """


@hookspec(firstresult=True)
def open_queue(url: str) -> Store | None:
    """Open a queue for a URL scheme that the toolkit does not know.

    When: at the start of the host. Where: the host. Order: the list's; the first that answers
    wins. Return: a `Store` (`workerkit.queue`), or None for other schemes. Raise: the start fails. A gate.
    """
