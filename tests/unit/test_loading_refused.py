"""What keeps plugins from being loaded: one sentence that names culprit and cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import PluginError, SettingsError
from workerkit.loading import load_plugins
from workerkit.settings import Settings

Install = Callable[..., None]

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
    def __init__(self, settings): ...
    @hookimpl(inline=True)
    def post_job(self): ...

class Replacer(Slack):
    replaces = "webhook"

class ReplacesNothing(Slack):
    replaces = "webhok"

class MyPlugin:
    @hookimpl
    def pre_job(self): ...

class Greedy(MyPlugin):
    def __init__(self, database): ...

class NoSettings(MyPlugin):
    def __init__(self, settings): ...

class Broken(MyPlugin):
    def __init__(self): raise OSError("no disk")

class Exits(MyPlugin):
    def __init__(self): raise SystemExit("usage: acme [-h]")

class Chatty(MyPlugin):
    Settings = SlackSettings
    def __init__(self, settings): raise OSError(f"401 for {settings.token.reveal()}")

class Converts(MyPlugin):
    @attrs.frozen
    class Settings:
        channel: str = attrs.field(default="x", converter=str.lower)
    def __init__(self, settings): ...

@attrs.frozen
class Account:
    name: str = attrs.field(default="x", converter=str.lower)

class ConvertsWithin(MyPlugin):
    @attrs.frozen
    class Settings:
        accounts: tuple[Account, ...] = ()
    def __init__(self, settings): ...

class WrongDefault(MyPlugin):
    @attrs.frozen
    class Settings:
        channel: str = None
    def __init__(self, settings): ...

class InvalidDefault(MyPlugin):
    @attrs.frozen
    class Settings:
        most: int = attrs.field(default=0, validator=attrs.validators.ge(1))
    def __init__(self, settings): ...

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

instance = MyPlugin()
"""


@pytest.fixture
def install(tmp_path: Path, distribution: Callable[..., None]) -> Install:
    """Installs a distribution of plugins, which may name what `PLUGINS` holds."""
    (tmp_path / "acme_plugins.py").write_text(PLUGINS)
    (tmp_path / "acme_exits.py").write_text("import sys; sys.exit(2)")

    def install(dist: str, **points: str) -> None:
        distribution(dist, "workerkit", points)

    return install


@pytest.mark.parametrize(
    ("points", "sections", "sentence"),
    [
        (
            {"bad": "acme_nowhere:X"},
            {},
            "plugin 'bad' of acme 1.2 (acme_nowhere:X) did not load: ModuleNotFound",
        ),
        ({"bad": "acme_plugins:Nope"}, {}, "plugin 'bad' of acme 1.2 (acme_plugins:Nope) did not load"),
        (
            {"webhook": "acme_plugins:Slack"},
            {},
            "have the same name; uninstall one of them, or choose: [plugins] use",
        ),
        (
            {"bad": "acme_plugins:Greedy"},
            {},
            "asks for 'database', and is offered guard, log; give it a default",
        ),
        (
            {"bad": "acme_plugins:NoSettings"},
            {},
            "asks for 'settings', and is offered guard, log; add a Settings class",
        ),
        ({"bad": "acme_plugins:Broken"}, {}, "could not be built: OSError: no disk"),
        ({"bad": "acme_plugins:Exits"}, {}, "could not be built: SystemExit: usage: acme [-h]"),
        ({"bad": "acme_exits:X"}, {}, "(acme_exits:X) did not load: SystemExit: 2; repair or uninstall it"),
        ({"bad": "acme_plugins:Chatty"}, {"bad": {"token": "hunter2hunter2"}}, "OSError: 401 for ***"),
        (
            {"bad": "acme_plugins:Converts"},
            {},
            "its Settings cannot have converters, and Settings.channel has one; give it the type that is written",
        ),
        ({"bad": "acme_plugins:ConvertsWithin"}, {}, "and Account.name has one; give it the type"),
        (
            {"bad": "acme_plugins:WrongDefault"},
            {},
            "its Settings have a wrong default: channel: expected `str`, got `null`; correct the default, or its type",
        ),
        (
            {"bad": "acme_plugins:InvalidDefault"},
            {},
            "[plugin.bad]: 'most' must be >= 1",
        ),
        ({"bad": "acme_plugins:PlainSettings"}, {}, "its Settings must be an attrs class"),
        (
            {"bad": "acme_plugins:Hidden"},
            {},
            "its Settings cannot be built: NameError: name 'Path' is not defined; give its members plain types",
        ),
        ({"bad": "acme_plugins:Mixed"}, {}, "its Settings cannot be built: TypeError: "),
        ({"bad": "acme_plugins:BadFields"}, {}, "its `fields` must map names to Field"),
        (
            {"queue": "acme_plugins:MyPlugin"},
            {},
            "has the name of a section of the core's settings; rename it",
        ),
        ({"profile": "acme_plugins:MyPlugin"}, {}, "has the name of a section of the core's settings"),
        ({"a__b": "acme_plugins:MyPlugin"}, {}, "and has each _ alone between two others; rename it"),
        ({"_a": "acme_plugins:MyPlugin"}, {}, "and has each _ alone between two others; rename it"),
        ({"a_": "acme_plugins:MyPlugin"}, {}, "and has each _ alone between two others; rename it"),
        ({"my-plugin": "acme_plugins:MyPlugin"}, {}, "a plugin's name is made of a-z, 0-9 and _"),
        (
            {"bad": "acme_plugins:ReplacesNothing"},
            {},
            "replaces the unknown plugin 'webhok'; did you mean 'webhook'?",
        ),
        (
            {"teams": "acme_plugins:Replacer", "more": "acme_plugins:Replacer"},
            {},
            "both take the place of 'webhook'; disable one of them",
        ),
        ({"bad": "acme_plugins:BadPlace"}, {}, "its `replaces` must be the name of a plugin, not ['web"),
    ],
)
def test_every_mistake_of_a_plugin_is_one_sentence_that_names_culprit_and_cure(
    install: Install, points: dict[str, str], sections: dict[str, Any], sentence: str
) -> None:
    install("acme", **points)
    with pytest.raises((PluginError, SettingsError)) as caught:
        load_plugins(Settings(plugin=sections))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
