"""How a plugin's functions become calls: the marker, the checks at load, the compiled form."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, overload

import attrs
import pluggy

from workerkit import hookspecs
from workerkit.errors import PluginError, suggest
from workerkit.job import EMPTY, Field

if TYPE_CHECKING:
    from workerkit.bridge import Bridge

F = TypeVar("F", bound=Callable[..., Any])
PROJECT = "workerkit"
#: Hooks of the host and of the worker, each with the arguments of its specification.
HOST_HOOKS = ("accept", "post_job", "deliver", "open_queue")
WORKER_HOOKS = ("pre_job", "run_job", "on_output", "worker_start", "worker_stop")
COMPUTED = (property, cached_property)
INLINE_HOOKS = ("accept", "post_job")
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(getattr(hookspecs, name)).parameters)
    for name in (*HOST_HOOKS, *WORKER_HOOKS)
}

_mark = pluggy.HookimplMarker(PROJECT)


@overload
def hookimpl(function: F, /) -> F: ...
@overload
def hookimpl(
    *, wrapper: bool = False, inline: bool = False, tryfirst: bool = False, trylast: bool = False
) -> Callable[[F], F]: ...
def hookimpl(
    function: Any = None,
    /,
    *,
    wrapper: bool = False,
    inline: bool = False,
    tryfirst: bool = False,
    trylast: bool = False,
) -> Any:
    """Mark a plugin's function as the implementation of the hook of the same name.

    `wrapper=True` is for `run_job` alone: a generator that yields once, and returns the `Output`
    which that gave. `inline=True` is for `accept` and `post_job` that never block: they then run on
    the host's event loop. `tryfirst` and `trylast` are pluggy's; a plugin that uses them is refused
    when it is loaded, because the settings' list is the one way to say order.
    """

    def mark(function: Any) -> Any:
        marked = _mark(function, wrapper=wrapper, tryfirst=tryfirst, trylast=trylast)
        marked.workerkit_inline = inline
        return marked

    return mark if function is None else mark(function)


@attrs.frozen(kw_only=True, eq=False)
class LoadedPlugin:
    """A plugin that is ready to be registered, and where it came from.

    `ref` is its `module:attribute`. `settings` are the values it was built from; secrets among
    them are `Secret`.
    """

    name: str
    plugin: object
    dist: str = ""
    ref: str = ""
    fields: Mapping[str, Field] = EMPTY
    settings: Mapping[str, Any] = EMPTY

    def __str__(self) -> str:
        dist = f" of {self.dist}" if self.dist else ""
        return f"plugin {self.name!r}{dist}" + (f" ({self.ref})" if self.ref else "")


@attrs.frozen(eq=False)
class Call:
    """One implementation, ready to be called with its hook's arguments in order."""

    plugin: str
    function: Callable[..., Any]
    inline: bool
    #: The plugin's fields; `accept` is skipped when a request has none of them.
    fields: frozenset[str]


def implementations(plugin: object) -> Iterator[tuple[str, Callable[..., Any], Mapping[str, Any]]]:
    """Hook, function and options of everything in `plugin` that is marked as a hook."""
    for name, value in _routines(plugin):
        options = getattr(value, f"{PROJECT}_impl", None)
        if options is not None:
            yield options.get("specname") or name, value, options


def check(loaded: LoadedPlugin) -> None:
    """Raise `PluginError` with a sentence for what pluggy would accept in silence or say badly."""
    plugin = loaded.plugin
    if inspect.isclass(plugin):
        raise PluginError(f"{loaded} is a class; give an instance: {plugin.__name__}()")
    found = list(implementations(plugin))
    for name, value in _routines(plugin):
        if name in ARGUMENTS and not hasattr(value, f"{PROJECT}_impl"):
            raise PluginError(f"{loaded} has {name} without @hookimpl; mark it, or give it another name")
    if not found:
        raise PluginError(f"{loaded} implements no hook; mark one of {', '.join(ARGUMENTS)} with @hookimpl")
    for hook, function, options in found:
        _check_one(f"{loaded}: {hook}", hook, function, options)


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


def _routines(plugin: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions and methods of a plugin; properties are not run."""
    for name in dir(plugin):
        if name.startswith("__") or isinstance(inspect.getattr_static(plugin, name, None), COMPUTED):
            continue
        value = getattr(plugin, name, None)
        if inspect.isroutine(value):
            yield name, value


def _check_one(who: str, hook: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    if hook not in ARGUMENTS:
        raise PluginError(f"{who} is no hook of workerkit{suggest(hook, ARGUMENTS)}")
    if options.get("tryfirst") or options.get("trylast"):
        raise PluginError(f"{who} uses tryfirst or trylast; set [plugins] order instead")
    if options.get("hookwrapper"):
        raise PluginError(f"{who} is an old hookwrapper; write @hookimpl(wrapper=True)")
    if options.get("wrapper") and hook != "run_job":
        raise PluginError(f"{who} is a wrapper; only run_job can be wrapped")
    if inspect.isasyncgenfunction(function):
        raise PluginError(f"{who} is an async generator; only a plain generator can be a wrapper")
    if options.get("wrapper") and not inspect.isgeneratorfunction(function):
        raise PluginError(f"{who} is a wrapper but no plain generator function; write `return (yield)` in it")
    if getattr(function, f"{PROJECT}_inline", False):
        if hook not in INLINE_HOOKS:
            raise PluginError(f"{who} is marked inline; only {' and '.join(INLINE_HOOKS)} can be")
        if inspect.iscoroutinefunction(function):
            raise PluginError(f"{who} is async and marked inline; leave out one of the two")
    _check_arguments(who, hook, function)


def _check_arguments(who: str, hook: str, function: Callable[..., Any]) -> None:
    known = ARGUMENTS[hook]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise PluginError(
                f"{who} takes the {parameter.kind.description} argument {parameter.name!r}; "
                f"hooks take plain ones: {', '.join(known)}"
            )
        if parameter.name not in known and parameter.default is parameter.empty:
            raise PluginError(f"{who} has no argument {parameter.name!r}{suggest(parameter.name, known)}")


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
