"""What is wrong with a plugin, said in one sentence before its first call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workerkit.errors import PluginError, suggest
from workerkit.hooks.implementations import ARGUMENTS, PROJECT, LoadedPlugin, implementations, routines
from workerkit.hookspecs import HOOKS_VERSION
from workerkit.job import Field

INLINE_HOOKS = ("accept", "post_job")
#: Top-level keys of a request that are the core's own.
CORE_KEYS = ("id", "input", "policy")


def check(loaded: LoadedPlugin) -> None:
    """Raise `PluginError` with a sentence for what pluggy would accept in silence or say badly."""
    plugin = loaded.plugin
    if inspect.isclass(plugin):
        raise PluginError(f"{loaded} is a class; give an instance: {plugin.__name__}()")
    _check_version(loaded)
    found = list(implementations(plugin))
    for name, value in routines(plugin):
        if name in ARGUMENTS and not hasattr(value, f"{PROJECT}_impl"):
            raise PluginError(f"{loaded} has {name} without @hookimpl; mark it, or give it another name")
    if not found:
        raise PluginError(f"{loaded} implements no hook; mark one of {', '.join(ARGUMENTS)} with @hookimpl")
    for hook, function, options in found:
        _check_one(f"{loaded}: {hook}", hook, function, options)


def check_fields(plugins: Sequence[LoadedPlugin]) -> None:
    """Raise `PluginError` for a field that is none, or whose name is taken."""
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
