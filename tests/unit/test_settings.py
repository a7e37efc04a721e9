from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit.environment import worker_environment
from workerkit.errors import SettingsError
from workerkit.failures import MOST
from workerkit.secret import Secret
from workerkit.settings import LimitsSettings, Settings, load_settings
from workerkit.states import Status
from workerkit.wire import MAX_FRAME, MAX_PAYLOAD, JobEnd, RunJob, pack

FILE = """
[server]
port = 9000
keys.ci = { sha256 = "abc", role = "operator" }

[workers]
count = "render=2"

[plugins]
disable = ["webhook"]

[plugin.slack]
channel = "jobs"
"""


def load(
    folder: Path,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    **more: Any,
) -> Settings:
    return load_settings(environ=environ or {}, flags=flags or {}, cwd=folder, **more)


def test_without_a_file_there_are_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()


def test_a_file_fills_sections_and_keeps_those_of_plugins_raw(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text(FILE)

    settings = load(tmp_path)

    assert (settings.server.port, settings.server.keys["ci"].role) == (9000, "operator")
    assert (settings.workers.count, settings.plugins.disable) == ("render=2", ("webhook",))
    assert settings.plugin == {"slack": {"channel": "jobs"}}
    assert settings.source == str(tmp_path / "workerkit.toml")


def test_the_first_file_found_is_the_only_one_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.workerkit.server]\nport = 1\n[tool.other]\nx = 1")
    assert load(tmp_path).server.port == 1
    (tmp_path / "workerkit.toml").write_text("[server]\nhost = '::1'")
    assert (load(tmp_path).server.port, load(tmp_path).server.host) == (8000, "::1")
    (tmp_path / "other.toml").write_text("[server]\nport = 3")
    assert load(tmp_path, config="other.toml").server == attrs.evolve(Settings().server, port=3)


def test_a_project_file_without_our_section_is_no_settings_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'")
    assert load(tmp_path).source == ""


def test_the_environment_goes_before_the_file_and_flags_before_both(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text(FILE)
    environ = {
        "WORKERKIT_SERVER__PORT": "9001",
        "WORKERKIT_SERVER__HOST": "[::1]",
        "WORKERKIT_PLUGINS__AUTOLOAD": "false",
        "WORKERKIT_PLUGINS__DISABLE": '["s3", "refresh"]',
        "WORKERKIT_SECRET_KEY": "k",
        "WORKERKIT_SLACK__CHANNEL": "alerts",
        "PATH": "/bin",
    }

    settings = load(tmp_path, environ, {"server.port": 9002, "server.host": None})

    assert (settings.server.port, settings.server.host) == (9002, "[::1]")
    assert settings.plugins.autoload is False
    assert settings.plugins.disable == ("s3", "refresh")
    assert settings.queue.secret_key == Secret("k")
    assert settings.plugin == {"slack": {"channel": "alerts"}}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server\n", "workerkit.toml cannot be read as TOML: .*line 1"),
        ("[server]\nport = 'x'", "workerkit.toml: server.port: expected `int`, got `str`"),
        ("[server]\nprot = 1", "workerkit.toml: unknown setting 'server.prot'; did you mean 'port'?"),
        ("[serber]\n", "workerkit.toml: unknown setting 'serber'; did you mean 'server'?"),
        (
            "[server.keys.ci]\nsha256='a'\nrol='x'",
            "unknown setting 'server.keys.ci.rol'; did you mean 'role'?",
        ),
        ("server = 1", "workerkit.toml: server: expected `object`, got `int`"),
        ("[webhook]\n", r"workerkit.toml: \[webhook\] is no section; a plugin's is \[plugin.webhook\]"),
        (
            "[plugin]\ndisable = ['s3']",
            r"workerkit.toml: \[plugin\] holds sections of plugins; did you mean \[plugins\] disable?",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_the_place_and_the_cure(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "workerkit.toml").write_text(text)
    with pytest.raises(SettingsError, match=sentence.replace("?", r"\?")):
        load(tmp_path)


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("server.port", "70000", "server.port is 70000; it must be from 0 to 65535"),
        ("server.body_timeout", 0, "server.body_timeout is 0.0; it must be from 0.001 to 604,800 seconds"),
        ("queue.lease", 0, "queue.lease is 0.0; it must be from 1 to 86,400 seconds"),
        ("queue.lease", float("nan"), "queue.lease is nan; it must be from 1 to 86,400 seconds"),
        ("queue.keep", float("inf"), "queue.keep is inf; it must be from 1 to 315,360,000 seconds"),
        ("workers.stop_grace", -1, "workers.stop_grace is -1.0; it must be from 0 to 604,800 seconds"),
        ("workers.max_starts", 0, "workers.max_starts is 0; it must be from 1 to 1000"),
        ("policy.execution_timeout", 1, "policy.execution_timeout is 1.0; it must be from 5 to 604,800 sec"),
        ("policy.ttl", 1, "policy.ttl is 1.0; it must be from 10 to 604,800 seconds"),
        ("limits.run_body", 10**8, "limits.run_body is 100,000,000; it must be from 1 to 66,060,288 bytes"),
        ("limits.chunk", -1, "limits.chunk is -1; it must be from 1 to 66,060,288 bytes"),
        ("limits.depth", 10_000, "limits.depth is 10000; it must be from 1 to 500"),
        ("limits.queue_length", 0, "limits.queue_length is 0; it must be from 1 to 1000000000"),
        (
            "limits.output",
            66_000_000,
            "limits.output is 66,000,000 bytes and chunk 1,000,000; a worker may send both at once",
        ),
        ("limits.chunk", 60_000_000, "limits.chunk is 60,000,000 bytes and output 20,000,000; a worker"),
    ],
)
def test_a_number_out_of_its_range_is_named_with_the_range(
    tmp_path: Path, flag: str, value: Any, sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, flags={flag: value})
    assert str(caught.value).startswith(f"flags: {sentence}")


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        (
            "workers.scale_delay",
            "4s",
            "expected `float`, got `str`; write seconds as a number, such as 4",
        ),
        (
            "limits.output",
            "20MB",
            "expected `int`, got `str`; write bytes as a whole number, such as 20000000",
        ),
        ("server.port", "http", "expected `int`, got `str`; write a whole number, such as 8000"),
    ],
)
def test_a_number_that_is_none_is_answered_with_its_unit_and_one(
    tmp_path: Path, flag: str, value: str, sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, flags={flag: value})
    assert str(caught.value) == f"flags: {flag}: {sentence}"


def test_a_value_out_of_range_names_the_source_that_set_it(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text("[server]\nhost = '::1'")
    with pytest.raises(SettingsError, match=r"^WORKERKIT_SERVER__PORT: server\.port is -1; it must be"):
        load(tmp_path, {"WORKERKIT_SERVER__PORT": "-1"})


def test_a_body_and_an_output_at_their_limits_fit_a_frame() -> None:
    limits = LimitsSettings(run_body=MAX_PAYLOAD, output=MAX_PAYLOAD - 10**6, chunk=10**6)
    body, output, notes = (b"1" * size for size in (limits.run_body, limits.output, limits.chunk - 10))
    end = JobEnd(0, "j" * 50, 1, Status.FAILED, output, "e" * MOST, {"n": notes.decode()}, "r" * MOST)
    assert max(len(pack(one)) for one in (RunJob(0, "j" * 50, 1, body, {"webhook": b"1"}), end)) <= MAX_FRAME


def test_one_word_where_a_list_belongs_is_answered_with_the_list(tmp_path: Path) -> None:
    def refusal(*given: Any) -> str:
        with pytest.raises(SettingsError) as caught:
            load(tmp_path, *given)
        return str(caught.value).partition("; write a list: ")[2]

    assert refusal({}, {"plugins.disable": "s3"}) == """--set 'plugins.disable=["s3"]'"""
    assert refusal({"WORKERKIT_PLUGINS__LOAD": "m:A"}) == """WORKERKIT_PLUGINS__LOAD='["m:A"]'"""
    (tmp_path / "workerkit.toml").write_text("[plugins]\nautoload = 'mine'")
    assert refusal() == 'autoload = ["mine"]'


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "WORKERKIT_SERVER__PROT",
            "1",
            "WORKERKIT_SERVER__PROT is no setting; did you mean WORKERKIT_SERVER__PORT?",
        ),
        ("WORKERKIT_SECRETKEY", "1", "WORKERKIT_SECRETKEY is no setting; did you mean WORKERKIT_SECRET_KEY?"),
        ("WORKERKIT_X", "1", "WORKERKIT_X is no setting; settings are named WORKERKIT_SECTION__FIELD"),
        ("WORKERKIT_SERVER__PORT", "many", "WORKERKIT_SERVER__PORT: server.port: expected `int`, got `str`"),
        ("WORKERKIT_SERVER__PORT__X", "1", "WORKERKIT_SERVER__PORT__X: 'server.port' must be a table"),
        ("WORKERKIT_SECRET_KEY", "env:NOPE", "queue.secret_key: the environment variable 'NOPE' is not set"),
        ("WORKERKIT_SECRET_KEY", "file:/nope", "queue.secret_key: the secret's file cannot be read"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, sentence: str) -> None:
    (tmp_path / "workerkit.toml").write_text("[server]\nport = 1")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {name: value})
    assert sentence in str(caught.value)


def test_a_wrong_flag_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"flags: server\.port: expected `int`"):
        load(tmp_path, flags={"server.port": "x"})
    with pytest.raises(SettingsError, match=r"the settings file .*nope\.toml' does not exist"):
        load(tmp_path, config="nope.toml")


def test_every_source_of_a_setting_is_remembered_the_weakest_first(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text(
        "[plugin.webhook]\nattempts = 4\nheaders = {'x.y' = 'a', z = 'b'}"
    )

    settings = load(
        tmp_path, {"WORKERKIT_WEBHOOK__ATTEMPTS": "5"}, {"webhook.attempts": "3", "webhook.timeout": None}
    )

    file = str(tmp_path / "workerkit.toml")
    assert settings.plugin == {"webhook": {"attempts": "3", "headers": {"x.y": "a", "z": "b"}}}
    assert settings.origins["plugin.webhook.attempts"] == (
        (file, 4),
        ("WORKERKIT_WEBHOOK__ATTEMPTS", "5"),
        ("flags", "3"),
    )
    assert settings.where("plugin.webhook.attempts") == "flags"
    assert settings.where("plugin.webhook.headers[0]") == settings.where("plugin.webhook.headers.z") == file
    assert settings.where("plugin.webhook.timeout") == settings.where("server.port") == ""


def test_an_object_in_a_variable_takes_the_place_of_a_whole_table(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text("[plugins.use]\ns3 = 'mine:S3'\nwebhook = 'mine:Hook'")

    settings = load(tmp_path, {"WORKERKIT_PLUGINS__USE": '{"webhook": "slack"}'}, {"plugins.use.s3": "slack"})

    assert settings.plugins.use == {"webhook": "slack", "s3": "slack"}
    assert settings.origins["plugins.use"] == (("WORKERKIT_PLUGINS__USE", {"webhook": "slack"}),)


@pytest.mark.parametrize("name", ["source", "origins"])
def test_what_describes_the_settings_is_no_setting(tmp_path: Path, name: str) -> None:
    (tmp_path / "workerkit.toml").write_text(f"{name} = 'x'")
    with pytest.raises(
        SettingsError, match=rf"unknown setting '{name}'.* \(known: guard, limits, logs, plugin, plugins, pol"
    ):
        load(tmp_path)


def test_results_of_runsync_are_kept_as_long_as_others_unless_it_is_said(tmp_path: Path) -> None:
    assert load(tmp_path).queue.keep_sync is None
    assert load(tmp_path, flags={"queue.keep_sync": "60"}).queue.keep_sync == 60
    with pytest.raises(SettingsError, match=r"^flags: queue\.keep_sync is 0\.0; it must be from 1 to"):
        load(tmp_path, flags={"queue.keep_sync": 0})


def test_dead_deliveries_are_kept_for_a_week_unless_it_is_said(tmp_path: Path) -> None:
    assert load(tmp_path).queue.keep_dead == 7 * 86_400
    assert load(tmp_path, flags={"queue.keep_dead": "0"}).queue.keep_dead == 0
    with pytest.raises(SettingsError, match=r"^flags: queue\.keep_dead is -1\.0; it must be from 0 to"):
        load(tmp_path, flags={"queue.keep_dead": -1})


def test_a_plugins_setting_has_a_short_and_a_long_variable_and_flag(tmp_path: Path) -> None:
    settings = load(tmp_path, {"WORKERKIT_WEBHOOK__ATTEMPTS": "5", "WORKERKIT_PLUGIN__WEBHOOK__TIMEOUT": "2"})

    assert settings.plugin == {"webhook": {"attempts": "5", "timeout": "2"}}
    assert load(tmp_path, flags={"webhook.attempts": 5, "plugin.webhook.timeout": 2}).plugin == {
        "webhook": {"attempts": 5, "timeout": 2}
    }


def test_a_worker_gets_the_environment_without_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERKIT_SECRET_KEY", "k")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")

    environment = worker_environment()

    assert environment["CUDA_VISIBLE_DEVICES"] == "0"
    assert not [name for name in environment if name.startswith("WORKERKIT_")]
