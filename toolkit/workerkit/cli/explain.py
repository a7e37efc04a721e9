"""One plugin explained: where it comes from, its place, and who had the last word on each setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import attrs

from workerkit.building import masked_within, plain
from workerkit.cli.overview import unread, unread_line, written
from workerkit.environment import PREFIX
from workerkit.errors import PluginError, suggest
from workerkit.sources import FLAGS

if TYPE_CHECKING:
    from workerkit.hooks import Hooks, LoadedPlugin
    from workerkit.loading import Survey
    from workerkit.settings import Settings

DEFAULT = "default"


def explain(name: str, found: Survey, hooks: Hooks, settings: Settings) -> dict[str, Any]:
    """Everything about the plugin of that name, as JSON has it; raises `PluginError` for an unknown one.

    A plugin that has taken another's place is found under its own name too.
    """
    place = found.moved.get(name, name)
    active = {loaded.name: loaded for loaded in found.plugins}
    told = {
        "name": name,
        "broken": [attrs.asdict(one) for one in found.broken if one.name == name],
        "left_out": [attrs.asdict(one) for one in found.left_out if one.name == name],
    }
    if place in active:
        return {**told, **_active(active[place], hooks, settings)}
    if told["broken"] or told["left_out"]:
        return {**told, "unread": unread(found, settings).get(name)}
    known = {*active, *found.moved, *(one.name for one in (*found.left_out, *found.broken))}
    raise PluginError(f"there is no plugin {name!r}{suggest(name, known)}")


def text(told: Mapping[str, Any]) -> str:
    """The same, for people."""
    return "\n".join([*(_lines(told) if "ref" in told else ()), *_left_out(told)])


def _lines(told: Mapping[str, Any]) -> Iterator[str]:
    via = "" if told["via"] == "installed" else f", by {told['via']}"
    yield f"{told['name']}: {told['dist'] or 'no distribution'} ({told['ref']}){via}"
    yield f"  place     {told['place']} of {told['of']}"
    hooks = (
        f"{hook} (wrapper)" if hook in told["wraps"] else f"{hook} ({nth} of {of})"
        for hook, (nth, of) in told["hooks"].items()
    )
    yield f"  hooks     {', '.join(hooks)}"
    fields = (f"{name} (secret)" if told["secret"] else name for name, told in told["fields"].items())
    yield f"  fields    {', '.join(fields) or 'none'}"
    yield f"  settings  {'the strongest source first' if told['settings'] else 'none'}"
    for name, setting in told["settings"].items():
        yield from _ladder(name, setting)


def _ladder(name: str, setting: Mapping[str, Any]) -> Iterator[str]:
    """A setting's value, then who said what of it."""
    yield f"    {name} = {written(setting['value'])}"
    rungs = [
        (one["source"], ("" if one["setting"] == name else f"{one['setting']} = ") + written(one["value"]))
        for one in setting["given"]
    ]
    if setting["variable"] not in dict(rungs):
        # Where it would be: weaker than flags, and than variables that set a part of it or all around it.
        stronger = [source == FLAGS or source.startswith(PREFIX) for source, _ in rungs]
        rungs.insert(sum(stronger), (setting["variable"], "not set"))
    rungs.append((DEFAULT, "none, it must be given" if setting["required"] else written(setting["default"])))
    width = max(len(source) for source, _ in rungs)
    for source, value in rungs:
        yield f"      {source:{width}}  {value}"


def _left_out(told: Mapping[str, Any]) -> Iterator[str]:
    for sentence in dict.fromkeys(one["why"] for one in told["broken"]):
        yield f"broken: {sentence}"
    for one in told["left_out"]:
        yield f"left out: {one['name']} of {one['dist'] or 'no distribution'} ({one['ref']}): {one['why']}"
    if told.get("unread") is not None:
        yield unread_line(told["name"], told["unread"])


def _active(loaded: LoadedPlugin, hooks: Hooks, settings: Settings) -> dict[str, Any]:
    order, own = hooks.order(), loaded.name
    return {
        "name": loaded.name,
        "dist": loaded.dist,
        "ref": loaded.ref,
        "via": loaded.via,
        "place": hooks.names.index(loaded.name) + 1,
        "of": len(hooks.names),
        "hooks": {hook: (order[hook].index(own) + 1, len(order[hook])) for hook in loaded.hooks},
        "wraps": list(loaded.wraps),
        "fields": {name: {"secret": field.secret} for name, field in loaded.fields.items()},
        "settings": {
            field.name: _setting(loaded, field, settings) for field in attrs.fields(loaded.schema or _Nothing)
        },
    }


@attrs.frozen
class _Nothing:
    """The settings of a plugin that has none."""


def _setting(loaded: LoadedPlugin, field: attrs.Attribute[Any], settings: Settings) -> dict[str, Any]:
    """A setting's value, and what each source said of it, the strongest first."""
    given = list(_given(loaded, field.name, settings))
    return {
        "value": plain(loaded.settings[field.name]),
        "source": given[0]["source"] if given else DEFAULT,
        "given": given,
        "required": field.default is attrs.NOTHING,
        "default": plain(_default(field)),
        "variable": f"WORKERKIT_{loaded.name}__{field.name}".upper(),
    }


def _given(loaded: LoadedPlugin, name: str, settings: Settings) -> Iterator[dict[str, Any]]:
    assert loaded.schema is not None
    hint, above = get_type_hints(loaded.schema)[name], f"plugin.{loaded.name}."
    for path, told in settings.origins.items():
        setting = path.removeprefix(above)
        if path.startswith(above) and f"{setting}.".startswith(f"{name}."):
            steps = setting.split(".")[1:]
            for source, value in reversed(told):
                yield {"setting": setting, "source": source, "value": masked_within(hint, steps, value)}


def _default(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        return None if default.takes_self else default.factory()
    return None if default is attrs.NOTHING else default
