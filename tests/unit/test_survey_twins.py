"""One plugin that is named in several ways: it is active once, under one name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from surveying import active, look, reasons
from workerkit.errors import SettingsError

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


def test_a_disabled_one_with_a_name_of_its_own_says_that_it_was_imported(install: Install) -> None:
    install("acme")

    found = look(load=("acme_plugins:Named",), disable=("own_name",))

    assert reasons(found) == {"own_name": "disabled by [plugins] disable, and imported to learn its name"}
    # A class that is called as an installed plugin is not meant by what disables that one.
    assert active(look(load=("acme_plugins:Webhook",), disable=("webhook",))) == {
        "hook": ("Webhook", "[plugins] load")
    }


def test_load_gives_an_installed_plugin_the_name_that_it_has_there(install: Install) -> None:
    install("acme", slack="Plugin")

    found = look(load=("acme_plugins:Plugin",), autoload=("workerkit",))

    assert active(found) == {"slack": ("Plugin", "[plugins] load")}
    assert reasons(found) == {}
    [left_out] = look(load=("acme_plugins:Plugin",), disable=("slack",)).left_out
    assert (left_out.name, left_out.why) == ("slack", "disabled by [plugins] disable")


def test_use_by_reference_moves_what_is_installed(install: Install) -> None:
    install("acme", slack="Plugin", audit="Audit")

    found = look(use={"webhook": "acme_plugins:Plugin", "audit": "acme_plugins:Audit"})

    assert active(found) == {"audit": ("Audit", "[plugins] use"), "webhook": ("Plugin", "[plugins] use")}
    assert found.moved == {"slack": "webhook"}
    assert list(reasons(found)) == ["webhook"]


def test_one_of_two_with_a_name_may_go_elsewhere(install: Install) -> None:
    install("acme", slack="Plugin")
    install("other", slack="Audit")

    found = look(use={"webhook": "acme_plugins:Plugin"})

    assert active(found) == {"slack": ("Audit", "installed"), "webhook": ("Plugin", "[plugins] use")}


@pytest.mark.parametrize(
    ("plugins", "sentence"),
    [
        (
            {"load": ("acme_plugins:Plugin",)},
            "[plugins] load names acme_plugins:Plugin, which is active already as 'slack'",
        ),
        (
            {"load": ("acme_plugins:Plugin",), "use": {"webhook": "slack"}},
            "active already as 'webhook'; take it out of",
        ),
        (
            {"load": ("acme_plugins:Audit", "acme_plugins:Audit")},
            "which is active already as 'audit'; take it out of",
        ),
        (
            {"use": {"webhook": "slack", "s3": "slack"}},
            "[plugins] use names acme_plugins:Plugin, which is active al",
        ),
        (
            {"use": {"webhook": "acme_plugins:Plugin"}, "disable": ("slack",)},
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
