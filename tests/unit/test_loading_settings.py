"""What settings say of plugins and cannot mean: one sentence that names culprit and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import PluginError, SettingsError
from workerkit.loading import load_plugins
from workerkit.settings import PluginsSettings, Settings, load_settings

Install = Callable[..., None]

PLUGINS = """
import attrs
from workerkit import hookimpl

@attrs.frozen
class SlackSettings:
    channel: str = "general"
    tries: int = attrs.field(default=1, validator=attrs.validators.ge(1))

class Slack:
    Settings = SlackSettings
    def __init__(self, settings): ...
    @hookimpl
    def pre_job(self): ...

class Replacer(Slack):
    replaces = "webhook"

class MyPlugin:
    @hookimpl
    def pre_job(self): ...

class Core(MyPlugin):
    name = "server"

class Dashed(MyPlugin):
    name = "my-plugin"

instance = MyPlugin()
"""


def settings(plugin: dict[str, Any] | None = None, **plugins: Any) -> Settings:
    return Settings(plugins=PluginsSettings(**plugins), plugin=plugin or {})


ACME = {"slack": "acme_plugins:Slack"}


@pytest.mark.parametrize(
    ("points", "plugins", "sections", "sentence"),
    [
        (
            {"teams": "acme_plugins:Replacer", **ACME},
            {"use": {"webhook": "slack"}},
            {},
            "both take the place of 'webhook'; disable one of them, or take 'webhook' out of [plugins] use",
        ),
        (
            ACME,
            {"use": {"webhook": "slack"}, "disable": ("slack",)},
            {},
            "[plugins] use and disable both name 'slack'; take it out of one of them",
        ),
        (ACME, {"order": ("slak", "*")}, {}, "order names the unknown plugin 'slak'; did you mean 'slack'?"),
        (
            {"teams": "acme_plugins:Replacer"},
            {"order": ("teams", "*")},
            {},
            "[plugins] order names 'teams', which takes the place of 'webhook'; write 'webhook'",
        ),
        (
            ACME,
            {"order": ("slack", "*"), "use": {"webhook": "slack"}},
            {},
            "[plugins] order names 'slack', which takes the place of 'webhook'; write 'webhook'",
        ),
        (ACME, {"order": ("*", "s3", "s3")}, {}, "order names 's3' twice"),
        (
            ACME,
            {"order": ("s3", "webhook")},
            {},
            "order leaves out error_key, files, refresh, slack; name each, or write '*'",
        ),
        (
            ACME,
            {"disable": ("webhok",)},
            {},
            "disable names the unknown plugin 'webhok'; did you mean 'webhook'?",
        ),
        (
            ACME,
            {"use": {"webhok": "slack"}},
            {},
            "use names the unknown plugin 'webhok'; did you mean 'webhook'?",
        ),
        (
            ACME,
            {"use": {"my_plugin": "slack"}, "load": ("acme_plugins:MyPlugin",)},
            {},
            "[plugins] use = {my_plugin = 'slack'}: 'my_plugin' comes by [plugins] load; change that line",
        ),
        (
            ACME,
            {"use": {"webhook": "slak"}},
            {},
            "no plugin of that name is installed; did you mean 'slack'?",
        ),
        (
            ACME,
            {"use": {"webhook": "slack"}, "disable": ("webhook",)},
            {},
            "use and disable both name 'webhook'",
        ),
        (
            ACME,
            {"use": {"webhook": "acme_plugins:Nope"}},
            {},
            "did not load: AttributeError: module 'acme_plugins' has no attribute 'Nope'; "
            "correct [plugins] use (known: Core, Dashed, MyPlugin,",
        ),
        (
            ACME,
            {"use": {"webhook": "slack"}},
            {"slack": {"channel": "x"}},
            "[plugin.slack] is not read: 'slack' takes the place of 'webhook'; use [plugin.webhook]",
        ),
        (ACME, {"autoload": ("acmee",)}, {}, "autoload trusts 'acmee', but no installed distribution"),
        (ACME, {"load": ("acme_plugins:Nope",)}, {}, "plugin 'nope' (acme_plugins:Nope) did not load"),
        (ACME, {"load": ("acme_plugins:Slak",)}, {}, "correct [plugins] load; did you mean 'Slack'? (known:"),
        (
            ACME,
            {"load": ("acme:X",)},
            {},
            "correct [plugins] load, or start workerkit in the folder that holds",
        ),
        (
            ACME,
            {"load": ("no:X",), "disable": ("slack",)},
            {},
            "No module named 'no'; correct [plugins] load",
        ),
        (
            ACME,
            {"load": ("acme_plugins:Slack",)},
            {},
            "is active already as 'slack'; take it out of [plugins] load",
        ),
        (ACME, {"load": ("acme_plugins:Core",)}, {}, "has the name of a section of the core's settings"),
        (ACME, {"load": ("acme_plugins:Dashed",)}, {}, "a plugin's name is made of a-z, 0-9 and _"),
        (
            ACME,
            {},
            {"slak": {}},
            "[plugin.slak] (or WORKERKIT_SLAK__…) is a section of no plugin; did you mean 'slack'?",
        ),
        (
            ACME,
            {"disable": ("slack",)},
            {"slak": {}},
            "s3, server, slack, webhook, workers); install its plugin, or take the section out",
        ),
        (
            ACME,
            {},
            {"slack": {"chanel": "x"}},
            "[plugin.slack]: unknown setting 'chanel'; did you mean 'channel'?",
        ),
        (
            ACME,
            {},
            {"webhook": {"source": "x"}},
            "timeout); take it out if it is left from another plugin that had this place",
        ),
        (ACME, {}, {"slack": {"channel": 3}}, "[plugin.slack]: channel: expected `str`, got `int`"),
        (ACME, {}, {"error_key": {"x": 1}}, "[plugin.error_key] is set, but plugin 'error_key' of workerkit"),
        (
            ACME,
            {"load": ("acme_plugins:instance",)},
            {"instance": {"x": 1}},
            "is not a class and takes no settings",
        ),
    ],
)
def test_every_mistake_in_settings_is_one_sentence_that_names_culprit_and_cure(
    install: Install, points: dict[str, str], plugins: dict[str, Any], sections: dict[str, Any], sentence: str
) -> None:
    install("acme", **points)
    with pytest.raises((PluginError, SettingsError)) as caught:
        load_plugins(settings(sections, **plugins))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "flags", "sentence"),
    [
        (
            {"WORKERKIT_SLACK__CHANNEL": "[1]"},
            {},
            "WORKERKIT_SLACK__CHANNEL: [plugin.slack]: channel: expected",
        ),
        (
            {},
            {"slack.chanel": "x"},
            "flags: [plugin.slack]: unknown setting 'chanel'; did you mean 'channel'?",
        ),
        ({}, {"slak.channel": "x"}, "flags: [plugin.slak] is a section of no plugin; did you mean 'slack'?"),
    ],
)
def test_a_wrong_setting_of_a_plugin_names_the_source_that_gave_it(
    install: Install, tmp_path: Path, environ: dict[str, str], flags: dict[str, str], sentence: str
) -> None:
    install("acme", slack="acme_plugins:Slack")
    (tmp_path / "workerkit.toml").write_text("[plugin.slack]\nchannel = 'jobs'")
    with pytest.raises(SettingsError) as caught:
        load_plugins(load_settings(environ=environ, flags=flags, cwd=tmp_path))
    assert sentence in str(caught.value)


def test_what_a_plugins_validator_refuses_names_every_source_of_its_section(
    install: Install, tmp_path: Path
) -> None:
    install("acme", slack="acme_plugins:Slack")
    (tmp_path / "workerkit.toml").write_text("[plugin.slack]\nchannel = 'jobs'\ntries = 0")
    file, variable = str(tmp_path / "workerkit.toml"), "WORKERKIT_SLACK__CHANNEL"

    for environ, sources in (({}, file), ({variable: "x"}, f"{variable} and {file}")):
        with pytest.raises(SettingsError) as caught:
            load_plugins(load_settings(environ=environ, cwd=tmp_path))
        assert f": {sources}: [plugin.slack]: 'tries' must be >= 1: 0" in str(caught.value)


def test_a_section_for_a_module_that_is_here_and_not_loaded_says_how_to_load_it(folder: Path) -> None:
    (folder / "night_clock.py").touch()

    with pytest.raises(SettingsError) as caught:
        load_plugins(settings({"night_clock": {"x": 1}}))

    assert 'load it from night_clock.py: [plugins] load = ["night_clock:NightClock"]' in str(caught.value)
