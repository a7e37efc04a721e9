"""What `workerkit new` makes, used as its author would use it: by the commands that it prints."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from environments import Environment
from workerkit.cli.new import KINDS
from workerkit.cli.scaffold import SUFFIX, TEMPLATES

ROOT = Path(__file__).parents[2]
NEW = [sys.executable, "-m", "workerkit", "new"]
#: What the running Python has need not be fetched; what pip would build with is among it.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
CHECKS = ("python -m mypy", "python -m ruff check", "python -m ruff format --check")
#: As long as a name may be: lines grow with it, and the formatter must still find nothing to do.
LONG = "an_exceedingly_long_name_of_30"


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment")


@pytest.fixture
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For commands that fetch nothing, and that check the types of libraries once for all tests."""
    return {**OFFLINE, "MYPY_CACHE_DIR": str(tmp_path_factory.getbasetemp() / "mypy")}


def commands(printed: str) -> list[str]:
    """The commands that `workerkit new` says to go on with."""
    return [line.strip() for line in printed.splitlines() if line.startswith("    ")]


def in_shell(environment: Environment, folder: Path, lines: list[str], variables: dict[str, str]) -> str:
    """Run lines as if they were pasted into a terminal; fails when one of them does."""
    done = environment.run("sh", "-euxc", "\n".join(lines), cwd=folder, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("kind", "check", "hook"),
    [
        ("notify", "workerkit plugin check slack --set 'slack.url={receiver}'", "post_job"),
        ("provide", "workerkit plugin check slack", "worker_start"),
        ("output", "workerkit plugin check slack", "on_output"),
    ],
)
def test_a_new_plugin_installs_passes_its_own_tests_and_is_active(
    kind: str, check: str, hook: str, tmp_path: Path, environment: Environment, variables: dict[str, str]
) -> None:
    made = environment.workerkit("new", "plugin", "slack", "--kind", kind, cwd=tmp_path)
    printed = commands(made.stdout)

    shown = in_shell(environment, tmp_path, [*printed, *CHECKS], variables)

    assert printed == [
        "cd workerkit-slack",
        "python -m pip install -e '.[test]'",
        "python -m pytest",
        "workerkit plugins",
        check,
    ]
    assert "workerkit-slack 0.1.0" in shown
    assert "slack keeps " in shown
    assert "✗" not in shown
    assert hook in shown
    again = environment.workerkit("new", "plugin", "slack", "--into", environment.folder)
    assert "workerkit-slack 0.1.0 is installed and has that name; uninstall it, or choose" in again.stderr


def test_a_new_handler_installs_passes_its_own_tests_and_runs(
    tmp_path: Path, environment: Environment, variables: dict[str, str]
) -> None:
    made = environment.workerkit("new", "handler", "render", cwd=tmp_path)
    *printed, serve = commands(made.stdout)

    shown = in_shell(environment, tmp_path, [*printed, *CHECKS], variables)

    assert printed == [
        "cd workerkit-handler-render",
        "python -m pip install -e '.[test]'",
        "python -m pytest",
        "workerkit run --installed render",
    ]
    assert serve == "workerkit serve --installed render"
    assert '"answer": "render: a lighthouse"' in shown
    again = environment.workerkit("new", "handler", "render", "--into", environment.folder)
    assert (
        "workerkit-handler-render 0.1.0 is installed and has that name; uninstall it, or choose"
        in again.stderr
    )


def test_the_commands_lead_into_a_folder_whose_name_needs_quotes(tmp_path: Path) -> None:
    (tmp_path / "my plugins").mkdir()

    made = run(tmp_path, "plugin", "slack", "--into", "my plugins")

    assert commands(made)[0] == "cd 'my plugins/workerkit-slack'"


def test_without_an_active_environment_the_commands_name_the_python_that_was_used(tmp_path: Path) -> None:
    made = run(tmp_path, "plugin", "slack", environ={"PATH": os.defpath})

    assert f"{sys.executable} -m pip install -e '.[test]'" in commands(made)
    assert f"{sys.executable} -m workerkit plugins" in commands(made)


@pytest.mark.parametrize("made", [*(["plugin", LONG, "--kind", kind] for kind in KINDS), ["handler", LONG]])
def test_the_longest_name_leaves_the_formatter_nothing_to_do(made: list[str], tmp_path: Path) -> None:
    run(tmp_path, *made)

    [folder] = tmp_path.iterdir()
    for check in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *check, "--no-cache"]
        done = subprocess.run(ruff, cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_terminal_is_asked_once_for_the_kind(tmp_path: Path) -> None:
    shown = on_terminal(tmp_path, "plugin", "slack", answer="output\n")

    assert all(kind in shown and made.does in shown for kind, made in KINDS.items())
    assert shown.count("Kind (notify, provide, output) [notify]:") == 1
    assert "def on_output" in plugin_in(tmp_path)


@pytest.mark.parametrize("typed", ["3", "out", "OUTPUT", " o "])
def test_the_answer_may_be_a_number_or_the_beginning_of_a_word(typed: str, tmp_path: Path) -> None:
    on_terminal(tmp_path, "plugin", "slack", answer=f"{typed}\n")

    assert "def on_output" in plugin_in(tmp_path)


def test_an_answer_that_is_none_of_them_is_asked_for_again(tmp_path: Path) -> None:
    shown = on_terminal(tmp_path, "plugin", "slack", answer="prvide\nprovide\n")

    assert "there is no 'prvide'; did you mean 'provide'?" in shown
    assert "def pre_job" in plugin_in(tmp_path)


def test_a_folder_that_is_there_already_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "workerkit-slack").touch()

    shown = on_terminal(tmp_path, "plugin", "slack", code=1)

    assert shown == "workerkit: workerkit-slack is there already; move it away, or give --into FOLDER\n"


def test_only_a_plugin_that_tells_of_ends_is_offered_the_webhooks_place(tmp_path: Path) -> None:
    for kind in KINDS:
        run(tmp_path, "plugin", kind, "--kind", kind)
        readme = (tmp_path / f"workerkit-{kind}" / "README.md").read_text(encoding="utf-8")

        assert (f'use = {{ webhook = "{kind}" }}' in readme) == (kind == "notify")
        assert readme.index("pip install .") < readme.index(f"pip install workerkit-{kind}")


def test_a_terminal_that_only_says_enter_gets_what_is_made_elsewhere(tmp_path: Path) -> None:
    on_terminal(tmp_path, "plugin", "slack", answer="\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(elsewhere, "plugin", "slack")

    assert "def post_job" in plugin_in(tmp_path)
    assert plugin_in(tmp_path) == plugin_in(elsewhere)


def test_a_terminal_is_not_asked_for_what_the_command_line_says(tmp_path: Path) -> None:
    shown = on_terminal(tmp_path, "plugin", "slack", "--kind", "provide")

    assert "Kind" not in shown
    assert "def pre_job" in plugin_in(tmp_path)


def test_the_templates_are_in_the_wheel_and_none_is_taken_for_code(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(pip, check=True, timeout=120, env=os.environ | OFFLINE)

    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if "/templates/" in name}
    files = [path for path in TEMPLATES.rglob("*") if path.is_file()]
    assert packed == {f"workerkit/cli/templates/{path.relative_to(TEMPLATES).as_posix()}" for path in files}
    assert all(path.suffix == SUFFIX for path in files)


def run(folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [*NEW, *arguments],
        cwd=folder,
        env=os.environ | (environ or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_terminal(folder: Path, *arguments: str, answer: str = "", code: int = 0) -> str:
    """Run it on a terminal of its own, where a person types `answer`; returns what the terminal shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([*NEW, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        os.write(ours, answer.encode())
        shown = b"".join(iter(lambda: read(ours), b"")).decode()
        assert process.wait(timeout=30) == code, shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.replace("\r", "")


def read(terminal: int) -> bytes:
    """What has been printed since, as soon as there is something; nothing at the end or after 30 s."""
    try:
        return os.read(terminal, 4096) if select.select([terminal], [], [], 30)[0] else b""
    except OSError:  # Linux says so when the other end is closed
        return b""


def plugin_in(folder: Path) -> str:
    module = folder / "workerkit-slack" / "src" / "workerkit_slack" / "__init__.py"
    return module.read_text(encoding="utf-8")
