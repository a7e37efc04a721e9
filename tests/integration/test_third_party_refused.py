"""Distributions that cannot be used, or are not wanted: each gets a sentence, at every command alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from environments import Environment
from workerkit import __version__

THIRD_PARTY = Path(__file__).parents[1] / "third_party"
HANDLER = (
    "from workerkit import worker_function\n\n@worker_function\ndef echo(job):\n    return job['input']\n"
)
DIST = "of workerkit-broken 0.0.1 (workerkit_broken."
HOOKS = (
    "accept, deliver, job_event, on_output, open_queue, post_job, pre_job, run_job, worker_start, worker_stop"
)
#: Entry point -> the sentence with which it is refused.
BROKEN = {
    "broken_import": (
        f"plugin 'broken_import' {DIST}missing:Missing) did not load: ModuleNotFoundError: "
        "No module named 'carrier_pigeon'; repair or uninstall it, or name it in [plugins] disable"
    ),
    "broken_hook": (
        f"plugin 'broken_hook' {DIST}misspelt:Misspelt): post_jobs is no hook of workerkit; "
        f"did you mean 'post_job'? (known: {HOOKS})"
    ),
    "broken_argument": (
        f"plugin 'broken_argument' {DIST}argument:Argument): post_job has no argument 'job' "
        "(known: request, result); take it out, or give it a default"
    ),
    "broken_settings": (
        f"plugin 'broken_settings' {DIST}unset:Unset): [plugin.broken_settings]: "
        "the setting 'most' is missing; give it a value"
    ),
    "webhook": (
        f"plugin 'webhook' {DIST}clash:Webhook) and "
        f"plugin 'webhook' of workerkit {__version__} (workerkit_plugins.webhook:Webhook) "
        "have the same name; uninstall one of them, "
        'or choose: [plugins] use = {webhook = "workerkit_broken.clash:Webhook"}'
    ),
}
Installed = Callable[[str], Environment]


def only(name: str, folder: Path, settings: str = "") -> None:
    """Settings that disable all of the broken plugins but one."""
    others = ", ".join(f'"{other}"' for other in BROKEN if other != name)
    (folder / "workerkit.toml").write_text(f"[plugins]\ndisable = [{others}]\n{settings}")


def refusal(environment: Environment, folder: Path) -> str:
    """The one sentence with which `serve` ends."""
    (folder / "handler.py").write_text(HANDLER)
    done = environment.workerkit("serve", "handler.py", "--port", "0", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    return done.stderr.removeprefix("workerkit: ").removesuffix("\n")


def complaint(environment: Environment, folder: Path) -> str:
    """The one sentence in `workerkit plugins`, which shows what works beside it."""
    done = environment.workerkit("plugins", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr == ""
    assert "error_key" in done.stdout
    [sentence] = done.stdout.partition("\nBroken\n")[2].partition("\n\n")[0].splitlines()
    return sentence.strip()


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_gets_its_sentence_from_serve_and_from_plugins(
    installed: Installed, tmp_path: Path, name: str
) -> None:
    only(name, tmp_path)
    environment = installed("workerkit-broken")

    assert refusal(environment, tmp_path) == BROKEN[name]
    assert complaint(environment, tmp_path) == BROKEN[name]


def test_a_setting_of_the_wrong_type_is_named_with_the_file_that_holds_it(
    installed: Installed, tmp_path: Path
) -> None:
    only("broken_settings", tmp_path, '[plugin.broken_settings]\nmost = "many"\n')

    said = complaint(installed("workerkit-broken"), tmp_path)

    assert said == (
        f"plugin 'broken_settings' {DIST}unset:Unset): {tmp_path}/workerkit.toml: [plugin.broken_settings]: "
        "most: expected `int`, got `str`; write a whole number"
    )


def test_a_setting_that_was_missed_is_all_that_was_missing(installed: Installed, tmp_path: Path) -> None:
    only("broken_settings", tmp_path, "[plugin.broken_settings]\nmost = 3\n")

    done = installed("workerkit-broken").workerkit("plugins", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "broken_settings" in done.stdout


def test_a_distribution_that_is_not_trusted_is_left_out_and_said_to_be(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "workerkit.toml").write_text('[plugins]\nautoload = ["workerkit"]\n')

    done = installed("workerkit-audit").workerkit("plugins", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "audit of workerkit-audit 1.0.0" in said
    assert 'not trusted: [plugins] autoload names only workerkit; add "workerkit-audit" to it' in said


def test_two_distributions_that_replace_the_same_plugin_are_both_named(tmp_path: Path) -> None:
    rival = tmp_path / "workerkit-rival"
    shutil.copytree(THIRD_PARTY / "workerkit-cloudevents", rival)
    (rival / "src" / "workerkit_cloudevents").rename(rival / "src" / "workerkit_rival")
    project = (rival / "pyproject.toml").read_text().replace("cloudevents", "rival")
    (rival / "pyproject.toml").write_text(project)
    environment = Environment(tmp_path / "env")
    environment.install(THIRD_PARTY / "workerkit-cloudevents", rival)

    said = complaint(environment, tmp_path)

    names = {
        f"plugin '{name}' of workerkit-{name} 1.2.0 (workerkit_{name}:CloudEvents)"
        for name in ("cloudevents", "rival")
    }
    both, _, cure = said.partition(" both take the place of ")
    assert {*both.split(" and ")} == names
    assert cure == "'webhook'; disable one of them"


def test_what_an_installed_plugin_has_replaced_is_said_with_its_name(
    installed: Installed, tmp_path: Path
) -> None:
    done = installed("workerkit-cloudevents").workerkit("plugins", "--json", cwd=tmp_path)

    told = json.loads(done.stdout)
    [webhook] = [plugin for plugin in told["plugins"] if plugin["name"] == "webhook"]
    assert (webhook["dist"], webhook["via"]) == ("workerkit-cloudevents 1.2.0", "replaces")
    assert [(one["name"], one["why"]) for one in told["left_out"]] == [
        (
            "webhook",
            "replaced by plugin 'cloudevents' of workerkit-cloudevents 1.2.0 (workerkit_cloudevents:CloudEvents), "
            "which says `replaces`",
        )
    ]
