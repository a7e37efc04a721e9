"""Settings that an application checks before it does anything, and those that it reads at its start only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from workerkit.environment import worker_environment
from workerkit.errors import SettingsError
from workerkit.hooks import WORKER_HOOKS, LoadedPlugin
from workerkit.host.gpus import gpus
from workerkit.host.sizes import sizes
from workerkit.settings import Settings

#: Sections that a running server does not read again, and the fields that it does not of those that it does.
FIXED = ("server", "queue", "policy", "plugins", "logs")
FIXED_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"workers": ("scratch",), "limits": ("run_body", "runsync_body", "depth", "queue_length")}
)


def check_counts(settings: Settings) -> None:
    """Refuse numbers of workers that are none, before it is known which functions there are."""
    count = settings.workers.count
    named = [pair.partition("=")[0].strip() for pair in count.split(",")]
    try:
        sizes(count, named)
    except SettingsError as error:
        source = settings.where("workers.count")
        source = "--workers" if source == "flags" else source
        raise SettingsError(f"{source}: {error}" if source else str(error)) from None


def without_effect(settings: Settings) -> Iterator[str]:
    """Settings that do nothing beside others, each with why."""
    workers = settings.workers
    if workers.prewarm == "module" and len(gpus(workers.gpus, worker_environment())) > 1:
        yield (
            "workers.prewarm is 'module', but standbys import nothing where several GPUs are shared out: "
            "it is not known ahead which one each gets"
        )


def read_at_start(before: Settings, now: Settings, loaded: Sequence[LoadedPlugin]) -> list[str]:
    """What has changed since the start and is not read again, as it is written in a settings file."""
    sections = [f"[{name}]" for name in FIXED if getattr(before, name) != getattr(now, name)]
    fields = [
        f"[{section}] {', '.join(changed)}"
        for section, names in FIXED_FIELDS.items()
        if (changed := _changed(getattr(before, section), getattr(now, section), names))
    ]
    plugins = [
        f"[plugin.{plugin.name}]"
        for plugin in loaded
        if before.plugin.get(plugin.name, {}) != now.plugin.get(plugin.name, {})
        and not all(hook in WORKER_HOOKS for hook in plugin.hooks)
    ]
    return [*sections, *fields, *plugins]


def _changed(before: object, now: object, names: Sequence[str]) -> list[str]:
    return [name for name in names if getattr(before, name) != getattr(now, name)]
