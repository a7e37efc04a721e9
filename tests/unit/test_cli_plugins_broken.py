"""`workerkit plugins` where some plugins are broken: what works is shown, and what is wrong with the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.cli import invoke

PLUGINS = """
import attrs
from workerkit import Field, hookimpl

class Fine:
    @hookimpl
    def pre_job(self): ...

class Misspelt:
    @hookimpl
    def pre_jbo(self): ...

class Exits(Fine):
    def __init__(self):
        print("noise")
        raise SystemExit("bye\\nfor good")

class Builds(Fine):
    def __init__(self): raise OSError("no disk")

class Declares(Fine):
    fields = {"parcel": Field(str)}

class Teams(Fine): replaces = "webhook"
class More(Fine): replaces = "webhook"

class NoTeams(Misspelt):
    replaces = "webhook"
    @attrs.frozen
    class Settings:
        room: str = ""
    def __init__(self, settings): ...

class Wants(Fine):
    @attrs.frozen
    class Settings:
        url: str
    def __init__(self, settings): ...

class FromTheFuture(Fine):
    hooks_version = 9
"""
Plugins = Callable[..., tuple[int, str]]


@pytest.fixture
def install(tmp_path: Path, distribution: Callable[..., None]) -> Callable[..., None]:
    (tmp_path / "acme_broken.py").write_text(PLUGINS)

    def install(dist: str = "acme", **classes: str) -> None:
        distribution(dist, "workerkit", {name: f"acme_broken:{cls}" for name, cls in classes.items()})

    return install


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Plugins:
    """Runs `workerkit plugins`; gives its exit code and what it printed on stdout."""
    monkeypatch.chdir(tmp_path)

    def plugins(*arguments: str) -> tuple[int, str]:
        code = invoke(["plugins", *arguments])
        printed = capsys.readouterr()
        assert printed.err == ""
        return code, printed.out

    return plugins


def section(printed: str, heading: str) -> list[str]:
    return [line.strip() for line in printed.partition(f"\n{heading}\n")[2].partition("\n\n")[0].splitlines()]


def test_what_a_plugin_prints_and_breaks_into_lines_spoils_neither_list_nor_json(
    install: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    install(leaves="Exits")
    monkeypatch.chdir(tmp_path)

    assert invoke(["plugins", "--json"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["broken"][0]["name"] == "leaves"
    assert printed.err == "noise\n" * printed.err.count("noise")

    assert invoke(["plugins"]) == 1
    [line] = section(capsys.readouterr().out, "Broken")
    assert "SystemExit: bye for good" in line


def test_all_that_works_is_shown_and_each_that_is_broken_gets_its_sentence(
    install: Callable[..., None], plugins: Plugins
) -> None:
    install(fine="Fine", hook="Misspelt", disk="Builds", gone="Nowhere", unset="Wants", later="FromTheFuture")

    code, printed = plugins()

    assert code == 1
    for name in ("fine", "webhook", "s3", "refresh"):
        assert name in printed.partition("Order of calls")[0]
    told = sorted(section(printed, "Broken"))
    assert [sentence.partition(" of acme")[0] for sentence in told] == [
        f"plugin '{name}'" for name in ("disk", "gone", "hook", "later", "unset")
    ]
    assert "could not be built: OSError: no disk" in told[0]
    assert "did not load: AttributeError" in told[1]
    assert "did you mean 'pre_job'?" in told[2]
    assert "written for version 9 of the hooks" in told[3]
    assert "the setting 'url' is missing" in told[4]


def test_two_that_cannot_be_together_are_both_broken_and_share_a_sentence(
    install: Callable[..., None], plugins: Plugins
) -> None:
    install(one="Declares", two="Fine", teams="Teams", more="More")
    install("other", one="Builds")

    code, printed = plugins("--json")

    told = json.loads(printed)
    assert code == 1
    whys = {one["why"].partition("; ")[0] for one in told["broken"]}
    assert len(whys) == 2
    assert any("have the same name" in why for why in whys)
    assert any("both take the place of 'webhook'" in why for why in whys)
    assert {one["name"] for one in told["broken"]} == {"one", "more", "teams"}
    assert "two" in [plugin["name"] for plugin in told["plugins"]]


def test_two_with_one_field_are_both_broken(install: Callable[..., None], plugins: Plugins) -> None:
    install(one="Declares")
    install("other", two="Declares")

    told = json.loads(plugins("--json")[1])

    assert {one["why"] for one in told["broken"]} == {
        "plugin 'one' of acme 1.2 (acme_broken:Declares) and plugin 'two' of other 1.2 (acme_broken:Declares) "
        "both declare the field 'parcel'; disable one of them"
    }


def test_a_broken_one_may_be_named_in_settings(install: Callable[..., None], plugins: Plugins) -> None:
    install(hook="Misspelt")

    code, printed = plugins("--set", 'plugins.order=["hook", "*"]', "--set", "hook.x=1")

    assert (code, len(section(printed, "Broken"))) == (1, 1)
    assert "is not read" not in printed


@pytest.mark.parametrize("swap", [(), ("--set", "plugins.use.webhook=acme_broken:NoTeams")])
def test_the_place_that_a_broken_one_would_have_stays_empty(
    install: Callable[..., None], plugins: Plugins, swap: tuple[str, ...]
) -> None:
    install(**({} if swap else {"teams": "NoTeams"}))

    told = json.loads(plugins("--json", "--set", "webhook.room=x", *swap)[1])

    assert [(one["name"], one["ref"]) for one in told["broken"]] == [("webhook", "acme_broken:NoTeams")]
    assert "webhook" not in [plugin["name"] for plugin in told["plugins"]]


def test_what_load_and_use_name_may_be_broken_too(install: Callable[..., None], plugins: Plugins) -> None:
    install()

    code, printed = plugins(
        *("--set", 'plugins.load=["acme_broken:Misspelt", "nowhere:X"]'),
        *("--set", "plugins.use.s3=acme_broken:Builds"),
    )

    assert (code, len(section(printed, "Broken"))) == (1, 3)


def test_explain_tells_a_sound_plugin_while_another_is_broken(
    install: Callable[..., None], plugins: Plugins
) -> None:
    install(fine="Fine", hook="Misspelt")

    code, printed = plugins("--explain", "fine")

    assert code == 0
    assert printed.startswith("fine: acme 1.2 (acme_broken:Fine)\n")


def test_explain_tells_what_is_wrong_with_a_broken_one(
    install: Callable[..., None], plugins: Plugins
) -> None:
    install(hook="Misspelt")

    code, printed = plugins("--explain", "hook")
    told: Any = json.loads(plugins("--explain", "hook", "--json")[1])

    assert code == 1
    assert printed.startswith("broken: plugin 'hook' of acme 1.2 (acme_broken:Misspelt): pre_jbo is no hook")
    assert [one["ref"] for one in told["broken"]] == ["acme_broken:Misspelt"]


def test_with_nothing_broken_there_is_no_such_section(install: Callable[..., None], plugins: Plugins) -> None:
    install(fine="Fine")

    assert "Broken" not in plugins()[1]
    assert json.loads(plugins("--json")[1])["broken"] == []
