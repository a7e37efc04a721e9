"""Who takes which place, and what is said of every plugin that is there and not active."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from surveying import active, look, reasons
from workerkit.errors import PluginError, SettingsError
from workerkit.loading import LeftOut

PLUGINS = """
from workerkit import hookimpl

class Plugin:
    @hookimpl
    def pre_job(self): ...

class Audit(Plugin): ...
class Teams(Plugin): replaces = "webhook"
class Chat(Plugin): replaces = "teams"
class Room(Plugin): replaces = "chat"
class ReplacesSlack(Plugin): replaces = "slack"
class Here(Plugin): replaces = "there"
class There(Plugin): replaces = "here"
class Extra(Plugin): replaces = "webhook"
"""

Install = Callable[..., None]


def test_everything_installed_is_active_and_nothing_is_left_out(install: Install) -> None:
    install("acme", slack="Plugin")

    found = look()

    assert active(found) == {"slack": ("Plugin", "installed")}
    assert (found.left_out, found.moved) == ([], {})


def test_what_is_disabled_is_left_out_without_being_imported(
    install: Install, distribution: Callable[..., None]
) -> None:
    install("acme", slack="Plugin")
    distribution("other", "workerkit", {"broken": "nowhere_at_all:X"})

    found = look(disable=("slack", "broken"))

    assert found.left_out == [
        LeftOut("broken", "other 1.2", "nowhere_at_all:X", "disabled by [plugins] disable"),
        LeftOut("slack", "acme 1.2", "acme_plugins:Plugin", "disabled by [plugins] disable"),
    ]
    assert "acme_plugins" not in sys.modules


@pytest.mark.parametrize(
    ("autoload", "why"),
    [
        (("workerkit",), 'not trusted: [plugins] autoload names only workerkit; add "acme-chat" to it'),
        ((), 'not trusted: [plugins] autoload names nothing; add "acme-chat" to it'),
        (False, 'not trusted: [plugins] autoload is false; autoload = ["acme-chat"] would load it'),
    ],
)
def test_what_is_not_trusted_is_left_out_without_being_imported(
    install: Install, autoload: Any, why: str
) -> None:
    install("Acme_Chat", slack="Plugin", teams="Teams")

    found = look(autoload=autoload)

    assert reasons(found)["slack"] == reasons(found)["teams"] == why
    assert "acme_plugins" not in sys.modules
    assert active(found) == {}


@pytest.mark.parametrize("autoload", [True, False, ("workerkit",)])
def test_to_name_a_plugin_in_use_is_to_trust_it(install: Install, autoload: Any) -> None:
    install("acme", slack="Plugin")

    found = look(use={"webhook": "slack"}, autoload=autoload)

    assert active(found) == {"webhook": ("Plugin", "[plugins] use")}
    assert found.moved == {"slack": "webhook"}
    replaced = "replaced by plugin 'slack' of acme 1.2 (acme_plugins:Plugin) through [plugins] use"
    assert reasons(found)["webhook"] == replaced
    assert "slack" not in reasons(found)


def test_to_name_a_plugin_in_load_is_to_trust_it(install: Install) -> None:
    install("acme", audit="Audit", slack="Plugin")

    found = look(load=("acme_plugins:Audit",), autoload=("workerkit",))

    assert active(found) == {"audit": ("Audit", "[plugins] load")}
    assert found.plugins[2].dist == "acme 1.2"
    assert list(reasons(found)) == ["slack"]


def test_disable_goes_before_load_and_does_without_an_import(install: Install) -> None:
    install("acme")

    found = look(load=("acme_plugins:Audit",), disable=("audit",))

    assert found.left_out == [LeftOut("audit", "", "acme_plugins:Audit", "disabled by [plugins] disable")]
    assert active(found) == {}
    assert "acme_plugins" not in sys.modules


def test_use_may_name_a_class_that_nobody_installed(install: Install) -> None:
    install("acme")

    found = look(use={"webhook": "acme_plugins:Plugin"})

    assert active(found) == {"webhook": ("Plugin", "[plugins] use")}
    assert reasons(found) == {"webhook": "replaced by acme_plugins:Plugin through [plugins] use"}


def test_what_says_replaces_takes_the_place_and_says_who_it_replaced(install: Install) -> None:
    install("acme", teams="Teams")

    found = look()

    assert active(found) == {"webhook": ("Teams", "replaces")}
    assert found.moved == {"teams": "webhook"}
    assert found.left_out == [
        LeftOut(
            "webhook",
            "workerkit 0.1.0",
            "workerkit_plugins.webhook:Webhook",
            "replaced by plugin 'teams' of acme 1.2 (acme_plugins:Teams), which says `replaces`",
        )
    ]


def test_a_replacement_that_is_disabled_gives_the_place_back(install: Install) -> None:
    install("acme", teams="Teams")

    found = look(disable=("teams",))

    assert found.plugins[-1].ref == "workerkit_plugins.webhook:Webhook"
    assert reasons(found) == {"teams": "disabled by [plugins] disable"}


def test_a_replacement_of_a_disabled_place_is_left_out_with_it(install: Install) -> None:
    install("acme", teams="Teams")

    found = look(disable=("webhook",))

    assert active(found) == {}
    assert reasons(found) == {
        "teams": "takes the place of 'webhook', which [plugins] disable names",
        "webhook": "disabled by [plugins] disable",
    }


def test_a_replacement_may_stand_in_for_a_plugin_that_is_not_trusted(install: Install) -> None:
    install("acme", teams="Teams")

    found = look(autoload=("acme",))

    assert active(found) == {"webhook": ("Teams", "replaces")}
    assert reasons(found)["webhook"].startswith("not trusted")


def test_a_replacement_that_is_itself_replaced_hands_its_place_on(install: Install) -> None:
    install("acme", teams="Teams", chat="Chat", room="Room")

    found = look()

    assert active(found) == {"webhook": ("Room", "replaces")}
    assert found.moved == {"room": "webhook"}
    assert [(one.name, one.why.partition(" of acme")[0]) for one in found.left_out] == [
        ("chat", "replaced by plugin 'room'"),
        ("teams", "replaced by plugin 'chat'"),
        ("webhook", "replaced by plugin 'teams'"),
    ]


def test_a_chain_ends_where_a_link_is_disabled(install: Install) -> None:
    install("acme", teams="Teams", chat="Chat", room="Room")

    found = look(disable=("teams",))

    assert found.plugins[-1].ref == "workerkit_plugins.webhook:Webhook"
    assert reasons(found) == {
        "chat": "takes the place of 'teams', which [plugins] disable names",
        "room": "takes the place of 'teams', which [plugins] disable names",
        "teams": "disabled by [plugins] disable",
    }


def test_what_load_names_may_replace_too(install: Install) -> None:
    install("acme")

    found = look(load=("acme_plugins:Extra",))

    assert active(found) == {"webhook": ("Extra", "replaces")}


def test_a_plugin_that_use_puts_elsewhere_replaces_nothing(install: Install) -> None:
    install("acme", teams="Teams")

    found = look(use={"s3": "teams"})

    assert active(found) == {"s3": ("Teams", "[plugins] use")}
    assert list(reasons(found)) == ["s3"]


def test_trust_decides_between_two_plugins_of_one_name(install: Install) -> None:
    install("acme", slack="Plugin")
    install("other", slack="Teams")

    found = look(autoload=("acme", "workerkit"))

    assert active(found) == {"slack": ("Plugin", "installed")}
    assert [(one.name, one.dist) for one in found.left_out] == [("slack", "other 1.2")]


@pytest.mark.parametrize(
    ("classes", "plugins", "sentence"),
    [
        (
            {"here": "Here", "there": "There"},
            {},
            "plugin 'here' of acme 1.2 (acme_plugins:Here) and plugin 'there' of acme 1.2 (acme_plugins:There) "
            "replace each other; disable one of them",
        ),
        (
            {"slack": "Plugin", "chat": "ReplacesSlack"},
            {"use": {"webhook": "slack"}},
            "replaces 'slack', which [plugins] use puts in the place of 'webhook'; disable 'chat', "
            'or write use = {webhook = "chat"}',
        ),
        (
            {"slack": "Plugin"},
            {"use": {"webhook": "slack"}, "disable": ("slack",)},
            "[plugins] use and disable both name 'slack'; take it out of one of them",
        ),
    ],
)
def test_two_wishes_for_one_place_are_refused(
    install: Install, classes: dict[str, str], plugins: dict[str, Any], sentence: str
) -> None:
    install("acme", **classes)
    with pytest.raises((PluginError, SettingsError)) as caught:
        look(**plugins)
    assert sentence in str(caught.value)


def test_two_distributions_with_one_plugin_are_refused_until_one_is_chosen(install: Install) -> None:
    install("acme", slack="Plugin")
    install("other", slack="Teams")

    with pytest.raises(
        PluginError, match=r"'slack' of acme 1\.2 .* have the same name; uninstall one of them"
    ) as no:
        look()
    assert 'or choose: [plugins] use = {slack = "acme_plugins:Plugin"}' in str(no.value)
    assert active(look(use={"slack": "acme_plugins:Plugin"})) == {"slack": ("Plugin", "[plugins] use")}
