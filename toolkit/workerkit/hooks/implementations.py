"""How a plugin says which of its functions are hooks: the marker, and what is found by it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar, overload

import attrs
import pluggy

from workerkit import hookspecs
from workerkit.errors import PluginError
from workerkit.job import EMPTY, Field

F = TypeVar("F", bound=Callable[..., Any])
PROJECT = "workerkit"
#: Every hook with the arguments of its specification.
ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    name: tuple(inspect.signature(value).parameters)
    for name, value in vars(hookspecs).items()
    if hasattr(value, f"{PROJECT}_spec")
}
HOST_HOOKS = ("accept", "job_event", "post_job", "deliver", "open_queue")
WORKER_HOOKS = ("pre_job", "run_job", "on_output", "worker_start", "worker_stop")
COMPUTED = (property, cached_property)

_mark = pluggy.HookimplMarker(PROJECT)


@overload
def hookimpl(function: F, /) -> F: ...
@overload
def hookimpl(*, wrapper: bool = False, inline: bool = False, optional: bool = False) -> Callable[[F], F]: ...
def hookimpl(
    function: Any = None,
    /,
    *,
    wrapper: bool = False,
    inline: bool = False,
    optional: bool = False,
    tryfirst: bool = False,
    trylast: bool = False,
) -> Any:
    """Mark a plugin's function as the implementation of the hook of the same name.

    `wrapper=True` is for `run_job` alone: a generator that yields once, and returns the `Output`
    which that gave. `inline=True` is for `accept`, `job_event` and `post_job` that never block: they
    then run on the host's event loop. `optional=True` is for a hook that only some versions of the toolkit have:
    the others pass it over. `tryfirst` and `trylast` are pluggy's; a plugin that uses them is refused
    when it is loaded, because the settings' list is the one way to say order.
    """

    def mark(function: Any) -> Any:
        if not inspect.isfunction(function):
            raise PluginError(
                f"@hookimpl is for functions, and {function!r:.80} is a {type(function).__name__}; "
                "write a method with `def`, with @hookimpl next to it"
            )
        marked: Any = _mark(
            function, wrapper=wrapper, optionalhook=optional, tryfirst=tryfirst, trylast=trylast
        )
        marked.workerkit_inline = inline
        return marked

    return mark if function is None else mark(function)


@attrs.frozen(kw_only=True, eq=False)
class LoadedPlugin:
    """A plugin that is ready to be registered, and where it came from.

    `ref` is its `module:attribute`; `via` is how it came: "installed", "[plugins] load",
    "[plugins] use" or "replaces". `settings` are the values it was built from, of the attrs class
    `schema`; secrets among them are `Secret`. `maker` is whose it is, whatever place it has: its
    entry point's name and the distribution, else what can be told.
    """

    name: str
    plugin: object
    dist: str = ""
    ref: str = ""
    via: str = ""
    fields: Mapping[str, Field] = EMPTY
    settings: Mapping[str, Any] = EMPTY
    schema: type | None = None
    maker: str = attrs.field()

    @maker.default
    def _maker(self) -> str:
        return self.ref or type(self.plugin).__name__

    @property
    def hooks(self) -> tuple[str, ...]:
        """The hooks it implements, in the order in which the contract has them."""
        marked = {hook for hook, _, _ in implementations(self.plugin)}
        return tuple(hook for hook in ARGUMENTS if hook in marked)

    @property
    def wraps(self) -> tuple[str, ...]:
        """Those of its hooks that it wraps."""
        return tuple(hook for hook, _, options in implementations(self.plugin) if options.get("wrapper"))

    def __str__(self) -> str:
        dist = f" of {self.dist}" if self.dist else ""
        return f"plugin {self.name!r}{dist}" + (f" ({self.ref})" if self.ref else "")


def implementations(plugin: object) -> Iterator[tuple[str, Callable[..., Any], Mapping[str, Any]]]:
    """Hook, function and options of everything in `plugin` that is marked as a hook."""
    for name, value in routines(plugin):
        options = getattr(value, f"{PROJECT}_impl", None)
        if options is not None:
            yield options.get("specname") or name, value, options


def routines(plugin: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions and methods of a plugin; properties are not run."""
    for name in dir(plugin):
        if name.startswith("__") or is_computed(plugin, name):
            continue
        value = getattr(plugin, name, None)
        if inspect.isroutine(value):
            yield name, value


def is_computed(plugin: object, name: str) -> bool:
    """Whether an attribute is made when it is asked for, by code that is not run to look."""
    return isinstance(inspect.getattr_static(plugin, name, None), COMPUTED)
