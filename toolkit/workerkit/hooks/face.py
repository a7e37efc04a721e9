"""The typed face over one pluggy manager: hooks are declared and checked by pluggy, called here.

Two policies for errors, and every method keeps one of them:

* a *gate* (`accept`, `pre_job`, `run_job`, `on_output`, `worker_start`, `open_queue`): the first
  exception stops what the hook guards. `Refused`, `JobFailed`, `Retry` and `Unfit` pass as they are;
  anything else, a SystemExit too, becomes `PluginFailed`, which names the plugin.
* a *notice* (`job_event`, `post_job`, `worker_stop`): an exception is logged with the plugin's name, and the
  other plugins are still called. `deliver` is called on one plugin; what it raises is a failed try.

The lists of calls are compiled once. A hook that nobody implements costs a loop over nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import attrs

from workerkit import hookspecs
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import PluginError, PluginFailed, Unfit
from workerkit.event import JobEvent
from workerkit.failures import message_of
from workerkit.hooks import asked
from workerkit.hooks.calls import Call, Compiler
from workerkit.hooks.checks import check_fields
from workerkit.hooks.implementations import ARGUMENTS, HOST_HOOKS, LoadedPlugin
from workerkit.hooks.manager import manager_of, retired
from workerkit.hooks.patience import Patience
from workerkit.hooks.wrappers import surround
from workerkit.job import Field, Job, Output, Request, Result
from workerkit.redaction import Redactor
from workerkit.secret import secrets_of
from workerkit.worker_info import WorkerInfo

if TYPE_CHECKING:
    from workerkit.bridge import Bridge
    from workerkit.queue import Store

log = logging.getLogger(__name__)


class Hooks:
    """Every active plugin, behind one typed method for each hook.

    The order of `plugins` is the order of calls; `pre_job` and `worker_start` go from its end to
    its start, so that what is provided last is closed first. Raises `PluginError` with a sentence.
    """

    def __init__(
        self, plugins: Sequence[LoadedPlugin], bridge: Bridge, specifications: ModuleType = hookspecs
    ) -> None:
        self.plugins = tuple(plugins)
        self._by_name = {loaded.name: loaded for loaded in self.plugins}
        self._bridge = bridge
        #: One for each plugin, so that one that hangs uses up its own.
        self._patience: defaultdict[str, Patience] = defaultdict(Patience)
        check_fields(self.plugins)
        self.fields: Mapping[str, Field] = {
            name: field for loaded in self.plugins for name, field in loaded.fields.items()
        }
        manager = manager_of(self.plugins, specifications)
        #: A sentence for each hook or argument in use that will go.
        self.retired = retired(manager, self._by_name, specifications)
        compiler = Compiler(manager, self.plugins, bridge)
        self._accept = compiler.calls("accept")
        self._pre_job = compiler.calls("pre_job")
        self._run_job = compiler.calls("run_job")
        self._wrappers = compiler.calls("run_job", wrappers=True)
        self._on_output = compiler.calls("on_output")
        self._job_event = compiler.calls("job_event")
        self._post_job = compiler.calls("post_job")
        #: Whether `post_job` answers at once, whoever is asked.
        self.post_job_is_inline = all(call.inline for call in self._post_job)
        self._deliver = {call.plugin: call for call in compiler.calls("deliver")}
        self._worker_start = compiler.calls("worker_start")
        self._worker_stop = compiler.calls("worker_stop")
        self._open_queue = compiler.calls("open_queue")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the plugins, in order."""
        return tuple(self._by_name)

    def order(self) -> Mapping[str, tuple[str, ...]]:
        """Each hook with the plugins that it calls, in order; wrappers of `run_job` come first."""
        calls: Mapping[str, Iterable[Call]] = {
            "accept": self._accept,
            "job_event": self._job_event,
            "post_job": self._post_job,
            "deliver": self._deliver.values(),
            "open_queue": self._open_queue,
            "pre_job": self._pre_job,
            "run_job": (*self._wrappers, *self._run_job),
            "on_output": self._on_output,
            "worker_start": self._worker_start,
            "worker_stop": self._worker_stop,
        }
        return {hook: tuple(call.plugin for call in calls[hook]) for hook in ARGUMENTS}

    def extend(self, plugins: Sequence[object]) -> Hooks:
        """These hooks with a function's own plugins in front.

        In front means: their `pre_job` comes after all providers, their `on_output` sees what the
        handler returned. A host hook or a field there is a `PluginError` that says where to put it.
        """
        if not plugins:
            return self
        own = [_own(plugin, number) for number, plugin in enumerate(plugins, 1)]
        return Hooks([*own, *self.plugins], self._bridge)

    async def accept(self, request: Request) -> None:
        """Let the plugins check a request; raises `Refused`, or `PluginFailed` for any other error."""
        for call in self._accept:
            if not call.concerns(request):
                continue
            try:
                await self._called(call, call, request)
            except PluginFailed as failure:
                told = _without(failure, secrets_of(request.fields))
                _log(told, job=request.id)
                raise told from failure

    def wants_events(self, request: Request) -> bool:
        """Whether a plugin is told of this request's job while it runs."""
        return any(call.concerns(request) for call in self._job_event)

    async def job_event(self, request: Request, event: JobEvent) -> list[Delivery]:
        """Ask whom to tell of a running job; like `post_job`, for deliveries that nobody stores."""
        calls = [call for call in self._job_event if call.concerns(request)]
        return await self._all_asked(calls, request, event)

    async def post_job(self, request: Request, result: Result) -> list[Delivery]:
        """Ask what follows this end of a job; each delivery says which plugin asked, and whose that is."""
        return await self._all_asked(self._post_job, request, result)

    async def _all_asked(
        self, calls: Iterable[Call], request: Request, what: JobEvent | Result
    ) -> list[Delivery]:
        wanted: list[Delivery] = []
        for call in calls:
            try:
                wanted += await self._called(call, self._asked, call, request, what)
            except PluginFailed as failure:
                _log(failure, job=request.id)
        return wanted

    def maker(self, plugin: str) -> str:
        """Who made this plugin; empty when it is not active."""
        loaded = self._by_name.get(plugin)
        return "" if loaded is None else loaded.maker

    def undeliverable(self, plugin: str, maker: str) -> str:
        """Why a delivery is held that this plugin asked for when it was `maker`'s; empty when it is not.

        The sentence says the cure. An empty `maker` is not known: whoever has the place delivers.
        """
        loaded = self._by_name.get(plugin)
        if loaded is None:
            return f"plugin {plugin!r} is not active; install or enable it, then restart"
        if plugin not in self._deliver:
            return f"plugin {plugin!r} has no deliver hook any more; install a version that has, then restart"
        takes_over = getattr(loaded.plugin, "takes_over", False)
        if takes_over or maker in ("", loaded.maker, loaded.ref):
            return ""
        return (
            f"plugin {plugin!r} was that of {maker}, and {loaded} has its place now; "
            f"give the place back to {maker}, or to one that says `takes_over = True`, then restart"
        )

    def deliver(self, delivery: Delivery) -> Receipt:
        """Have the plugin that made `delivery` try it once; blocks for as long as that takes."""
        if why := self.undeliverable(delivery.plugin, delivery.maker):
            return Receipt.hold(why)
        try:
            return _tried(self._deliver[delivery.plugin], delivery)
        except PluginFailed as failure:
            _log(failure, job=delivery.job)
            return Receipt.retry(str(failure))

    def pre_job(self, job: Job) -> None:
        """Prepare a run; raises `JobFailed`, `Retry` or `PluginFailed`."""
        for call in self._pre_job:
            call(job)

    def run_job(self, job: Job, default: Callable[[], Output]) -> Output:
        """Run `default` inside every wrapper, unless a plugin answers instead of it.

        What `default` raises passes through the wrappers and out as it is.
        """
        if not self._wrappers and not self._run_job:
            return default()
        return surround(self._wrappers, job, lambda: self._answer(job, default))

    def on_output(self, job: Job, output: Output) -> None:
        """Let the plugins see and change one output; raises `JobFailed`, `Retry` or `PluginFailed`."""
        for call in self._on_output:
            call(job, output)

    def worker_start(self, worker: WorkerInfo) -> None:
        """Load what jobs will need; raises `Unfit` when this worker is no good for now, or `PluginFailed`."""
        for call in self._worker_start:
            try:
                call(worker)
            except Unfit as verdict:
                raise Unfit(f"plugin {call.plugin!r}: {call.told(message_of(verdict))}") from None

    def worker_stop(self, worker: WorkerInfo) -> None:
        """Close what `worker_start` opened."""
        for call in self._worker_stop:
            try:
                call(worker)
            except PluginFailed as failure:
                _log(failure)

    def open_queue(self, url: str) -> Store | None:
        """The first plugin's answer to a queue URL, or None; raises `PluginFailed`."""
        for call in self._open_queue:
            store: Store | None = call(url)
            if store is not None:
                return store
        return None

    def _answer(self, job: Job, default: Callable[[], Output]) -> Output:
        for call in self._run_job:
            output = call(job)
            if isinstance(output, Output):
                return output
            if output is not None:
                got = type(output).__name__
                raise call.failed(TypeError(f"it returned {got} instead of an Output or None"))
        return default()

    async def _called(self, call: Call, act: Callable[..., Any], *args: Any) -> Any:
        """Do what calls a plugin: here when that is inline, else in a thread and with a deadline."""
        if call.inline:
            return act(*args)
        try:
            return await self._patience[call.plugin].run(act, *args)
        except TimeoutError as exc:
            raise call.failed(exc) from exc

    def _asked(self, call: Call, request: Request, what: JobEvent | Result) -> list[Delivery]:
        """What one plugin asks for; when its answer is made bit by bit, that is its code too."""
        answer = call(request, what)
        if answer is None:
            return []
        try:
            deliveries = asked.deliveries(answer, call.plugin, self.maker(call.plugin))
            if deliveries and call.plugin not in self._deliver:
                raise TypeError("it returned a Delivery but implements no deliver hook")
        except BaseException as exc:
            raise call.failed(exc) from exc
        return deliveries


def _tried(call: Call, delivery: Delivery) -> Receipt:
    receipt = call(delivery)
    if not isinstance(receipt, Receipt):
        raise call.failed(TypeError(f"it returned {type(receipt).__name__} instead of a Receipt"))
    said = (receipt.detail, receipt.address, receipt.answer)
    detail, address, answer = told = tuple(map(call.told, said))
    return receipt if told == said else attrs.evolve(receipt, detail=detail, address=address, answer=answer)


def _without(failure: PluginFailed, secrets: Sequence[str]) -> PluginFailed:
    """The same without these secrets, too."""
    mask = Redactor(secrets).text
    return PluginFailed(failure.plugin, failure.hook, mask(failure.fault), mask(failure.trace))


def _log(failure: PluginFailed, **about: str) -> None:
    """Log a failure with its traceback, in which the plugin's secrets are masked."""
    log.error("%s\n%s", failure, failure.trace, extra=about)


def _own(plugin: object, number: int) -> LoadedPlugin:
    loaded = LoadedPlugin(name=f"{type(plugin).__name__} {number}", plugin=plugin, dist="the function")
    hooks = set(loaded.hooks) & set(HOST_HOOKS)
    if hooks or getattr(plugin, "fields", None):
        what = ", ".join(sorted(hooks)) or "fields"
        raise PluginError(
            f"{loaded} has {what}, which the host needs before it knows the function; "
            'put it into the settings: [plugins] load = ["module:attribute"]'
        )
    return loaded
