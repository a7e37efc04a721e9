"""One plugin that is named in several ways: it is active once, under one name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import SettingsError
from workerkit.loading import Survey, survey
from workerkit.settings import PluginsSettings, Settings

PLUGINS = """
from workerkit import hookimpl

class Plugin:
    @hookimpl
    def pre_job(self): ...

class Audit(Plugin): ...
class Named(Plugin): name = "own_name"
class Webhook(Plugin): name = "hook"
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, distribution: Callable[..., None]) -> Install:
    (tmp_path / "acme_swaps.py").write_text(PLUGINS)

    def install(dist: str, **classes: str) -> None:
        distribution(dist, "workerkit", {name: f"acme_swaps:{cls}" for name, cls in classes.items()})

    return install


def look(**plugins: Any) -> Survey:
    return survey(Settings(plugins=PluginsSettings(**plugins)))


def active(found: Survey) -> dict[str, tuple[str, str]]:
    """Place -> class and how it came, of all but the plugins that are in their own place."""
    return {
        loaded.name: (type(loaded.plugin).__name__, loaded.via)
        for loaded in found.plugins
        if loaded.via != "installed" or not loaded.dist.startswith("workerkit")
    }


def reasons(found: Survey) -> dict[str, str]:
    return {one.name: one.why for one in found.left_out}


def test_a_disabled_one_with_a_name_of_its_own_says_that_it_was_imported(install: Install) -> None:
    install("acme")

    found = look(load=("acme_swaps:Named",), disable=("own_name",))

    assert reasons(found) == {"own_name": "disabled by [plugins] disable, and imported to learn its name"}
    # A class that is called as an installed plugin is not meant by what disables that one.
    assert active(look(load=("acme_swaps:Webhook",), disable=("webhook",))) == {
        "hook": ("Webhook", "[plugins] load")
    }


def test_load_gives_an_installed_plugin_the_name_that_it_has_there(install: Install) -> None:
    install("acme", slack="Plugin")

    found = look(load=("acme_swaps:Plugin",), autoload=("workerkit",))

    assert active(found) == {"slack": ("Plugin", "[plugins] load")}
    assert reasons(found) == {}
    [left_out] = look(load=("acme_swaps:Plugin",), disable=("slack",)).left_out
    assert (left_out.name, left_out.why) == ("slack", "disabled by [plugins] disable")


def test_use_by_reference_moves_what_is_installed(install: Install) -> None:
    install("acme", slack="Plugin", audit="Audit")

    found = look(use={"webhook": "acme_swaps:Plugin", "audit": "acme_swaps:Audit"})

    assert active(found) == {"audit": ("Audit", "[plugins] use"), "webhook": ("Plugin", "[plugins] use")}
    assert found.moved == {"slack": "webhook"}
    assert list(reasons(found)) == ["webhook"]


def test_one_of_two_with_a_name_may_go_elsewhere(install: Install) -> None:
    install("acme", slack="Plugin")
    install("other", slack="Audit")

    found = look(use={"webhook": "acme_swaps:Plugin"})

    assert active(found) == {"slack": ("Audit", "installed"), "webhook": ("Plugin", "[plugins] use")}


@pytest.mark.parametrize(
    ("plugins", "sentence"),
    [
        (
            {"load": ("acme_swaps:Plugin",)},
            "[plugins] load names acme_swaps:Plugin, which is active already as 'slack'",
        ),
        (
            {"load": ("acme_swaps:Plugin",), "use": {"webhook": "slack"}},
            "active already as 'webhook'; take it out of",
        ),
        (
            {"load": ("acme_swaps:Audit", "acme_swaps:Audit")},
            "which is active already as 'audit'; take it out of",
        ),
        (
            {"use": {"webhook": "slack", "s3": "slack"}},
            "[plugins] use names acme_swaps:Plugin, which is active al",
        ),
        (
            {"use": {"webhook": "acme_swaps:Plugin"}, "disable": ("slack",)},
            "use and disable both name 'slack'",
        ),
    ],
)
def test_no_plugin_is_active_twice_or_active_and_left_out(
    install: Install, plugins: dict[str, Any], sentence: str
) -> None:
    install("acme", slack="Plugin")
    with pytest.raises(SettingsError) as caught:
        look(**plugins)
    assert sentence in str(caught.value)
