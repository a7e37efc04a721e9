from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workerkit.cli import invoke
from workerkit.cli.naming import LONGEST, handler_names, plugin_names

NEW = [sys.executable, "-m", "workerkit", "new"]


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["slack", "workerkit-slack", "workerkit_slack"])
def test_a_plugin_is_called_alike_whichever_of_its_names_is_given(name: str, folder: Path) -> None:
    code = invoke(["new", "plugin", name])

    assert code == 0
    assert [path.name for path in folder.iterdir()] == ["workerkit-slack"]
    assert made(folder / "workerkit-slack") == {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "src/workerkit_slack/__init__.py",
        "src/workerkit_slack/py.typed",
        "tests/test_slack.py",
    }


def test_a_name_of_two_words_is_spelt_as_each_place_wants_it() -> None:
    names = plugin_names("on-call")

    assert names.name == "on_call"
    assert names.distribution == "workerkit-on-call"
    assert names.module == "workerkit_on_call"
    assert names.attribute == "OnCall"
    assert handler_names("on-call").distribution == "workerkit-handler-on-call"
    assert handler_names("workerkit-handler-on-call") == handler_names("on_call")
    assert handler_names("on-call").attribute == "on_call"


def test_a_class_does_not_hide_what_it_is_made_from() -> None:
    assert plugin_names("job").attribute == "JobPlugin"
    assert plugin_names("true").attribute == "TruePlugin"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["plugin", "My Slack"], "'My Slack' cannot name a plugin; use at most 30 of a-z, 0-9 and '_'"),
        (["plugin", "My Slack"], "such as 'my_slack';"),
        (["plugin", "MySlack"], "such as 'my_slack';"),
        (["plugin", "2fa"], "such as 'my_2fa';"),
        (["plugin", "café"], "such as 'cafe';"),
        (["plugin", "workerkit-"], "such as 'my_name';"),
        (["plugin", "a" * (LONGEST + 1)], f"such as '{'a' * LONGEST}';"),
        (["plugin", "../slack"], "such as 'slack';"),
        (["plugin", "queue"], "queue is a name in workerkit's own settings; choose another name"),
        (["plugin", "plugin"], "plugin is a name in workerkit's own settings"),
        (["plugin", "profile"], "profile is a name in workerkit's own settings"),
        (["plugin", "my__slack"], "'my__slack' cannot name a plugin; use at most 30 of"),
        (["plugin", "class"], "it is a keyword of Python; choose another name, such as 'my_class'"),
        (["plugin", "webhook"], """whose place another takes by `replaces = "webhook"`; choose another"""),
        (["plugin", "slack", "--kind", "notfy"], "there is no 'notfy'; did you mean 'notify'? (known:"),
        (["plugin", "slack", "--into", "nowhere"], "Directory 'nowhere' does not exist"),
        (["plugin", "slack", "--author", "Ada\nLovelace"], "in one line of printable characters"),
        (["handler", "Render!"], "'Render!' cannot name a handler; use at most 30 of"),
        (["handler", "class"], "it is a keyword of Python"),
        (["handler", "json"], "Python's standard library has a module of that name"),
        (["handler", "sum"], "Python has a built-in function of that name"),
        (["handler", "run_job"], "the code that is made uses that name itself"),
        (["handler", "pytest"], "pytest is installed and has that name; uninstall it, or choose another"),
        (["handler", "workerkit"], "is installed and has that name"),
        (["hander", "render"], "there is no command 'hander'; did you mean 'handler'?"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence_and_leaves_nothing(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke(["new", *arguments])

    printed = capsys.readouterr()
    assert code == 2
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert not any(folder.iterdir())


@pytest.mark.parametrize("in_the_way", ["a file", "a folder that holds something", "a link"])
def test_what_is_there_already_is_left_alone(
    in_the_way: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = folder / "workerkit-slack"
    if in_the_way == "a file":
        taken.write_text("mine")
    elif in_the_way == "a link":
        taken.symlink_to("nowhere")
    else:
        (taken / "mine").mkdir(parents=True)

    code = invoke(["new", "plugin", "slack"])

    assert code == 1
    assert capsys.readouterr().err == (
        "workerkit: workerkit-slack is there already; move it away, or give --into FOLDER\n"
    )
    assert list(folder.iterdir()) == [taken]
    assert made(taken) == set()


def test_an_empty_folder_of_that_name_is_filled(folder: Path) -> None:
    (folder / "workerkit-slack").mkdir()

    assert invoke(["new", "plugin", "slack"]) == 0
    assert "pyproject.toml" in made(folder / "workerkit-slack")


def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke(["new", "plugin", "slack", "--into", "/dev/fd"])  # nobody may, not even root

    printed = capsys.readouterr().err
    assert code == 1
    assert printed.startswith("workerkit: /dev/fd/workerkit-slack cannot be written: ")
    assert printed.endswith("; give --into FOLDER for another place\n")


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    shell = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh"]  # files of 512 or 1024 bytes, which LICENSE exceeds

    done = subprocess.run(
        [*shell, *NEW, "plugin", "slack"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 1
    assert done.stderr.startswith("workerkit: workerkit-slack cannot be written: File too large")
    assert not any(tmp_path.iterdir())


def test_the_author_is_the_one_given_else_the_one_that_git_knows_else_nobody(tmp_path: Path) -> None:
    git = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"), "GIT_CONFIG_NOSYSTEM": "1"}
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada Lovelace\n")

    def holder(name: str, *arguments: str, environ: dict[str, str]) -> str:
        command = [*NEW, "plugin", name, *arguments]
        subprocess.run(command, cwd=tmp_path, env=os.environ | environ, check=True, capture_output=True)
        return (tmp_path / f"workerkit-{name}" / "LICENSE").read_text(encoding="utf-8").splitlines()[2]

    assert holder("a", environ=git).endswith(" Ada Lovelace")
    assert holder("b", "--author", 'Grace "Amazing" Höpper', environ=git).endswith(' Grace "Amazing" Höpper')
    (tmp_path / "gitconfig").write_text("")
    assert holder("c", environ=git).endswith(" The authors of workerkit-c")
    written = (tmp_path / "workerkit-b" / "pyproject.toml").read_text(encoding="utf-8")
    assert 'authors = [{ name = "Grace \\"Amazing\\" Höpper" }]' in written
