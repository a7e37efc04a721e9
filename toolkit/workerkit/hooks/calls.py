"""A plugin's functions as plain calls, made once when the plugins are loaded."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pluggy

from workerkit.hooks.implementations import ARGUMENTS, PROJECT, LoadedPlugin

if TYPE_CHECKING:
    from workerkit.bridge import Bridge


@attrs.frozen(eq=False)
class Call:
    """One implementation, ready to be called with its hook's arguments in order."""

    plugin: str
    function: Callable[..., Any]
    inline: bool
    #: The plugin's fields; `accept` is skipped when a request has none of them.
    fields: frozenset[str]


def compile_call(loaded: LoadedPlugin, impl: pluggy.HookImpl, hook: str, bridge: Bridge) -> Call:
    """The implementation as a plain call: fewer or reordered arguments adapted, `async def` bridged."""
    function = impl.function
    positional = tuple(impl.argnames)
    optional = tuple(name for name in impl.kwargnames if name in ARGUMENTS[hook])
    call = function
    if positional + optional != ARGUMENTS[hook]:
        call = _adapted(function, ARGUMENTS[hook], positional, optional)
    if inspect.iscoroutinefunction(function):
        call = _bridged(call, bridge)
    inline = bool(getattr(function, f"{PROJECT}_inline", False))
    return Call(loaded.name, call, inline, frozenset(loaded.fields))


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


def _bridged(function: Callable[..., Any], bridge: Bridge) -> Callable[..., Any]:
    return lambda *args: bridge.run(function(*args))
