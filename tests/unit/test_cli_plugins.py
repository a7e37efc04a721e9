from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workerkit.cli import invoke
from workerkit.cli.overview import text

PLUGINS = """
from __future__ import annotations
from collections.abc import Mapping
import attrs
from workerkit import Field, Secret, hookimpl

@attrs.frozen
class Auth:
    user: str = ""
    token: Secret | None = None

@attrs.frozen
class Settings:
    channel: str
    auth: bool | Auth = False
    accounts: Mapping[str, Auth] = attrs.field(factory=dict)
    tokens: Mapping[str, Secret] = attrs.field(factory=dict)
    token: Secret | None = None
    secrets: tuple[Secret, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)

class Slack:
    Settings = Settings
    fields = {"slack": Field(str, secret=True)}
    def __init__(self, settings): ...
    @hookimpl
    def pre_job(self): ...
    @hookimpl(wrapper=True)
    def run_job(self):
        return (yield)
"""
FILE = """
profile = "acme"
[plugin.slack]
channel = "jobs"
token = "hunter2"
secrets = ["env:ONE", "hunter2"]
tokens = { "a.b" = "hunter2", "c" = "hunter2" }
headers = { accept = "json" }
auth.token = "hunter2"
accounts."db.main" = { user = "ada", token = "hunter2" }
accounts.spare = { user = "bob", token = "env:ONE" }
"""

Plugins = Callable[..., str]


@pytest.fixture
def plugins(
    tmp_path: Path,
    distribution: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Plugins:
    """Runs `workerkit plugins` where `slack` and the profile `acme` are installed."""
    (tmp_path / "acme_cli.py").write_text(
        PLUGINS + '\nPROFILE = {"plugin": {"slack": {"channel": "all", "token": "opensesame"}}}'
    )
    distribution("acme", "workerkit", {"slack": "acme_cli:Slack"})
    distribution("acme", "workerkit.settings", {"acme": "acme_cli:PROFILE"})
    (tmp_path / "workerkit.toml").write_text(FILE)
    (tmp_path / "empty.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONE", "hunter2")

    def plugins(*arguments: str, code: int = 0) -> str:
        assert invoke(["plugins", *arguments]) == code
        printed = capsys.readouterr()
        return printed.err if code else printed.out

    return plugins


def test_the_table_shows_who_is_active_the_order_of_calls_and_who_is_left_out(plugins: Plugins) -> None:
    printed = plugins("--set", 'plugins.disable=["s3"]', "--set", "s3.part_size=1")

    assert "acme 1.2" in printed
    assert 'channel = "jobs"' in printed
    assert 'secrets = ["***", "***"]' in printed
    assert "Order of calls" in printed
    assert "  run_job       slack (wrapper)\n" in printed
    assert "  s3 of workerkit 0.1.0: disabled by [plugins] disable\n" in printed
    assert "  flags: [plugin.s3] is not read, because s3 is not active\n" in printed
    assert "Settings: profile acme and " in printed


def test_on_a_terminal_a_long_reason_is_wrapped_and_in_a_pipe_it_is_one_line(plugins: Plugins) -> None:
    untrusted = ("--set", 'plugins.autoload=["workerkit"]')
    reason = 'slack of acme 1.2: not trusted: [plugins] autoload names only workerkit; add "acme" to it'

    assert f"  {reason}\n" in plugins(*untrusted)
    wrapped = text(json.loads(plugins("--json", *untrusted)), 60).partition("Left out\n")[2]
    assert wrapped.startswith(
        "  slack of acme 1.2: not trusted: [plugins] autoload names\n      only workerkit;"
    )


def test_a_plugin_that_was_not_simply_installed_says_how_it_came(plugins: Plugins) -> None:
    printed = plugins(
        "--set", "plugins.use.webhook=slack", "--config", "empty.toml", "--set", "webhook.channel=x"
    )

    assert "by [plugins] use" in printed
    assert "replaced by plugin 'slack' of acme 1.2 (acme_cli:Slack) through [plugins] use" in printed


def test_json_is_one_object_with_everything(plugins: Plugins) -> None:
    told = json.loads(plugins("--json", "--set", 'plugins.disable=["s3"]'))

    slack = told["plugins"][2]
    assert {name: slack[name] for name in ("name", "dist", "ref", "via", "hooks", "wraps", "fields")} == {
        "name": "slack",
        "dist": "acme 1.2",
        "ref": "acme_cli:Slack",
        "via": "installed",
        "hooks": ["pre_job", "run_job"],
        "wraps": ["run_job"],
        "fields": ["slack"],
    }
    assert slack["settings"]["secrets"] == ["***", "***"]
    assert told["hooks"]["run_job"] == ["slack"]
    [left_out] = told["left_out"]
    assert (left_out["name"], left_out["why"]) == ("s3", "disabled by [plugins] disable")
    assert told["settings"] == {"file": str(Path("workerkit.toml").absolute()), "profile": "acme"}
    assert told["hooks_version"] == 2


def test_explain_shows_every_source_of_a_setting_the_strongest_first(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKERKIT_SLACK__CHANNEL", "ops")

    printed = plugins("--explain", "slack", "--set", "slack.channel=here")

    file = str(Path("workerkit.toml").absolute())
    assert printed.startswith("slack: acme 1.2 (acme_cli:Slack)\n  place     3 of 6\n")
    assert "  hooks     pre_job (3 of 4), run_job (wrapper)\n  fields    slack (secret)\n" in printed
    assert [line.split() for line in printed.splitlines() if line.startswith("      ")][:5] == [
        ["flags", '"here"'],
        ["WORKERKIT_SLACK__CHANNEL", '"ops"'],
        [file, '"jobs"'],
        ["profile", "'acme'", "of", "acme", "1.2", '"all"'],
        ["default", "none,", "it", "must", "be", "given"],
    ]
    assert 'headers.accept = "json"' in printed
    assert '["env:ONE", "***"]' in printed
    assert "WORKERKIT_SLACK__HEADERS" in printed


def test_explain_keeps_a_variable_that_is_not_set_at_its_rank(plugins: Plugins) -> None:
    printed = plugins("--explain", "slack", "--set", "slack.channel=here")

    ranks = [line.split()[0] for line in printed.splitlines() if line.startswith("      ")][:5]
    file = str(Path("workerkit.toml").absolute())
    assert ranks == ["flags", "WORKERKIT_SLACK__CHANNEL", file, "profile", "default"]


def test_explain_as_json_has_value_source_and_what_it_won_over(plugins: Plugins) -> None:
    told = json.loads(plugins("--explain", "slack", "--json", "--set", "slack.channel=here"))

    channel, token = told["settings"]["channel"], told["settings"]["token"]
    assert (channel["value"], channel["source"], channel["required"]) == ("here", "flags", True)
    assert [one["value"] for one in channel["given"]] == ["here", "jobs", "all"]
    assert (token["value"], token["variable"]) == ("***", "WORKERKIT_SLACK__TOKEN")
    assert told["settings"]["headers"]["default"] == {}
    assert told["hooks"] == {"pre_job": [3, 4], "run_job": [1, 1]}


@pytest.mark.parametrize(
    "arguments", [(), ("--json",), ("--explain", "slack"), ("--explain", "slack", "--json")]
)
def test_no_secret_is_shown_however_it_was_given(plugins: Plugins, arguments: tuple[str, ...]) -> None:
    printed = plugins(*arguments, "--set", "slack.token=opensesame", "--set", "slack.auth.token=opensesame")

    assert "hunter2" not in printed
    assert "opensesame" not in printed
    assert "***" in printed


def test_what_stands_beside_a_secret_is_shown(plugins: Plugins) -> None:
    printed = plugins("--explain", "slack")

    assert 'accounts.spare.user = "bob"' in printed
    assert 'accounts.spare.token = "env:ONE"' in printed


def test_explain_knows_a_plugin_that_took_anothers_place_under_both_names(plugins: Plugins) -> None:
    swap = ("--config", "empty.toml", "--set", "plugins.use.webhook=slack", "--set", "webhook.channel=x")

    for name in ("webhook", "slack"):
        printed = plugins("--explain", name, *swap)
        assert printed.startswith("webhook: acme 1.2 (acme_cli:Slack), by [plugins] use\n")
    left_out = (
        "left out: webhook of workerkit 0.1.0 (workerkit_plugins.webhook:Webhook): replaced by plugin 'slack'"
    )
    assert left_out in plugins("--explain", "webhook", *swap)


def test_explain_says_why_a_plugin_is_left_out(plugins: Plugins) -> None:
    untrusted = ("--set", 'plugins.autoload=["workerkit"]')

    printed = plugins("--explain", "slack", *untrusted)

    why = 'not trusted: [plugins] autoload names only workerkit; add "acme" to it'
    assert printed.splitlines()[0] == f"left out: slack of acme 1.2 (acme_cli:Slack): {why}"
    assert printed.splitlines()[1].endswith(
        "workerkit.toml: [plugin.slack] is not read, because slack is not active"
    )
    told: Any = json.loads(plugins("--explain", "slack", "--json", *untrusted))
    assert told["left_out"][0]["why"] == why


def test_explaining_what_is_not_there_suggests_what_is(plugins: Plugins) -> None:
    printed = plugins("--explain", "slak", code=1)

    assert printed.startswith(
        "workerkit: there is no plugin 'slak'; did you mean 'slack'? (known: error_key,"
    )


def test_with_nothing_active_it_says_so(plugins: Plugins) -> None:
    printed = plugins("--set", "plugins.autoload=false", "--set", "plugins.order=[]")

    assert printed.startswith("No plugin is active.\n")
    assert 'autoload = ["acme"] would load it' in printed
