from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit.loading import load_plugins, load_refs, worker_refs
from workerkit.secret import Secret
from workerkit.settings import PluginsSettings, Settings

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

class Tracer:
    name = "tracing"
    Settings = SlackSettings
    def __init__(self, settings): self.settings = settings
    @hookimpl
    def pre_job(self): ...

class MyPlugin:
    @hookimpl
    def pre_job(self): ...

def factory(settings: SlackSettings):
    return Tracer(settings)

instance = MyPlugin()
"""


Install = Callable[..., None]


def settings(plugin: dict[str, Any] | None = None, **plugins: Any) -> Settings:
    return Settings(plugins=PluginsSettings(**plugins), plugin=plugin or {})


def names(loaded: Settings) -> list[str]:
    return [plugin.name for plugin in load_plugins(loaded)]


BUILT_IN = ["refresh", "error_key", "files", "s3", "webhook"]


def test_the_built_ins_come_by_entry_point_in_the_default_order() -> None:
    loaded = load_plugins(Settings())

    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert {plugin.dist for plugin in loaded} == {"workerkit 0.1.0"}
    assert loaded[-1].ref == "workerkit_plugins.webhook:Webhook"
    assert [plugin.maker for plugin in loaded] == [f"{name} of workerkit" for name in BUILT_IN]


def test_an_installed_plugin_goes_where_the_star_is_and_gets_its_settings(install: Install) -> None:
    install("acme", slack="acme_plugins:Slack", audit="acme_plugins:MyPlugin")

    loaded = load_plugins(settings({"slack": {"channel": "jobs"}}))

    ours = ["refresh", "error_key", "audit", "slack", "files", "s3", "webhook"]
    assert [plugin.name for plugin in loaded] == ours
    slack: Any = loaded[3].plugin
    assert (loaded[3].dist, slack.settings.channel, slack.log.name) == (
        "acme 1.2",
        "jobs",
        "workerkit.plugin.slack",
    )


def test_order_disable_and_trust_choose(install: Install) -> None:
    install("acme", slack="acme_plugins:Slack")

    assert names(settings(disable=("webhook", "s3", "slack"))) == ["refresh", "error_key", "files"]
    assert names(settings(order=("slack", "webhook", "*"))) == [
        "slack",
        "webhook",
        "error_key",
        "files",
        "refresh",
        "s3",
    ]
    assert names(settings(autoload=("workerkit",))) == BUILT_IN
    assert names(settings(autoload=("Acme",))) == ["slack"]
    assert names(settings(autoload=False)) == []


@pytest.mark.parametrize("target", ["slack", "acme_plugins:Slack"])
def test_use_gives_place_name_and_section_of_a_place_to_another(install: Install, target: str) -> None:
    install("acme", slack="acme_plugins:Slack")
    loaded = load_plugins(settings({"webhook": {"channel": "ops"}}, use={"webhook": target}))

    assert [plugin.name for plugin in loaded] == BUILT_IN
    webhook: Any = loaded[-1].plugin
    assert (type(webhook).__name__, webhook.settings.channel) == ("Slack", "ops")
    assert loaded[-1].maker == "slack of acme"


def test_two_plugins_of_one_distribution_are_two_makers(install: Install) -> None:
    install("acme", mail="acme_plugins:Slack", sms="acme_plugins:Tracer")

    before = {plugin.name: plugin.maker for plugin in load_plugins(settings())}
    after = {plugin.name: plugin.maker for plugin in load_plugins(settings(use={"mail": "sms"}))}

    assert before["mail"] == "mail of acme"
    assert after["mail"] == "sms of acme"


def test_a_plugin_that_says_replaces_takes_the_place_by_being_installed(install: Install) -> None:
    install("acme", teams="acme_plugins:Replacer")

    loaded = load_plugins(settings({"webhook": {"channel": "ops"}}))

    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert type(loaded[-1].plugin).__name__ == "Replacer"
    assert names(settings(disable=("webhook",))) == ["refresh", "error_key", "files", "s3"]


def test_load_adds_classes_factories_instances_and_modules(install: Install, tmp_path: Path) -> None:
    (tmp_path / "acme_module.py").write_text("from workerkit import hookimpl\n@hookimpl\ndef pre_job(): ...")

    refs = ("acme_plugins:MyPlugin", "acme_plugins:factory", "acme_plugins:instance", "acme_module")
    loaded = load_plugins(settings({"factory": {"channel": "x"}}, load=refs, autoload=False))

    assert [plugin.name for plugin in loaded] == ["acme_module", "factory", "instance", "my_plugin"]
    assert loaded[1].maker == "acme_plugins:factory"
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

    assert [ref.name for ref in refs] == ["refresh", "error_key", "tracer", "files", "s3"]
    assert refs[2].settings == {"channel": "general", "token": "env:not looked up again"}
    again = load_refs(refs)
    tracer: Any = again[2].plugin
    assert tracer.settings.token == Secret("env:not looked up again")
    assert [plugin.name for plugin in again] == [ref.name for ref in refs]


def test_a_clash_of_names_is_settled_by_use_or_disable(install: Install) -> None:
    install("acme", webhook="acme_plugins:Slack")

    use = {"webhook": "acme_plugins:Slack"}
    loaded = load_plugins(attrs.evolve(settings(use=use), plugin={"webhook": {"channel": "x"}}))
    assert [plugin.name for plugin in loaded] == BUILT_IN
    assert names(settings(disable=("webhook",))) == ["refresh", "error_key", "files", "s3"]
