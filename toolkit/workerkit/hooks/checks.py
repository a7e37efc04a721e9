"""What is wrong with a plugin, said in one sentence before its first call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from workerkit.errors import PluginError, blaming, suggest
from workerkit.hooks.implementations import ARGUMENTS, PROJECT, LoadedPlugin, implementations, is_computed
from workerkit.hookspecs import HOOKS_VERSION
from workerkit.job import Field

INLINE_HOOKS = ("accept", "job_event", "post_job")
#: Top-level keys of a request that are the core's own.
CORE_KEYS = ("id", "input", "policy")


def check(loaded: LoadedPlugin) -> None:
    """Raise `PluginError` with a sentence for what pluggy would accept in silence or say badly."""
    plugin = loaded.plugin
    if inspect.isclass(plugin):
        raise PluginError(f"{loaded} is a class; give an instance: {plugin.__name__}()")
    _check_version(loaded)
    takes_over = getattr(plugin, "takes_over", False)
    if not isinstance(takes_over, bool):
        raise PluginError(f"{loaded}: its takes_over is {takes_over!r}; write True, or leave it out")
    found = list(implementations(plugin))
    for name in ARGUMENTS:
        _check_marked(loaded, name)
    if not found:
        raise PluginError(
            f"{loaded} implements no hook; {_class_in(plugin)}mark one of {', '.join(ARGUMENTS)} with @hookimpl"
        )
    for hook, function, options in found:
        if hook not in ARGUMENTS and options.get("optionalhook") and not _like_a_known_one(hook):
            continue
        _check_one(f"{loaded}: {hook}", hook, function, options)


def _like_a_known_one(hook: str) -> bool:
    """Whether an unknown hook is rather a misspelt one than one of another version."""
    import difflib  # here: a worker need not pay for it

    return bool(difflib.get_close_matches(hook, ARGUMENTS, n=1, cutoff=0.8))


def _check_marked(loaded: LoadedPlugin, name: str) -> None:
    """Refuse what has a hook's name and would be passed over."""
    computed = is_computed(loaded.plugin, name)
    value = None if computed else getattr(loaded.plugin, name, None)
    if computed or (callable(value) and not inspect.isroutine(value)):
        kind = "property" if computed else type(value).__name__
        raise PluginError(
            f"{loaded}: its {name} is a {kind} and no function; write a method with @hookimpl, "
            "or give it another name"
        )
    if callable(value) and not hasattr(value, f"{PROJECT}_impl"):
        raise PluginError(f"{loaded} has {name} without @hookimpl; mark it, or give it another name")


def _class_in(plugin: object) -> str:
    """What to name instead of a module that holds plugins and is none."""
    if not inspect.ismodule(plugin):
        return ""
    classes = inspect.getmembers(plugin, inspect.isclass)
    own = [(name, value) for name, value in classes if value.__module__ == plugin.__name__]
    found = [f"{plugin.__name__}:{name}" for name, value in own if any(implementations(value))]
    return f"write {' or '.join(found)}, or " if found else ""


def check_fields(plugins: Sequence[LoadedPlugin]) -> None:
    """Raise `PluginError` for a field that is none, or whose name is taken."""
    owners: dict[str, LoadedPlugin] = {}
    for loaded in plugins:
        for name, field in loaded.fields.items():
            owner = owners.setdefault(name, loaded)
            with blaming(*dict.fromkeys((owner, loaded))):
                _check_field(loaded, name, field, owner)


def _check_field(loaded: LoadedPlugin, name: str, field: object, owner: LoadedPlugin) -> None:
    if not isinstance(name, str) or not name:
        raise PluginError(f"{loaded} declares a field with the name {name!r}; write a text that is not empty")
    if name in CORE_KEYS:
        raise PluginError(f"{loaded} declares the field {name!r}, which is the core's own; rename it")
    if not isinstance(field, Field):
        raise PluginError(f"{loaded}: the field {name!r} is no Field; write Field({field!r})")
    try:
        msgspec.json.Decoder(field.type)
    except Exception as exc:
        raise PluginError(
            f"{loaded}: the field {name!r} has no type that JSON can be: {exc}; write Field(str), or another type"
        ) from exc
    if owner is not loaded:
        raise PluginError(f"{owner} and {loaded} both declare the field {name!r}; disable one of them")


def _check_version(loaded: LoadedPlugin) -> None:
    """Refuse a plugin that was written for hooks which this workerkit does not have."""
    version = getattr(loaded.plugin, "hooks_version", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise PluginError(
            f"{loaded}: its hooks_version is {version!r}; "
            f"it must be the number of the version it was written for, such as {HOOKS_VERSION}"
        )
    if version > HOOKS_VERSION:
        raise PluginError(
            f"{loaded} was written for version {version} of the hooks, and this workerkit has {HOOKS_VERSION}; "
            "upgrade workerkit, or install an earlier version of the plugin"
        )


def _check_one(who: str, hook: str, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    if hook not in ARGUMENTS:
        raise PluginError(f"{who} is no hook of workerkit{suggest(hook, ARGUMENTS)}")
    if options.get("tryfirst") or options.get("trylast"):
        raise PluginError(f"{who} uses tryfirst or trylast; set [plugins] order instead")
    if options.get("hookwrapper"):
        raise PluginError(f"{who} is an old hookwrapper; write @hookimpl(wrapper=True)")
    if options.get("wrapper") and hook != "run_job":
        raise PluginError(f"{who} is a wrapper; only run_job can be wrapped")
    _check_yield(who, hook, function, wrapper=bool(options.get("wrapper")))
    if getattr(function, f"{PROJECT}_inline", False):
        if hook not in INLINE_HOOKS:
            raise PluginError(f"{who} is marked inline; only {', '.join(INLINE_HOOKS)} can be")
        if inspect.iscoroutinefunction(inspect.unwrap(function)):
            raise PluginError(f"{who} is async and marked inline; leave out one of the two")
    _check_arguments(who, hook, function)


def _check_yield(who: str, hook: str, function: Callable[..., Any], *, wrapper: bool) -> None:
    if inspect.isasyncgenfunction(function) and hook == "run_job":
        raise PluginError(f"{who} is an async generator; only a plain generator can be a wrapper")
    if inspect.isasyncgenfunction(function):
        raise PluginError(f"{who} is an async generator, which would never run; take the yield out")
    generator = inspect.isgeneratorfunction(function)
    if wrapper and not generator:
        raise PluginError(f"{who} is a wrapper but no plain generator function; write `return (yield)` in it")
    if generator and hook == "run_job" and not wrapper:
        raise PluginError(f"{who} has a yield and is no wrapper; write @hookimpl(wrapper=True)")
    if generator and hook not in ("run_job", "post_job"):
        raise PluginError(f"{who} has a yield and would never run; take it out")


def _check_self(who: str, hook: str, function: Callable[..., Any]) -> None:
    """Refuse a method whose plugin would be taken for its first argument."""
    if not inspect.ismethod(function):
        return
    first = next(iter(inspect.signature(function.__func__).parameters), "")
    if not first or first in ARGUMENTS[hook]:
        raise PluginError(f"{who} lacks self; write def {hook}({', '.join(('self', *ARGUMENTS[hook]))})")


def _check_arguments(who: str, hook: str, function: Callable[..., Any]) -> None:
    _check_self(who, hook, function)
    known = ARGUMENTS[hook]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise PluginError(
                f"{who} takes the {parameter.kind.description} argument {parameter.name!r}; "
                f"hooks take plain ones: {', '.join(known)}"
            )
        if parameter.name not in known and parameter.default is parameter.empty:
            raise PluginError(
                f"{who} has no argument {parameter.name!r}{suggest(parameter.name, known)}; "
                "take it out, or give it a default"
            )
