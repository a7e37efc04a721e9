from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import Bench
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    """An event loop for coroutine hooks and handlers."""
    made = Bridge()
    yield made
    made.close()


@pytest.fixture
def bench(bridge: Bridge) -> Bench:
    """Runs one function with plugins."""
    return Bench(bridge)


@pytest.fixture
def build(bridge: Bridge) -> Callable[..., Hooks]:
    """Makes the hooks of plugins that are given by name."""

    def build(**plugins: object) -> Hooks:
        loaded = [
            LoadedPlugin(name=name, plugin=plugin, dist="acme 1.2", fields=getattr(plugin, "fields", {}))
            for name, plugin in plugins.items()
        ]
        return Hooks(loaded, bridge)

    return build


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory of its own; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        # Only those: some that others import, such as Rust extensions, cannot be imported twice.
        if tmp_path in Path(getattr(sys.modules[name], "__file__", None) or "").parents:
            del sys.modules[name]


Distribution = Callable[[str, str, dict[str, str]], None]


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distribution]:
    """Installs entry points of a group into a folder on the path, as the wheel of a distribution would.

    Modules written into `tmp_path` are what they may name; they are forgotten afterwards.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = set(sys.modules)

    def install(dist: str, group: str, points: dict[str, str]) -> None:
        info = tmp_path / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        lines = [f"[{group}]", *(f"{name} = {ref}" for name, ref in points.items()), ""]
        with (info / "entry_points.txt").open("a") as file:
            file.write("\n".join(lines))

    yield install
    for name in set(sys.modules) - modules:
        if tmp_path in Path(getattr(sys.modules[name], "__file__", None) or "").parents:
            del sys.modules[name]


@pytest.fixture
def install(
    tmp_path: Path, distribution: Distribution, request: pytest.FixtureRequest
) -> Callable[..., None]:
    """Installs a distribution of plugins, each a class of the test module's `PLUGINS` or a whole reference."""
    (tmp_path / "acme_plugins.py").write_text(request.module.PLUGINS)

    def install(dist: str, **points: str) -> None:
        refs = {name: ref if ":" in ref else f"acme_plugins:{ref}" for name, ref in points.items()}
        distribution(dist, "workerkit", refs)

    return install
