"""What a plugin's own code raises while it is loaded: a sentence that names it, and never the end of the host."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import PluginError
from workerkit.hooks import Hooks
from workerkit.loading import load_plugins, worker_refs
from workerkit.names import snake_case
from workerkit.settings import PluginsSettings, Settings

PLUGINS = """
from __future__ import annotations
import os, sys
import attrs
from workerkit import Secret, hookimpl

class Plugin:
    def __init__(self, settings): ...
    @hookimpl
    def pre_job(self): ...

def refuse(instance, attribute, value):
    raise KeyError(value)

class Refuses(Plugin):
    @attrs.frozen
    class Settings:
        color: str = attrs.field(default="red", validator=refuse)

class RefusesSecret(Plugin):
    @attrs.frozen
    class Settings:
        token: Secret = attrs.field(validator=lambda i, a, value: {}[value.reveal()])

class Exits(Plugin):
    @attrs.frozen
    class Settings:
        color: str = attrs.field(default="red", validator=lambda *_: sys.exit(2))

class Makes(Plugin):
    @attrs.frozen
    class Settings:
        colors: list[str] = attrs.field(factory=lambda: sys.exit("no colors"))

class AfterInit(Plugin):
    @attrs.frozen
    class Settings:
        color: str = "red"
        def __attrs_post_init__(self):
            raise LookupError("no red")

class TooLarge(Plugin):
    @attrs.frozen
    class Settings:
        most: int = 2**70

class Interrupts(Plugin):
    def __init__(self, log): raise GeneratorExit

class Mute(Plugin):
    def __init__(self, log):
        class Mute(Exception):
            def __str__(self): raise ValueError
        raise Mute

class Fields:
    @property
    def fields(self): raise OSError("no fields")
    @hookimpl
    def pre_job(self): ...

class Numbered(Fields):
    name = 5
    fields = {}

class Meta(type):
    @property
    def replaces(cls): raise OSError("no place")

class Replaces(Fields, metaclass=Meta):
    fields = {}

def factory(settings: Nothing): ...

class Moves:
    def __init__(self): os.chdir("/")
    @hookimpl
    def pre_job(self): ...
"""


@pytest.fixture
def load(folder: Path) -> Callable[[str], Hooks]:
    """Loads a plugin by reference from a folder in which `PLUGINS` is."""
    (folder / "faulty.py").write_text(PLUGINS)
    (folder / "leaves.py").write_text("import sys; sys.exit(2)")
    (folder / "gives_up.py").write_text("raise GeneratorExit")
    (folder / "moves.py").write_text(
        "import os; os.chdir('/')\nfrom workerkit import hookimpl\n@hookimpl\ndef pre_job(): ..."
    )
    sys.path.insert(0, str(folder))

    def load(ref: str, **section: Any) -> Any:
        name = snake_case(ref.rpartition(":")[2])
        plugins = PluginsSettings(load=(ref,), autoload=False)
        return load_plugins(Settings(plugins=plugins, plugin={name: section} if section else {}))

    return load


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("leaves:X", "did not load: SystemExit: 2; repair it, or take it out of [plugins] load"),
        ("gives_up:X", "did not load: GeneratorExit: ; repair it"),
        ("faulty:Refuses", "its Settings cannot be built: KeyError: 'red'; let its validators and defaults"),
        ("faulty:Exits", "its Settings cannot be built: SystemExit: 2; let its validators and defaults"),
        ("faulty:Makes", "its Settings cannot be built: SystemExit: no colors; let its"),
        ("faulty:AfterInit", "its Settings cannot be built: LookupError: no red; let its"),
        ("faulty:TooLarge", "its most cannot be sent to a worker: "),
        ("faulty:Interrupts", "could not be built: GeneratorExit: "),
        ("faulty:Mute", "could not be built: Mute: (its text cannot be had: ValueError in __str__)"),
        ("faulty:Fields", "its `fields` cannot be had: OSError: no fields; repair or uninstall it"),
        ("faulty:Numbered", "its `name` is 5; write a text, or leave it out"),
        ("faulty:Replaces", "its `replaces` cannot be had: OSError: no place; repair"),
        ("faulty:factory", "its Settings cannot be had: NameError: name 'Nothing' is not defined; repair"),
    ],
)
def test_whatever_it_raises_is_a_sentence(load: Callable[[str], Any], ref: str, sentence: str) -> None:
    with pytest.raises(PluginError) as caught:
        load(ref)

    assert sentence in str(caught.value)
    assert f"({ref})" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [culprit.ref for culprit in caught.value.culprits] == [ref]


def test_a_secret_in_what_a_validator_raises_is_not_told(load: Callable[..., Any]) -> None:
    with pytest.raises(PluginError, match="its Settings cannot be built: KeyError; ") as caught:
        load("faulty:RefusesSecret", token="hunter2")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("ref", ["moves", "faulty:Moves"])
def test_a_plugin_that_goes_elsewhere_leaves_the_folder_of_the_settings_as_it_is(
    load: Callable[[str], Any], folder: Path, ref: str
) -> None:
    [loaded] = load(ref)

    assert Path(os.getcwd()) == folder
    assert worker_refs([loaded])[0].ref == ref
