"""`run_job`: one job in this process, for tests of handlers and plugins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import msgspec

from workerkit.bridge import Bridge
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import ApiError, PluginError, PluginFailed, Refused, suggest
from workerkit.failures import readable
from workerkit.function import NAME, WorkerFunction, worker_function
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.job import EMPTY, Request, Result
from workerkit.local import Local, Ran
from workerkit.payload import encode
from workerkit.queue import End
from workerkit.states import Status
from workerkit.testing.given import loaded, settings_for

#: Keys of a request that are the core's; all others are plugins' fields.
CORE = ("input", "policy")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class JobRun:
    """How a job ended, as its client and `post_job` see it: secrets are masked.

    `error` of a failed job is JSON that holds the traceback; `repr` shows it readably, and so does
    pytest when a test fails that has the run in a variable.
    """

    status: Status
    #: What `/status` shows; of a generator, the list of what it yielded.
    output: Any
    #: What a generator yielded; empty for other functions.
    chunks: list[Any]
    error: str | None
    #: What `job.note` left for `post_job`.
    notes: Mapping[str, Any]
    #: Why the worker would be replaced by a fresh one; None when it would not.
    refresh: str | None
    #: Why a plugin asked with `WorkerInfo.refresh` for a fresh one, when it is its turn; None when none did.
    worker_refresh: str | None
    #: What `job.progress` showed, in order.
    progress: list[Any]
    #: What plugins asked for in `post_job`, as `deliver` gets it.
    deliveries: list[Delivery]
    request: Request
    result: Result
    #: The status object, byte for byte as `/status` answers it and webhooks carry it.
    body: bytes
    _plugins: Sequence[LoadedPlugin] = attrs.field(alias="plugins")

    def deliver(self) -> list[Receipt]:
        """Try each delivery once, with the plugin that asked for it; a receipt for each."""
        bridge = Bridge()
        try:
            hooks = Hooks(self._plugins, bridge)
            return [hooks.deliver(delivery) for delivery in self.deliveries]
        finally:
            bridge.close()

    def __repr__(self) -> str:
        shown = f"JobRun({self.status.value}, output={self.output!r})"
        return shown if self.error is None else f"{shown}\n{readable(self.error)}"


def run_job(
    function: WorkerFunction[..., Any] | Callable[..., Any],
    input: Any = None,
    *,
    plugins: Sequence[object] = (),
    settings: Mapping[str, Mapping[str, Any]] = EMPTY,
    fields: Mapping[str, Any] = EMPTY,
    builtins: bool = True,
    attempt: int = 1,
) -> JobRun:
    """Run one job here and now, with the toolkit's own code for every step but the queue.

        run = run_job(render, {"prompt": "a lighthouse"}, plugins=[Audit], settings={"audit": {"file": "a.log"}})
        assert run.output == {"image": "a.png"}
        assert [delivery.plugin for delivery in run.deliveries] == ["audit"]

    `accept`, `worker_start`, `pre_job`, `run_job`, `on_output`, `worker_stop` and `post_job` are
    called as a host and a worker call them; `JobRun.deliver` calls `deliver`. `function` may be
    decorated or not. `plugins` are classes, instances, names of installed plugins or
    `module:attribute`; beside them run the built-in ones, unless `builtins` is false, and nothing
    else that is installed. `settings` are the plugins' sections by name, `fields` the top-level keys
    of the request beside `input`.

    Raises `Refused` where the job API would answer 400, and `PluginError` or `SettingsError` with
    the sentence that a host would print. Whatever the job itself raises ends in `JobRun.error`.
    """
    chosen = settings_for(settings, builtins=builtins)
    given = loaded(plugins, chosen)
    with Local(_decorated(function), given, chosen) as local:
        return run_locally(local, input, fields, given, attempt)


def run_locally(
    local: Local, input: Any, fields: Mapping[str, Any], plugins: Sequence[LoadedPlugin], attempt: int = 1
) -> JobRun:
    """One job of a `Local`, from its request to `post_job`."""
    _check_fields(fields, local.hooks.fields)
    sent = {**fields, "input": input}
    body = {name: msgspec.Raw(encode(value, depth=100, root=name)) for name, value in sent.items()}
    try:
        submission = local.admit(msgspec.json.encode(body)).submission
    except ApiError as error:
        raise _raised(error) from error.__cause__
    ran = local.run(submission, attempt=attempt)
    return _told(ran, local.request(ran.record), local.end(ran.record, ran.result), plugins)


def _told(ran: Ran, request: Request, end: End, plugins: Sequence[LoadedPlugin]) -> JobRun:
    result = ran.result
    return JobRun(
        status=result.status,
        output=result.value,
        chunks=[json.loads(chunk) for chunk in ran.chunks or ()],
        error=result.error,
        notes=result.notes,
        refresh=result.refresh,
        worker_refresh=ran.worker_refresh,
        progress=[json.loads(value) for value in ran.progress],
        deliveries=[_due(delivery, number, end) for number, delivery in enumerate(end.deliveries, 1)],
        request=request,
        result=result,
        body=end.body,
        plugins=plugins,
    )


def _due(delivery: Delivery, number: int, end: End) -> Delivery:
    """A delivery as a queue hands it out for its first try."""
    id = f"msg_{end.id}_{end.seen_attempt}" + (f"_{number}" if number > 1 else "")
    body = end.body if delivery.body is None else delivery.body
    return attrs.evolve(delivery, id=id, job=end.id, job_attempt=end.seen_attempt, number=1, body=body)


def _decorated(function: WorkerFunction[..., Any] | Callable[..., Any]) -> WorkerFunction[..., Any]:
    if isinstance(function, WorkerFunction):
        return function
    name = getattr(function, "__name__", "")
    return worker_function(name=name if NAME.fullmatch(name) else "job")(function)


def _check_fields(fields: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """A server ignores what nobody declares; a test that sends it has made a mistake."""
    for name in fields:
        if name not in known and name not in CORE:
            raise PluginError(f"no plugin of this run declares the field {name!r}{suggest(name, known)}")


def _raised(error: ApiError) -> Exception:
    """What a test expects in place of the API's answer."""
    if error.status == 400:
        return Refused(error.sentence)
    return error.__cause__ if isinstance(error.__cause__, PluginFailed) else error
