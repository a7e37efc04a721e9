from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit.errors import PluginError, SettingsError
from workerkit.job import Secret
from workerkit.loading import load_plugins, load_refs, worker_refs
from workerkit.settings import PluginsSettings, Settings, load_settings

PLUGINS = """
from __future__ import annotations
import attrs
from workerkit import Field, Secret, hookimpl

@attrs.frozen
class SlackSettings:
    channel: str = "general"
    token: Secret | None = None

class Slack:
    Settings = SlackSettings
    def __init__(self, settings, log):
        self.settings, self.log = settings, log
    @hookimpl(inline=True)
    def post_job(self): ...

class Replacer(Slack):
    replaces = "webhook"

class ReplacesNothing(Slack):
    replaces = "webhok"

class Tracer:
    name = "tracing"
    Settings = SlackSettings
    def __init__(self, settings): self.settings = settings
    @hookimpl
    def pre_job(self): ...

class MyPlugin:
    @hookimpl
    def pre_job(self): ...

class Greedy(MyPlugin):
    def __init__(self, database): ...

class NoSettings(MyPlugin):
    def __init__(self, settings): ...

class Broken(MyPlugin):
    def __init__(self): raise OSError("no disk")

class PlainSettings(MyPlugin):
    class Settings: ...

class Hidden(MyPlugin):
    @attrs.frozen
    class Settings:
        path: "Path | None" = None
    def __init__(self, settings): ...

class Mixed(Hidden):
    @attrs.frozen
    class Settings:
        when: Field | Secret | None = None

class BadFields(MyPlugin):
    fields = ["webhook"]

class Core(MyPlugin):
    name = "server"

class BadPlace(MyPlugin):
    replaces = ["webhook"]

class Dashed(MyPlugin):
    name = "my-plugin"

def factory(settings: SlackSettings):
    return Tracer(settings)

instance = MyPlugin()
"""


Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, distribution: Callable[..., None]) -> Install:
    """Installs a distribution of plugins, which may name what `PLUGINS` holds."""
    (tmp_path / "acme_plugins.py").write_text(PLUGINS)

    def install(dist: str, **points: str) -> None:
        distribution(dist, "workerkit", points)

    return install


def settings(plugin: dict[str, Any] | None = None, **plugins: Any) -> Settings:
    return Settings(plugins=PluginsSettings(**plugins), plugin=plugin or {})


def names(loaded: Settings) -> list[str]:
    return [plugin.name for plugin in load_plugins(loaded)]


BUILT_IN = ["refresh", "error_key", "s3", "webhook"]


def test_the_built_ins_come_by_entry_point_in_the_default_order() -> None:
    loaded = load_plugins(Settings())

    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert {plugin.dist for plugin in loaded} == {"workerkit 0.1.0"}
    assert loaded[-1].ref == "workerkit_plugins.webhook:Webhook"


def test_an_installed_plugin_goes_where_the_star_is_and_gets_its_settings(install: Install) -> None:
    install("acme", slack="acme_plugins:Slack", audit="acme_plugins:MyPlugin")

    loaded = load_plugins(settings({"slack": {"channel": "jobs"}}))

    assert [plugin.name for plugin in loaded] == ["refresh", "error_key", "audit", "slack", "s3", "webhook"]
    slack: Any = loaded[3].plugin
    assert (loaded[3].dist, slack.settings.channel, slack.log.name) == (
        "acme 1.2",
        "jobs",
        "workerkit.plugin.slack",
    )


def test_order_disable_and_trust_choose(install: Install) -> None:
    install("acme", slack="acme_plugins:Slack")

    assert names(settings(disable=("webhook", "s3", "slack"))) == ["refresh", "error_key"]
    assert names(settings(order=("slack", "webhook", "*"))) == [
        "slack",
        "webhook",
        "error_key",
        "refresh",
        "s3",
    ]
    assert names(settings(autoload=("workerkit",))) == BUILT_IN
    assert names(settings(autoload=("Acme",))) == ["slack"]
    assert names(settings(autoload=False)) == []


@pytest.mark.parametrize("target", ["slack", "acme_plugins:Slack"])
def test_use_gives_place_name_and_section_of_the_slot_to_another(install: Install, target: str) -> None:
    install("acme", slack="acme_plugins:Slack")
    disable = () if target == "slack" else ("slack",)

    loaded = load_plugins(settings({"webhook": {"channel": "ops"}}, use={"webhook": target}, disable=disable))

    assert [plugin.name for plugin in loaded] == BUILT_IN
    webhook: Any = loaded[-1].plugin
    assert (type(webhook).__name__, webhook.settings.channel) == ("Slack", "ops")


def test_a_plugin_that_says_replaces_takes_the_slot_by_being_installed(install: Install) -> None:
    install("acme", teams="acme_plugins:Replacer")

    loaded = load_plugins(settings({"webhook": {"channel": "ops"}}))

    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert type(loaded[-1].plugin).__name__ == "Replacer"
    assert names(settings(disable=("webhook",))) == ["refresh", "error_key", "s3"]


def test_load_adds_classes_factories_instances_and_modules(install: Install, tmp_path: Path) -> None:
    (tmp_path / "acme_module.py").write_text("from workerkit import hookimpl\n@hookimpl\ndef pre_job(): ...")

    refs = ("acme_plugins:MyPlugin", "acme_plugins:factory", "acme_plugins:instance", "acme_module")
    loaded = load_plugins(settings({"factory": {"channel": "x"}}, load=refs, autoload=False))

    assert [plugin.name for plugin in loaded] == ["acme_module", "factory", "instance", "my_plugin"]
    factory: Any = loaded[1].plugin
    assert factory.settings.channel == "x"


def test_a_worker_loads_what_has_worker_hooks_by_reference_with_secrets_revealed(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("acme", slack="acme_plugins:Slack", tracer="acme_plugins:Tracer")
    monkeypatch.setenv("TOKEN", "env:not looked up again")
    loaded = load_plugins(settings({"tracer": {"token": "env:TOKEN"}}))
    assert "looked up" not in repr(loaded)

    refs = worker_refs(loaded)

    assert [ref.name for ref in refs] == ["refresh", "error_key", "tracer", "s3"]
    assert refs[2].settings == {"channel": "general", "token": "env:not looked up again"}
    again = load_refs(refs)
    tracer: Any = again[2].plugin
    assert tracer.settings.token == Secret("env:not looked up again")
    assert [plugin.name for plugin in again] == [ref.name for ref in refs]


ACME = {"slack": "acme_plugins:Slack"}


@pytest.mark.parametrize(
    ("points", "plugins", "sections", "sentence"),
    [
        (
            {"bad": "acme_nowhere:X"},
            {},
            {},
            "plugin 'bad' of acme 1.2 (acme_nowhere:X) did not load: ModuleNotFound",
        ),
        ({"bad": "acme_plugins:Nope"}, {}, {}, "plugin 'bad' of acme 1.2 (acme_plugins:Nope) did not load"),
        (
            {"webhook": "acme_plugins:Slack"},
            {},
            {},
            "have the same name; uninstall one of them, or choose: [plugins] use",
        ),
        (
            {"bad": "acme_plugins:Greedy"},
            {},
            {},
            "asks for 'database', and is offered log; give it a default",
        ),
        (
            {"bad": "acme_plugins:NoSettings"},
            {},
            {},
            "asks for 'settings', and is offered log; add a Settings class",
        ),
        ({"bad": "acme_plugins:Broken"}, {}, {}, "could not be built: OSError: no disk"),
        ({"bad": "acme_plugins:PlainSettings"}, {}, {}, "its Settings must be an attrs class"),
        (
            {"bad": "acme_plugins:Hidden"},
            {},
            {},
            "its Settings cannot be built: NameError: name 'Path' is not defined; give its members plain types",
        ),
        ({"bad": "acme_plugins:Mixed"}, {}, {}, "its Settings cannot be built: TypeError: "),
        ({"bad": "acme_plugins:BadFields"}, {}, {}, "its `fields` must map names to Field"),
        (
            {"queue": "acme_plugins:MyPlugin"},
            {},
            {},
            "has the name of a section of the core's settings; rename it",
        ),
        ({"my-plugin": "acme_plugins:MyPlugin"}, {}, {}, "a plugin's name is made of a-z, 0-9 and _"),
        (
            {"bad": "acme_plugins:ReplacesNothing"},
            {},
            {},
            "replaces the unknown plugin 'webhok'; did you mean 'webhook'?",
        ),
        (
            {"teams": "acme_plugins:Replacer", "more": "acme_plugins:Replacer"},
            {},
            {},
            "both take the place of 'webhook'; disable one of them",
        ),
        (
            {"teams": "acme_plugins:Replacer", **ACME},
            {"use": {"webhook": "slack"}},
            {},
            "both take the place of 'webhook'; disable one of them, or take 'webhook' out of [plugins] use",
        ),
        ({"bad": "acme_plugins:BadPlace"}, {}, {}, "its `replaces` must be the name of a plugin, not ['web"),
        (
            ACME,
            {"use": {"webhook": "slack"}, "disable": ("slack",)},
            {},
            "[plugins] use and disable both name 'slack'; take it out of one of them",
        ),
        (ACME, {"order": ("slak", "*")}, {}, "order names the unknown plugin 'slak'; did you mean 'slack'?"),
        (ACME, {"order": ("*", "s3", "s3")}, {}, "order names 's3' twice"),
        (
            ACME,
            {"order": ("s3", "webhook")},
            {},
            "order leaves out error_key, refresh, slack; name each, or write '*'",
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
            "correct [plugins] use (known: BadFields, BadPlace, Broken,",
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
        (ACME, {"load": ("acme_plugins:Slack",)}, {}, "has the name of plugin 'slack' of acme 1.2"),
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
def test_every_mistake_is_one_sentence_that_names_culprit_and_cure(
    install: Install, points: dict[str, str], plugins: dict[str, Any], sections: dict[str, Any], sentence: str
) -> None:
    install("acme", **points)
    with pytest.raises((PluginError, SettingsError)) as caught:
        load_plugins(settings(sections, **plugins))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_clash_of_names_is_settled_by_use_or_disable(install: Install) -> None:
    install("acme", webhook="acme_plugins:Slack")

    use = {"webhook": "acme_plugins:Slack"}
    loaded = load_plugins(attrs.evolve(settings(use=use), plugin={"webhook": {"channel": "x"}}))
    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert names(settings(disable=("webhook",))) == ["refresh", "error_key", "s3"]


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
