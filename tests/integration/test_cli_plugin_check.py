"""`workerkit plugin check`, as a person sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from checked_plugin import PLUGIN, check

PROMISES = 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "chat.py").write_text(PLUGIN)
    return tmp_path


def test_a_good_plugin_keeps_every_promise(folder: Path) -> None:
    done = check(
        folder, "chat:Chat", "--set", "chat.url={receiver}", "--field", 'room="general"',
        PYTEST_ADDOPTS="--no-such-option",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("Checking plugin 'chat' (chat:Chat)\n\n✓ It loads in the host")
    assert done.stdout.count("✓") == PROMISES
    assert f"chat keeps {PROMISES} promises, 2 do not apply (" in done.stdout.splitlines()[-1]
    assert "note:" not in done.stdout


def test_effects_that_nobody_counts_are_noted(folder: Path) -> None:
    (folder / "chat.py").write_text(
        PLUGIN.split("        headers = ")[0] + "        return Receipt.delivered()"
    )

    done = check(folder, "chat:Chat", "--field", "room=general", "--field", "webhook={receiver}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("    note: it says that it delivered; nobody counts what arrives") == 2


def test_a_plugin_that_only_says_that_it_delivers_is_caught(folder: Path) -> None:
    (folder / "chat.py").write_text(
        PLUGIN.split("        headers = ")[0] + "        return Receipt.delivered()"
    )

    done = check(folder, "chat:Chat", "--set", "chat.url={receiver}", "--field", "room=general")

    assert done.returncode == 1
    assert done.stdout.count("0 of 1 effects had arrived when the host was killed") == 2


def test_a_plugin_in_anothers_place_is_called_by_its_own_name(folder: Path) -> None:
    own = PLUGIN.replace(
        '    fields = {"room": Field(str)}', '    fields = {"webhook": Field(str)}\n    replaces = "webhook"'
    )
    (folder / "chat.py").write_text(own.replace('"room"', '"webhook"'))

    done = check(folder, "chat:Chat", "--set", "webhook.url={receiver}", "--field", "webhook={receiver}/x")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("chat keeps ")


def test_a_broken_promise_has_its_reason_below_it(folder: Path) -> None:
    (folder / "workerkit.toml").write_text('[plugin.chat]\nurl = "{receiver}/post"\n')
    (folder / "chat.py").write_text(PLUGIN.replace("target=room", "target=self.settings.token.reveal()"))

    done = check(folder, "chat:Chat", "--field", "room=general")

    assert done.returncode == 1
    assert "✗ It tells no secret" in done.stdout
    assert "    a secret is in the target of a delivery, in an answer of /deliveries" in done.stdout
    assert "Traceback" not in done.stdout
    assert (
        f"chat keeps {PROMISES - 1} promises, breaks 1 (--verbose shows more), 2 do not apply ("
        in done.stdout.splitlines()[-1]
    )


def test_a_part_that_a_plugin_does_not_have_is_said(tmp_path: Path) -> None:
    (tmp_path / "quiet.py").write_text(
        "from workerkit import hookimpl\nclass Quiet:\n    @hookimpl\n    def pre_job(self): ...\n"
    )

    done = check(tmp_path, "quiet:Quiet")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "\N{EN DASH} Its post_job takes every end of a job, and all that it asks for is delivered\n"
        in done.stdout
    )
    assert "    not applicable: it has no post_job hook\n" in done.stdout
    assert "quiet keeps 6 promises, 5 do not apply (" in done.stdout.splitlines()[-1]


def test_a_plugin_that_does_not_load_is_held_to_nothing_else(folder: Path) -> None:
    done = check(folder, "chat:Chat", "--set", "plugin.chat.attempts=0")

    assert done.returncode == 1
    assert done.stdout.count("✗") == 1
    assert "[plugin.chat]: 'attempts' must be >= 1: 0" in done.stdout
    assert done.stdout.endswith("chat does not load, so nothing else was checked.\n")


def test_all_that_is_known_is_shown_on_demand(folder: Path) -> None:
    (folder / "chat.py").write_text(
        PLUGIN.replace("self.settings = settings", "raise RuntimeError('no network')")
    )

    done = check(folder, "chat:Chat", "--verbose")

    assert "could not be built: RuntimeError: no network" in done.stdout
    assert 'chat.py", line' in done.stdout


def test_an_authors_handler_takes_the_place_of_the_checks_own(folder: Path) -> None:
    (folder / "handler.py").write_text(
        "from workerkit import worker_function\n@worker_function\ndef own(job):\n    raise ValueError('own')\n"
    )

    done = check(folder, "chat:Chat", "--handler", "handler.py")

    assert "a job that should go well is FAILED" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["chatt"], "no plugin 'chatt' is installed"),
        (["chat:Chatt"], "did you mean 'Chat'?"),
        (["chat:Chat", "--field", "room"], "--field room: write NAME=JSON"),
        (["chat:Chat", "--field", 'room={"a": }'], "the value is not valid JSON"),
        (["chat:Chat", "--set", "plugin.chat=1"], "plugin"),
    ],
    ids=["unknown", "attribute", "field", "json", "section"],
)
def test_a_mistake_is_one_sentence(folder: Path, arguments: list[str], sentence: str) -> None:
    done = check(folder, *arguments)

    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_without_pytest_it_says_what_to_install(folder: Path) -> None:
    script = """
import sys
sys.modules["pytest"] = None  # as if it were not installed
from workerkit.cli import invoke
sys.exit(invoke(["plugin", "check", "chat:Chat"]))
"""

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert done.stderr == (
        'workerkit: the checks are run by pytest, which is not installed; pip install "workerkit[testing]"\n'
    )


def test_an_unknown_command_names_the_one_there_is(folder: Path) -> None:
    command = [sys.executable, "-m", "workerkit", "plugin", "chekc"]

    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "there is no command 'chekc'; did you mean 'check'?" in done.stderr
