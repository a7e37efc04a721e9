"""A plugin's functions as plain calls, made once when the plugins are loaded."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from workerkit.errors import JobFailed, PluginFailed, Refused, Retry, Unfit
from workerkit.failures import message_of, sendable, writable
from workerkit.hooks.faults import is_ctrl_c
from workerkit.hooks.implementations import ARGUMENTS, PROJECT, LoadedPlugin
from workerkit.redaction import Redactor
from workerkit.secret import secrets_of

if TYPE_CHECKING:
    from workerkit.bridge import Bridge
    from workerkit.job import Request

#: Hooks that are called from the list's end to its start, so that what is provided last is closed first.
BACKWARDS = ("pre_job", "worker_start")
#: Hooks that may answer bit by bit.
ASKING = ("job_event", "post_job")
#: The exception with which a hook says what is to be done; it is no failure of the plugin.
JOB_VERDICTS = (JobFailed, Retry)
VERDICTS: Mapping[str, tuple[type[Exception], ...]] = MappingProxyType(
    {
        "accept": (Refused,),
        "pre_job": JOB_VERDICTS,
        "run_job": JOB_VERDICTS,
        "on_output": JOB_VERDICTS,
        "worker_start": (Unfit,),
    }
)


@attrs.frozen(eq=False)
class Call:
    """One implementation, ready to be called with its hook's arguments in order.

    Whatever it raises is `PluginFailed`, a SystemExit and a CancelledError of its own too: what is
    not meant for the toolkit must not end it. Its hook's verdict passes as it is.
    """

    plugin: str
    hook: str
    function: Callable[..., Any]
    inline: bool
    #: The plugin's fields.
    fields: frozenset[str]
    #: Masks the plugin's own secrets.
    redactor: Redactor
    verdict: tuple[type[Exception], ...]
    #: Where what turns out to be async is run.
    bridge: Bridge

    def __call__(self, *args: Any) -> Any:
        """What the plugin returns; raises the verdict or `PluginFailed`."""
        try:
            answer = self.function(*args)
            return answer if answer is None else self._run(answer)
        except self.verdict:
            raise
        except BaseException as exc:
            raise self.failed(exc) from exc

    def concerns(self, request: Request) -> bool:
        """Whether the plugin has to do with this request: it has no fields, or one of them is there."""
        return not self.fields or not self.fields.isdisjoint(request.fields)

    def failed(self, error: BaseException) -> PluginFailed:
        """What the plugin raised as a failure that names it.

        Ctrl-C is the user's and not the plugin's: it is raised again.
        """
        if is_ctrl_c(error):
            raise error
        whole = writable(self.redactor.text(f"{type(error).__name__}: {message_of(error)}"))
        trace = self.told("".join(traceback.format_exception(error))).rstrip()
        return PluginFailed(self.plugin, self.hook, sendable(whole), trace, whole)

    def told(self, text: Any) -> str:
        """What the plugin says, without its secrets, as it may be stored and logged."""
        return sendable(self.redactor.text(str(text)))

    def _run(self, answer: Any) -> Any:
        """The answer itself; what a decorated `async def`, or one with a `yield`, gave has not run yet."""
        if self.hook not in ASKING and (inspect.isgenerator(answer) or inspect.isasyncgen(answer)):
            raise TypeError("it returned a generator, and what is in that never runs; take the yield out")
        if not inspect.isawaitable(answer):
            return answer
        coroutine = answer if inspect.iscoroutine(answer) else _awaited(answer)
        if self.inline:
            coroutine.close()
            raise TypeError("it is async and marked inline; leave out one of the two")
        return self.bridge.run(coroutine)


async def _awaited(answer: Awaitable[Any]) -> Any:
    return await answer


class Compiler:
    """Makes the calls of plugins that a manager has checked."""

    def __init__(
        self, manager: pluggy.PluginManager, plugins: Iterable[LoadedPlugin], bridge: Bridge
    ) -> None:
        self._manager = manager
        self._bridge = bridge
        self._plugins = {loaded.name: (loaded, Redactor(secrets_of(loaded.settings))) for loaded in plugins}

    def calls(self, hook: str, *, wrappers: bool = False) -> tuple[Call, ...]:
        """Who implements a hook, or wraps it, in the order of calls."""
        found = reversed(getattr(self._manager.hook, hook).get_hookimpls())
        calls = tuple(
            _compiled(*self._plugins[impl.plugin_name], impl, hook, self._bridge)
            for impl in found
            if impl.wrapper is wrappers
        )
        return calls[::-1] if hook in BACKWARDS else calls


def _compiled(
    loaded: LoadedPlugin, redactor: Redactor, impl: pluggy.HookImpl, hook: str, bridge: Bridge
) -> Call:
    """The implementation as a plain call, with fewer or reordered arguments adapted."""
    function = impl.function
    positional = tuple(impl.argnames)
    optional = tuple(name for name in impl.kwargnames if name in ARGUMENTS[hook])
    call = function
    if positional + optional != ARGUMENTS[hook]:
        call = _adapted(function, ARGUMENTS[hook], positional, optional)
    return Call(
        plugin=loaded.name,
        hook=hook,
        function=call,
        inline=bool(getattr(function, f"{PROJECT}_inline", False)),
        fields=frozenset(loaded.fields),
        redactor=redactor,
        verdict=VERDICTS.get(hook, ()),
        bridge=bridge,
    )


def _adapted(
    function: Callable[..., Any],
    given: tuple[str, ...],
    positional: tuple[str, ...],
    optional: tuple[str, ...],
) -> Callable[..., Any]:
    places = [given.index(name) for name in positional]
    named = [(name, given.index(name)) for name in optional]

    def call(*args: Any) -> Any:
        return function(*[args[i] for i in places], **{name: args[i] for name, i in named})

    return call
