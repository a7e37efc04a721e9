"""The typed face over one pluggy manager: hooks are declared and checked by pluggy, called here.

Two policies for errors, and every method keeps one of them:

* a *gate* (`accept`, `pre_job`, `run_job`, `on_output`, `worker_start`, `open_queue`): the first
  exception stops what the hook guards. `Refused` and `JobFailed` pass as they are; anything else
  becomes `PluginFailed`, which names the plugin.
* a *notice* (`post_job`, `worker_stop`): an exception is logged with the plugin's name, and the
  other plugins are still called. `deliver` is called on one plugin; what it raises is a failed try.

The lists of calls are compiled once. A hook that nobody implements costs a loop over nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workerkit import hookspecs
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import JobFailed, PluginError, PluginFailed, Refused
from workerkit.hooks.calls import Call, compile_call
from workerkit.hooks.checks import check_fields
from workerkit.hooks.implementations import ARGUMENTS, HOST_HOOKS, LoadedPlugin, implementations
from workerkit.hooks.manager import manager_of
from workerkit.hooks.patience import Patience
from workerkit.hooks.rows import PluginRow, row_of
from workerkit.hooks.wrappers import surround
from workerkit.job import Field, Job, Output, Request, Result, WorkerInfo

if TYPE_CHECKING:
    import pluggy

    from workerkit.bridge import Bridge
    from workerkit.queue import Store

log = logging.getLogger(__name__)
#: Hooks that are called from the list's end to its start, so that what is provided last is closed first.
BACKWARDS = ("pre_job", "worker_start")


class Hooks:
    """Every active plugin, behind one typed method for each hook.

    The order of `plugins` is the order of calls; `pre_job` and `worker_start` go from its end to
    its start, so that what is provided last is closed first. Raises `PluginError` with a sentence.
    """

    def __init__(
        self, plugins: Sequence[LoadedPlugin], bridge: Bridge, specifications: ModuleType = hookspecs
    ) -> None:
        self._plugins = tuple(plugins)
        self._bridge = bridge
        self._patience = Patience()
        check_fields(self._plugins)
        self.fields: Mapping[str, Field] = {
            name: field for loaded in self._plugins for name, field in loaded.fields.items()
        }
        manager = manager_of(self._plugins, specifications)
        self._accept = self._compiled(manager, "accept")
        self._pre_job = self._compiled(manager, "pre_job")
        self._run_job = self._compiled(manager, "run_job")
        self._wrappers = self._compiled(manager, "run_job", wrappers=True)
        self._on_output = self._compiled(manager, "on_output")
        self._post_job = self._compiled(manager, "post_job")
        self._deliver = {call.plugin: call for call in self._compiled(manager, "deliver")}
        self._worker_start = self._compiled(manager, "worker_start")
        self._worker_stop = self._compiled(manager, "worker_stop")
        self._open_queue = self._compiled(manager, "open_queue")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the plugins, in order."""
        return tuple(loaded.name for loaded in self._plugins)

    def describe(self) -> list[PluginRow]:
        """One row a plugin, in order."""
        return [row_of(loaded) for loaded in self._plugins]

    def order(self) -> Mapping[str, tuple[str, ...]]:
        """Each hook with the plugins that it calls, in order; wrappers of `run_job` come first."""
        calls: Mapping[str, Iterable[Call]] = {
            "accept": self._accept,
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
        return Hooks([*own, *self._plugins], self._bridge)

    async def accept(self, request: Request) -> None:
        """Let the plugins check a request; raises `Refused`, or `PluginFailed` for any other error."""
        for call in self._accept:
            if call.fields and call.fields.isdisjoint(request.fields):
                continue
            try:
                if call.inline:
                    call.function(request)
                else:
                    await self._patience.run(call.function, request)
            except Refused:
                raise
            except Exception as exc:
                raise PluginFailed(call.plugin, "accept", exc) from exc

    async def post_job(self, request: Request, result: Result) -> list[tuple[str, Delivery]]:
        """Ask what follows this end of a job; each delivery comes with its plugin's name."""
        asked: list[tuple[str, Delivery]] = []
        for call in self._post_job:
            try:
                if call.inline:
                    answer = call.function(request, result)
                else:
                    answer = await self._patience.run(call.function, request, result)
                if answer is not None:
                    asked += self._deliveries(call.plugin, answer)
            except Exception:
                log.exception("plugin %r failed in post_job", call.plugin, extra={"job": request.id})
        return asked

    def undeliverable(self, plugin: str) -> str:
        """Why deliveries of this plugin are held, and the cure; empty when it can send them."""
        if plugin in self._deliver:
            return ""
        if plugin in self.names:
            return f"plugin {plugin!r} has no deliver hook any more; install a version that has, then restart"
        return f"plugin {plugin!r} is not active; install or enable it, then restart"

    def deliver(self, delivery: Delivery) -> Receipt:
        """Have the plugin that made `delivery` try it once; blocks for as long as that takes."""
        if why := self.undeliverable(delivery.plugin):
            return Receipt.hold(why)
        call = self._deliver[delivery.plugin]
        try:
            receipt = call.function(delivery)
            if isinstance(receipt, Receipt):
                return receipt
            raise TypeError(f"it returned {receipt!r} instead of a Receipt")
        except Exception as exc:
            log.exception("plugin %r failed in deliver", call.plugin, extra={"job": delivery.job})
            return Receipt.retry(str(PluginFailed(call.plugin, "deliver", exc)))

    def pre_job(self, job: Job) -> None:
        """Prepare a run; raises `JobFailed` or `PluginFailed`."""
        for call in self._pre_job:
            _gate(call, "pre_job", job)

    def run_job(self, job: Job, default: Callable[[], Output]) -> Output:
        """Run `default` inside every wrapper, unless a plugin answers instead of it.

        What `default` raises passes through the wrappers and out as it is.
        """
        if not self._wrappers and not self._run_job:
            return default()
        return surround(self._wrappers, job, lambda: self._answer(job, default))

    def on_output(self, job: Job, output: Output) -> None:
        """Let the plugins see and change one output; raises `JobFailed` or `PluginFailed`."""
        for call in self._on_output:
            _gate(call, "on_output", job, output)

    def worker_start(self, worker: WorkerInfo) -> None:
        """Load what jobs will need; raises `PluginFailed` when this worker is unfit."""
        for call in self._worker_start:
            _gate(call, "worker_start", worker)

    def worker_stop(self, worker: WorkerInfo) -> None:
        """Close what `worker_start` opened."""
        for call in self._worker_stop:
            try:
                call.function(worker)
            except Exception:
                log.exception("plugin %r failed in worker_stop", call.plugin)

    def open_queue(self, url: str) -> Store | None:
        """The first plugin's answer to a queue URL, or None; raises `PluginFailed`."""
        for call in self._open_queue:
            store: Store | None = _gate(call, "open_queue", url)
            if store is not None:
                return store
        return None

    def _answer(self, job: Job, default: Callable[[], Output]) -> Output:
        for call in self._run_job:
            output = _gate(call, "run_job", job)
            if isinstance(output, Output):
                return output
            if output is not None:
                wrong = TypeError(f"it returned {type(output).__name__} instead of an Output or None")
                raise PluginFailed(call.plugin, "run_job", wrong)
        return default()

    def _deliveries(self, plugin: str, answer: Any) -> list[tuple[str, Delivery]]:
        deliveries = [answer] if isinstance(answer, Delivery) else list(answer)
        for delivery in deliveries:
            if not isinstance(delivery, Delivery):
                raise TypeError(f"it returned {type(delivery).__name__} where a Delivery is expected")
        if deliveries and plugin not in self._deliver:
            raise TypeError("it returned a Delivery but implements no deliver hook")
        return [(plugin, delivery) for delivery in deliveries]

    def _compiled(
        self, manager: pluggy.PluginManager, hook: str, *, wrappers: bool = False
    ) -> tuple[Call, ...]:
        by_name = {loaded.name: loaded for loaded in self._plugins}
        calls = tuple(
            compile_call(by_name[impl.plugin_name], impl, hook, self._bridge)
            for impl in reversed(getattr(manager.hook, hook).get_hookimpls())
            if impl.wrapper is wrappers
        )
        return calls[::-1] if hook in BACKWARDS else calls


def _own(plugin: object, number: int) -> LoadedPlugin:
    loaded = LoadedPlugin(name=f"{type(plugin).__name__} {number}", plugin=plugin, dist="the function")
    hooks = {hook for hook, _, _ in implementations(plugin)} & set(HOST_HOOKS)
    if hooks or getattr(plugin, "fields", None):
        what = ", ".join(sorted(hooks)) or "fields"
        raise PluginError(
            f"{loaded} has {what}, which the host needs before it knows the function; "
            'put it into the settings: [plugins] load = ["module:attribute"]'
        )
    return loaded


def _gate(call: Call, hook: str, *args: Any) -> Any:
    try:
        return call.function(*args)
    except JobFailed:
        raise
    except Exception as exc:
        raise PluginFailed(call.plugin, hook, exc) from exc
