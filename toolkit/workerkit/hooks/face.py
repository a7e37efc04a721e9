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
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from workerkit import hookspecs
from workerkit.delivery import Delivery, Receipt
from workerkit.errors import JobFailed, PluginError, PluginFailed, Refused
from workerkit.hooks.implementations import (
    ARGUMENTS,
    HOST_HOOKS,
    PROJECT,
    WORKER_HOOKS,
    Call,
    LoadedPlugin,
    check,
    compile_call,
    hookimpl,
    implementations,
)
from workerkit.hooks.patience import Patience
from workerkit.hooks.wrappers import surround
from workerkit.job import Field, Job, Output, Request, Result, WorkerInfo

if TYPE_CHECKING:
    from workerkit.bridge import Bridge
    from workerkit.queue.base import Feed

__all__ = ["HOST_HOOKS", "WORKER_HOOKS", "Hooks", "LoadedPlugin", "PluginRow", "hookimpl", "implementations"]

log = logging.getLogger(__name__)
#: Top-level keys of a request that are the core's own.
CORE_KEYS = ("id", "input", "policy")


@attrs.frozen
class PluginRow:
    """What `workerkit plugins` shows of one plugin. Secrets in `settings` are masked."""

    name: str
    dist: str
    ref: str
    hooks: tuple[str, ...]
    fields: tuple[str, ...]
    settings: Mapping[str, Any]


class Hooks:
    """Every active plugin, behind one typed method for each hook.

    The order of `plugins` is the order of calls; `pre_job` and `worker_start` go from its end to
    its start, so that what is provided last is closed first. Raises `PluginError` with a sentence.
    """

    def __init__(self, plugins: Sequence[LoadedPlugin], bridge: Bridge) -> None:
        self._plugins = tuple(plugins)
        self._bridge = bridge
        self._patience = Patience()
        _check_fields(self._plugins)
        self.fields: Mapping[str, Field] = {
            name: field for loaded in self._plugins for name, field in loaded.fields.items()
        }
        manager = _manager(self._plugins)
        self._accept = self._compiled(manager, "accept")
        self._pre_job = self._compiled(manager, "pre_job")[::-1]
        self._run_job = self._compiled(manager, "run_job")
        self._wrappers = self._compiled(manager, "run_job", wrappers=True)
        self._on_output = self._compiled(manager, "on_output")
        self._post_job = self._compiled(manager, "post_job")
        self._deliver = {call.plugin: call for call in self._compiled(manager, "deliver")}
        self._worker_start = self._compiled(manager, "worker_start")[::-1]
        self._worker_stop = self._compiled(manager, "worker_stop")
        self._open_queue = self._compiled(manager, "open_queue")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the plugins, in order."""
        return tuple(loaded.name for loaded in self._plugins)

    def describe(self) -> list[PluginRow]:
        """One row a plugin, in order."""
        return [_row(loaded) for loaded in self._plugins]

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

    def deliver(self, delivery: Delivery) -> Receipt:
        """Have the plugin that made `delivery` try it once; blocks for as long as that takes."""
        call = self._deliver.get(delivery.plugin)
        if call is None:
            return Receipt.hold(
                f"plugin {delivery.plugin!r} is not active; install or enable it, then restart"
            )
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

    def open_queue(self, url: str) -> Feed | None:
        """The first plugin's answer to a queue URL, or None; raises `PluginFailed`."""
        for call in self._open_queue:
            feed: Feed | None = _gate(call, "open_queue", url)
            if feed is not None:
                return feed
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
        return tuple(
            compile_call(by_name[impl.plugin_name], impl, hook, self._bridge)
            for impl in reversed(getattr(manager.hook, hook).get_hookimpls())
            if impl.wrapper is wrappers
        )


def _manager(plugins: Sequence[LoadedPlugin]) -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    # pluggy calls the last registered first; registered backwards, its order is the list's.
    for loaded in reversed(plugins):
        check(loaded)
        try:
            manager.register(loaded.plugin, loaded.name)
        except (ValueError, pluggy.PluginValidationError) as exc:
            raise PluginError(f"{loaded} cannot be registered: {exc}") from exc
    return manager


def _check_fields(plugins: Sequence[LoadedPlugin]) -> None:
    owners: dict[str, LoadedPlugin] = {}
    for loaded in plugins:
        for name, field in loaded.fields.items():
            if name in CORE_KEYS:
                raise PluginError(f"{loaded} declares the field {name!r}, which is the core's own; rename it")
            if not isinstance(field, Field):
                raise PluginError(f"{loaded}: the field {name!r} is no Field; write Field({field!r})")
            if name in owners:
                raise PluginError(
                    f"{owners[name]} and {loaded} both declare the field {name!r}; disable one of them"
                )
            owners[name] = loaded


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


def _row(loaded: LoadedPlugin) -> PluginRow:
    marked = {hook for hook, _, _ in implementations(loaded.plugin)}
    hooks = tuple(name for name in ARGUMENTS if name in marked)
    return PluginRow(loaded.name, loaded.dist, loaded.ref, hooks, tuple(loaded.fields), loaded.settings)


def _gate(call: Call, hook: str, *args: Any) -> Any:
    try:
        return call.function(*args)
    except JobFailed:
        raise
    except Exception as exc:
        raise PluginFailed(call.plugin, hook, exc) from exc
